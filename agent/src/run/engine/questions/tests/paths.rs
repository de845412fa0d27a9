//! Owns: what a question goes through when nobody answers: stage by stage, on a date of the test's own, to each end.
//! Never: a real wait, or an act.

use std::path::Path;

use picket_policy::{Authority, Bundle, Stage, keys, verify};
use proptest::prelude::*;

use super::*;
use crate::decide::tests::Host;
use crate::sys::clock::WallOffset;

const STAGES: [(&str, u64); 3] = [("the night shift", 60_000), ("the day shift", 120_000), ("the head", 30_000)];

fn path(stages: &[(&str, u64)], then: Then) -> Escalation {
    let stage = |(ask, within_ms): &(&str, u64)| Stage { ask: (*ask).to_owned(), within_ms: *within_ms };
    let Stage { ask, within_ms } = stage(&stages[0]);
    Escalation { ask, within_ms, then_ask: stages[1..].iter().map(stage).collect(), then }
}

/// A host under a bundle that permits everything but for a tier that asks along this path.
fn decide(path: &Escalation, issued: Timestamp) -> Decide {
    let settings = "name = \"ours\"\nlease_ms = 864_000_000\nconservative = \"ask\"\n\
                    [[autonomy.tiers]]\nname = \"all\"\nlevels = { default = \"approve\" }\n";
    let with = format!(
        "{settings}escalation = {{ ask = {:?}, within_ms = {}, then = {:?}, then_ask = [{}] }}\n",
        path.ask,
        path.within_ms,
        path.then.word(),
        path.then_ask
            .iter()
            .map(|stage| format!("{{ ask = {:?}, within_ms = {} }}", stage.ask, stage.within_ms))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let bundle = Bundle::from_texts(&with, "@id(\"ours.all\")\npermit (principal, action, resource);\n").unwrap();
    let bundle = Bundle { version: BundleVersion(3), issued, ..bundle };
    let key = keys::generate([3; 32]);
    let mut decide = Decide::new((HostId::from_bytes([1; 16]), "web-1".into()), 99, Box::new(|| [7; 16]));
    decide.adopt(Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap());
    decide
}

/// A question of this host, and how it goes on.
struct Story {
    questions: Questions,
    decide: Decide,
    start: Timestamp,
    first: ActionReport,
}

impl Story {
    fn asked(dir: &Path, path: &Escalation) -> Self {
        let clock = HostClock::open(dir);
        let start = clock.steady_now();
        let mut questions = Questions::recall(dir, &clock);
        let quarantine = ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: None };
        let grounds = Grounds { escalation: Some(path.clone()), ..grounds() };
        let first = questions.put(Action { kind: quarantine, ..action(1) }, None, grounds, start.into());
        Self { questions, decide: decide(path, start), start, first }
    }

    /// What is done at this time after the question; somebody sets the host's clock meanwhile.
    fn at(&mut self, ms: u64) -> Vec<Unanswered> {
        let moment = Moment { wall: Timestamp(ms * 7_919), steady: self.start.plus_millis(ms) };
        self.questions.go_on(&mut self.decide, &Host::default(), moment)
    }

    fn told(&mut self, ms: u64) -> ActionReport {
        match self.at(ms).pop() {
            Some(Unanswered::Told(report)) => report,
            Some(_) => panic!("it was judged after {ms} ms"),
            None => panic!("nothing after {ms} ms"),
        }
    }

    fn is_quiet_until(&mut self, ms: u64) -> bool {
        self.at(ms - 1).is_empty()
    }
}

fn who(report: &ActionReport) -> (ActionState, String, u32) {
    let (asked, _) = report.asked().unwrap_or_else(|| panic!("nobody is asked: {report:?}"));
    assert_eq!(asked.stages, 3);
    (report.state, asked.who, asked.stage)
}

const GONE_BY: [&str; 3] = [
    "escalation: the night shift did not answer within 60 s",
    "escalation: the day shift did not answer within 120 s",
    "escalation: the head did not answer within 30 s",
];

/// To the last stage, each in its time.
fn to_the_last(story: &mut Story) {
    assert_eq!(who(&story.first), (ActionState::Asked, "the night shift".into(), 1));
    assert!(story.first.detail.ends_with("; then the day shift is asked"), "{}", story.first.detail);
    assert!(story.is_quiet_until(60_000));
    let second = story.told(60_000);
    assert_eq!(who(&second), (ActionState::Asked, "the day shift".into(), 2));
    assert_eq!(second.action, story.first.action, "it stays one question");
    assert_eq!(second.decided_by[..2], ["autonomy.all.approve", GONE_BY[0]]);
    assert!(story.is_quiet_until(180_000));
    let third = story.told(180_000);
    assert_eq!(who(&third), (ActionState::Asked, "the head".into(), 3));
    assert_eq!(third.decided_by[1..3], GONE_BY[..2]);
    assert!(story.is_quiet_until(210_000));
}

#[test]
fn a_question_goes_from_one_to_the_next_and_is_then_done() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Act));
    to_the_last(&mut story);
    match &story.at(210_000)[..] {
        [Unanswered::Act(action, grounds)] => {
            assert_eq!(action.id, story.first.action.id);
            assert_eq!(grounds.verdict, VerdictKind::ActNow);
            assert!(grounds.decided_by.ends_with(&GONE_BY.map(str::to_owned)), "{:?}", grounds.decided_by);
        }
        _ => panic!("it is not done"),
    }
}

#[test]
fn a_question_goes_from_one_to_the_next_and_is_then_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Drop));
    to_the_last(&mut story);
    let end = story.told(210_000);
    assert_eq!((end.state, end.detail.as_str()), (ActionState::Refused, "given up: nobody answered within 210 s"));
    assert!(end.decided_by.ends_with(&GONE_BY.map(str::to_owned)), "{:?}", end.decided_by);
    assert!(story.questions.take(end.action.id).is_none());
}

