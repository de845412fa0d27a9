//! Owns: sign-ins of which audit and sshd's log tell, made one; and what the two cover together.
//! Never: losing one of two sign-ins that only look alike: each of audit's answers for one of the log's.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use picket_model::raw::{RawKind, RawRecord};
use picket_model::{AuthActivity, Coverage};

use super::Log;
use crate::sensor::audit::unknown_user;

/// A line of the log waits so long for audit's word on the same: sshd sends both at once, and a sign-in is told within a second.
const PATIENCE: Duration = Duration::from_millis(600);
/// One's word answers for the other's that comes so much later: a log that a busy syslog writes, or a slow host, which
/// takes seconds from accepting a password to opening the session.
const MEMORY: Duration = Duration::from_secs(30);
/// As many sign-ins as sshd can refuse in that time on a large host.
const KEPT_MAX: usize = 4096;

/// Who signed in from where, whether it worked, and which process let them in.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sign {
    user: String,
    source: Option<IpAddr>,
    success: bool,
    pid: Option<u32>,
}

impl Sign {
    /// What one of them does not know is no difference.
    fn same(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        // Of a failure it may be another process of sshd's that writes the line.
        let process = !self.success || agree(self.pid, other.pid);
        self.user == other.user && self.success == other.success && agree(self.source, other.source) && process
    }
}

pub struct Merge {
    /// sshd's log is followed: of a name that the host does not know it says what was typed, and audit does not.
    log: bool,
    /// What audit told, and the log has not yet.
    told: VecDeque<(Instant, Sign)>,
    /// What the log told, and audit has not yet.
    logged: VecDeque<(Instant, Sign)>,
    waiting: VecDeque<(Instant, RawRecord)>,
}

impl Merge {
    pub const fn new(log: bool) -> Self {
        Self { log, told: VecDeque::new(), logged: VecDeque::new(), waiting: VecDeque::new() }
    }

    /// The tier's records, audit's among them, and those of the log that nobody else tells.
    pub fn join(
        &mut self,
        mut batch: Vec<RawRecord>,
        signed: Vec<RawRecord>,
        live: bool,
        now: Instant,
    ) -> Vec<RawRecord> {
        batch.retain(|record| self.keep(record, now));
        for kept in [&mut self.told, &mut self.logged] {
            while kept.len() > KEPT_MAX || kept.front().is_some_and(|(at, _)| *at + MEMORY < now) {
                kept.pop_front();
            }
        }
        self.waiting.extend(signed.into_iter().map(|record| (now, record)));
        let mut still = VecDeque::new();
        for (came, record) in std::mem::take(&mut self.waiting) {
            let Some((_, sign)) = logon(&record) else {
                batch.push(record);
                continue;
            };
            if answered(&mut self.told, &sign) {
                continue;
            }
            if live && now < came + PATIENCE && still.len() < KEPT_MAX {
                still.push_back((came, record));
            } else {
                self.logged.push_back((now, sign));
                batch.push(record);
            }
        }
        self.waiting = still;
        batch
    }

    /// Remembers a sign-in of sshd's that audit tells; `false` for one that the log tells better.
    fn keep(&mut self, record: &RawRecord, now: Instant) -> bool {
        let Some((service, sign)) = logon(record) else { return true };
        if service != "sshd" {
            return true;
        }
        if self.log && !sign.success && unknown_user(&sign.user) || answered(&mut self.logged, &sign) {
            return false;
        }
        self.told.push_back((now, sign));
        true
    }
}

fn logon(record: &RawRecord) -> Option<(&str, Sign)> {
    match &record.kind {
        RawKind::Authentication { activity: AuthActivity::Logon, user, service, source, success } => {
            let pid = record.actor.as_ref().map(|actor| actor.pid);
            Some((service, Sign { user: user.clone(), source: *source, success: *success, pid }))
        }
        _ => None,
    }
}

/// Takes out the first word about the same, if there is one.
fn answered(words: &mut VecDeque<(Instant, Sign)>, sign: &Sign) -> bool {
    let at = words.iter().position(|(_, word)| word.same(sign));
    at.is_some_and(|at| words.remove(at).is_some())
}

/// The rows of sign-ins.
pub(super) fn coverage(live: bool, log: Log) -> Vec<Coverage> {
    let row = |row: &str, hook: &str, limit: &str| Coverage { row: row.into(), hook: hook.into(), limit: limit.into() };
    if live {
        let own = "Programs that let people in without PAM, sshd apart, are seen where they speak to audit themselves.";
        return vec![
            row("user.logon", "audit/USER_START", own),
            row("user.logoff", "audit/USER_END", own),
            row("user.logon_failed", "audit/USER_AUTH", own),
        ];
    }
    let (hook, limit) = match log {
        Log::None => ("", "There is neither audit nor a journal nor a log to read."),
        Log::Journal => ("journal/sshd", "sshd's alone are seen."),
        Log::Text => ("log/sshd", "sshd's alone are seen, and any local user can feign some through syslog."),
    };
    vec![
        row("user.logon", hook, limit),
        row("user.logoff", "", "The kernel's audit is not heard here."),
        row("user.logon_failed", hook, limit),
    ]
}
