//! Owns: tests of what the coming of a socket means.
//! Never: a kernel.

use picket_model::{NetActivity, NetProtocol};

use super::Flows;
use crate::sensor::diag::{ESTABLISHED, LISTEN, SYN_SENT, Socket, UNCONNECTED};

fn socket(state: u8, local: u16, remote: u16, cookie: u64) -> Socket {
    let ip = "127.0.0.1".parse().expect("an address");
    Socket { protocol: NetProtocol::Tcp, state, local: (ip, local), remote: (ip, remote), cookie, inode: 1 }
}

fn meanings(flows: &mut Flows, sockets: &[Socket]) -> Vec<NetActivity> {
    flows.look(sockets).into_iter().map(|(activity, _)| activity).collect()
}

#[test]
fn both_ends_of_a_loopback_flow_have_their_own_meaning() {
    let mut flows = Flows::default();
    let listener = socket(LISTEN, 80, 0, 1);
    assert_eq!(meanings(&mut flows, &[]), []);
    assert_eq!(meanings(&mut flows, &[listener]), [NetActivity::Listen]);
    let pair = [socket(ESTABLISHED, 4000, 80, 2), socket(ESTABLISHED, 80, 4000, 3)];
    assert_eq!(meanings(&mut flows, &[listener, pair[0], pair[1]]), [NetActivity::Connect, NetActivity::Accept]);
    assert_eq!(meanings(&mut flows, &[listener, pair[0], pair[1]]), [], "told once");
}

#[test]
fn what_was_there_before_is_not_told() {
    let mut flows = Flows::default();
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 4000, 80, 2)]), []);
}

#[test]
fn a_listener_that_closed_still_explains_what_it_accepted() {
    let mut flows = Flows::default();
    flows.look(&[socket(LISTEN, 80, 0, 1)]);
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 80, 4000, 3)]), [NetActivity::Accept]);
}

#[test]
fn a_connection_waits_until_it_is_accepted() {
    let mut flows = Flows::default();
    let listener = socket(LISTEN, 80, 0, 1);
    flows.look(&[listener]);
    let held = socket(ESTABLISHED, 80, 4000, 3);
    assert_eq!(meanings(&mut flows, &[listener, Socket { inode: 0, ..held }]), []);
    assert_eq!(meanings(&mut flows, &[listener, held]), [NetActivity::Accept]);
}

#[test]
fn a_try_to_connect_is_told_once() {
    let mut flows = Flows::default();
    flows.look(&[]);
    assert_eq!(meanings(&mut flows, &[socket(SYN_SENT, 4000, 80, 2)]), [NetActivity::Connect]);
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 4000, 80, 2)]), []);
}

#[test]
fn a_udp_socket_listens_on_a_port_that_somebody_chose() {
    let udp =
        |state, local, remote, cookie| Socket { protocol: NetProtocol::Udp, ..socket(state, local, remote, cookie) };
    let mut flows = Flows::with_ephemeral("40000\t50000\n");
    flows.look(&[]);
    assert_eq!(meanings(&mut flows, &[udp(UNCONNECTED, 53, 0, 1)]), [NetActivity::Listen]);
    assert_eq!(meanings(&mut flows, &[udp(UNCONNECTED, 45_000, 0, 2)]), []);
    assert_eq!(meanings(&mut flows, &[udp(ESTABLISHED, 45_001, 53, 3)]), [NetActivity::Connect]);
    let mut flows = Flows::with_ephemeral("nonsense");
    flows.look(&[]);
    assert_eq!(meanings(&mut flows, &[udp(UNCONNECTED, 45_000, 0, 2)]), []);
}
