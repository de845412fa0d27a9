//! Owns: records of audit on their way through all that reads them.
//! Never: a part of a build that runs; see `sensor/fuzz.rs`.

use super::assembly::Assembly;
use super::calls::Calls;
use super::signin::SignIns;
use super::{execs, record, rules};

const SYSCALL: u16 = 1300;

/// As the thread that listens does, for a daemon.
pub fn fuzz(records: impl Iterator<Item = (u16, Vec<u8>)>) {
    let (mut assembly, mut signs, mut calls) = (Assembly::default(), SignIns::default(), Calls::default());
    for (kind, body) in records {
        let Some((stamp, fields)) = record::open(&body) else { continue };
        let _ = signs.hear(kind, stamp, fields);
        let Some(whole) = assembly.hear(kind, stamp, fields) else { continue };
        let _ = execs::told(&whole);
        let Some(call) = whole.first(SYSCALL) else { continue };
        let named = call.text("key").zip(call.hex("arch")).zip(call.number("syscall"));
        if let Some(name) = named.and_then(|((key, arch), number)| rules::name(&key, arch, number)) {
            let _ = calls.hear(name, &whole);
        }
    }
}
