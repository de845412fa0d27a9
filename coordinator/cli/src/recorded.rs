//! Owns: recorded events, one at a time within bounded memory: from JSON Lines, a JSON array, an event log of Windows
//! or standard input.
//! Never: what an event means.

mod evtx;
mod lines;
#[cfg(test)]
mod tests;
mod values;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::failure::Failure;

/// The longest event that is taken; answers of clouds reach a megabyte or two.
pub const EVENT_BYTES_MAX: usize = picket_detect::foreign::LINE_BYTES_MAX;
/// A few hundred events are read at once.
const BUFFER_BYTES: usize = 1 << 18;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// What compressed files begin with, and what unpacks them.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ", "xz -dc"), (b"\x1f\x8b", "gzip -dc"), (b"\x28\xb5\x2f\xfd", "zstd -dc"), (b"BZh", "bzip2 -dc")];

/// What takes the events of a file, in order. A failure ends the reading.
pub trait Sink {
    /// `line` is where the event begins, from 1; of a record of Windows its number.
    fn event(&mut self, line: u64, json: &[u8]) -> Result<(), Failure>;
    fn unreadable(&mut self, line: u64, reason: String) -> Result<(), Failure>;
    /// No more has come yet, and it may take long until it does.
    fn idle(&mut self) -> Result<(), Failure>;
}

/// Reads a file to its end; `-` is standard input.
pub fn read(path: &Path, sink: &mut impl Sink) -> Result<(), Failure> {
    if path == Path::new("-") {
        let input = BufReader::with_capacity(BUFFER_BYTES, std::io::stdin().lock());
        return stream(path, input, sink);
    }
    let failure = |cause| Failure::File { what: "read", path: path.display().to_string(), cause };
    let file = File::open(path).map_err(failure)?;
    if file.metadata().map_err(failure)?.is_dir() {
        let message = format!("{} is a folder", path.display());
        return Err(Failure::usage(message, "name the files of events in it"));
    }
    let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
    if input.fill_buf().map_err(failure)?.starts_with(evtx::MAGIC) {
        return evtx::read(path, sink);
    }
    stream(path, input, sink)
}

fn stream<R: Read>(path: &Path, mut input: BufReader<R>, sink: &mut impl Sink) -> Result<(), Failure> {
    let failure = |cause| Failure::File { what: "read", path: path.display().to_string(), cause };
    sink.idle()?;
    let head = input.fill_buf().map_err(failure)?;
    if head.starts_with(evtx::MAGIC) {
        let message = "an event log of Windows cannot be read from a pipe, since its parts lie in no order";
        return Err(Failure::usage(message, "name the file: --events FILE.evtx"));
    }
    if let Some((_, unpack)) = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        let message = format!("{} is compressed", path.display());
        return Err(Failure::usage(
            message,
            format!("unpack it on the way: {unpack} FILE | picket rules run --events -"),
        ));
    }
    if head.starts_with(UTF8_MARK) {
        input.consume(UTF8_MARK.len());
    }
    let is_values = values::begin_here(input.fill_buf().map_err(failure)?);
    let read = if is_values { values::read(input, sink) } else { lines::read(input, sink) };
    read.map_err(|end| end.into_failure(failure))
}

/// Why reading ends early: the input, or whoever takes the events.
enum End {
    Input(std::io::Error),
    Sink(Failure),
}

impl End {
    fn into_failure(self, input: impl FnOnce(std::io::Error) -> Failure) -> Failure {
        match self {
            Self::Input(cause) => input(cause),
            Self::Sink(failure) => failure,
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Sink(failure)
    }
}

impl From<std::io::Error> for End {
    fn from(cause: std::io::Error) -> Self {
        Self::Input(cause)
    }
}

fn too_long() -> String {
    format!("an event of more than {EVENT_BYTES_MAX} bytes; it is passed over")
}
