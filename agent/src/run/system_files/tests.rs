//! Owns: which contents count as the system's, and that the answer follows the files.
//! Never: the real folders of the host.

use std::fs;
use std::os::unix::fs::symlink;

use picket_model::Sha256;
use sha2::Digest;

use super::{SystemFiles, folders};

fn of(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

#[test]
fn a_merged_folder_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("usr-bin");
    fs::create_dir(&real).unwrap();
    symlink(&real, dir.path().join("bin")).unwrap();
    let found = folders([&real, &dir.path().join("bin"), &dir.path().join("none")]);
    assert_eq!(found, [real.canonicalize().unwrap()]);
}

#[test]
fn a_digest_is_taken_once_and_again_when_the_file_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, tool) = ([dir.path().to_owned()], dir.path().join("tool"));
    fs::write(&tool, b"one").unwrap();
    fs::write(dir.path().join("other"), b"longer").unwrap();
    let files = SystemFiles::default();
    assert!(files.among(&folder, &of(b"one"), Some(3)));
    assert_eq!(files.digests.borrow().len(), 1, "only what has the size");
    assert!(files.among(&folder, &of(b"one"), Some(3)) && !files.among(&folder, &of(b"two"), Some(3)));
    assert_eq!(files.digests.borrow().len(), 1);
    // Written under another name and put in place: another inode, so no clock decides.
    fs::write(dir.path().join("new"), b"two").unwrap();
    fs::rename(dir.path().join("new"), &tool).unwrap();
    assert!(files.among(&folder, &of(b"two"), Some(3)) && !files.among(&folder, &of(b"one"), Some(3)));
}
