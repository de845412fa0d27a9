//! Owns: talking to the kernel's audit: its state, taking it while nobody holds it, and giving it back as it was.
//! Never: fighting for it. Who holds it keeps it, and who asks for it gets it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::rules::{self, Rule};
use crate::sys::netlink::{MESSAGE_DONE, MESSAGE_ERROR, Netlink, sole_message};
use crate::sys::ring::Bytes;

const GET: u16 = 1000;
const SET: u16 = 1001;
const ADD_RULE: u16 = 1011;
const DEL_RULE: u16 = 1012;
const LIST_RULES: u16 = 1013;
/// `AUDIT_STATUS_*`: which fields of a request count.
const ENABLED: u32 = 0x01;
const FAILURE: u32 = 0x02;
const PID: u32 = 0x04;
const RATE_LIMIT: u32 = 0x08;
const BACKLOG_LIMIT: u32 = 0x10;
const BACKLOG_WAIT: u32 = 0x20;
/// `AUDIT_FAIL_PRINTK`: the kernel says that it lost something, and goes on.
const FAIL_PRINTK: u32 = 1;
/// About 2 MB of the kernel's while we are behind: a second of a busy build. The default, 64, lasts milliseconds.
const BACKLOG: u32 = 8192;
/// The kernel's own limits, where what they were before is no longer known: 64 records, and a minute in its ticks.
const DEFAULT_BACKLOG: u32 = 64;
const DEFAULT_WAIT: u32 = 15_000;
/// Nothing on the host may ever wait for us: what does not fit is lost, and counted.
const NO_WAIT: u32 = 0;
/// One record is cut by the kernel at 8970 bytes.
pub const DATAGRAM_BYTES: usize = 16 * 1024;
/// Records that wait in our socket; beyond it they wait in the kernel's backlog.
pub const SOCKET_BYTES: usize = 4 << 20;
/// A list of some hundred rules of a kilobyte each waits in the socket whole.
const LIST_BYTES: usize = 1 << 20;
/// The kernel answers at once or, outside of the first pid namespace, never.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where the audit daemon is installed: even when it does not run, it is the one that is meant to.
const DAEMONS: [&str; 4] = ["/usr/sbin/auditd", "/sbin/auditd", "/usr/bin/auditd", "/usr/local/sbin/auditd"];

/// `struct audit_status`, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    pub enabled: u32,
    pub failure: u32,
    /// Who holds it; 0 nobody.
    pub pid: u32,
    pub rate_limit: u32,
    pub backlog_limit: u32,
    pub lost: u32,
    pub backlog_wait: u32,
}

impl Status {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut bytes = Bytes::new(body);
        let mut word = || bytes.u32();
        let [_, enabled, failure, pid, rate_limit, backlog_limit, lost, _, _] =
            [word()?, word()?, word()?, word()?, word()?, word()?, word()?, word()?, word()?];
        Some(Self { enabled, failure, pid, rate_limit, backlog_limit, lost, backlog_wait: word().unwrap_or_default() })
    }
}

/// A socket for questions; records never come to it.
pub struct Control(Netlink);

impl Control {
    /// # Errors
    /// Where the kernel has no audit.
    pub fn open() -> io::Result<Self> {
        Netlink::audit(0, LIST_BYTES).map(Self)
    }

    /// # Errors
    /// Without `CAP_AUDIT_CONTROL`, or outside of the first pid namespace.
    pub fn status(&self) -> io::Result<Status> {
        let mut status = None;
        self.0.ask(GET)?;
        answers(&self.0, |kind, body| {
            if kind == GET {
                status = Status::parse(body);
            }
            status.is_some()
        })?;
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel's audit status is too short"))
    }

    fn set(&self, mask: u32, status: &Status) -> io::Result<()> {
        set(&self.0, mask, status)
    }

    fn add(&self, rule: &Rule) -> io::Result<()> {
        self.0.order(ADD_RULE, &rule.bytes())?;
        answers(&self.0, |_, _| false)
    }

    /// The rules in force, as the kernel tells them.
    fn rules(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        self.0.ask(LIST_RULES)?;
        answers(&self.0, |kind, body| {
            if kind == LIST_RULES {
                found.push(body.to_vec());
            }
            kind == MESSAGE_DONE
        })?;
        Ok(found)
    }

    /// Takes out the rules with our key. Where there were any, says whether they had found audit switched off.
    fn clear(&self) -> io::Result<Option<bool>> {
        let mut was_off = None;
        for rule in self.rules()? {
            if let Some(off) = rules::ours(&rule) {
                was_off = Some(off || was_off == Some(true));
                self.0.order(DEL_RULE, &rule)?;
                answers(&self.0, |_, _| false)?;
            }
        }
        Ok(was_off)
    }
}

