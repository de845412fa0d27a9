//! Owns: pairs of a rule and an event, made from a seed: every modifier, near what it matches and near what it does not.
//! Never: a verdict.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Numbers that are the same in every run (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const FIELDS: [&str; 5] = ["Image", "CommandLine", "Parent.Name", "Number", "Other"];
const WORDS: [&str; 16] = [
    "cmd",
    "whoami",
    "C:\\Windows\\cmd.exe",
    "net user",
    "-enc",
    "/enc",
    "-e",
    "a",
    "ab",
    "aab",
    "Straße",
    "É",
    "10.0.0.5",
    "fe80::1",
    "x y",
    "\\\\host\\share",
];
const PATTERNS: [&str; 10] = ["a*", "*b", "*a*b*", "a?b", "\\*a", "a\\?", "a\\\\b", "*", "?", "c*\\*d"];
const EXPRESSIONS: [&str; 8] = ["a+b", "^cmd", "\\.exe$", "[a-c]{2}", "w.oami", "(net|cmd)\\s?user", "^$", "É"];
const NETWORKS: [&str; 5] = ["10.0.0.0/8", "10.0.0.5/32", "192.168.0.0/16", "fe80::/10", "::/0"];
const DATES: [&str; 4] = ["2024-12-30T23:59:00Z", "2021-01-03 04:05:06", "2020-02-29", "1603078241"];

pub struct Pair {
    pub rule: Value,
    pub event: Value,
}

pub fn pair(dice: &mut Dice) -> Pair {
    let (mut detection, mut event) = (Map::new(), Map::new());
    let names: Vec<String> = (0..1 + dice.below(3)).map(|number| format!("sel{number}")).collect();
    for name in &names {
        detection.insert(name.clone(), selection(dice, &mut event));
    }
    for field in FIELDS {
        let whole = field.split('.').next().unwrap_or_default();
        if dice.one_in(3) && !event.contains_key(field) && !event.contains_key(whole) {
            let value = plain(dice);
            put(dice, &mut event, field, value);
        }
    }
    detection.insert("condition".to_owned(), json!(condition(dice, &names)));
    event.insert("product".to_owned(), json!("windows"));
    let rule = json!({
        "title": "Made", "id": "11111111-2222-3333-4444-555555555555", "status": "test", "level": "low",
        "logsource": {"product": "windows"}, "detection": detection,
    });
    Pair { rule, event: Value::Object(event) }
}

fn condition(dice: &mut Dice, names: &[String]) -> String {
    let joined = |word: &str| names.join(word);
    match dice.below(7) {
        0 => "1 of sel*".to_owned(),
        1 => "all of them".to_owned(),
        2 => format!("not {}", names[0]),
        3 => joined(" or "),
        4 => joined(" and not "),
        5 => format!("not (1 of them) or {}", names[0]),
        _ => joined(" and "),
    }
}

fn selection(dice: &mut Dice, event: &mut Map<String, Value>) -> Value {
    if dice.one_in(12) {
        let word = *dice.pick(&WORDS);
        if dice.one_in(2) {
            put(dice, event, "Other", json!(format!("before {word} behind")));
        }
        return json!([word, dice.pick(&PATTERNS)]);
    }
    let map = |dice: &mut Dice, event: &mut Map<String, Value>| {
        let items = (0..1 + dice.below(2)).map(|_| item(dice, event));
        Value::Object(items.collect())
    };
    if dice.one_in(8) {
        return json!([map(dice, event), map(dice, event)]);
    }
    map(dice, event)
}

