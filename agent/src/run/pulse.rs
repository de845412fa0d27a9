//! Owns: telling the service manager that the agent runs: one that is halted is ended and started anew.
//! Never: judging a stage; each sees to itself that it gets on.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::Duration;

/// So often within the time after which the service manager gives the agent up.
const BEATS: u32 = 4;
const BEAT: &[u8] = b"WATCHDOG=1";

/// As systemd hands it over; nothing where nobody watches, or somebody else is meant.
pub fn start() {
    let said = |name: &str| std::env::var(name).ok();
    let Some((socket, within)) = said("NOTIFY_SOCKET").zip(said("WATCHDOG_USEC")) else { return };
    if said("WATCHDOG_PID").is_some_and(|pid| pid != std::process::id().to_string()) {
        return;
    }
    let Ok(within) = within.parse().map(Duration::from_micros) else { return };
    if let Err(error) = beat(&socket, within / BEATS) {
        tracing::warn!(%error, socket, "the service manager cannot be told that the agent runs");
    }
}

fn beat(socket: &str, every: Duration) -> std::io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let own = UnixDatagram::unbound()?;
    own.send_to_addr(BEAT, &address)?;
    let work = move || {
        loop {
            thread::sleep(every);
            // One that is not taken is followed by the next; where none is, the service manager acts.
            let _ = own.send_to_addr(BEAT, &address);
        }
    };
    thread::Builder::new().name("pulse".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    #[test]
    fn it_beats_until_the_process_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("picket-pulse-{}", std::process::id());
        let named = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let manager = UnixDatagram::bind(&path).unwrap();
        super::beat(path.to_str().unwrap(), Duration::from_millis(1)).unwrap();
        super::beat(&format!("@{name}"), Duration::from_millis(1)).unwrap();
        for socket in [manager, named] {
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            for _ in 0..3 {
                let mut word = [0; 64];
                let length = socket.recv(&mut word).unwrap();
                assert_eq!(&word[..length], b"WATCHDOG=1");
            }
        }
    }
}
