use serde_json::json;

use super::{what, word};

#[test]
fn events_read_as_sentences() {
    let launch =
        json!({"process": {"exe": "/bin/sh", "argv": ["sh", "-c", "id"]}, "activity": {"class": "process_launch"}});
    assert_eq!((word(&launch), what(&launch)), ("launch".into(), "sh -c id".into()));
    let flow =
        json!({"protocol": "tcp", "local_ip": "10.0.0.1", "local_port": 4, "remote_ip": "10.0.0.2", "remote_port": 22});
    let connect =
        json!({"process": {"exe": "/bin/ssh"}, "activity": {"class": "network", "activity": "connect", "flow": flow}});
    assert_eq!((word(&connect), what(&connect)), ("connect".into(), "/bin/ssh tcp 10.0.0.1:4 > 10.0.0.2:22".into()));
    let job = json!({"activity": "created", "kind": "cron", "schedule": "@daily", "user": "root", "command": "id", "path": "/etc/crontab"});
    let job = json!({"process": {"exe": "/usr/bin/vi"}, "activity": {"class": "scheduled_job", "job": job}});
    assert_eq!((word(&job), what(&job)), ("job".into(), "/usr/bin/vi created cron @daily root id /etc/crontab".into()));
    let access = json!({"access": "poke", "target": {"key": {"pid": 7}, "exe": "/bin/cat"}, "class": "process_access"});
    let access = json!({"process": {"exe": "/tmp/x"}, "activity": access});
    assert_eq!((word(&access), what(&access)), ("access".into(), "/tmp/x poke of 7 /bin/cat".into()));
    let rows = json!([{"row": "dns.query", "hook": ""}, {"row": "file.mode", "hook": "sys_exit"}]);
    let coverage = json!({"activity": {"class": "coverage", "rows": rows}});
    assert_eq!(word(&coverage), "coverage");
    assert!(what(&coverage).ends_with("1 rows seen, 1 not"));
}
