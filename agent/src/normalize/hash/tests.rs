//! Owns: tests of digests on real processes that run real files.
//! Never: a digest without a file.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use picket_model::raw::RawProcess;
use picket_model::{FileId, Sha256, Timestamp};
use sha2::Digest;

use super::{FILE_BYTES_MAX, FILES_MAX, Hashes, Kept, Stamp};
use crate::procfs;

/// Far enough ahead that every file of the test counts as settled.
const LATER: Timestamp = Timestamp(u64::MAX);

struct Running(Child);

impl Running {
    /// A copy of `cat` that waits for its input.
    fn start(program: &Path) -> Self {
        std::fs::copy("/bin/cat", program).unwrap();
        Self::again(program)
    }

    fn again(program: &Path) -> Self {
        Self(Command::new(program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn raw(&self) -> RawProcess {
        procfs::describe(self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn digest(file: &str) -> Sha256 {
    Sha256(sha2::Sha256::digest(std::fs::read(file).unwrap()).into())
}

#[test]
fn the_executed_file_is_hashed_even_when_its_name_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let running = Running::start(&program);
    let mut hashes = Hashes::new();
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "another file of that name").unwrap();
    assert_eq!(hashes.executed(&running.raw(), LATER), Some(digest("/bin/cat")));
}

#[test]
fn a_file_is_read_once_and_again_when_it_changed() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let running = Running::start(&program);
    let mut hashes = Hashes::new();
    let first = hashes.executed(&running.raw(), LATER);
    let read = hashes.read_bytes;
    assert_eq!(hashes.executed(&Running::again(&program).raw(), LATER), first);
    assert_eq!(hashes.read_bytes, read, "the second run of it is not read");
    drop(running);
    let mut bytes = std::fs::read(&program).unwrap();
    bytes.push(0);
    std::fs::write(&program, bytes).unwrap();
    let changed = hashes.executed(&Running::again(&program).raw(), LATER);
    assert!(changed.is_some() && changed != first);
}

#[test]
fn a_fresh_file_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(&directory.path().join("program"));
    let mut hashes = Hashes::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(hashes.executed(&running.raw(), Timestamp::from_millis(now.as_millis().try_into().unwrap())).is_some());
    assert!(hashes.files.is_empty());
}

#[test]
fn another_image_under_the_pid_gives_no_digest() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(&directory.path().join("program"));
    let mut raw = running.raw();
    let file = raw.exe_file.unwrap();
    raw.exe_file = Some(FileId { ino: file.ino + 1, ..file });
    assert_eq!(Hashes::new().executed(&raw, LATER), None);
    // Where devices are not comparable the path decides.
    raw.exe_file = Some(FileId { dev: file.dev + 1, ino: file.ino + 1 });
    assert!(Hashes::new().executed(&raw, LATER).is_some());
    raw.exe = "/bin/sh".into();
    assert_eq!(Hashes::new().executed(&raw, LATER), None);
}

#[test]
fn a_process_that_is_gone_leaves_its_unchanged_file() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let mut raw = Running::start(&program).raw();
    // As if its pid were free by now; the kernel gives none as large.
    raw.pid = 5_000_000;
    assert_eq!(Hashes::new().executed(&raw, LATER), Some(digest("/bin/cat")));
    assert_eq!(Hashes::new().executed(&raw, Timestamp(1)), None, "it changed after it ran");
    let file = raw.exe_file.take().unwrap();
    assert_eq!(Hashes::new().executed(&raw, LATER), None, "a path alone proves nothing");
    raw.exe_file = Some(file);
    std::fs::rename(&program, directory.path().join("moved")).unwrap();
    std::fs::copy("/bin/cat", &program).unwrap();
    assert_eq!(Hashes::new().executed(&raw, LATER), None, "another file has the name");
    std::fs::remove_file(&program).unwrap();
    nix::unistd::mkfifo(&program, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(Hashes::new().executed(&raw, LATER), None, "a pipe is not opened");
}

#[test]
fn a_huge_program_and_a_spent_budget_give_no_digest() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    drop(Running::start(&program));
    let file = std::fs::OpenOptions::new().write(true).open(&program).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    drop(file);
    let running = Running::again(&program);
    assert_eq!(Hashes::new().executed(&running.raw(), LATER), None);
    let small = Running::start(&directory.path().join("small"));
    let mut hashes = Hashes::new();
    hashes.running_bytes_left = 10;
    assert_eq!(hashes.running(&small.raw(), LATER), None);
    hashes.running_bytes_left = 64 << 20;
    assert!(hashes.running(&small.raw(), LATER).is_some());
    assert!(hashes.running_bytes_left < 64 << 20);
}

#[test]
fn the_least_recently_used_gives_way() {
    let mut hashes = Hashes::new();
    let stamp = |ino: usize| Stamp { dev: 1, ino: ino as u64, ctime: (0, 0), size: 0 };
    for ino in 0..FILES_MAX + 10 {
        hashes.clock += 1;
        hashes.keep(stamp(ino), Sha256([0; 32]));
        if let Some(Kept { used, .. }) = hashes.files.get_mut(&stamp(0)) {
            *used = hashes.clock;
        }
    }
    assert_eq!(hashes.files.len(), FILES_MAX);
    assert!(hashes.files.contains_key(&stamp(0)) && !hashes.files.contains_key(&stamp(1)));
}
