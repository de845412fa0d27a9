//! Owns: tests of how a line of JSON becomes an event.
//! Never: rules.

use std::sync::Arc;

use picket_model::Timestamp;
use proptest::prelude::*;

use super::{DEPTH_MAX, Error, LINE_BYTES_MAX, Reader, VALUES_MAX, clock};
use crate::{Record, Schema};

const NAMES: [&str; 14] = [
    "a",
    "a.b",
    "a.b.c",
    "Image",
    "Channel",
    "EventID",
    "Provider_Name",
    "EventID_Qualifiers",
    "Element.Field",
    "Field",
    "Computer",
    "empty",
    "caf\u{e9}",
    "a_b",
];

fn reader() -> Reader {
    let mut schema = Schema::default();
    for name in NAMES {
        schema.intern(name);
    }
    Reader::new(&Arc::new(schema))
}

/// What an event says, field by field: `Image=C:\a.exe`, several values parted by `|`, `Image` alone where it has none.
fn told(reader: &mut Reader, line: &[u8]) -> String {
    let event = match reader.read(line) {
        Ok(event) => event,
        Err(error) => return error.to_string(),
    };
    let mut schema = Schema::default();
    let fields = NAMES.map(|name| (name, schema.intern(name)));
    let mut told = Vec::new();
    for (name, field) in fields {
        let values: Vec<&str> = event.values(field).iter().map(|text| text.raw.as_ref()).collect();
        match (event.has(field), event.is_null(field)) {
            (false, _) => assert_eq!(values, [""; 0], "{name}"),
            (true, true) => told.push(format!("{name}=null")),
            (true, false) if values.is_empty() => told.push(format!("{name}={{}}")),
            (true, false) => told.push(format!("{name}={}", values.join("|"))),
        }
    }
    told.join(" ")
}

fn check(line: &str, wanted: &str) {
    assert_eq!(told(&mut reader(), line.as_bytes()), wanted, "{line}");
}

