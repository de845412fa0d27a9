//! Owns: who the canaries are, what of them counts, and what the gate makes of it.
//! Never: a coordinator or a host.

use picket_model::{
    Action, ActionId, ActionKind, ActionReport, ActionState, Asked, BundleVersion, HostId, Principal, Reason, Record,
    Timestamp, VerdictKind,
};
use picket_policy::Group;
use proptest::prelude::*;

use super::*;

const CANDIDATE: BundleVersion = BundleVersion(7);
const BEGUN: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const MINUTE_MS: u64 = 60_000;
/// Long before anything here.
const STARTED: Timestamp = Timestamp(0);

fn host(number: u8) -> HostId {
    HostId::from_bytes([number; 16])
}

fn estate(connected: &[bool]) -> Vec<Enrolled> {
    let one = |(number, connected): (usize, &bool)| {
        let number = u8::try_from(number).unwrap();
        Enrolled { id: host(number), name: format!("web-{number}"), connected: *connected }
    };
    connected.iter().enumerate().map(one).collect()
}

proptest! {
    #[test]
    fn a_share_is_of_all_hosts_at_least_one_and_among_those_that_are_there(
        connected in prop::collection::vec(any::<bool>(), 1..120),
        share in 1_usize..=100,
    ) {
        let estate = estate(&connected);
        let here = connected.iter().filter(|connected| **connected).count();
        let chosen = choose(&format!("{share}%"), &estate, &[]);
        if here == 0 {
            prop_assert!(chosen.unwrap_err().contains("connected"));
            return Ok(());
        }
        let chosen = chosen.unwrap();
        prop_assert_eq!(chosen.len(), (estate.len() * share).div_ceil(100).max(1).min(here));
        prop_assert!(chosen.iter().all(|id| estate.iter().any(|host| host.id == *id && host.connected)));
        // Neither the order of hosts nor another time changes it, and a larger share holds the smaller.
        let mut turned = estate;
        turned.reverse();
        prop_assert_eq!(&choose(&format!("{share}%"), &turned, &[]).unwrap(), &chosen);
        let all = choose("100%", &turned, &[]).unwrap();
        let more = choose(&format!("{}%", (share + 10).min(100)), &turned, &[]).unwrap();
        prop_assert!(chosen.iter().all(|id| more.contains(id) && all.contains(id)));
    }

    #[test]
    fn a_canary_that_alerts_as_before_passes_and_one_that_does_far_more_does_not(
        before in 0_u64..2_000, minutes in 1_u64..600, more in 1_u64..1_000,
    ) {
        let mut rollout = rollout(&[1], minutes * MINUTE_MS);
        rollout.canaries[0].before.alerts = before;
        let span_ms = minutes * MINUTE_MS;
        let usual = before * minutes / 30;
        let floor = 20 * (1 + minutes / 15);
        let verdict = |alerts: u64| {
            judge_one(&rollout, Figures { alerts, ..Figures::default() }, BEGUN.plus_millis(span_ms))
        };
        let is_pass = matches!(verdict(usual), Verdict::Pass(_));
        prop_assert!(is_pass);
        let is_fail = matches!(verdict((usual + 1) * 3 + floor + more), Verdict::Fail(_));
        prop_assert!(is_fail);
        let is_floor = matches!(verdict(floor), Verdict::Pass(_));
        prop_assert!(is_floor, "what stays below the floor is borne");
    }
}

#[test]
fn canaries_are_named_by_name_pattern_id_or_group() {
    let mut estate = estate(&[true; 12]);
    estate[11].name = "db-1".into();
    let chosen = |words: &str, groups: &[Group]| choose(words, &estate, groups);
    assert_eq!(chosen("web-1, db-*", &[]).unwrap(), [host(1), host(11)]);
    assert_eq!(chosen("web-3,web-3", &[]).unwrap(), [host(3)]);
    assert_eq!(chosen(&host(4).to_string(), &[]).unwrap(), [host(4)]);
    let group = Group { name: "db".into(), hosts: vec!["db-*".into()], keep: 1 };
    assert_eq!(chosen("group:db", std::slice::from_ref(&group)).unwrap(), [host(11)]);
    for (words, complaint) in [
        ("web-1,web-77", "no enrolled host is called \"web-77\""),
        ("group:mail", "no group \"mail\"; its groups (`quorum`): db"),
        ("0%", "from 1 to 100"),
        ("101%", "from 1 to 100"),
        ("a few%", "from 1 to 100"),
        ("", "--canary takes"),
        (",", "--canary takes"),
    ] {
        let error = chosen(words, std::slice::from_ref(&group)).unwrap_err();
        assert!(error.contains(complaint), "{words}: {error}");
    }
    let away = [Enrolled { id: host(1), name: "web-1".into(), connected: false }];
    assert!(choose("web-1", &away, &[]).unwrap_err().contains("no host of \"web-1\" is connected"));
}

