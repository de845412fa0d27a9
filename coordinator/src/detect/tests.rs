use std::net::{IpAddr, Ipv4Addr};

use picket_detect::{Detector, IndicatorSource, pack};
use picket_model::{Activity, AuthActivity, Detection, Event, EventId, HostId, Timestamp};

use super::Detect;

const BEGIN_MS: u64 = 1_790_000_000_000;

fn detect() -> Detect {
    Detect::new(Detector::of_estate(&pack()).unwrap(), [7; 32])
}

fn host(number: u8) -> HostId {
    HostId::from_bytes([number; 16])
}

/// A sign-in from one address that failed, `ms` after the beginning.
fn failed(number: u8, ms: u64) -> Event {
    let activity = Activity::Authentication {
        activity: AuthActivity::Logon,
        user: "root".into(),
        service: "sshd".into(),
        source: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
        success: false,
    };
    Event { id: EventId::from_bytes([number; 16]), time: at(ms), process: None, activity }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS + ms)
}

/// One failure on each of `hosts`, a second apart; what was found, by the end of a minute.
fn spray(detect: &mut Detect, hosts: u8) -> Vec<Detection> {
    let mut found = Vec::new();
    for number in 1..=hosts {
        let ms = u64::from(number) * 1000;
        let name = format!("web-{number}");
        found.extend(detect.observe((host(number), &name), &failed(number, ms), at(ms)));
    }
    found.extend(detect.advance(at(60_000)));
    found
}

#[test]
fn a_try_on_each_of_five_hosts_is_found_though_no_host_tells_of_it() {
    let found = spray(&mut detect(), 5);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rule.0.as_str(), found[0].host), ("password_spray", host(5)));
    assert!(found[0].evidence.iter().any(|seen| seen.value == "203.0.113.9"), "{:?}", found[0].evidence);
    assert_eq!(spray(&mut detect(), 4), []);
    let mut alone = Detector::of_host(&pack(), &IndicatorSource::default()).unwrap();
    let alone: Vec<_> = (1..=5).flat_map(|number| alone.observe(&failed(number, 0))).collect();
    assert!(alone.is_empty() && Detector::of_estate(&[]).is_ok());
}

#[test]
fn the_same_detection_has_the_same_id_and_nobody_else_can_tell_it() {
    let one = spray(&mut detect(), 5)[0].id;
    assert_eq!(one, spray(&mut detect(), 5)[0].id);
    let other = Detect::new(Detector::of_estate(&pack()).unwrap(), [8; 32]);
    assert_ne!(one, spray(&mut { other }, 5)[0].id);
}

#[test]
fn a_host_whose_clock_is_ahead_makes_nobody_late() {
    let mut detect = detect();
    let mut ahead = failed(9, 0);
    ahead.time = at(3_600_000);
    assert_eq!(detect.observe((host(9), "ahead"), &ahead, at(0)), []);
    let found = spray(&mut detect, 5);
    assert_eq!(found.len(), 1);
    assert!(detect.take_losses().0.is_empty());
}

#[test]
fn events_that_come_after_others_were_judged_are_counted_as_late() {
    let mut detect = detect();
    for number in 1..=5 {
        let event = failed(number, 0);
        assert_eq!(detect.observe((host(number), "web"), &event, at(120_000)), []);
    }
    assert_eq!(detect.advance(at(240_000)), []);
    let (losses, _) = detect.take_losses();
    assert!(losses.iter().any(|loss| loss.place.contains("password_spray") && loss.count >= 5), "{losses:?}");
}

#[test]
fn new_rules_go_on_with_what_was_gathered() {
    let mut detect = detect();
    assert_eq!(spray(&mut detect, 4), []);
    detect.replace(Detector::of_estate(&pack()).unwrap());
    detect.observe((host(5), "web-5"), &failed(5, 61_000), at(61_000));
    assert_eq!(detect.advance(at(120_000)).len(), 1);
}
