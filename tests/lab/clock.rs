//! Owns: a host whose clock is set, far forward and far back: leases go on by the time that passes.
//! Never: the clock of the machine that the test runs on; the guest's own says how long it took.

use picket_tests::soc;
use picket_tests::vm::{Lab, Vm};

/// Of an emulated guest that is asked over ssh.
const LATE: f64 = 30.0;

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn setting_the_clock_neither_ends_a_lease_nor_makes_it_last() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let guests = soc::boot(&lab, &["desk"], &soc::payload(&[]));
    let guest = &guests[0];
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    // Nothing sets it back.
    guest
        .run("systemctl stop systemd-timesyncd 2>/dev/null; echo long > /root/long; echo short > /root/short")
        .unwrap();

    let long = quarantined(guest, "/root/long", "4h");
    guest.run("date -s '+20 hours'").unwrap();
    said(guest, "forward");
    assert!(is_away(guest, "/root/long"));

    let begun = uptime(guest);
    let short = quarantined(guest, "/root/short", "40s");
    guest.run("date -s '-10 hours'").unwrap();
    said(guest, "back");
    soc::wait(guest, "the lease ends", || (!is_away(guest, "/root/short")).then_some(()));
    let lasted = uptime(guest) - begun;
    println!("a lease of 40 s lasted {lasted:.1} s while the clock was set back by ten hours");
    assert!((39.0..40.0 + LATE).contains(&lasted), "{lasted}");
    assert!(is_away(guest, "/root/long"));
    state(guest, &short, "expired");

    guest.run(&format!("/opt/picket/picket undo {long}")).unwrap();
    state(guest, &long, "undone");
    assert_eq!(guest.run("cat /root/long").unwrap().trim(), "long");
}

/// Takes it away and waits until the host has said so; the action's id.
fn quarantined(guest: &Vm, path: &str, lease: &str) -> String {
    let ordered = guest
        .run(&format!("/opt/picket/picket contain desk quarantine-file {path} --lease {lease} --yes --json"))
        .unwrap();
    let ordered: serde_json::Value = serde_json::from_str(&ordered).unwrap();
    let id = ordered["id"].as_str().unwrap().to_owned();
    state(guest, &id, "applied");
    assert!(is_away(guest, path));
    id
}

fn state(guest: &Vm, id: &str, state: &str) {
    soc::wait(guest, &format!("{id} is {state}"), || {
        let actions = soc::json(guest, "actions --limit 100")?;
        actions.as_array()?.iter().any(|action| action["id"] == id && action["state"] == state).then_some(())
    });
}

/// The host tells that its clock was set, and which way.
fn said(guest: &Vm, way: &str) {
    soc::wait(guest, &format!("the host says that its clock was set {way}"), || {
        let events = soc::json(guest, "events --limit 200")?.to_string();
        (events.contains("the host's clock was set") && events.contains(way)).then_some(())
    });
}

fn is_away(guest: &Vm, path: &str) -> bool {
    !guest.ssh(&format!("test -e {path}")).unwrap().status.success()
}

fn uptime(guest: &Vm) -> f64 {
    let text = guest.run("cat /proc/uptime").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}
