use picket_model::action::Reason;
use picket_model::{
    Action, ActionId, BundleVersion, IsolationScope, Principal, ProcessKey, RuleId, Timestamp, VerdictKind,
};

use super::*;
use crate::{Authority, Bundle, Grounds, Judgement, Target, keys, verify};

const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);
const HOUR_MS: u64 = 3_600_000;
/// Permits everything to everybody, so that the settings alone decide.
const ALL: &str = "@id(\"ours.all\")\npermit (principal, action, resource);\n";

fn bundle(settings: &str, policies: &str) -> Result<Bundle, BundleError> {
    let text = format!("name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n{settings}");
    let bundle = Bundle::from_texts(&text, policies)?;
    bundle.check()?;
    Ok(Bundle { version: BundleVersion(1), issued: NOW, ..bundle })
}

fn authority(settings: &str, policies: &str) -> Authority {
    let key = keys::generate([1; 32]);
    let bundle = bundle(settings, policies).unwrap_or_else(|error| panic!("{error}"));
    Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap()
}

fn action(word: &str, principal: Principal) -> Action {
    let kind = match word {
        "kill_tree" => ActionKind::KillTree { target: ProcessKey { boot: 1, pid: 4711, start_ticks: 2 } },
        "quarantine_file" => ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: None },
        _ => ActionKind::IsolateHost { scope: IsolationScope::Host },
    };
    let reason = Reason {
        principal,
        detection: None,
        rule: Some(RuleId("r".into())),
        severity: 5,
        incident: None,
        families: 2,
        drill: false,
        note: String::new(),
    };
    let (id, host) = (ActionId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    Action { id, host, kind, reason, requested: NOW, lease_ms: 0 }
}

fn on(host: &str) -> Target {
    Target { host: host.to_owned(), ..Target::default() }
}

fn said(judgement: Judgement) -> (Option<Action>, Grounds) {
    match judgement {
        Judgement::ActNow(action, grounds) => (Some(action.into_inner()), grounds),
        Judgement::Ask(_, grounds) | Judgement::OutOfScope(_, grounds) => (None, grounds),
    }
}

const MATRIX: &str = r#"
[autonomy]
out_of_scope = ["lab-*"]

[[autonomy.tiers]]
name = "vital"
hosts = ["db-*", "*.core"]
levels = { default = "approve", isolate_host = "observe", quarantine_file = "suggest" }

[[autonomy.tiers]]
name = "desk"
hosts = ["pc-*"]
levels = { kill_tree = "act_and_escalate", quarantine_file = "act_and_escalate", isolate_host = "approve" }
escalation = { ask = "the night shift", within_ms = 900_000, then = "act" }

[[autonomy.tiers]]
name = "other"
"#;

#[test]
fn each_action_goes_as_far_as_its_level_on_the_hosts_tier() {
    use Level::{Act, ActAndEscalate, Approve, Observe, Suggest};
    let mut authority = authority(MATRIX, ALL);
    for (host, word, verdict, level) in [
        ("db-1", "kill_tree", VerdictKind::Ask, Some(Approve)),
        ("DB-1", "quarantine_file", VerdictKind::OutOfScope, Some(Suggest)),
        ("x.core", "isolate_host", VerdictKind::OutOfScope, Some(Observe)),
        ("pc-1", "kill_tree", VerdictKind::ActNow, Some(ActAndEscalate)),
        ("pc-1", "isolate_host", VerdictKind::Ask, Some(Approve)),
        ("web-1", "isolate_host", VerdictKind::ActNow, Some(Act)),
        ("", "kill_tree", VerdictKind::ActNow, Some(Act)),
        ("lab-1", "kill_tree", VerdictKind::OutOfScope, Some(Act)),
    ] {
        for principal in [Principal::Agent, Principal::Coordinator] {
            let (_, grounds) = said(authority.judge(action(word, principal), &on(host), NOW));
            assert_eq!(
                (grounds.verdict, grounds.level),
                (verdict, level),
                "{word} on {host}: {:?}",
                grounds.decided_by
            );
        }
    }
    // People go on ordering, but for hosts that are out of scope.
    let anna = || Principal::Analyst { name: "anna".into() };
    let (_, grounds) = said(authority.judge(action("isolate_host", anna()), &on("db-1"), NOW));
    assert_eq!((grounds.verdict, grounds.level, grounds.escalation), (VerdictKind::ActNow, None, None));
    let (_, grounds) = said(authority.judge(action("isolate_host", anna()), &on("lab-1"), NOW));
    assert_eq!(grounds.decided_by, ["autonomy.out-of-scope"]);
}

