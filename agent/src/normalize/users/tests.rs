//! Owns: tests of the names of users, on real files.
//! Never: the host's own accounts.

use super::{CHECK_EVERY, Users, parse};
use std::time::Instant;

#[test]
fn a_changed_file_is_read_again_within_a_second() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("passwd");
    std::fs::write(&file, "root:x:0:0::/root:/bin/sh\n").expect("a file");
    let mut users = Users::new(&file);
    let start = Instant::now();
    assert_eq!(users.name_at(0, start), "root");
    assert_eq!(users.name_at(7, start), "");
    std::fs::write(&file, "root:x:0:0::/:/bin/sh\nanna:x:7:7::/:/bin/sh\n").expect("a file");
    assert_eq!(users.name_at(7, start + CHECK_EVERY / 2), "", "the file is not looked at for every process");
    assert_eq!(users.name_at(7, start + CHECK_EVERY), "anna");
    std::fs::remove_file(&file).expect("a removal");
    assert_eq!(users.name_at(7, start + CHECK_EVERY * 2), "anna");
}

#[test]
fn the_first_account_names_a_uid_and_bad_lines_name_none() {
    let names = parse("root:x:0:0\ntoor:x:0:0\n#off:x:1:1\n:x:2:2\nshort:x\nbad:x:-1:0\n+::::::\n");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [(0, "root".to_owned())]);
}
