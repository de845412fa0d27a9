//! Owns: what a detection engineer sees of `picket rules test`, `inventory`, `coverage` and `import`.
//! Never: a coordinator; the commands need none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn rules(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_picket")).arg("rules").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(args: &[&str]) -> Value {
    let output = rules(&[args, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// Matches the program `/opt/NAME`.
fn rule(name: &str, technique: &str) -> String {
    format!(
        "title: Runs {name}\nname: {name}\nlevel: low\ntags: [attack.execution, attack.{technique}]\nlogsource: {{product: linux, category: process_creation}}\ndetection:\n  s:\n    Image: /opt/{name}\n  condition: s\n"
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[test]
fn the_shipped_rules_pass_their_cases() {
    let output = rules(&["test"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.ends_with(": all pass\n") && told.lines().count() == 1, "{told}");
}

#[test]
fn every_case_that_fails_says_where_it_stands_and_what_fired() {
    let folder = Folder::new(&[
        ("one.yml", &rule("one", "t1059")),
        ("below/two.yml", &rule("two", "t1059")),
        ("three.yml", &rule("three", "t1059")),
        (
            "one.tests.yml",
            "hits:\n  - launch: {exe: /opt/one}\n  - about: the other\n    launch: {exe: /opt/two}\n  - launch: {exe: /bin/no}\nmisses:\n  - about: too near\n    launch: {exe: /opt/one}\n",
        ),
        ("below/two.tests.yml", "hits:\n  - lunch: {exe: /opt/two}\n"),
        ("alone.tests.yml", "hits:\n  - launch: {exe: /opt/one}\n"),
    ]);
    let output = rules(&["test", &folder.name("")]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    for line in [
        format!("{}:3: not hit by one (the other); fired instead: two", folder.name("one.tests.yml")),
        format!("{}:5: not hit by one; nothing fired", folder.name("one.tests.yml")),
        format!("{}:7: hit, though only near (too near); fired: one", folder.name("one.tests.yml")),
        format!("{}:2:5: there is no event `lunch`", folder.name("below/two.tests.yml")),
        format!("{}:1:1: no rule of this name lies beside these cases", folder.name("alone.tests.yml")),
        "three has no case that it must hit".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}\n{told}");
    }
    assert!(text(&output.stderr).contains("2 errors, 3 of 4 cases failed"), "{}", text(&output.stderr));
    let answer = json(&["test", &folder.name("")]);
    assert_eq!((&answer["passed"], &answer["failed"]), (&Value::from(1), &Value::from(3)));
    assert_eq!(answer["cases"][1]["fired"][0], "two");
    // A rule that is named alone brings its cases.
    let answer = json(&["test", &folder.name("one.yml")]);
    assert_eq!(answer["cases"].as_array().unwrap().len(), 4);
    let output = rules(&["test", &folder.name("three.yml")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no case"), "{}", text(&output.stderr));
}

#[test]
fn the_inventory_says_of_every_shipped_rule_what_it_is_for() {
    let answer = json(&["inventory"]);
    let rules_told = answer["rules"].as_array().unwrap();
    assert!(rules_told.len() >= 50);
    for rule in rules_told.iter().filter(|rule| rule["silent"] == false) {
        for key in ["addresses", "tier", "severity_reason", "volume", "owner", "response_class", "status", "level"] {
            assert!(rule[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {}", rule["rule"]);
        }
        for key in ["triage", "falsepositives", "techniques", "data_sources"] {
            assert!(rule[key].as_array().is_some_and(|list| !list.is_empty()), "{key} of {}", rule["rule"]);
        }
    }
    let table = text(&rules(&["inventory"]).stdout);
    assert!(table.starts_with("RULE") && table.lines().any(|line| line.starts_with("cron_persistence ")), "{table}");
}

#[test]
fn the_inventory_lists_exceptions() {
    let filter = "title: The backup\nlogsource: {product: linux, category: process_creation}\nfilter:\n  rules: [one]\n  s:\n    User: backup\n  condition: not s\npicket: {reason: it must, owner: ops, until: 2020-01-31}\n";
    let folder = Folder::new(&[("one.yml", &rule("one", "t1059")), ("f.yml", filter)]);
    let table = text(&rules(&["inventory", &folder.name("")]).stdout);
    let row = table.lines().find(|line| line.starts_with("The backup")).unwrap_or_else(|| panic!("{table}"));
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, ["The backup", "2020-01-31 (over)", "ops", "one", "it must"]);
    let answer = json(&["inventory", &folder.name("")]);
    assert_eq!(answer["exceptions"][0]["over"], true);
}

/// Four techniques: one only tagged, one with a case, one executed and told, one executed and missed.
#[test]
fn coverage_tells_tagged_from_tested_from_executed() {
    let folder = Folder::new(&[
        ("r/one.yml", &rule("one", "t1059.004")),
        ("r/two.yml", &rule("two", "t1105")),
        ("r/three.yml", &rule("three", "t1053.003")),
        ("r/four.yml", &rule("four", "t1070")),
        ("r/two.tests.yml", "hits:\n  - launch: {exe: /opt/two}\n"),
        (
            "lab.jsonl",
            "{\"technique\":\"T1053.003\",\"test\":\"a\",\"name\":\"cron\",\"ran\":true,\"events\":9,\"rules\":[\"three\"],\"milliseconds\":7}\n{\"technique\":\"T1053.003\",\"test\":\"b\",\"name\":\"silent\",\"ran\":true,\"events\":9,\"rules\":[],\"milliseconds\":7}\n\n{\"technique\":\"T1070.004\",\"test\":\"c\",\"name\":\"rm\",\"ran\":true,\"events\":1,\"rules\":[],\"milliseconds\":7}\n{\"technique\":\"T1014\",\"test\":\"d\",\"name\":\"kit\",\"ran\":false,\"events\":0,\"rules\":[],\"milliseconds\":0}\n{\"technique\":\"T1082\",\"test\":\"e\",\"name\":\"uname\",\"ran\":true,\"events\":1,\"rules\":[\"one\"],\"milliseconds\":7}\n",
        ),
    ]);
    let (layer, lab) = (folder.name("layer.json"), folder.name("lab.jsonl"));
    let args = ["coverage", &folder.name("r"), "--executed", &lab, "--output", &layer];
    let output = rules(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let layer: Value = serde_json::from_str(&std::fs::read_to_string(&layer).unwrap()).unwrap();
    assert_eq!((&layer["versions"]["layer"], &layer["domain"]), (&"4.5".into(), &"enterprise-attack".into()));
    let found = |id: &str| layer["techniques"].as_array().unwrap().iter().find(|entry| entry["techniqueID"] == id);
    let legend = |entry: &Value| {
        let items = layer["legendItems"].as_array().unwrap();
        items.iter().find(|item| item["color"] == entry["color"]).unwrap()["label"].as_str().unwrap().to_owned()
    };
    for (id, label, comment) in [
        ("T1059.004", "tagged only", "Tagged by one; no case shows it."),
        ("T1105", "tested by a case", "Shown by cases: two."),
        ("T1053.003", "executed, a rule for it fired", "none on 1. No rule fired on: silent."),
        ("T1070.004", "executed, no rule fired", "No rule is tagged with it."),
        ("T1082", "executed, a rule for another technique fired", "another on 1"),
    ] {
        let entry = found(id).unwrap_or_else(|| panic!("{id} is absent"));
        assert_eq!(legend(entry), label, "{id}");
        assert!(entry["comment"].as_str().unwrap().contains(comment), "{id}: {}", entry["comment"]);
    }
    assert!(found("T1014").is_none(), "what did not run and nobody claims is no coverage of any kind");
    let again = rules(&args);
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
    // What `picket rules test --json` printed is taken too.
    let tests = rules(&["test", &folder.name("r"), "--json"]);
    std::fs::write(folder.path("tests.json"), tests.stdout).unwrap();
    std::fs::remove_file(folder.path("r/two.tests.yml")).unwrap();
    let states = |args: &[&str]| {
        let answer = json(&[&["coverage", &folder.name("r")], args].concat());
        let rows = answer["techniques"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["technique"] == "T1105").unwrap()["state"].clone()
    };
    assert_eq!((states(&[]), states(&["--executed", &folder.name("tests.json")])), ("tagged".into(), "tested".into()));
}

#[test]
fn results_that_cannot_be_read_are_named_with_their_place() {
    let folder = Folder::new(&[("bad.jsonl", "{\"technique\":\"T1\",\"ran\":true,\"rules\":[]}\n{\"technique\":7}\n")]);
    let output = rules(&["coverage", "--executed", &folder.name("bad.jsonl")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("bad.jsonl:2:"), "{}", text(&output.stderr));
}

const WINDOWS: &str = "title: W\nid: 11111111-1111-1111-1111-111111111111\nlogsource: {product: windows, category: process_creation}\ndetection:\n  s:\n    Image: x\n  condition: s\n";

#[test]
fn import_says_what_can_fire_and_what_the_rest_lacks() {
    let chain = "title: Both\nname: both\nlevel: low\ncorrelation:\n  type: temporal\n  rules: [one, 11111111-1111-1111-1111-111111111111]\n  group-by: [User]\n  timespan: 1m\n";
    let odd = rule("odd", "t1059").replace("level: low", "level: low\nunheard: of");
    let bad = rule("bad", "t1059").replace("Image:", "Image|endwith:");
    let folder = Folder::new(&[
        ("in/linux/one.yml", &rule("one", "t1059")),
        ("in/linux/odd.yml", &odd),
        ("in/linux/bad.yml", &bad),
        ("in/windows/w.yml", WINDOWS),
        ("in/both.yml", chain),
    ]);
    let answer = json(&["import", &folder.name("in")]);
    assert_eq!(answer["documents"], 5);
    assert_eq!(answer["rules"], serde_json::json!({"loaded": 3, "can_fire": 2, "lack_data": 1}));
    assert_eq!(answer["correlations"], serde_json::json!({"loaded": 1, "can_fire": 0, "lack_data": 1}));
    let reasons = answer["lacking"].to_string();
    assert!(reasons.contains("product `windows`") && reasons.contains("w.yml:3:"), "{reasons}");
    assert!(answer["refused"][0]["reason"].as_str().unwrap().contains("endwith"));

    let output = rules(&["import", &folder.name("in"), "--output", &folder.name("out")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(folder.path("out/linux/one.yml").is_file());
    // It can fire, and a bundle refuses it as it is: that is told, with its place.
    assert!(!folder.path("out/linux/odd.yml").exists());
    assert!(text(&output.stderr).contains("odd.yml:4:1: unknown key `unheard`"), "{}", text(&output.stderr));
    assert!(rules(&["check", &folder.name("out")]).status.success());
    let again = rules(&["import", &folder.name("in"), "--output", &folder.name("out")]);
    assert_eq!(again.status.code(), Some(1));
}

/// Rules in public use are not part of the repository; they may lie beside it.
#[test]
fn public_rules_are_sorted_into_those_that_can_fire_here_and_those_that_lack_data() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigma");
    let folders = ["rules", "rules-emerging-threats", "rules-threat-hunting"].map(|name| data.join(name));
    if !folders.iter().all(|folder| folder.is_dir()) {
        eprintln!("skipped: {} is absent", data.display());
        return;
    }
    let folder = Folder::new(&[]);
    let out = folder.name("out");
    let mut args = vec!["import"];
    args.extend(folders.iter().map(|folder| folder.to_str().unwrap()));
    args.extend(["--output", &out]);
    let answer = json(&args);
    let share = &answer["rules"];
    assert_eq!(answer["documents"], 3754);
    assert_eq!(share["can_fire"].as_u64().unwrap() + share["lack_data"].as_u64().unwrap(), share["loaded"]);
    assert!(share["can_fire"].as_u64().unwrap() >= 200, "{share}");
    let lacking: u64 = answer["lacking"].as_array().unwrap().iter().filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(share["lack_data"], lacking, "each has a reason");
    let check = rules(&["check", &out]);
    assert!(check.status.success(), "{}", text(&check.stdout));
}
