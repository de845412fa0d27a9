//! Owns: what one decision costs under a bundle of 500 policies, beside the same policies evaluated as one set.
//! Never: what is done with it.

use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request, RestrictedExpression};
use nix::time::{ClockId, clock_gettime};
use picket_model::{
    Action, ActionId, ActionKind, BundleVersion, HostId, IsolationScope, Principal, ProcessKey, Reason, RuleId, Sha256,
    Timestamp,
};
use picket_policy::{Authority, Bundle, Judgement, Target, keys, verify};

use crate::numbers::percentile;

const SETTINGS: &str = "name = \"bench\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n";
const POLICIES: usize = 500;
const ROUNDS: usize = 7;
const DECISIONS: usize = 2_000;
const ACTIONS: [&str; 4] = ["kill_tree", "quarantine_file", "deny_execution", "isolate_host"];

/// Rules of a large estate: each allows one action for one detection rule, program or folder from some severity on;
/// every tenth forbids.
fn policies() -> String {
    (0..POLICIES)
        .map(|at| {
            let action = ACTIONS[at % ACTIONS.len()];
            let verdict = if at.is_multiple_of(3) { "@verdict(\"ask\") " } else { "" };
            let effect = if at % 10 == 9 { "forbid" } else { "permit" };
            let subject = match at / ACTIONS.len() % 4 {
                0 => format!("context.rule == \"rule-{at}\""),
                1 => format!("[\"rule-{at}\", \"rule-{}\"].contains(context.rule)", at + 1),
                2 => format!("context.exe like \"/opt/service-{at}/*\""),
                _ => format!("context.exe == \"/opt/service-{at}/bin/worker\""),
            };
            format!(
                "@id(\"p{at}\") {verdict}{effect} (principal, action == Picket::Action::\"{action}\", resource)\n\
                 when {{ (principal is Picket::Agent || principal is Picket::Coordinator) && \
                 context.severity >= {} && context.families >= {} && {subject} }};\n",
                1 + at % 5,
                1 + at % 2,
            )
        })
        .collect()
}

fn kind(turn: usize) -> ActionKind {
    match turn % 4 {
        0 => ActionKind::KillTree { target: ProcessKey { boot: 1, pid: 4711, start_ticks: 2 } },
        1 => ActionKind::QuarantineFile { path: format!("/tmp/{turn}"), sha256: None },
        2 => ActionKind::DenyExecution { sha256: Sha256([1; 32]), within: None },
        _ => ActionKind::IsolateHost { scope: IsolationScope::Host },
    }
}

fn question(turn: usize) -> (Action, Target) {
    let reason = Reason {
        principal: if turn.is_multiple_of(5) { Principal::Analyst { name: "anna".into() } } else { Principal::Agent },
        detection: None,
        rule: Some(RuleId(format!("rule-{}", turn % POLICIES))),
        severity: (1 + turn % 5) as i64,
        incident: None,
        families: (turn % 3) as u32,
        drill: false,
        note: String::new(),
    };
    let action = Action {
        id: ActionId::from_bytes([1; 16]),
        // Another host each time, so that no budget is spent.
        host: HostId::from_bytes((turn as u128).to_be_bytes()),
        kind: kind(turn),
        reason,
        requested: Timestamp(0),
        lease_ms: 0,
    };
    let exe = format!("/opt/service-{}/bin/worker", (turn * 7) % POLICIES);
    (action, Target { pid: Some(4711), exe, ..Target::default() })
}

fn unsliced(action: &Action, target: &Target) -> Request {
    let who = match action.reason.principal {
        Principal::Agent => r#"Picket::Agent::"self""#,
        _ => r#"Picket::Analyst::"anna""#,
    };
    let uid = |text: &str| EntityUid::from_str(text).unwrap();
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let rule = action.reason.rule.as_ref().map_or("", |rule| rule.0.as_str());
    let context = Context::from_pairs([
        ("severity".to_owned(), RestrictedExpression::new_long(action.reason.severity)),
        ("families".to_owned(), RestrictedExpression::new_long(i64::from(action.reason.families))),
        ("rule".to_owned(), text(rule)),
        ("exe".to_owned(), text(&target.exe)),
    ]);
    let named = format!("Picket::Action::\"{}\"", action.kind.word());
    Request::new(uid(who), uid(&named), uid("Picket::Host::\"x\""), context.unwrap(), None).unwrap()
}

pub fn run() {
    let text = policies();
    let whole = PolicySet::from_str(&text).unwrap();
    let key = keys::generate([1; 32]);
    let bundle = Bundle {
        version: BundleVersion(1),
        issued: Timestamp(1_000_000_000_000_000_000),
        // With the guards that Picket writes beneath.
        ..Bundle::from_texts(SETTINGS, &text).unwrap()
    };
    let compiling = Instant::now();
    let mut authority = Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap();
    println!("{POLICIES} policies checked and compiled in {} ms", compiling.elapsed().as_millis());
    let asked: Vec<(Action, Target)> = (0..DECISIONS).map(question).collect();
    let requests: Vec<Request> = asked.iter().map(|(action, target)| unsliced(action, target)).collect();
    let (mut sliced, mut one_set) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sliced.extend(decided(&mut authority, &asked, bundle.issued));
        one_set.extend(requests.iter().map(|request| {
            let started = thread_ns();
            black_box(Authorizer::new().is_authorized(request, &whole, &Entities::empty()));
            thread_ns() - started
        }));
    }
    print("whole decisions, sliced", &mut sliced);
    print("the policies as one set, requests made before", &mut one_set);
}

fn decided(authority: &mut Authority, asked: &[(Action, Target)], now: Timestamp) -> Vec<u64> {
    let questions = asked.to_vec();
    let mut acted = 0;
    let times = questions
        .into_iter()
        .map(|(action, target)| {
            let started = thread_ns();
            let judgement = black_box(authority.judge(action, &target, now));
            let took = thread_ns() - started;
            acted += usize::from(matches!(judgement, Judgement::ActNow(..)));
            took
        })
        .collect();
    assert!(acted > 0 && acted < asked.len(), "the questions are of all kinds: {acted} acted on");
    times
}

/// Processor time of this thread: others on the machine cost it nothing.
fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

fn print(what: &str, times: &mut [u64]) {
    let micros = |nanos: u64| nanos as f64 / 1000.0;
    let (median, tail) = (micros(percentile(times, 50)), micros(percentile(times, 99)));
    println!("{what}: median {median:.1} us, 99th percentile {tail:.1} us, of {} decisions", times.len());
}
