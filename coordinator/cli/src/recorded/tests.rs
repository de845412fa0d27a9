//! Owns: tests of how files become events, broken ones among them.
//! Never: rules.

use std::path::PathBuf;

use super::{EVENT_BYTES_MAX, Sink, read};
use crate::failure::Failure;

#[derive(Default)]
struct Seen {
    events: Vec<(u64, String)>,
    unreadable: Vec<(u64, String)>,
}

impl Sink for Seen {
    fn event(&mut self, line: u64, json: &[u8]) -> Result<(), Failure> {
        self.events.push((line, String::from_utf8_lossy(json).into_owned()));
        Ok(())
    }

    fn unreadable(&mut self, line: u64, reason: String) -> Result<(), Failure> {
        self.unreadable.push((line, reason));
        Ok(())
    }

    fn idle(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

fn seen(bytes: &[u8]) -> Result<Seen, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("events");
    std::fs::write(&path, bytes).unwrap();
    let mut seen = Seen::default();
    read(&path, &mut seen).map(|()| seen)
}

fn lines(seen: &Seen) -> Vec<u64> {
    seen.events.iter().map(|(line, _)| *line).collect()
}

#[test]
fn lines_are_numbered_and_blank_ones_are_none() {
    let found = seen(b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":2}").unwrap();
    assert_eq!(found.events, [(1, "{\"a\":1}".to_owned()), (4, "{\"b\":2}".to_owned())]);
    assert!(seen(b"").unwrap().events.is_empty());
}

#[test]
fn a_line_without_end_costs_itself_only() {
    let mut text = b"{\"a\":1}\n{\"b\":\"".to_vec();
    text.resize(text.len() + EVENT_BYTES_MAX, b'x');
    text.extend_from_slice(b"\"}\n{\"c\":3}\n");
    let found = seen(&text).unwrap();
    assert_eq!(lines(&found), [1, 3]);
    assert_eq!(found.unreadable.len(), 1);
    assert_eq!(found.unreadable[0].0, 2);
}

#[test]
fn an_array_over_many_lines_holds_an_event_each() {
    let text = "[\n  {\n    \"a\": \"} \\\" {\",\n    \"b\": {\"c\": [1]}\n  },\n  {\"d\": 4}, oops\n, {\n";
    let found = seen(text.as_bytes()).unwrap();
    assert_eq!(lines(&found), [2, 6]);
    assert!(found.events[0].1.ends_with("\"b\": {\"c\": [1]}\n  }"), "{:?}", found.events);
    let told: Vec<(u64, bool)> = found.unreadable.iter().map(|(line, why)| (*line, why.contains("no end"))).collect();
    assert_eq!(told, [(6, false), (7, true)]);
    // A list in a list holds no events, and is told once a line.
    assert_eq!(seen(b"[[[[\n[{\"a\": 1}]]\n").unwrap().unreadable.len(), 2);
    // Objects one after the other, as `jq .` prints them.
    assert_eq!(lines(&seen(b"{\n \"a\": 1\n}\n{\n \"b\": 2\n}\n").unwrap()), [1, 4]);
}

#[test]
fn what_is_no_text_is_refused_with_what_to_do() {
    let refused = seen(b"\xfd7zXZ\0rest").err().unwrap();
    assert!(refused.hint().contains("xz -dc"), "{}", refused.hint());
    let refused = seen(b"ElfFile\0and no more").err().unwrap();
    assert!(refused.to_string().contains("is none"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(folder.path(), &mut Seen::default()).unwrap_err().exit_code(), 2);
}
