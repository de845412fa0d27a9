//! Owns: what a rule cannot match without: the fewest and rarest texts that suffice to ask for.
//! Never: deciding a match.

use super::condition::Condition;
use super::glob::{Glob, Token};
use super::item::{Item, Probe};
use super::record::FieldId;
use super::selection::Selection;
use crate::interest::pattern::{self, Piece};

/// A single character stands in nearly every value, but few begin or end with it.
const NEED_BYTES_MIN: usize = 2;
/// Beyond this, rules are looked at every time rather than asked for by so many texts.
const ATOMS_MAX: usize = 4000;

/// Where in a value a text must stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    Whole,
    Start,
    End,
    Anywhere,
}

/// A text in lower case, in a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Atom {
    pub field: FieldId,
    pub text: Box<str>,
    pub place: Place,
}

/// One of these texts stands in its field, or the rule does not match.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    pub atoms: Vec<Atom>,
    /// How many of 10,000 events have one of them, by estimate.
    pub cost: u64,
}

/// Texts that stand in very many values. What is part of one of them is as frequent.
pub const COMMON: &[&str] = &[
    "c:\\windows\\system32\\svchost.exe",
    "c:\\windows\\system32\\",
    "c:\\windows\\syswow64\\",
    "c:\\windows\\explorer.exe",
    "c:\\windows\\system32\\windowspowershell\\v1.0\\powershell.exe",
    "c:\\windows\\system32\\cmd.exe",
    "c:\\windows\\system32\\lsass.exe",
    "c:\\windows\\system32\\services.exe",
    "|c:\\windows\\system32\\ntdll.dll+",
    "|c:\\windows\\system32\\kernelbase.dll+",
    "|c:\\windows\\system32\\kernel32.dll+",
    "|unknown(0",
    "c:\\program files (x86)\\",
    "c:\\program files\\",
    "c:\\programdata\\microsoft\\windows\\",
    "c:\\users\\",
    "\\appdata\\local\\temp\\",
    "\\appdata\\local\\microsoft\\",
    "\\appdata\\roaming\\",
    "hklm\\software\\microsoft\\windows\\currentversion\\explorer\\",
    "hklm\\software\\microsoft\\windows nt\\currentversion\\",
    "hkcu\\software\\classes\\",
    "hklm\\system\\currentcontrolset\\services\\",
    "\\system\\currentcontrolset\\control\\",
    "microsoft-windows-",
    "nt authority\\system",
    "microsoft corporation",
    "/usr/bin/bash",
    "/usr/bin/python3",
    "/usr/sbin/",
    "/usr/lib/",
    "/bin/sh -c ",
    "/etc/",
    "/tmp/",
    "/home/",
    "/var/log/",
    "/var/lib/",
    "https://",
    "http://",
    "localhost",
    "127.0.0.1",
    ".local",
    "true",
    "false",
];
const COMMON_COST: u64 = 4000;
/// Values that most events of their log have.
const EVERYWHERE: &[&str] = &["execve", "execveat", "syscall", "path", "normal", "success", "valid", "tcp", "udp"];
const EVERYWHERE_COST: u64 = 8000;

impl Needs {
    fn of(field: FieldId, text: &str, place: Place) -> Option<Self> {
        // A whole value is folded as one.
        let is_short = place == Place::Anywhere && text.len() < NEED_BYTES_MIN;
        if place != Place::Whole && (is_short || text.is_empty() || text.chars().any(folds_by_neighbours)) {
            return None;
        }
        let text: Box<str> = super::record::fold(text).into();
        let cost = cost(&text, place) * if field == FieldId::EVERY { 20 } else { 1 };
        Some(Self { atoms: vec![Atom { field, text, place }], cost })
    }
}

/// The lower case of these depends on what stands beside them, or expressions and folding differ about it.
const fn folds_by_neighbours(char: char) -> bool {
    matches!(char, 'Σ' | 'σ' | 'ς' | 'ſ')
}

