//! Owns: the scanner as it really runs: confined, with rules that a confined process compiled, and outlived by the agent.
//! Never: a stand-in for the process or the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_agent::worker::{
    Answer, COMPILE_WITHIN, CompileError, Deliver, Done, Failure, Region, Scanner, ScannerOptions, YaraSet, compile,
};
use picket_detect::RuleSource;
use picket_yara::limits;

const PATIENCE: Duration = Duration::from_secs(60);
const AGENT: &str = env!("CARGO_BIN_EXE_picket-agent");

fn sources(text: &str) -> [RuleSource; 1] {
    [RuleSource { file: "t.yar".into(), text: text.into() }]
}

fn set(text: &str) -> Arc<YaraSet> {
    Arc::new(compile(AGENT.as_ref(), &sources(text), COMPILE_WITHIN).unwrap())
}

fn scanner(text: &str, within: Duration) -> Option<(Scanner, Receiver<Done>)> {
    let (scanner, done) = empty(within, PATIENCE)?;
    scanner.set_rules(set(text));
    Some((scanner, done))
}

/// Without rules yet.
fn empty(within: Duration, idle: Duration) -> Option<(Scanner, Receiver<Done>)> {
    with(&ScannerOptions { program: AGENT.into(), idle, within, bytes_max: 8 << 20 })
}

fn with(options: &ScannerOptions) -> Option<(Scanner, Receiver<Done>)> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the scanner becomes nobody, which needs root");
        return None;
    }
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    let (sender, done) = sync_channel(16);
    let deliver: Deliver = Arc::new(move |done| sender.send(done).is_ok());
    Some((Scanner::start(options, deliver).unwrap(), done))
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

fn is_gone(process: u32) -> bool {
    !Path::new(&format!("/proc/{process}")).exists()
}

#[test]
fn there_is_a_process_while_there_is_something_to_scan() {
    let Some((scanner, done)) = empty(PATIENCE, Duration::from_millis(300)) else { return };
    assert!(scanner.file(1, file(b"needle"), 6, false), "it waits for its rules");
    assert_eq!((scanner.worker(), done.try_recv().err()), (None, Some(TryRecvError::Empty)));
    scanner.set_rules(set(TWO));
    let first = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.id, names(&first)), (1, vec!["word".to_owned()]));
    let worker = scanner.worker().unwrap();
    eventually("the process has ended", || (scanner.worker().is_none() && is_gone(worker)).then_some(()));
    scanner.set_rules(set("rule other { condition: true }"));
    assert!(scanner.file(2, file(b"needle"), 6, false));
    assert_eq!(names(&done.recv_timeout(PATIENCE).unwrap()), ["other"]);
    assert_eq!(scanner.take_losses(), []);
}

#[test]
fn other_rules_take_over_between_two_files() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    assert!(scanner.file(0, file(b"hay needle"), 10, false));
    assert_eq!(names(&done.recv_timeout(PATIENCE).unwrap()), ["word"]);
    let other = set("rule other { strings: $a = \"hay\" condition: $a }");
    scanner.set_rules(Arc::clone(&other));
    assert!(scanner.file(1, file(b"hay needle"), 10, false));
    let told = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(names(&told), ["other"]);
    assert!(Arc::ptr_eq(told.rules.as_ref().unwrap(), &other));
}

/// Both are decided in a moment for any file but one that holds the first's word.
const STALLING: &str = "rule stalls { strings: $a = \"stall\" condition:
    $a and for any i in (0..1000000) : ( for any j in (0..1000000) : ( uint8(i) + uint8(j) == 511 ) ) }
rule word { strings: $a = \"needle\" condition: $a }";

#[test]
fn a_file_that_stalls_a_rule_costs_its_own_scan_only() {
    let Some((scanner, done)) = scanner(STALLING, Duration::from_secs(2)) else { return };
    assert!(scanner.file(1, file(b"stall"), 5, true));
    let stuck = eventually("the scanner runs", || scanner.worker());
    assert!(scanner.file(2, file(b"needle"), 6, false));
    let first = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.id, first.result), (1, Err(Failure::Timeout)));
    assert_eq!(scanner.take_losses()[0].place, "scanner.timeout");
    let second = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.id, names(&second)), (2, vec!["word".to_owned()]));
    assert!(is_gone(stuck), "it was ended, and is no zombie");
}

