use super::HostClock;
use crate::sys::clock::WallOffset;

const HOUR_NS: i64 = 3_600_000_000_000;

#[test]
fn a_clock_that_is_set_is_noticed_once_and_the_steady_date_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let begun = WallOffset::read();
    let mut clock = HostClock::open_at(dir.path(), 1, begun);
    assert_eq!(clock.look(begun.set(1_000_000_000)), None, "a leap second");
    assert_eq!(clock.look(begun.set(HOUR_NS)), Some(HOUR_NS));
    assert_eq!(clock.look(begun.set(HOUR_NS)), None);
    assert_eq!(clock.look(begun.set(-HOUR_NS)), Some(-2 * HOUR_NS));
    // In steps that are each too small to be told.
    let crept: i64 = (1..=20).filter_map(|step| clock.look(begun.set(-HOUR_NS + step * 500_000_000))).sum();
    assert!(crept >= 8_000_000_000, "{crept}");
    assert_eq!(clock.steady(), begun);
}

#[test]
fn the_steady_date_outlives_the_agent_and_not_the_hosts_start() {
    let dir = tempfile::tempdir().unwrap();
    let begun = WallOffset::read();
    HostClock::open_at(dir.path(), 1, begun);
    // Set while no agent ran.
    let mut clock = HostClock::open_at(dir.path(), 1, begun.set(HOUR_NS));
    assert_eq!((clock.steady(), clock.moved_ns()), (begun, 0));
    assert_eq!(clock.look(begun.set(HOUR_NS)), Some(HOUR_NS));
    // The next start of the host goes by its clock; what was kept an hour behind it moves along.
    let clock = HostClock::open_at(dir.path(), 2, begun.set(HOUR_NS));
    assert_eq!((clock.steady(), clock.moved_ns()), (begun.set(HOUR_NS), HOUR_NS));
    assert_eq!(HostClock::open_at(dir.path(), 2, begun).moved_ns(), 0, "once");
}

#[test]
fn a_damaged_file_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let begun = WallOffset::read();
    std::fs::write(dir.path().join("clock"), "{\"boot\":1").unwrap();
    assert_eq!(HostClock::open_at(dir.path(), 1, begun).steady(), begun);
}
