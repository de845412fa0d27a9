//! Owns: following the journal by journalctl, and believing only the fields that journald itself sets.
//! Never: what sshd says in the message.

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::poll::PollFlags;
use picket_model::Timestamp;
use serde_json::Value;

use super::Teller;
use crate::sensor::feed::ready;

const SOCKETS: &str = "/run/systemd/journal";
const PROGRAMS: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];
/// sshd's parts, as the kernel names them; since 9.8 each session is a program of its own.
const NAMES: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];
/// A message of sshd's is below a kilobyte; journald's own fields add some hundred bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// journalctl ends when journald is updated; it is not started again faster than this.
const PAUSE: Duration = Duration::from_secs(5);

pub struct Journal {
    program: PathBuf,
    /// Where the last record stood, so that none is missed between two runs.
    cursor: Option<String>,
}

/// One record of the journal's.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    message: String,
    time: Option<Timestamp>,
    pid: Option<u32>,
    cursor: Option<String>,
}

impl Journal {
    /// `None` where this host has no journal or nothing to read it with.
    pub fn find() -> Option<Self> {
        let program = PROGRAMS.into_iter().map(PathBuf::from).find(|program| program.exists())?;
        Path::new(SOCKETS).exists().then_some(Self { program, cursor: None })
    }

    pub fn run(mut self, teller: &Teller) {
        let mut quiet = false;
        while !teller.feed.stopped() {
            match self.start() {
                Ok(mut child) => {
                    if std::mem::take(&mut quiet) {
                        teller.feed.notice("probe back", "journalctl".into());
                    }
                    if let Some(output) = child.stdout.take() {
                        self.follow(output, teller);
                    }
                    // Ours alone: the handle keeps the pid from being another's.
                    let _ = child.kill();
                    let _ = child.wait();
                }
                Err(error) if !quiet => {
                    quiet = true;
                    teller.feed.notice("probe quiet", format!("journalctl: {error}"));
                }
                Err(_) => {}
            }
            teller.feed.sleep(PAUSE);
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["--follow", "--quiet", "--output=json", "--output-fields=MESSAGE,_COMM,_UID,_PID", "_UID=0"]);
        command.arg(self.cursor.as_ref().map_or("--lines=0".into(), |cursor| format!("--after-cursor={cursor}")));
        command.args(NAMES.map(|name| format!("_COMM={name}")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }

    fn follow(&mut self, output: ChildStdout, teller: &Teller) {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while !teller.feed.stopped() {
            let waits = reader.buffer().is_empty();
            if waits && !matches!(ready([(reader.get_ref().as_fd(), PollFlags::POLLIN)]), Ok([true])) {
                continue;
            }
            match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                // Cut short by its limit, or by the end of journalctl: not one of sshd's.
                Ok(_) if line.last() != Some(&b'\n') => teller.feed.lost("auth.line", 1),
                Ok(_) => {
                    if let Some(entry) = entry(&line) {
                        teller.hear(&entry.message, entry.time, entry.pid);
                        self.cursor = entry.cursor.or(self.cursor.take());
                    }
                }
            }
            line.clear();
        }
    }
}

/// A record of root's sshd: `_UID` and `_COMM` come from the kernel, whatever the sender wrote.
fn entry(line: &[u8]) -> Option<Entry> {
    let record: Value = serde_json::from_slice(line).ok()?;
    let field = |name: &str| record.get(name).and_then(Value::as_str);
    if field("_UID") != Some("0") || !NAMES.contains(&field("_COMM")?) {
        return None;
    }
    let message = match record.get("MESSAGE")? {
        Value::String(text) => text.clone(),
        // What is not UTF-8 comes as numbers.
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes?).into_owned()
        }
        _ => return None,
    };
    let micros: Option<u64> = field("__REALTIME_TIMESTAMP").and_then(|time| time.parse().ok());
    Some(Entry {
        message,
        time: micros.map(|micros| Timestamp(micros.saturating_mul(1000))),
        pid: field("_PID").and_then(|pid| pid.parse().ok()),
        cursor: field("__CURSOR").map(str::to_owned),
    })
}
