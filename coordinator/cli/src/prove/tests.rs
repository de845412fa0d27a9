//! Every invariant with a bundle that breaks it, and the shipped bundles, which break none.

use picket_policy::{Bundle, Conservative, SHIPPED, shipped};

use super::*;

/// A bundle with these policies alone: none of Picket's own beneath them.
fn bare(policies: &str) -> Bundle {
    Bundle { policies: policies.to_owned(), ..shipped("standard").unwrap() }
}

fn violations(bundle: &Bundle) -> Vec<Violation> {
    prove(bundle).unwrap_or_else(|error| panic!("{error}")).violations
}

#[test]
fn the_shipped_bundles_keep_every_invariant() {
    for name in SHIPPED {
        let proof = prove(&shipped(name).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown: Vec<String> = proof.violations.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{name}:\n{}", shown.join("\n"));
        assert!(proof.invariants.len() >= 12, "{name}: {:?}", proof.invariants);
        assert!(proof.solver.starts_with(|c: char| c.is_ascii_digit()), "{}", proof.solver);
    }
}

/// One policy that breaks the invariant and nothing else of the kind, the line it stands at, and what the request must
/// show. Every other invariant that it breaks is its own affair.
fn check(invariant: &str, policy: &str, shows: &[(&str, &str)]) -> Violation {
    let found = violations(&bare(&format!("// A comment.\n\n@id(\"ours.bad\")\n{policy}\n")));
    let names: Vec<&str> = found.iter().map(|violation| violation.invariant).collect();
    let violation = found.into_iter().find(|violation| violation.invariant == invariant);
    let violation = violation.unwrap_or_else(|| panic!("{invariant} is not among {names:?}"));
    assert_eq!(violation.by, [("ours.bad".to_owned(), 3)], "{violation}");
    for (fact, value) in shows {
        let found = violation.facts.iter().find(|(name, _)| name == fact);
        assert_eq!(found.map(|(_, found)| found.as_str()), Some(*value), "{fact}: {violation}");
    }
    violation
}

#[test]
fn each_invariant_that_is_broken_is_shown_with_a_request_that_breaks_it() {
    let all = "permit (principal, action, resource);";
    let picket = "permit (principal is Picket::Agent, action, resource);";
    let first = check(
        "first-process",
        "permit (principal is Picket::Analyst, action, resource) when { context.pid == 1 };",
        &[("pid", "1")],
    );
    assert!(first.principal.starts_with("the analyst") && first.action == "kill_tree", "{first}");
    check("protected", all, &[("protected", "true")]);
    check("expiry", "permit (principal, action, resource) when { context.lease_ms == 0 };", &[("lease_ms", "0")]);
    check(
        "expiry",
        "permit (principal, action, resource) when { context.lease_ms > 2678400000 && context.lease_ms < 2678400002 };",
        &[("lease_ms", "2678400001")],
    );
    let drill = check("drill-spares-the-host", picket, &[("drill", "true"), ("scope", "\"host\"")]);
    assert_eq!((drill.principal.as_str(), drill.action.as_str()), ("the agent", "isolate_host"));
    check(
        "evidence",
        "permit (principal is Picket::Coordinator, action, resource) when { context.severity == 0 };",
        &[("severity", "0")],
    );
    let lone = "permit (principal is Picket::Coordinator, action == Picket::Action::\"isolate_host\", resource)\n\
                when { context.scope == \"host\" && context.families == 1 };";
    let lone = check("two-families", lone, &[("families", "1"), ("scope", "\"host\"")]);
    assert_eq!((lone.principal.as_str(), lone.what), ("the coordinator", "may be done at once"));
    check("budget", "permit (principal, action, resource) when { context.budget_left == 0 };", &[("budget_left", "0")]);
    let quorum = "permit (principal is Picket::Agent, action == Picket::Action::\"isolate_host\", resource)\n\
                  when { context.quorum_left == 0 };";
    check("quorum", quorum, &[("quorum_left", "0"), ("scope", "\"host\"")]);
    let lasting = "permit (principal is Picket::Agent, action == Picket::Action::\"end_sessions\", resource);";
    assert_eq!(check("lasting", lasting, &[("undoable", "false")]).action, "end_sessions");
    let spent = "permit (principal, action, resource) when { context.account_budget_left == 0 };";
    check("account-budget", spent, &[("account_budget_left", "0")]);
    for (invariant, fact) in [("freeze", "freeze_ms_left"), ("maintenance", "maintenance_ms_left")] {
        check(
            invariant,
            &format!("permit (principal, action, resource) when {{ context.{fact} == 1 }};"),
            &[(fact, "1")],
        );
    }
    check("halted", "permit (principal, action, resource) when { context.halted };", &[("halted", "true")]);
    check(
        "after-lease",
        "permit (principal is Picket::Agent, action, resource) when { context.conservative };",
        &[("conservative", "true")],
    );
}

#[test]
fn a_mode_that_permits_more_once_the_lease_is_over_is_found() {
    let acts = "permit (principal is Picket::Analyst, action, resource) when { context.conservative };";
    for invariant in ["after-lease-acts-less", "after-lease-asks-less"] {
        let found = check(invariant, acts, &[("conservative", "true")]);
        assert!(found.principal.starts_with("the analyst"), "{found}");
    }
    // Asking only: nothing more is done, but more is asked.
    let asks =
        "@verdict(\"ask\")\npermit (principal is Picket::Agent, action, resource) when { context.conservative };";
    let found = violations(&bare(&format!("@id(\"asks\")\n{asks}")));
    let names: Vec<&str> = found.iter().map(|violation| violation.invariant).collect();
    assert!(names.contains(&"after-lease-asks-less") && !names.contains(&"after-lease-acts-less"), "{names:?}");
}

#[test]
fn under_a_bundle_that_watches_after_its_lease_people_order_nothing_then() {
    let mut bundle = bare("@id(\"all\") permit (principal is Picket::Analyst, action, resource);");
    assert!(violations(&bundle).iter().all(|violation| violation.invariant != "after-lease"));
    bundle.conservative = Conservative::Watch;
    let found = violations(&bundle);
    let found = found.iter().find(|violation| violation.invariant == "after-lease").unwrap();
    assert!(found.principal.starts_with("the analyst"), "{found}");
}

#[test]
fn a_policy_that_may_fail_is_found_beneath_the_guards_too() {
    let text =
        "@id(\"ours.sum\")\npermit (principal, action, resource) when { context.severity + context.families > 4 };\n";
    let bundle = Bundle::from_texts(include_str!("../../../../common/policy/bundles/standard.toml"), text).unwrap();
    let found = violations(&bundle);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].invariant, found[0].by.as_slice()), ("never-fails", &[("ours.sum".to_owned(), 1)][..]));
}

