//! Owns: hostile events of other products: any bytes as a line of JSON, under rules that look at all of it.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

use std::sync::{LazyLock, Mutex};

use picket_detect::{Detector, Placeholders, RuleSource, foreign};

const RULES: &str = "
title: Keywords
name: keywords
logsource: {product: windows}
detection:
  words: [mimikatz, 'a*b']
  condition: words
---
title: Fields
name: fields
logsource: {product: windows, category: process_creation}
detection:
  names: {Image|endswith: [\\a.exe, \\b.exe], CommandLine|re: '[a-z]+ -x', User: null, Parent.Child|exists: true}
  numbers: {ProcessId|gte: 10, DestinationIp|cidr: 10.0.0.0/8, UtcTime|hour: 3, Image|fieldref: ParentImage}
  condition: 1 of names* or numbers
---
title: Many
name: many
level: low
correlation: {type: event_count, rules: [keywords], group-by: [User], timespan: 1m, condition: {gte: 2}}
";

static STATE: LazyLock<Mutex<(Detector, foreign::Reader)>> = LazyLock::new(|| {
    let rules = RuleSource { file: "fuzz.yml".to_owned(), text: RULES.to_owned() };
    let detector = Detector::compile_lenient(&[rules], &Placeholders::default()).detector;
    let reader = foreign::Reader::new(&detector.schema());
    Mutex::new((detector, reader))
});

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    let Ok(mut state) = STATE.lock() else { return };
    let (detector, reader) = &mut *state;
    if let Ok(event) = reader.read(line) {
        detector.observe_foreign(&event);
    }
});