#[test]
fn a_question_goes_from_one_to_the_next_and_then_stays_open_which_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Wait));
    to_the_last(&mut story);
    let end = story.told(210_000);
    assert_eq!((end.state, end.asked()), (ActionState::Asked, None));
    assert!(end.decided_by.ends_with(&GONE_BY.map(str::to_owned)), "{:?}", end.decided_by);
    // A day from when it was first asked, by the host's own clock.
    let open_until = Timestamp(210_000 * 7_919).plus_millis(24 * 3_600_000 - 210_000);
    assert_eq!(end.detail, format!("nobody answered within 210 s; the question stays open until {open_until}"));
    story.questions.keep();
    story.questions = Questions::recall(dir.path(), &HostClock::open(dir.path()));
    assert!(story.at(210_001).is_empty() && story.at(20 * 3_600_000).is_empty());
    assert!(story.questions.take(story.first.action.id).is_some(), "the last one may still answer");
}

#[test]
fn an_answer_in_the_second_stage_ends_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Act));
    let second = story.told(60_000);
    assert!(story.questions.take(second.action.id).is_some(), "the same id as in the first stage");
    assert!(story.at(180_000).is_empty() && story.at(210_000).is_empty());
}

/// Nobody could be asked while the agent was away, so nobody's silence then counts.
#[test]
fn after_a_restart_whoever_is_next_has_their_whole_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Act));
    story.told(60_000);
    story.questions.keep();
    story.questions = Questions::recall(dir.path(), &HostClock::open(dir.path()));
    assert!(story.is_quiet_until(180_000), "the stage is kept, and when it began");
    story.questions = Questions::recall(dir.path(), &HostClock::open(dir.path()));
    assert_eq!(who(&story.told(1_000_000)), (ActionState::Asked, "the head".into(), 3));
    assert!(story.is_quiet_until(1_030_000));
    assert!(matches!(story.at(1_030_000)[..], [Unanswered::Act(..)]));
}

#[test]
fn stages_move_along_when_the_host_starts_by_another_date() {
    let dir = tempfile::tempdir().unwrap();
    let begun = WallOffset::read();
    HostClock::open_at(dir.path(), 1, begun);
    let mut story = Story::asked(dir.path(), &path(&STAGES, Then::Act));
    story.told(60_000);
    story.questions.keep();
    let (before, by_ns) = (story.questions.open.clone(), 3_600_000_000_000);
    // The clock was found set while the host ran, and the host then started anew.
    let mut clock = HostClock::open_at(dir.path(), 1, begun);
    clock.look(begun.set(by_ns)).unwrap();
    let clock = HostClock::open_at(dir.path(), 2, begun.set(by_ns));
    let after = Questions::recall(dir.path(), &clock).open;
    for (id, Question { waiting: Waiting { asked, passed, .. }, .. }) in before {
        assert_eq!(after[&id].waiting.asked, asked.moved(clock.moved_ns()));
        assert_eq!(after[&id].waiting.passed, [passed[0].moved(clock.moved_ns())]);
    }
}

#[test]
fn a_question_that_an_older_agent_kept_is_in_its_first_stage() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES[..1], Then::Drop));
    story.questions.keep();
    let kept = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(!kept.contains("passed") && !kept.contains("then_ask"), "{kept}");
    story.questions = Questions::recall(dir.path(), &HostClock::open(dir.path()));
    assert_eq!(story.told(60_000).state, ActionState::Refused);
}

/// Policy changed meanwhile: the path that was shown ends, and what the host may do then is the new bundle's to say.
#[test]
fn at_the_end_of_a_path_the_bundle_in_force_decides() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::asked(dir.path(), &path(&STAGES[..1], Then::Act));
    story.decide = decide(&path(&STAGES, Then::Act), story.start);
    let report = story.told(60_000);
    assert_eq!((report.state, report.asked()), (ActionState::Asked, None));
    assert!(report.detail.contains("policy does not let the host act"), "{}", report.detail);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everybody_is_asked_in_turn_and_nothing_is_done_before_all_had_their_time(
        within in prop::collection::vec(10_000_u64..1_000_000, 1..=8),
        steps in prop::collection::vec(1_u64..400_000, 400),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (1..=within.len()).map(|at| format!("rota {at}")).collect();
        let stages: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(within.iter().copied()).collect();
        let path = path(&stages, Then::Act);
        let mut story = Story::asked(dir.path(), &path);
        let mut asked = vec![(story.first.asked().unwrap().0.who, 0)];
        let (mut now, mut done) = (0, None);
        for step in steps {
            now += step;
            match story.at(now).pop() {
                Some(Unanswered::Told(report)) => asked.push((report.asked().unwrap().0.who, now)),
                Some(Unanswered::Act(..)) => done = Some(now),
                Some(Unanswered::OutOfScope(..)) => panic!("nothing is out of scope"),
                None => {}
            }
        }
        // Steps may be too few for the longest paths; whoever was asked was so in turn all the same.
        let told: Vec<&str> = asked.iter().map(|(who, _)| who.as_str()).collect();
        prop_assert!(names.iter().map(String::as_str).take(told.len()).eq(told.iter().copied()), "{told:?}");
        for (at, pair) in asked.windows(2).enumerate() {
            prop_assert!(pair[1].1 - pair[0].1 >= within[at]);
        }
        if let Some(done) = done {
            prop_assert_eq!(told.len(), names.len());
            prop_assert!(done - asked[asked.len() - 1].1 >= within[within.len() - 1] && done >= path.total_ms());
        }
        prop_assert!(done.is_some() || now < 2 * path.total_ms() + 8 * 400_000);
    }
}
