//! Owns: that of an act and its undoing nothing is left, at whichever call to the kernel the agent is killed.
//! Never: a crash that only pretends: the kernel kills the agent as it enters the call.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use picket_agent::contain::{ContainOptions, Containment};
use picket_agent::pins;
use picket_model::Timestamp;
use picket_model::action::{ActionKind, ActionState, IsolationScope};

use crate::fixture::{BOOT, MINUTE_MS, Mounted, Place, action, analyst, apply, key, now, program, quarantine};
use crate::suspend::Group;

/// What the child is to do and where, as JSON.
const ROLE: &str = "PICKET_TEST_RESIDUE";
/// Without these nothing is durable, moved, or done to another process or network.
const STEPS: [&str; 5] = ["fsync", "fdatasync", "renameat2", "pidfd_send_signal", "execve"];
/// Whatever else may change something.
const OTHERS: [&str; 21] = [
    "bpf",
    "write",
    "pwrite64",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "mkdir",
    "ftruncate",
    "fchmod",
    "fchown",
    "utimensat",
    "fsetxattr",
    "fremovexattr",
    "ioctl",
    "sendto",
    "copy_file_range",
    "kill",
    "clone3",
];
/// Threads and disks make each round another one.
const ROUNDS: usize = 3;
/// No act makes one call so often.
const CALLS_MAX: usize = 400;

#[derive(serde::Serialize, serde::Deserialize)]
struct Cycle {
    state: PathBuf,
    host: Option<PathBuf>,
    network: Option<String>,
    askers: PathBuf,
    kind: ActionKind,
}

impl Cycle {
    fn open(&self) -> Containment {
        let mut options = ContainOptions::new(self.state.clone(), vec!["10.99.0.2:8844".parse().unwrap()], BOOT);
        options.exec_filesystems = Some(Vec::new());
        options.network = match &self.network {
            Some(name) => IsolationScope::Namespace { name: name.clone() },
            None => IsolationScope::Host,
        };
        options.control_group = Some(self.askers.clone());
        if let Some(host) = &self.host {
            options.root.clone_from(host);
        }
        Containment::open(options, None).unwrap().0
    }

    /// Whether both were done.
    fn there_and_back(&self) -> Result<(), String> {
        let mut containment = self.open();
        let report = apply(&mut containment, action(self.kind.clone(), MINUTE_MS));
        if report.state != ActionState::Applied {
            return Err(report.detail);
        }
        containment.undo(report.action.id, &analyst(), "").map(drop).map_err(|error| error.to_string())
    }
}

/// The child: a whole agent's containment, once there and back.
#[test]
fn there_and_back() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // A program that the agent runs, such as nft, may be the one that is killed: then the agent lives on and says so.
    let _ = serde_json::from_str::<Cycle>(&role).unwrap().there_and_back();
}

/// All that an act may touch, as it is now.
#[derive(Debug, PartialEq, Eq)]
struct World {
    files: String,
    attributes: String,
    firewall: String,
    mounts: Vec<String>,
    processes: BTreeMap<u32, bool>,
    group: Option<String>,
    pins: Vec<String>,
}

/// What the acts are tried on; all of it the test's own.
struct Field {
    place: Place,
    mounted: Mounted,
    group: Group,
    /// The test itself is in it, for it asks for names, and where it was before.
    askers: (Group, String),
    network: String,
    victims: Vec<Child>,
    /// Before anybody changed the host's settings.
    came: Timestamp,
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = fs::write(self.group.path.join("cgroup.freeze"), "0");
        self.askers.0.leave(&self.askers.1);
        for victim in &mut self.victims {
            let _ = victim.kill();
            let _ = victim.wait();
        }
        let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.network]).status();
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

fn restored(path: &str, before: Timestamp) -> ActionKind {
    ActionKind::RestoreFile { path: path.to_owned(), before, last: None }
}

/// Of two files copies were taken before one was changed and the other deleted; gives a time in between.
fn changed_settings(place: &Place) -> Timestamp {
    let paths = ["changed", "deleted"].map(|name| place.path(&format!("host/etc/{name}")));
    paths.iter().for_each(|path| fs::write(path, "as it was").unwrap());
    let (containment, _) = place.open();
    let _ = containment.look(&["/etc/changed", "/etc/deleted"].map(|path| restored(path, now())));
    let came = now();
    fs::write(&paths[0], "as an intruder wants it").unwrap();
    fs::remove_file(&paths[1]).unwrap();
    came
}

