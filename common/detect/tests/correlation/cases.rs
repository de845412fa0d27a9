//! Owns: correlations and events made up at random, as the engine and as the oracle take them.
//! Never: what should come of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use picket_model::{Activity, Event, EventId, Process, ProcessKey, Timestamp};

use crate::oracle::{Happening, Kind, Op, Source, Spec, Who};

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn size(&mut self, sides: usize) -> usize {
        self.roll(sides as u64) as usize
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

pub const RULES: usize = 4;
const LETTERS: [&str; RULES] = ["qa", "qb", "qc", "qd"];

pub fn specs(dice: &mut Dice, count: usize) -> Vec<Spec> {
    (0..count).map(|number| spec(dice, number)).collect()
}

fn spec(dice: &mut Dice, number: usize) -> Spec {
    let kind = match dice.roll(8) {
        0 | 1 => Kind::EventCount,
        2 => Kind::ValueCount { two: dice.one_in(2) },
        3 => Kind::Sum,
        4 => {
            if dice.one_in(2) {
                Kind::Average
            } else {
                Kind::Percentile([0, 25, 50, 95, 100][dice.size(5)])
            }
        }
        5 => Kind::Temporal,
        _ => Kind::Ordered,
    };
    let temporal = matches!(kind, Kind::Temporal | Kind::Ordered);
    let wanted = if temporal { 1 + dice.size(3) } else { 1 + dice.size(2) };
    let mut sources = Vec::new();
    while sources.len() < wanted {
        let earlier = number > 0 && dice.one_in(3);
        let source = if earlier { Source::Earlier(dice.size(number)) } else { Source::Rule(dice.size(RULES)) };
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let who = |dice: &mut Dice| if dice.one_in(3) { Who::Effective } else { Who::User };
    let group = (!dice.one_in(3)).then(|| (0..wanted).map(|_| who(dice)).collect());
    let span_ms = [2000, 5000, 10_000][dice.size(3)];
    let mut spec = Spec { kind, sources, group, span_ms, tests: Vec::new(), words: None };
    match kind {
        Kind::EventCount | Kind::ValueCount { .. } => {
            let least = 1 + dice.roll(4) as i128;
            spec.tests = match dice.roll(7) {
                0 => vec![(Op::Gt, least * 1000)],
                1 => vec![(Op::Gt, (least - 1) * 1000), (Op::Lte, (least + 1) * 1000)],
                2 => vec![(Op::Eq, least * 1000)],
                3 => vec![(Op::Lt, (least + 1) * 1000)],
                4 => vec![(Op::Neq, least * 1000)],
                _ => vec![(Op::Gte, least * 1000)],
            };
        }
        Kind::Sum | Kind::Average | Kind::Percentile(_) => {
            let bound = dice.roll(9000) as i128 - 1500;
            let op = [Op::Gt, Op::Gte, Op::Gte, Op::Lt, Op::Lte, Op::Neq][dice.size(6)];
            spec.tests = vec![(op, bound)];
            if dice.one_in(3) {
                spec.tests = vec![(Op::Gte, bound), (Op::Lt, bound + 4000)];
            }
        }
        Kind::Temporal => temporal_condition(dice, &mut spec),
        Kind::Ordered => match dice.roll(4) {
            0 => spec.tests = vec![(Op::Gte, (1 + dice.roll(wanted as u64) as i128) * 1000)],
            1 if wanted == 3 => spec.words = Some(vec![(vec![0, 1], vec![]), (vec![0, 2], vec![])]),
            _ => {}
        },
    }
    spec
}

fn temporal_condition(dice: &mut Dice, spec: &mut Spec) {
    let rules = spec.sources.len();
    match dice.roll(5) {
        0 => spec.tests = vec![(Op::Gte, (1 + dice.roll(rules as u64) as i128) * 1000)],
        1 => spec.tests = vec![(Op::Lte, (1 + dice.roll(rules as u64) as i128) * 1000)],
        2 if rules == 2 => spec.words = Some(vec![(vec![0], vec![1])]),
        2 if rules == 3 => spec.words = Some(vec![(vec![0], vec![1]), (vec![2], vec![])]),
        _ => {}
    }
}

/// The rules and correlations as Sigma documents.
pub fn documents(specs: &[Spec]) -> String {
    let mut text = String::new();
    for (number, letters) in LETTERS.iter().enumerate() {
        let source = "logsource:\n  product: linux\n  category: process_creation";
        let detection = format!("detection:\n  s:\n    Image|contains: {letters}\n  condition: s");
        let _ = write!(text, "title: R\nname: r{number}\n{source}\n{detection}\nlevel: low\n---\n");
    }
    for (number, spec) in specs.iter().enumerate() {
        let _ = write!(text, "title: C\nname: c{number}\ncorrelation:\n{}---\n", body(spec));
    }
    text
}

fn body(spec: &Spec) -> String {
    let name = |source: &Source| match source {
        Source::Rule(rule) => format!("r{rule}"),
        Source::Earlier(number) => format!("c{number}"),
    };
    let names: Vec<String> = spec.sources.iter().map(name).collect();
    let mut text = format!("  rules: [{}]\n  timespan: {}s\n  generate: true\n", names.join(", "), spec.span_ms / 1000);
    if let Some(group) = &spec.group {
        let fields = group.iter().map(|who| if *who == Who::User { "UserId" } else { "EffectiveUserId" });
        let aliases: Vec<String> = names.iter().zip(fields).map(|(name, field)| format!("{name}: {field}")).collect();
        let _ = write!(text, "  group-by: [who]\n  aliases:\n    who: {{{}}}\n", aliases.join(", "));
    }
    let (word, field) = match spec.kind {
        Kind::EventCount => ("event_count", String::new()),
        Kind::ValueCount { two: false } => ("value_count", "field: ProcessName".to_owned()),
        Kind::ValueCount { two: true } => ("value_count", "field: [ProcessName, GroupId]".to_owned()),
        Kind::Sum => ("value_sum", "field: Argument0".to_owned()),
        Kind::Average => ("value_avg", "field: Argument0".to_owned()),
        Kind::Percentile(percent) => ("value_percentile", format!("field: Argument0, percentile: {percent}")),
        Kind::Temporal => ("temporal", String::new()),
        Kind::Ordered => ("temporal_ordered", String::new()),
    };
    let _ = writeln!(text, "  type: {word}");
    let mut parts: Vec<String> = Some(field).filter(|field| !field.is_empty()).into_iter().collect();
    parts.extend(spec.tests.iter().map(|(op, bound)| format!("{op:?}: {}", thousandths(*bound)).to_lowercase()));
    let all =
        |rules: &[usize], joint: &str| rules.iter().map(|rule| names[*rule].clone()).collect::<Vec<_>>().join(joint);
    match &spec.words {
        Some(words) => {
            let one = |(with, without): &(Vec<usize>, Vec<usize>)| match without.is_empty() {
                true => format!("({})", all(with, " and ")),
                false => format!("({} and not {})", all(with, " and "), all(without, " and not ")),
            };
            let words: Vec<String> = words.iter().map(one).collect();
            let _ = writeln!(text, "  condition: {}", words.join(" or "));
        }
        None if parts.is_empty() => {}
        None => {
            let _ = writeln!(text, "  condition: {{{}}}", parts.join(", "));
        }
    }
    text
}

fn thousandths(value: i128) -> String {
    match value % 1000 {
        0 => (value / 1000).to_string(),
        _ => format!("{}{}.{:03}", if value < 0 { "-" } else { "" }, value.abs() / 1000, value.abs() % 1000),
    }
}

/// In order, once each. Many share an instant.
pub fn happenings(dice: &mut Dice, begin_ms: u64) -> Vec<Happening> {
    let (count, length) = (3 + dice.roll(28), [3000, 12_000, 40_000][dice.size(3)]);
    let grain = [1, 250, 1000][dice.size(3)];
    let mut events: Vec<Happening> = (0..count).map(|_| happening(dice, begin_ms, length, grain)).collect();
    events.sort_by_key(|event| (event.time, event.id));
    events.dedup_by_key(|event| (event.time, event.id));
    events
}

fn happening(dice: &mut Dice, begin_ms: u64, length: u64, grain: u64) -> Happening {
    let mut rules = BTreeSet::from([dice.size(RULES)]);
    if dice.one_in(5) {
        rules.insert(dice.size(RULES));
    }
    let id = |dice: &mut Dice| (!dice.one_in(8)).then(|| dice.roll(2) as u32);
    Happening {
        time: begin_ms + dice.roll(length) / grain * grain,
        id: u128::from(dice.roll(1 << 40)) << 64,
        rules,
        user: id(dice),
        effective: id(dice),
        name: format!("n{}", dice.roll(4)),
        gid: dice.roll(2) as u32,
        number: (!dice.one_in(8)).then(|| dice.roll(5000) as i128 - 1000),
    }
}

pub fn event(of: &Happening) -> Event {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 2, start_ticks: 3 });
    let letters: Vec<&str> = of.rules.iter().map(|rule| LETTERS[*rule]).collect();
    process.exe = format!("/bin/{}", letters.join("-"));
    process.name.clone_from(&of.name);
    (process.uid, process.euid) = (of.user.unwrap_or(u32::MAX), of.effective.unwrap_or(u32::MAX));
    process.gid = of.gid;
    process.argv = vec![of.number.map_or_else(|| "none".to_owned(), thousandths)];
    Event {
        id: EventId::from_bytes(of.id.to_be_bytes()),
        time: Timestamp::from_millis(of.time),
        process: Some(Arc::new(process)),
        activity: Activity::ProcessLaunch,
    }
}

/// The order in which they come: each up to `late_ms` after it happened, some of them twice or three times.
pub fn arrivals(dice: &mut Dice, events: &[Happening], late_ms: u64) -> Vec<Event> {
    let mut coming: Vec<(u64, u64, usize)> = Vec::new();
    for (place, happening) in events.iter().enumerate() {
        let times = if dice.one_in(4) { 1 + dice.roll(3) } else { 1 };
        for _ in 0..times {
            coming.push((happening.time + dice.roll(late_ms + 1), dice.roll(1 << 32), place));
        }
    }
    coming.sort_unstable();
    coming.into_iter().map(|(_, _, place)| event(&events[place])).collect()
}
