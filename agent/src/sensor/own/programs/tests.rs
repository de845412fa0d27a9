//! Owns: the lease by which the kernel refuses what is done to the agent.
//! Never: a refusal; those are tried in a machine of their own.

use std::collections::BTreeMap;

use super::{Before, LEASE_NS, Programs};
use crate::sys::clock::boot_ns;
use picket_model::FileId;

#[test]
fn an_engine_that_hangs_is_not_kept_from_being_killed() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let mut programs = Programs::open(FileId::default(), &Before::now(), false).unwrap();
    let mut lease_after = |turned: u64| {
        assert!(programs.renew(&BTreeMap::new(), 0, 0, turned));
        programs.lease.get(&0, 0).unwrap()
    };
    let turned = boot_ns();
    assert_eq!(lease_after(turned), turned + LEASE_NS);
    // The sensor goes on and renews, the engine does not come round.
    assert_eq!(lease_after(turned), turned + LEASE_NS);
    let hung = turned.saturating_sub(LEASE_NS);
    assert!(lease_after(hung) <= boot_ns());
    assert!(lease_after(u64::MAX) <= boot_ns() + LEASE_NS, "the future proves nothing");
}
