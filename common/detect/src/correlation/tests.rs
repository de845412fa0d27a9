use picket_model::{Event, Timestamp};

use crate::tests::play;
use crate::tests::set::{rule, source};
use crate::{CorrelationLimits, Detector, Hit, IndicatorSource, Subject};

/// Three silent rules, `a`, `b` and `c`, by the name of the executable, and a correlation of them.
fn with(correlation: &str) -> Result<Detector, Vec<crate::RuleError>> {
    let base = |name: &str| {
        let text = rule(&format!("  s:\n    Image|endswith: /{name}\n  condition: s"));
        source(&text.replace("name: t", &format!("name: {name}")))
    };
    let text = format!("title: C\nname: corr\ncorrelation:\n{correlation}\n");
    Detector::compile(&[source(&text), base("a"), base("b"), base("c")], &IndicatorSource::default())
}

/// Launches as `NAME@SECOND` or `NAME@SECOND/UID`.
fn events(launches: &str) -> Vec<Event> {
    let line = |word: &str| {
        let (name, at) = word.split_once('@').unwrap();
        let (at, uid) = at.split_once('/').unwrap_or((at, "7"));
        format!("    - {{at: {at}, launch: {{exe: /bin/{name}, argv: ['{word}'], uid: {uid}, pid: {at}}}}}\n")
    };
    let lines: String = launches.split(' ').map(line).collect();
    play::cases("t", &format!("hits:\n  - sequence:\n{lines}")).hits.remove(0).events
}

/// As `RULE:LAUNCH`.
fn named(hits: Vec<Hit>, at: Option<&Event>) -> Vec<String> {
    let launch = |hit: &Hit| match &hit.subject {
        Some(Subject::Event { event, .. }) => event.process.as_ref().unwrap().argv[0].clone(),
        _ => at.unwrap().process.as_ref().unwrap().argv[0].clone(),
    };
    hits.iter().map(|hit| format!("{}:{}", hit.rule.id, launch(hit))).collect()
}

/// What is found at once.
fn seen(detector: &mut Detector, launches: &str) -> Vec<String> {
    events(launches).iter().flat_map(|event| named(detector.observe(event), Some(event))).collect()
}

/// What is found when nothing follows.
fn played(detector: &mut Detector, launches: &str) -> Vec<String> {
    let mut found = seen(detector, launches);
    found.extend(named(detector.finish(), None));
    found
}

fn waiting(seconds: u64) -> CorrelationLimits {
    CorrelationLimits { lateness_ms: seconds * 1000, ..CorrelationLimits::default() }
}