#[test]
fn the_lowest_of_level_and_policy_counts() {
    let asks = "@id(\"ours.ask\")\n@verdict(\"ask\")\npermit (principal, action, resource);\n";
    let none = "@id(\"ours.none\")\nforbid (principal, action, resource);\n";
    for (policies, host, verdict, by) in [
        (ALL, "db-1", VerdictKind::Ask, "autonomy.vital.approve"),
        (asks, "web-1", VerdictKind::Ask, "ours.ask"),
        (asks, "db-1", VerdictKind::Ask, "ours.ask"),
        (none, "web-1", VerdictKind::OutOfScope, "ours.none"),
    ] {
        let (_, grounds) =
            said(authority(MATRIX, policies).judge(action("kill_tree", Principal::Agent), &on(host), NOW));
        assert_eq!((grounds.verdict, grounds.decided_by), (verdict, vec![by.to_owned()]));
    }
}

#[test]
fn approve_everything_counts_whatever_tiers_and_policies_say() {
    let settings = MATRIX.replace("[autonomy]", "[autonomy]\napprove_everything = true");
    let mut authority = authority(&settings, ALL);
    for word in ["kill_tree", "quarantine_file", "isolate_host"] {
        let (_, grounds) = said(authority.judge(action(word, Principal::Agent), &on("web-1"), NOW));
        assert_eq!(grounds.verdict, VerdictKind::Ask);
        assert_eq!(grounds.decided_by, ["autonomy.approve-everything"]);
    }
}

#[test]
fn what_nobody_answers_is_done_only_where_and_when_the_settings_say_so() {
    let mut authority = authority(MATRIX, ALL);
    let mut after = |host: &str, word: &str, ms: u64| {
        let asked = action(word, Principal::Agent);
        said(authority.judge_unanswered(asked, &on(host), ms, NOW.plus_millis(ms))).1.verdict
    };
    assert_eq!(after("pc-1", "isolate_host", 899_999), VerdictKind::Ask);
    assert_eq!(after("pc-1", "isolate_host", 900_000), VerdictKind::ActNow);
    assert_eq!(after("db-1", "kill_tree", 20 * HOUR_MS), VerdictKind::Ask);
    assert_eq!(after("db-1", "isolate_host", 20 * HOUR_MS), VerdictKind::OutOfScope);
}

/// Like `desk` in the matrix, by way of two more.
fn path() -> String {
    MATRIX.replace(
        "within_ms = 900_000, then = \"act\"",
        "within_ms = 900_000, then = \"act\", then_ask = [\n  { ask = \"the second line\", within_ms = 600_000 },\n  \
         { ask = \"the head of operations\", within_ms = 300_000 },\n]",
    )
}

#[test]
fn along_a_path_nothing_is_done_before_everybody_had_their_time() {
    let mut authority = authority(&path(), ALL);
    let mut after = |word: &str, ms: u64| {
        said(authority.judge_unanswered(action(word, Principal::Agent), &on("pc-1"), ms, NOW.plus_millis(ms))).1
    };
    for early in [900_000, 1_500_000, 1_799_999] {
        assert_eq!(after("isolate_host", early).verdict, VerdictKind::Ask);
    }
    assert_eq!(after("isolate_host", 1_800_000).verdict, VerdictKind::ActNow);
}

#[test]
fn what_is_done_and_escalated_along_a_path_holds_until_the_last_has_looked() {
    let mut authority = authority(&path(), ALL);
    let (done, grounds) = said(authority.judge(action("quarantine_file", Principal::Agent), &on("pc-1"), NOW));
    assert_eq!(done.unwrap().lease_ms, 1_800_000);
    let looks: Vec<&str> = grounds.decided_by.iter().filter_map(|by| by.strip_prefix("escalation: ")).collect();
    assert_eq!(
        looks,
        [
            "the night shift looks at it, within 900 s",
            "then the second line looks at it, within 600 s",
            "then the head of operations looks at it, within 300 s",
        ]
    );
}

