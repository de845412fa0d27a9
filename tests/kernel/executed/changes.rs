//! Owns: what became different on the guest, from two lists of what it is: files, accounts, units, modules, parameters.
//! Never: who did it.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Default, Debug)]
pub struct Changes {
    /// Created, changed or deleted; directories are none.
    pub files: BTreeSet<String>,
    pub accounts: BTreeSet<String>,
    pub groups: BTreeSet<String>,
    pub units: BTreeSet<String>,
    pub modules: BTreeSet<String>,
    pub parameters: BTreeSet<String>,
}

/// What changes although nothing is done: the lab's own sign-ins, logs, the clock.
#[derive(Default)]
pub struct Background(BTreeSet<String>);

impl Background {
    pub fn learn(&mut self, changes: &Changes) {
        self.0.extend(changes.all().map(|name| plain(name)));
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(&plain(name))
    }
}

impl Changes {
    /// Reads the output of `diff BEFORE AFTER` of the two lists.
    #[must_use]
    pub fn read(diff: &str, background: &Background) -> Self {
        let mut changes = Self::default();
        let mut accounts: BTreeMap<&str, i32> = BTreeMap::new();
        for text in diff.lines() {
            let Some((side, text)) = text.split_once(' ').filter(|(side, _)| matches!(*side, "<" | ">")) else {
                continue;
            };
            let Some((kind, rest)) = text.split_once(' ') else { continue };
            // A line that only moved stands on both sides.
            *accounts.entry(text).or_default() += if side == ">" { 1 } else { -1 };
            let first = |end: char| rest.split(end).next().unwrap_or_default().trim().to_owned();
            match kind {
                "file" => drop(rest.splitn(3, ' ').nth(2).map(|path| changes.files.insert(path.to_owned()))),
                "account" => drop(changes.accounts.insert(first(':'))),
                "group" => drop(changes.groups.insert(first(':'))),
                "unit" => drop(changes.units.insert(first(' '))),
                "module" => drop(changes.modules.insert(rest.to_owned())),
                "parameter" => drop(changes.parameters.insert(first('='))),
                _ => {}
            }
        }
        let unmoved: BTreeSet<String> = accounts
            .iter()
            .filter(|(_, balance)| **balance == 0)
            .filter_map(|(text, _)| text.strip_prefix("file ")?.splitn(3, ' ').nth(2).map(str::to_owned))
            .collect();
        changes.files.retain(|path| !unmoved.contains(path));
        for names in changes.sets() {
            names.retain(|name| !background.has(name));
        }
        changes
    }

    fn sets(&mut self) -> [&mut BTreeSet<String>; 6] {
        [
            &mut self.files,
            &mut self.accounts,
            &mut self.groups,
            &mut self.units,
            &mut self.modules,
            &mut self.parameters,
        ]
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        [&self.files, &self.accounts, &self.groups, &self.units, &self.modules, &self.parameters].into_iter().flatten()
    }
}

/// Numbers of sessions, processes and users are another each time.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            _ => plain.push(letter),
        }
    }
    plain
}
