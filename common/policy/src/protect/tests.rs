use picket_model::action::Reason;
use picket_model::{ActionId, HostId, IsolationScope, Principal, ProcessKey, Sha256, Timestamp};

use super::*;

fn action(kind: ActionKind) -> Action {
    let reason = Reason {
        principal: Principal::Agent,
        detection: None,
        rule: None,
        severity: 5,
        incident: None,
        families: 1,
        drill: false,
        note: String::new(),
    };
    let (id, host) = (ActionId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    Action { id, host, kind, reason, requested: Timestamp(0), lease_ms: 0 }
}

fn kill(pid: u32, exe: &str) -> Option<String> {
    let key = ProcessKey { boot: 1, pid, start_ticks: 2 };
    let target = Target { pid: Some(pid), exe: exe.into(), ..Target::default() };
    protection(&action(ActionKind::KillTree { target: key }), &target, &Protected::usual())
}

fn quarantine(path: &str) -> Option<String> {
    let kind = ActionKind::QuarantineFile { path: path.into(), sha256: None };
    protection(&action(kind), &Target { path: path.into(), ..Target::default() }, &Protected::usual())
}

fn deny(path: &str) -> Option<String> {
    let kind = ActionKind::DenyExecution { sha256: Sha256([0; 32]), within: None };
    protection(&action(kind), &Target { path: path.into(), ..Target::default() }, &Protected::usual())
}

#[test]
fn who_runs_what_a_host_stands_on_for_their_own_ends_is_not_protected_by_it() {
    let kind = ActionKind::KillTree { target: ProcessKey { boot: 1, pid: 700, start_ticks: 2 } };
    let by = |uid, group: &str| {
        let target = Target {
            pid: Some(700),
            exe: "/usr/bin/dbus-daemon".into(),
            uid,
            group: group.into(),
            ..Target::default()
        };
        protection(&action(kind.clone()), &target, &Protected::usual()).is_some()
    };
    assert!(by(0, "/user.slice/user-0.slice/session-1.scope"));
    assert!(by(101, "/system.slice/dbus.service"), "a service of the host under its own account");
    for group in ["", "/", "/system.slice/apache2.service", "/user.slice/user-1000.slice/session-2.scope"] {
        assert!(!by(1000, group), "{group}");
    }
    // A user's own manager starts what it likes under any name.
    assert!(!by(1000, "/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service"));
    assert!(!by(1000, "/system.slice/x.service/dbus.service"));
}

#[test]
fn what_a_host_stands_on_is_not_killed() {
    for exe in
        ["/usr/sbin/sshd", "/usr/sbin/sshd (deleted)", "/usr/lib/systemd/systemd-journald", "/usr/bin/picket-agent"]
    {
        assert!(kill(700, exe).is_some_and(|why| why.starts_with("protected: executable")), "{exe}");
    }
    assert_eq!(kill(1, "/opt/init").as_deref(), Some("protected: pid 1"));
    for exe in ["/usr/bin/bash", "/tmp/sshd", "", "/usr/sbin/sshd2"] {
        assert_eq!(kill(700, exe), None, "{exe}");
    }
}

#[test]
fn the_groups_of_what_a_host_stands_on_are_not_frozen() {
    let freeze = |group: &str| {
        let kind = ActionKind::FreezeGroup { group: group.into() };
        protection(&action(kind), &Target::default(), &Protected::usual())
    };
    for group in [
        "/",
        "",
        "//.",
        "system.slice/x.service",
        "/system.slice/../x",
        "/init.scope",
        "/system.slice/ssh.service",
        "/system.slice//picket-agent.service/",
        "/system.slice/docker.service/x",
    ] {
        assert!(freeze(group).is_some_and(|why| why.starts_with("protected: ")), "{group:?}");
    }
    for group in ["/system.slice/nginx.service", "/system.slice/docker-0123.scope", "/kubepods/pod1/abc"] {
        assert_eq!(freeze(group), None, "{group}");
    }
}

#[test]
fn lines_go_out_of_files_that_hold_more_than_the_systems_own() {
    let remove = |path: &str| {
        let kind = ActionKind::RemoveLine { path: path.into(), line: "x".into(), sha256: None };
        protection(&action(kind), &Target { path: path.into(), ..Target::default() }, &Protected::usual())
    };
    for path in
        ["/etc/crontab", "/etc/ld.so.preload", "/root/.ssh/authorized_keys", "/etc/profile", "/var/spool/cron/x"]
    {
        assert_eq!(remove(path), None, "{path}");
    }
    for path in ["/etc/shadow", "/etc/sudoers", "/etc/ssh/sshd_config", "/etc/../etc/crontab", "etc/crontab"] {
        assert!(remove(path).is_some(), "{path}");
    }
    assert!(quarantine("/etc/crontab").is_some(), "as a whole it stays");
}

#[test]
fn roots_account_is_nobodys_to_lock() {
    for of in [|user: String| ActionKind::LockAccount { user }, |user: String| ActionKind::EndSessions { user }] {
        let why = |user: &str| protection(&action(of(user.to_owned())), &Target::default(), &Protected::usual());
        assert_eq!(why("root").as_deref(), Some("protected: account root"));
        assert_eq!(why("ann"), None);
    }
    let last = Target { guards: Some("it is the last account"), ..Target::default() };
    let lock = action(ActionKind::LockAccount { user: "ann".into() });
    assert_eq!(protection(&lock, &last, &Protected::usual()).as_deref(), Some("protected: it is the last account"));
}

#[test]
fn what_people_come_in_by_is_not_disabled_nor_what_a_host_stands_on() {
    let disable = |unit: &str| {
        let kind = ActionKind::DisableUnit { unit: unit.into() };
        protection(&action(kind), &Target::default(), &Protected::usual())
    };
    for unit in ["ssh.service", "systemd-journald.service", "picket-agent.service", "getty@tty1.service"] {
        assert!(disable(unit).is_some_and(|why| why.starts_with("protected: unit ")), "{unit}");
    }
    for unit in ["x.service", "backup.timer", "getty@tty1.timer", "sshx.service", "my@ssh.service"] {
        assert_eq!(disable(unit), None, "{unit}");
    }
}

#[test]
fn no_domain_is_blocked_that_holds_strangers_or_is_listed() {
    let protected = Protected { domains: vec!["corp.example".to_owned()], ..Protected::usual() };
    let block = |domain: &str| {
        let kind = ActionKind::BlockDomain { domain: domain.parse().unwrap() };
        protection(&action(kind), &Target::default(), &protected)
    };
    for domain in ["com", "Example.", "co.uk", "com.au", "corp.example", "www.corp.example"] {
        assert!(block(domain).is_some_and(|why| why.starts_with("protected: ")), "{domain}");
    }
    for domain in ["evil.example", "evil.co.uk", "notcorp.example", "com.example"] {
        assert_eq!(block(domain), None, "{domain}");
    }
}

#[test]
fn a_listed_address_is_neither_blocked_nor_cut_off() {
    let list = vec!["198.51.100.0/24".to_owned(), "2001:db8::1".to_owned()];
    let protected = Protected { addresses: list, ..Protected::usual() };
    let block = |network: &str| {
        let kind = ActionKind::BlockAddress { network: network.parse().ok(), port: None };
        protection(&action(kind), &Target::default(), &protected)
    };
    for network in ["198.51.100.7", "198.51.0.0/16", "2001:db8::/32", "198.51.100.0/25"] {
        assert!(block(network).is_some(), "{network}");
    }
    for network in ["203.0.113.7", "198.51.101.0/24", "2001:db8::2"] {
        assert_eq!(block(network), None, "{network}");
    }
    let [local_ip, remote_ip] = ["192.0.2.1", "198.51.100.9"].map(|ip| ip.parse().unwrap());
    let protocol = picket_model::NetProtocol::Tcp;
    let flow = picket_model::NetFlow { protocol, local_ip, local_port: 1, remote_ip, remote_port: 2 };
    assert!(protection(&action(ActionKind::CutConnection { flow }), &Target::default(), &protected).is_some());
}

#[test]
fn the_systems_own_files_are_neither_moved_nor_denied() {
    for path in
        ["/usr/bin/bash", "/usr/lib", "/boot/vmlinuz", "//usr//./bin/ls", "/etc/ssh/sshd_config", "/usr/sbin/sshd"]
    {
        assert!(quarantine(path).is_some(), "{path}");
        assert!(deny(path).is_some(), "{path}");
    }
    for path in [
        "/tmp/x",
        "/dev/shm/x",
        "/etc/cron.d/x",
        "/usr/local/bin/x",
        "/usr/libfoo",
        "/home/a/.bashrc",
        "/var/www/shell.php",
    ] {
        assert_eq!(quarantine(path), None, "{path}");
        assert_eq!(deny(path), None, "{path}");
    }
}

#[test]
fn execution_is_not_denied_within_the_systems_folders() {
    let within = |folder: &str| {
        let kind = ActionKind::DenyExecution { sha256: Sha256([0; 32]), within: Some(folder.into()) };
        protection(&action(kind), &Target::default(), &Protected::usual())
    };
    assert!(within("/usr/bin").is_some());
    assert_eq!(within("/tmp/picket-drill-1"), None);
}

#[test]
fn no_path_is_denied_that_is_or_holds_what_the_host_stands_on() {
    let denied = |path: &str| {
        let kind = ActionKind::DenyPath { path: path.into() };
        protection(&action(kind), &Target::default(), &Protected::usual())
    };
    for path in ["/", "/usr", "/usr/", "/usr/bin/bash", "/var/lib", "/etc", "/tmp/../usr", "tmp"] {
        assert!(denied(path).is_some(), "{path}");
    }
    for path in ["/dev/shm", "/tmp", "/tmp/x", "/opt/app/run", "/home/ann/bin"] {
        assert_eq!(denied(path), None, "{path}");
    }
}

#[test]
fn a_path_that_climbs_is_not_certain_and_so_protected() {
    for path in ["/tmp/../usr/bin/bash", "usr/bin/bash", "", "."] {
        assert!(quarantine(path).is_some(), "{path:?}");
    }
}

#[test]
fn what_the_host_guards_by_nature_is_out_of_everybodys_reach() {
    let isolate = action(ActionKind::IsolateHost { scope: IsolationScope::Host });
    let target = Target { guards: Some("the agent"), ..Target::default() };
    assert_eq!(protection(&isolate, &target, &Protected::default()).as_deref(), Some("protected: the agent"));
    assert_eq!(protection(&isolate, &Target::default(), &Protected::usual()), None);
}

proptest::proptest! {
    #[test]
    fn no_spelling_of_a_protected_path_gets_through(parts in proptest::collection::vec("[./]{1,3}", 0..6), name in "[a-z.]{1,8}") {
        let path = format!("/usr/{}/bin/{}/{name}", parts.join("/"), parts.join("/"));
        let climbs = path.split('/').any(|part| part == "..");
        let dotted = path.split('/').any(|part| part.len() > 2 && part.chars().all(|c| c == '.'));
        if climbs || !dotted {
            proptest::prop_assert!(quarantine(&path).is_some(), "{}", path);
        }
    }
}

#[test]
fn no_module_is_disabled_by_which_a_host_stands_in_its_network() {
    let disabled = |module: &str| {
        let kind = ActionKind::DisableModule { module: module.into() };
        protection(&action(kind), &Target::default(), &Protected::usual())
    };
    for module in ["bonding", "wireguard", "8021q"] {
        assert!(disabled(module).is_some(), "{module}");
    }
    for module in ["evil", "dummy", "bond"] {
        assert_eq!(disabled(module), None, "{module}");
    }
}