fn rollout(canaries: &[u8], watch_ms: u64) -> Rollout {
    let before = Before { span_ms: 30 * MINUTE_MS, alerts: 0, actions: 0, cpu_permille: Some(10) };
    let canary = |number: &u8| Canary {
        host: host(*number),
        before,
        taken: Some(BEGUN),
        refused: None,
        figures: Figures::default(),
    };
    Rollout {
        name: "standard".into(),
        version: CANDIDATE,
        back: BundleVersion(8),
        by: "alice".into(),
        canary: "10%".into(),
        of: 10,
        begun: BEGUN,
        until: BEGUN.plus_millis(watch_ms),
        canaries: canaries.iter().map(canary).collect(),
        stage: Stage::Watching,
    }
}

fn seen(canary: &Canary) -> Seen<'_> {
    Seen { canary, name: "web-1".into(), connected: true, holds: Some(CANDIDATE), figures: Figures::default() }
}

fn judge_one(rollout: &Rollout, figures: Figures, now: Timestamp) -> Verdict {
    let one = Seen { figures, ..seen(&rollout.canaries[0]) };
    judge(rollout, &[one], &Limits::default(), STARTED, now)
}

fn fails(verdict: Verdict, words: &str) {
    let Verdict::Fail(why) = verdict else { panic!("{verdict:?}, not because of {words}") };
    assert!(why.contains(words), "{why}");
}

#[test]
fn each_figure_ends_the_watch_at_once_and_says_which() {
    let rollout = rollout(&[1], 15 * MINUTE_MS);
    let soon = BEGUN.plus_millis(40_000);
    let fault = |figures: Figures, words: &str| fails(judge_one(&rollout, figures, soon), words);
    assert_eq!(judge_one(&rollout, Figures { alerts: 20, actions: 5, ..Figures::default() }, soon), Verdict::Watch);
    fault(
        Figures { alerts: 21, ..Figures::default() },
        "web-1: 21 alerts in 40 s with it, at most 20 are borne; 0 in the 30 min before",
    );
    fault(Figures { actions: 6, ..Figures::default() }, "6 autonomous actions");
    fault(Figures { ended: 2, ..Figures::default() }, "the agent of web-1 ended 2 times without being asked to");
    fault(
        Figures { cpu_permille: Some(412), ..Figures::default() },
        "takes 41.2 % of a core with it, at most 20.0 % are borne; 1.0 % before",
    );
    let mut refused = rollout.clone();
    refused.canaries[0].refused = Some("1 of its rules do not compile".into());
    refused.canaries[0].taken = None;
    fails(judge_one(&refused, Figures::default(), soon), "web-1 refused it: 1 of its rules do not compile");
}

#[test]
fn what_a_busy_host_does_anyway_is_no_fault() {
    let mut rollout = rollout(&[1], 60 * MINUTE_MS);
    rollout.canaries[0].before = Before { span_ms: 30 * MINUTE_MS, alerts: 900, actions: 30, cpu_permille: Some(200) };
    let end = BEGUN.plus_millis(30 * MINUTE_MS);
    let busy = Figures { alerts: 2_700, actions: 90, cpu_permille: Some(600), ..Figures::default() };
    assert_eq!(judge_one(&rollout, busy, end), Verdict::Watch);
    fails(judge_one(&rollout, Figures { alerts: 2_701, ..busy }, end), "at most 2700");
    fails(judge_one(&rollout, Figures { actions: 91, ..busy }, end), "at most 90");
    fails(judge_one(&rollout, Figures { cpu_permille: Some(601), ..busy }, end), "at most 60.0 %");
}

