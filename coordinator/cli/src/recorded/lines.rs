//! Owns: one JSON object a line, the lines told by their numbers.
//! Never: JSON; a line that is none costs itself only.

use std::io::{BufRead, BufReader, Read};

use super::{EVENT_BYTES_MAX, End, Sink, too_long};

pub fn read<R: Read>(mut input: BufReader<R>, sink: &mut impl Sink) -> Result<(), End> {
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        if input.buffer().is_empty() {
            sink.idle()?;
        }
        line.clear();
        number += 1;
        let read = input.by_ref().take(EVENT_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        if line.last() != Some(&b'\n') && line.len() > EVENT_BYTES_MAX {
            input.skip_until(b'\n')?;
            sink.unreadable(number, too_long())?;
        } else if !text.is_empty() {
            sink.event(number, text)?;
        }
    }
}
