//! Owns: every act that a person can order, on a whole machine with its service manager, accounts and jobs, and its undoing.
//! Never: an act whose effect is taken from the agent's word alone; the guest's own tools say what is so.

use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use picket_tests::soc;

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn what_a_person_orders_is_done_and_taken_back() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let payload = soc::payload(&[]);
    let guests = soc::boot(&lab, &["desk"], &payload);
    let guest = &guests[0];
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    units(guest);
    modules(guest);
    accounts(guest);
    lines(guest);
    processes(guest);
    network(guest);
    names(guest);
}

/// Orders it, and waits until the host has reported it done; its id.
fn done(guest: &Vm, what: &str) -> String {
    let ordered = guest.run(&format!("/opt/picket/picket contain desk {what} --yes --json")).unwrap();
    let ordered: Value = serde_json::from_str(&ordered).unwrap();
    let id = ordered["id"].as_str().unwrap().to_owned();
    reported(guest, &id, "applied", what);
    id
}

fn undone(guest: &Vm, id: &str) {
    guest.run(&format!("/opt/picket/picket undo {id}")).unwrap();
    reported(guest, id, "undone", id);
}

fn reported(guest: &Vm, id: &str, state: &str, what: &str) {
    soc::wait(guest, &format!("{what} is {state}"), || {
        let actions = soc::json(guest, "actions --limit 100")?;
        actions.as_array()?.iter().any(|action| action["id"] == id && action["state"] == state).then_some(())
    });
}

