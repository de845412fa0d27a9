//! Owns: YARA rules of a bundle on a real host: files that are written and run, memory on request, a file that stalls.
//! Never: a rule that could match what the test did not make; nothing is contained.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use picket_tests::estate::Estate;
use picket_tests::is_root;
use serde_json::Value;

/// Ended with the test.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A host under the bundle `watch`, with these YARA rules beside the shipped Sigma rules.
fn estate(rules: &str) -> Option<Estate> {
    if !is_root() {
        println!("skipped: the agent needs root");
        return None;
    }
    let mut estate = Estate::start().unwrap();
    let folder = folder_of(&estate, rules);
    estate.picket(&["policy", "apply", "watch", "--yara", &folder.display().to_string()]).unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let in_force = estate.wait("the bundle is in force", |estate| {
        let hosts = estate.json(&["hosts"]).ok()?;
        hosts.as_array()?.iter().any(|host| host["status"]["bundle_name"] == "watch").then_some(())
    });
    in_force.unwrap();
    Some(estate)
}

fn folder_of(estate: &Estate, rules: &str) -> PathBuf {
    let folder = estate.root().join("yara");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ours.yar"), rules).unwrap();
    folder
}

/// The detection of a rule that `fits`.
fn detection(estate: &Estate, rule: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let found = estate.wait(&format!("{rule} is told"), |estate| {
        let detections = estate.json(&["detections", "--limit", "10000"]).ok()?;
        detections.as_array()?.iter().find(|one| one["rule"] == rule && fits(one)).cloned()
    });
    found.unwrap()
}

fn agent_event(estate: &Estate, what: &str) -> String {
    let found = estate.wait(&format!("the agent says {what:?}"), |estate| {
        let events = estate.json(&["events", "--class", "agent", "--limit", "10000"]).ok()?;
        let said = events.as_array()?.iter().find(|one| one["event"]["activity"]["what"] == what).cloned()?;
        said["event"]["activity"]["detail"].as_str().map(str::to_owned)
    });
    found.unwrap()
}

fn write(by: &str, file: &Path) {
    let script = format!("{by} > {}", file.display());
    assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
}

fn place(detection: &Value, string: &str) -> String {
    let evidence = detection["evidence"].as_array().unwrap();
    let found = evidence.iter().find(|one| one["field"] == string).unwrap_or_else(|| panic!("{detection}"));
    found["value"].as_str().unwrap().to_owned()
}

#[test]
fn files_that_are_written_or_run_and_memory_that_is_asked_for_meet_the_bundles_rules() {
    let word = format!("picket-e2e-yara-{}", std::process::id());
    let rules = format!(
        "rule e2e_word : ours {{
  meta:
    title = \"The word of a test\"
    severity = \"high\"
    techniques = \"T1027\"
    scan_context = \"file\"
  strings: $word = \"{word}\"
  condition: $word and filesize < 10MB
}}
rule e2e_memory {{ meta: scan_context = \"memory\" strings: $long = \"{word}-in-memory\" condition: $long }}"
    );
    let Some(estate) = estate(&rules) else { return };
    let folder = estate.root().join("files");
    fs::create_dir(&folder).unwrap();

    let written = folder.join("written");
    write(&format!("printf 'some {word} here'"), &written);
    let path = written.display().to_string();
    let told = detection(&estate, "yara.e2e_word", |one| {
        one["event"]["activity"]["fingerprint"]["file"]["path"] == path.as_str()
    });
    assert_eq!((&told["title"], &told["severity"]), (&"The word of a test".into(), &"high".into()), "{told}");
    assert_eq!(told["techniques"][0], "T1027");
    assert_eq!(place(&told, "$word"), format!("{} bytes at 0x5", word.len()));
    assert_eq!(place(&told, "Tags"), "ours");
    let writer = told["event"]["process"]["exe"].as_str().unwrap();
    assert!(["sh", "dash", "bash"].iter().any(|shell| writer.ends_with(shell)), "{told}");

    let program = folder.join("program");
    let mut bytes = fs::read("/bin/true").unwrap();
    bytes.extend(word.as_bytes());
    fs::write(&program, bytes).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new(&program).status().unwrap().success());
    let path = program.display().to_string();
    let told = detection(&estate, "yara.e2e_word", |one| one["event"]["activity"]["fingerprint"]["executed"] == true);
    assert_eq!(told["event"]["process"]["exe"], path.as_str(), "{told}");

    // The word is put together only in its memory; its arguments and environment do not hold it.
    let script = format!("a={word}-in; b=-memory; c=\"$a$b\"; read line");
    let guest = Guest(Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap());
    let hosts = estate.json(&["hosts"]).unwrap();
    let host = hosts[0]["id"].as_str().or_else(|| hosts[0]["host"].as_str()).unwrap().to_owned();
    estate.picket(&["scan", &host, &guest.0.id().to_string(), "--note", "a test"]).unwrap();
    let told = detection(&estate, "yara.e2e_memory", |one| one["event"]["process"]["key"]["pid"] == guest.0.id());
    assert_eq!(told["event"]["activity"]["activity"], "scan", "{told}");
    assert!(place(&told, "$long").starts_with(&format!("{} bytes at 0x", word.len() + 10)));
    let said = agent_event(&estate, "memory scanned");
    assert!(said.contains(&format!("process {}", guest.0.id())) && said.contains("yara.e2e_memory"), "{said}");
    let audit = estate.json(&["audit", "list", "--limit", "1000"]).unwrap();
    let line = audit.as_array().unwrap().iter().find(|entry| entry["what"] == "scan_memory");
    assert_eq!(line.unwrap_or_else(|| panic!("{audit}"))["who"], "admin");
}

#[test]
fn rules_with_errors_are_not_signed_and_say_where() {
    if !is_root() {
        return println!("skipped: the coordinator's folder is root's");
    }
    let estate = Estate::start().unwrap();
    let folder = folder_of(&estate, "rule fine { condition: true }\nrule bad {\n  condition: nowhere\n}");
    let refused = estate.picket(&["policy", "apply", "watch", "--yara", &folder.display().to_string()]);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("ours.yar:3:14: unknown identifier"), "{refused}");
    assert_eq!(estate.json(&["policy", "show"]).unwrap()["version"], 1);
}
