//! Owns: ending one connection: both its ends learn that it is over, and whoever holds it gets an error.
//! Never: a listening socket, the coordinators' connection, or keeping a new one from being made.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use nix::libc;
use picket_model::action::IsolationScope;
use picket_model::{NetFlow, NetProtocol};

use super::nft;
use crate::sys::netlink::{Netlink, SocketId};
use crate::sys::netns;

#[derive(Debug, thiserror::Error)]
pub enum CutError {
    #[error("the connection is not cut: {why}")]
    Guarded { why: String },
    #[error("no connection from {local} to {remote} is open on this host; nothing was done")]
    Gone { local: SocketAddr, remote: SocketAddr },
    #[error("cannot {doing} the connection to {remote}: {source}; the kernel needs CONFIG_INET_DIAG_DESTROY")]
    System { doing: &'static str, remote: SocketAddr, source: io::Error },
    #[error("the connection to {remote} is still open after the act")]
    Unverified { remote: SocketAddr },
}

type Result<T> = std::result::Result<T, CutError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    protocol: u8,
    local: SocketAddr,
    remote: SocketAddr,
}

/// Nothing is done. `coordinators` keep their connection.
pub fn plan(flow: &NetFlow, coordinators: &[SocketAddr]) -> Result<Plan> {
    let local = SocketAddr::new(flow.local_ip, flow.local_port);
    let remote = SocketAddr::new(flow.remote_ip, flow.remote_port);
    let refuse = |why: String| Err(CutError::Guarded { why });
    if coordinators.contains(&remote) {
        return refuse(format!("the coordinator is at {remote}"));
    }
    if remote.port() == 0 || remote.ip().is_unspecified() {
        return refuse(format!("{local} only listens"));
    }
    if local.is_ipv4() != remote.is_ipv4() {
        return refuse(format!("{local} and {remote} are of two families"));
    }
    let protocol = match flow.protocol {
        NetProtocol::Tcp => libc::IPPROTO_TCP,
        NetProtocol::Udp => libc::IPPROTO_UDP,
    };
    Ok(Plan { protocol: u8::try_from(protocol).unwrap_or_default(), local, remote })
}

/// Ends it; gives what was done in words. `scope`: the network that the connection is of.
pub fn apply(scope: &IsolationScope, plan: &Plan) -> Result<String> {
    let Plan { local, remote, .. } = *plan;
    let socket = open(scope).map_err(failing("ask for", remote))?;
    match socket.destroy(&plan.id()) {
        Ok(()) => {}
        Err(error) if is_gone(&error) => return Err(CutError::Gone { local, remote }),
        Err(source) => return Err(failing("end", remote)(source)),
    }
    if verify(scope, plan)? {
        Ok(format!("cut the connection from {local} to {remote}"))
    } else {
        Err(CutError::Unverified { remote })
    }
}

/// Whether the kernel knows of no such connection.
pub fn verify(scope: &IsolationScope, plan: &Plan) -> Result<bool> {
    let socket = open(scope).map_err(failing("ask for", plan.remote))?;
    match socket.remote_port(&plan.id()) {
        // Of UDP: the socket is still there, but no longer joined to anybody.
        Ok(port) => Ok(port != plan.remote.port()),
        Err(error) if is_gone(&error) => Ok(true),
        Err(source) => Err(failing("look for", plan.remote)(source)),
    }
}

impl Plan {
    fn id(&self) -> SocketId {
        let family = if self.local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        SocketId {
            family: u8::try_from(family).unwrap_or_default(),
            protocol: self.protocol,
            ports: [self.local.port(), self.remote.port()],
            addresses: [octets(self.local.ip()), octets(self.remote.ip())],
        }
    }
}

/// As the kernel has an address of either family in 16 bytes.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(four) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&four.octets());
            bytes
        }
        IpAddr::V6(six) => six.octets(),
    }
}

fn open(scope: &IsolationScope) -> io::Result<Netlink> {
    match scope {
        IsolationScope::Host => Netlink::sock_diag(),
        IsolationScope::Namespace { name } => {
            let path = nft::namespace_path(name).map_err(io::Error::other)?;
            netns::inside(&path, Netlink::sock_diag)
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOENT as i32)
}

fn failing(doing: &'static str, remote: SocketAddr) -> impl FnOnce(io::Error) -> CutError {
    move |source| CutError::System { doing, remote, source }
}