/// The guards beneath a bundle hold whatever its author permits.
#[test]
fn a_bundle_that_permits_everything_keeps_the_invariants_by_its_guards() {
    let text = "@id(\"ours.all\")\npermit (principal, action, resource);\n";
    let bundle = Bundle::from_texts(include_str!("../../../../common/policy/bundles/standard.toml"), text).unwrap();
    let shown: Vec<String> = violations(&bundle).iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn a_policy_that_takes_the_context_as_a_whole_is_not_proved_by_guessing() {
    let text = "@id(\"whole\")\npermit (principal, action, resource) when { context == context };";
    match prove(&bare(text)) {
        Err(ProveError::Policy { id, line: 1, reason }) => assert!(id == "whole" && reason.contains("as a whole")),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was proved"),
    }
}

const MATRIX: &str = r#"
name = "ours"
lease_ms = 86_400_000
conservative = "ask"

[autonomy]
approve_everything = false
out_of_scope = ["lab-*"]

[[autonomy.tiers]]
name = "vital"
hosts = ["db-*"]
levels = { default = "approve", isolate_host = "observe", quarantine_file = "suggest" }
escalation = { ask = "the night shift", within_ms = 900_000, then = "act" }

[[autonomy.tiers]]
name = "other"
levels = { quarantine_file = "act_and_escalate" }
escalation = { ask = "the day shift", within_ms = 600_000, then = "wait" }
"#;

/// The matrix with a second stage in both paths.
fn longer() -> String {
    MATRIX.replace("then = ", "then_ask = [{ ask = \"the head of operations\", within_ms = 300_000 }], then = ")
}

#[test]
fn the_matrix_of_a_bundle_is_kept_whatever_its_author_permits() {
    let text = "@id(\"ours.all\")\npermit (principal, action, resource);\n";
    for settings in [MATRIX.to_owned(), MATRIX.replace("= false", "= true"), longer()] {
        let bundle = Bundle::from_texts(&settings, text).unwrap();
        let proof = prove(&bundle).unwrap_or_else(|error| panic!("{error}"));
        let shown: Vec<String> = proof.violations.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        let names: Vec<&str> = proof.invariants.iter().map(|(id, _)| *id).collect();
        assert!(names.contains(&"autonomy") && names.contains(&"out-of-scope"), "{names:?}");
        assert_eq!(names.contains(&"approve-everything"), settings.contains("everything = true"));
    }
}

/// The settings promise it, and policies that were signed without what the settings come to do not keep it.
#[test]
fn a_matrix_that_the_policies_do_not_keep_is_found() {
    let settings = Bundle::from_texts(&MATRIX.replace("= false", "= true"), "").unwrap();
    let broken = |policies: &str, invariant: &str| {
        let bundle = Bundle { policies: policies.to_owned(), ..settings.clone() };
        let found = violations(&bundle).into_iter().find(|violation| violation.invariant == invariant);
        found.unwrap_or_else(|| panic!("{invariant} holds"))
    };
    let all = "@id(\"all\")\npermit (principal, action, resource);";
    assert!(broken(all, "out-of-scope").facts.contains(&("out_of_scope", "true".to_owned())));
    assert_eq!(broken(all, "approve-everything").what, "may be done at once");
    let early = "@id(\"early\")\npermit (principal is Picket::Agent, action == Picket::Action::\"kill_tree\", resource)\n\
                 when { context.tier == \"vital\" && context.waited_ms == 899999 };";
    let early = broken(early, "autonomy");
    assert!(early.facts.contains(&("tier", "\"vital\"".to_owned())), "{early}");
    let long = "@id(\"long\")\npermit (principal is Picket::Coordinator, action == Picket::Action::\"quarantine_file\", resource)\n\
                when { context.tier == \"other\" && context.lease_ms == 600001 };";
    assert!(broken(long, "autonomy").principal.contains("coordinator"));
    let asks = "@id(\"asks\")\n@verdict(\"ask\")\npermit (principal is Picket::Agent, action == Picket::Action::\"isolate_host\", resource)\n\
                when { context.tier == \"vital\" };";
    assert_eq!(broken(asks, "autonomy").what, "may be done or asked for");
}

/// A promise of two stages is not kept by policies that wait for the first alone.
#[test]
fn policies_that_cut_a_path_short_are_found() {
    let text = "@id(\"ours.all\")\npermit (principal, action, resource);\n";
    let broken = |before: &str, after: &str| {
        let promised = Bundle::from_texts(&longer(), text).unwrap();
        assert!(promised.policies.contains(after), "{}", promised.policies);
        let policies = promised.policies.replace(after, before);
        violations(&Bundle { policies, ..promised }).into_iter().find(|one| one.invariant == "autonomy").unwrap()
    };
    let early = broken("context.waited_ms < 900000", "context.waited_ms < 1200000");
    assert!(early.facts.contains(&("tier", "\"vital\"".to_owned())), "{early}");
    let long = broken("context.lease_ms > 900001", "context.lease_ms > 900000");
    assert!(long.facts.contains(&("tier", "\"other\"".to_owned())), "{long}");
}
