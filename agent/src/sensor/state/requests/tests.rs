//! Owns: whom what the service manager does is told as.
//! Never: a manager.

use picket_model::ServiceActivity::{Disabled, Enabled, Started, Stopped};

use super::*;

fn actor(pid: u32) -> RawActor {
    RawActor { pid, start_ticks: None }
}

fn call(serial: u32) -> CallId {
    CallId { sender: ":1.7".into(), serial }
}

#[test]
fn who_was_refused_did_nothing() {
    let requests = Requests::default();
    requests.called("StopUnit", vec!["cron.service".into()], actor(1), call(1));
    requests.called("StopUnit", vec!["cron.service".into()], actor(2), call(2));
    let who = || requests.who("cron.service", Some(Stopped)).map(|actor| actor.pid);
    assert_eq!(who(), Some(2));
    requests.refused(&CallId { sender: ":1.8".into(), serial: 2 });
    assert_eq!(who(), Some(2), "that was another's call");
    requests.refused(&call(2));
    assert_eq!(who(), Some(1));
    requests.refused(&call(1));
    assert_eq!(who(), None);
}

fn argv(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_last_who_named_the_unit_did_it() {
    let requests = Requests::default();
    requests.executed(&argv("systemctl restart cron"), actor(1001));
    requests.called("StartUnit", vec!["ssh.service".into()], actor(1002), call(1));
    requests.executed(&argv("/usr/bin/systemctl enable --now /opt/x.service"), actor(1003));
    requests.executed(&argv("systemctl status cron"), actor(1004));
    let who = |unit, activity| requests.who(unit, Some(activity)).map(|actor| actor.pid);
    assert_eq!(who("cron.service", Started), Some(1001));
    assert_eq!(who("cron.service", Stopped), Some(1001));
    assert_eq!(who("ssh.service", Started), Some(1002));
    assert_eq!(who("ssh.service", Stopped), None, "who started it is not who stopped it");
    assert_eq!(who("x.service", Enabled), Some(1003));
    assert_eq!(who("x.service", Disabled), None);
    assert_eq!(who("other.service", Started), None);
}

#[test]
fn transient_units_are_whose_systemd_run_made_them() {
    let requests = Requests::default();
    requests.executed(&argv("systemd-run --on-calendar=daily /bin/true"), actor(7));
    requests.executed(&argv("systemd-run -u mine /bin/true"), actor(8));
    requests.executed(&argv("systemd-run --unit=yours sleep 1"), actor(9));
    let who = |unit: &str| requests.who(unit, None).map(|actor| actor.pid);
    assert_eq!([who("run-r12ab.timer"), who("mine.service"), who("yours.service")], [Some(7), Some(8), Some(9)]);
}

#[test]
fn who_spoke_to_the_manager_this_second_did_what_nobody_named() {
    let requests = Requests::default();
    requests.connected(actor(5));
    assert_eq!(requests.who("a.service", Some(Stopped)), Some(actor(5)));
    for pid in 0..1000 {
        requests.called("StartUnit", vec!["b.service".into()], actor(pid), call(pid));
    }
    assert_eq!(requests.who("a.service", Some(Stopped)), None, "it is forgotten among so many");
}
