//! Owns: hostile indicators: files of lists as hosts fetch them, lines as people write them, and texts that are looked up.
//! Never: an expectation beyond that nothing panics, hangs or grows without end, and that what was written is read again.

#![no_main]

use picket_detect::{Gathering, Indicators, ListKind, ListReader, ListWriter};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = ListReader::new(bytes) {
        let mut gathering = Gathering::default();
        if gathering.list(list).is_ok() {
            look_up(&gathering.finish(), "http://a.example/b");
        }
    }
    let Some((first, rest)) = bytes.split_first() else { return };
    let (kind, text) = (ListKind::ALL[usize::from(*first) % ListKind::ALL.len()], String::from_utf8_lossy(rest));
    let mut writer = ListWriter::new(kind);
    let taken: Vec<&str> = text.lines().filter(|line| writer.add(line).is_ok()).collect();
    let (written, entries) = writer.finish();
    let list = ListReader::new(&written[..]).expect("what was written is a list");
    assert!(list.count() == entries && entries as usize <= taken.len());
    let mut gathering = Gathering::default();
    gathering.list(list).expect("what was written is read");
    let indicators = gathering.finish();
    look_up(&indicators, &text);
    for line in taken {
        match kind {
            ListKind::Sha256 => assert!(indicators.has_sha256(&line.parse().expect("it was taken"))),
            ListKind::Md5 => assert!(indicators.has_md5(line)),
            ListKind::FileNames => assert!(indicators.has_file_name(line)),
            ListKind::Domains if line.is_ascii() => assert!(indicators.listed_domain(line).is_some()),
            ListKind::Addresses if !line.contains('/') => {
                assert!(indicators.has_address(line.parse().expect("it was taken")));
            }
            _ => {}
        }
    }
});

fn look_up(indicators: &Indicators, text: &str) {
    let _ = (indicators.listed_domain(text), indicators.listed_url(text), indicators.has_file_name(text));
    let _ = (indicators.has_md5(text), text.parse().is_ok_and(|ip| indicators.has_address(ip)));
}
