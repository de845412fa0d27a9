//! Owns: /etc/passwd, /etc/shadow, /etc/group and /etc/gshadow to accounts and groups.
//! Never: keeping a password's hash: a keyed digest of it tells whether it changed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{AccountActivity, AccountChange, GroupChange};
use serde::{Deserialize, Serialize};

use super::files::digest;

/// Accounts or groups of one file; directories of people with more are not kept in files.
pub const ENTRIES_MAX: usize = 32_768;
/// Members of one group that are told apart.
const MEMBERS_MAX: usize = 16_384;
/// A field is cut here: `useradd` refuses far shorter ones.
const FIELD_CHARS_MAX: usize = 512;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub comment: String,
    pub home: String,
    pub shell: String,
    /// `None` where the shadow file has no line for it, or could not be read.
    pub secret: Option<Secret>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Secret {
    digest: u64,
    locked: bool,
    expires: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub gid: u32,
    pub members: BTreeSet<String>,
    pub secret: Option<u64>,
}

/// `shadow` is `None` where it cannot be read. The count is of entries beyond the limit.
pub fn accounts(passwd: &[u8], shadow: Option<&[u8]>, key: &[u8]) -> (BTreeMap<String, Account>, u64) {
    let secrets: BTreeMap<String, Secret> = lines(shadow.unwrap_or_default())
        .filter_map(|fields| {
            let word = fields.get(1)?;
            let bare = word.trim_start_matches(['!', '*']);
            let locked = bare.len() < word.len();
            let expires = field(&fields, 7);
            Some((field(&fields, 0), Secret { digest: digest(&[key, bare.as_bytes()]), locked, expires }))
        })
        .take(ENTRIES_MAX)
        .collect();
    gather(lines(passwd).map(|fields| {
        let name = field(&fields, 0);
        let account = Account {
            uid: number(&fields, 2),
            gid: number(&fields, 3),
            comment: field(&fields, 4),
            home: field(&fields, 5),
            shell: field(&fields, 6),
            secret: secrets.get(&name).cloned(),
            name: name.clone(),
        };
        (name, account)
    }))
}

/// As [`accounts`]. Who is a member by `gshadow` alone is one too: `newgrp` believes it.
pub fn groups(group: &[u8], gshadow: Option<&[u8]>, key: &[u8]) -> (BTreeMap<String, Group>, u64) {
    let mut shadows: BTreeMap<String, (u64, BTreeSet<String>)> = lines(gshadow.unwrap_or_default())
        .filter_map(|fields| {
            let secret = digest(&[key, fields.get(1)?.as_bytes(), field(&fields, 2).as_bytes()]);
            Some((field(&fields, 0), (secret, members(&fields))))
        })
        .take(ENTRIES_MAX)
        .collect();
    gather(lines(group).map(|fields| {
        let name = field(&fields, 0);
        let gid = number(&fields, 2);
        let mut group = Group { name: name.clone(), gid, members: members(&fields), secret: None };
        if let Some((secret, more)) = shadows.remove(&name) {
            group.secret = Some(secret);
            group.members.extend(more);
        }
        (name, group)
    }))
}

/// As the C library reads an id: blanks and a sign before it count for nothing. What is no number at all is unknown, and
/// the entry is told all the same.
fn number(fields: &[String], index: usize) -> u32 {
    let text = fields.get(index).map_or("", |text| text.trim_start());
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
    digits.parse().unwrap_or(u32::MAX)
}

/// The first entry of a name counts, as it does for the C library.
fn gather<T>(entries: impl Iterator<Item = (String, T)>) -> (BTreeMap<String, T>, u64) {
    let (mut kept, mut beyond) = (BTreeMap::new(), 0);
    for (name, entry) in entries {
        if kept.len() >= ENTRIES_MAX {
            beyond += 1;
        } else {
            kept.entry(name).or_insert(entry);
        }
    }
    (kept, beyond)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Vec<String>> + '_ {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b":"))
        .map(|line| String::from_utf8_lossy(line).splitn(10, ':').map(str::to_owned).collect())
}

fn field(fields: &[String], index: usize) -> String {
    fields.get(index).map(|field| field.chars().take(FIELD_CHARS_MAX).collect()).unwrap_or_default()
}

fn members(fields: &[String]) -> BTreeSet<String> {
    let list = fields.get(3).map(String::as_str).unwrap_or_default();
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).take(MEMBERS_MAX).map(str::to_owned).collect()
}

impl Account {
    fn change(&self, activity: AccountActivity, changed: Vec<String>) -> AccountChange {
        AccountChange {
            activity,
            name: self.name.clone(),
            uid: self.uid,
            gid: self.gid,
            home: self.home.clone(),
            shell: self.shell.clone(),
            changed,
        }
    }

    fn differences(&self, new: &Self) -> Vec<String> {
        let mut changed = Vec::new();
        let mut note = |differs: bool, what: &str| {
            if differs {
                changed.push(what.to_owned());
            }
        };
        note(self.uid != new.uid, "uid");
        note(self.gid != new.gid, "gid");
        note(self.home != new.home, "home");
        note(self.shell != new.shell, "shell");
        note(self.comment != new.comment, "comment");
        // A line that came or went with the shadow file itself says nothing of the password.
        if let (Some(old), Some(new)) = (&self.secret, &new.secret) {
            note(old.digest != new.digest, "password");
            note(!old.locked && new.locked, "locked");
            note(old.locked && !new.locked, "unlocked");
            note(old.expires != new.expires, "expiry");
        }
        changed
    }
}

/// `None` where nothing that is told has changed.
pub fn account_change(old: Option<&Account>, new: Option<&Account>) -> Option<AccountChange> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => Some(new.change(AccountActivity::Created, Vec::new())),
        (Some(old), None) => Some(old.change(AccountActivity::Deleted, Vec::new())),
        (Some(old), Some(new)) => {
            let changed = old.differences(new);
            (!changed.is_empty()).then(|| new.change(AccountActivity::Modified, changed))
        }
    }
}

pub fn group_change(old: Option<&Group>, new: Option<&Group>) -> Option<GroupChange> {
    let nobody = BTreeSet::new();
    let (before, after) = (old.map_or(&nobody, |old| &old.members), new.map_or(&nobody, |new| &new.members));
    let activity = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => AccountActivity::Created,
        (Some(_), None) => AccountActivity::Deleted,
        (Some(old), Some(new)) => {
            let secret = matches!((old.secret, new.secret), (Some(old), Some(new)) if old != new);
            if old.gid == new.gid && before == after && !secret {
                return None;
            }
            AccountActivity::Modified
        }
    };
    let group = new.or(old)?;
    Some(GroupChange {
        activity,
        name: group.name.clone(),
        gid: group.gid,
        added: after.difference(before).cloned().collect(),
        removed: before.difference(after).cloned().collect(),
    })
}
