//! Owns: tests of finding the file of real processes, and of what is remembered of files.
//! Never: a digest.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use picket_model::raw::RawProcess;
use picket_model::{FileId, Sha256, Timestamp};

use super::{FILES_MAX, Files, Stamp, executed, unchanged, written};
use crate::procfs;
use crate::worker::Measured;

/// Far enough ahead that every file of the test counts as settled.
const LATER: Timestamp = Timestamp(u64::MAX);

struct Running(Child);

impl Running {
    /// A copy of `cat` that waits for its input.
    fn start(program: &Path) -> Self {
        std::fs::copy("/bin/cat", program).unwrap();
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

/// What stands in the file that was found.
fn found(raw: &RawProcess, now: Timestamp) -> Option<Vec<u8>> {
    let mut opened = executed(raw, now)?;
    let mut bytes = Vec::new();
    opened.file.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

fn cat() -> Option<Vec<u8>> {
    Some(std::fs::read("/bin/cat").unwrap())
}

fn measured() -> Arc<Measured> {
    Arc::new(Measured {
        size: 0,
        sha256: Sha256([0; 32]),
        md5: [0; 16],
        tlsh: None,
        entropy_millibits: 0,
        header: vec![],
        content: vec![],
    })
}

#[test]
fn the_executed_file_is_found_even_when_its_name_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let running = Running::start(&program);
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "another file of that name").unwrap();
    assert_eq!(found(&running.raw(), LATER), cat());
}

#[test]
fn a_change_shows_in_the_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    drop(Running::start(&program));
    let opened = written(program.to_str().unwrap(), FileId::default()).unwrap();
    assert!(unchanged(&opened.file, &opened.stamp));
    std::fs::OpenOptions::new()
        .append(true)
        .open(&program)
        .map(|mut f| std::io::Write::write_all(&mut f, b"x"))
        .unwrap()
        .unwrap();
    assert!(!unchanged(&opened.file, &opened.stamp));
}

#[test]
fn another_image_under_the_pid_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(&directory.path().join("program"));
    let mut raw = running.raw();
    let file = raw.exe_file.unwrap();
    raw.exe_file = Some(FileId { ino: file.ino + 1, ..file });
    assert_eq!(found(&raw, LATER), None);
    // Where devices are not comparable the path decides.
    raw.exe_file = Some(FileId { dev: file.dev + 1, ino: file.ino + 1 });
    assert_eq!(found(&raw, LATER), cat());
    raw.exe = "/bin/sh".into();
    assert_eq!(found(&raw, LATER), None);
}

#[test]
fn a_process_that_is_gone_leaves_its_unchanged_file() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let mut raw = Running::start(&program).raw();
    // As if its pid were free by now; the kernel gives none as large.
    raw.pid = 5_000_000;
    assert_eq!(found(&raw, LATER), cat());
    assert_eq!(found(&raw, Timestamp(1)), None, "it changed after it ran");
    let file = raw.exe_file.take().unwrap();
    assert_eq!(found(&raw, LATER), None, "a path alone proves nothing");
    raw.exe_file = Some(file);
    std::fs::rename(&program, directory.path().join("moved")).unwrap();
    std::fs::copy("/bin/cat", &program).unwrap();
    assert_eq!(found(&raw, LATER), None, "another file has the name");
    std::fs::remove_file(&program).unwrap();
    nix::unistd::mkfifo(&program, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(found(&raw, LATER), None, "a pipe is not opened");
    assert!(written(program.to_str().unwrap(), FileId::default()).is_none());
}

#[test]
fn the_least_recently_used_gives_way_and_a_fresh_file_is_not_kept() {
    let mut files = Files::new();
    let stamp = |ino: usize| Stamp { dev: 1, ino: ino as u64, ctime: (0, 0), size: 0 };
    for ino in 0..FILES_MAX + 10 {
        files.keep(stamp(ino), measured(), LATER);
        assert!(files.get(&stamp(0)).is_some());
    }
    assert_eq!(files.files.len(), FILES_MAX);
    assert!(files.get(&stamp(1)).is_none());
    let mut files = Files::new();
    files.keep(stamp(1), measured(), Timestamp(super::SETTLED_NS));
    assert!(files.get(&stamp(1)).is_none());
}
