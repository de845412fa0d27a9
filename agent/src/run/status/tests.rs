//! Owns: what the status says of the sensor's sight, as it changes.
//! Never: a sensor.

use picket_model::{Coverage, HostId, Tier};

use super::{BROKEN_RULES, Shared};

fn row(hook: &str) -> Vec<Coverage> {
    vec![Coverage { row: "mount.change".into(), hook: hook.into(), limit: String::new() }]
}

#[test]
fn what_a_host_stops_seeing_stands_in_its_status() {
    let shared = Shared::new(HostId::from_bytes([1; 16]), Tier::Bare);
    assert!(shared.see(&row("audit/mount"), vec!["DNS is not seen.".into()]));
    shared.change(|status| status.blind_spots.push(BROKEN_RULES.to_owned()));
    assert!(shared.see(&row(""), vec!["DNS is not seen.".into(), "Mounts are not seen.".into()]));
    let status = shared.current();
    assert_eq!(status.coverage, row(""));
    assert_eq!(status.blind_spots, ["DNS is not seen.", "Mounts are not seen.", BROKEN_RULES]);
    assert!(!shared.see(&row(""), Vec::new()), "what is the same is not told again");
    assert_eq!(shared.current().blind_spots, [BROKEN_RULES]);
}
