//! Owns: YARA rules of a bundle on a real host: files that are written, run or taken away, memory on request, a file that
//! stalls, rules with errors.
//! Never: a rule that could match, or take away, what the test did not make.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use picket_model::BundleVersion;
use picket_policy::{RuleText, keys, shipped};
use picket_tests::estate::Estate;
use picket_tests::{eventually, is_root, marked};
use serde_json::Value;

/// A scan may work for ten seconds, which a busy host stretches to a minute.
const PATIENCE: Duration = Duration::from_secs(150);

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
    estate.picket(&["policy", "apply", "watch", "--yara", &folder]).unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    wait_for_version(&estate, 2);
    Some(estate)
}

fn wait_for_version(estate: &Estate, version: u64) {
    let in_force = estate.wait(&format!("bundle {version} is in force"), |estate| {
        let hosts = estate.json(&["hosts"]).ok()?;
        hosts.as_array()?.iter().any(|host| host["status"]["bundle"] == version).then_some(())
    });
    in_force.unwrap();
}

fn folder_of(estate: &Estate, rules: &str) -> String {
    let folder = estate.root().join("yara");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ours.yar"), rules).unwrap();
    folder.display().to_string()
}

/// The detection of a rule that `fits`.
fn detection(estate: &Estate, rule: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let found = estate.wait(&format!("{rule} is told"), |estate| {
        let detections = estate.json(&["detections", "--limit", "10000"]).ok()?;
        detections.as_array()?.iter().find(|one| one["rule"] == rule && fits(one)).cloned()
    });
    found.unwrap()
}

/// Of a file that was written.
fn written(estate: &Estate, rule: &str, file: &Path) -> Value {
    let path = file.display().to_string();
    detection(estate, rule, |one| one["event"]["activity"]["fingerprint"]["file"]["path"] == path.as_str())
}

/// What the agent says of itself under `what`, with `word` in it.
fn agent_event(estate: &Estate, what: &str, word: &str) -> String {
    let said = eventually(PATIENCE, || {
        let events = estate.json(&["events", "--class", "agent", "--limit", "10000"]).ok()?;
        let said = events.as_array()?.iter().map(|one| &one["activity"]).filter(|activity| activity["what"] == what);
        said.filter_map(|activity| activity["detail"].as_str()).find(|detail| detail.contains(word)).map(str::to_owned)
    });
    said.unwrap_or_else(|| panic!("the agent does not say {what:?} of {word:?}\n{}", estate.logs()))
}

/// By a process that has ended, as a file that is written usually is.
fn write(text: &str, file: &Path) {
    let script = format!("printf %s '{text}' > {}", file.display());
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

    let file = folder.join("written");
    write(&format!("some {word} here"), &file);
    let told = written(&estate, "yara.e2e_word", &file);
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
    let said = agent_event(&estate, "memory scanned", "yara.e2e_memory");
    assert!(said.contains(&format!("process {}", guest.0.id())), "{said}");
    let audit = estate.json(&["audit", "list", "--limit", "1000"]).unwrap();
    let line = audit.as_array().unwrap().iter().find(|entry| entry["what"] == "scan_memory");
    assert_eq!(line.unwrap_or_else(|| panic!("{audit}"))["who"], "admin");
}

#[test]
fn what_is_quarantined_is_looked_at_where_it_lies() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-yara-vault-{}", std::process::id());
    let rules = format!("rule e2e_vault {{ strings: $a = \"{marker}-content\" condition: $a }}");
    let mut estate = Estate::start().unwrap();
    let folder = folder_of(&estate, &rules);
    let signed = marked::sign_more(&estate, &marker, 2, &["--yara", &folder]).unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    marked::apply(&estate, &signed, 2).unwrap();
    let folder = estate.root().join("victim");
    fs::create_dir(&folder).unwrap();
    // Its name alone has a rule of the bundle take it away, before it has settled and is read.
    let (file, aside) = (folder.join(&marker), folder.join("aside"));
    fs::write(&aside, format!("{marker}-content")).unwrap();
    fs::rename(&aside, &file).unwrap();
    let told = written(&estate, "yara.e2e_vault", &file);
    assert!(!file.exists(), "{told}");
    let actions = estate.json(&["actions", "--limit", "1000"]).unwrap();
    let taken = actions.as_array().unwrap().iter().find(|one| one["kind"]["kind"] == "quarantine_file");
    assert_eq!(taken.unwrap_or_else(|| panic!("{actions}"))["state"], "applied", "{actions}");
    assert_eq!(told["response"], serde_json::json!([]), "nothing is left to do about it: {told}");
}

