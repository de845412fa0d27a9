//! Owns: the messages that PAM and the programs that let people in send through audit, to sign-ins: one for each.
//! Never: deciding whether a sign-in is bad.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

use picket_model::AuthActivity;
use picket_model::raw::{RawActor, RawKind, RawRecord};

use super::record::{Fields, Stamp};

/// `AUDIT_USER_AUTH`, `AUDIT_USER_ACCT`, `AUDIT_USER_START`, `AUDIT_USER_END`, `AUDIT_USER_LOGIN`, `AUDIT_USER_LOGOUT`.
const USER_AUTH: u16 = 1100;
const USER_ACCT: u16 = 1101;
const USER_START: u16 = 1105;
const USER_END: u16 = 1106;
const USER_LOGIN: u16 = 1112;
const USER_LOGOUT: u16 = 1113;
/// A name as long as the kernel and sshd bear it.
const USER_BYTES_MAX: usize = 400;
/// Processes whose sign-in PAM has told: the program's own message about it comes within the second.
const TOLD_MAX: usize = 256;
/// What opens sessions without anybody signing in: the service manager, for each user.
const NOT_PEOPLE: [&str; 3] = ["systemd", "systemd-executor", "(sd-pam)"];
/// What programs write for a name that the host does not know.
const UNKNOWN: [&str; 4] = ["?", "(unknown)", "(unknown user)", "(invalid user)"];

/// Whether `user` stands for a name that the host does not know.
pub fn unknown(user: &str) -> bool {
    user.is_empty() || UNKNOWN.contains(&user)
}

/// Reads messages in their order: PAM tells, and what the program adds about the same is not told again.
#[derive(Default)]
pub struct SignIns {
    /// Who told what by PAM: the process, and whether it was let in.
    told: VecDeque<(u32, bool)>,
}

impl SignIns {
    pub fn hear(&mut self, kind: u16, stamp: Stamp, fields: Fields<'_>) -> Option<RawRecord> {
        let pid = fields.small("pid")?;
        let said = fields.message();
        let success = match said.get("res")? {
            b"success" | b"1" | b"yes" => true,
            b"failed" | b"0" | b"no" => false,
            _ => return None,
        };
        let service = service(&said.text("exe")?)?;
        let op = said.text("op").unwrap_or_default();
        let activity = self.activity(kind, &op, &service, success, pid)?;
        let user = said.text("acct").or_else(|| said.text("id")).unwrap_or_default();
        let kind = RawKind::Authentication { activity, user: cut(user), service, source: source(said), success };
        Some(RawRecord { time: stamp.time, actor: Some(RawActor { pid, start_ticks: None }), kind })
    }

    fn activity(&mut self, kind: u16, op: &str, service: &str, success: bool, pid: u32) -> Option<AuthActivity> {
        let pam = op.starts_with("PAM:");
        match (kind, success) {
            // A key or a ticket that is refused is no business of PAM's; a password is, and sshd repeats it.
            (USER_AUTH, false) if pam || !matches!(op, "password" | "keyboard-interactive" | "login") => {}
            (USER_ACCT, false) => {}
            (USER_START, true) if pam => {}
            (USER_END, true) if pam => return Some(AuthActivity::Logoff),
            (USER_LOGOUT, true) => return (!self.was_told(pid, true)).then_some(AuthActivity::Logoff),
            // sshd also says so of the question which methods there are, which every client asks first.
            (USER_LOGIN, _) if service != "sshd" && !self.was_told(pid, success) => {}
            _ => return None,
        }
        self.told.push_back((pid, success));
        if self.told.len() > TOLD_MAX {
            self.told.pop_front();
        }
        Some(AuthActivity::Logon)
    }

    fn was_told(&self, pid: u32, success: bool) -> bool {
        self.told.contains(&(pid, success))
    }
}

/// The program's base name; since 9.8 each session of sshd's is a program of its own.
fn service(exe: &str) -> Option<String> {
    let name = exe.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    if name.is_empty() || NOT_PEOPLE.contains(&name) {
        return None;
    }
    Some(if name.starts_with("sshd-") { "sshd".to_owned() } else { name.to_owned() })
}

/// Where from; a program that knows only a name gives none.
fn source(said: Fields<'_>) -> Option<IpAddr> {
    ["addr", "hostname"].into_iter().find_map(|name| {
        let text = said.text(name)?;
        let text = text.split_once('%').map_or(text.as_str(), |(address, _)| address);
        text.parse().ok().map(|address: IpAddr| address.to_canonical())
    })
}

fn cut(mut user: String) -> String {
    if user.len() > USER_BYTES_MAX {
        let end = (0..=USER_BYTES_MAX).rev().find(|end| user.is_char_boundary(*end)).unwrap_or(0);
        user.truncate(end);
    }
    user
}