fn says(guest: &Vm, command: &str) -> String {
    let output = guest.ssh(command).unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn refused(guest: &Vm, what: &str, why: &str) {
    let ordered = guest.run(&format!("/opt/picket/picket contain desk {what} --yes --json")).unwrap();
    let ordered: Value = serde_json::from_str(&ordered).unwrap();
    let id = ordered["id"].as_str().unwrap().to_owned();
    soc::wait(guest, &format!("{what} is not done"), || {
        let actions = soc::json(guest, "actions --limit 100")?;
        let action = actions.as_array()?.iter().find(|action| action["id"] == id.as_str())?.clone();
        let state = action["state"].as_str()?;
        assert_ne!(state, "applied", "{action}");
        let told = matches!(state, "refused" | "failed") && action["detail"].as_str()?.contains(why);
        told.then_some(())
    });
}

fn units(guest: &Vm) {
    guest
        .run(
            "printf '[Service]\\nExecStart=/bin/sleep 10000\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/implant.service
             printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' > /etc/systemd/system/implant.timer
             systemctl daemon-reload; systemctl enable --now implant.service implant.timer",
        )
        .unwrap();
    let state = |unit: &str| says(guest, &format!("systemctl is-active {unit}; systemctl is-enabled {unit}"));
    for unit in ["implant.service", "implant.timer"] {
        assert_eq!(state(unit), "active\nenabled");
        let id = done(guest, &format!("disable-unit {unit} --lease 1h"));
        assert!(state(unit).starts_with("inactive\nmasked"), "{}", state(unit));
        assert!(!guest.ssh(&format!("systemctl start {unit}")).unwrap().status.success(), "nothing starts it");
        undone(guest, &id);
        assert_eq!(state(unit), "active\nenabled");
    }
    guest.run("systemctl stop implant.service").unwrap();
    let id = done(guest, "disable-unit implant.service");
    undone(guest, &id);
    assert_eq!(state("implant.service"), "inactive\nenabled", "what did not run does not run");
    for unit in ["ssh.service", "systemd-journald.service"] {
        refused(guest, &format!("disable-unit {unit}"), "protected");
    }
    refused(guest, "disable-unit no-such.service", "no unit");
    // The agent is one of its processes.
    refused(guest, "disable-unit agent.service", "the agent is it or runs below it");

    guest.run("systemctl start implant.service").unwrap();
    let id = done(guest, "freeze-group /system.slice/implant.service");
    let frozen = "cat /sys/fs/cgroup/system.slice/implant.service/cgroup.events";
    assert!(says(guest, frozen).contains("frozen 1"));
    undone(guest, &id);
    assert!(says(guest, frozen).contains("frozen 0"));
    refused(guest, "freeze-group /system.slice", "it is not frozen");
}

fn modules(guest: &Vm) {
    guest.run("modprobe -r loop; modprobe loop max_part=7; modprobe dummy").unwrap();
    let loaded = |module: &str| says(guest, &format!("grep -c '^{module} ' /proc/modules")) == "1";
    let max_part = "cat /sys/module/loop/parameters/max_part";
    assert_eq!((loaded("loop"), says(guest, max_part).as_str()), (true, "7"));
    let id = done(guest, "disable-module loop --lease 1h");
    assert!(!loaded("loop"));
    assert!(!guest.ssh("modprobe loop").unwrap().status.success() && !loaded("loop"), "nothing loads it by its name");
    assert!(says(guest, "cat /sys/module/loop/parameters/max_part").contains("No such file"));
    // What is loaded past the denial does not stay.
    guest.run("modprobe --ignore-install loop").unwrap();
    soc::wait(guest, "it is unloaded again", || (!loaded("loop")).then_some(()));
    undone(guest, &id);
    assert_eq!((loaded("loop"), says(guest, max_part).as_str()), (true, "7"), "with what it was told");
    assert_eq!(says(guest, "ls /run/modprobe.d"), "");

    // One that was not loaded does not come with the undoing.
    guest.run("modprobe -r dummy").unwrap();
    let id = done(guest, "disable-module dummy");
    assert!(!guest.ssh("ip link add d0 type dummy").unwrap().status.success(), "the kernel itself asks in vain");
    undone(guest, &id);
    assert!(!loaded("dummy"));

    // In use it stays whole.
    guest.run("truncate -s 1M /root/image; losetup /dev/loop0 /root/image").unwrap();
    refused(guest, "disable-module loop", "in use");
    guest.run("modprobe loop; losetup -d /dev/loop0").unwrap();
    refused(guest, "disable-module no-such", "no kernel module no_such");
    refused(guest, "disable-module wireguard", "protected");
    let driver = says(guest, "basename $(readlink -f /sys/class/net/e*/device/driver/module | head -1)");
    refused(guest, &format!("disable-module {driver}"), "network interface");
}

fn accounts(guest: &Vm) {
    guest
        .run("useradd -m -s /bin/bash eve; echo eve:once-upon-a-time | chpasswd; cp -a /etc/shadow /root/shadow")
        .unwrap();
    guest.run("systemd-run --quiet --uid=eve --unit=eves sleep 10000").unwrap();
    assert!(guest.ssh("su eve -c true").unwrap().status.success());
    let id = done(guest, "lock-account eve --lease 1h");
    assert!(says(guest, "passwd --status eve").starts_with("eve L "));
    let entered = says(guest, "su eve -c 'echo entered'");
    assert!(!entered.contains("entered\n") && !entered.ends_with("entered"), "{entered}");
    done(guest, "end-sessions eve");
    assert_eq!(says(guest, "pgrep -u eve"), "");
    undone(guest, &id);
    guest.run("cmp /etc/shadow /root/shadow && test $(stat -c %a:%u:%g:%Y /etc/shadow) = $(stat -c %a:%u:%g:%Y /root/shadow)").unwrap();
    assert!(guest.ssh("su eve -c true").unwrap().status.success());
    refused(guest, "lock-account root", "protected");
    credentials(guest);
    // The last one of the group that administers.
    guest.run("usermod -aG sudo eve").unwrap();
    refused(guest, "lock-account eve", "last account");
}

/// By sshd itself.
fn credentials(guest: &Vm) {
    guest
        .run(
            "ssh-keygen -q -t ed25519 -N '' -f /root/eves; install -d -o eve -g eve -m 700 /home/eve/.ssh
             install -o eve -g eve -m 600 /root/eves.pub /home/eve/.ssh/authorized_keys; cp -a /home/eve/.ssh /root/eves.ssh
             install -o eve -g eve -m 600 /root/eves /tmp/krb5cc_$(id -u eve)",
        )
        .unwrap();
    let enters = || {
        let ssh = "ssh -i /root/eves -o BatchMode=yes -o StrictHostKeyChecking=no eve@127.0.0.1 true";
        guest.ssh(ssh).unwrap().status.success()
    };
    assert!(enters());
    let id = done(guest, "expire-credentials eve --lease 1h");
    assert!(!enters());
    assert_eq!(says(guest, "ls /home/eve/.ssh; ls /tmp | grep krb5cc"), "");
    undone(guest, &id);
    assert!(enters());
    guest
        .run("cd /home/eve/.ssh && cmp authorized_keys /root/eves.ssh/authorized_keys && test \"$(stat -c %a:%u:%g:%y authorized_keys)\" = \"$(stat -c %a:%u:%g:%y /root/eves.ssh/authorized_keys)\" && rm /tmp/krb5cc_*")
        .unwrap();
    refused(guest, "expire-credentials root", "protected");
}

fn lines(guest: &Vm) {
    let line = "*/5 * * * * root /tmp/implant";
    guest
        .run(&format!("cp -a /etc/crontab /root/before; echo '{line}' >> /etc/crontab; cp -a /etc/crontab /root/with"))
        .unwrap();
    let id = done(guest, &format!("remove-line /etc/crontab '{line}'"));
    guest.run("cmp /etc/crontab /root/before").unwrap();
    undone(guest, &id);
    guest
        .run("cmp /etc/crontab /root/with && test $(stat -c %a:%Y /etc/crontab) = $(stat -c %a:%Y /root/with)")
        .unwrap();
    refused(guest, &format!("remove-line /etc/crontab '{line} '"), "no such line");
    refused(guest, "remove-line /etc/passwd x", "protected");
}

fn processes(guest: &Vm) {
    guest.run("systemd-run --quiet --unit=busy sh -c 'while :; do date > /run/beat; sleep 0.2; done'").unwrap();
    let pid = says(guest, "systemctl show -p MainPID --value busy");
    soc::wait(guest, "the process is told", || {
        let events = soc::json(guest, &format!("events --field process.key.pid={pid} --limit 1"))?;
        (!events.as_array()?.is_empty()).then_some(())
    });
    let id = done(guest, &format!("suspend-process {pid} --lease 1h"));
    assert!(says(guest, &format!("grep ^State: /proc/{pid}/status")).contains("T (stopped)"));
    undone(guest, &id);
    soc::wait(guest, "it runs on", || {
        (!says(guest, &format!("grep ^State: /proc/{pid}/status")).contains("T (stopped)")).then_some(())
    });
    let id = done(guest, &format!("kill-tree {pid}"));
    let folder = format!("/var/lib/picket/agent/evidence/{id}");
    soc::wait(guest, "its evidence is written", || guest.run(&format!("test -s {folder}/SHA256SUMS")).ok());
    let list = format!("cd {folder} && sha256sum --quiet -c SHA256SUMS && grep -c . {pid}/maps");
    assert!(says(guest, &list).parse::<u32>().unwrap() > 5, "{}", says(guest, &list));
}

/// Nobody listens there, which is an answer as well.
fn far_answers(guest: &Vm) -> bool {
    says(guest, "timeout 3 bash -c 'echo > /dev/tcp/10.77.0.2/9'").contains("refused")
}

fn network(guest: &Vm) {
    guest
        .run(
            "ip netns add far; ip link add near type veth peer name far netns far
             ip addr add 10.77.0.1/24 dev near; ip link set near up
             ip -n far addr add 10.77.0.2/24 dev far; ip -n far link set far up",
        )
        .unwrap();
    soc::wait(guest, "the far side answers", || far_answers(guest).then_some(()));
    let id = done(guest, "block-address 10.77.0.0/24 --lease 1h");
    assert!(!far_answers(guest));
    // What is flushed is there again.
    guest.run("nft flush ruleset").unwrap();
    soc::wait(guest, "it is blocked again", || (!far_answers(guest)).then_some(()));
    undone(guest, &id);
    assert!(far_answers(guest));
    refused(guest, "block-address 10.9.0.0/24", "coordinator");
    refused(guest, "block-address --port 22", "the way in");
}

/// Whether the kernel lets a question for it go; whoever has no name server is told of that later.
fn can_ask(guest: &Vm, name: &str) -> bool {
    let labels: String = name.split('.').map(|label| format!("\\{:o}{label}", label.len())).collect();
    let question = format!("\\7\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0{labels}\\0\\0\\1\\0\\1");
    let said = says(guest, &format!("bash -c \"printf '{question}' > /dev/udp/127.0.0.1/53\" && echo sent"));
    assert!(said == "sent" || said.contains("not permitted"), "{said}");
    said == "sent"
}

fn names(guest: &Vm) {
    let id = done(guest, "block-domain Evil.example --lease 1h");
    assert!(!can_ask(guest, "evil.example") && !can_ask(guest, "a.b.EVIL.example"));
    assert!(can_ask(guest, "notevil.example") && can_ask(guest, "example"));
    // The kernel goes on while the agent is away, and the agent takes it over.
    guest
        .run("systemctl kill --signal=KILL agent; systemctl stop agent; systemctl reset-failed agent 2>/dev/null; true")
        .unwrap();
    assert!(!can_ask(guest, "evil.example"));
    guest.run("systemd-run --quiet --unit=agent /opt/picket/picket-agent run --config /opt/picket/agent.toml").unwrap();
    undone(guest, &id);
    assert!(can_ask(guest, "evil.example"));
    refused(guest, "block-domain com", "top-level");
}