/// Both are decided in a moment for any file but a small one that holds the first's word: programs hold it too, such as
/// this test.
const STALLING: &str = "rule e2e_stalls { strings: $a = \"PiCkEt-StAlL\" condition:
    $a and filesize < 100 and for any i in (0..1000000) : ( for any j in (0..1000000) : ( uint8(i) + uint8(j) == 511 ) ) }
rule e2e_after { strings: $a = \"picket-e2e-after-\" condition: $a }";

#[test]
fn a_file_that_stalls_the_rules_costs_its_own_scan_and_is_told() {
    let Some(mut estate) = estate(STALLING) else { return };
    let file = |name: &str| estate.root().join(name);
    let (bomb, after, again) = (file("bomb"), file("after"), file("again"));
    write("PiCkEt-StAlL", &bomb);
    write("picket-e2e-after-1", &after);
    let said = agent_event(&estate, "file not scanned", "took too long");
    assert!(said.starts_with(&format!("{} (sha256 ", bomb.display())), "{said}");
    written(&estate, "yara.e2e_after", &after);
    let lost = estate.wait("it is counted", |estate| {
        let hosts = estate.json(&["hosts"]).ok()?;
        let losses = hosts[0]["status"]["losses"].as_array()?.clone();
        losses.into_iter().find(|loss| loss["place"] == "scanner.timeout")
    });
    assert_eq!(lost.unwrap()["count"], 1, "that scan and no other");

    // The kept bundle's rules count again after a start, once they are compiled.
    estate.stop_agent();
    estate.start_agent().unwrap();
    write("picket-e2e-after-2", &again);
    written(&estate, "yara.e2e_after", &again);
}

const BROKEN: &str = "rule fine { condition: true }\nrule bad {\n  condition: nowhere\n}";

#[test]
fn rules_with_errors_are_not_signed_not_applied_and_not_taken_and_say_where() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let place = "ours.yar:3:14: unknown identifier";
    let mut estate = Estate::start().unwrap();
    let folder = folder_of(&estate, BROKEN);
    let refused = estate.picket(&["policy", "apply", "watch", "--yara", &folder]).unwrap_err().to_string();
    assert!(refused.contains(place), "{refused}");

    // By a tool that does not look at them.
    let key = fs::read_to_string(estate.root().join("coordinator/policy.key")).unwrap();
    let mut bundle = shipped("watch").unwrap();
    (bundle.version, bundle.issued) = (BundleVersion(2), picket_agent::sys::clock::now());
    bundle.yara = vec![RuleText { file: "ours.yar".to_owned(), text: BROKEN.to_owned() }];
    let signed = bundle.sign(&keys::private_from_pem(&key).unwrap());
    let file = estate.root().join("signed");
    fs::write(&file, &signed).unwrap();
    let refused = estate.picket(&["policy", "apply", &file.display().to_string()]).unwrap_err().to_string();
    assert!(refused.contains(place), "{refused}");
    assert_eq!(estate.json(&["policy", "show"]).unwrap()["version"], 1);

    // And past `picket`: the host itself refuses, and goes on under the one before.
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    wait_for_version(&estate, 1);
    estate.post("/v1/policy", &signed).unwrap();
    let said = agent_event(&estate, "bundle refused", "ours.yar");
    assert!(said.contains(place), "{said}");
    assert_eq!(estate.json(&["hosts"]).unwrap()[0]["status"]["bundle"], 1);
}
