use std::sync::Arc;

use picket_model::{
    Activity, BundleVersion, Detection, DetectionId, Event, EventId, HostId, Process, ProcessKey, RuleId, SensorFamily,
    Severity, Timestamp,
};
use picket_policy::{Authority, Bundle, keys, shipped, verify};

use super::{Decided, Group, Outcome, Says, Side, Simulation};

const BEGIN_MS: u64 = 1_790_000_000_000;

fn side(bundle: Bundle, rules: &[(&str, Severity, &[&str])]) -> Side {
    let bundle = Bundle { version: BundleVersion(1), issued: Timestamp::from_millis(BEGIN_MS), ..bundle };
    let key = keys::generate([1; 32]);
    let verified = verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap();
    let says = |(name, severity, response): &(&str, Severity, &[&str])| {
        let response = response.iter().map(|word| (*word).to_owned()).collect();
        (RuleId((*name).to_owned()), Says { severity: *severity, response })
    };
    Side { authority: Authority::new(&verified).unwrap(), rules: rules.iter().map(says).collect() }
}

fn detection(number: u32, host: u8, rule: &str) -> Detection {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 1000 + number, start_ticks: 7 });
    process.exe = "/tmp/x".into();
    let time = Timestamp::from_millis(BEGIN_MS + u64::from(number) * 1000);
    let process = Some(Arc::new(process));
    Detection {
        id: DetectionId::from_bytes(u128::from(number).to_be_bytes()),
        host: HostId::from_bytes([host; 16]),
        time,
        rule: RuleId(rule.to_owned()),
        title: rule.to_owned(),
        severity: Severity::Low,
        techniques: Vec::new(),
        tactics: Vec::new(),
        family: SensorFamily::Process,
        evidence: Vec::new(),
        response: Vec::new(),
        event: Event { id: EventId::from_bytes([9; 16]), time, process, activity: Activity::ProcessLaunch },
        lineage: Vec::new(),
    }
}

fn replay(before: Side, after: Side, detections: &[Detection]) -> Outcome {
    let mut simulation = Simulation::new(before, after);
    detections.iter().for_each(|detection| simulation.detection(detection, "web-1"));
    simulation.finish()
}

fn verdict(decided: &Decided) -> (&str, &[String]) {
    match decided {
        Decided::Verdict { verdict, by } => (verdict, by),
        other => panic!("{other:?}"),
    }
}

const KILLS: &[(&str, Severity, &[&str])] = &[("r", Severity::High, &["kill_tree"])];

#[test]
fn a_bundle_against_itself_changes_nothing() {
    let detections: Vec<_> = (0..40).map(|number| detection(number, 1, "r")).collect();
    let strict = || side(shipped("strict").unwrap(), KILLS);
    let outcome = replay(strict(), strict(), &detections);
    assert_eq!((outcome.detections, outcome.decisions, outcome.changed), (40, 40, 0));
    assert!(outcome.groups.is_empty() && outcome.listed.is_empty());
}

#[test]
fn each_decision_that_changes_is_listed_with_the_policy_that_makes_it() {
    let (careful, strict) = (side(shipped("careful").unwrap(), KILLS), side(shipped("strict").unwrap(), KILLS));
    let detections = [detection(0, 1, "r"), detection(1, 1, "r"), detection(2, 2, "r")];
    let Outcome { changed, groups, listed, .. } = replay(careful, strict, &detections);
    assert_eq!((changed, listed.len(), groups.len()), (3, 3, 1));
    let Group { action, before, after, count, hosts, .. } = &groups[0];
    assert_eq!((*action, *count, *hosts), ("kill_tree", 3, 2));
    assert_eq!(verdict(before), ("ask", &["careful.ask".to_owned()][..]));
    assert_eq!(verdict(after), ("act_now", &["strict.act".to_owned()][..]));
    assert_eq!((listed[2].host, listed[2].detection), (detections[2].host, detections[2].id));
}

#[test]
fn budgets_and_repetitions_count_as_on_a_host() {
    let mut small = shipped("strict").unwrap();
    small.budgets.insert("kill_tree".to_owned(), 2);
    let three: Vec<_> = (0..3).map(|number| detection(number, 1, "r")).collect();
    let outcome = replay(side(shipped("strict").unwrap(), KILLS), side(small.clone(), KILLS), &three);
    let (word, by) = verdict(&outcome.groups[0].after);
    assert_eq!((outcome.changed, word), (1, "ask"));
    assert!(by.iter().any(|reason| reason.starts_with("budget:")), "{by:?}");

    let again = [three[0].clone(), three[0].clone(), three[0].clone()];
    let outcome = replay(side(shipped("strict").unwrap(), KILLS), side(small, KILLS), &again);
    assert_eq!(outcome.changed, 0, "one process is killed once");
}

#[test]
fn a_rule_that_is_gone_or_asks_for_something_else_is_a_change() {
    let strict = |rules| side(shipped("strict").unwrap(), rules);
    let one = [detection(0, 1, "r")];
    let gone = replay(strict(KILLS), strict(&[]), &one);
    assert_eq!(gone.groups[0].after, Decided::NotDetected);
    let other = replay(strict(KILLS), strict(&[("r", Severity::High, &["quarantine_file"])]), &one);
    let mut afters: Vec<_> = other.groups.iter().map(|group| (group.action, &group.before, &group.after)).collect();
    afters.sort();
    assert_eq!((other.decisions, afters[0].0, afters[0].2), (2, "kill_tree", &Decided::NotAsked));
    assert_eq!((afters[1].0, afters[1].1), ("quarantine_file", &Decided::NotAsked));
    let milder = replay(strict(KILLS), strict(&[("r", Severity::Low, &["kill_tree"])]), &one);
    assert_eq!(verdict(&milder.groups[0].after).0, "ask");
}

#[test]
fn the_first_process_stays_protected() {
    let mut first = detection(0, 1, "r");
    let mut process = Process::clone(first.event.process.as_deref().unwrap());
    process.key.pid = 1;
    first.event.process = Some(Arc::new(process));
    let second = detection(1, 1, "r");
    let (careful, strict) = (side(shipped("careful").unwrap(), KILLS), side(shipped("strict").unwrap(), KILLS));
    let outcome = replay(careful, strict, &[first, second.clone()]);
    assert_eq!((outcome.decisions, outcome.changed), (2, 1));
    assert_eq!(outcome.listed[0].detection, second.id);
}

#[test]
fn another_path_of_a_question_is_a_change_and_is_shown() {
    let with = |further: &str| {
        let settings = format!(
            "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n[[autonomy.tiers]]\nname = \"all\"\n\
             levels = {{ default = \"approve\" }}\n\
             escalation = {{ ask = \"the night shift\", within_ms = 900_000, {further}then = \"drop\" }}\n"
        );
        let all = "@id(\"all\")\npermit (principal, action, resource);";
        side(Bundle::from_texts(&settings, all).unwrap(), KILLS)
    };
    let longer = with("then_ask = [{ ask = \"the day shift\", within_ms = 600_000 }], ");
    let outcome = replay(with(""), longer, &[detection(0, 1, "r")]);
    let (word, by) = verdict(&outcome.groups[0].after);
    assert_eq!(word, "ask");
    assert!(
        by.contains(&"escalation: the night shift for 900 s, then the day shift for 600 s, then drop".to_owned()),
        "{by:?}"
    );
}
