//! Owns: tests of following a log, on real files.
//! Never: a running sshd.

use std::fs::{File, OpenOptions};
use std::io::Write;

use super::{LINE_BYTES_MAX, Tail, message};

fn look(tail: &mut Tail) -> Vec<String> {
    let mut lines = Vec::new();
    tail.look(|line| lines.push(String::from_utf8_lossy(line).into_owned())).expect("a look");
    lines
}

#[test]
fn a_log_is_followed_through_growth_rotation_and_truncation() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("auth.log");
    std::fs::write(&path, "old\n").expect("a log");
    let mut tail = Tail::at_end(&path);
    assert!(look(&mut tail).is_empty(), "what was there before is old");
    let mut log = OpenOptions::new().append(true).open(&path).expect("the log");
    write!(log, "one\ntw").expect("a write");
    assert_eq!(look(&mut tail), ["one"]);
    writeln!(log, "o").expect("a write");
    assert_eq!(look(&mut tail), ["two"]);
    std::fs::rename(&path, directory.path().join("auth.log.1")).expect("a rotation");
    writeln!(log, "late").expect("a write");
    std::fs::write(&path, "new\n").expect("the new log");
    assert_eq!(look(&mut tail), ["late", "new"]);
    File::create(&path).expect("a cut");
    assert!(look(&mut tail).is_empty());
    std::fs::write(&path, "cut\n").expect("a log");
    assert_eq!(look(&mut tail), ["cut"]);
}

#[test]
fn a_log_that_comes_later_is_read_from_its_beginning() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("auth.log");
    let mut tail = Tail::at_end(&path);
    assert!(tail.look(|_| ()).is_err());
    std::fs::write(&path, "first\n").expect("a log");
    assert_eq!(look(&mut tail), ["first"]);
}

#[test]
fn a_line_without_end_is_dropped_and_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("auth.log");
    let mut tail = Tail::at_end(&path);
    std::fs::write(&path, format!("{}\nshort\n", "x".repeat(3 * LINE_BYTES_MAX))).expect("a log");
    assert_eq!(look(&mut tail), ["short"]);
    assert_eq!(tail.dropped, 1);
    assert!(tail.line.is_empty());
}

#[test]
fn only_sshd_speaks_for_sshd() {
    let said = "Accepted password for ann from 192.0.2.7 port 5 ssh2";
    for header in [
        "Oct  1 12:00:00 host sshd[12]: ",
        "Oct 11 12:00:00 host sshd-session[12]: ",
        "2026-10-01T12:00:00.1+00:00 host sshd[12]: ",
        "",
    ] {
        assert_eq!(message(&format!("{header}{said}")), Some(said), "{header}");
    }
    for header in [
        "Oct  1 12:00:00 host sudo[12]: sshd[13]: ",
        "Oct  1 12:00:00 host logger: ",
        "Oct  1 12:00:00 host sshdx[1]: ",
        "Oct  1 sshd[1]: ",
    ] {
        assert_eq!(message(&format!("{header}{said}")), None, "{header}");
    }
}
