//! Owns: what whoever gave an order is told.
//! Never: carrying one out.

use picket_model::{
    Action, ActionId, ActionKind, ActionReport, ActionState, BundleVersion, HostId, IsolationScope, Principal, Reason,
    Timestamp, VerdictKind,
};

use super::came_of;

fn report(state: ActionState, detail: &str) -> ActionReport {
    let reason = Reason {
        principal: Principal::Coordinator,
        detection: None,
        rule: None,
        severity: 5,
        incident: None,
        families: 1,
        drill: false,
        note: String::new(),
    };
    let kind = ActionKind::IsolateHost { scope: IsolationScope::Host };
    let (id, host) = (ActionId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    ActionReport {
        action: Action { id, host, kind, reason, requested: Timestamp(1), lease_ms: 1 },
        state,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(1),
        decided_by: vec!["isolate-asks".into()],
        time: Timestamp(1),
        latency_us: 0,
        detail: detail.into(),
    }
}

#[test]
fn only_what_was_done_is_called_carried_out() {
    assert_eq!(came_of(&report(ActionState::Applied, "cut the host off")), "carried out: cut the host off");
    let failed = came_of(&report(ActionState::Failed, "nft is missing"));
    assert!(failed.contains("nft is missing") && !failed.contains("carried out"), "{failed}");
    let asked = came_of(&report(ActionState::Asked, "waits for a person"));
    assert!(asked.contains("isolate-asks") && asked.contains("waits for a person"), "{asked}");
    let refused = came_of(&report(ActionState::Refused, "out of scope: protected: pid 1"));
    assert!(refused.contains("protected: pid 1"), "{refused}");
}
