//! Owns: that a module is denied to modprobe and allowed again, on a host made of files, and which are left alone.
//! Never: a module of this machine's kernel; unloading one is tried on whole machines (`tests/lab/orders.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_model::action::{ActionKind, ActionState};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply, now};

/// Whether this machine has the program that is asked.
pub fn is_there() -> bool {
    let there = Path::new("/sbin/modprobe").exists();
    if !there {
        println!("skipped: there is no /sbin/modprobe");
    }
    there
}

/// The kernel's lists, and nothing loaded that is called `evil`.
pub fn lists(host: &Path) {
    let put = |path: &str, text: &str| {
        let path = host.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("proc/sys/kernel/osrelease", "6.1.0-9\n");
    put("proc/modules", "base 16384 1 upper, Live 0x0\nupper 16384 0 - Live 0x0\nbusy 16384 1 - Live 0x0\n");
    put("lib/modules/6.1.0-9/modules.dep", "kernel/evil.ko.xz:\nkernel/base.ko:\nkernel/busy.ko:\n");
    put("lib/modules/6.1.0-9/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
    put("sys/module/nic/initstate", "live\n");
    put("sys/module/nic/drivers/pci:nic/0000:00:05.0/net/eth0/mtu", "1500\n");
}

fn host() -> Place {
    let mut place = Place::new();
    place.host = Some(place.path("host"));
    lists(&place.path("host"));
    place
}

fn denials(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path("host/run/modprobe.d"));
    folder.map(|folder| folder.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

fn modprobe_says(place: &Place) -> String {
    let folder = place.path("host/run/modprobe.d");
    let output = Command::new("/sbin/modprobe").arg("--config").arg(folder).args(["-n", "-v", "evil"]).output();
    String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
}

fn disable(module: &str) -> ActionKind {
    ActionKind::DisableModule { module: module.to_owned() }
}

#[test]
fn nothing_loads_it_until_it_is_allowed_again() {
    if !is_there() {
        return;
    }
    let place = host();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(disable("evil"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(modprobe_says(&place), "install /bin/false");
    let again = apply(&mut containment, action(disable("evil"), MINUTE_MS));
    assert!(again.state == ActionState::Failed && again.detail.contains("does the same"), "{}", again.detail);
    drop(containment);

    // Gone with a start of the host, or at the hand of somebody: it is there again.
    fs::remove_file(&denials(&place)[0]).unwrap();
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "in force over a restart: {reports:?}");
    assert_eq!(modprobe_says(&place), "install /bin/false");
    fs::remove_file(&denials(&place)[0]).unwrap();
    let told = containment.hold_again(now());
    assert!(told[0].detail.contains("in force again"), "{}", told[0].detail);
    assert_eq!(modprobe_says(&place), "install /bin/false");

    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(undone.detail, "kernel module evil may be loaded again, at the word of analyst ada");
    assert!(denials(&place).is_empty());
}

#[test]
fn one_that_cannot_be_unloaded_is_not_denied_either() {
    let place = host();
    let (mut containment, _) = place.open();
    for (module, why) in [
        ("base", "upper stand"),
        ("busy", "in use (1)"),
        ("ext4", "built into the kernel"),
        ("nic", "network interface eth0"),
        ("none-such", "no kernel module none_such"),
        ("x.ko", "no name of a kernel module"),
    ] {
        let report = apply(&mut containment, action(disable(module), MINUTE_MS));
        assert_eq!(report.state, ActionState::Failed, "{module}: {}", report.detail);
        assert!(report.detail.contains(why), "{module}: {}", report.detail);
    }
    assert!(denials(&place).is_empty() && containment.in_force().is_empty());
}

#[test]
fn one_that_something_else_would_load_all_the_same_is_not_said_to_be_denied() {
    if !is_there() {
        return;
    }
    let place = host();
    let other = place.path("host/etc/modprobe.d");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("00-first.conf"), "install evil /bin/true\n").unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(disable("evil"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed, "{}", report.detail);
    assert!(report.detail.contains("install /bin/true"), "{}", report.detail);
    assert!(denials(&place).is_empty(), "nothing is left of it");
}
