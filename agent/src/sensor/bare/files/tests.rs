//! Owns: tests of what newer kernels no longer need: a rename in two pieces, on the real kernel.
//! Never: a stand-in for it.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::fanotify::MaskFlags;
use picket_model::FileActivity;
use picket_model::raw::RawKind;

use super::Files;
use crate::sensor::feed::Inlet;

#[test]
fn a_rename_in_two_pieces_is_put_together() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: fanotify needs root");
        return;
    }
    let files = Files::with_renames(&[], &[MaskFlags::FAN_MOVE]).expect("fanotify");
    let mut inlet = Inlet::new("queue.test");
    inlet.run("files", move |feed| files.run(&feed)).expect("a thread");
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    std::fs::write(&old, "").expect("a file");
    assert!(Command::new("mv").args([&old, &new]).status().expect("mv").success());
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < end, "the rename is not told");
        for record in inlet.take(Duration::from_millis(100), Duration::ZERO, 1000) {
            let RawKind::File { activity: FileActivity::Rename, path, old_path, .. } = record.kind else { continue };
            if path == new.to_string_lossy() {
                assert_eq!(old_path, Some(old.to_string_lossy().into_owned()));
                return;
            }
        }
    }
}
