//! Owns: how tables of jobs are read.
//! Never: this machine's own jobs.

use proptest::prelude::*;

use super::*;

fn lines(text: &str, table: Table<'_>) -> Vec<String> {
    let (jobs, beyond) = crontab(text.as_bytes(), table, "/t");
    assert_eq!(beyond, 0);
    jobs.iter().map(|job| format!("{} | {} | {}", job.schedule, job.user, job.command)).collect()
}

#[test]
fn a_users_table() {
    let text = "# DO NOT EDIT\nSHELL=/bin/sh\n \"MAILTO\" = root\n\n*/5  *\t* * *   /bin/a  b\n@reboot curl x=1 | sh\n- 1 2 3 4 5 quiet\n* * * *\n@daily\n";
    assert_eq!(
        lines(text, Table::Of("eve")),
        ["*/5 * * * * | eve | /bin/a  b", "@reboot | eve | curl x=1 | sh", "1 2 3 4 5 | eve | quiet"]
    );
}

#[test]
fn tables_of_the_system_name_the_user() {
    let text = "PATH=/bin\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n@hourly www-data x\n* * * * * root\n";
    assert_eq!(
        lines(text, Table::System),
        ["17 * * * * | root | cd / && run-parts --report /etc/cron.hourly", "@hourly | www-data | x"]
    );
    assert_eq!(
        lines("1\t5\tcron.daily\tnice run-parts\n@monthly 45 m x y\n", Table::Anacron),
        ["1 5 | root | nice run-parts", "@monthly 45 | root | x y"]
    );
}

const DEBIAN: &str = "#!/bin/sh\n# atrun uid=1000 gid=1000\n# mail ann 0\numask 22\nHOME=/root; export HOME\ncd /root || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\ntouch /tmp/x\necho done\n";
const RED_HAT: &str = "#!/bin/sh\n# atrun uid=0 gid=0\ncd /root || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n${SHELL:-/bin/sh} << 'marcinDELIMITER5d1a'\ntouch /tmp/x\n\nmarcinDELIMITER5d1a\n";

#[test]
fn a_job_of_at_is_its_name_and_its_tail() {
    let user = |uid| (uid == 1000).then(|| "ann".to_owned());
    let job = at(DEBIAN.as_bytes(), "a0000a01c63bc0", "/s/a", user).expect("a job");
    assert_eq!((job.name.as_str(), job.schedule.as_str()), ("10", "2026-08-07T16:00:00.000Z"));
    assert_eq!((job.user.as_str(), job.command.as_str()), ("ann", "touch /tmp/x\necho done"));
    let job = at(RED_HAT.as_bytes(), "b0000a01c63bc0", "/s/b", user).expect("a job");
    assert_eq!((job.user.as_str(), job.command.as_str()), ("0", "touch /tmp/x"));
    for other in [".SEQ", "=0000a01c63bc0", "a0000a01c63bc", "", "aééééé01c6"] {
        assert_eq!(at(b"", other, "/s", user), None, "{other}");
    }
}

#[test]
fn a_script_of_run_parts() {
    let (one, other) = (script(b"a", "cron.daily", "x", "/x"), script(b"b", "cron.daily", "x", "/x"));
    assert_eq!((one.schedule.as_str(), one.command.as_str()), ("@daily", "/x"));
    assert_ne!(one.content, other.content);
}

proptest! {
    #[test]
    fn no_bytes_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000), name in "\\PC{0,16}") {
        for table in [Table::Of("u"), Table::System, Table::Anacron] {
            for job in crontab(&bytes, table, "/t").0 {
                prop_assert!(!job.command.is_empty());
            }
        }
        at(&bytes, &name, "/s", |_| None);
        at(&bytes, "a0000a01c63bc0", "/s", |_| None);
    }

    #[test]
    fn a_line_is_read_back(fields in prop::collection::vec("[0-9*,/-]{1,5}", 5), command in "[!-~][ -~]{0,60}") {
        prop_assume!(!fields[0].starts_with('-'));
        let line = format!("{} {command}\n", fields.join(" \t"));
        let (jobs, _) = crontab(line.as_bytes(), Table::Of("u"), "/t");
        prop_assert_eq!(jobs.len(), 1);
        prop_assert_eq!(&jobs[0].schedule, &fields.join(" "));
        prop_assert_eq!(&jobs[0].command, command.trim_end());
    }
}
