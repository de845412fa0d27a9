//! Owns: one action of every kind, and of every form that its target takes.
//! Never: bytes.

use picket_model::{ActionKind, IsolationScope, NetFlow, NetProtocol, ProcessKey, Sha256, Timestamp};

pub fn all() -> Vec<ActionKind> {
    let target = ProcessKey { boot: 7, pid: 10, start_ticks: 99 };
    vec![
        ActionKind::KillTree { target },
        ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: Some(Sha256([1; 32])) },
        ActionKind::DenyExecution { sha256: Sha256([2; 32]), within: Some("/tmp".into()) },
        ActionKind::IsolateHost { scope: IsolationScope::Host },
        ActionKind::IsolateHost { scope: IsolationScope::Namespace { name: "ns".into() } },
        ActionKind::SuspendProcess { target },
        ActionKind::FreezeGroup { group: "/system.slice/x.service".into() },
        ActionKind::RemoveLine {
            path: "/etc/crontab".into(),
            line: "* * * * * x".into(),
            sha256: Some(Sha256([3; 32])),
        },
        ActionKind::LockAccount { user: "ann".into() },
        ActionKind::EndSessions { user: "ann".into() },
        ActionKind::BlockAddress { network: Some("203.0.113.0/24".parse().unwrap()), port: Some(443) },
        ActionKind::CutConnection {
            flow: NetFlow {
                protocol: NetProtocol::Tcp,
                local_ip: "10.0.0.1".parse().unwrap(),
                local_port: 22,
                remote_ip: "2001:db8::1".parse().unwrap(),
                remote_port: 4000,
            },
        },
        ActionKind::DisableUnit { unit: "x.service".into() },
        ActionKind::DenyPath { path: "/dev/shm".into() },
        ActionKind::BlockDomain { domain: "evil.example".parse().unwrap() },
        ActionKind::DisableModule { module: "nft_evil".into() },
        ActionKind::ExpireCredentials { user: "eve".into() },
        ActionKind::RestoreFile { path: "/etc/motd".into(), before: Timestamp(7), last: Some(Timestamp(9)) },
    ]
}

/// The golden file of a kind; the two isolations are two types on the wire.
pub fn name(kind: &ActionKind) -> String {
    match kind {
        ActionKind::IsolateHost { scope: IsolationScope::Namespace { .. } } => "action_isolate_namespace".to_owned(),
        other => format!("action_{}", other.word()),
    }
}

#[test]
fn a_target_that_would_be_cut_does_not_travel() {
    assert!(all().iter().all(crate::travels));
    assert!(!crate::travels(&ActionKind::FreezeGroup { group: "/x".repeat(crate::limits::PATH_BYTES_MAX) }));
}

#[test]
fn every_kind_has_golden_bytes() {
    for nature in ActionKind::ALL {
        assert!(all().iter().any(|kind| kind.nature() == nature), "{} has none", nature.word);
    }
}
