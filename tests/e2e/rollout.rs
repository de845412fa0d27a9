//! Owns: a bundle on one of two hosts first, over the whole loop: watched, promoted, aborted, taken back by its figures.
//! Never: acting on anything but processes of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use picket_model::BundleVersion;
use picket_policy::{Bundle, RuleText, SigningKey, keys, verify};
use picket_tests::estate::Estate;
use picket_tests::marked::{self, Victim};
use picket_tests::{eventually, is_root};
use serde_json::{Value, json};

/// Another agent of this machine, with a state directory of its own.
struct Second {
    child: Child,
    folder: PathBuf,
}

impl Second {
    fn start(estate: &Estate) -> Self {
        let folder = estate.root().join("second");
        let config = estate.root().join("second.toml");
        fs::write(&config, format!("state_dir = \"{}\"\n", folder.display())).unwrap();
        let token = estate.root().join("second-token");
        fs::write(&token, estate.picket(&["token", "--ttl", "10m"]).unwrap()).unwrap();
        let command = || {
            let mut command = Command::new(estate.root().join("bin/picket-agent"));
            command.arg("--config").arg(&config).stdin(Stdio::null());
            command
        };
        let enrolled = command().args(["enrol", "--token-file"]).arg(&token).output().unwrap();
        assert!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
        let log = fs::File::create(estate.root().join("second.log")).unwrap();
        let child = command().arg("run").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, folder }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = eventually(Duration::from_secs(20), || self.child.try_wait().ok().flatten());
        let _ = self.child.kill();
        let _ = self.child.wait();
        let state = self.folder.display().to_string();
        let name: String = state.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let _ = fs::remove_file(Path::new("/sys/fs/bpf/picket").join(name));
    }
}

fn hosts(estate: &Estate) -> Vec<Value> {
    estate.json(&["hosts"]).ok().and_then(|hosts| hosts.as_array().cloned()).unwrap_or_default()
}

fn holds(estate: &Estate, host: &str) -> Option<u64> {
    hosts(estate).iter().find(|one| one["id"] == host)?["status"]["bundle"].as_u64()
}

fn wait_for(estate: &Estate, host: &str, version: u64) {
    let what = format!("{host} goes by version {version}");
    estate.wait(&what, |estate| (holds(estate, host) == Some(version)).then_some(())).unwrap();
}

fn only_host(estate: &Estate) -> String {
    hosts(estate)[0]["id"].as_str().unwrap().to_owned()
}

fn other_host(estate: &Estate, first: &str) -> String {
    let other = estate.wait("the second host is there", |estate| {
        hosts(estate).iter().filter_map(|host| host["id"].as_str()).find(|id| *id != first).map(str::to_owned)
    });
    other.unwrap()
}

fn rollout(estate: &Estate) -> Value {
    estate.json(&["policy", "status"]).unwrap()["rollout"].take()
}

fn wait_for_stage(estate: &Estate, stage: &str) -> Value {
    let what = format!("the roll-out is {stage}");
    let found = estate.wait(&what, |estate| Some(rollout(estate)).filter(|rollout| rollout["stage"] == stage));
    found.unwrap_or_else(|error| panic!("{error}\n{:#}", rollout(estate)))
}

/// Whether the second agent was ever under this version.
fn second_had(estate: &Estate, version: u64) -> bool {
    fs::read_to_string(estate.root().join("second.log")).unwrap().contains(&format!("test version {version}"))
}

fn begin(estate: &Estate, signed: &Path, canary: &str, watch: &str) -> String {
    estate.picket(&["policy", "apply", &signed.display().to_string(), "--canary", canary, "--watch", watch]).unwrap()
}