#[test]
fn a_scanner_that_is_killed_costs_a_count() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    let ask = |id| {
        assert!(scanner.file(id, file(b"needle"), 6, false));
        done.recv_timeout(PATIENCE).unwrap()
    };
    assert_eq!(names(&ask(0)), ["word"]);
    let victim = scanner.worker().unwrap();
    kill(Pid::from_raw(i32::try_from(victim).unwrap()), Signal::SIGKILL).unwrap();
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
    let late = compile(AGENT.as_ref(), &largest(), Duration::ZERO).unwrap_err();
    assert!(matches!(late, CompileError::Timeout(_)), "{late}");
}

#[test]
fn the_scanner_ends_with_its_agent() {
    let Some((scanner, done)) = scanner(TWO, PATIENCE) else { return };
    assert!(scanner.file(1, file(b"hay"), 3, false));
    assert_eq!(names(&done.recv_timeout(PATIENCE).unwrap()), Vec::<String>::new());
    let worker = scanner.worker().unwrap();
    drop(scanner);
    eventually("it is gone", || is_gone(worker).then_some(()));
}

/// As large as a set may be: rules like public ones, with texts, bytes and an expression each.
fn largest() -> Vec<RuleSource> {
    let file = |number: u64| RuleSource {
        file: format!("{number}.yar"),
        text: (number * 1_000..(number + 1) * 1_000).map(public).collect(),
    };
    (0..limits::RULES_MAX as u64 / 1_000).map(file).collect()
}

fn public(number: u64) -> String {
    let word = |at: u64| format!("{:016x}", (number * 6 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(word);
    format!(
        "rule public_{number} {{ meta: description = \"Number {number}\" score = 75 strings:
           $a = \"{a}\" $b = \"{b}\" wide ascii $c = \"cmd_{c}\" nocase $d = {{ {} ?? {} }} $e = /{}[a-z]{{2,8}}=/ $f = \"/tmp/{f}\" fullword
         condition: filesize < 5MB and (2 of them or ($a and #b > 1)) }}\n",
        &d[..8],
        &d[8..],
        &e[..12]
    )
}

/// In MiB, of a process that may have ended.
fn resident(process: u32, label: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// What comes of `work`, and the most memory of its own that a process which it started had meanwhile.
fn with_peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::SeqCst) {
                for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
                    let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
                    peak = children.filter_map(|child| resident(child, "RssAnon:")).fold(peak, u64::max);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let worked = work();
        done.store(true, Ordering::SeqCst);
        (worked, looking.join().unwrap())
    })
}

#[test]
#[ignore = "a measurement, not a test: run with --nocapture"]
fn what_compiling_and_scanning_cost() {
    for (name, sources) in [("shipped", picket_detect::yara_pack()), ("largest", largest())] {
        let begun = Instant::now();
        let (set, peak) = with_peak(|| Arc::new(compile(AGENT.as_ref(), &sources, COMPILE_WITHIN).unwrap()));
        let text: usize = sources.iter().map(|source| source.text.len()).sum();
        let (rules, compiled) = (set.rules.len(), set.bytes >> 10);
        println!(
            "{name}: {rules} rules, {} KiB of text, compiled to {compiled} KiB in {:?} with {peak} MiB",
            text >> 10,
            begun.elapsed()
        );
        let (scanner, done) = with(&ScannerOptions { program: AGENT.into(), ..ScannerOptions::default() }).unwrap();
        scanner.set_rules(set);
        let scan = |what: &str, bytes: &[u8]| {
            let file = file(bytes);
            let begun = Instant::now();
            assert!(scanner.file(1, file, bytes.len() as u64, false));
            let (told, peak) = with_peak(|| done.recv_timeout(PATIENCE).unwrap());
            assert!(told.result.is_ok(), "{:?}", told.result);
            let worker = scanner.worker().unwrap();
            let [own, all] = ["RssAnon:", "VmRSS:"].map(|label| resident(worker, label).unwrap());
            println!(
                "{name}: {what} in {:?} with {peak} MiB; after it {own} MiB, with its code {all}",
                begun.elapsed()
            );
        };
        scan("the first small file", b"x");
        scan("the second", b"y");
        scan("a program", &std::fs::read("/bin/bash").unwrap());
        let mut large = std::fs::read(AGENT).unwrap();
        large.resize(64 << 20, 0x5a);
        scan("a file of 64 MiB", &large);
        scan("a small file after it", b"z");
        let start = large.as_ptr() as u64;
        let regions = vec![Region { start, end: start + large.len() as u64 }];
        let begun = Instant::now();
        assert!(scanner.memory(2, File::open("/proc/self/mem").unwrap(), regions));
        assert!(done.recv_timeout(PATIENCE).unwrap().result.is_ok());
        println!("{name}: 64 MiB of memory in {:?}", begun.elapsed());
    }
}
