//! Owns: tests of the language of cases: each word becomes its event, each slip is named with its place.
//! Never: the shipped rules' cases.

use proptest::prelude::*;

use super::{Suite, parse};
use crate::sigma::class::Class;
use crate::{Detector, IndicatorSource, RuleSource};

/// One entry of every word.
const EVERY_WORD: &str = "
hits:
  - about: all of them
    sequence:
    - launch: {exe: /bin/sh, stdin: socket, stdout: pipe, preload: LD_PRELOAD=/tmp/x.so, script_path: /tmp/x.sh, image: nginx, container_name: web, pod: shop/web, capabilities: [sys_admin], namespaces: {mount: 7}, login_uid: 1000, session: 3, cgroup: /x, container: 3f2a}
    - create: {path: /a}
    - set_owner: {path: /a}
    - set_attributes: {path: /a}
    - raw_access: {path: /dev/sda}
    - read: {path: /etc/shadow}
    - delete: {path: /a}
    - hash: {path: /a, executed: true, entropy: 7900, header: 7f454c46}
    - connect: {to: 203.0.113.9, port: 53, protocol: udp}
    - listen: {port: 4444}
    - unix: {path: /run/docker.sock}
    - dns: {name: example.org, answers: [203.0.113.9]}
    - module: {name: x, path: /tmp/x.ko, loaded: false}
    - library: {path: /tmp/x.so}
    - bpf: {name: x, kind: kprobe}
    - auth: {user: alice, service: su, success: true}
    - script: {source: argument, content: 'id'}
    - access: {kind: poke, target: {exe: /usr/sbin/sshd}}
    - memory: {kind: make_executable}
    - memory_file: {name: x}
    - privilege: {kind: set_user, uid: 0, by: {exe: /bin/x}}
    - mount: {kind: mount, source: /dev/sda1, target: /mnt, fs: ext4}
    - kernel: {operation: set_parameter, subject: /proc/sys/kernel/core_pattern}
    - job: {activity: created, kind: at, command: id}
    - account: {activity: modified, name: alice, changed: [uid]}
    - group: {activity: modified, name: sudo, added: [alice]}
    - service: {activity: created, name: x.service}
    - tamper: {kind: kill, refused: true}
";

#[test]
fn every_class_of_events_has_its_word() {
    let cases = parse("x.tests.yml", EVERY_WORD).unwrap();
    let events = &cases.hits[0].events;
    assert_eq!(events.len(), 28);
    let rename = parse("x", "hits:\n - rename: {from: /a, path: /b}\n - set_mode: {path: /a, mode: '4755'}\n").unwrap();
    let more = rename.hits.iter().flat_map(|case| &case.events);
    let met: Vec<Class> = events.iter().chain(more).flat_map(|event| Class::of(&event.activity)).copied().collect();
    for class in Class::ALL {
        assert!(met.contains(&class), "{}", class.word());
    }
}

/// A name stands for the whole chain of parents.
#[test]
fn processes_have_names_for_cases_to_call_them_by() {
    let text = "processes:\n  sshd: {exe: /usr/sbin/sshd, user: root}\n  shell: {exe: /bin/sh, parent: sshd}\nhits:\n- launch: {exe: /bin/ls, parent: shell}\n- launch: shell\n";
    let cases = parse("x", text).unwrap();
    let above = |case: usize| -> Vec<String> {
        let process = cases.hits[case].events[0].process.as_ref().unwrap();
        process.ancestors().map(|above| above.exe.clone()).collect()
    };
    assert_eq!(
        (above(0), above(1)),
        (vec!["/bin/sh".to_owned(), "/usr/sbin/sshd".to_owned()], vec!["/usr/sbin/sshd".to_owned()])
    );
    let found = parse("x", "hits:\n- launch: {exe: /bin/ls, parent: shell}\n").unwrap_err();
    assert_eq!(found[0].to_string(), "x:2:34: no process is called `shell` above");
}

#[test]
fn each_slip_is_named_where_it_stands() {
    for (text, place, words) in [
        ("hits:\n  - lunch: {exe: /bin/sh}\n", "2:5", "no event `lunch`"),
        ("hits:\n  - launch: {exe: /bin/sh, ecmd: x}\n", "2:28", "no `ecmd`"),
        ("hits:\n  - write: {by: {exe: /bin/sh}}\n", "2:12", "`path` is missing"),
        ("hits:\n  - connect: {to: here, port: 1}\n", "2:19", "an address"),
        ("hits:\n  - listen: {port: 70000}\n", "2:20", "a number"),
        ("hits:\n  - access: {kind: stroke, target: {exe: /a}}\n", "2:20", "one of trace"),
        ("hits:\n  - launch: {exe: /a, parent: {uid: many}}\n", "2:37", "a number"),
        ("hits:\n  - set_mode: {path: /a, mode: '9'}\n", "2:32", "octal"),
        ("hits:\n  - launch: {exe: /a}\n    write: {path: /a}\n", "2:5", "one event"),
        ("hits:\n  - about: nothing\n", "2:5", "one event"),
        ("hits:\n  - sequence:\n    - launch: {exe: /a}\n      repeat: 4000000000\n", "3:7", "more than"),
        ("mises: []\n", "1:1", "no `mises`"),
        ("hits: 3\n", "1:7", "a list"),
        ("", "1:1", "no cases"),
    ] {
        let found = parse("x.yml", text).unwrap_err();
        let wanted = format!("x.yml:{place}: ");
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|error| error.starts_with(&wanted) && error.contains(words)), "{text}{shown:#?}");
    }
}

