//! Owns: what a fuzzer is let at: the sensor's parsers, each with bytes as from its source.
//! Never: a part of a build that runs; it is there with `--cfg fuzzing` alone.

use std::time::Instant;

use picket_model::NetProtocol;

use super::decode::assembly::Assembly;
use super::{audit, bare, diag, own, state};
use crate::sys::clock::WallOffset;
use crate::sys::netlink::{messages, sole_message};

/// Several records or datagrams in one input: each after its length in two bytes.
pub fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (part, left) = rest.split_at(length);
        bytes = left;
        Some(part)
    })
}

/// Records of the rings, in a row, and of the programs that watch over the agent.
pub fn ring(bytes: &[u8]) {
    let clock = WallOffset::read();
    let mut assembly = Assembly::default();
    for part in parts(bytes) {
        let _ = assembly.offer(part, clock);
        let _ = own::fuzz(part, clock);
    }
    let _ = assembly.due(Instant::now());
}

/// Records of the kernel's audit, in a row: a line each, its type before its text.
pub fn audit(bytes: &[u8]) {
    let record = |line: &'_ [u8]| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let kind = std::str::from_utf8(line.get(..space)?).ok()?.parse().ok()?;
        Some((kind, line.get(space + 1..)?.to_vec()))
    };
    audit::fuzz(bytes.split(|byte| *byte == b'\n').filter_map(record));
}

/// Messages of netlink and of fanotify.
pub fn netlink(bytes: &[u8]) {
    let _ = sole_message(bytes);
    for (_, body) in messages(bytes) {
        let _ = diag::parse(body, NetProtocol::Tcp);
        bare::fuzz(body);
    }
    bare::fuzz(bytes);
}

/// A message of a bus.
pub fn bus(bytes: &[u8]) {
    state::fuzz(bytes);
}
