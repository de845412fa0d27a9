//! Owns: the promise that no rule can match a file outside its interest, and that the shipped pack's is a small one.
//! Never: the kernel's own check; that is tested where it runs.

use std::path::Path;

use picket_model::{Activity, Event, FileActivity, Interest, Paths};
use proptest::prelude::*;

use crate::tests::play;
use crate::tests::set::source;
use crate::{Detector, IndicatorSource, pack};

const ACTIVITIES: &[(&str, &str)] = &[
    ("file_event", "create"),
    ("file_event", "write"),
    ("file_event", "rename"),
    ("file_delete", "delete"),
    ("file_change", "set_mode"),
];

/// Names as paths have them, with the letters that fold into ASCII from outside it.
const NAMES: &[&str] = &[
    "etc",
    "ETC",
    "cron.d",
    "Cron.D",
    "x.service",
    "X.SERVICE",
    "tmp",
    "authorized_keys",
    ".ssh",
    "\u{212a}ube",
    "kube",
    "é.so",
    "a.b.so",
    "s",
    "\u{17f}",
    "very_long_name_of_more_than_thirty_two_bytes.tar",
    "o",
    ".",
    "x y",
];

fn detector(text: &str, indicators: &IndicatorSource) -> Detector {
    Detector::compile(&[source(text)], indicators).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"))
}

fn interest(category: &str, detection: &str) -> Interest {
    let text = format!(
        "title: T\nname: t\nlogsource: {{product: linux, category: {category}}}\ndetection:\n{detection}\nlevel: high\n"
    );
    detector(&text, &IndicatorSource::default()).interest()
}

fn admits(interest: &Interest, event: &Event) -> bool {
    match &event.activity {
        Activity::File { activity, file } => {
            interest.files.admits(*activity, &file.path, file.old_path.as_deref(), file.mode)
        }
        _ => true,
    }
}

/// What a rule adds to what is always of interest.
fn asks(category: &str, detection: &str) -> (Vec<String>, bool) {
    let files = interest(category, detection).files;
    let base = super::always::paths();
    let own = |all: &std::collections::BTreeSet<String>, base: &std::collections::BTreeSet<String>, sign: &str| {
        all.difference(base).map(|text| format!("{sign}{text}")).collect::<Vec<_>>()
    };
    let Paths { names, endings, fragments } = &files.paths;
    let found =
        [own(names, &base.names, ""), own(endings, &base.endings, "."), own(fragments, &base.fragments, "*")].concat();
    (found, !files.whole.is_empty())
}

#[test]
fn a_rule_asks_for_the_rarest_thing_that_its_files_have() {
    for (category, line, wanted) in [
        ("file_event", "TargetFilename: /etc/ld.so.preload", "ld.so.preload"),
        ("file_event", "TargetFilename|startswith: /var/spool/anacron/", "anacron"),
        ("file_event", "TargetFilename|startswith: /var/spool/anac", "spool"),
        ("file_event", "TargetFilename|endswith: [.Rules, .PATH]", ".path .rules"),
        ("file_event", "TargetFilename|contains: horized_k", "*horized_k"),
        ("file_event", "TargetFilename|endswith: /.ssh/authorized_keys", "authorized_keys"),
        ("file_event", "TargetFilename: '/srv/*/hooks/p*'", "hooks"),
        ("file_event", "TargetFilename|re: '/lib(64)?/([a-z0-9_-]+/)?security/pam_[a-z0-9_]+\\.so$'", "security"),
        ("file_event", "TargetFilename|re|i: '^/opt/MINER/'", "miner"),
        ("file_rename", "SourceFilename|endswith: /syslog", "syslog"),
        ("file_change", "IsSetuid: true", ""),
        ("file_delete", "IsExecutable: true", ""),
        ("file_delete", "IsExecutable: false", "!"),
        ("file_change", "Mode|re: '^[1-7]'", "!"),
        ("file_change", "Mode|re: '^[42]'", ""),
        ("file_event", "Image|endswith: /nginx", "!"),
        ("file_event", "TargetFilename|contains: /x", "!"),
        ("file_event", "TargetFilename|neq: /etc/passwd", "!"),
        ("file_event", "TargetFilename|contains: schlüssel", "!"),
    ] {
        let (found, whole) = asks(category, &format!("  s:\n    {line}\n  condition: s"));
        assert_eq!(if whole { "!".to_owned() } else { found.join(" ") }, wanted, "{line}");
    }
}

