use crate::tests::play;
use crate::tests::set::{rule, source};
use crate::{Detector, IndicatorSource};

/// Three silent rules, `a`, `b` and `c`, by the name of the executable, and a correlation of them.
fn with(correlation: &str) -> Result<Detector, Vec<crate::RuleError>> {
    let base = |name: &str| {
        let text = rule(&format!("  s:\n    Image|endswith: /{name}\n  condition: s"));
        source(&text.replace("name: t", &format!("name: {name}")))
    };
    let text = format!("title: C\nname: corr\ncorrelation:\n{correlation}\n");
    Detector::compile(&[source(&text), base("a"), base("b"), base("c")], &IndicatorSource::default())
}

/// Launches as `NAME@SECOND` or `NAME@SECOND/UID`; the names of the rules that each hits.
fn played(detector: &mut Detector, launches: &str) -> Vec<String> {
    let line = |word: &str| {
        let (name, at) = word.split_once('@').unwrap();
        let (at, uid) = at.split_once('/').unwrap_or((at, "7"));
        format!("    - {{at: {at}, launch: {{exe: /bin/{name}, argv: [{name}, '{at}'], uid: {uid}}}}}\n")
    };
    let lines: String = launches.split(' ').map(line).collect();
    let cases = play::cases("t", &format!("hits:\n  - sequence:\n{lines}"));
    let events = &cases.hits[0].events;
    events
        .iter()
        .zip(launches.split(' '))
        .flat_map(|(event, word)| {
            detector.observe(event).into_iter().map(move |hit| format!("{}:{word}", hit.rule.id)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn each_type_in_and_out_of_order_group_and_time() {
    let count = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 10s\n  condition: {gte: 3}";
    let range = "  type: event_count\n  rules: [a]\n  timespan: 10s\n  condition: {gt: 1, lte: 2}";
    let value = "  type: value_count\n  rules: [a]\n  group-by: [UserId]\n  timespan: 10s\n  condition: {field: CommandLine, gte: 3}";
    let both = "  type: temporal\n  rules: [a, b]\n  group-by: [UserId]\n  timespan: 10s";
    let order = "  type: temporal_ordered\n  rules: [a, b, c]\n  timespan: 10s";
    for (correlation, launches, wanted) in [
        (count, "a@0 a@1 a@2", &["corr:a@2"][..]),
        (count, "a@0 a@5 a@11", &[]),
        (count, "a@0 a@5 a@10", &["corr:a@10"]),
        (count, "a@0/1 a@1/2 a@2/1 a@3/1", &["corr:a@3/1"]),
        (count, "a@5 a@9 a@2", &["corr:a@2"]),
        (count, "a@50 a@9 a@51 a@10", &[]),
        (count, "a@0 a@1 a@2 a@3 a@4 a@5", &["corr:a@2"]),
        (count, "a@0 a@1 a@2 a@3 a@4 a@5 a@13", &["corr:a@2", "corr:a@13"]),
        (count, "a@0 a@1 a@2 a@13 a@14 a@15", &["corr:a@2", "corr:a@15"]),
        (range, "a@0 a@1", &["corr:a@1"]),
        (value, "a@0 a@0 a@0 a@1", &[]),
        (value, "a@0 a@1 a@0 a@2", &["corr:a@2"]),
        (both, "b@0 a@5", &["corr:a@5"]),
        (both, "b@0 a@11", &[]),
        (both, "b@0/1 a@1/2", &[]),
        (order, "a@0 b@1 c@2", &["corr:c@2"]),
        (order, "c@0 b@1 a@2", &[]),
        (order, "a@0 b@1 a@3 c@4", &["corr:c@4"]),
        (order, "b@1 a@2 c@3", &[]),
        (order, "a@0 b@5 c@11", &[]),
        (order, "a@0 c@2 b@1", &["corr:b@1"]),
    ] {
        let mut detector = with(correlation).unwrap();
        assert_eq!(played(&mut detector, launches), wanted, "{correlation}\n{launches}");
    }
}

#[test]
fn what_it_names_is_quiet_unless_it_says_generate() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 2}";
    assert_eq!(played(&mut with(correlation).unwrap(), "a@0 b@1 a@2"), ["b:b@1", "corr:a@2"]);
    let loud = format!("{correlation}\n  generate: true");
    assert_eq!(played(&mut with(&loud).unwrap(), "a@0 b@1 a@2"), ["a:a@0", "b:b@1", "a:a@2", "corr:a@2"]);
}

#[test]
fn an_alias_names_different_fields() {
    let correlation = "  type: temporal\n  rules: [a, b]\n  group-by: [who]\n  timespan: 10s\n  aliases:\n    who: {a: UserId, b: EffectiveUserId}";
    assert_eq!(played(&mut with(correlation).unwrap(), "a@0/5 b@1/6 b@2/5"), ["corr:b@2/5"]);
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    for (correlation, words) in [
        (
            "  type: event_count\n  rules: nobody\n  timespan: 1m\n  condition: {gte: 2}",
            "no rule with the id or name `nobody`",
        ),
        ("  type: event_count\n  rules: corr\n  timespan: 1m\n  condition: {gte: 2}", "needs itself"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {lt: 2}", "lower bound"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 0}", "lower bound"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 100000}", "up to 1000"),
        ("  type: event_count\n  rules: a\n  timespan: 1y\n  condition: {gte: 2}", "timespan"),
        ("  type: event_count\n  rules: a\n  condition: {gte: 2}", "`timespan` is missing"),
        ("  type: value_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 2}", "needs `field`"),
        ("  type: value_sum\n  rules: a\n  timespan: 1m\n  condition: {gte: 2}", "not supported"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition: {gte: 2}", "not supported"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  group-by: [Nothing]", "no event has a field `Nothing`"),
        ("  type: temporal\n  rules: [a]\n  timespan: 1m\n  aliases: {x: {b: UserId}}", "not among the `rules`"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  window: sliding", "unknown key `window`"),
    ] {
        let errors = with(correlation).err().unwrap_or_default();
        assert!(errors.iter().any(|error| error.reason.contains(words)), "{correlation}\n{errors:#?}");
    }
}

/// An attacker makes a hundred thousand keys of their own between the events of a victim.
#[test]
fn a_flood_of_keys_displaces_itself_and_is_counted() {
    let correlation = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}";
    let mut detector = with(correlation).unwrap();
    assert!(played(&mut detector, "a@0/1 a@1/1").is_empty());
    let case = play::cases("t", "hits:\n  - launch: {exe: /bin/a, uid: 0}\n").hits.remove(0);
    for uid in 0..100_000u32 {
        let mut event = case.events[0].clone();
        let mut process = picket_model::Process::clone(event.process.as_deref().unwrap());
        process.uid = 10_000 + uid;
        event.process = Some(std::sync::Arc::new(process));
        assert!(detector.observe(&event).is_empty());
    }
    assert_eq!(played(&mut detector, "a@2/1"), ["corr:a@2/1"]);
    let losses = detector.take_losses();
    assert_eq!((losses[0].place.as_str(), losses.len()), ("correlation.corr.keys", 1));
    assert!(losses[0].count > 90_000, "{losses:?}");
    assert!(detector.take_losses().is_empty(), "counted once");
}

#[test]
fn an_event_too_late_to_count_is_counted_as_lost() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 2}";
    let mut detector = with(correlation).unwrap();
    assert!(played(&mut detector, "a@100 a@50").is_empty());
    assert_eq!(detector.take_losses()[0].place, "correlation.corr.late");
}

