use picket_model::action::Reason;
use picket_model::{Action, ActionId, ActionKind, BundleVersion, IsolationScope, Principal, Timestamp, VerdictKind};

use super::*;
use crate::{Authority, Bundle, Judgement, Target, keys, verify};

const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);
const ALL: &str = "@id(\"all\")\npermit (principal, action, resource);";

fn bundle(quorum: &str) -> Result<Bundle, String> {
    let text = format!("name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n{quorum}");
    let bundle = Bundle::from_texts(&text, ALL).and_then(|bundle| bundle.check().map(|()| bundle));
    bundle.map(|bundle| Bundle { version: BundleVersion(1), issued: NOW, ..bundle }).map_err(|error| error.to_string())
}

const DB: &str = "[[quorum]]\nname = \"db\"\nhosts = [\"db-*\"]\nkeep = 2\n";

fn verdict(bundle: &Bundle, principal: Principal, scope: IsolationScope, host: &str) -> (VerdictKind, Vec<String>) {
    let key = keys::generate([1; 32]);
    let mut authority = Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap();
    let reason = Reason {
        principal,
        detection: None,
        rule: None,
        severity: 5,
        incident: None,
        families: 3,
        drill: false,
        note: String::new(),
    };
    let kind = ActionKind::IsolateHost { scope };
    let (id, own) = (ActionId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    let action = Action { id, host: own, kind, reason, requested: NOW, lease_ms: 0 };
    match authority.judge(action, &Target { host: host.into(), ..Target::default() }, NOW) {
        Judgement::ActNow(_, grounds) | Judgement::Ask(_, grounds) | Judgement::OutOfScope(_, grounds) => {
            (grounds.verdict, grounds.decided_by)
        }
    }
}

#[test]
fn a_host_of_a_group_is_not_cut_off_by_picket_alone() {
    let guarded = bundle(DB).unwrap();
    // The same without Picket's guards: Rust lowers the verdict by itself.
    let bare = Bundle { policies: ALL.into(), ..guarded.clone() };
    let told = "quorum: of db 2 hosts stay in reach, and no host knows how many do";
    for (bundle, by) in [(&guarded, "guard.quorum"), (&bare, "all")] {
        for principal in [Principal::Agent, Principal::Coordinator] {
            let asked = verdict(bundle, principal, IsolationScope::Host, "db-1");
            assert_eq!(asked, (VerdictKind::Ask, vec![by.to_owned(), told.to_owned()]));
        }
        let acts = |principal, scope, host| assert_eq!(verdict(bundle, principal, scope, host).0, VerdictKind::ActNow);
        acts(Principal::Agent, IsolationScope::Host, "web-1");
        acts(Principal::Agent, IsolationScope::Namespace { name: "x".into() }, "db-1");
        // The coordinator counts before it sends what a person orders.
        acts(Principal::Analyst { name: "anna".into() }, IsolationScope::Host, "db-1");
    }
}

#[test]
fn groups_that_keep_nothing_are_refused() {
    for (quorum, words) in [
        (DB.replace("keep = 2", "keep = 0"), "keeps 0 hosts"),
        (DB.replace("[\"db-*\"]", "[]"), "names no host"),
        (DB.replace("[\"db-*\"]", "[\"\"]"), "names no host"),
        (DB.repeat(2), "two groups are called \"db\""),
        (DB.replace("keep", "kept"), "unknown field `kept`"),
        (DB.replace("\"db\"", "\"d b\""), "d b"),
    ] {
        let refused = bundle(&quorum).unwrap_err();
        assert!(refused.contains(words), "{quorum}: {refused}");
    }
}
