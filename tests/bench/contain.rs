//! Owns: how soon an act holds: a kill on a busy machine, an isolation by order, a refused execution and what asking costs.
//! Never: anything that the benchmark did not make: marked processes, a network namespace, programs of its own.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_tests::estate::Estate;
use picket_tests::{eventually, marked};

use crate::numbers::percentile;
use crate::spread;

pub const PARTS: [(&str, fn()); 4] =
    [("contain-kill", kill), ("contain-isolate", isolate), ("contain-exec", execute), ("contain-spread", spread::run)];

const KILLS: usize = 300;
const ISOLATIONS: usize = 100;
/// Programs of each side, each a file of its own that nobody has read before.
const PROGRAMS: usize = 300;
const WAIT: Duration = Duration::from_secs(20);

/// What keeps every core busy with short processes until it is dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let one = || Command::new("/bin/sh").args(["-c", "while :; do /bin/true; done"]).stdin(Stdio::null()).spawn();
        Self((0..cores).map(|_| one().unwrap()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap()
}

fn millis(samples: &mut [u64], percent: usize) -> f64 {
    percentile(samples, percent) as f64 / 1000.0
}

fn kill() {
    let marker = format!("picket-bench-{}", std::process::id());
    let estate = marked::estate(&marker).unwrap();
    for (words, load) in [("idle", None), ("every core busy with short processes", Some(Load::start()))] {
        let mut took = Vec::new();
        for _ in 0..KILLS {
            let begun = Instant::now();
            let mut child = Command::new("/bin/sleep").arg0(&marker).arg("60").stdin(Stdio::null()).spawn().unwrap();
            // It would end by itself after a minute.
            let ended = child.wait().unwrap();
            took.push(micros(begun));
            assert_eq!(ended.signal(), Some(9), "a marked process was not killed\n{}", estate.logs());
        }
        drop(load);
        println!(
            "spawned to dead, machine {words}, {KILLS} kills: median {:.1} ms, 99th percentile {:.1} ms",
            millis(&mut took, 50),
            millis(&mut took, 99)
        );
    }
    let applied = |estate: &Estate| {
        let actions = estate.json(&["actions", "--limit", "10000"]).ok()?;
        let own: Vec<u64> = actions
            .as_array()?
            .iter()
            .filter(|action| action["state"] == "applied")
            .filter_map(|action| action["latency_us"].as_u64())
            .collect();
        (own.len() >= 2 * KILLS).then_some(own)
    };
    let mut own = estate.wait("every kill is reported", applied).unwrap();
    println!(
        "the agent's own word of all of them (event to tree killed, seen gone and written down): median {:.1} ms, 99th percentile {:.1} ms",
        millis(&mut own, 50),
        millis(&mut own, 99)
    );
}

fn only_host(estate: &Estate) -> String {
    estate.json(&["hosts"]).unwrap()[0]["id"].as_str().unwrap().to_owned()
}

/// Orders it, and waits for its action to be applied.
fn ordered(estate: &Estate, order: &[&str]) -> String {
    let id = estate.json(&[order, &["--yes", "--note", "bench"]].concat()).unwrap()["id"].as_str().unwrap().to_owned();
    settled(estate, &id, "applied");
    id
}

fn settled(estate: &Estate, id: &str, state: &str) {
    let done = eventually(WAIT, || {
        let actions = estate.json(&["actions", "--limit", "1000"]).ok()?;
        let action = actions.as_array()?.iter().find(|action| action["id"] == id)?;
        (action["state"] == state).then_some(())
    });
    assert!(done.is_some(), "{id} is not {state}\n{}", estate.logs());
}

struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.0]).status();
    }
}

fn isolate() {
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let (host, name) = (only_host(&estate), format!("pkbench{}", std::process::id()));
    assert!(Command::new("/usr/sbin/ip").args(["netns", "add", &name]).status().unwrap().success());
    let namespace = Namespace(name);
    let mut took = Vec::new();
    for _ in 0..ISOLATIONS {
        let begun = Instant::now();
        let id = ordered(&estate, &["isolate", &host, "--namespace", &namespace.0]);
        took.push(micros(begun));
        estate.picket(&["undo", &id]).unwrap();
        settled(&estate, &id, "undone");
    }
    println!(
        "`picket isolate` to network namespace isolated, verified and reported back, both commands' own start included, {ISOLATIONS} times: median {:.0} ms, 99th percentile {:.0} ms",
        millis(&mut took, 50),
        millis(&mut took, 99)
    );
}

/// Programs that differ by their last bytes.
fn programs(folder: &Path, tag: &str) -> Vec<PathBuf> {
    let program = std::fs::read("/bin/true").unwrap();
    let one = |number: usize| {
        let path = folder.join(format!("{tag}-{number}"));
        std::fs::write(&path, [&program[..], format!("{tag}-{number}").as_bytes()].concat()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    (0..PROGRAMS).map(one).collect()
}

fn executed(program: &Path) -> u64 {
    let begun = Instant::now();
    assert!(Command::new(program).stdin(Stdio::null()).status().unwrap().success());
    micros(begun)
}

fn execute() {
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let host = only_host(&estate);
    let folder = estate.root().join("programs");
    std::fs::create_dir(&folder).unwrap();
    let (without, with, denied) = (programs(&folder, "a"), programs(&folder, "b"), folder.join("denied"));
    std::fs::write(&denied, [&std::fs::read("/bin/true").unwrap()[..], b"denied"].concat()).unwrap();
    std::fs::set_permissions(&denied, std::fs::Permissions::from_mode(0o755)).unwrap();
    let digest = Command::new("sha256sum").arg(&denied).output().unwrap();
    let digest = String::from_utf8_lossy(&digest.stdout).split(' ').next().unwrap().to_owned();

    let mut before: Vec<u64> = without.iter().map(|program| executed(program)).collect();
    ordered(&estate, &["contain", &host, "deny-execution", &digest, "--within", &folder.display().to_string()]);
    let mut during: Vec<u64> = with.iter().map(|program| executed(program)).collect();
    let mut again: Vec<u64> = with.iter().map(|program| executed(program)).collect();

    let mut refused = 0;
    for number in 0..PROGRAMS {
        let name = folder.join(format!("other-name-{number}"));
        std::fs::copy(&denied, &name).unwrap();
        let error = Command::new(&name).stdin(Stdio::null()).status();
        refused += usize::from(error.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied));
    }
    println!(
        "a denied content under {PROGRAMS} new names: {refused} executions refused before their first instruction"
    );
    println!("programs nobody ran before, start to end, {PROGRAMS} each:");
    for (words, samples) in
        [("without a denial", &mut before), ("with one in force", &mut during), ("the same again", &mut again)]
    {
        println!("  {words}: median {} us, 99th percentile {} us", percentile(samples, 50), percentile(samples, 99));
    }
}