#[test]
fn a_new_bundle_does_not_forget_an_attack_under_way() {
    let correlation = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}";
    let mut before = with(correlation).unwrap();
    assert!(played(&mut before, "a@0 a@1").is_empty());
    let mut after = with(correlation).unwrap();
    after.carry_over(before);
    assert_eq!(played(&mut after, "a@2"), ["corr:a@2"]);

    let mut before = with(correlation).unwrap();
    assert!(played(&mut before, "a@0 a@1").is_empty());
    let mut changed = with(&correlation.replace("gte: 3", "gte: 4")).unwrap();
    changed.carry_over(before);
    assert!(played(&mut changed, "a@2 a@3").is_empty(), "another threshold counts from nothing");
}

/// Each names the one before sixteen times over: what follows from a name must not multiply.
#[test]
fn long_chains_of_correlations_stay_small() {
    let mut text = rule("  s:\n    Image|endswith: /a\n  condition: s").replace("name: t", "name: c0");
    for number in 1..90 {
        let rules = vec![format!("c{}", number - 1); 16].join(", ");
        text.push_str(&format!(
            "---\ntitle: C\nname: c{number}\ncorrelation:\n  type: temporal\n  rules: [{rules}]\n  timespan: 10s\n"
        ));
    }
    let mut detector = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap();
    assert_eq!(played(&mut detector, "a@0"), ["c89:a@0"]);
}

#[test]
fn a_silent_rule_must_feed_something() {
    let text = format!("{}picket:\n  silent: true\n", rule("  s:\n    Image: /a\n  condition: s"));
    let errors = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap_err();
    assert!(errors[0].reason.contains("silent"), "{errors:?}");
}