fn set(socket: &Netlink, mask: u32, status: &Status) -> io::Result<()> {
    let words = [
        mask,
        status.enabled,
        status.failure,
        status.pid,
        status.rate_limit,
        status.backlog_limit,
        0,
        0,
        0,
        status.backlog_wait,
    ];
    socket.order(SET, &words.map(u32::to_ne_bytes).concat())?;
    answers(socket, |_, _| false)
}

/// Hears messages until `enough` says so or the kernel acknowledges.
fn answers(socket: &Netlink, mut enough: impl FnMut(u16, &[u8]) -> bool) -> io::Result<()> {
    let mut buffer = [0; DATAGRAM_BYTES];
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let Some((kind, body)) = sole_message(socket.receive(&mut buffer)?) else { continue };
        if kind == MESSAGE_ERROR {
            let errno = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
            return if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno.saturating_neg())) };
        }
        if enough(kind, body) {
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel's audit does not answer"))
}

/// Audit in our hands. Dropped, it is as it was before.
pub struct Held {
    pub records: Netlink,
    control: Control,
    before: Status,
    /// Rules that the kernel refused, and why.
    pub refused: Vec<String>,
    /// A rule of somebody else's keeps system calls from being looked at.
    pub silenced: bool,
}

impl Held {
    /// Takes audit where nobody has it. `wanted` are the rules to set, for the given state of audit before.
    ///
    /// # Errors
    /// Where somebody has it, or the kernel does not give it.
    pub fn take(wanted: impl FnOnce(bool) -> Vec<Rule>) -> io::Result<Self> {
        if let Some(daemon) = DAEMONS.into_iter().find(|daemon| Path::new(daemon).exists()) {
            return Err(io::Error::other(format!("it is left to {daemon}, which is installed")));
        }
        let control = Control::open()?;
        let mut before = control.status()?;
        // Of a daemon that has died, the kernel learns as we ask for its place.
        if before.pid != 0 && Path::new(&format!("/proc/{}", before.pid)).exists() {
            return Err(io::Error::other(format!("pid {} holds it", before.pid)));
        }
        // A run that was killed could not give it back.
        if let Some(was_off) = control.clear()? {
            if was_off {
                before.enabled = 0;
            }
            (before.backlog_limit, before.backlog_wait) = (DEFAULT_BACKLOG, DEFAULT_WAIT);
        }
        let silenced = control.rules()?.iter().any(|rule| rules::silences(rule));
        let records = Netlink::audit(0, SOCKET_BYTES)?;
        set(&records, PID, &Status { pid: std::process::id(), ..before })?;
        let mut held = Self { records, control, before, refused: Vec::new(), silenced };
        let ours = Status {
            failure: FAIL_PRINTK,
            rate_limit: 0,
            backlog_limit: BACKLOG,
            backlog_wait: NO_WAIT,
            enabled: 1,
            ..before
        };
        // Rules first: there is no moment in which every system call is looked at for nothing.
        let was_off = before.enabled == 0;
        for rule in if silenced { rules::none(was_off) } else { wanted(was_off) } {
            if let Err(error) = held.control.add(&rule) {
                held.refused.extend(rule.names.iter().map(|name| format!("{name}: {error}")));
            }
        }
        held.control.set(FAILURE | RATE_LIMIT | BACKLOG_LIMIT | BACKLOG_WAIT, &ours).or_else(locked(before))?;
        held.control.set(ENABLED, &ours).or_else(locked(before))?;
        Ok(held)
    }

    /// # Errors
    /// As [`Control::status`].
    pub fn status(&self) -> io::Result<Status> {
        self.control.status()
    }
}

/// Audit may be locked until the next boot: then it is enabled, and its limits are its administrator's.
fn locked(before: Status) -> impl FnOnce(io::Error) -> io::Result<()> {
    move |error| if before.enabled == 2 { Ok(()) } else { Err(error) }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Each step whatever became of the one before; who took it from us has set what it wants.
        if self.control.status().is_ok_and(|status| status.pid == std::process::id()) {
            let limits = FAILURE | RATE_LIMIT | BACKLOG_LIMIT | BACKLOG_WAIT;
            let _ = self.control.set(ENABLED, &self.before);
            let _ = self.control.set(limits, &self.before);
        }
        if let Ok(control) = Control::open() {
            let _ = control.clear();
        }
        let _ = set(&self.records, PID, &Status { pid: 0, ..self.before });
    }
}
