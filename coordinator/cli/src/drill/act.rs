//! Owns: a process that plays the intruder, and the proof that nothing of it is left.
//! Never: signalling a process that it did not start.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::failure::Failure;

/// One act: a child in a process group of its own. Its leader is not reaped before the drop, so that
/// the group's number cannot be somebody else's by then.
pub struct Act {
    child: Child,
    group: Pid,
    marker: String,
}

impl Act {
    /// Starts `program` as a real child of the drill, silent, with `marker` somewhere in `args`.
    pub fn start(program: &str, args: &[&str], marker: &str) -> Result<Self, Failure> {
        let child = Self::command(program, args).spawn().map_err(|cause| Failure::File {
            what: "run",
            path: program.to_owned(),
            cause,
        })?;
        Ok(Self::of(child, marker))
    }

    /// What [`Act::start`] would run, for steps that want the error itself.
    pub fn command(program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn of(child: Child, marker: &str) -> Self {
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        Self { child, group, marker: marker.to_owned() }
    }

    /// The leader ended, and by SIGKILL rather than by itself.
    pub fn was_killed(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        matches!(waitid(Id::Pid(self.group), flags), Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)))
    }

    /// Living processes of this act: of its group, or with its marker among their arguments.
    pub fn left(&self) -> Vec<i32> {
        let own = nix::unistd::getpid().as_raw();
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| *pid != own && self.belongs(*pid)).collect()
    }

    fn belongs(&self, pid: i32) -> bool {
        let Some((state, group)) = state_and_group(pid) else { return false };
        let marked = || {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).any(|argument| argument == self.marker.as_bytes())
        };
        state != 'Z' && (group == self.group.as_raw() || marked())
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        // Not yet reaped, so the number is still ours; an error means that all are gone already.
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// State and process group from `/proc/PID/stat`; the name before them may hold anything, so parse from its end.
fn state_and_group(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Act;
    use crate::drill::interrupt::poll;

    #[test]
    fn an_act_leaves_nothing_behind_when_dropped() {
        let marker = format!("picket-act-test-{}", std::process::id());
        let act = Act::start("/bin/sh", &["-c", "sleep 60 & sleep 60", &marker], &marker).unwrap();
        let both = poll(Duration::from_secs(10), || Ok((act.left().len() >= 3).then_some(()))).unwrap();
        assert!(both.is_some(), "the shell and its two children run: {:?}", act.left());
        assert!(!act.was_killed());
        let group = act.group;
        drop(act);
        let gone =
            poll(Duration::from_secs(10), || Ok(nix::sys::signal::killpg(group, None).is_err().then_some(()))).unwrap();
        assert!(gone.is_some());
    }

    #[test]
    fn a_kill_from_outside_is_told_from_an_ordinary_end() {
        let act = Act::start("/bin/sh", &["-c", "kill -9 $$", "m1"], "m1").unwrap();
        assert!(poll(Duration::from_secs(10), || Ok(act.was_killed().then_some(()))).unwrap().is_some());
        let act = Act::start("/bin/true", &[], "m2").unwrap();
        assert!(poll(Duration::from_secs(10), || Ok(act.left().is_empty().then_some(()))).unwrap().is_some());
        assert!(!act.was_killed());
    }
}