#[test]
fn what_is_done_and_escalated_ends_when_nobody_orders_it_for_longer() {
    let mut authority = authority(MATRIX, ALL);
    let (killed, grounds) = said(authority.judge(action("kill_tree", Principal::Agent), &on("pc-1"), NOW));
    assert!(
        killed.is_some()
            && grounds.decided_by.contains(&"escalation: the night shift looks at it, within 900 s".into())
    );
    let (done, grounds) = said(authority.judge(action("quarantine_file", Principal::Agent), &on("pc-1"), NOW));
    assert_eq!(done.unwrap().lease_ms, 900_000);
    assert!(grounds.decided_by.iter().any(|by| by.contains("the night shift")), "{:?}", grounds.decided_by);
    assert_eq!(grounds.escalation.unwrap().then, Then::Act);
    let shorter = Action { lease_ms: 5, ..action("quarantine_file", Principal::Agent) };
    assert_eq!(said(authority.judge(shorter, &on("pc-1"), NOW)).0.unwrap().lease_ms, 5);
    let anna = Action { lease_ms: HOUR_MS, ..action("quarantine_file", Principal::Analyst { name: "anna".into() }) };
    assert_eq!(said(authority.judge(anna, &on("pc-1"), NOW)).0.unwrap().lease_ms, HOUR_MS);
}

#[test]
fn levels_are_stages_of_maturity_in_their_order() {
    let stages: Vec<(&str, u8)> = Level::ALL.iter().map(|level| (level.word(), level.stage())).collect();
    assert_eq!(stages, [("observe", 0), ("suggest", 1), ("approve", 2), ("act", 3), ("act_and_escalate", 4)]);
    assert!(Level::ALL.is_sorted());
}

/// The settings are refused with these words.
fn check(settings: &str, words: &str) {
    let error = bundle(settings, ALL).map(drop).unwrap_err().to_string();
    assert!(error.contains(words), "{words:?} is not in {error}");
}

#[test]
fn settings_that_nothing_would_honour_are_refused() {
    let tier = |rest: &str| format!("[[autonomy.tiers]]\nname = \"all\"\n{rest}");
    let escalation = |rest: &str| tier(&format!("levels = {{ default = \"approve\" }}\nescalation = {{ {rest} }}\n"));
    check(&tier("levels = { kill_three = \"act\" }"), "\"kill_three\" is no action");
    check(&tier("levels = { kill_tree = \"atc\" }"), "unknown variant `atc`");
    check(&tier("hosts = [\"a\"]"), "the last tier, \"all\", names hosts");
    check(&format!("{}\n{}", tier(""), tier("").replace("all", "rest")), "\"all\" names no host");
    check(&format!("{}\n{}", tier("hosts = [\"a\"]"), tier("")), "two tiers are called \"all\"");
    check(&tier("hosts = [\"\"]\n[[autonomy.tiers]]\nname = \"rest\""), "an empty pattern names no host");
    check(&tier("levels = { kill_tree = \"act_and_escalate\" }"), "no escalation says to whom");
    check(&tier("escalation = { ask = \"x\", within_ms = 60_000, then = \"act\" }"), "no level that asks");
    check(&escalation("ask = \" \", within_ms = 60_000, then = \"act\""), "says who is asked");
    check(&escalation("ask = \"x\", within_ms = 9_999, then = \"act\""), "9999 is not between 10000");
    check(&escalation("ask = \"x\", within_ms = 60_000, then = \"shout\""), "unknown variant `shout`");
    let further =
        |stages: &str| escalation(&format!("ask = \"x\", within_ms = 60_000, then = \"act\", then_ask = [{stages}]"));
    check(&further("{ ask = \"y\" }"), "missing field `within_ms`");
    check(&further("{ ask = \"\", within_ms = 60_000 }"), "escalation.then_ask[0].ask");
    check(&further("{ ask = \"y\", within_ms = 1 }"), "escalation.then_ask[0].within_ms");
    check(&further("{ ask = \"y\", within_ms = 86_400_000 }"), "take 86460000 ms together, at most 86400000");
    check(&further(&"{ ask = \"y\", within_ms = 60_000 },".repeat(8)), "the stages of an escalation: 9");
    check("[autonomy]\naprove_everything = true", "unknown field `aprove_everything`");
    let many: String =
        (0..17).map(|at| format!("[[autonomy.tiers]]\nname = \"t{at}\"\nhosts = [\"h{at}\"]\n")).collect();
    check(&many, "autonomy.tiers: 17");
}

#[test]
fn a_bundle_without_settings_of_autonomy_has_no_policies_of_it() {
    let plain = bundle("", ALL).unwrap();
    assert!(plain.autonomy.is_empty() && !plain.policies.contains("autonomy"), "{}", plain.policies);
    let json = String::from_utf8(plain.sign(&keys::generate([1; 32]))).unwrap();
    assert!(!json.contains("autonomy"), "older agents take it");
}