#[test]
fn each_type_in_and_out_of_order_group_and_time() {
    let count = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 10s\n  condition: {gte: 3}";
    let range = "  type: event_count\n  rules: [a]\n  timespan: 10s\n  condition: {gt: 1, lte: 2}";
    let few = "  type: event_count\n  rules: [a]\n  timespan: 10s\n  condition: {lt: 3}";
    let value = "  type: value_count\n  rules: [a]\n  group-by: [UserId]\n  timespan: 10s\n  condition: {field: CommandLine, gte: 3}";
    let sum = "  type: value_sum\n  rules: [a]\n  timespan: 10s\n  condition: {field: ProcessId, gt: 10}";
    let average = "  type: value_avg\n  rules: [a]\n  timespan: 10s\n  condition: {field: ProcessId, gt: 2.5}";
    let median = "  type: value_percentile\n  rules: [a]\n  timespan: 10s\n  condition: {field: ProcessId, percentile: 50, eq: 2.5}";
    let both = "  type: temporal\n  rules: [a, b]\n  group-by: [UserId]\n  timespan: 10s";
    let two = "  type: temporal\n  rules: [a, b, c]\n  timespan: 10s\n  condition: {gte: 2}";
    let without = "  type: temporal\n  rules: [a, b]\n  timespan: 10s\n  condition: a and not b";
    let order = "  type: temporal_ordered\n  rules: [a, b, c]\n  timespan: 10s";
    let pair = "  type: temporal_ordered\n  rules: [a, b]\n  timespan: 10s\n  condition: a AND b";
    let either = "  type: temporal_ordered\n  rules: [a, b, c]\n  timespan: 10s\n  condition: a and (b or c)";
    for (correlation, launches, wanted) in [
        (count, "a@0 a@1 a@2", &["corr:a@2"][..]),
        (count, "a@0 a@5 a@11", &[]),
        (count, "a@0 a@5 a@10", &["corr:a@10"]),
        (count, "a@0/1 a@1/2 a@2/1 a@3/1", &["corr:a@3/1"]),
        (count, "a@5 a@9 a@2", &["corr:a@9"]),
        (count, "a@50 a@9 a@51 a@10", &[]),
        (count, "a@0 a@1 a@2 a@3 a@4 a@5", &["corr:a@2", "corr:a@5"]),
        (count, "a@0 a@1 a@2 a@3 a@4 a@13", &["corr:a@2", "corr:a@13"]),
        (range, "a@0 a@1", &["corr:a@1"]),
        (range, "a@0 a@1 a@10", &[]),
        (range, "a@0 a@8 a@11 a@19", &["corr:a@8", "corr:a@19"]),
        (range, "a@0 a@11 a@20", &["corr:a@20"]),
        (few, "a@0 a@5", &["corr:a@5"]),
        (few, "a@0 a@5 a@6", &[]),
        (value, "a@0 a@0 a@0 a@1", &[]),
        (value, "a@0 a@1 a@0 a@2", &["corr:a@2"]),
        (sum, "a@1 a@2 a@3 a@4 a@5", &["corr:a@5"]),
        (sum, "a@1 a@2 a@13 a@14", &["corr:a@13", "corr:a@14"]),
        (average, "a@1 a@2 a@3 a@4", &[]),
        (average, "a@1 a@2 a@3 a@5", &["corr:a@5"]),
        (median, "a@1 a@2 a@3 a@4", &["corr:a@4"]),
        (median, "a@1 a@2 a@3", &[]),
        (both, "b@0 a@5", &["corr:a@5"]),
        (both, "b@0 a@11", &[]),
        (both, "b@0/1 a@1/2", &[]),
        (two, "c@0 b@5", &["corr:b@5"]),
        (two, "c@0 c@5", &[]),
        (without, "a@0 a@5", &["corr:a@5"]),
        (without, "a@0 b@5", &[]),
        (without, "b@0 a@5", &[]),
        (without, "b@0 a@11", &["corr:a@11"]),
        (order, "a@0 b@1 c@2", &["corr:c@2"]),
        (order, "c@0 b@1 a@2", &[]),
        (order, "a@0 b@1 a@3 c@4", &["corr:c@4"]),
        (order, "b@1 a@2 c@3", &[]),
        (order, "a@0 b@5 c@11", &[]),
        (order, "a@0 c@2 b@1", &["corr:c@2"]),
        (pair, "a@0 b@1 a@2 b@3", &["corr:b@1", "corr:b@3"]),
        (pair, "a@0 a@1 b@2 b@3", &["corr:b@2"]),
        (either, "a@0 c@1", &["corr:c@1"]),
        (either, "c@0 a@1", &[]),
    ] {
        let mut detector = with(correlation).unwrap();
        detector.limit_correlations(waiting(100));
        let found: Vec<String> =
            played(&mut detector, launches).into_iter().filter(|hit| hit.starts_with("corr")).collect();
        assert_eq!(found, wanted, "{correlation}\n{launches}");
    }
}

/// What the clock or a later event shows to be over is told then, not at the end.
#[test]
fn an_alert_comes_when_no_earlier_event_can() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 2}";
    let mut detector = with(correlation).unwrap();
    assert!(seen(&mut detector, "a@1 a@3").is_empty());
    assert_eq!(seen(&mut detector, "b@6"), ["b:b@6", "corr:a@3"]);

    let mut detector = with(correlation).unwrap();
    let now = |ms: u64| Timestamp::from_millis(events("a@0")[0].time.as_millis() + ms);
    assert!(detector.advance(now(0)).is_empty());
    assert!(seen(&mut detector, "a@1 a@3 b@9")[1..].is_empty(), "with a clock, events do not move time");
    assert!(detector.advance(now(5000)).is_empty());
    assert_eq!(named(detector.advance(now(5001)), None), ["corr:a@3"]);
}

