//! Owns: what a detection engineer sees of `picket rules check`.
//! Never: a coordinator; the command needs none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_picket")).args(["rules", "check"]).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const GOOD: &str = "title: Good\nname: good\nlogsource: {product: linux, category: process_creation}\ndetection:\n  s:\n    Image|endswith: /x\n  condition: s\n";

#[test]
fn the_shipped_rules_compile() {
    let output = check(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("all compile"));
}

#[test]
fn errors_are_named_with_file_line_and_column_and_end_in_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let bad = folder.path().join("below/bad.yml");
    std::fs::write(folder.path().join("good.yml"), GOOD).unwrap();
    std::fs::write(folder.path().join("good.tests.yml"), "hits: []\n").unwrap();
    std::fs::write(&bad, GOOD.replace("name: good", "name: bad").replace("endswith", "endwith")).unwrap();
    let output = check(&[folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let wanted = format!("{}:6:5: there is no modifier `endwith`", bad.display());
    assert!(text(&output.stdout).starts_with(&wanted), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("1 error in 2 files"), "{}", text(&output.stderr));

    let output = check(&["--json", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["errors"][0]["line"], 6);
    assert_eq!(answer["errors"][0]["file"], bad.to_str().unwrap());

    std::fs::remove_file(bad).unwrap();
    let output = check(&[folder.path().to_str().unwrap()]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "1 rule in 1 file: all compile\n");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = check(&["/nonexistent/rule.yml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nonexistent/rule.yml"));
}

/// Whatever lies in a folder, every other file is checked and everything wrong is told at once.
#[test]
fn hostile_files_hide_no_other_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("empty.yml"), "").unwrap();
    std::fs::write(path("latin.yml"), b"title: x\nauthor: Andr\xe9\n").unwrap();
    std::fs::write(path("long.yml"), vec![b'#'; 10 << 20]).unwrap();
    std::fs::write(path("deep.yml"), format!("title: x\ndetection: {}", "[".repeat(200_000))).unwrap();
    std::fs::write(path("wide.yml"), format!("title: x\ndetection: [{}]", "a,".repeat(400_000))).unwrap();
    std::fs::write(path("bad.yml"), GOOD.replace("endswith", "endwith")).unwrap();
    std::fs::create_dir(path("below")).unwrap();
    for name in ["one", "two", "below/three", "below/four"] {
        symlink(folder.path(), path(name)).unwrap();
    }
    symlink("/nonexistent", path("dangling.yml")).unwrap();
    let output = check(&[folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    for (file, place, words) in [
        ("empty.yml", "1:1", "no rule in this file"),
        ("latin.yml", "2:13", "UTF-8"),
        ("long.yml", "1:1", "longer than 1048576 bytes"),
        ("deep.yml", "2:", "recursion limit"),
        ("wide.yml", "2:", "more than 200000 values"),
        ("bad.yml", "6:5", "no modifier `endwith`"),
        ("dangling.yml", "1:1", "cannot be read"),
    ] {
        let wanted = format!("{}:{place}", path(file).display());
        assert!(told.lines().any(|line| line.starts_with(&wanted) && line.contains(words)), "{file}\n{told}");
    }
    assert_eq!(told.lines().count(), 7, "{told}");
}

/// The filter leaves out what `good` matches.
fn exception(picket: &str) -> String {
    format!(
        "title: The backup\nlogsource: {{product: linux, category: process_creation}}\nfilter:\n  rules: [good]\n  backup:\n    User: backup\n  condition: not backup\n{picket}"
    )
}

#[test]
fn an_exception_without_reason_owner_and_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.yml"), GOOD).unwrap();
    let filter = folder.path().join("filter.yml");
    let told = |picket: &str| {
        std::fs::write(&filter, exception(picket)).unwrap();
        let output = check(&[folder.path().to_str().unwrap()]);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, answer, _) = told("");
    assert_eq!(code, Some(1));
    for key in ["reason", "owner", "until"] {
        let wanted = format!("filter.yml:1:1: a filter needs `{key}` in its `picket` map");
        assert!(answer.contains(&wanted), "{answer}");
    }
    let (code, answer, _) = told("picket: {reason: 'backups do this', owner: ' ', until: soon}\n");
    assert_eq!(code, Some(1));
    assert!(answer.contains("`owner` must be text") && answer.contains("`until` is a day"), "{answer}");
    let (code, answer, aside) = told("picket: {reason: 'backups do this', owner: ops, until: 2999-01-31}\n");
    assert_eq!((code, aside.as_str()), (Some(0), ""), "{answer}");
}

#[test]
fn an_exception_that_has_ended_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.yml"), GOOD).unwrap();
    let ended = exception("picket: {reason: 'backups do this', owner: ops, until: 2020-01-31}\n");
    std::fs::write(folder.path().join("filter.yml"), ended).unwrap();
    let output = check(&[folder.path().to_str().unwrap()]);
    assert!(output.status.success());
    let aside = text(&output.stderr);
    assert!(aside.contains("filter.yml:1: the exception `The backup` ended on 2020-01-31"), "{aside}");
    assert!(aside.contains("ask ops"), "{aside}");
}