#[test]
fn what_is_excepted_narrows_nothing_and_what_is_added_does() {
    let detection = "  a:\n    TargetFilename|contains: /one/\n  b:\n    Image|endswith: /x\n  c:\n    TargetFilename|endswith: /two";
    assert_eq!(asks("file_event", &format!("{detection}\n  condition: a and b and not c")).0, ["one"]);
    assert_eq!(asks("file_event", &format!("{detection}\n  condition: b and (a or c)")).0, ["one", "two"]);
    assert!(asks("file_event", &format!("{detection}\n  condition: a or b or c")).1);
    let only = interest("file_delete", "  s:\n    Image: /x\n  condition: s").files.whole;
    assert_eq!(only, [FileActivity::Delete].into(), "other activities can still be held back");
}

/// With the pack alone, the kernel has a name for everything that a rule looks at, and few of them.
#[test]
fn the_shipped_pack_can_be_asked_for_by_name() {
    let detector = Detector::compile(&pack(), &IndicatorSource::default()).unwrap();
    let files = detector.interest().files;
    assert_eq!(files.whole, [].into());
    assert_eq!(files.paths.fragments, [].into(), "{:?}", files.paths);
    for ordinary in
        ["/root/p/target/debug/deps/libx-1.rlib", "/tmp/cc1.s", "/usr/share/doc/x/README.md", "/home/a/.cache/x/1.json"]
    {
        assert!(!files.admits(FileActivity::Write, ordinary, None, 0o100_644), "{ordinary}: {:?}", files.paths);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let interest = detector.interest();
    let mut looked_at = 0;
    for rule in pack() {
        let file = rule.file.replace(".yml", ".tests.yml");
        for case in play::cases(&file, &std::fs::read_to_string(folder.join(&file)).unwrap()).hits {
            for event in case.events {
                looked_at += usize::from(matches!(event.activity, Activity::File { .. }));
                assert!(admits(&interest, &event), "{file}: {event:?}");
            }
        }
    }
    assert!(looked_at > 20, "{looked_at} file events");
}

#[test]
fn a_listed_hash_asks_for_every_write() {
    let indicators = IndicatorSource { sha256: vec!["0".repeat(64)], ..IndicatorSource::default() };
    let interest = Detector::compile(&pack(), &indicators).unwrap().interest();
    assert!(interest.files.admits(FileActivity::Write, "/tmp/x", None, 0o100_644));
    assert!(!interest.files.admits(FileActivity::Create, "/tmp/x", None, 0o100_644));
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(NAMES), 1..5).prop_map(|names| format!("/{}", names.join("/")))
}

/// A part of `path`, so that matches are many.
fn cut(path: &str, from: usize, len: usize) -> String {
    let chars: Vec<char> = path.chars().collect();
    let from = from % chars.len();
    chars[from..(from + 1 + len).min(chars.len())].iter().collect()
}