fn rule(name: &str) -> RuleSource {
    let text = format!(
        "title: T\nname: {name}\nlogsource:\n  category: network_connection\ndetection:\n  s:\n    DestinationPort: 1003\n  condition: s\nlevel: high\n"
    );
    RuleSource { file: format!("{name}.yml"), text }
}

fn suite(rules: &[RuleSource]) -> Suite {
    Suite::of(Detector::compile(rules, &IndicatorSource::default()).unwrap())
}

/// The fourth turn of the sequence reaches port 1003; the second case stands on the wrong side.
#[test]
fn a_run_says_of_each_case_whether_the_rules_did_as_it_says() {
    let text = "hits:\n- about: turns\n  sequence:\n  - connect: {to: 192.0.2.1, port: '100{turn}'}\n    repeat: 4\n- about: wrong\n  connect: {to: 192.0.2.1, port: 1}\nmisses:\n- about: near\n  connect: {to: 192.0.2.1, port: 1004}\n";
    let outcomes = suite(&[rule("mine"), rule("other")]).play(&parse("mine.tests.yml", text).unwrap());
    let passed: Vec<(usize, bool)> = outcomes.iter().map(|outcome| (outcome.line, outcome.passed)).collect();
    assert_eq!(passed, [(2, true), (6, false), (9, true)]);
    assert_eq!(outcomes[0].rules, ["mine", "other"]);
}

#[test]
fn cases_are_about_the_rules_of_the_file_beside_them() {
    let text = "hits:\n- connect: {to: 192.0.2.1, port: 1003}\n";
    let file = |file: &str, name: &str| RuleSource { file: file.to_owned(), ..rule(name) };
    // No rule is called like the file: any of those in it will do, those of other files will not.
    let mut suite = suite(&[file("a/theirs.yml", "x"), file("b/theirs.yaml", "y"), file("a/near.yml", "z")]);
    for (cases, about) in
        [("a/theirs.tests.yml", vec!["x"]), ("b/theirs.tests.yaml", vec!["y"]), ("theirs.yml", vec![])]
    {
        assert_eq!(suite.about(cases), about);
        assert_eq!(suite.play(&parse(cases, text).unwrap())[0].passed, !about.is_empty());
    }
}

/// Two sign-ins that fail are counted once; and what one case gathered does not count in the next.
#[test]
fn a_rule_that_a_correlation_silences_can_be_tested_and_no_case_helps_the_next() {
    let failed = "title: F\nname: failed\nlogsource: {service: sshd}\ndetection:\n  s:\n    Success: false\n  condition: s\npicket: {silent: true}\n";
    let guess = "title: G\nname: guess\nlevel: low\ncorrelation:\n  type: event_count\n  rules: failed\n  group-by: [SourceIp]\n  timespan: 1m\n  condition: {gte: 2}\n";
    let sources = [("failed.yml", failed), ("guess.yml", guess)];
    let mut suite = suite(&sources.map(|(file, text)| RuleSource { file: file.to_owned(), text: text.to_owned() }));
    let once = "- auth: {user: a, source: 192.0.2.7, success: false}\n";
    let outcomes = suite.play(&parse("failed.tests.yml", &format!("hits:\n{once}")).unwrap());
    assert_eq!((outcomes[0].passed, outcomes[0].rules.as_slice()), (true, &["failed".to_owned()][..]));
    let outcomes = suite.play(&parse("guess.tests.yml", &format!("misses:\n{once}{once}{once}")).unwrap());
    assert!(outcomes.iter().all(|outcome| outcome.passed && outcome.rules.is_empty()), "{outcomes:?}");
}

proptest! {
    #[test]
    fn hostile_cases_never_panic(text in "\\PC{0,200}") {
        let _ = parse("x", &text);
    }

    #[test]
    fn hostile_values_never_panic(word in "[a-z_]{3,14}", key in "[a-z_]{2,8}", value in "\\PC{0,20}") {
        let _ = parse("x", &format!("hits:\n  - {word}: {{{key}: {value}, by: {{uid: {value}}}}}\n"));
    }
}