impl Field {
    fn new(tag: &str) -> Self {
        let (mut place, mounted, group) = (Place::new(), Mounted::new(), Group::new(tag));
        let etc = place.path("host/etc");
        fs::create_dir_all(&etc).unwrap();
        fs::create_dir_all(place.path("files")).unwrap();
        let uid = 1_800_000_000 + std::process::id();
        let passwd = format!("root:x:0:0::/root:/bin/sh\nann:x:{uid}:{uid}::/home/ann:/bin/sh\n");
        fs::write(etc.join("passwd"), passwd).unwrap();
        for path in ["host/home/ann/.ssh/authorized_keys", &format!("host/tmp/krb5cc_{uid}")] {
            let path = place.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "a key").unwrap();
            std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        }
        fs::write(etc.join("group"), "sudo:x:27:root\n").unwrap();
        fs::write(etc.join("shadow"), "root:$y$r:19000:0:99999:7:::\nann:$y$a:19000:0:99999:7:::\n").unwrap();
        place.host = Some(place.path("host"));
        crate::module::lists(&place.path("host"));
        // A host has it from its start on; what was denied in it goes.
        fs::create_dir_all(place.path("host/run/modprobe.d")).unwrap();
        for path in [place.path("files/implant"), place.path("files/crontab"), mounted.path("implant")] {
            fs::write(&path, "* * * * * root /tmp/x\nkeep\n").unwrap();
            said("setfattr", &["-n", "user.note", "-v", "kept", path.to_str().unwrap()]);
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        }
        program(&mounted.path("tool"));
        place.options();
        let came = changed_settings(&place);
        let network = format!("pkres{tag}{}", std::process::id());
        said("/usr/sbin/ip", &["netns", "add", &network]);
        said("/usr/sbin/ip", &["-n", &network, "link", "set", "lo", "up"]);
        let askers = Group::new(&format!("{tag}-askers"));
        let before = askers.enter();
        let victims: Vec<Child> =
            (0..2).map(|_| Command::new("/bin/sleep").arg("600").stdin(Stdio::null()).spawn().unwrap()).collect();
        group.take(victims[1].id());
        Self { place, mounted, group, askers: (askers, before), network, victims, came }
    }

    fn kinds(&self) -> Vec<ActionKind> {
        let module = crate::module::is_there().then(|| ActionKind::DisableModule { module: "evil".to_owned() });
        let line = |path: PathBuf| ActionKind::RemoveLine {
            path: path.to_str().unwrap().to_owned(),
            line: "* * * * * root /tmp/x".to_owned(),
            sha256: None,
        };
        let mut kinds = vec![
            quarantine(&self.place.path("files/implant"), None),
            quarantine(&self.mounted.path("implant"), None),
            line(self.place.path("files/crontab")),
            ActionKind::LockAccount { user: "ann".to_owned() },
            ActionKind::ExpireCredentials { user: "ann".to_owned() },
            ActionKind::SuspendProcess { target: key(self.victims[0].id()) },
            self.group.freeze(),
            ActionKind::BlockAddress { network: Some("203.0.113.0/24".parse().unwrap()), port: None },
            ActionKind::IsolateHost { scope: IsolationScope::Namespace { name: self.network.clone() } },
            ActionKind::DenyExecution {
                sha256: crate::fixture::sha256(&fs::read(self.mounted.path("tool")).unwrap()),
                within: Some(self.mounted.path("").to_str().unwrap().trim_end_matches('/').to_owned()),
            },
            ActionKind::DenyPath { path: self.mounted.path("tool").to_str().unwrap().to_owned() },
            ActionKind::BlockDomain { domain: "evil.example".parse().unwrap() },
            restored("/etc/changed", self.came),
            restored("/etc/deleted", self.came),
        ];
        kinds.extend(module);
        kinds
    }

    fn cycle(&self, kind: &ActionKind) -> Cycle {
        Cycle {
            state: self.place.path("state"),
            host: self.place.host.clone(),
            network: Some(self.network.clone()),
            askers: self.askers.0.path.clone(),
            kind: kind.clone(),
        }
    }

    fn world(&self) -> World {
        let roots = [self.place.root.path(), &self.mounted.path("")].map(|path| path.to_str().unwrap().to_owned());
        let own = ["containment.journal", "evidence", "copies", ".pwd.lock"];
        let mut arguments: Vec<&str> = roots.iter().map(String::as_str).collect();
        arguments.push("(");
        for (at, name) in own.iter().enumerate() {
            arguments.extend(if at == 0 { vec!["-name", name] } else { vec!["-o", "-name", name] });
        }
        arguments.extend([")", "-prune", "-o", "-type", "f", "-printf", "%p %m %U:%G %T@ %s\n", "-exec", "md5sum"]);
        arguments.extend(["{}", ";", "-o", "-printf", "%p %y %m %U:%G\n"]);
        // Other tests mount what they need.
        let is_own = |line: &&str| {
            let near = roots.iter().map(|root| root.trim_end_matches('/')).chain([self.network.as_str()]);
            near.into_iter().any(|name| line.contains(name))
        };
        let stopped = |child: &Child| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            (child.id(), stat.contains(") T ") || stat.contains(") t "))
        };
        World {
            files: said("find", &arguments),
            attributes: said("getfattr", &["-R", "-d", "-m", "-", "--absolute-names", &roots[0], &roots[1]]),
            firewall: said("/usr/sbin/ip", &["netns", "exec", &self.network, "/usr/sbin/nft", "list", "ruleset"]),
            mounts: said("findmnt", &["-rn", "-o", "TARGET,FSTYPE"])
                .lines()
                .filter(is_own)
                .map(str::to_owned)
                .collect(),
            processes: self.victims.iter().map(stopped).collect(),
            group: fs::read_to_string(self.group.path.join("cgroup.freeze")).ok(),
            pins: self.pins(),
        }
    }

    /// Other agents of this machine have theirs beside it.
    fn pins(&self) -> Vec<String> {
        let own = pins::of(&self.place.path("state"), "");
        let own = own.file_name().unwrap().to_str().unwrap();
        let all = fs::read_dir(pins::DIRECTORY).into_iter().flatten().flatten();
        all.filter_map(|pin| pin.file_name().into_string().ok()).filter(|name| name.starts_with(own)).collect()
    }

    /// Kills the child as it enters the `nth` call of that name; whether it came so far.
    fn crashes(&self, cycle: &Cycle, call: &str, nth: usize) -> bool {
        let own = std::env::current_exe().unwrap();
        let status = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:signal=SIGKILL:when={nth}")])
            .arg(own)
            .args(["--exact", "residue::there_and_back", "--nocapture"])
            .env(ROLE, serde_json::to_string(cycle).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success() || status.signal() == Some(9), "{:?} {call} {nth}: {status}", cycle.kind);
        !status.success()
    }

    /// What an administrator would do after the crash: start the agent, and take back what is in force.
    fn put_right(cycle: &Cycle) {
        let mut containment = cycle.open();
        for report in containment.in_force() {
            containment.undo(report.action.id, &analyst(), "after a crash").unwrap();
        }
    }
}

