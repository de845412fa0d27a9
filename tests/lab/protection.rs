//! Owns: the agent under attack by root on a kernel with BPF LSM: what is refused, what is told, and what a token allows.
//! Never: sparing the guest.

use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use picket_tests::soc;

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn root_cannot_touch_the_agent_without_a_token() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let payload = soc::payload(&[]);
    let guests = soc::boot(&lab, &["fort"], &payload);
    let guest = &guests[0];
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    let pid = guest.run("systemctl show -p MainPID --value agent").unwrap().trim().to_owned();

    for attack in [
        format!("kill -9 {pid}"),
        format!("kill -STOP {pid}"),
        "rm -rf /var/lib/picket/agent/spool".to_owned(),
        "echo x >> /var/lib/picket/agent/status.json".to_owned(),
        "ln /var/lib/picket/agent/identity/key.pem /root/alias".to_owned(),
        "mv /opt/picket/picket-agent /opt/picket/gone".to_owned(),
    ] {
        assert!(!guest.ssh(&attack).unwrap().status.success(), "{attack} was not refused");
    }
    assert_eq!(guest.run("systemctl show -p MainPID --value agent").unwrap().trim(), pid, "it is the same agent");
    for kind in ["kill", "stop", "edit"] {
        told(guest, kind, "true");
    }
    guest.run("ls /var/lib/picket/agent/spool /opt/picket/picket-agent").unwrap();

    let forged =
        guest.ssh("echo '{}' | /opt/picket/picket-agent maintenance --token-file - --config /opt/picket/agent.toml");
    assert!(!forged.unwrap().status.success(), "a token without a signature was taken");
    guest
        .run(
            "P=/opt/picket; $P/picket policy maintenance --host fort --for 10m --key /var/lib/picket/coordinator/policy.key --note test --out /root/token
             $P/picket-agent maintenance --token-file /root/token --config $P/agent.toml",
        )
        .unwrap();
    soc::wait(guest, "the agent may be killed under maintenance", || {
        guest.ssh(&format!("kill -9 {pid}")).ok()?.status.success().then_some(())
    });
    // The kernel takes out a killed agent's programs one after the other before the process is gone.
    soc::wait(guest, "the killed agent is gone", || {
        guest.ssh(&format!("test ! -e /proc/{pid}")).ok()?.status.success().then_some(())
    });
    // Its next life goes on with the maintenance, and does not take the same token again.
    guest.run("systemctl reset-failed agent 2>/dev/null; systemd-run --quiet --unit=agent2 /opt/picket/picket-agent run --config /opt/picket/agent.toml").unwrap();
    // Whoever ended it is told by its next life.
    told(guest, "kill", "false");
    let pid = guest.run("systemctl show -p MainPID --value agent2").unwrap().trim().to_owned();
    let again = "/opt/picket/picket-agent maintenance --token-file /root/token --config /opt/picket/agent.toml";
    let again = guest.ssh(again).unwrap();
    assert!(!again.status.success(), "a token was taken twice");
    assert!(String::from_utf8_lossy(&again.stderr).contains("was used on this host before"), "{again:?}");
    guest.run(&format!("kill -9 {pid}")).unwrap();
}

fn told(guest: &Vm, kind: &str, refused: &str) -> Value {
    soc::wait(guest, &format!("a {kind} refused {refused} is told"), || {
        let query = format!("events --class tamper --field activity.kind={kind} --field activity.refused={refused}");
        soc::json(guest, &query)?.as_array()?.first().cloned()
    })
}