/// One line of a selection; in the event stands, as often as not, what it looks for.
fn item(dice: &mut Dice, event: &mut Map<String, Value>) -> (String, Value) {
    const KINDS: [&str; 32] = [
        "",
        "",
        "contains",
        "startswith",
        "endswith",
        "contains|all",
        "cased",
        "contains|cased",
        "neq",
        "contains|neq",
        "re",
        "re|i",
        "re|s",
        "cidr",
        "lt",
        "lte",
        "gt",
        "gte",
        "exists",
        "windash|contains",
        "base64|contains",
        "base64offset|contains",
        "wide|base64offset|contains",
        "utf16be|base64|contains",
        "utf16|base64|contains",
        "fieldref",
        "fieldref|endswith",
        "hour",
        "month",
        "week",
        "year",
        "null",
    ];
    let (kind, field) = (*dice.pick(&KINDS), *dice.pick(&FIELDS));
    let first = kind.split('|').next().unwrap_or_default();
    let word = *dice.pick(&WORDS);
    let (sought, found) = match first {
        "re" => (
            json!(dice.pick(&EXPRESSIONS)),
            json!(dice.pick(&["aab", "CMD.exe", "whoami", "net user", "", "É", "é", "w\noami"])),
        ),
        "cidr" => {
            (json!(dice.pick(&NETWORKS)), json!(dice.pick(&["10.0.0.5", "192.168.1.1", "fe80::1", "11.0.0.1", "x"])))
        }
        "lt" | "lte" | "gt" | "gte" => {
            (json!(dice.below(20)), dice.pick(&[json!(5), json!(10), json!("7"), json!(7.5), json!("x")]).clone())
        }
        "exists" => (json!(dice.one_in(2)), json!(word)),
        "hour" | "month" | "week" | "year" => {
            (json!(dice.pick(&[23, 4, 12, 1, 53, 2, 2024, 2021])), json!(dice.pick(&DATES)))
        }
        "fieldref" => {
            if dice.one_in(2) {
                put(dice, event, "Other", json!(word));
            }
            (json!("Other"), json!(format!("{}{word}", dice.pick(&["", "x"]))))
        }
        "null" => (Value::Null, json!(word)),
        "base64" | "base64offset" => {
            (json!(word), json!(format!("x{}", STANDARD.encode(format!("{}{word}--", &"  "[..dice.below(3)])))))
        }
        "wide" => {
            let bytes: Vec<u8> = format!(" {word} ").encode_utf16().flat_map(u16::to_le_bytes).collect();
            (json!(word), json!(STANDARD.encode(bytes)))
        }
        "utf16be" => {
            let bytes: Vec<u8> = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
            (json!(word), json!(STANDARD.encode(bytes)))
        }
        "utf16" => {
            let bytes: Vec<u8> =
                [0xff, 0xfe].into_iter().chain(word.encode_utf16().flat_map(u16::to_le_bytes)).collect();
            (json!(word), json!(STANDARD.encode(bytes)))
        }
        "windash" => (json!(format!("-{word}")), json!(format!("run {}{word}", dice.pick(&["-", "/", "\u{2013}"])))),
        _ if dice.one_in(4) => (json!(dice.pick(&PATTERNS)), near(dice, "ab")),
        _ if dice.one_in(8) => (json!(dice.below(20)), json!(dice.below(20))),
        _ => (json!(word), near(dice, word)),
    };
    if !dice.one_in(4) {
        put(dice, event, field, found);
    }
    let sought = if (kind.contains("all") || dice.one_in(4))
        && !matches!(first, "exists" | "fieldref" | "null")
        && sought.is_string()
    {
        let other = match first {
            "re" => json!(dice.pick(&EXPRESSIONS)),
            "cidr" => json!(dice.pick(&NETWORKS)),
            _ => json!(dice.pick(&WORDS)),
        };
        json!([sought, other])
    } else {
        sought
    };
    let name = if kind.is_empty() || kind == "null" { field.to_owned() } else { format!("{field}|{kind}") };
    (name, sought)
}

/// The word in other case, with something around it, or another.
fn near(dice: &mut Dice, word: &str) -> Value {
    match dice.below(7) {
        0 => json!(word.to_uppercase()),
        1 => json!(format!("x{word}")),
        2 => json!(format!("{word} y")),
        3 => json!(format!("x {word} y")),
        4 => plain(dice),
        5 => json!([word, "z"]),
        _ => json!(word),
    }
}

fn plain(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0 => Value::Null,
        1 => json!(dice.below(20)),
        2 => json!(dice.one_in(2)),
        3 => json!(""),
        4 => json!([dice.pick(&WORDS), dice.pick(&WORDS)]),
        _ => json!(dice.pick(&WORDS)),
    }
}

/// A dotted name is an object within the event, or a name as it is; never both.
fn put(dice: &mut Dice, event: &mut Map<String, Value>, field: &str, value: Value) {
    event.remove(field);
    match field.split_once('.') {
        Some((whole, part)) if dice.one_in(2) => event.insert(whole.to_owned(), json!({ part: value })),
        Some((whole, _)) => {
            event.remove(whole);
            event.insert(field.to_owned(), value)
        }
        None => event.insert(field.to_owned(), value),
    };
}