/// One line about a file's name, made from a path that it may then match.
fn line() -> impl Strategy<Value = String> {
    let way = prop::sample::select(vec!["startswith", "endswith", "contains", "whole", "wild", "re", "re|i", "cased"]);
    (path(), way, any::<(usize, u8)>(), 0..12usize, any::<bool>()).prop_map(|(path, way, (from, salt), len, source)| {
        let field = if source { "SourceFilename" } else { "TargetFilename" };
        let part = cut(&path, from, len);
        let chars = path.chars().count();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match way {
            "startswith" => format!("{field}|startswith: {}", quoted(&cut(&path, 0, len))),
            "endswith" => format!("{field}|endswith: {}", quoted(&cut(&path, chars - 1 - len.min(chars - 1), chars))),
            "contains" => format!("{field}|contains: {}", quoted(&part)),
            "cased" => format!("{field}|contains|cased: {}", quoted(&part)),
            "whole" => format!("{field}: {}", quoted(&path)),
            "wild" => format!("{field}: {}", quoted(&path.replacen(&part, if salt % 2 == 0 { "*" } else { "?" }, 1))),
            kind => {
                let text = regex::escape(&part);
                let text = match salt % 6 {
                    0 => format!("^{}", regex::escape(&cut(&path, 0, len))),
                    1 => format!("{text}$"),
                    2 => format!("({text}|/none)"),
                    3 => format!("[a-z]*{text}(x)?"),
                    4 => format!("(?:{text})+"),
                    _ => format!("(^|/){text}\\b"),
                };
                format!("{field}|{kind}: {}", quoted(&text))
            }
        }
    })
}

prop_compose! {
    fn rule()(
        lines in prop::collection::vec(line(), 2..5),
        condition in prop::sample::select(vec!["a", "a and b", "a or b", "b and not a", "not a and not b", "1 of them", "a and image", "b or image", "image"]),
        class in 0..ACTIVITIES.len(),
        listed in any::<bool>(),
        image in prop::sample::select(vec!["    Image|endswith: /sh", "    Activity: [write, rename]", "    IsSetuid: true", "    IsExecutable: true", "    Mode|startswith: '0'"]),
    ) -> String {
        let category = ACTIVITIES[class].0;
        // Lists of maps are alternatives; lines of one map must all hold. The old name is only there for two classes.
        let lines: Vec<String> = lines.iter().map(|line| if category == "file_event" { line.clone() } else { line.replace("SourceFilename", "TargetFilename") }).collect();
        let image = if category == "file_event" || !image.contains("Activity") { image } else { "    Image|endswith: /sh" };
        let rest: String = lines[1..].iter().map(|line| format!("    - {line}\n")).collect();
        let first = if listed { format!("    - {}\n    - {}", lines[0], lines[1]) } else { format!("    {}", lines[0]) };
        let used = |name: &str| condition.contains("them") || condition.split(' ').any(|word| word == name);
        let body: String = [("a", first), ("b", rest.trim_end().to_owned()), ("image", image.to_owned())]
            .into_iter().filter(|(name, _)| used(name)).map(|(name, text)| format!("  {name}:\n{text}\n")).collect();
        format!("title: T\nname: t\nlogsource: {{product: linux, category: {category}}}\ndetection:\n{body}  condition: {condition}\nlevel: high\n")
    }
}

prop_compose! {
    fn event()(path in path(), old in path(), class in 0..ACTIVITIES.len(), mode in prop::sample::select(vec!["0644", "4755", "0755"]), image in prop::sample::select(vec!["/bin/sh", "/bin/x"])) -> Event {
        let quoted = |text: &str| format!("\"{text}\"");
        let text = format!("hits:\n  - {}: {{path: {}, from: {}, mode: '{mode}', by: {{exe: {image}}}}}\n", ACTIVITIES[class].1, quoted(&path), quoted(&old));
        play::cases("x", &text).hits.remove(0).events.remove(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_rule_matches_a_file_outside_its_interest(rule in rule(), events in prop::collection::vec(event(), 1..8)) {
        let mut detector = detector(&rule, &IndicatorSource::default());
        let interest = detector.interest();
        for event in events {
            if !detector.observe(&event).is_empty() {
                prop_assert!(admits(&interest, &event), "{rule}\n{event:?}\n{interest:?}");
            }
        }
    }
}
