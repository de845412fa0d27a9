//! Owns: policies and questions by chance, for which slices and gates must not change an answer.
//! Never: single policies; those are the other tests.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision, Effect, Entities, Policy};
use proptest::prelude::*;
use proptest::sample::select;

use picket_model::{ActionKind, HostId, Nature, Principal};

use super::slice::asks;
use super::*;

/// A condition: comparisons that gates understand, some they do not, and some that fail while they run.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (select(vec!["==", "!=", "<", "<=", ">", ">="]), -1..6_i64)
            .prop_map(|(order, limit)| format!("context.severity {order} {limit}")),
        (select(vec!["==", "<", "<=", ">", ">="]), 0..3_i64)
            .prop_map(|(order, limit)| format!("{limit} {order} context.families")),
        (select(vec!["rule", "scope", "exe", "path"]), select(TEXTS.to_vec()))
            .prop_map(|(fact, text)| format!("context.{fact} == {text:?}")),
        (select(vec!["rule", "exe"]), select(TEXTS.to_vec()), select(TEXTS.to_vec()))
            .prop_map(|(fact, one, other)| format!("[{one:?}, {other:?}].contains(context.{fact})")),
        (
            select(vec!["exe", "path", "rule"]),
            select(vec!["/opt*", "*", "*/x", "/*t/*x", "/opt/x*", "*h*t", "a*", "/opt/x"])
        )
            .prop_map(|(fact, pattern)| format!("context.{fact} like {pattern:?}")),
        select(vec![
            "context.drill",
            "context.conservative == false",
            "true == context.drill",
            "principal is Picket::Agent",
            "principal is Picket::Analyst",
            "principal == Picket::Analyst::\"anna\"",
            "resource == Picket::Host::\"01010101-0101-0101-0101-010101010101\"",
            "(if context.drill then context.severity > 2 else true)",
            "context.severity + 9223372036854775806 > 0",
            "context.families * 9223372036854775807 < 5",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) && ({other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) || ({other})")),
            inner.prop_map(|one| format!("!({one})")),
        ]
    })
}

const TEXTS: [&str; 5] = ["", "/opt/x", "host", "namespace", "r"];
const SCOPES: [&str; 3] = ["", "host", "namespace"];

prop_compose! {
    fn policy()(
        effect in select(vec!["permit", "permit", "forbid"]),
        asks in any::<bool>(),
        principal in select(vec!["principal", "principal is Picket::Agent", "principal == Picket::Analyst::\"anna\""]),
        action in select(vec![
            "action",
            "action == Picket::Action::\"kill_tree\"",
            "action in [Picket::Action::\"kill_tree\", Picket::Action::\"isolate_host\"]",
        ]),
        resource in select(vec!["resource", "resource == Picket::Host::\"01010101-0101-0101-0101-010101010101\""]),
        clauses in prop::collection::vec((select(vec!["when", "unless"]), condition()), 0..3),
    ) -> String {
        let verdict = if asks { "@verdict(\"ask\") " } else { "" };
        let clauses: String = clauses.iter().map(|(kind, body)| format!(" {kind} {{ {body} }}")).collect();
        format!("{verdict}{effect} ({principal}, {action}, {resource}){clauses};")
    }
}

fn asked<'a>(principal: &'a Principal, word: &str, facts: (i64, i64, bool, bool, usize)) -> Question<'a> {
    let (severity, families, drill, conservative, text) = facts;
    Question {
        principal,
        action: ActionKind::ALL.into_iter().find(|nature: &Nature| nature.word == word).unwrap(),
        host: HostId::from_bytes([u8::from(!drill); 16]),
        severity,
        families,
        drill,
        rule: TEXTS[text % 5],
        conservative,
        scope: SCOPES[text % 3],
        path: TEXTS[(text / 5) % 5],
        exe: TEXTS[(text / 3) % 5],
        subject: "",
        pid: severity,
        protected: conservative,
        lease_ms: families,
        budget_left: severity,
        account: TEXTS[(text / 2) % 5],
        account_budget_left: families,
        halted: drill,
        tier: TEXTS[text % 5],
        out_of_scope: conservative,
        waited_ms: severity,
        quorum_left: severity,
        freeze_ms_left: families,
        maintenance_ms_left: severity,
    }
}

/// What the documentation says of a bundle: everything evaluated, and then who wins.
fn by_definition(compiled: &Policies, set: &PolicySet, question: &Question<'_>) -> &'static str {
    let request = compiled.0.names.request(question, &compiled.0.schema).unwrap();
    let allowed = |counts: &dyn Fn(&Policy) -> bool| -> Result<bool, ()> {
        let counted = PolicySet::from_policies(set.policies().filter(|policy| counts(policy)).cloned()).unwrap();
        let response = Authorizer::new().is_authorized(&request, &counted, &Entities::empty());
        let failed = response.diagnostics().errors().next().is_some();
        if failed { Err(()) } else { Ok(response.decision() == Decision::Allow) }
    };
    // Whoever may be asked for: permits of both kinds, against what forbids both.
    match allowed(&|policy| policy.effect() == Effect::Permit || !asks(policy)) {
        Err(()) | Ok(false) => "deny",
        Ok(true) => match allowed(&|policy| policy.effect() == Effect::Forbid || !asks(policy)) {
            Ok(true) => "act",
            Ok(false) => "ask",
            // Permits and hard forbids were sound above, so it is a forbid of acting that failed.
            Err(()) => "act refused",
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn slices_and_gates_never_change_an_answer(
        policies in prop::collection::vec(policy(), 1..10),
        questions in prop::collection::vec(
            (0..3_usize, any::<bool>(), (0..6_i64, 0..3_i64, any::<bool>(), any::<bool>(), 0..25_usize)), 6),
    ) {
        let text: String = policies.iter().enumerate().map(|(at, policy)| format!("@id(\"p{at}\") {policy}\n")).collect();
        // Chance also makes policies that can never apply, which are refused before they are sliced.
        let Ok(compiled) = Policies::compile(&text) else { return Ok(()) };
        let set = PolicySet::from_str(&text).unwrap();
        let people = [Principal::Agent, Principal::Coordinator, Principal::Analyst { name: "anna".into() }];
        for (who, kill, facts) in questions {
            let question = asked(&people[who], if kill { "kill_tree" } else { "isolate_host" }, facts);
            let (found, by) = match compiled.evaluate(&question) {
                Opinion::Act(by) => ("act", by),
                Opinion::Ask(by) => ("ask", by),
                Opinion::Deny(by) => ("deny", by),
            };
            let wanted = by_definition(&compiled, &set, &question);
            if wanted == "act refused" {
                // Acting would be wrong; asking stands where no policy permits acting at all.
                prop_assert!(found != "act", "{text}");
            } else {
                prop_assert_eq!(found, wanted, "{}", text);
            }
            prop_assert!(!by.is_empty());
            prop_assert_eq!(by.iter().collect::<BTreeSet<_>>().len(), by.len());
        }
    }
}
