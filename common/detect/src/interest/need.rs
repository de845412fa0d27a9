//! Owns: what a file must be like for a rule to match it: the fewest and rarest things that suffice to ask for.
//! Never: YAML, or a rule's verdict.

use std::collections::BTreeSet;

use super::{pattern, text};
use crate::sigma::condition::Condition;
use crate::sigma::field::Field;
use crate::sigma::item::{Item, Probe};
use crate::sigma::matcher::Matcher;
use crate::sigma::record::fold;
use crate::sigma::selection::Selection;

/// One thing that a kernel can see of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    Name(String),
    Ending(String),
    Fragment(String),
    /// It can be executed or lends its owner's rights: such a file is told whatever its name.
    CanRun,
}

/// One of these is so, or the rule does not match.
pub type Needs = BTreeSet<Need>;

/// Names and endings that stand in paths everywhere: asked for only where a rule has nothing better.
const COMMON: &[&str] = &[
    "usr",
    "lib",
    "lib64",
    "var",
    "tmp",
    "home",
    "root",
    "bin",
    "sbin",
    "log",
    "run",
    "opt",
    "dev",
    "system",
    "user",
    "local",
    "share",
    "src",
    "build",
    "target",
    "debug",
    "release",
    "cache",
    ".cache",
    "node_modules",
    "o",
    "d",
    "rs",
    "c",
    "h",
    "py",
    "pyc",
    "js",
    "json",
    "txt",
    "md",
    "html",
    "log",
    "tmp",
    "lock",
];

/// The special bits and the permissions of a mode.
const MODES: std::ops::Range<u32> = 0..0o10000;
const SET_ID: u32 = 0o6000;

impl Need {
    /// The lower the rarer, or the cheaper to ask for.
    pub fn rank(&self) -> u32 {
        match self {
            Self::CanRun => 0,
            Self::Name(text) | Self::Ending(text) if COMMON.contains(&text.as_str()) => 3,
            Self::Name(_) => 1,
            Self::Ending(_) => 2,
            // Each file's every name is then looked through.
            Self::Fragment(_) => 4,
        }
    }
}

/// `None` where the rule can match a file of any name. `paths` are the fields that hold a file's name.
pub fn of_rule(matcher: &Matcher, paths: &[Field]) -> Option<Needs> {
    Reader { selections: matcher.selections(), paths }.condition(matcher.condition())
}

struct Reader<'r> {
    selections: &'r [Selection],
    paths: &'r [Field],
}

impl Reader<'_> {
    fn condition(&self, condition: &Condition) -> Option<Needs> {
        match condition {
            Condition::Selection(index) => {
                let groups = &self.selections.get(*index)?.groups;
                any(groups.iter().map(|group| all(group.iter().map(|item| self.item(item)))))
            }
            Condition::And(parts) => all(parts.iter().map(|part| self.condition(part))),
            Condition::Or(parts) => any(parts.iter().map(|part| self.condition(part))),
            // What must not be so says nothing of what is.
            Condition::Not(_) => None,
        }
    }

    fn item(&self, item: &Item) -> Option<Needs> {
        if item.negated {
            return None;
        }
        let value = |forms: &Vec<Probe>| {
            any(forms
                .iter()
                .map(|probe| any(item.fields.iter().map(|field| self.probe(Field::numbered(*field)?, probe)))))
        };
        if item.all { all(item.values.iter().map(value)) } else { any(item.values.iter().map(value)) }
    }

    fn probe(&self, field: Field, probe: &Probe) -> Option<Needs> {
        match field {
            Field::Mode => set_id_only(probe, |mode| format!("{mode:04o}")),
            Field::IsSetuid => set_id_only(probe, |mode| (mode & 0o4000 != 0).to_string()),
            Field::IsSetgid => set_id_only(probe, |mode| (mode & 0o2000 != 0).to_string()),
            Field::IsExecutable => (!meets(probe, "false")).then(|| Needs::from([Need::CanRun])),
            _ if !self.paths.contains(&field) => None,
            _ => match probe {
                Probe::Text { glob, .. } => text::of_glob(glob).map(|need| Needs::from([need])),
                Probe::Regex(regex) => any(pattern::ways(regex.as_str())?
                    .iter()
                    .map(|way| text::best(way).map(|need| Needs::from([need])))),
                _ => None,
            },
        }
    }
}

/// Whether the probe is met by such modes only that lend the owner's or the group's rights.
fn set_id_only(probe: &Probe, written: impl Fn(u32) -> String) -> Option<Needs> {
    MODES
        .filter(|mode| mode & SET_ID == 0)
        .all(|mode| !meets(probe, &written(mode)))
        .then(|| Needs::from([Need::CanRun]))
}

fn meets(probe: &Probe, text: &str) -> bool {
    match probe {
        Probe::Text { glob, cased: true } => glob.matches(text),
        Probe::Text { glob, cased: false } => glob.matches(&fold(text)),
        Probe::Regex(regex) => regex.is_match(text),
        _ => true,
    }
}

/// Of parts that must all hold, the one that is asked for best.
fn all(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    parts.flatten().min_by_key(cost)
}

/// Of parts of which one must hold, all.
fn any(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    let parts: Option<Vec<Needs>> = parts.collect();
    parts.map(|parts| parts.into_iter().flatten().collect())
}

fn cost(needs: &Needs) -> (u32, usize) {
    (needs.iter().map(Need::rank).max().unwrap_or(0), needs.len())
}