#[test]
fn objects_become_dotted_names_and_lists_several_values() {
    check(r#"{"a":{"b":{"c":1}}}"#, "a={} a.b={} a.b.c=1");
    check(r#"{"a.b.c":1}"#, "a.b.c=1");
    check(r#"{"a":["x",["y",null,2.50]],"empty":[]}"#, "a=x|y|2.50 empty=null");
    check(r#"{"a":[{"b":1,"Image":"no"},{"b":2}]}"#, "a={} a.b=1|2");
    check(r#"{"a":[1,{"b":2}],"Image":"x","a.b":3,"a":4}"#, "a=1|4 a.b=2|3 Image=x");
    check(r#"{"Image":null,"EventID":true,"Channel":""}"#, "Image=null Channel= EventID=true");
    check(r#"{"Image":null,"Image":"x"}"#, "Image=x");
    check("{}", "");
    check(" \t{ \"a\" : -1.5e+3 , \"Image\" : false } \r\n", "a=-1.5e+3 Image=false");
}

#[test]
fn what_windows_and_its_converters_wrap_around_an_event_is_taken_off() {
    let system = r##"{"Provider":{"#attributes":{"Name":"P"}},"EventID":{"#attributes":{"Qualifiers":7},"#text":1},"Channel":"C"}"##;
    let wanted = "Image=x Channel=C EventID=1 Provider_Name=P EventID_Qualifiers=7";
    check(&format!(r#"{{"Event":{{"System":{system},"EventData":{{"Image":"x"}}}}}}"#), wanted);
    check(&format!(r#"{{"System":{system},"EventData":{{"Image":"x"}}}}"#), wanted);
    check(
        r##"{"Event":{"UserData":{"Element":{"#attributes":{"xmlns":"y"},"Field":"x","Image":"z"}}}}"##,
        "Image=z Element.Field=x",
    );
    check(
        r#"{"winlog":{"channel":"C","event_id":1,"provider_name":"P","computer_name":"H","event_data":{"Image":"x"}}}"#,
        "Image=x Channel=C EventID=1 Provider_Name=P Computer=H",
    );
    check(r#"{"winlog.event_data.Image":"x","Event.System.EventID":"3"}"#, "Image=x EventID=3");
    check(r#"{"a_":{"b":1},"a":{"_b":2}}"#, "a={}");
}

#[test]
fn escapes_are_resolved_and_what_is_no_text_is_replaced() {
    check(r#"{"Image":"C:\\a\\\"b\"\/\b\f\n\r\t.exe"}"#, "Image=C:\\a\\\"b\"/\u{8}\u{c}\n\r\t.exe");
    check(r#"{"caf\u00e9":"\u0000\ud83d\ude00"}"#, "caf\u{e9}=\0\u{1f600}");
    check(r#"{"Image":"\ud83d-\ude00\ud83d\u0041"}"#, "Image=\u{fffd}-\u{fffd}\u{fffd}A");
    check("\u{feff}{\"Image\":\"tab\there\"}", "Image=tab\there");
    let broken = [br#"{"Image":"a"#.as_slice(), &[0xff, 0xc3], br#"b\\"}"#].concat();
    assert_eq!(told(&mut reader(), &broken), "Image=a\u{fffd}\u{fffd}b\\");
}

#[test]
fn what_is_no_event_is_refused_where_it_stands() {
    for (line, wanted) in [
        ("", "column 1: not JSON: an object is expected here"),
        ("[1]", "column 1: not JSON: an object is expected here"),
        ("{\"a\":1", "column 7: not JSON: a comma or the end of an object is expected here"),
        ("{\"a\":1}x", "column 8: not JSON: the end of the line is expected here"),
        ("{\"a\":01}", "column 6: not JSON: a number without a leading zero is expected here"),
        ("{\"a\":1.}", "column 8: not JSON: a digit is expected here"),
        ("{\"a\":nul}", "column 6: not JSON: a value is expected here"),
        ("{\"a\":NaN}", "column 6: not JSON: a value is expected here"),
        ("{\"a\" 1}", "column 6: not JSON: a colon is expected here"),
        ("{\"a\":[1 2]}", "column 9: not JSON: a comma or the end of a list is expected here"),
        ("{\"a\":1,}", "column 8: not JSON: a string is expected here"),
        ("{\"a\":\"x", "column 8: not JSON: the end of a string is expected here"),
        ("{\"a\":\"\\x\"}", "column 8: not JSON: an escape is expected here"),
        ("{\"a\":\"\\u12g4\"}", "column 9: not JSON: four hexadecimal digits is expected here"),
        ("{\"a\":\"\\ud83d\\u\"}", "column 15: not JSON: four hexadecimal digits is expected here"),
        ("{\"a\":\"\\", "column 8: not JSON: an escape is expected here"),
    ] {
        check(line, wanted);
    }
}

#[test]
fn nothing_is_read_without_bound() {
    let mut reader = reader();
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(reader.read(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(
        reader.read(nested(1_000_000).as_bytes()).map(|_| ()),
        Err(Error::TooDeep { column: 1 + 5 * (DEPTH_MAX + 1) })
    );
    let values = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count - 1));
    assert!(reader.read(values(VALUES_MAX).as_bytes()).is_ok());
    assert!(matches!(reader.read(values(VALUES_MAX + 1).as_bytes()), Err(Error::TooMany { .. })));
    let bytes = LINE_BYTES_MAX + 1;
    assert_eq!(reader.read(&vec![b' '; bytes]).map(|_| ()), Err(Error::TooLong { bytes }));
    // A name longer than any that counts is none of them, and neither is what stands below it.
    let long = "x".repeat(10_000);
    assert_eq!(told(&mut reader, format!(r#"{{"{long}":{{"Image":1,"{long}":{{"a":2}}}},"a":3}}"#).as_bytes()), "a=3");
}

#[test]
fn keywords_see_every_value_and_an_event_nothing_of_the_one_before() {
    let mut reader = reader();
    let all = |reader: &mut Reader, line: &str| {
        let event = reader.read(line.as_bytes()).unwrap();
        event.all().map(|text| text.raw.clone().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all(&mut reader, r#"{"Image":"x","other":{"deep":["y",1]},"z":null}"#), ["x", "y", "1"]);
    assert_eq!(all(&mut reader, r#"{"a":1}"#), ["1"]);
    assert_eq!(told(&mut reader, br#"{"EventID":2}"#), "EventID=2");
    reader.read(b"{\"Image\":\"x\",").unwrap_err();
    assert_eq!(told(&mut reader, br#"{"EventID":2}"#), "EventID=2");
}

#[test]
fn the_time_is_that_of_the_event_and_else_that_of_the_one_before() {
    let mut reader = reader();
    let mut time = |line: &str| reader.read(line.as_bytes()).unwrap().time().to_string();
    assert_eq!(time(r#"{"a":1}"#), "1970-01-01T00:00:00.000Z");
    let both = r#"{"EventTime":"2020-09-04 03:08:27","@timestamp":"2020-09-04T07:09:57.212Z","UtcTime":"2020-09-04 07:08:27.701"}"#;
    assert_eq!(time(both), "2020-09-04T07:08:27.701Z");
    assert_eq!(time(r#"{"a":1}"#), "2020-09-04T07:08:27.701Z");
    let windows = r##"{"Event":{"System":{"TimeCreated":{"#attributes":{"SystemTime":"2021-01-01T00:00:01.5Z"}}}}}"##;
    assert_eq!(time(windows), "2021-01-01T00:00:01.500Z");
    assert_eq!(time(r#"{"UtcTime":"soon","ts":1591367999.305988}"#), "2020-06-05T14:39:59.305Z");
}

#[test]
fn times_are_read_as_products_write_them() {
    let second = 1_583_020_800_000_000_000;
    for (text, wanted) in [
        ("2020-03-01", Some(second)),
        ("2020-03-01T00:00Z", Some(second)),
        ("2020/03/01 00:00:00", Some(second)),
        ("2020-03-01 02:00:00,000 +0200", Some(second)),
        ("2020-02-29T19:00:00.000000000-05:00", Some(second)),
        ("2020-03-01 00:00:00.1234567891 UTC", Some(second + 123_456_789)),
        ("1583020800", Some(second)),
        ("1583020800.25", Some(second + 250_000_000)),
        ("1583020800000", Some(second)),
        ("1583020800000.5", Some(second + 500_000)),
        ("1583020800000000", Some(second)),
        ("1583020800000000000", Some(second)),
        ("/Date(1583020800000)/", Some(second)),
        ("", None),
        ("-", None),
        ("now", None),
        ("2020-03-01T", None),
        ("2020-03-01T24:00:00", None),
        ("2020-03-01T00:00:0", None),
        ("2020-03-01T00:00:00+2", None),
        ("2020-02-30", None),
        ("1969-12-31", None),
        ("9223372036854775807000", None),
        ("2020-03-01é", None),
    ] {
        assert_eq!(clock::parse(text), wanted.map(Timestamp), "{text}");
    }
}

#[test]
fn a_record_of_windows_is_told_from_all_others_and_else_none_is() {
    let mut reader = reader();
    let mut id = |number: u32, host: &str, time: &str| {
        let line =
            format!(r#"{{"EventRecordID":{number},"Channel":"C","Computer":"{host}","SystemTime":"{time}","x":1}}"#);
        reader.read(line.as_bytes()).unwrap().id()
    };
    let one = id(1, "H", "2020-03-01T00:00:00Z");
    assert!(one.is_some());
    assert_eq!(one, id(1, "H", "2020-03-01T00:00:00Z"));
    assert_ne!(one, id(2, "H", "2020-03-01T00:00:00Z"));
    assert_ne!(one, id(1, "G", "2020-03-01T00:00:00Z"));
    assert_ne!(one, id(1, "H", "2020-03-01T00:00:01Z"));
    assert_eq!(id(1, "H", "-"), None);
    assert_eq!(reader.read(br#"{"EventRecordID":1,"Channel":"C","_id":"1"}"#).unwrap().id(), None);
}

proptest! {
    #[test]
    fn a_line_of_any_bytes_is_an_event_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = reader().read(&bytes);
    }

    /// What another reader takes is taken too, with every text in it, and what it refuses is refused.
    #[test]
    fn another_reader_of_json_agrees(line in r#"\{("a|\\|"|:|\[|\]|\{|\}|,|1|\\u00e9|x|null|-|\.5|"a":"x"|,"a":1){0,12}\}"#) {
        let mut reader = reader();
        let ours = reader.read(line.as_bytes());
        match serde_json::from_str::<serde_json::Value>(&line) {
            Err(_) => prop_assert!(ours.is_err()),
            Ok(_) => prop_assert!(ours.is_ok()),
        }
    }
}
