//! Owns: one worker process as the agent sees it: started, asked, ended.
//! Never: waiting longer than it was told to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use picket_yara::Found;

use super::compile::YaraSet;
use super::limit::{Deadline, Limit};
use super::protocol::{Kind, Measured, REPLY_BYTES_MAX, Reply, Request};
use super::role::Role;
use crate::sys::passing;

/// A process starts and confines itself in a few milliseconds; a host that swaps needs longer.
const START_WITHIN: Duration = Duration::from_secs(10);
/// A killed process that is not gone by then hangs in the kernel, on a file system that does not answer.
const END_WITHIN: Duration = Duration::from_millis(500);

pub struct Worker {
    process: Child,
    /// Of its processor time.
    clock: Option<ClockId>,
    socket: OwnedFd,
    pub landlock: bool,
}

/// What a worker found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Measured(Measured),
    /// The rules that so many bytes met.
    Scanned {
        found: Vec<Found>,
        bytes: u64,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The worker had ended before it was asked.
    Gone,
    /// It took too long.
    Timeout,
    /// The worker ended, or spoke nonsense.
    Crash,
    /// The file cannot be read, or was longer than it seemed.
    Unreadable,
}

impl Worker {
    /// A new one, confined and ready.
    pub fn start(program: &Path, role: Role, background: bool) -> io::Result<Self> {
        let (socket, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let mut command = Command::new(program);
        command.args(["worker", "--agent", &std::process::id().to_string(), "--role", role.word()]);
        command.env_clear().envs(role.environment()).current_dir("/");
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        if background {
            command.arg("--background");
        }
        let process = command.spawn()?;
        // The command still holds the other end: with it open, a dead worker would look like a silent one.
        drop(command);
        let clock = i32::try_from(process.id()).ok().and_then(|pid| clock_getcpuclockid(Pid::from_raw(pid)).ok());
        let mut worker = Self { process, clock, socket, landlock: false };
        match worker.reply(&worker.begin(Limit::Elapsed(START_WITHIN))) {
            Ok(Reply::Ready { landlock }) => {
                worker.landlock = landlock;
                Ok(worker)
            }
            Ok(Reply::Refused(why)) => {
                let _ = worker.end();
                Err(io::Error::other(why))
            }
            other => {
                let _ = worker.end();
                Err(io::Error::other(format!("it did not say that it is ready ({:?})", other.err())))
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Gives it the rules that it is to scan with.
    pub fn load(&self, set: &YaraSet, limit: Limit) -> io::Result<()> {
        let request = Request { id: 0, kind: Kind::Rules, bytes_max: set.bytes, regions: Vec::new() };
        let deadline = self.begin(limit);
        let loaded = self.send(&request, &set.file).and_then(|()| self.reply(&deadline));
        match loaded {
            Ok(Reply::Loaded { rules }) if rules as usize == set.rules.len() => Ok(()),
            Ok(Reply::Refused(why)) => Err(io::Error::other(why)),
            other => Err(io::Error::other(format!("it did not load its rules ({other:?})"))),
        }
    }

    /// After any failure but [`Failure::Unreadable`] the worker is of no more use.
    pub fn ask(&self, request: &Request, file: &File, limit: Limit) -> Result<Answer, Failure> {
        let deadline = self.begin(limit);
        self.send(request, file)?;
        match self.reply(&deadline)? {
            Reply::Done { id, measured } if id == request.id => Ok(Answer::Measured(measured)),
            Reply::Scanned { id, bytes, found } if id == request.id => Ok(Answer::Scanned { found, bytes }),
            Reply::Failed { id } if id == request.id => Err(Failure::Unreadable),
            _ => Err(Failure::Crash),
        }
    }

    pub fn send(&self, request: &Request, file: &File) -> Result<(), Failure> {
        passing::send(self.socket.as_fd(), &request.encode(), Some(file.as_fd())).map_err(|_| Failure::Gone)
    }

    /// From now on.
    pub fn begin(&self, limit: Limit) -> Deadline {
        limit.begin(self.clock)
    }

    pub fn reply(&self, deadline: &Deadline) -> Result<Reply, Failure> {
        loop {
            let left = deadline.wait();
            // Rounded up, so that the last wait is not a busy one.
            let wait = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait) {
                Ok(0) if left.is_zero() => return Err(Failure::Timeout),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(_) => return Err(Failure::Crash),
            }
            let mut buffer = vec![0; REPLY_BYTES_MAX];
            let Ok((length, _)) = passing::receive(self.socket.as_fd(), &mut buffer) else {
                return Err(Failure::Crash);
            };
            return buffer.get(..length).and_then(|bytes| Reply::decode(bytes).ok()).ok_or(Failure::Crash);
        }
    }

    /// Ends it. What cannot be ended yet is given back.
    pub fn end(mut self) -> Result<(), Child> {
        match self.process.try_wait() {
            // SIGSYS: it tried what it must not, and somebody may hold it who should not.
            Ok(Some(status)) => tracing::warn!(%status, "the worker that reads files has ended"),
            _ => drop(self.process.kill()),
        }
        let until = Instant::now() + END_WITHIN;
        loop {
            match self.process.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => return Err(self.process),
                Ok(Some(_)) | Err(_) => return Ok(()),
            }
        }
    }
}
