//! Owns: what paths mean.
//! Never: files.

use proptest::prelude::*;

use super::*;

#[test]
fn paths_mean_what_a_host_reads_them_for() {
    let cases: [(&str, Option<Place<'_>>); 22] = [
        ("/etc/passwd", Some(Place::Accounts)),
        ("/etc/passwd-", None),
        ("/etc/passwd+", None),
        ("/etc/crontab", Some(Place::SystemCrontab)),
        ("/etc/cron.d/job", Some(Place::SystemCrontab)),
        ("/etc/cron.d/.job.swp", None),
        ("/etc/cron.daily/logrotate", Some(Place::Script { folder: "cron.daily" })),
        ("/var/spool/cron/crontabs/eve", Some(Place::Crontab { user: "eve" })),
        ("/var/spool/cron/crontabs/tmp.xyz", None),
        ("/var/spool/cron/eve", Some(Place::Crontab { user: "eve" })),
        ("/var/spool/cron/atjobs/a0000101c63bc0", Some(Place::At)),
        ("/etc/systemd/system/a.service", Some(Place::Unit)),
        ("/etc/systemd/system/a.timer", Some(Place::Unit)),
        ("/etc/systemd/system/a.mount", None),
        ("/etc/systemd/system/.service", None),
        ("/etc/systemd/system/a.service.d/b.conf", Some(Place::DropIn { unit: "a.service" })),
        ("/etc/systemd/system/multi-user.target.wants/a.service", Some(Place::Link)),
        ("/home/eve/.config/systemd/user/a.service", Some(Place::Unit)),
        ("/home/eve/.config/systemd/user/default.target.wants/a.service", Some(Place::Link)),
        ("/etc/init.d/x", Some(Place::InitScript)),
        ("/etc/rc.local", Some(Place::InitScript)),
        ("/etc/hosts", None),
    ];
    for (path, expected) in cases {
        assert_eq!(place(path), expected, "{path}");
        assert_eq!(subject(path).is_some(), expected.is_some(), "{path}");
    }
    assert_eq!(subject("/etc/shadow"), Some("/etc/passwd"));
    assert_eq!(subject("/etc/gshadow"), Some("/etc/group"));
}

proptest! {
    #[test]
    fn any_path_is_answered(path in "\\PC{0,60}", folder in prop::sample::select(UNIT_FOLDERS.to_vec())) {
        subject(&path);
        place(&path);
        place(&format!("{folder}/{path}"));
    }
}
