//! Owns: the test harness: starting real coordinators, agents and virtual machines in places of their own.
//! Never: product code.

pub mod estate;
pub mod marked;
pub mod simulated;
pub mod soc;
pub mod telemetry;
pub mod vm;

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Whether this test may load BPF, make namespaces and start virtual machines.
#[must_use]
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A TCP port of the loopback that nobody had a moment ago.
pub fn free_tcp_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A UDP port of the loopback that nobody had a moment ago.
pub fn free_udp_port() -> std::io::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A binary of this workspace: the shipped one where `PICKET_BIN` says so, else the one built beside the test.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("PICKET_BIN") {
        return PathBuf::from(folder).join(name);
    }
    // target/debug/deps/<test> -> target/debug/<name>
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).map(|folder| folder.join(name)).unwrap_or_default()
}

/// Asks until `probe` answers or `deadline` has passed.
pub fn eventually<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
