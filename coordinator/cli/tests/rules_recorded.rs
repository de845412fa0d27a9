//! Owns: what a detection engineer sees of `picket rules run` and `backtest`.
//! Never: a coordinator; the commands need none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use picket_model::{Activity, Event, EventId, Process, ProcessKey, Timestamp};
use serde_json::{Value, json};

struct Desk(tempfile::TempDir);

impl Desk {
    /// A folder `rules` with a rule for Windows, one for Linux, and a count of the latter.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(desk.path("rules")).unwrap();
        desk.write(
            "rules/windows.yml",
            "title: A tool of Windows\nid: 5af54681-df95-4c26-854f-2565e13cfab0\nlevel: high\nlogsource: {product: windows, category: process_creation}\ndetection:\n  s:\n    Image|endswith: '\\whoami.exe'\n  condition: s\n",
        );
        desk.write(
            "rules/linux.yml",
            "title: A tool of Linux\nname: linux_tool\nlevel: low\nlogsource: {product: linux, category: process_creation}\ndetection:\n  s:\n    Image|endswith: /whoami\n  condition: s\n",
        );
        desk
    }

    fn count(&self) {
        self.write(
            "rules/count.yml",
            "title: Often\nname: often\nlevel: medium\ncorrelation:\n  type: event_count\n  rules: linux_tool\n  group-by: [User]\n  timespan: 1m\n  condition: {gte: 2}\n  generate: true\n",
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, command: &str, rest: &[&str]) -> Command {
        let mut picket = Command::new(env!("CARGO_BIN_EXE_picket"));
        picket.args(["rules", command, "--rules", &self.name("rules")]).args(rest);
        picket
    }

    fn picket(&self, command: &str, rest: &[&str]) -> Output {
        self.command(command, rest).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Of `--json`: the matches, and the object at the end.
fn parted(output: &Output) -> (Vec<Value>, Value) {
    let lines = text(&output.stdout);
    let mut values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = values.pop().unwrap_or_else(|| panic!("{}", text(&output.stderr)));
    (values, last)
}

fn windows(computer: &str, image: &str) -> String {
    json!({"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": computer, "Image": image,
        "UtcTime": "2026-03-01 10:00:00.000"})
    .to_string()
}

/// As `picket events --json` has it.
fn own(number: u8, seconds: u64, host: &str, exe: &str) -> Value {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: u32::from(number), start_ticks: 7 });
    (process.exe, process.user) = (exe.to_owned(), "alice".to_owned());
    let time = Timestamp::from_millis((1_790_000_000 + seconds) * 1000);
    let id = EventId::from_bytes([number; 16]);
    let event = Event { id, time, process: Some(process.into()), activity: Activity::ProcessLaunch };
    let mut value = serde_json::to_value(event).unwrap();
    value["hostname"] = json!(host);
    value["received"] = json!(time);
    value
}

#[test]
fn each_match_says_line_and_rule_and_the_end_says_what_was_taken() {
    let desk = Desk::new();
    desk.write(
        "rules/bad.yml",
        "title: x\nname: bad\nlogsource: {product: linux}\ndetection:\n  s:\n    a|endwith: x\n  condition: s\n",
    );
    let lines = [
        windows("dc1", "C:\\Windows\\notepad.exe"),
        String::new(),
        windows("dc1", "C:\\Windows\\whoami.exe"),
        "{\"broken\": ".to_owned(),
        "{\"Image\":\"C:\\\\whoami.exe\"}".to_owned(),
    ];
    desk.write("e.ndjson", &lines.join("\n"));
    let output = desk.picket("run", &["--events", &desk.name("e.ndjson"), "--json"]);
    assert!(output.status.success());
    let (matches, last) = parted(&output);
    assert_eq!(matches.len(), 1);
    assert_eq!((&matches[0]["line"], &matches[0]["rule"]), (&json!(3), &json!("5af54681-df95-4c26-854f-2565e13cfab0")));
    for (key, wanted) in
        [("loaded", 2), ("refused", 1), ("events", 3), ("matches", 1), ("unreadable", 1), ("unbound", 1)]
    {
        assert_eq!(last[key], wanted, "{key} of {last}");
    }
    assert!(last["seconds"].as_f64().is_some() && last["peak_bytes"].as_u64().unwrap() > 1 << 20, "{last}");
    let aside = text(&output.stderr);
    assert!(aside.contains(&format!("{}:6:5: there is no modifier", desk.name("rules/bad.yml"))), "{aside}");
    assert!(aside.contains(&format!("{}:4: ", desk.name("e.ndjson"))), "{aside}");
    let output = desk.picket("run", &["--events", &desk.name("e.ndjson")]);
    let wanted = format!("{}:3: 5af54681-df95-4c26-854f-2565e13cfab0 (high) A tool of Windows", desk.name("e.ndjson"));
    let told = text(&output.stdout);
    assert_eq!(told.lines().next(), Some(wanted.as_str()));
    assert!(told.lines().last().unwrap().starts_with("2 rules loaded, 1 refused; 3 events, 1 match, "), "{told}");
}

