//! Owns: doing, once a second, what the probes watch for, and telling of those that did not run.
//! Never: repairing; it tells. A probe for which the agent has no cheap act of its own is not looked after.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use picket_model::NetActivity;
use picket_model::raw::{RawKind, RawRecord};

use super::health::{array, sum};
use crate::sensor::feed::speak;
use crate::sensor::own::QUIET;

/// A probe that was taken out is told within two seconds; the acts take some 200 microseconds.
const ACT_EVERY: Duration = Duration::from_secs(1);
/// The acts of other threads (a thread's exit) are traced a moment later.
const JUDGE_AFTER: Duration = Duration::from_millis(200);
/// The canary's own listeners whose records may still be in the ring.
const PORTS_MAX: usize = 128;

/// `enum run` of `bpf/record.h`, by the act that makes it rise.
mod run {
    pub const THREAD: [u32; 2] = [1, 2];
    pub const LISTEN: [u32; 1] = [3];
    pub const OPEN_AND_CLOSE: [u32; 4] = [4, 5, 6, 7];
    pub const NAMES: [u32; 3] = [8, 9, 10];
    pub const CHANGES: [u32; 3] = [11, 12, 13];
}

/// Memory that only root can make names in.
const IN_MEMORY: &str = "/run";

pub struct Canary {
    runs: PerCpuArray<MapData, u64>,
    probes: Vec<Probe>,
    ports: VecDeque<u16>,
    acted: Option<Instant>,
    due: Instant,
    /// The thread that was made to end: while the kernel lists it, its end has not been traced yet.
    ending: PathBuf,
    /// Why the probes of names and changes cannot be judged; empty while they can be.
    unjudged: String,
}

struct Probe {
    run: u32,
    target: String,
    before: u64,
    /// The last act was one that makes this probe run.
    expected: bool,
    quiet: bool,
}

impl Canary {
    pub fn open(ebpf: &mut Ebpf, probes: Vec<(u32, String)>) -> Result<Self, String> {
        let probe = |(run, target)| Probe { run, target, before: 0, expected: false, quiet: false };
        Ok(Self {
            runs: array(ebpf, "RUNS")?,
            probes: probes.into_iter().map(probe).collect(),
            ports: VecDeque::new(),
            acted: None,
            due: Instant::now(),
            ending: PathBuf::new(),
            unjudged: String::new(),
        })
    }

    /// Acts and judges when it is time to, and never waits. Says each change once.
    pub fn look(&mut self) -> Vec<RawRecord> {
        let now = Instant::now();
        match self.acted {
            Some(acted) if now >= acted + JUDGE_AFTER => {
                self.acted = None;
                self.judge()
            }
            None if now >= self.due => {
                self.due = now + ACT_EVERY;
                let before = self.unjudged.is_empty();
                self.act();
                self.acted = Some(now);
                if before == self.unjudged.is_empty() { Vec::new() } else { vec![self.unjudged_now()] }
            }
            _ => Vec::new(),
        }
    }

    pub fn is_own(&self, record: &RawRecord) -> bool {
        match (&record.kind, &record.actor) {
            (RawKind::Network { activity: NetActivity::Listen, local_port, .. }, Some(actor)) => {
                actor.pid == std::process::id() && self.ports.contains(local_port)
            }
            _ => false,
        }
    }

    fn act(&mut self) {
        for probe in &mut self.probes {
            probe.before = sum(&self.runs, probe.run);
        }
        let mut ran = Vec::new();
        let thread = std::thread::Builder::new().spawn(nix::unistd::gettid);
        if let Ok(Ok(thread)) = thread.map(std::thread::JoinHandle::join) {
            ran.extend(run::THREAD);
            self.ending = PathBuf::from(format!("/proc/self/task/{thread}"));
        }
        if let Ok(address) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()) {
            self.ports.push_back(address.port());
            while self.ports.len() > PORTS_MAX {
                self.ports.pop_front();
            }
            ran.extend(run::LISTEN);
        }
        if File::options().read(true).open("/proc/self/stat").is_ok() {
            ran.extend(run::OPEN_AND_CLOSE);
        }
        match change() {
            Ok(()) => {
                self.unjudged.clear();
                ran.extend(run::NAMES);
                ran.extend(run::CHANGES);
            }
            Err(error) => self.unjudged = error.to_string(),
        }
        for probe in &mut self.probes {
            probe.expected = ran.contains(&probe.run);
        }
    }

    /// Where the agent may not write there, nobody would notice that these probes have gone quiet. Why is told once, in
    /// the notice: its words would excuse what is not lost.
    pub fn blind_spot(&self) -> Option<String> {
        (!self.unjudged.is_empty()).then(|| {
            format!(
                "Whether the hooks of renames, deletions and changes still run cannot be judged: {IN_MEMORY} is shut."
            )
        })
    }

    fn unjudged_now(&self) -> RawRecord {
        let what = if self.unjudged.is_empty() { "hooks judged again" } else { "hooks not judged" };
        let detail = match self.blind_spot() {
            Some(spot) => format!("{spot} {}", self.unjudged),
            None => format!("{IN_MEMORY} can be written"),
        };
        speak(RawKind::Notice { what: what.into(), detail })
    }

    fn judge(&mut self) -> Vec<RawRecord> {
        let mut records = Vec::new();
        // Whoever joins a thread hears of it before its end is traced; on a starved host a second may lie between.
        let ending = self.ending.exists();
        let due = |probe: &&mut Probe| probe.expected && !(ending && run::THREAD.contains(&probe.run));
        for probe in self.probes.iter_mut().filter(due) {
            let quiet = sum(&self.runs, probe.run) <= probe.before;
            if quiet != std::mem::replace(&mut probe.quiet, quiet) {
                let what = if quiet { QUIET } else { "hook back" };
                records.push(speak(RawKind::Notice { what: what.into(), detail: probe.target.clone() }));
            }
        }
        records
    }
}

/// A file in memory is made, named anew, linked, changed and deleted: nothing reaches a disk.
fn change() -> io::Result<()> {
    // A directory of root's own: nobody else can lay a link where the agent is about to write.
    let folder = PathBuf::from(format!("{IN_MEMORY}/.picket-{}", std::process::id()));
    let made = fs::DirBuilder::new().mode(0o700).create(&folder).and_then(|()| act_in(&folder));
    let removed = fs::remove_dir_all(&folder);
    made.and(removed)
}

fn act_in(folder: &Path) -> io::Result<()> {
    let (made, moved) = (folder.join("made"), folder.join("moved"));
    let file = File::options().write(true).create_new(true).open(&made)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.set_modified(SystemTime::now())?;
    nix::unistd::truncate(&made, 0)?;
    fs::hard_link(&made, folder.join("linked"))?;
    fs::rename(&made, &moved)
}
