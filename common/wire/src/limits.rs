//! Owns: how long each field may be, and cutting our own values to that length.
//! Never: meaning; a field within its limit may still be nonsense.

use thiserror::Error;

/// `PATH_MAX` of Linux.
pub const PATH_BYTES_MAX: usize = 4096;
/// Names of users, services, rules, hosts, fields: none is longer in practice, DNS names stop at 253.
pub const NAME_BYTES_MAX: usize = 256;
/// Text for people: an action's detail, a note, a title.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The kept beginning of a script: what a person reads, and where droppers have their commands.
pub const SCRIPT_BYTES_MAX: usize = 16 * 1024;
/// One argument; longer ones are cut, their head is what rules look at.
pub const ARGUMENT_BYTES_MAX: usize = 4096;
/// Arguments of one process, in number and (when encoding) in bytes together.
pub const ARGUMENTS_MAX: usize = 256;
pub const ARGUMENTS_BYTES_MAX: usize = 8192;
/// An ancestor in a detection is context, not the subject.
pub const ANCESTOR_ARGUMENTS_BYTES_MAX: usize = 512;
/// Lists of small things: techniques, evidence, losses, addresses.
pub const LIST_MAX: usize = 256;
/// As deep as the model walks.
pub const LINEAGE_MAX: usize = picket_model::process::ANCESTORS_MAX;
/// A certificate, a signing request, a join secret.
pub const BLOB_BYTES_MAX: usize = 16 * 1024;
/// A record with a full lineage of the longest paths stays below this.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Records in one batch: what fills about 16 KiB.
pub const BATCH_RECORDS_MAX: usize = 64;
/// What an agent may send in one frame: one largest record and its envelope.
pub const UPLINK_FRAME_BYTES_MAX: usize = RECORD_BYTES_MAX + 64 * 1024;
/// What a coordinator may send in one frame: a bundle with its rules and indicators.
pub const DOWNLINK_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Of a list of indicators at once: a million hashes are 64 parts, and no session holds much more than what it sends.
pub const LIST_PART_BYTES_MAX: usize = 256 * 1024;
/// What a peer without a certificate may send: a signing request and facts.
pub const ENROL_FRAME_BYTES_MAX: usize = 64 * 1024;

/// A decoded field that breaks its limit.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("field {field} is {found} long, the limit is {limit}")]
pub struct Invalid {
    pub field: &'static str,
    pub found: usize,
    pub limit: usize,
}

pub(crate) const fn check(field: &'static str, found: usize, limit: usize) -> Result<(), Invalid> {
    if found > limit { Err(Invalid { field, found, limit }) } else { Ok(()) }
}

pub(crate) fn text(field: &'static str, value: String, limit: usize) -> Result<String, Invalid> {
    check(field, value.len(), limit)?;
    Ok(value)
}

pub(crate) fn optional(field: &'static str, value: Option<String>, limit: usize) -> Result<Option<String>, Invalid> {
    value.map(|value| text(field, value, limit)).transpose()
}

pub(crate) fn texts(
    field: &'static str,
    values: Vec<String>,
    each: usize,
    count: usize,
) -> Result<Vec<String>, Invalid> {
    check(field, values.len(), count)?;
    values.into_iter().map(|value| text(field, value, each)).collect()
}

/// The head of `value` that fits, cut between characters.
pub(crate) fn head(value: &str, limit: usize) -> &str {
    let mut end = value.len().min(limit);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

pub(crate) fn cut(value: &str, limit: usize) -> String {
    head(value, limit).to_owned()
}

pub(crate) fn cut_all(values: &[String], each: usize, count: usize) -> Vec<String> {
    values.iter().take(count).map(|value| cut(value, each)).collect()
}

/// Arguments from the first on, until `total` bytes are used up.
pub(crate) fn arguments(values: &[String], total: usize) -> impl Iterator<Item = &str> {
    values.iter().take(ARGUMENTS_MAX).scan(total, |left, value| {
        if *left == 0 {
            return None;
        }
        let value = head(value, (*left).min(ARGUMENT_BYTES_MAX));
        *left -= value.len().max(1);
        Some(value)
    })
}

pub(crate) fn cut_arguments(values: &[String], total: usize) -> Vec<String> {
    arguments(values, total).map(str::to_owned).collect()
}
