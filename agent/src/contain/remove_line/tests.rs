use super::{with, without};

fn check(before: &str, line: &str, after: &str, taken: usize) {
    let (reduced, found) = without(before.as_bytes(), line.as_bytes());
    assert_eq!((std::str::from_utf8(&reduced).unwrap(), found), (after, taken), "{line:?} out of {before:?}");
}

#[test]
fn a_line_goes_whole_and_every_time_and_nothing_else_does() {
    check("a\nevil\nb\n", "evil", "a\nb\n", 1);
    check("evil\na\nevil\n", "evil", "a\n", 2);
    check("a\nevil", "evil", "a\n", 1);
    check("evil", "evil", "", 1);
    check("a\n\n# x\nno end", "evil", "a\n\n# x\nno end", 0);
    check("evil more\n evil\nevil\r\nEVIL\n", "evil", "evil more\n evil\nevil\r\nEVIL\n", 0);
    check("evil\r\n", "evil\r", "", 1);
}

#[test]
fn bytes_that_are_no_text_stay() {
    let (reduced, taken) = without(b"\xff\xfe\nevil\n\0\n", b"evil");
    assert_eq!((reduced.as_slice(), taken), (b"\xff\xfe\n\0\n".as_slice(), 1));
}

#[test]
fn a_line_comes_back_as_one_of_its_own() {
    assert_eq!(with(b"a\n", b"evil"), b"a\nevil\n");
    assert_eq!(with(b"a", b"evil"), b"a\nevil\n");
    assert_eq!(with(b"", b"evil"), b"evil\n");
}
