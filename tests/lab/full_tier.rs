//! Owns: the full tier on a kernel that has it: the sensor's own tests, and the whole drill.
//! Never: the development machine's kernel; the end-to-end tests run there.

use std::path::PathBuf;

use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use picket_tests::soc;

/// The sensor's test program as cargo built it beside this one: the newest of its name.
fn sensor_tests() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_none() && path.file_name().unwrap().to_string_lossy().starts_with("sensor_tracing-")
        })
        .collect();
    found.sort_by_key(|path| std::fs::metadata(path).and_then(|data| data.modified()).unwrap());
    found.pop().expect("cargo builds the agent's tests beside these")
}

/// Under emulation a sensor takes some twenty seconds to open and close on this kernel: these ask for what the tier alone does.
const SENSOR_TESTS: &str = "an_exec_is_told_in_full file_changes_are_told the_kernel_refuses_a_denied_file_on_the_full_tier \
                            every_row_has_a_hook_and_only_fallbacks_sit_on_system_calls";

#[test]
fn sensor_and_drill_pass_on_the_full_tier_and_the_drill_on_the_others() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let tests = sensor_tests();
    let payload = soc::payload(std::slice::from_ref(&tests));
    let guests = soc::boot(&lab, &["full"], &payload);
    let guest = &guests[0];

    let name = tests.file_name().unwrap().to_string_lossy().into_owned();
    let output = guest.ssh(&format!("PICKET_TEST_FULL=1 /opt/picket/{name} --test-threads 1 {SENSOR_TESTS}")).unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );

    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    for tier in ["full", "tracing", "bare"] {
        if tier != "full" {
            soc::change_tier(guest, guest, tier);
        }
        drill(guest, tier);
    }
}

/// Every step seen, stopped, recorded and undone; on the bare tier, those that it says it can see.
fn drill(guest: &Vm, tier: &str) {
    let hosts = soc::json(guest, "hosts").unwrap();
    assert_eq!(hosts[0]["status"]["tier"], tier, "{hosts}");
    let output = guest.ssh("/opt/picket/picket drill --json --wait 60s").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{tier}\n{text}");
    let log = guest.ssh("journalctl --no-pager -n 60 -u agent").unwrap();
    assert!(
        output.status.success(),
        "{text}{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&log.stdout)
    );
    let steps: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(steps.len(), 6);
    assert!(tier == "bare" || steps.iter().all(|step| step["seen"] == true && step["undone"] != false), "{text}");
}