#[test]
fn a_bundle_goes_to_its_canary_first_and_to_all_when_it_does_well_or_a_person_says_so() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-rollout-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    let first = only_host(&estate);
    let third = marked::sign(&estate, &marker, 3).unwrap();
    let nobody = ["policy", "apply", &third.display().to_string(), "--canary", "nobody-here"];
    let refused = estate.picket(&nobody).unwrap_err().to_string();
    assert!(refused.contains("no enrolled host is called \"nobody-here\""), "{refused}");

    let said = begin(&estate, &third, "10%", "1h");
    assert!(said.contains("test version 3 goes to 1 of 1 hosts first"), "{said}");
    wait_for(&estate, &first, 3);
    // A host that joins meanwhile gets what all others have.
    let _second = Second::start(&estate);
    let second = other_host(&estate, &first);
    wait_for(&estate, &second, 2);
    let next = estate.picket(&["policy", "apply", "watch"]).unwrap_err().to_string();
    assert!(next.contains("test version 3 is being rolled out") && next.contains("policy promote"), "{next}");

    // It goes on where it was when the coordinator comes back, and so do both hosts.
    estate.kill_coordinator();
    estate.start_coordinator().unwrap();
    let back = |estate: &Estate| hosts(estate).iter().all(|host| host["connected"] == true).then_some(());
    estate.wait("both hosts are back", back).unwrap();
    let going = rollout(&estate);
    assert_eq!((&going["stage"], &going["canaries"][0]["host"]), (&json!("watching"), &json!(first)), "{going:#}");
    assert!(going["canaries"][0]["taken"].is_u64(), "{going:#}");
    let status = estate.picket(&["status"]).unwrap();
    assert!(status.contains("roll-out     test version 3 is watched, ends in"), "{status}");
    assert_eq!((holds(&estate, &first), holds(&estate, &second)), (Some(3), Some(2)));

    estate.picket(&["policy", "promote", "--note", "seen enough"]).unwrap();
    wait_for(&estate, &second, 3);
    let ended = rollout(&estate);
    assert_eq!((&ended["stage"], &ended["why"]), (&json!("promoted"), &json!("seen enough")), "{ended:#}");

    let fourth = marked::sign(&estate, &marker, 4).unwrap();
    begin(&estate, &fourth, &first, "20s");
    let passed = wait_for_stage(&estate, "promoted");
    assert_eq!((&passed["version"], &passed["ended_by"]), (&json!(4), &json!("health gate")), "{passed:#}");
    wait_for(&estate, &second, 4);

    let fifth = marked::sign(&estate, &marker, 5).unwrap();
    begin(&estate, &fifth, &first, "1h");
    wait_for(&estate, &first, 5);
    let unasked = estate.picket(&["policy", "abort"]).unwrap_err().to_string();
    assert!(unasked.contains("--yes"), "{unasked}");
    estate.picket(&["policy", "abort", "--yes", "--note", "not today"]).unwrap();
    wait_for(&estate, &first, 6);
    wait_for(&estate, &second, 6);
    assert!(!second_had(&estate, 5) && second_had(&estate, 6));
    with_the_key_elsewhere(&estate, &marker, &first);
    wait_for(&estate, &second, 8);
    let log = estate.picket(&["audit", "list", "--limit", "1000"]).unwrap();
    for words in ["roll-out begun", "roll-out promoted", "roll-out returned", "seen enough", "not today"] {
        assert!(log.contains(words), "{words}\n{log}");
    }
}

