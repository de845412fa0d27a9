//! Owns: `picket policy check` and what `sign` refuses, as a person types them: texts, exit codes, files.
//! Never: each invariant; those are tested beside the prover.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::{Command, Output};

use picket_policy::{Bundle, keys, shipped};

const SETTINGS: &str = "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n";

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    /// With a key, and a bundle of these policies.
    fn with(policies: &str) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::write(desk.path("ours.toml"), SETTINGS).unwrap();
        std::fs::write(desk.path("ours.cedar"), policies).unwrap();
        assert_eq!(desk.picket(&["policy", "keygen", "--out", "policy.key"]).status.code(), Some(0));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
        command.args(args).current_dir(self.dir.path()).env("PICKET_API", "http://127.0.0.1:1");
        command
    }

    fn picket(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn sign(&self, more: &[&str]) -> Command {
        let sign = [
            "policy",
            "sign",
            "--bundle",
            "ours.toml",
            "--cedar",
            "ours.cedar",
            "--key",
            "policy.key",
            "--version",
            "1",
        ];
        self.command(&[&sign[..], &["--out", "ours.bundle"], more].concat())
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// It ends with this code and says all of these.
fn check(output: &Output, code: i32, says: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for words in says {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn an_unsafe_bundle_is_not_signed_and_the_request_that_shows_it_is_told() {
    let desk = Desk::with(
        "// Ours.\n@id(\"ours.late\")\npermit (principal is Picket::Analyst, action, resource)\nwhen { context.conservative };\n",
    );
    let told = [
        "after-lease-acts-less: not so: what may be done after the bundle's lease may be done before it too",
        "by the analyst",
        "conservative true",
        "@id(\"ours.late\") at line 2",
    ];
    check(&desk.sign(&[]).output().unwrap(), 1, &told);
    assert!(!desk.path("ours.bundle").exists());
    check(
        &desk.picket(&["policy", "check", "ours.toml"]),
        1,
        &[&told[..], &["15 of 17 invariants", "does not keep after-lease"]].concat(),
    );
}

#[test]
fn a_safe_bundle_is_signed_and_the_signing_says_what_was_proved() {
    let desk = Desk::with("@id(\"ours.all\")\npermit (principal, action, resource)\nwhen { context.severity >= 4 };\n");
    check(&desk.sign(&[]).output().unwrap(), 0, &["17 invariants proved by cvc5"]);
    check(&desk.picket(&["policy", "check", "ours.bundle"]), 0, &["17 of 17 invariants proved", "first-process"]);
    let shown = desk.picket(&["policy", "check", "ours.toml", "--cedar"]);
    check(&shown, 0, &["    1  @id(\"ours.all\")", "@id(\"guard.first-process\")", "@id(\"guard.lease\")"]);
}

/// Signed by other means than `picket policy sign`, so without Picket's guards beneath.
#[test]
fn a_signed_bundle_is_checked_too() {
    let desk = Desk::with("");
    let text = "@id(\"all\")\npermit (principal, action, resource);\n";
    let bundle = Bundle { policies: text.into(), ..shipped("standard").unwrap() };
    std::fs::write(desk.path("bare.bundle"), bundle.sign(&keys::generate([7; 32]))).unwrap();
    let output = desk.picket(&["policy", "check", "bare.bundle", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["proved"], false);
    let broken: Vec<&str> =
        answer["violations"].as_array().unwrap().iter().map(|one| one["invariant"].as_str().unwrap()).collect();
    for invariant in ["first-process", "protected", "expiry", "budget", "halted", "two-families", "after-lease"] {
        assert!(broken.contains(&invariant), "{invariant} is not in {broken:?}");
    }
    assert_eq!(answer["violations"][0]["by"], serde_json::json!([{"id": "all", "line": 1}]));
}

#[test]
fn without_a_solver_nothing_is_signed_unless_that_is_said() {
    let desk = Desk::with("@id(\"ours.all\")\npermit (principal, action, resource);\n");
    let nowhere = |mut command: Command| command.env("CVC5", "/nonexistent/cvc5").output().unwrap();
    let told = ["\"/nonexistent/cvc5\"", "apt-get install cvc5", "--unproved"];
    check(&nowhere(desk.sign(&[])), 1, &told);
    assert!(!desk.path("ours.bundle").exists());
    check(&nowhere(desk.command(&["policy", "check", "ours.toml"])), 1, &told);
    check(&nowhere(desk.command(&["policy", "check", "ours.toml", "--unproved"])), 0, &["nothing proved"]);
    check(&nowhere(desk.sign(&["--unproved"])), 0, &["not proved to keep the safety invariants"]);
    assert!(desk.path("ours.bundle").exists());
}

#[test]
fn what_is_no_solver_proves_nothing() {
    let desk = Desk::with("@id(\"ours.all\")\npermit (principal, action, resource);\n");
    check(&desk.sign(&[]).env("CVC5", "/bin/true").output().unwrap(), 1, &["cvc5 does not work as expected"]);
    assert!(!desk.path("ours.bundle").exists());
}
