//! Owns: an enrolled agent whose coordinator is stopped, started and ended around a piece of work, and that work.
//! Never: anything of the machine's own Picket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use picket_model::{Activity, HostStatus, Record};
use picket_tests::estate::Estate;
use picket_tests::eventually;

use crate::numbers::{cpu_ns, pid_of};

/// A machine that others use never rests: after this long the measurement begins all the same.
const SETTLE: Duration = Duration::from_secs(8);
/// The agent writes its status every five seconds.
const STATUS: Duration = Duration::from_secs(30);

pub struct Host {
    estate: Estate,
    folder: tempfile::TempDir,
    agent: u32,
}

impl Host {
    pub fn new() -> Self {
        let mut estate = Estate::start().unwrap();
        estate.enrol().unwrap();
        estate.kill_coordinator();
        // Programs that run from a place for temporary files would be a detection each.
        let folder = tempfile::Builder::new().prefix("picket-bench-").tempdir_in("/var/lib").unwrap();
        let compile = |text: &str, name: &str| {
            let source = folder.path().join(format!("{name}.c"));
            std::fs::write(&source, text).unwrap();
            let made =
                Command::new("cc").args(["-O2", "-static", "-o"]).arg(folder.path().join(name)).arg(&source).status();
            assert!(made.is_ok_and(|status| status.success()), "cc compiles {name}.c");
        };
        compile(include_str!("work.c"), "work");
        compile("int main(void) { return 0; }\n", "nothing");
        Self { estate, folder, agent: 0 }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The smallest program: execution itself is measured.
    pub fn nothing(&self) -> PathBuf {
        self.folder.path().join("nothing")
    }

    pub fn work(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("work"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// `work` with a path as its last argument.
    pub fn work_on(&self, arguments: &[&str], path: &Path) -> Command {
        let mut command = self.work(arguments);
        command.arg(path);
        command
    }

    /// Starts the agent with an empty spool and waits until it has told what runs already; gives its pid.
    pub fn watch(&mut self) -> u32 {
        let state = self.estate.root().join("agent");
        let _ = std::fs::remove_dir_all(state.join("spool"));
        let _ = std::fs::remove_file(state.join("status.json"));
        self.estate.start_agent_alone().unwrap();
        let exe = self.estate.root().join("bin/picket-agent");
        let spooling = eventually(STATUS, || state.join("status.json").exists().then_some(()));
        assert!(spooling.is_some(), "the agent does not start\n{}", self.estate.logs());
        self.agent = pid_of(&exe);
        // Programs that run already are read and hashed once.
        let _ = eventually(SETTLE, || {
            let before = cpu_ns(self.agent);
            std::thread::sleep(Duration::from_secs(1));
            (cpu_ns(self.agent) - before < 20_000_000).then_some(())
        });
        self.agent
    }

    pub fn unwatch(&mut self) {
        self.estate.stop_agent();
    }

    /// The agent's status once it speaks of everything until now.
    pub fn status(&self) -> HostStatus {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
        let path = self.estate.root().join("agent/status.json");
        let read = || -> Option<HostStatus> {
            let status: HostStatus = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            // Losses are counted once a second.
            (status.time.0 > now + 2_000_000_000).then_some(status)
        };
        eventually(STATUS, read).unwrap_or_else(|| panic!("the agent says nothing\n{}", self.estate.logs()))
    }

    /// Launches of `program` that stand in the spool, which nobody empties.
    pub fn launches(&self, program: &Path) -> u64 {
        let program = program.to_str().expect("a path of ours");
        self.spooled(|record| match record {
            Record::Event { event } => {
                matches!(event.activity, Activity::ProcessLaunch)
                    && event.process.as_ref().is_some_and(|process| process.exe == program)
            }
            _ => false,
        })
    }

    fn spooled(&self, wanted: impl Fn(&Record) -> bool) -> u64 {
        let mut count = 0;
        for entry in std::fs::read_dir(self.estate.root().join("agent/spool")).unwrap().flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with("lifecycle-") {
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            let mut rest = bytes.as_slice();
            // Length and checksum before each record.
            while let Some((head, behind)) = rest.split_first_chunk::<8>() {
                let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
                let Some((record, behind)) = behind.split_at_checked(length) else { break };
                count += u64::from(picket_wire::decode_record(record).is_ok_and(|record| wanted(&record)));
                rest = behind;
            }
        }
        count
    }
}

/// What was lost between two looks, by place; empty where nothing was.
pub fn lost(before: &HostStatus, after: &HostStatus) -> String {
    let earlier = |place: &str| before.losses.iter().find(|loss| loss.place == place).map_or(0, |loss| loss.count);
    let counts = after.losses.iter().map(|loss| (&loss.place, loss.count - earlier(&loss.place)));
    let counts: Vec<String> =
        counts.filter(|(_, count)| *count > 0).map(|(place, count)| format!("{place} {count}")).collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

/// The sum of one figure over all types of records, between two looks.
pub fn accounted(before: &HostStatus, after: &HostStatus, figure: fn(&picket_model::TypeCount) -> u64) -> u64 {
    let sum = |status: &HostStatus| status.accounts.iter().map(figure).sum::<u64>();
    sum(after).saturating_sub(sum(before))
}
