//! Owns: indicators in lists too long for a bundle: signed by digest, fetched by the host, in force with it, kept there;
//! and that a host judges events while a bundle is compiled.
//! Never: an indicator that anything but the test's own file could meet.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use picket_tests::estate::Estate;
use picket_tests::is_root;
use serde_json::Value;

pub fn sha256sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

pub fn wait_for_version(estate: &Estate, version: u64) {
    estate
        .wait(&format!("bundle {version} is in force on the host"), |estate| {
            let hosts = estate.json(&["hosts"]).ok()?;
            hosts.as_array()?.iter().any(|host| host["status"]["bundle"] == version).then_some(())
        })
        .unwrap();
}

pub fn detections(estate: &Estate) -> Vec<Value> {
    estate
        .json(&["detections", "--limit", "10000"])
        .ok()
        .and_then(|found| found.as_array().cloned())
        .unwrap_or_default()
}

/// What the agent said of itself in these words, once it has come.
fn said(estate: &Estate, what: &str, detail: &str) -> Value {
    let spoken = |one: &Value| {
        let activity = &one["activity"];
        activity["what"] == what && activity["detail"].as_str().is_some_and(|text| text.contains(detail))
    };
    estate
        .wait(&format!("the agent says `{what}: … {detail} …`"), |estate| {
            let events = estate.json(&["events", "--class", "agent", "--limit", "10000"]).ok()?;
            events.as_array()?.iter().rfind(|one| spoken(one)).cloned()
        })
        .unwrap()
}

#[test]
fn a_list_is_fetched_before_its_bundle_counts_and_is_kept() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    wait_for_version(&estate, 1);
    let listed = estate.root().join("listed");
    fs::write(&listed, format!("a file of test {}", std::process::id())).unwrap();
    // More than a bundle itself can hold.
    let mut lines = format!("# made by a test\n{}\n", sha256sum(&listed));
    for number in 0..70_000u64 {
        writeln!(lines, "{:016x}{}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15), "5a".repeat(24)).unwrap();
    }
    let file = estate.root().join("hashes.txt");
    fs::write(&file, lines).unwrap();
    let named = format!("sha256={}", file.display());
    estate.picket(&["policy", "apply", "watch", "--indicators", &named]).unwrap();
    wait_for_version(&estate, 2);
    said(&estate, "bundle waits", "version 2 is in force once 1 lists of indicators");

    let copy = |name: &str| {
        let to = estate.root().join(name);
        assert!(Command::new("cp").arg(&listed).arg(&to).status().unwrap().success());
        to.display().to_string()
    };
    let met = |estate: &Estate, path: &str| {
        let file = |one: &Value| one["event"]["activity"]["fingerprint"]["file"]["path"] == path;
        detections(estate).into_iter().find(|one| one["rule"] == "indicator.sha256_written" && file(one))
    };
    let first = copy("first");
    estate.wait("the listed file is told", |estate| met(estate, &first)).unwrap();

    // Alone, from its own disk.
    estate.stop_agent();
    estate.kill_coordinator();
    let status = estate.root().join("agent/status.json");
    // What is said there from now on is of the next life.
    fs::remove_file(&status).unwrap();
    estate.start_agent_alone().unwrap();
    let second = estate.root().join("second").display().to_string();
    estate
        .wait("the agent watches again", |_| {
            let status: Value = serde_json::from_str(&fs::read_to_string(&status).ok()?).ok()?;
            (status["bundle"] == 2 && status["events_seen"].as_u64()? > 0).then_some(())
        })
        .unwrap();
    assert!(Command::new("cp").arg(&listed).arg(&second).status().unwrap().success());
    estate.start_coordinator().unwrap();
    estate.wait("it is told once the coordinator is back", |estate| met(estate, &second)).unwrap();
}

#[test]
fn a_bundle_whose_lists_are_nowhere_is_not_taken() {
    if !is_root() {
        return println!("skipped: the coordinator's folder is root's");
    }
    let estate = Estate::start().unwrap();
    let file = estate.root().join("domains.txt");
    fs::write(&file, "evil.example\n").unwrap();
    let (out, key) = (estate.root().join("ours.bundle"), estate.root().join("coordinator/policy.key"));
    let text = |path: &Path| path.display().to_string();
    let named = format!("domains={}", text(&file));
    let arguments = ["policy", "sign", "--shipped", "watch", "--version", "7", "--indicators", &named];
    estate.picket(&[&arguments[..], &["--key", &text(&key), "--out", &text(&out)]].concat()).unwrap();
    let lists = estate.root().join("ours.bundle.lists");
    let aside = estate.root().join("aside");
    fs::rename(&lists, &aside).unwrap();
    let refused = estate.picket(&["policy", "apply", &text(&out)]).unwrap_err().to_string();
    assert!(refused.contains("1 of its lists of indicators"), "{refused}");
    fs::rename(&aside, &lists).unwrap();
    estate.picket(&["policy", "apply", &text(&out)]).unwrap();
    assert_eq!(estate.json(&["policy", "show"]).unwrap()["version"], 7);
    // Its entries are nowhere but in the list, and what they are met by is a rule all the same.
    let rules = estate.json(&["rules", "list"]).unwrap();
    let of_lists = rules.as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str());
    assert_eq!(of_lists.filter(|id| id.starts_with("indicator.")).collect::<Vec<_>>(), ["indicator.domain"]);
}

/// Writes an entry into a crontab's folder of the test's own, over and over, as processes of their own, until it is dropped:
/// the shipped rules tell of each.
struct Busy(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Busy {
    fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, script) = (Arc::clone(&stop), format!("echo '0 0 31 2 * root /bin/true' > {}/x", folder.display()));
        let work = move || {
            while !ended.load(Ordering::SeqCst) {
                assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
            }
        };
        Self(stop, Some(std::thread::spawn(work)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

#[test]
fn events_are_judged_while_a_bundle_is_compiled() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    wait_for_version(&estate, 1);
    // So many expressions take a second or more to compile.
    let folder = estate.root().join("rules");
    fs::create_dir(&folder).unwrap();
    for number in 0..1500u64 {
        let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let rule = format!(
            "title: Rule {number}\nname: rule_{number}\nid: 5a0f1d2e-5d1b-4f43-9d0c-7f9b{number:08x}\nstatus: test\nlevel: low\n\
             logsource: {{product: linux, category: process_creation}}\n\
             detection: {{selection: {{'CommandLine|re': 'w{word:x}[a-f]{{1,80}}(x|y|z){{2,60}}end'}}, condition: selection}}\n\
             tags: [attack.execution, attack.t1059.004]\n"
        );
        fs::write(folder.join(format!("{number}.yml")), rule).unwrap();
    }
    let busy = Busy::start(&estate.root().join("etc/cron.d"));
    estate.picket(&["policy", "apply", "watch", "--rules", &folder.display().to_string()]).unwrap();
    let accepted = said(&estate, "bundle accepted", "version 2");
    drop(busy);
    let offered = said(&estate, "bundle offered", "");
    let time = |event: &Value| event["time"].as_u64().unwrap();
    let (from, until) = (time(&offered), time(&accepted));
    let judged = estate.wait("an event was judged between the offer and its end", |estate| {
        let within = |one: &Value| one["time"].as_u64().is_some_and(|time| (from..until).contains(&time));
        detections(estate).into_iter().find(within)
    });
    println!("in {} ms {}", (until - from) / 1_000_000, judged.unwrap()["rule"]);
}
