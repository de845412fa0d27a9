//! Owns: what a detection engineer sees of `picket rules check`.
//! Never: a coordinator; the command needs none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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
