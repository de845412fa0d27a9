//! Owns: JSON objects that stand in an array or one after the other, over as many lines as they like: what
//! `picket events --json` prints.
//! Never: what is in them, beyond where each ends.

use std::io::{BufRead, BufReader, Read};

use super::{EVENT_BYTES_MAX, End, Sink, too_long};

/// Whether a text that begins so holds values like these and not one object a line.
pub fn begin_here(head: &[u8]) -> bool {
    let first_line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    first_line.starts_with(b"[") || first_line.trim_ascii() == b"{"
}

/// Where the reading stands: between objects, or in one.
struct Splitter {
    /// The object so far; not kept any more once it is too long.
    object: Vec<u8>,
    too_long: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
    line: u64,
    /// Where the object began.
    begun: u64,
    /// In an array.
    listed: bool,
    /// The last line of which it was told that something else stands there.
    stray: u64,
}

pub fn read<R: Read>(mut input: BufReader<R>, sink: &mut impl Sink) -> Result<(), End> {
    let mut splitter = Splitter {
        object: Vec::new(),
        too_long: false,
        depth: 0,
        in_string: false,
        escaped: false,
        line: 1,
        begun: 0,
        listed: false,
        stray: 0,
    };
    loop {
        if input.buffer().is_empty() {
            sink.idle()?;
        }
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return splitter.end(sink);
        }
        let length = bytes.len();
        for byte in bytes {
            splitter.take(*byte, sink)?;
        }
        input.consume(length);
    }
}

impl Splitter {
    fn take(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), End> {
        if byte == b'\n' {
            self.line += 1;
        }
        if self.depth == 0 {
            return self.between(byte, sink);
        }
        self.keep(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' => self.depth += 1,
            b'}' => self.depth -= 1,
            _ => {}
        }
        if self.depth > 0 {
            return Ok(());
        }
        match self.too_long {
            true => sink.unreadable(self.begun, too_long())?,
            false => sink.event(self.begun, &self.object)?,
        }
        Ok(())
    }

    fn between(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), End> {
        match byte {
            b'{' => {
                self.object.clear();
                (self.too_long, self.depth, self.begun) = (false, 1, self.line);
                self.keep(byte);
            }
            b'[' if !self.listed => self.listed = true,
            b']' if self.listed => self.listed = false,
            b',' if self.listed => {}
            _ if byte.is_ascii_whitespace() => {}
            _ if self.stray == self.line => {}
            _ => {
                self.stray = self.line;
                sink.unreadable(self.line, "what stands here is no JSON object".to_owned())?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) {
        if self.object.len() < EVENT_BYTES_MAX {
            self.object.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn end(self, sink: &mut impl Sink) -> Result<(), End> {
        if self.depth > 0 {
            sink.unreadable(self.begun, "the object that begins here has no end".to_owned())?;
        }
        Ok(())
    }
}
