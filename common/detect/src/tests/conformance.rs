//! Owns: the detection part of Sigma 2.1, clause by clause, on events of other products: what it says must match, and
//! the nearest that must not.
//! Never: Picket's own fields; those are tested beside the compiler.

use crate::{Detector, Lenient, Placeholders, RuleSource, foreign};

fn compile(detection: &str) -> Lenient {
    let text = format!("title: T\nname: t\nlogsource:\n  product: x\ndetection:\n{detection}\nlevel: low\n");
    let placeholders = [
        ("admins".to_owned(), vec!["root".to_owned(), "adm*".to_owned()]),
        ("domain".to_owned(), vec!["example.org".to_owned()]),
    ];
    let source = RuleSource { file: "t.yml".to_owned(), text };
    Detector::compile_lenient(&[source], &Placeholders::from(placeholders))
}

fn matches(detection: &str, event: &str) -> bool {
    let Lenient { mut detector, refused, .. } = compile(detection);
    assert_eq!(refused, [], "{detection}");
    let mut reader = foreign::Reader::new(&detector.schema());
    let line = format!("{{\"product\":\"x\",{event}}}");
    let event = reader.read(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
    !detector.observe_foreign(&event).is_empty()
}

fn check(lines: &[(&str, &str, &str)]) {
    for (line, hit, miss) in lines {
        let detection = format!("  s:\n    {line}\n  condition: s");
        assert!(matches(&detection, hit), "{line} should match {hit}");
        assert!(!matches(&detection, miss), "{line} should not match {miss}");
    }
}

#[test]
fn values() {
    check(&[
        ("f: aBc", r#""f":"AbC""#, r#""f":"abcd""#),
        ("f: [a, b]", r#""f":"b""#, r#""f":"ab""#),
        ("f: 5", r#""f":5"#, r#""f":55"#),
        ("f: '5'", r#""f":5"#, r#""f":"5.0""#),
        ("f: true", r#""f":true"#, r#""f":false"#),
        ("f: 'a*c'", r#""f":"abbc""#, r#""f":"abcd""#),
        ("f: 'a?c'", r#""f":"abc""#, r#""f":"abbc""#),
        (r"f: 'a\*c'", r#""f":"a*c""#, r#""f":"abc""#),
        (r"f: 'a\?c'", r#""f":"a?c""#, r#""f":"abc""#),
        (r"f: 'a\\*'", r#""f":"a\\b""#, r#""f":"a*""#),
        (r"f: 'C:\x'", r#""f":"c:\\X""#, r#""f":"c:x""#),
        (r"f: '\\host'", r#""f":"\\host""#, r#""f":"\\\\host""#),
        ("f: null", r#""g":1"#, r#""f":"""#),
        ("f: null", r#""f":null"#, r#""f":{"g":1}"#),
        ("f: ''", r#""f":"""#, r#""g":1"#),
        ("f: a", r#""f":["b","a"]"#, r#""f":["ab"]"#),
        ("f.g: a", r#""f":{"g":"a"}"#, r#""f":"a""#),
        ("f.g: a", r#""f.g":"a""#, r#""g":"a""#),
        ("f.g: a", r#""f":[{"g":"b"},{"g":"a"}]"#, r#""f":[{"h":"a"}]"#),
    ]);
}

#[test]
fn modifiers_of_text() {
    check(&[
        ("f|contains: b", r#""f":"aBc""#, r#""f":"ac""#),
        ("f|startswith: a", r#""f":"Abc""#, r#""f":"ba""#),
        ("f|endswith: c", r#""f":"abC""#, r#""f":"cb""#),
        ("f|contains: 'a*c'", r#""f":"xabcx""#, r#""f":"xcax""#),
        ("f|contains|all: [a, b]", r#""f":"ba""#, r#""f":"a""#),
        ("f|all: ['a*', '*b']", r#""f":"ab""#, r#""f":"a""#),
        ("f|cased: aB", r#""f":"aB""#, r#""f":"ab""#),
        ("f|contains|cased: B", r#""f":"aBc""#, r#""f":"abc""#),
        ("f|neq: a", r#""f":"b""#, r#""f":"A""#),
        ("f|neq: [a, b]", r#""f":"c""#, r#""f":"b""#),
        ("f|contains|neq: a", r#""f":"b""#, r#""f":"ba""#),
        ("f|windash|contains: ' -x'", r#""f":"c /x""#, r#""f":"c-x""#),
        ("f|windash|contains: ' /x'", "\"f\":\"c \u{2013}x\"", r#""f":"c +x""#),
        ("f|contains|windash: ' -x'", "\"f\":\"c \u{2015}x\"", r#""f":"c x""#),
        ("f|re: 'a+b'", r#""f":"xaab""#, r#""f":"AB""#),
        ("f|re|i: 'a+b'", r#""f":"AAB""#, r#""f":"b""#),
        ("f|re|m: '^b$'", r#""f":"a\nb\nc""#, r#""f":"ab""#),
        ("f|re: '^b$'", r#""f":"b""#, r#""f":"a\nb\nc""#),
        ("f|re|s: 'a.b'", r#""f":"a\nb""#, r#""f":"ab""#),
        ("f|re: 'a.b'", r#""f":"axb""#, r#""f":"a\nb""#),
        ("f|re|i|m|s: '^b.c$'", r#""f":"a\nB\nC""#, r#""f":"a\nbC""#),
    ]);
}

#[test]
fn modifiers_that_encode() {
    check(&[
        // "foobar"
        ("f|base64: foobar", r#""f":"Zm9vYmFy""#, r#""f":"xZm9vYmFy""#),
        ("f|base64|contains: foobar", r#""f":"xZm9vYmFyx""#, r#""f":"foobar""#),
        ("f|base64offset|contains: foobar", r#""f":"IGZvb2Jhcg==""#, r#""f":"IGZvb2Jh""#),
        // UTF-16 of "ab", little endian, big endian, and little endian behind a byte order mark.
        ("f|wide|base64: ab", r#""f":"YQBiAA==""#, r#""f":"YWI=""#),
        ("f|utf16le|base64: ab", r#""f":"YQBiAA==""#, r#""f":"AGEAYg==""#),
        ("f|utf16be|base64: ab", r#""f":"AGEAYg==""#, r#""f":"YQBiAA==""#),
        ("f|utf16|base64: ab", r#""f":"//5hAGIA""#, r#""f":"YQBiAA==""#),
        ("f|wide|base64offset|contains: ab", r#""f":"IABhAGIAIAA=""#, r#""f":"YWI=""#),
        ("f|wide: ab", r#""f":"a\u0000b\u0000""#, r#""f":"ab""#),
    ]);
}

#[test]
fn modifiers_of_numbers_addresses_and_dates() {
    check(&[
        ("f|lt: 5", r#""f":4"#, r#""f":5"#),
        ("f|lte: 5", r#""f":"5""#, r#""f":5.5"#),
        ("f|gt: 5", r#""f":5.5"#, r#""f":5"#),
        ("f|gte: 5", r#""f":5"#, r#""f":"many""#),
        ("f|gt: 9007199254740992", r#""f":9007199254740993"#, r#""f":9007199254740992"#),
        ("f|lt: -1.5", r#""f":-2"#, r#""f":-1.5"#),
        ("f|cidr: 10.0.0.0/8", r#""f":"10.1.2.3""#, r#""f":"11.0.0.1""#),
        ("f|cidr: [10.0.0.0/8, 'fe80::/10']", r#""f":"fe80::1""#, r#""f":"::1""#),
        ("f|minute: 30", r#""f":"2020-10-19 03:30:41""#, r#""f":"2020-10-19 30:03:41""#),
        ("f|hour: 3", r#""f":"2020-10-19T03:30:41Z""#, r#""f":"2020-10-19T04:30:41Z""#),
        ("f|day: 19", r#""f":"2020-10-19""#, r#""f":"2020-10-20""#),
        ("f|week: 43", r#""f":"2020-10-19""#, r#""f":"2020-10-26""#),
        ("f|month: 10", r#""f":"2020-10-19""#, r#""f":"2020-11-19""#),
        ("f|year: 2020", r#""f":"2020-10-19""#, r#""f":"2021-10-19""#),
        ("f|hour|gte: 22", r#""f":"2020-10-19 23:00:00""#, r#""f":"2020-10-19 21:59:59""#),
    ]);
}

#[test]
fn modifiers_that_refer() {
    check(&[
        ("f|exists: true", r#""f":"""#, r#""g":1"#),
        ("f|exists: true", r#""f":null"#, r#""g":1"#),
        ("f|exists: false", r#""g":1"#, r#""f":1"#),
        ("f|fieldref: g", r#""f":"a","g":"A""#, r#""f":"a","g":"b""#),
        ("f|fieldref|contains: g", r#""f":"xax","g":"a""#, r#""f":"x","g":"a""#),
        ("f|fieldref|neq: g", r#""f":"a","g":"b""#, r#""f":"a","g":"a""#),
        ("f|fieldref|cased: g", r#""f":"a","g":"a""#, r#""f":"a","g":"A""#),
        ("f|expand: '%admins%'", r#""f":"administrator""#, r#""f":"user""#),
        ("f|expand: 'x@%domain%'", r#""f":"x@example.org""#, r#""f":"x@%domain%""#),
        (r"f|expand: '\%admins\%'", r#""f":"%admins%""#, r#""f":"root""#),
        ("f|expand|endswith: '%domain%'", r#""f":"a.example.org""#, r#""f":"example.org.a""#),
    ]);
}

#[test]
fn keywords_lists_and_conditions() {
    let all = |selection: &str, hit: &str, miss: &str| {
        let detection = format!("{selection}\n  condition: s");
        assert!(matches(&detection, hit), "{selection} should match {hit}");
        assert!(!matches(&detection, miss), "{selection} should not match {miss}");
    };
    all("  s: [needle, 'a*c']", r#""deep":{"f":"a NEEDLE."}"#, r#""needle":"x""#);
    all("  s: [needle, 'a*c']", r#""f":["x","zabcz"]"#, r#""f":"ca""#);
    all("  s:\n    '|all': [one, two]", r#""f":"two","g":"one""#, r#""f":"one""#);
    all("  s:\n    - f: a\n      g: b\n    - h: c", r#""f":"a","g":"b""#, r#""f":"a","h":"b""#);
    let detection = |condition: &str| {
        format!("  a: {{f: 1}}\n  b1: {{g: 1}}\n  b2: {{h: 1}}\n  _x: {{i: 1}}\n  condition: {condition}")
    };
    for (condition, hit, miss) in [
        ("a and (1 of b*) or _x", r#""f":1,"h":1"#, r#""f":1"#),
        ("a and all of b* or _x", r#""f":1,"g":1,"h":1"#, r#""f":1,"g":1"#),
        ("1 of them or (_x and a)", r#""g":1"#, r#""i":1"#),
        ("all of them or (_x and a)", r#""f":1,"g":1,"h":1"#, r#""f":1,"g":1,"i":0"#),
        ("not a and b1 or b2 and _x", r#""g":1"#, r#""f":1,"g":1"#),
        ("any of b* or a and _x", r#""h":1"#, r#""f":1"#),
        ("[a and _x, b1 and b2]", r#""g":1,"h":1"#, r#""f":1,"g":1"#),
    ] {
        assert!(matches(&detection(condition), hit), "{condition} should match {hit}");
        assert!(!matches(&detection(condition), miss), "{condition} should not match {miss}");
    }
}

/// What is against the specification is refused, and said.
#[test]
fn what_the_specification_forbids_is_refused() {
    for (line, words) in [
        ("f|like: a", "no modifier `like`"),
        ("f|contains|startswith: a", "contradicts"),
        ("f|contains|all: a", "needs a list"),
        ("f|re|contains: a", "apply to text"),
        ("f|i: a", "only behind `re`"),
        ("f|re: '['", "not an expression"),
        ("f|re: '(?=a)'", "look-around"),
        ("f|cidr: 10.0.0.0/33", "10.0.0.0/33"),
        ("f|gt: much", "not a whole number"),
        ("f|hour: noon", "not a whole number"),
        ("f|exists: maybe", "true or false"),
        ("f|base64|contains: 'a*'", "wildcard cannot be encoded"),
        ("f|expand: '%nobody%'", "no value in the configuration"),
        ("f: []", "empty list"),
        ("f: {g: a}", "not a map"),
    ] {
        let refused = compile(&format!("  s:\n    {line}\n  condition: s")).refused;
        assert!(refused.iter().any(|error| error.line == 7 && error.reason.contains(words)), "{line}: {refused:?}");
    }
}
