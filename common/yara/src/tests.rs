//! Owns: what compiles, what is refused and where, and what is found.
//! Never: processes, limits of time or memory.

mod bombs;
mod pack;

use picket_detect::RuleSource;
use picket_model::Severity;

use crate::{Found, Rules, YaraRule, compile};

fn source(file: &str, text: &str) -> RuleSource {
    RuleSource { file: file.into(), text: text.into() }
}

fn rules(text: &str) -> (Vec<YaraRule>, Rules) {
    let compiled = compile(&[source("t.yar", text)]).unwrap();
    (compiled.rules, Rules::load(&compiled.bytes).unwrap())
}

fn refused(text: &str) -> Vec<String> {
    let errors = compile(&[source("t.yar", text)]).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// The names of the rules that the bytes meet.
fn met(text: &str, bytes: &[u8]) -> Vec<String> {
    let (described, rules) = rules(text);
    let found = rules.file(bytes).unwrap();
    found.iter().map(|found| described[found.rule as usize].name.clone()).collect()
}

#[test]
fn every_error_has_its_place() {
    let text = "rule one { condition: nowhere }\n\nrule two {\n  strings:\n    $a = /(/\n  condition: $a }\n";
    let errors = refused(text);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("t.yar:1:23: unknown identifier"), "{errors:?}");
    assert!(errors[1].starts_with("t.yar:5:"), "{errors:?}");
    for (text, reason) in [
        ("rule a { condition: true } rule a { condition: true }", "t.yar:1:33: duplicate rule"),
        ("import \"cuckoo\" rule a { condition: true }", "t.yar:1:1: unknown module"),
        ("include \"other.yar\"", "t.yar:1:1: include statements not allowed"),
        ("rule a {", "t.yar:1:"),
    ] {
        let errors = refused(text);
        assert!(errors.first().is_some_and(|error| error.starts_with(reason)), "{text}: {errors:?}");
    }
}

#[test]
fn metadata_says_what_a_match_means() {
    let text = "rule bad : shell linux {
  meta:
    title = \"A bad file\"
    description = \"Long\"
    severity = \"high\"
    score = 10
    techniques = \"T1505.003, t1059\"
    tactics = \"persistence\"
    response = \"quarantine_file, kill_tree\"
    scan_context = \"file\"
    author = \"us\"
    severity_of_others = 100
  condition: filesize > 3
}";
    let (described, _) = rules(text);
    let [rule] = &described[..] else { panic!("{described:?}") };
    assert_eq!((rule.title.as_str(), rule.severity), ("A bad file", Severity::High));
    assert_eq!(rule.techniques, ["T1505.003", "T1059"]);
    assert_eq!(rule.response, ["quarantine_file", "kill_tree"]);
    assert_eq!(rule.tags, ["shell", "linux"]);
    assert_eq!((rule.in_files, rule.in_memory, rule.private), (true, false, false));
    let of = |meta: &str| rules(&format!("private rule bare {{ meta: {meta} condition: true }}")).0[0].clone();
    assert_eq!((of("a = 1").severity, of("a = 1").title.as_str()), (Severity::Medium, "bare"));
    assert_eq!(of("score = 75").severity, Severity::Medium);
    assert_eq!(of("score = 80").severity, Severity::High);
    assert_eq!(of("severity = 100").severity, Severity::Medium, "a scale of others says nothing");
    assert_eq!(of("description = \"What\"").title, "What");
    assert!(of("a = 1").private);
}

#[test]
fn metadata_that_cannot_be_honoured_is_refused_where_the_rule_stands() {
    for (meta, reason) in [
        ("severity = \"urgent\"", "`urgent` is none of informational"),
        ("score = 101", "101 is not between"),
        ("techniques = \"T1\"", "`T1` is no technique"),
        ("techniques = 5", "it is no text"),
        ("tactics = \"De fense\"", "is no tactic"),
        ("response = \"isolate_host\"", "is no response"),
        ("scan_context = \"disk\"", "neither file nor memory"),
    ] {
        let errors =
            refused(&format!("rule fine {{ condition: false }}\n  rule bad {{ meta: {meta} condition: true }}"));
        let [error] = &errors[..] else { panic!("{meta}: {errors:?}") };
        assert!(error.starts_with("t.yar:2:8: metadata `") && error.contains(reason), "{error}");
    }
}

#[test]
fn files_have_namespaces_and_no_name_stands_twice() {
    let strict = source("a.yar", "global rule never { condition: false } rule mine { condition: true }");
    let other = source("b.yar", "rule theirs { condition: true }");
    let compiled = compile(&[strict.clone(), other]).unwrap();
    let found = Rules::load(&compiled.bytes).unwrap().file(b"x").unwrap();
    let names: Vec<&str> = found.iter().map(|found| compiled.rules[found.rule as usize].name.as_str()).collect();
    assert_eq!(names, ["theirs"], "a global rule governs its own file");
    let errors = compile(&[strict, source("b.yar", "rule x { condition: true }\nrule mine { condition: true }")]).err();
    let errors: Vec<String> = errors.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["b.yar:2:6: the rule `mine` stands in a.yar too; detections could not tell them apart"]);
}

#[test]
fn what_is_found_says_where_within_its_limits() {
    let text = "rule r { strings: $a = \"abc\" $b = { 00 ff } $c = \"nowhere\" condition: $a or $b or $c }";
    let (_, rules) = rules(text);
    let found = rules.file(b"abc....abc..\x00\xff").unwrap();
    let [Found { rule: 0, strings }] = &found[..] else { panic!("{found:?}") };
    let told: Vec<_> = strings.iter().map(|s| (s.name.as_str(), s.at.clone(), s.length)).collect();
    assert_eq!(told, [("$a", vec![0, 7], 3), ("$b", vec![12], 2)]);
    let many = rules.file(&b"abc".repeat(100)).unwrap();
    assert_eq!(many[0].strings[0].at.len(), crate::limits::TOLD_OFFSETS_MAX);
    assert_eq!(rules.file(b""), Some(vec![]));
}

#[test]
fn memory_is_looked_at_region_by_region() {
    let (_, rules) = rules("rule r { strings: $a = \"needle\" condition: $a }");
    let mut memory = rules.memory();
    assert!(memory.region(0x1000, b"hay needle hay"));
    assert!(memory.region(0x7f00_0000_0000, b"needle"));
    let found = memory.finish().unwrap();
    assert_eq!(found[0].strings[0].at, [0x1004, 0x7f00_0000_0000]);
    let mut torn = rules.memory();
    assert!(torn.region(0x1000, b"nee") && torn.region(0x1003, b"dle"));
    assert_eq!(torn.finish(), Some(vec![]));
}

#[test]
fn the_modules_for_this_system_are_there() {
    let elf = "import \"elf\" rule r { condition: elf.type == elf.ET_EXEC or elf.type == elf.ET_DYN }";
    let program = std::fs::read("/bin/cat").unwrap();
    assert_eq!(met(elf, &program), ["r"]);
    assert!(met(elf, b"#!/bin/sh\n").is_empty());
    assert!(met(elf, &program[..40]).is_empty(), "a torn one is no reason to end");
    let sums = "import \"hash\" import \"math\" rule r { condition:
        hash.sha256(0, filesize) == \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"
        and math.entropy(0, filesize) > 1.5 }";
    assert_eq!(met(sums, b"abc"), ["r"]);
}

#[test]
fn bytes_of_others_are_no_rules() {
    assert!(Rules::load(b"").is_err());
    assert!(Rules::load(b"YARA-X\0\0\x01\0\0\0").is_err());
}
