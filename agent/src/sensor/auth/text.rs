//! Owns: following text logs that grow, are replaced and are cut, and the header that syslog puts before a line.
//! Never: what sshd says in the line.

#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Teller;

/// Debian's and Red Hat's.
pub const DEFAULTS: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];
/// A sign-in is told within a moment, at the price of one `stat` for each log.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// syslog's own limit; a longer line is no line of sshd's.
const LINE_BYTES_MAX: usize = 8192;
/// Of one log in one look. A log that grows faster is read on at the next.
const READ_BYTES: usize = 256 * 1024;
const TAGS: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

pub fn run(logs: &[PathBuf], teller: &Teller) {
    let mut tails: Vec<Tail> = logs.iter().map(|log| Tail::at_end(log)).collect();
    while !teller.feed.stopped() {
        for tail in &mut tails {
            // One that is not there, or not for us, may come: it is looked for again.
            let _ = tail.look(|line| {
                if let Some(message) = message(&String::from_utf8_lossy(line)) {
                    teller.hear(message, None, None);
                }
            });
            teller.feed.lost("auth.line", std::mem::take(&mut tail.dropped));
        }
        teller.feed.sleep(LOOK_EVERY);
    }
}

/// What a program of sshd's says; `None` for any other's line.
///
/// The header is read word by word from the left, for it is syslog's. A line without one is sshd's own log (`-E`).
fn message(line: &str) -> Option<&str> {
    if ["Accepted ", "Failed ", "Invalid user "].iter().any(|own| line.starts_with(own)) {
        return Some(line);
    }
    let (first, mut rest) = line.split_once(' ')?;
    // `Oct  1 12:00:00 host` or `2026-10-01T12:00:00.1+00:00 host`.
    let words = if first.starts_with(|c: char| c.is_ascii_digit()) { 1 } else { 3 };
    for _ in 0..words {
        rest = rest.trim_start().split_once(' ')?.1;
    }
    let (tag, message) = rest.split_once(": ")?;
    let name = tag.split_once('[').map_or(tag, |(name, _)| name);
    TAGS.contains(&name).then_some(message)
}

struct Tail {
    path: PathBuf,
    open: Option<File>,
    /// What has been read of a line that is not over yet.
    line: Vec<u8>,
    /// The line's beginning was too long: its rest is thrown away.
    skipping: bool,
    dropped: u64,
}

impl Tail {
    fn at_end(path: &Path) -> Self {
        let open = File::open(path).and_then(|mut file| file.seek(SeekFrom::End(0)).map(|_| file)).ok();
        Self { path: path.into(), open, line: Vec::new(), skipping: false, dropped: 0 }
    }

    fn look(&mut self, mut tell: impl FnMut(&[u8])) -> io::Result<()> {
        if let Some(mut file) = self.open.take() {
            let found = file.metadata()?;
            if found.len() < file.stream_position()? {
                file.seek(SeekFrom::Start(0))?;
                self.line.clear();
            }
            let done = self.read(&mut file, &mut tell)?;
            // The old log is read to its end before the new one begins, and kept while there is none.
            if !done || fs::metadata(&self.path).map_or(true, |now| same(&now, &found)) {
                self.open = Some(file);
                return Ok(());
            }
            self.line.clear();
        }
        let mut file = File::open(&self.path)?;
        self.skipping = false;
        let read = self.read(&mut file, &mut tell);
        self.open = Some(file);
        read.map(drop)
    }

    /// Whether the end was reached.
    fn read(&mut self, file: &mut File, tell: &mut impl FnMut(&[u8])) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let len = file.take(READ_BYTES as u64).read_to_end(&mut bytes)?;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                self.dropped += u64::from(!self.skipping);
                self.skipping = true;
            } else if !self.skipping {
                self.line.extend_from_slice(text.unwrap_or(part));
            }
            if text.is_some() {
                if !self.skipping {
                    tell(&self.line);
                }
                self.line.clear();
                self.skipping = false;
            }
        }
        Ok(len < READ_BYTES)
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