#[test]
fn a_clock_set_back_makes_nothing_late_and_a_time_from_the_future_moves_nothing() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 1h\n  condition: {gte: 3}";
    let mut detector = with(correlation).unwrap();
    let now = |seconds: u64| Timestamp::from_millis(events("a@0")[0].time.as_millis() + seconds * 1000);
    detector.advance(now(5000));
    assert!(seen(&mut detector, "a@5000 a@900000").is_empty());
    detector.advance(now(1000));
    assert!(seen(&mut detector, "a@1001").is_empty());
    assert_eq!(named(detector.advance(now(1004)), None), ["corr:a@1001"]);
    assert_eq!(detector.take_losses(), (Vec::new(), Vec::new()));
}

#[test]
fn the_same_event_again_counts_once() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 3}";
    let mut detector = with(correlation).unwrap();
    let events = events("a@0 a@1");
    let again = events.iter().cycle().take(8).flat_map(|event| detector.observe(event)).count();
    assert_eq!((again, detector.finish().len()), (0, 0));
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
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {lt: 1}", "no number of events"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 1, lte: 2, neq: 1, gt: 2}", "no number"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 10000000}", "up to 1000000"),
        ("  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 1.5}", "a whole number"),
        (
            "  type: event_count\n  rules: a\n  timespan: 1m\n  condition: {field: UserId, gte: 1}",
            "belongs to value_count",
        ),
        ("  type: event_count\n  rules: a\n  timespan: 1y\n  condition: {gte: 2}", "timespan"),
        ("  type: event_count\n  rules: a\n  condition: {gte: 2}", "`timespan` is missing"),
        ("  type: value_count\n  rules: a\n  timespan: 1m\n  condition: {gte: 2}", "needs `field`"),
        ("  type: value_sum\n  rules: a\n  timespan: 1m\n  condition: {gte: 2}", "needs `field`"),
        (
            "  type: value_avg\n  rules: a\n  timespan: 1m\n  condition: {field: [UserId, ProcessId], gte: 2}",
            "one field",
        ),
        ("  type: value_sum\n  rules: a\n  timespan: 1m\n  condition: {field: IsMemfd, gte: 2}", "holds no number"),
        ("  type: value_min\n  rules: a\n  timespan: 1m\n  condition: {field: UserId, gte: 2}", "not supported"),
        (
            "  type: value_percentile\n  rules: a\n  timespan: 1m\n  condition: {field: UserId, percentile: 101, gte: 2}",
            "0 to 100",
        ),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition: {gte: 3}", "no number of the 2 rules"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition: a and c", "no selection `c`"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition: a", "never asks for the rule `b`"),
        ("  type: temporal_ordered\n  rules: [a, b]\n  timespan: 1m\n  condition: a and not b", "no place in an order"),
        ("  type: temporal_ordered\n  rules: [a, b]\n  timespan: 1m\n  condition: {lt: 2}", "no upper bound"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  group-by: [Nothing]", "no event has a field `Nothing`"),
        ("  type: temporal\n  rules: [a]\n  timespan: 1m\n  aliases: {x: {b: UserId}}", "not among the `rules`"),
        ("  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  window: sliding", "unknown key `window`"),
    ] {
        let errors = with(correlation).err().unwrap_or_default();
        assert!(errors.iter().any(|error| error.reason.contains(words)), "{correlation}\n{errors:#?}");
    }
}

