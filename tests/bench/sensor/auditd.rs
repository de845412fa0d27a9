//! Owns: auditd beside Picket: unpacked from its package, never installed, with rules for the same things.
//! Never: an audit system that somebody else already uses, and no trace of it once it is over.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use picket_tests::eventually;

use crate::numbers::{cpu_ns, pid_named};

/// Executions, connections and changed files, as Picket tells them. Forks, exits and hashes Picket tells beside these;
/// auditd's usual rule sets do not, so it is spared them.
const RULES: [&[&str]; 3] = [
    &["-a", "always,exit", "-F", "arch=b64", "-S", "execve,execveat", "-k", "exec"],
    &["-a", "always,exit", "-F", "arch=b64", "-S", "connect,accept,accept4,listen", "-k", "network"],
    &["-a", "always,exit", "-F", "arch=b64", "-F", "dir=/", "-F", "perm=wa", "-k", "files"],
];
/// Once audit was on, every new task pays for it until the next boot, unless this rule spares it.
const SPARE: [&str; 2] = ["-a", "task,never"];
const BACKLOG: &str = "8192";

/// The unpacked package.
pub struct Peer {
    root: PathBuf,
}

impl Peer {
    /// `PICKET_AUDITD` names the unpacked package; `packaging/bench.sh` sees to it.
    pub fn found() -> Option<Self> {
        let named = std::env::var_os("PICKET_AUDITD").map(PathBuf::from);
        let Some(root) = named.filter(|root| root.join("sbin/auditctl").exists()) else {
            println!("auditd is left out: PICKET_AUDITD names no unpacked package");
            return None;
        };
        let peer = Self { root };
        let status = peer.said();
        if figure(&status, "pid") != 0 || figure(&status, "enabled") != 0 || peer.control(&["-l"]).contains("-a ") {
            println!("auditd is left out: somebody uses the kernel's audit system here");
            return None;
        }
        peer.control(&SPARE);
        peer.clear_on_panic();
        println!("auditd's rules: {}", RULES.iter().map(|rule| rule.join(" ")).collect::<Vec<_>>().join("; "));
        Some(peer)
    }

    /// `None` where somebody else took the audit system meanwhile.
    pub fn watch(&self) -> Option<Watching<'_>> {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::create_dir(folder.path().join("plugins.d")).unwrap();
        std::fs::write(folder.path().join("auditd.conf"), config(folder.path())).unwrap();
        let mut command = self.command("auditd");
        command.arg("-n").arg("-c").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut watching = Watching { peer: self, daemon: command.spawn().unwrap(), _folder: folder, lost: 0 };
        let pid = u64::from(watching.daemon.id());
        let ready = eventually(Duration::from_secs(10), || (figure(&self.said(), "pid") == pid).then_some(()));
        if ready.is_none() {
            println!("auditd is left out of a round: it did not get the kernel's audit system");
            return None;
        }
        self.control(&unmade(&SPARE));
        self.control(&["-b", BACKLOG]);
        for rule in RULES {
            self.control(rule);
        }
        self.control(&["-e", "1"]);
        watching.lost = figure(&self.said(), "lost");
        Some(watching)
    }

    /// Only what was made here: others may have rules of their own by now.
    fn clear(&self) {
        for rule in RULES.into_iter().chain([SPARE.as_slice()]) {
            self.control(&unmade(rule));
        }
    }

    /// A panic ends the shipped build at once; the rules must not outlive it.
    fn clear_on_panic(&self) {
        let (peer, before) = (ManuallyDrop::new(Self { root: self.root.clone() }), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| {
            peer.clear();
            before(info);
        }));
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.root.join("sbin").join(name));
        command.env("LD_LIBRARY_PATH", self.root.join("library")).stdin(Stdio::null());
        command
    }

    fn control(&self, arguments: &[&str]) -> String {
        let output = self.command("auditctl").args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn said(&self) -> String {
        self.control(&["-s"])
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The rule's removal.
fn unmade<'r>(rule: &[&'r str]) -> Vec<&'r str> {
    [&["-d"], rule.get(1..).unwrap_or_default()].concat()
}

/// auditd at work; dropped, it is ended and its rules are gone.
pub struct Watching<'p> {
    peer: &'p Peer,
    daemon: Child,
    _folder: tempfile::TempDir,
    lost: u64,
}

impl Watching<'_> {
    /// Processor time of the daemon and of the kernel's thread that feeds it.
    pub fn cpu_ns(&self) -> u64 {
        cpu_ns(self.daemon.id()) + pid_named("kauditd").map_or(0, cpu_ns)
    }

    pub fn lost(&self) -> u64 {
        figure(&self.peer.said(), "lost") - self.lost
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.peer.clear();
        // Asked to end, it tells the kernel that nobody listens any more.
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        if eventually(Duration::from_secs(10), || self.daemon.try_wait().ok().flatten()).is_none() {
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
        if figure(&self.peer.said(), "pid") == 0 {
            self.peer.control(&["-e", "0"]);
        }
        self.peer.control(&SPARE);
    }
}

fn figure(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// As Debian ships it, but for the places and for reactions to a full disk.
fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "local_events = yes\nwrite_logs = yes\nlog_file = {folder}/audit.log\nlog_group = root\nlog_format = ENRICHED\n\
         flush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 8\nnum_logs = 5\nmax_log_file_action = ROTATE\n\
         priority_boost = 4\nname_format = NONE\nspace_left = 75\nspace_left_action = IGNORE\nadmin_space_left = 50\n\
         admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\ndisk_error_action = IGNORE\n\
         plugin_dir = {folder}/plugins.d\n"
    )
}