/// The export of `picket events --json` is an indented array; events of others may stand in another file.
#[test]
fn own_events_and_those_of_others_meet_their_rules_and_correlations_name_their_events() {
    let desk = Desk::new();
    desk.count();
    let events = json!([
        own(1, 0, "web-1", "/usr/bin/id"),
        own(2, 5, "web-1", "/usr/bin/whoami"),
        own(3, 9, "web-1", "/bin/whoami")
    ]);
    let export = format!("{events:#}\n");
    desk.write("own.json", &export);
    desk.write("w.ndjson", &format!("{}\n", windows("dc1", "C:\\whoami.exe")));
    let output = desk.picket("run", &["--events", &desk.name("own.json"), &desk.name("w.ndjson"), "--json"]);
    let (matches, last) = parted(&output);
    // Every event of the array is as long as any other.
    let third = 2 + 2 * (export.lines().count() as u64 - 2) / 3;
    let found: Vec<(&str, bool, u64)> = matches
        .iter()
        .map(|found| {
            let is_own = found["file"].as_str().unwrap().ends_with("own.json");
            (found["rule"].as_str().unwrap(), is_own, found["line"].as_u64().unwrap())
        })
        .collect();
    assert!(found.contains(&("linux_tool", true, third)), "{found:?}");
    assert!(found.contains(&("5af54681-df95-4c26-854f-2565e13cfab0", false, 1)), "{found:?}");
    assert!(found.contains(&("often", true, third)), "{found:?}");
    assert_eq!((&last["events"], &last["matches"], found.len()), (&json!(4), &json!(4), 4));
}