/// Where there is no room for every group, the correlation that fills it pays, the oldest group first, and it is told.
#[test]
fn a_flood_beyond_the_budget_is_told_with_rule_and_span() {
    let correlation = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}\n---\ntitle: D\nname: other\ncorrelation:\n  type: event_count\n  rules: b\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}";
    let mut detector = with(correlation).unwrap();
    detector.limit_correlations(CorrelationLimits { lateness_ms: 0, state_bytes: 6000, pending_bytes: 6000 });
    assert!(seen(&mut detector, "b@0/1 b@1/1 a@1/1").is_empty());
    let flood: Vec<String> = (0..1000).map(|uid| format!("a@2/{}", 1000 + uid)).collect();
    assert!(seen(&mut detector, &flood.join(" ")).is_empty());
    assert_eq!(seen(&mut detector, "b@3/1 b@4/2"), ["other:b@3/1"], "who floods one rule cannot evict from another");
    let (groups, bytes) = detector.correlation_state();
    assert!(groups <= 100 && bytes <= 6000, "{groups} {bytes}");
    let (counts, windows) = detector.take_losses();
    assert_eq!((counts[0].place.as_str(), counts.len()), ("correlation.corr.windows", 1));
    assert_eq!((windows[0].rule.0.as_str(), windows[0].windows, windows.len()), ("corr", counts[0].count, 1));
    assert!(windows[0].windows > 800, "{windows:?}");
    assert_eq!(windows[0].to.millis_since(windows[0].from), 1000);
    assert_eq!(detector.take_losses(), (Vec::new(), Vec::new()), "told once");
}

#[test]
fn what_has_run_out_costs_nothing() {
    let correlation = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 10s\n  condition: {gte: 3}";
    let mut detector = with(correlation).unwrap();
    let many: Vec<String> = (0..500).map(|uid| format!("a@0/{uid}")).collect();
    assert!(seen(&mut detector, &many.join(" ")).is_empty());
    let at = |seconds: u64| Timestamp::from_millis(events("a@0")[0].time.as_millis() + seconds * 1000);
    detector.advance(at(5));
    detector.advance(at(6));
    assert_eq!(detector.correlation_state().0, 500);
    detector.advance(at(13));
    assert_eq!(detector.correlation_state(), (0, 0));
    assert_eq!(detector.take_losses(), (Vec::new(), Vec::new()));
}

#[test]
fn an_event_too_late_to_count_is_counted_as_lost() {
    let correlation = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 2}";
    let mut detector = with(correlation).unwrap();
    assert!(played(&mut detector, "a@100 a@50").is_empty());
    assert_eq!(detector.take_losses().0[0].place, "correlation.corr.late");
}

