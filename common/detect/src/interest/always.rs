//! Owns: the files that other parts of Picket stand on, whatever the rules say.
//! Never: a rule's own files.

use picket_model::Paths;

/// Whole names, each with who needs it.
const NAMES: &[(&str, &str)] = &[
    (
        "etc",
        "accounts, groups, cron, units, start scripts: the watchers of the host's settings, and whoever searches them",
    ),
    ("cron", "crontabs of users: /var/spool/cron"),
    ("crontabs", "crontabs of users: /var/spool/cron/crontabs"),
    ("atjobs", "at jobs: /var/spool/cron/atjobs"),
    ("atspool", "at jobs: /var/spool/cron/atspool"),
    ("at", "at jobs: /var/spool/at"),
    ("systemd", "units below /usr/lib, /run and the homes"),
    ("picket", "the agent's own files, and a drill's"),
    ("picket-agent", "the agent's own program"),
    (".ssh", "keys of users, those that let in and those that are taken"),
];

/// Endings, each with who needs it.
const ENDINGS: &[(&str, &str)] = &[
    ("service", "units, wherever they lie"),
    ("timer", "units, wherever they lie"),
    ("ko", "kernel modules, before they are loaded"),
];

pub fn paths() -> Paths {
    let texts = |list: &[(&str, &str)]| list.iter().map(|(text, _)| (*text).to_owned()).collect();
    Paths { names: texts(NAMES), endings: texts(ENDINGS), ..Paths::default() }
}