/// The coordinator's machine has no key: what canaries come back to is signed where it is, and handed over.
fn with_the_key_elsewhere(estate: &Estate, marker: &str, first: &str) {
    let text = |path: &Path| path.display().to_string();
    let (now, key) = (estate.root().join("now.bundle"), estate.root().join("policy.key"));
    let seventh = marked::sign(estate, marker, 7).unwrap();
    fs::rename(estate.root().join("coordinator/policy.key"), &key).unwrap();
    let apply = |more: &[&str]| {
        let seventh = text(&seventh);
        estate.picket(&[&["policy", "apply", &seventh, "--canary", first, "--watch", "1h"], more].concat())
    };
    let unsigned = apply(&[]).unwrap_err().to_string();
    assert!(unsigned.contains("--return-bundle"), "{unsigned}");

    fs::write(&now, estate.picket(&["policy", "show", "--signed"]).unwrap()).unwrap();
    let again = |version: &str, more: &[&str]| {
        let out = text(&estate.root().join(format!("back-{version}{}", more.concat())));
        let sign =
            ["policy", "sign", "--again", &text(&now), "--key", &text(&key), "--version", version, "--out", &out];
        estate.picket(&[&sign, more].concat()).unwrap();
        out
    };
    let other = text(&estate.root().join("other.bundle"));
    let sign = ["policy", "sign", "--shipped", "watch", "--key", &text(&key), "--version", "9", "--out", &other];
    estate.picket(&[&sign, &["--unproved"][..]].concat()).unwrap();
    for (back, why) in [
        (again("7", &[]), "has version 7, and hosts that have version 7 take none below 8"),
        (again("9", &["--lease", "1h"]), "the lease of the bundle to come back to is another one"),
        (other, "is not what is in force, version 6"),
    ] {
        let refused = apply(&["--return-bundle", &back]).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let forged = keys::generate([7; 32]);
    let bundle = verify(
        &fs::read(&now).unwrap(),
        &[keys::private_from_pem(&fs::read_to_string(&key).unwrap()).unwrap().verifying_key()],
    );
    let untrusted = estate.root().join("untrusted.bundle");
    fs::write(&untrusted, signed_anew(&bundle.unwrap().bundle, 8, &forged).to_string()).unwrap();
    let refused = apply(&["--return-bundle", &text(&untrusted)]).unwrap_err().to_string();
    assert!(refused.contains("does not count") && refused.contains("not trusted"), "{refused}");
    assert_eq!(holds(estate, first), Some(6), "nothing was rolled out");

    let said = apply(&["--return-bundle", &again("8", &[])]).unwrap();
    assert!(said.contains("or the canaries get back what is in force now, as version 8"), "{said}");
    wait_for(estate, first, 7);
    estate.picket(&["policy", "abort", "--yes"]).unwrap();
    wait_for(estate, first, 8);
    fs::rename(&key, estate.root().join("coordinator/policy.key")).unwrap();
}

/// A rule that every process meets, beside the marked ones.
fn noisy(estate: &Estate, marker: &str, version: u64) -> PathBuf {
    let folder = estate.root().join("noisy");
    fs::create_dir_all(&folder).unwrap();
    let rule = "title: Everything\nname: everything\nid: 5a0f1d2e-5d1b-4f43-9d0c-7f9b6a1c2e77\nstatus: test\n\
                level: low\nlogsource: {product: linux, category: process_creation}\n\
                detection: {selection: {Image|contains: '/'}, condition: selection}\n\
                tags: [attack.execution, attack.t1059.004]\npicket: {family: process}\n";
    fs::write(folder.join("everything.yml"), rule).unwrap();
    marked::sign_more(estate, marker, version, &["--rules", &folder.display().to_string()]).unwrap()
}

/// The same content under another version.
fn signed_anew(bundle: &Bundle, version: u64, key: &SigningKey) -> Value {
    let bundle = Bundle { version: BundleVersion(version), ..bundle.clone() };
    serde_json::from_slice(&bundle.sign(key)).unwrap()
}

#[test]
fn a_bundle_that_does_badly_on_its_canary_comes_back_by_itself_and_reaches_no_other_host() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-rollout-bad-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    let first = only_host(&estate);
    let _second = Second::start(&estate);
    let second = other_host(&estate, &first);
    wait_for(&estate, &second, 2);

    begin(&estate, &noisy(&estate, &marker, 3), &first, "1h");
    let returned = estate.wait("its alerts bring it back", |estate| {
        for _ in 0..10 {
            Command::new("/bin/true").status().unwrap();
        }
        Some(rollout(estate)).filter(|rollout| rollout["stage"] == "returned")
    });
    let returned = returned.unwrap_or_else(|error| panic!("{error}\n{:#}", rollout(&estate)));
    let why = returned["why"].as_str().unwrap();
    assert!(why.contains(" alerts in ") && returned["ended_by"] == "health gate", "{returned:#}");
    wait_for(&estate, &first, 4);
    wait_for(&estate, &second, 4);
    assert!(Victim::start(&marker).unwrap().is_killed(), "what was in force before is whole\n{}", estate.logs());
    assert!(!second_had(&estate, 3), "it reached another host");
    let status = estate.picket(&["status"]).unwrap();
    assert!(status.contains("test version 3 RETURNED") && status.contains("by health gate"), "{status}");
    let log = estate.picket(&["audit", "list", "--limit", "1000"]).unwrap();
    assert!(log.contains("roll-out returned") && log.contains("at most 20 are borne"), "{log}");

    // What a host alone finds out, past the checks of `picket`: these YARA rules do not compile.
    let pem = fs::read_to_string(estate.root().join("coordinator/policy.key")).unwrap();
    let key = keys::private_from_pem(&pem).unwrap();
    let before = fs::read(estate.root().join("bundle-2/signed")).unwrap();
    let bundle = verify(&before, &[key.verifying_key()]).unwrap().bundle;
    let yara = vec![RuleText { file: "bad.yar".into(), text: "rule bad { condition: nothing_known }".into() }];
    let bad = Bundle { yara, ..bundle.clone() };
    let request = json!({
        "canary": first, "watch_ms": 3_600_000,
        "candidate": signed_anew(&bad, 5, &key), "back": signed_anew(&bundle, 6, &key),
    });
    estate.post_json("/v1/policy/rollout", &request).unwrap();
    let refused = estate.wait("its refusal brings it back", |estate| {
        Some(rollout(estate)).filter(|rollout| rollout["version"] == 5 && rollout["stage"] == "returned")
    });
    let refused = refused.unwrap_or_else(|error| panic!("{error}\n{:#}", rollout(&estate)));
    assert!(refused["why"].as_str().unwrap().contains("refused it"), "{refused:#}");
    let log = estate.json(&["audit", "list", "--limit", "1000"]).unwrap();
    let line = log.as_array().unwrap().iter().find(|line| line["what"] == "bundle refused");
    assert_eq!(line.map(|line| &line["subject"]), Some(&json!("5")), "it names what was refused: {log:#}");
    wait_for(&estate, &first, 6);
    wait_for(&estate, &second, 6);
    assert!(!second_had(&estate, 5));

    // With which the agent ends twice.
    let seventh = marked::sign(&estate, &marker, 7).unwrap();
    begin(&estate, &seventh, &first, "1h");
    wait_for(&estate, &first, 7);
    for _ in 0..2 {
        estate.kill_agent();
        estate.start_agent().unwrap();
    }
    let crashed = wait_for_stage(&estate, "returned");
    // The agent's own refusal and the coordinator's count say the same; either may be first.
    let why = crashed["why"].as_str().unwrap();
    assert!(why.contains("ended") && why.contains("2 times"), "{crashed:#}");
    wait_for(&estate, &first, 8);
    assert!(!second_had(&estate, 7));
    // What its canary did is still told after a restart.
    estate.kill_coordinator();
    estate.start_coordinator().unwrap();
    let ended = |rollout: &Value| rollout["canaries"][0]["ended"].as_u64().filter(|ended| *ended > 0);
    assert!(ended(&crashed).is_some() && ended(&rollout(&estate)) == ended(&crashed), "{crashed:#}");
}