#[test]
fn a_new_bundle_does_not_forget_an_attack_under_way() {
    let correlation = "  type: event_count\n  rules: a\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}";
    let mut before = with(correlation).unwrap();
    assert!(seen(&mut before, "a@0 a@1 a@9").is_empty());
    let mut after = with(correlation).unwrap();
    after.carry_over(&mut before);
    assert_eq!(played(&mut after, "a@8 a@10"), ["corr:a@8"], "what waits and what was taken are both kept");

    let mut before = with(correlation).unwrap();
    assert!(seen(&mut before, "a@0 a@1").is_empty());
    let mut changed = with(&correlation.replace("gte: 3", "gte: 4")).unwrap();
    changed.carry_over(&mut before);
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

/// Orders that a condition stands for are counted before there are too many to count.
#[test]
fn many_rules_in_an_order_cost_no_more_than_they_say() {
    let rules = vec!["a"; 60].join(", ");
    for (least, refused) in [(60, false), (59, false), (30, true), (1, false)] {
        let correlation =
            format!("  type: temporal_ordered\n  rules: [{rules}]\n  timespan: 1m\n  condition: {{gte: {least}}}");
        let errors = with(&correlation).err().unwrap_or_default();
        assert_eq!(errors.iter().any(|error| error.reason.contains("more than 256 orders")), refused, "{least}");
    }
    let all = vec!["(a or b or c)"; 40].join(" and ");
    let errors = with(&format!("  type: temporal_ordered\n  timespan: 1m\n  condition: {all}")).unwrap_err();
    assert!(errors.iter().any(|error| error.reason.contains("more than 256 orders")), "{errors:?}");
}

#[test]
fn a_silent_rule_must_feed_something() {
    let text = format!("{}picket:\n  silent: true\n", rule("  s:\n    Image: /a\n  condition: s"));
    let errors = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap_err();
    assert!(errors[0].reason.contains("silent"), "{errors:?}");
}

/// Two launches of `a`, on `one` and on `two`.
const ON_TWO: &str = "  type: value_count\n  rules: a\n  timespan: 10s\n  condition: {field: HostName, gte: 2}";

fn of_scope(scope: &str, below: &str) -> Vec<crate::RuleSource> {
    let base = rule("  s:\n    Image: /bin/a\n  condition: s").replace("name: t", "name: a");
    let over = format!("title: C\nname: corr\npicket:\n  scope: {scope}\ncorrelation:\n{ON_TWO}\n");
    [base.as_str(), over.as_str(), below].into_iter().filter(|text| !text.is_empty()).map(source).collect()
}

fn on_two(detector: &mut Detector) -> Vec<(String, Option<picket_model::HostId>)> {
    let hosts = [([1; 16], "one"), ([2; 16], "two")];
    let mut hits = Vec::new();
    for (event, (id, name)) in events("a@1 a@2").iter().zip(hosts) {
        let id = Some(picket_model::HostId::from_bytes(id));
        hits.extend(detector.observe_on(crate::EventHost { id, name }, event));
    }
    hits.extend(detector.finish());
    let host = |hit: &Hit| match &hit.subject {
        Some(Subject::Event { host, .. }) => *host,
        _ => None,
    };
    hits.iter().map(|hit| (hit.rule.id.to_string(), host(hit))).collect()
}

#[test]
fn correlations_of_the_estate_are_left_to_the_coordinator() {
    let rules = of_scope("estate", "");
    let mut host = Detector::of_host(&rules, &IndicatorSource::default()).unwrap();
    assert_eq!(on_two(&mut host), []);
    assert_eq!(host.rules().count(), 1);
    let mut estate = Detector::of_estate(&rules).unwrap();
    let last = Some(picket_model::HostId::from_bytes([2; 16]));
    assert_eq!(on_two(&mut estate), [("corr".to_owned(), last)]);
    let mut estate = Detector::of_estate(&of_scope("host", "")).unwrap();
    assert_eq!(on_two(&mut estate), []);
}

#[test]
fn a_host_cannot_wait_for_what_only_the_coordinator_sees() {
    let next = "  type: temporal\n  rules: [a, corr]\n  timespan: 10s";
    let reason = |scope: &str| {
        let below = format!("title: D\nname: next\npicket:\n  scope: {scope}\ncorrelation:\n{next}\n");
        Detector::compile(&of_scope("estate", &below), &IndicatorSource::default())
            .err()
            .map(|errors| errors[0].to_string())
    };
    assert_eq!(reason("estate"), None);
    assert!(reason("host").unwrap().contains("`corr` is of the estate"), "{:?}", reason("host"));
    let rule = rule("  s:\n    Image: /bin/a\n  condition: s");
    let alone = source(&format!("{rule}picket:\n  scope: estate\n"));
    let errors = Detector::compile(&[alone], &IndicatorSource::default()).unwrap_err();
    assert!(errors[0].reason.contains("only a correlation"), "{errors:?}");
}

#[test]
fn events_of_several_hosts_in_one_stream_are_kept_apart() {
    let count = "  type: event_count\n  rules: a\n  timespan: 10s\n  condition: {gte: 2}";
    let found = |hosts: [&str; 2]| {
        let mut detector = with(count).unwrap();
        let mut hits = Vec::new();
        for (event, name) in events("a@1 a@2").iter().zip(hosts) {
            hits.extend(detector.observe_on(crate::EventHost { id: None, name }, event));
        }
        hits.extend(detector.finish());
        hits.len()
    };
    assert_eq!((found(["one", "one"]), found(["one", "two"])), (1, 0));
}
