//! Owns: the host's own accounts as its files have them, and which of them nobody may lock.
//! Never: NSS. Accounts of a directory service are not the host's to lock.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Of each file: some 50,000 accounts, read only when one is to be locked.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Groups whose members administer hosts as distributions set them up.
const ADMINISTER: [&str; 3] = ["sudo", "wheel", "admin"];
/// Shells of accounts that nobody logs in to.
const NO_LOGIN: [&str; 3] = ["nologin", "false", "sync"];
const DAY_S: u64 = 24 * 3600;

pub struct Accounts {
    passwd: Vec<Account>,
    /// Name, number and members.
    groups: Vec<(String, u32, Vec<String>)>,
    /// Accounts that have an end, in days since 1970.
    ends: Vec<(String, u64)>,
}

struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

impl Accounts {
    /// Those of the host whose file system begins at `root`.
    ///
    /// # Errors
    /// Where its list of accounts cannot be read. Without groups nobody administers but root.
    pub fn read(root: &Path) -> io::Result<Self> {
        let passwd = text(&root.join("etc/passwd"))?;
        let group = text(&root.join("etc/group")).unwrap_or_default();
        let shadow = text(&root.join("etc/shadow")).unwrap_or_default();
        Ok(Self::parse(&passwd, &group, &shadow))
    }

    fn parse(passwd: &str, group: &str, shadow: &str) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let account = |line: &str| {
            let fields = fields(line);
            let number = |at: usize| fields.get(at)?.parse().ok();
            Some(Account {
                name: fields.first()?.clone(),
                uid: number(2)?,
                gid: number(3)?,
                home: fields.get(5).cloned().unwrap_or_default(),
                shell: fields.get(6).cloned().unwrap_or_default(),
            })
        };
        let group_of = |line: &str| {
            let fields = fields(line);
            let members = fields.get(3)?.split(',').map(str::to_owned).collect();
            Some((fields.first()?.clone(), fields.get(2)?.parse().ok()?, members))
        };
        let end = |line: &str| {
            let fields = fields(line);
            Some((fields.first()?.clone(), fields.get(7)?.parse().ok()?))
        };
        Self {
            passwd: passwd.lines().filter_map(account).collect(),
            groups: group.lines().filter_map(group_of).collect(),
            ends: shadow.lines().filter_map(end).collect(),
        }
    }

    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.account(name).map(|account| account.uid)
    }

    #[must_use]
    pub fn home(&self, name: &str) -> Option<&str> {
        self.account(name).map(|account| account.home.as_str())
    }

    /// Why nobody may lock it, take what lets it in or end its sessions, if so. `now_s`: seconds since 1970.
    #[must_use]
    pub fn guard(&self, name: &str, now_s: u64) -> Option<&'static str> {
        let Some(account) = self.account(name) else { return Some("the host has no such account of its own") };
        if account.uid == 0 {
            return Some("it is root's account");
        }
        let mut others = self.passwd.iter().filter(|other| other.name != name && other.uid != 0);
        let last = self.administers(account, now_s) && !others.any(|other| self.administers(other, now_s));
        last.then_some("it is the last account that may administer the host")
    }

    fn account(&self, name: &str) -> Option<&Account> {
        self.passwd.iter().find(|account| account.name == name)
    }

    /// A member of one of the groups, to whose account one can log in today.
    fn administers(&self, account: &Account, now_s: u64) -> bool {
        let shell = account.shell.rsplit('/').next().unwrap_or_default();
        let ended = self.ends.iter().any(|(name, end)| *name == account.name && *end <= now_s / DAY_S);
        let member = self.groups.iter().any(|(group, gid, members)| {
            ADMINISTER.contains(&group.as_str()) && (*gid == account.gid || members.contains(&account.name))
        });
        member && !ended && !NO_LOGIN.contains(&shell)
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