fn cost(text: &str, place: Place) -> u64 {
    if place == Place::Whole && EVERYWHERE.contains(&text) {
        return EVERYWHERE_COST;
    }
    if COMMON.iter().any(|common| common.contains(text)) {
        return if matches!(place, Place::Anywhere | Place::Start) { COMMON_COST } else { COMMON_COST / 4 };
    }
    let by_length = match text.len() {
        0..=2 => 2500,
        3 => 1200,
        4 => 600,
        5 => 350,
        6 | 7 => 150,
        8 | 9 => 80,
        10..=14 => 40,
        _ => 15,
    };
    match place {
        // An event id, a port, a word: one of some dozen.
        Place::Whole => by_length.min(300),
        Place::End => by_length / 2 + 1,
        Place::Start | Place::Anywhere => by_length,
    }
}

/// `None` where the rule can match without any certain text.
#[must_use]
pub fn of_condition(condition: &Condition, selections: &[Selection]) -> Option<Needs> {
    match condition {
        Condition::Selection(index) => {
            any(selections[*index].groups.iter().map(|group| all(group.iter().map(of_item))))
        }
        Condition::And(parts) => all(parts.iter().map(|part| of_condition(part, selections))),
        Condition::Or(parts) => any(parts.iter().map(|part| of_condition(part, selections))),
        Condition::Not(_) => None,
    }
}

/// Of parts that must all hold, the needs of the one that asks least.
fn all(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    parts.flatten().min_by_key(|needs| (needs.cost, needs.atoms.len()))
}

/// Of parts of which one must hold, the needs of all.
fn any(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    let mut sum = Needs::default();
    for needs in parts {
        let needs = needs?;
        sum.cost += needs.cost;
        sum.atoms.extend(needs.atoms);
    }
    (!sum.atoms.is_empty() && sum.atoms.len() <= ATOMS_MAX).then_some(sum)
}

fn of_item(item: &Item) -> Option<Needs> {
    if item.negated {
        return None;
    }
    let of_value = |forms: &Vec<Probe>| {
        any(forms.iter().flat_map(|probe| item.fields.iter().map(move |field| of_probe(probe, *field))))
    };
    if item.all { all(item.values.iter().map(of_value)) } else { any(item.values.iter().map(of_value)) }
}

fn of_probe(probe: &Probe, field: FieldId) -> Option<Needs> {
    match probe {
        Probe::Text { glob, .. } => of_glob(glob, field),
        Probe::Regex(regex) => {
            let ways = pattern::ways(regex.as_str())?;
            any(ways.iter().map(|way| {
                let literals = way.iter().filter_map(|piece| match piece {
                    Piece::Literal(text) => Some(text.as_str()),
                    _ => None,
                });
                let longest = literals.filter(|text| text.is_ascii()).max_by_key(|text| text.len())?;
                Needs::of(field, longest, Place::Anywhere)
            }))
        }
        _ => None,
    }
}

fn of_glob(glob: &Glob, field: FieldId) -> Option<Needs> {
    match glob {
        Glob::Everything => None,
        Glob::Exact(text) => Needs::of(field, text, Place::Whole),
        Glob::Prefix(text) => Needs::of(field, text, Place::Start),
        Glob::Suffix(text) => Needs::of(field, text, Place::End),
        Glob::Contains(text) => Needs::of(field, text, Place::Anywhere),
        Glob::Pieces(tokens) => {
            let last = tokens.len() - 1;
            all(tokens.iter().enumerate().map(|(index, token)| match token {
                Token::Literal(text) if index == 0 => Needs::of(field, text, Place::Start),
                Token::Literal(text) if index == last => Needs::of(field, text, Place::End),
                Token::Literal(text) => Needs::of(field, text, Place::Anywhere),
                Token::Any | Token::One => None,
            }))
        }
    }
}
