//! Owns: the fields of an event as a correlation needs them: keys, values, texts for the evidence.
//! Never: what becomes of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use picket_model::{Activity, Event};

use super::number;
use crate::sigma::record::{FieldId, Record};

/// Sixteen bytes stand for the values of a group.
pub type Key = [u64; 2];

/// Longer values are cut in the evidence; the key is of the whole.
const SHOWN_MAX: usize = 512;
/// A process with its arguments and the way up to it, most of which the process table holds anyway.
const PROCESS_BYTES: usize = 512;

/// The first value of each field; None where one has none.
pub fn texts<'v, R: Record>(record: &'v R, fields: &[FieldId]) -> Option<Vec<&'v str>> {
    fields.iter().map(|field| record.values(*field).first().map(|text| text.raw.as_ref())).collect()
}

/// Keyed anew in every process: nobody can choose values that meet.
#[must_use]
pub fn key(texts: &[&str]) -> Key {
    static KEYS: OnceLock<(RandomState, RandomState)> = OnceLock::new();
    if texts.is_empty() {
        return [0; 2];
    }
    let (one, other) = KEYS.get_or_init(|| (RandomState::new(), RandomState::new()));
    [one.hash_one(texts), other.hash_one(texts)]
}

/// What distinguishes a value from others, in halves: a digest, or the number itself.
#[must_use]
pub fn value(texts: &[&str], is_number: bool) -> Option<[u64; 2]> {
    if !is_number {
        return Some([0, key(texts)[0]]);
    }
    number::parse(texts.first()?).map(super::gather::parted)
}

/// For the evidence: the texts, parted by NUL.
#[must_use]
pub fn shown(texts: &[&str]) -> Box<str> {
    let cut = |text: &str| {
        let end = (0..=SHOWN_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text[..end].replace('\0', " ")
    };
    match texts {
        [] => Box::default(),
        [one] if one.len() <= SHOWN_MAX && !one.contains('\0') => Box::from(*one),
        several => several.iter().map(|text| cut(text)).collect::<Vec<_>>().join("\0").into(),
    }
}

/// About what it takes to keep a copy of the event.
#[must_use]
pub fn bytes(event: &Event) -> usize {
    let texts = match &event.activity {
        Activity::Script { script } => script.content.len() + script.path.len(),
        Activity::File { file, .. } | Activity::LibraryLoad { file } => {
            file.path.len() + file.old_path.as_ref().map_or(0, String::len)
        }
        Activity::Dns { name, answers } => name.len() + answers.len() * size_of::<std::net::IpAddr>(),
        Activity::Authentication { user, service, .. } => user.len() + service.len(),
        Activity::Memory { detail, .. } | Activity::Tamper { detail, .. } => detail.len(),
        Activity::Kernel { subject, detail, .. } => subject.len() + detail.len(),
        Activity::ScheduledJob { job } => job.command.len() + job.path.len() + job.name.len(),
        _ => 0,
    };
    size_of::<Event>() + texts + event.process.as_ref().map_or(0, |_| PROCESS_BYTES)
}
