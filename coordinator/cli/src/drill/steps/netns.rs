//! Owns: a network namespace of the drill's own and the link into it.
//! Never: the machine's own interfaces, addresses or routes.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sched::{CloneFlags, setns};

use super::super::den::MARK;
use crate::failure::Failure;

/// Two ends on one machine answer within microseconds; a second of silence is a cut.
const SILENCE: Duration = Duration::from_secs(1);

/// A namespace joined to the machine by one link: `outside` on this side, `inside` on the other.
pub struct Netns {
    name: String,
    listener: TcpListener,
    address: SocketAddr,
}

impl Netns {
    pub fn make() -> Result<Self, Failure> {
        let pid = std::process::id();
        let name = format!("{MARK}{pid}");
        // From here on the name is ours: whatever fails below, the half-made namespace goes.
        ip(&["netns", "add", &name])?;
        let made = Self::furnish(&name, pid);
        if made.is_err() {
            delete(&name);
        }
        made
    }

    fn furnish(name: &str, pid: u32) -> Result<Self, Failure> {
        // 198.18.0.0/15 is for tests (RFC 2544); a drill takes four addresses of it by its pid.
        let block = (pid % 0x4000) * 4;
        let base = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + block;
        let (outside, inside) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let link = format!("pkdrill{pid}");
        ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["address", "add", &format!("{outside}/30"), "dev", &link])?;
        ip(&["link", "set", &link, "up"])?;
        ip(&["-n", name, "address", "add", &format!("{inside}/30"), "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        let failure = |cause| Failure::File { what: "listen on", path: outside.to_string(), cause };
        let listener = TcpListener::bind((IpAddr::V4(outside), 0)).map_err(failure)?;
        listener.set_nonblocking(true).map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        Ok(Self { name: name.to_owned(), listener, address })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection from within the namespace to this side; `None` where it does not come about.
    pub fn connect(&self) -> Option<Session> {
        let inside = self.inside(|| TcpStream::connect_timeout(&self.address, SILENCE))?;
        let outside = self.accept()?;
        for end in [&inside, &outside] {
            end.set_nonblocking(false).ok()?;
            end.set_read_timeout(Some(SILENCE)).ok()?;
            end.set_write_timeout(Some(SILENCE)).ok()?;
        }
        Some(Session { inside, outside })
    }

    /// The inside is connected as soon as it has its answer; the last packet of the handshake may still be under way to
    /// this side.
    fn accept(&self) -> Option<TcpStream> {
        let mut waiting = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(SILENCE).ok()?;
        nix::poll::poll(&mut waiting, timeout).ok().filter(|ready| *ready > 0)?;
        self.listener.accept().ok().map(|(outside, _)| outside)
    }

    /// A thread may enter a namespace by itself; a socket stays where it was made.
    fn inside<T: Send>(&self, make: impl FnOnce() -> std::io::Result<T> + Send) -> Option<T> {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.name)).ok()?;
        std::thread::scope(|scope| {
            let entered = scope.spawn(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).ok()?;
                make().ok()
            });
            entered.join().ok().flatten()
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// A connection between the namespace and this side.
pub struct Session {
    inside: TcpStream,
    outside: TcpStream,
}

impl Session {
    /// A byte sent on the inside arrives on the outside.
    pub fn flows(&mut self) -> bool {
        let mut byte = [0u8; 1];
        self.inside.write_all(b"p").is_ok() && matches!(self.outside.read(&mut byte), Ok(1))
    }
}

/// Deletes a namespace of a drill; its end of the link, and with it the other, goes with it.
pub fn delete(name: &str) {
    if name.starts_with(MARK) {
        // Nothing more can be done when this fails; the next drill tries again.
        let _ = ip(&["netns", "delete", name]);
    }
}

fn ip(args: &[&str]) -> Result<(), Failure> {
    let said = || format!("ip {}", args.join(" "));
    let output =
        Command::new("ip").args(args).stdin(Stdio::null()).output().map_err(|cause| {
            Failure::failed(format!("cannot run {}: {cause}", said()), "install the package iproute2")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::failed(format!("{} failed: {why}", said()), "the kernel must know network namespaces and veth links"))
}

#[cfg(test)]
mod tests {
    use super::Netns;

    #[test]
    fn traffic_flows_until_the_link_is_cut() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: making a network namespace needs root");
            return;
        }
        let netns = Netns::make().unwrap();
        let name = netns.name().to_owned();
        let mut session = netns.connect().unwrap();
        assert!(session.flows());
        super::ip(&["-n", &name, "link", "set", "eth0", "down"]).unwrap();
        assert!(!session.flows(), "an established session is cut");
        assert!(netns.connect().is_none(), "no new session comes about");
        super::ip(&["-n", &name, "link", "set", "eth0", "up"]).unwrap();
        assert!(netns.connect().is_some());
        drop(netns);
        assert!(!std::path::Path::new("/run/netns").join(name).exists());
    }
}