/// Every act there and back, killed at each of these calls in turn; how many cycles that were.
fn killed_at_each(tag: &str, calls: &[&str]) -> Option<usize> {
    if Command::new("strace").arg("--version").output().is_err() {
        println!("skipped: strace is not installed");
        return None;
    }
    let field = Field::new(tag);
    // The vault and the like are there once an agent was.
    Field::put_right(&field.cycle(&field.kinds()[0]));
    let before = field.world();
    let mut cycles = 0;
    for kind in field.kinds() {
        let cycle = field.cycle(&kind);
        cycle.there_and_back().unwrap();
        for call in calls {
            for nth in 1..=CALLS_MAX {
                let crashed = field.crashes(&cycle, call, nth);
                Field::put_right(&cycle);
                let left = difference(&before, &field.world());
                assert!(left.is_empty(), "{kind:?}, killed at {call} {nth}: {left:#?}");
                assert!(runs(&field.mounted.path("tool")), "{kind:?}, killed at {call} {nth}");
                if !crashed {
                    break;
                }
                cycles += 1;
            }
        }
    }
    Some(cycles)
}

/// What stands in one of them only.
fn difference(before: &World, after: &World) -> Vec<String> {
    let lines =
        |world: &World| format!("{world:#?}").replace("\\n", "\n").lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

fn runs(path: &Path) -> bool {
    Command::new(path).status().is_ok_and(|status| status.success())
}

#[test]
fn a_crash_at_any_step_leaves_nothing_behind() {
    let Some(cycles) = killed_at_each("s", &STEPS) else { return };
    assert!(cycles > 40, "{cycles}");
}

/// `packaging/bench.sh contain` runs it.
#[test]
#[ignore = "a thousand crashes take minutes"]
fn a_crash_at_any_call_leaves_nothing_behind() {
    let calls = [&STEPS[..], &OTHERS[..]].concat();
    let Some(cycles) = (0..ROUNDS).map(|_| killed_at_each("a", &calls)).sum::<Option<usize>>() else { return };
    println!("residue: {cycles} crashes in acts and undoings, at every one of {} calls; nothing left", calls.len());
}