/// The second event happened on the day from which the exception leaves nothing out.
#[test]
fn an_exception_ends_with_its_day_and_that_is_told() {
    let desk = Desk::new();
    desk.write(
        "rules/exception.yml",
        "title: Alice may\nlogsource: {product: linux, category: process_creation}\nfilter:\n  rules: [linux_tool]\n  s:\n    User: alice\n  condition: not s\npicket: {reason: she must, owner: ops, until: 2026-09-22}\n",
    );
    let lines = [own(1, 0, "web-1", "/bin/whoami"), own(2, 86_400, "web-1", "/bin/whoami")];
    desk.write("e.ndjson", &lines.map(|line| line.to_string()).join("\n"));
    let output = desk.picket("run", &["--events", &desk.name("e.ndjson"), "--json"]);
    let (matches, _) = parted(&output);
    let lines: Vec<u64> = matches.iter().map(|found| found["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2]);
    // By the clock of whoever runs this it may not have ended yet; then nothing is told.
    let is_over = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() > 1_790_035_200;
    let told = text(&output.stderr).contains("the exception `Alice may` ended on 2026-09-22");
    assert_eq!(told, is_over, "{}", text(&output.stderr));
}

#[test]
fn placeholders_are_filled_from_a_file() {
    let desk = Desk::new();
    let rule = std::fs::read_to_string(desk.path("rules/windows.yml")).unwrap();
    desk.write(
        "rules/windows.yml",
        &rule.replace("Image|endswith: '\\whoami.exe'", "Image|expand|endswith: '%tools%.exe'"),
    );
    desk.write("e.ndjson", &windows("dc1", "C:\\nmap.exe"));
    let output = desk.picket("run", &["--events", &desk.name("e.ndjson"), "--json"]);
    assert_eq!(parted(&output).1["refused"], 1);
    desk.write("p.json", "{\"tools\": [\"whoami\", \"nmap\"]}");
    let with = ["--placeholders", &desk.name("p.json"), "--events", &desk.name("e.ndjson"), "--json"];
    let (matches, last) = parted(&desk.picket("run", &with));
    assert_eq!((matches.len(), &last["refused"]), (1, &json!(0)));
    desk.write("p.json", "{\"tools\": 7}");
    let output = desk.picket("run", &with);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("p.json:1:"), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_run_is_told_with_what_to_do() {
    let desk = Desk::new();
    desk.write("e.xz", "\u{fd}7zXZ");
    std::fs::write(desk.path("e.xz"), b"\xfd7zXZ\0").unwrap();
    std::fs::create_dir(desk.path("none")).unwrap();
    for (rest, code, words) in [
        (vec!["--events", "/nonexistent"], 1, "/nonexistent"),
        (vec!["--events", &desk.name("e.xz")], 2, "xz -dc"),
        (vec!["--events", &desk.name("none")], 2, "is a folder"),
        (vec!["--events", &desk.name("rules/linux.yml")], 1, "is it the right file"),
        (vec![], 2, "--events"),
    ] {
        let output = desk.picket("run", &rest);
        assert_eq!(output.status.code(), Some(code), "{rest:?}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_picket"))
        .args(["rules", "run", "--rules", &desk.name("none"), "--events", "/dev/null"])
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(0), "none of the rules is no run");
}

/// `tail -F log | picket rules run --events -`: a match shows while the pipe stays open.
#[test]
fn standard_input_is_read_as_it_comes_and_a_reader_that_leaves_ends_it_quietly() {
    let desk = Desk::new();
    let mut child =
        desk.command("run", &["--events", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    writeln!(input, "{}", windows("dc1", "C:\\whoami.exe")).unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("-:1: 5af54681"), "{line}");
    drop(output);
    // The pipe to a reader that left is noticed with the next match.
    let noisy = windows("dc1", "C:\\whoami.exe");
    while writeln!(input, "{noisy}").is_ok() {}
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_of_a_gigabyte_without_end_takes_little_memory() {
    let desk = Desk::new();
    let mut child =
        desk.command("run", &["--events", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..256 {
        input.write_all(&block).unwrap();
    }
    writeln!(input, "\n{}", windows("dc1", "C:\\whoami.exe")).unwrap();
    drop(input);
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&last["unreadable"], &last["matches"]), (&json!(1), &json!(1)));
    assert!(last["peak_bytes"].as_u64().unwrap() < 100 << 20, "{last}");
}

#[test]
fn backtest_counts_by_rule_and_host_and_day() {
    let desk = Desk::new();
    desk.count();
    let whoami = |number, seconds, host| own(number, seconds, host, "/bin/whoami").to_string();
    let lines = [
        whoami(1, 0, "web-1"),
        whoami(2, 5, "web-2"),
        whoami(3, 9, "web-2"),
        whoami(4, 200_000, "web-2"),
        windows("dc1", "C:\\whoami.exe"),
    ];
    desk.write("e.ndjson", &lines.join("\n"));
    let output = desk.picket("backtest", &["--events", &desk.name("e.ndjson"), "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows: Vec<(String, u64)> = answer["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let key = format!("{} {}", row["rule"].as_str().unwrap(), row["host"].as_str().unwrap());
            (key, row["count"].as_u64().unwrap())
        })
        .collect();
    // What one host told does not count on another.
    for wanted in [("linux_tool web-1", 1), ("linux_tool web-2", 3), ("often web-2", 1)] {
        assert!(rows.contains(&(wanted.0.to_owned(), wanted.1)), "{rows:?}");
    }
    assert!(rows.contains(&("5af54681-df95-4c26-854f-2565e13cfab0 dc1".to_owned(), 1)), "{rows:?}");
    let days: Vec<&str> = answer["days"].as_array().unwrap().iter().map(|day| day["day"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-03-01", "2026-09-21", "2026-09-23"]);
    let table = text(&desk.picket("backtest", &["--events", &desk.name("e.ndjson")]).stdout);
    assert!(
        table.lines().any(|line| line.starts_with("linux_tool") && line.contains("web-2") && line.contains(" 3 ")),
        "{table}"
    );
    assert!(table.lines().last().unwrap().starts_with("6 matches by 3 rules over 5 events"), "{table}");
}

/// Real logs and rules in public use are not part of the repository; they may lie beside it.
fn data(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(below);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn logs_of_windows_are_read_as_they_are() {
    let Some(cases) = data("sigma/regression_data") else { return };
    let Some(sigma) = data("sigma") else { return };
    let folders = ["rules", "rules-emerging-threats", "rules-threat-hunting"].map(|name| sigma.join(name));
    let mut logs = Vec::new();
    files(&cases, "evtx", &mut logs);
    logs.sort();
    logs.truncate(20);
    assert!(!logs.is_empty());
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(["rules", "run", "--json", "--rules"]).args(folders).arg("--events").args(&logs);
    let (matches, last) = parted(&command.output().unwrap());
    assert_eq!(last["unreadable"], 0, "{last}");
    assert_eq!(last["unbound"], 0, "{last}");
    for log in &logs {
        let name = log.display().to_string();
        assert!(matches.iter().any(|found| found["file"] == *name), "no rule fires on {name}");
    }
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
}

/// Unpacked beside the sample: what loads and what is read is known.
#[test]
fn public_rules_run_over_real_events() {
    let Some(sample) = data("windows-events/otrf-sample.ndjson.xz") else { return };
    let Some(sigma) = data("sigma") else { return };
    let Ok(mut xz) = Command::new("xz").arg("-dc").arg(sample).stdout(Stdio::piped()).spawn() else {
        eprintln!("skipped: xz is absent");
        return;
    };
    let folders = ["rules", "rules-emerging-threats", "rules-threat-hunting"].map(|name| sigma.join(name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
    command.args(["rules", "run", "--json", "--rules"]).args(folders).args(["--events", "-"]);
    let output = command.stdin(xz.stdout.take().unwrap()).output().unwrap();
    xz.wait().unwrap();
    let (matches, last) = parted(&output);
    assert!(matches.len() > 500, "{last}");
    assert_eq!(matches.len() as u64, last["matches"]);
    for (key, wanted) in [("loaded", 3752), ("refused", 2), ("events", 36_801), ("unreadable", 0)] {
        assert_eq!(last[key], wanted, "{key} of {last}");
    }
}
