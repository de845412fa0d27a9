//! Owns: the login name of a uid, from /etc/passwd as the host has it now.
//! Never: NSS. A directory service that hangs must not stop the agent; names it alone knows stay empty.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a change of the file may go unseen: a new account's first process is rarely younger.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// About 15,000 accounts, 2 MB in memory; what stands beyond stays without a name.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

pub struct Users {
    file: PathBuf,
    names: HashMap<u32, String>,
    checked: Option<Instant>,
    /// Modification time, inode and size of the file as it was read.
    stamp: Option<(i64, i64, u64, u64)>,
}

impl Users {
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), names: HashMap::new(), checked: None, stamp: None }
    }

    /// Empty where the host has no name for it.
    pub fn name(&mut self, uid: u32) -> String {
        self.name_at(uid, Instant::now())
    }

    fn name_at(&mut self, uid: u32, now: Instant) -> String {
        if self.checked.is_none_or(|last| now.saturating_duration_since(last) >= CHECK_EVERY) {
            self.checked = Some(now);
            self.look();
        }
        self.names.get(&uid).cloned().unwrap_or_default()
    }

    fn look(&mut self) {
        let stamp =
            fs::metadata(&self.file).ok().map(|file| (file.mtime(), file.mtime_nsec(), file.ino(), file.size()));
        // A file that is being replaced is missing for a moment: the old names are better than none.
        if stamp.is_none() || stamp == self.stamp {
            return;
        }
        let mut bytes = Vec::new();
        let read = File::open(&self.file).and_then(|file| file.take(PASSWD_BYTES_MAX).read_to_end(&mut bytes));
        if read.is_ok() {
            self.names = parse(&String::from_utf8_lossy(&bytes));
            self.stamp = stamp;
        }
    }
}

/// Where two accounts share a uid the first one names it, as `getpwuid` has it.
pub fn parse(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next(), fields.nth(1).and_then(|uid| uid.parse().ok()));
        if let (Some(name), Some(uid)) = (name.filter(|name| !name.is_empty() && !name.starts_with('#')), uid) {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests;
