//! Owns: tests of when a written file is due, and of the rate.
//! Never: a file.

use picket_model::{FileId, FileObject, Timestamp};

use super::{BURST, BYTES_BURST, BYTES_PER_SECOND, FILES_PER_SECOND, REST_MS, SETTLE_MS, WAITING_MAX, Written};

fn file(ino: u64, path: &str) -> FileObject {
    FileObject { path: path.into(), id: FileId { dev: 1, ino }, ..FileObject::default() }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

#[test]
fn a_file_is_due_once_when_it_has_settled_at_its_last_path() {
    let mut written = Written::default();
    assert!(written.write(&file(1, "/f.new"), None, at(0)));
    assert!(written.write(&file(1, "/f.new"), None, at(900)));
    assert!(written.due(at(900 + SETTLE_MS - 1)).is_empty());
    written.rename(&FileObject { old_path: Some("/f.new".into()), ..file(1, "/f.newer") });
    // As the source tells it that does not know which file it was.
    written.rename(&FileObject { old_path: Some("/f.newer".into()), ..file(0, "/f") });
    let due = written.due(at(900 + SETTLE_MS));
    assert_eq!(due.iter().map(|due| due.path.as_str()).collect::<Vec<_>>(), ["/f"]);
    assert!(written.due(at(100_000)).is_empty());
}

#[test]
fn a_file_that_never_rests_is_due_all_the_same() {
    let mut written = Written::default();
    for ms in (0..REST_MS).step_by(500) {
        assert!(written.due(at(ms)).is_empty());
        written.write(&file(1, "/log"), None, at(ms));
    }
    assert_eq!(written.due(at(REST_MS)).len(), 1);
}

#[test]
fn without_an_inode_the_path_tells_files_apart() {
    let mut written = Written::default();
    written.write(&file(0, "/a"), None, at(0));
    written.write(&file(0, "/b"), None, at(0));
    assert_eq!(written.due(at(SETTLE_MS)).len(), 2);
}

#[test]
fn a_flood_is_bounded_in_memory_and_in_reading() {
    let mut written = Written::default();
    let noted = (0..WAITING_MAX as u64 + 10).filter(|ino| written.write(&file(*ino + 1, "/x"), None, at(0))).count();
    assert_eq!(noted, WAITING_MAX);
    let read = |written: &mut Written, ms| (0..10_000).filter(|_| written.may_read(1, at(ms))).count() as u64;
    assert_eq!(read(&mut written, 0), BURST);
    assert_eq!(read(&mut written, 1000), FILES_PER_SECOND);
    assert_eq!(read(&mut written, 3_600_000), BURST);
    let mut written = Written::default();
    assert!(written.may_read(BYTES_BURST, at(0)));
    assert!(!written.may_read(BYTES_PER_SECOND, at(900)), "large files cost more");
    assert!(written.may_read(BYTES_PER_SECOND, at(1001)));
}

#[test]
fn a_clock_that_is_set_back_keeps_no_file_waiting_for_it() {
    let mut written = Written::default();
    assert!(written.write(&file(1, "/f"), None, at(3_600_000)));
    assert!(written.due(at(3_600_000 - 1)).is_empty(), "two clocks may disagree by a little");
    assert_eq!(written.due(at(0)).len(), 1);
}

#[test]
fn what_is_forgotten_is_counted() {
    let mut written = Written::default();
    assert!(written.write(&file(1, "/f"), None, at(0)) && written.write(&file(2, "/g"), None, at(0)));
    assert_eq!((written.forget(), written.forget()), (2, 0));
}