#[test]
fn nothing_passes_on_what_nobody_saw() {
    let mut rollout = rollout(&[1, 2], MINUTE_MS);
    rollout.canaries[1].taken = None;
    let end = rollout.until;
    let verdict = |rollout: &Rollout, change: fn(&mut [Seen<'_>]), started: Timestamp| {
        let mut seen: Vec<Seen<'_>> = rollout.canaries.iter().map(seen).collect();
        change(&mut seen);
        judge(rollout, &seen, &Limits::default(), started, end)
    };
    let away = |seen: &mut [Seen<'_>]| (seen[1].connected, seen[1].holds) = (false, Some(BundleVersion(6)));
    assert!(
        matches!(verdict(&rollout, away, STARTED), Verdict::Pass(why) if why.starts_with("1 of 2 canaries took it"))
    );
    let older = |seen: &mut [Seen<'_>]| seen[1].holds = Some(BundleVersion(6));
    fails(verdict(&rollout, older, STARTED), "does not go by it, but by version 6");
    let silent = |seen: &mut [Seen<'_>]| seen[0].connected = false;
    fails(verdict(&rollout, silent, STARTED), "took it and is silent");
    // The coordinator itself was away a moment ago.
    assert_eq!(verdict(&rollout, silent, BEGUN.plus_millis(MINUTE_MS / 2)), Verdict::Watch);
    rollout.canaries[0].taken = None;
    fails(verdict(&rollout, away, STARTED), "no canary has taken it");
    fails(judge(&rollout, &[], &Limits::default(), STARTED, end), "no canary has taken it");
}

#[test]
fn a_crash_is_a_start_that_no_stop_came_before_and_acts_count_under_the_new_bundle_alone() {
    let mut tally = Tally::default();
    for told in [Told::Stopped, Told::Started, Told::Started, Told::Stopped, Told::Started, Told::Started] {
        tally.told(told, CANDIDATE);
    }
    assert_eq!(tally.figures.ended, 2);
    tally.told(Told::Action(BundleVersion(6)), CANDIDATE);
    tally.told(Told::Action(CANDIDATE), CANDIDATE);
    tally.told(Told::Alert, CANDIDATE);
    assert_eq!((tally.figures.actions, tally.figures.alerts), (1, 1));
}

#[test]
fn a_refusal_counts_against_the_bundle_that_it_names() {
    let rollout = rollout(&[1], 60 * MINUTE_MS);
    let refused = |version: u64| rollout.is_refused_by(version, Some(BundleVersion(5)));
    assert!(refused(CANDIDATE.0));
    assert!(refused(0), "what nobody can name is the one on its way");
    assert!(refused(5), "older agents name what they have");
    assert!(!refused(6) && !refused(8), "another bundle");
}

#[test]
fn a_question_that_is_handed_on_counts_once() {
    // Stage 3 of 2: nobody answered.
    let told_at = |stage: u32| {
        let mut decided_by = vec!["autonomy.all.approve".to_owned()];
        decided_by.extend((1..stage).map(|_| Asked::gone_by("somebody", 60)));
        if stage <= 2 {
            decided_by.push(Asked { stage, stages: 2, within_s: 60, who: "somebody".into() }.to_string());
        }
        let reason = Reason {
            principal: Principal::Agent,
            detection: None,
            rule: None,
            severity: 4,
            incident: None,
            families: 1,
            drill: false,
            note: String::new(),
        };
        let kind = ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: None };
        let id = ActionId::from_bytes([1; 16]);
        let report = ActionReport {
            action: Action { id, host: host(1), kind, reason, requested: BEGUN, lease_ms: 0 },
            state: ActionState::Asked,
            verdict: VerdictKind::Ask,
            bundle: CANDIDATE,
            decided_by,
            time: BEGUN,
            latency_us: 0,
            detail: String::new(),
        };
        told(&Record::Action { report })
    };
    assert_eq!((told_at(1), told_at(2), told_at(3)), (Some(Told::Action(CANDIDATE)), None, None));
}

#[test]
fn processor_time_is_a_rate_over_a_minute_and_begins_anew_with_the_agent() {
    let mut tally = Tally::default();
    let at = |seconds: u64| BEGUN.plus_millis(seconds * 1000);
    tally.works(50_000, at(0));
    tally.works(50_500, at(50));
    assert_eq!(tally.figures.cpu_permille, None, "too short to say");
    tally.works(53_000, at(60));
    assert_eq!(tally.figures.cpu_permille, Some(50));
    tally.works(100, at(70));
    tally.works(6_100, at(130));
    assert_eq!(tally.figures.cpu_permille, Some(100));

    let mut pulse = Pulse::default();
    for minute in 0..100 {
        pulse.works(host(1), 6_000 * minute, at(60 * minute));
        pulse.told(host(1), Told::Alert, at(60 * minute));
        pulse.told(host(1), Told::Action(CANDIDATE), at(60 * minute + 1));
    }
    let before = pulse.before(host(1), STARTED, at(60 * 99));
    assert_eq!((before.span_ms, before.cpu_permille), (30 * MINUTE_MS, Some(100)));
    assert!((30..=31).contains(&before.alerts) && (30..=31).contains(&before.actions), "{before:?}");
    let young = pulse.before(host(2), at(60 * 98), at(60 * 99));
    assert_eq!(young, Before { span_ms: MINUTE_MS, alerts: 0, actions: 0, cpu_permille: None });
}
