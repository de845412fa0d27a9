//! Owns: tests of the host's facts against what the host's own tools say.
//! Never: a made-up host.

use super::{OwnUse, boot_prefix, host_facts, online};

#[test]
fn facts_agree_with_uname_and_the_kernel() {
    let facts = host_facts();
    let uname = nix::sys::utsname::uname().expect("uname");
    assert_eq!(facts.kernel, uname.release().to_string_lossy());
    assert_eq!(facts.arch, uname.machine().to_string_lossy());
    assert_eq!(facts.hostname, uname.nodename().to_string_lossy());
    let info = std::fs::read_to_string("/proc/meminfo").expect("meminfo");
    let total = info.lines().next().and_then(|line| line.split_whitespace().nth(1)).expect("MemTotal");
    assert_eq!(facts.memory_bytes, total.parse::<u64>().expect("a number") * 1024);
    assert!(facts.cpus >= 1);
    assert!(facts.addresses.iter().all(|ip| !ip.is_loopback()));
    assert_eq!(facts.agent_version, env!("CARGO_PKG_VERSION"));
    assert!(!facts.os.is_empty());
}

#[test]
fn the_boot_prefix_begins_the_boot_id() {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    assert!(id.starts_with(&format!("{:08x}", boot_prefix())));
}

#[test]
fn own_use_grows_with_what_is_used() {
    let before = OwnUse::read();
    let held = vec![1u8; 64 << 20];
    let mut sum = 0u64;
    while OwnUse::read().cpu_ms <= before.cpu_ms {
        sum = held.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    }
    assert!(OwnUse::read().resident_bytes >= before.resident_bytes + (32 << 20), "{sum}");
}

#[test]
fn processor_lists_are_counted() {
    for (list, count) in [("0", Some(1)), ("0-3,6", Some(5)), ("", None), ("3-1", None), ("0-4294967295", None)] {
        assert_eq!(online(list), count, "{list}");
    }
}
