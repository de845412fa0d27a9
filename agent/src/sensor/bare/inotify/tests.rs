//! Owns: tests of the fall to inotify, on the real kernel.
//! Never: a stand-in for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use picket_model::FileActivity;
use picket_model::raw::RawKind;

use super::Inotify;
use crate::sensor::feed::Inlet;

#[test]
fn changes_and_watched_reads_are_told_below_the_directories_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("deep")).expect("a directory");
    let mut inlet = Inlet::new("queue.test");
    let roots = [directory.path().to_path_buf()];
    let inotify = Inotify::open(&roots, &["/secret".into()], inlet.feed()).expect("inotify");
    inlet.run("files", move |feed| inotify.run(&feed)).expect("a thread");
    for name in ["deep/made", "secret", "other"] {
        fs::write(at(name), "x").expect("a file");
        fs::read(at(name)).expect("a read");
    }
    fs::set_permissions(at("deep/made"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(at("deep/made"), at("deep/moved")).expect("a rename");
    fs::remove_file(at("deep/moved")).expect("a removal");
    let mut missing = vec![
        (FileActivity::Create, "deep/made"),
        (FileActivity::Write, "deep/made"),
        (FileActivity::Rename, "deep/moved"),
        (FileActivity::Delete, "deep/moved"),
        (FileActivity::Read, "secret"),
    ];
    let end = Instant::now() + Duration::from_secs(10);
    while !missing.is_empty() {
        assert!(Instant::now() < end, "not told: {missing:?}");
        for record in inlet.take(Duration::from_millis(100), Duration::ZERO, 1000) {
            let RawKind::File { activity, path, old_path, .. } = record.kind else { continue };
            assert!(!(activity == FileActivity::Read && path == at("other").to_string_lossy()), "not a watched one");
            if activity == FileActivity::Rename && path == at("deep/moved").to_string_lossy() {
                assert_eq!(old_path, Some(at("deep/made").to_string_lossy().into_owned()));
            }
            missing.retain(|(wanted, name)| *wanted != activity || at(name).to_string_lossy() != path);
        }
    }
}
