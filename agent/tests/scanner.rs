//! Owns: the scanner as it really runs: confined, with rules that a confined process compiled, and outlived by the agent.
//! Never: a stand-in for the process or the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_agent::worker::{
    Answer, COMPILE_WITHIN, CompileError, Deliver, Done, Failure, Region, Scanner, ScannerOptions, YaraSet, compile,
};
use picket_detect::RuleSource;

const PATIENCE: Duration = Duration::from_secs(60);
const AGENT: &str = env!("CARGO_BIN_EXE_picket-agent");

fn sources(text: &str) -> [RuleSource; 1] {
    [RuleSource { file: "t.yar".into(), text: text.into() }]
}

fn set(text: &str) -> Arc<YaraSet> {
    Arc::new(compile(AGENT.as_ref(), &sources(text), COMPILE_WITHIN).unwrap())
}

fn scanner(text: &str, within: Duration) -> Option<(Scanner, Receiver<Done>)> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the scanner becomes nobody, which needs root");
        return None;
    }
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    let (sender, done) = sync_channel(16);
    let deliver: Deliver = Arc::new(move |done| sender.send(done).is_ok());
    let options = ScannerOptions { program: AGENT.into(), within, bytes_max: 8 << 20 };
    Some((Scanner::start(&options, set(text), deliver).unwrap(), done))
}

fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The names of the rules that were met.
fn names(done: &Done) -> Vec<String> {
    let Ok(Answer::Scanned { found, .. }) = &done.result else { panic!("{:?}", done.result) };
    let rules = &done.rules.as_ref().unwrap().rules;
    found.iter().map(|found| rules[found.rule as usize].name.clone()).collect()
}

const TWO: &str = "import \"elf\"
rule word { strings: $a = \"needle\" condition: $a }
rule program { condition: elf.type == elf.ET_EXEC or elf.type == elf.ET_DYN }";

#[test]
fn files_are_scanned_by_a_process_without_rights() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    let scanned = |id, bytes: &[u8]| {
        assert!(scanner.file(id, file(bytes), bytes.len() as u64, false));
        let told = done.recv_timeout(PATIENCE).unwrap();
        assert_eq!(told.id, id);
        names(&told)
    };
    assert_eq!(scanned(1, b"hay needle hay"), ["word"]);
    assert_eq!(scanned(2, b"hay"), Vec::<String>::new());
    assert_eq!(scanned(3, &std::fs::read("/bin/true").unwrap()), ["program"]);
    assert_eq!(scanned(4, b""), Vec::<String>::new());
    let worker = scanner.worker().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let line = |label: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("CapBnd:"), "0000000000000000");
    assert_eq!(line("Uid:"), "65534 65534 65534 65534");
    assert_eq!((line("NoNewPrivs:"), line("Seccomp:"), line("Threads:")), ("1".into(), "2".into(), "1".into()));
    // What conditions are compiled to is interpreted: there is no memory that can be both written and executed.
    let maps = std::fs::read_to_string(format!("/proc/{worker}/maps"));
    if let Ok(maps) = maps {
        assert!(!maps.lines().any(|line| line.contains("rwx")), "{maps}");
    }
    assert_eq!(scanner.take_losses(), []);
}

#[test]
fn other_rules_take_over_between_two_files() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    let other = set("rule other { strings: $a = \"hay\" condition: $a }");
    scanner.set_rules(Arc::clone(&other));
    assert!(scanner.file(1, file(b"hay needle"), 10, false));
    let told = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(names(&told), ["other"]);
    assert!(Arc::ptr_eq(told.rules.as_ref().unwrap(), &other));
}

/// Each of these conditions is decided in a moment for an ordinary file, and takes for ever with one that was made for it.
const STALLING: &str = "rule stalls { strings: $a = \"ab\" condition:
    for any i in (1..#a) : ( for any j in (1..#a) : ( for any k in (1..#a) : ( @a[i] + @a[j] + @a[k] == 1 ) ) ) }
rule word { strings: $a = \"needle\" condition: $a }";

#[test]
fn a_file_that_stalls_a_rule_costs_its_own_scan_only() {
    let Some((scanner, done)) = scanner(STALLING, Duration::from_secs(2)) else { return };
    let stuck = eventually("the scanner runs", || scanner.worker());
    let crafted = b"ab".repeat(100_000);
    assert!(scanner.file(1, file(&crafted), crafted.len() as u64, true));
    assert!(scanner.file(2, file(b"needle"), 6, false));
    let first = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.id, first.result), (1, Err(Failure::Timeout)));
    assert_eq!(scanner.take_losses()[0].place, "scanner.timeout");
    let second = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.id, names(&second)), (2, vec!["word".to_owned()]));
    assert!(!Path::new(&format!("/proc/{stuck}")).exists(), "it was ended, and is no zombie");
}

