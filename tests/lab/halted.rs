//! Owns: that a host runs on when its agent is halted while the kernel asks it before every execution.
//! Never: a halt that only pretends: the whole control group is frozen, with all that could help itself.

use std::time::Duration;

use picket_tests::soc;
use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

/// As docs/OPERATING.md has it.
const RUNS_ON_WITHIN: Duration = Duration::from_secs(10);
/// As packaging/units/picket-agent.service has them.
const AS_THE_UNIT: &str =
    "-p Restart=always -p RestartSec=1 -p WatchdogSec=8 -p WatchdogSignal=SIGKILL -p NotifyAccess=main";

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn a_host_whose_agent_is_halted_runs_on() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let payload = soc::payload(&[]);
    let guests = soc::boot(&lab, &["hung"], &payload);
    let guest = &guests[0];
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    guest
        .run(&format!(
            "systemctl stop agent; systemctl reset-failed agent 2>/dev/null
             systemd-run --quiet --unit=agent {AS_THE_UNIT} /opt/picket/picket-agent run --config /opt/picket/agent.toml"
        ))
        .unwrap();
    let unit = guest.run("cat /proc/sys/kernel/osrelease; systemctl show agent -p WatchdogUSec").unwrap();
    println!("{}", unit.trim());
    guest.run("cp /bin/true /root/denied; printf x >> /root/denied; /root/denied").unwrap();
    let sha256 = guest.run("sha256sum /root/denied").unwrap();
    let sha256 = sha256.split_whitespace().next().unwrap();
    soc::wait(guest, "the order is taken", || {
        let order = format!("/opt/picket/picket contain hung deny-execution {sha256} --lease 1h --yes --json");
        guest.ssh(&order).ok()?.status.success().then_some(())
    });
    is_denied(guest);

    let first = pid(guest);
    // The shell's own words alone: whatever it executed would wait too.
    let waited = guest
        .run(
            "bash -c 'echo 1 > /sys/fs/cgroup/system.slice/agent.service/cgroup.freeze
             from=$EPOCHREALTIME; /bin/true; to=$EPOCHREALTIME; echo $from $to'",
        )
        .unwrap();
    let times: Vec<f64> = waited.split_whitespace().map(|time| time.parse().unwrap()).collect();
    let waited = Duration::from_secs_f64(times[1] - times[0]);
    println!("an execution waited {:.1} s for the halted agent", waited.as_secs_f64());
    assert!(waited < RUNS_ON_WITHIN, "{waited:?}");
    // The dying one may refuse to the last moment.
    soc::wait(guest, "the service manager starts another", || {
        let now = pid(guest);
        (now != first && now != "0").then_some(())
    });
    is_denied(guest);
}

fn pid(guest: &Vm) -> String {
    guest.run("systemctl show -p MainPID --value agent").unwrap().trim().to_owned()
}

fn is_denied(guest: &Vm) {
    soc::wait(guest, "the execution is refused", || {
        let output = guest.ssh("/root/denied").ok()?;
        String::from_utf8_lossy(&output.stderr).contains("not permitted").then_some(())
    });
    let actions = soc::json(guest, "actions --state applied").unwrap_or(Value::Null);
    assert!(actions.to_string().contains("deny_execution"), "{actions}");
}
