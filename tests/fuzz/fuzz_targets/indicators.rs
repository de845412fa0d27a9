//! Owns: hostile lists of indicators and hostile lines of them: whatever is taken is found again, and nothing panics.
//! Never: where they come from.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picket_detect::{Gathering, IndicatorSource, ListKind, ListReader, ListWriter};

fuzz_target!(|input: &[u8]| {
    // As bytes that a coordinator sends.
    if let Ok(reader) = ListReader::new(input) {
        let mut gathering = Gathering::default();
        if gathering.list(reader).is_ok() {
            let _ = gathering.finish();
        }
    }
    // As lines that a person writes: the first byte says of which kind.
    let Some((kind, lines)) = input.split_first() else { return };
    let kind = ListKind::ALL[usize::from(*kind) % ListKind::ALL.len()];
    let lines = String::from_utf8_lossy(lines);
    let mut writer = ListWriter::new(kind);
    let taken: Vec<&str> = lines.lines().map(str::trim).filter(|line| writer.add(line).is_ok()).collect();
    let (bytes, count) = writer.finish();
    let reader = ListReader::new(&bytes[..]).expect("what was written is a list");
    assert_eq!((reader.kind(), reader.count()), (kind, count));
    let mut gathering = Gathering::default();
    gathering.list(reader).expect("what was written is read");
    let listed = gathering.finish();
    for line in &taken {
        let found = match kind {
            ListKind::Sha256 => line.parse().is_ok_and(|digest| listed.has_sha256(&digest)),
            ListKind::Domains => listed.listed_domain(line).is_some(),
            ListKind::Addresses => line.split('/').next().and_then(|ip| ip.parse().ok()).is_some_and(|ip| listed.has_address(ip)),
            ListKind::FileNames => listed.has_file_name(line),
            ListKind::Md5 | ListKind::Urls => true,
        };
        assert!(found, "{line:?} was taken and is not found");
    }
    // As they stand in a bundle.
    let texts: Vec<String> = lines.lines().map(str::to_owned).collect();
    let source = IndicatorSource { urls: texts.clone(), domains: texts.clone(), addresses: texts, ..IndicatorSource::default() };
    let _ = Gathering::default().texts(&source);
});