#[test]
fn a_scanner_that_is_killed_costs_a_count() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    let victim = eventually("the scanner runs", || scanner.worker());
    kill(Pid::from_raw(i32::try_from(victim).unwrap()), Signal::SIGKILL).unwrap();
    let ask = |id| {
        assert!(scanner.file(id, file(b"needle"), 6, false));
        done.recv_timeout(PATIENCE).unwrap()
    };
    let first = ask(1);
    assert!(first.result.is_ok() || first.result == Err(Failure::Crash), "{:?}", first.result);
    assert_eq!(names(&ask(2)), ["word"]);
    let losses = scanner.take_losses();
    assert_eq!((losses[0].place.as_str(), losses[0].count), ("scanner.crash", 1));
}

#[test]
fn a_file_that_grew_is_not_told_as_scanned() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    assert!(scanner.file(1, file(b"hay needle"), 5, false));
    assert_eq!(done.recv_timeout(PATIENCE).unwrap().result, Err(Failure::Unreadable));
}

#[test]
fn the_memory_of_this_process_is_looked_through() {
    // In two halves, so that it stands nowhere else.
    let Some((scanner, done)) =
        scanner("rule word { strings: $a = { 6e 65 65 64 6c 65 2d 69 6e 2d 68 61 79 } condition: $a }", PATIENCE)
    else {
        return;
    };
    // Larger than what is looked at in one piece, with the word across the border between two.
    let mut hay = vec![b'.'; 20 << 20];
    let at = (8 << 20) - 5;
    hay[at..at + 13].copy_from_slice(&[b"needle-".as_slice(), b"in-hay".as_slice()].concat());
    let start = hay.as_ptr() as u64;
    let own = || File::open("/proc/self/mem").unwrap();
    let regions = vec![Region { start: 0x1000, end: 0x2000 }, Region { start, end: start + hay.len() as u64 }];
    assert!(scanner.memory(1, own(), regions));
    let told = done.recv_timeout(PATIENCE).unwrap();
    let Ok(Answer::Scanned { found, bytes }) = &told.result else { panic!("{:?}", told.result) };
    assert_eq!(*bytes, 8 << 20, "no more than it may read, and nothing where nothing is");
    assert!(found.is_empty());
    let regions = vec![Region { start: start + (4 << 20), end: start + (12 << 20) }];
    assert!(scanner.memory(2, own(), regions));
    let told = done.recv_timeout(PATIENCE).unwrap();
    let Ok(Answer::Scanned { found, .. }) = &told.result else { panic!("{:?}", told.result) };
    assert_eq!(found[0].strings[0].at, [start + at as u64]);
    drop(hay);
}

#[test]
fn rules_that_cannot_be_honoured_are_told_with_their_places() {
    if !nix::unistd::geteuid().is_root() {
        return println!("skipped: the compiling process becomes nobody, which needs root");
    }
    let broken = compile(AGENT.as_ref(), &sources("rule one {\n condition: nowhere }"), COMPILE_WITHIN).unwrap_err();
    assert!(matches!(&broken, CompileError::Broken(_)), "{broken}");
    assert!(broken.to_string().contains("1 errors in its YARA rules:\nt.yar:2:13: unknown identifier"), "{broken}");
    let late = compile(AGENT.as_ref(), &sources(TWO), Duration::ZERO).unwrap_err();
    assert!(matches!(late, CompileError::Timeout(_)), "{late}");
}

#[test]
fn the_scanner_ends_with_its_agent() {
    let Some((scanner, _done)) = scanner(TWO, PATIENCE) else { return };
    let worker = eventually("the scanner runs", || scanner.worker());
    drop(scanner);
    eventually("it is gone", || (!Path::new(&format!("/proc/{worker}")).exists()).then_some(()));
}
