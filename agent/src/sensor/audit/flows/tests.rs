//! Owns: tests of how connects of two sources are told once.
//! Never: a kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{NetActivity, NetProtocol, Timestamp};

use super::{Flows, PATIENCE};

const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn connect(pid: Option<u32>, local_port: u16, remote_port: u16) -> RawRecord {
    let kind = RawKind::Network {
        activity: NetActivity::Connect,
        protocol: NetProtocol::Tcp,
        local_ip: REMOTE,
        local_port,
        remote_ip: REMOTE,
        remote_port,
    };
    RawRecord { time: Timestamp(1), actor: pid.map(|pid| RawActor { pid, start_ticks: None }), kind }
}

#[test]
fn a_connect_that_both_saw_is_told_once_and_a_short_one_after_a_while() {
    let (mut flows, now) = (Flows::default(), Instant::now());
    let mut out = Vec::new();
    flows.join(&mut out, vec![connect(Some(7), 0, 80), connect(Some(7), 0, 81), connect(Some(8), 0, 82)], now);
    assert_eq!(out, []);
    let mut out = vec![connect(Some(7), 5000, 80), connect(None, 5001, 82)];
    flows.join(&mut out, Vec::new(), now);
    assert_eq!(out, [connect(Some(7), 5000, 80), connect(Some(8), 5001, 82)], "whole, and with who it was");
    let mut out = Vec::new();
    flows.join(&mut out, Vec::new(), now + PATIENCE);
    assert_eq!(out, [connect(Some(7), 0, 81)]);
}
