use picket_model::{HostId, Principal};

use super::*;

fn faults_of(text: &str) -> Vec<PolicyError> {
    Policies::compile(text).unwrap_err()
}

/// The first fault: where it is, and a word of its reason.
fn check(text: &str, line: usize, column: usize, word: &str) {
    let faults = faults_of(text);
    let found = faults.iter().find(|fault| fault.reason.contains(word));
    let fault = found.unwrap_or_else(|| panic!("no fault says {word:?}: {faults:#?}"));
    assert_eq!((fault.line, fault.column), (line, column), "{fault}");
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    check(
        "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.severity >= };\n",
        3,
        28,
        "unexpected token",
    );
}

#[test]
fn a_misspelt_attribute_is_an_error_where_it_stands() {
    check(
        "@id(\"ok\")\npermit (principal, action, resource);\n\n@id(\"é\")\npermit (principal, action, resource) when { context.severty >= 4 };\n",
        5,
        45,
        "severty",
    );
}

#[test]
fn a_misspelt_action_type_or_kind_is_an_error() {
    let action = "@id(\"a\")\npermit (principal, action == Picket::Action::\"kill_three\", resource);";
    assert!(faults_of(action).iter().any(|fault| fault.line == 2 && fault.reason.starts_with("unrecognized action")));
    let kind = "@id(\"a\")\npermit (principal is Picket::Angent, action, resource);";
    assert!(faults_of(kind).iter().any(|fault| fault.line == 2 && fault.reason.contains("Angent")));
    let compared = "@id(\"a\")\npermit (principal, action, resource) when { context.severity == \"high\" };";
    assert!(faults_of(compared).iter().any(|fault| fault.line == 2));
}

#[test]
fn a_misspelt_verdict_never_turns_asking_into_acting() {
    check("@id(\"a\")\n@verdct(\"ask\")\npermit (principal, action, resource);", 1, 1, "@verdct");
    check("@id(\"a\")\n@verdict(\"aks\")\npermit (principal, action, resource);", 1, 1, "aks");
    check("@id(\"a\")\n@verdict(\"aks\")\nforbid (principal, action, resource);", 1, 1, "aks");
}

#[test]
fn every_policy_has_a_name_of_its_own() {
    check("// first\npermit (principal, action, resource);", 2, 1, "no name");
    check(
        "@id(\"a\")\npermit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource) when { context.drill };",
        3,
        1,
        "lines 1 and 3",
    );
}

#[test]
fn a_policy_that_can_never_apply_is_an_error() {
    assert!(Policies::compile("@id(\"a\")\npermit (principal, action, resource) when { false };").is_err());
}

#[test]
fn all_faults_come_at_once() {
    let text = "@id(\"a\")\npermit (principal, action, resource) when { context.x };\n@id(\"b\")\npermit (principal, action, resource) when { context.y };";
    let lines: Vec<usize> = faults_of(text).iter().map(|fault| fault.line).collect();
    assert!(lines.contains(&2) && lines.contains(&4), "{lines:?}");
}

fn question(principal: &Principal) -> Question<'_> {
    Question {
        principal,
        action: picket_model::ActionKind::ALL[0],
        host: HostId::from_bytes([1; 16]),
        severity: 4,
        families: 1,
        drill: false,
        rule: "",
        conservative: false,
        scope: "",
        path: "",
        exe: "",
        subject: "",
        pid: 4711,
        protected: false,
        lease_ms: 1,
        budget_left: 1,
        account: "",
        account_budget_left: 1,
        halted: false,
        tier: "",
        out_of_scope: false,
        waited_ms: 0,
        quorum_left: 1,
        freeze_ms_left: 0,
        maintenance_ms_left: 0,
    }
}

#[test]
fn a_policy_may_speak_of_every_kind_of_action_and_of_what_it_is_by_nature() {
    let agent = Principal::Agent;
    for nature in picket_model::ActionKind::ALL {
        let (word, radius) = (nature.word, nature.radius.word());
        let by = if nature.undoable { "context.undoable" } else { "!context.undoable" };
        let policies = Policies::compile(&format!(
            "@id(\"one\") permit (principal, action == Picket::Action::\"{word}\", resource)\n\
             when {{ context.radius == \"{radius}\" && {by} && context.subject == \"\" }};"
        ));
        let asked = Question { action: nature, ..question(&agent) };
        assert_eq!(policies.unwrap().evaluate(&asked), Opinion::Act(vec!["one".into()]), "{word}");
    }
}

#[test]
fn the_evaluation_says_which_policies_decided() {
    let policies = Policies::compile(
        "@id(\"act\") permit (principal is Picket::Agent, action, resource) when { context.severity >= 4 };\n\
         @id(\"ask\") @verdict(\"ask\") permit (principal is Picket::Agent, action, resource);\n\
         @id(\"no\") forbid (principal, action, resource) when { context.exe == \"/usr/sbin/sshd\" };",
    )
    .unwrap();
    let agent = Principal::Agent;
    assert_eq!(policies.evaluate(&question(&agent)), Opinion::Act(vec!["act".into()]));
    assert_eq!(policies.evaluate(&Question { severity: 3, ..question(&agent) }), Opinion::Ask(vec!["ask".into()]));
    let sshd = Question { exe: "/usr/sbin/sshd", ..question(&agent) };
    assert_eq!(policies.evaluate(&sshd), Opinion::Deny(vec!["no".into()]));
    let stranger = Principal::Coordinator;
    assert_eq!(policies.evaluate(&question(&stranger)), Opinion::Deny(vec!["default: no policy permits it".into()]));
}

#[test]
fn a_policy_that_fails_while_it_runs_refuses() {
    let policies = Policies::compile(
        "@id(\"all\") permit (principal, action, resource);\n\
         @id(\"no\") forbid (principal, action, resource) when { context.severity + 9223372036854775807 > 0 };",
    )
    .unwrap();
    let Opinion::Deny(by) = policies.evaluate(&question(&Principal::Agent)) else { panic!("an error permitted") };
    assert!(by[0].starts_with("error:"), "{by:?}");
}

#[test]
fn a_persons_name_is_never_read_as_cedar() {
    let policies =
        Policies::compile("@id(\"anna\") permit (principal == Picket::Analyst::\"anna\", action, resource);").unwrap();
    for name in ["anna\" || true", "anna\n", "\"", "Anna"] {
        let principal = Principal::Analyst { name: name.into() };
        assert!(matches!(policies.evaluate(&question(&principal)), Opinion::Deny(_)), "{name:?}");
    }
    let anna = Principal::Analyst { name: "anna".into() };
    assert_eq!(policies.evaluate(&question(&anna)), Opinion::Act(vec!["anna".into()]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Policies::compile(&text);
    }
}
