//! Owns: what the agent says of its host and of its own use of it.
//! Never: judging; a fact that cannot be had is empty or zero.

use std::fs;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use picket_model::HostFacts;
use sysinfo::{MemoryRefreshKind, System};

/// A host with more addresses than this is a router of containers; the first ones name it well enough.
const ADDRESSES_MAX: usize = 64;

#[must_use]
pub fn host_facts() -> HostFacts {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    HostFacts {
        hostname: System::host_name().unwrap_or_default(),
        os: os_name().or_else(System::long_os_version).unwrap_or_default(),
        kernel: System::kernel_version().unwrap_or_default(),
        arch: System::cpu_arch(),
        cpus: cpus(),
        memory_bytes: system.total_memory(),
        machine_id: fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: addresses(),
    }
}

/// The first four bytes of the kernel's boot id: what parts the process keys of one boot from those of another.
/// Zero where the kernel does not say; keys are then still unique within the agent's life.
#[must_use]
pub fn boot_prefix() -> u32 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.get(..8).and_then(|head| u32::from_str_radix(head, 16).ok()).unwrap_or(0)
}

/// What this process takes from its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OwnUse {
    /// Memory in RAM now.
    pub resident_bytes: u64,
    /// Processor time since the process began, all threads, user and kernel.
    pub cpu_ms: u64,
}

impl OwnUse {
    #[must_use]
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
        let ms = |time: TimeVal| {
            let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
            u64::try_from(time.tv_sec()).unwrap_or(0).saturating_mul(1000).saturating_add(micros / 1000)
        };
        let cpu_ms =
            getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| ms(usage.user_time()) + ms(usage.system_time()));
        Self { resident_bytes: kib.saturating_mul(1024), cpu_ms }
    }
}

/// The name that the distribution gives itself, for example `Debian GNU/Linux 12 (bookworm)`.
fn os_name() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// Processors of the host, not those that the agent's own cgroup or affinity leaves it.
fn cpus() -> u32 {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    online(text.trim())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(0, |n| n.get().try_into().unwrap_or(0)))
}

/// Counts the kernel's list form, for example `0-3,6`.
fn online(list: &str) -> Option<u32> {
    list.split(',').try_fold(0u32, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// Addresses of the interfaces that are up, loopback and link-local ones left out: they name no host.
fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter(|interface| !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    found
}

#[cfg(test)]
mod tests;
