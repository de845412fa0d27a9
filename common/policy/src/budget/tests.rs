use super::*;

const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);

fn host(n: u32) -> HostId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    HostId::from_bytes(bytes)
}

#[test]
fn the_budget_comes_back_an_hour_after_each_act() {
    let mut spent = Spent::default();
    assert!(spent.spend(host(1), "kill_tree", 2, NOW).is_ok());
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(1000)).is_ok());
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(WINDOW_MS - 1)).unwrap_err().starts_with("budget: 2"));
    assert!(spent.spend(host(1), "isolate_host", 2, NOW).is_ok(), "each kind has its own");
    assert!(spent.spend(host(2), "kill_tree", 2, NOW).is_ok(), "each host has its own");
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(WINDOW_MS)).is_ok());
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(WINDOW_MS)).is_err());
}

#[test]
fn what_was_done_before_a_restart_counts_for_the_rest_of_its_hour() {
    let mut spent = Spent::default();
    spent.remember(host(1), "kill_tree", NOW);
    spent.remember(host(1), "kill_tree", NOW.plus_millis(1000));
    assert_eq!(spent.left(host(1), &"kill_tree", 3, NOW.plus_millis(2000)), 1);
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(WINDOW_MS - 1)).is_err());
    assert!(spent.spend(host(1), "kill_tree", 2, NOW.plus_millis(WINDOW_MS)).is_ok());
}

#[test]
fn a_clock_set_back_gives_nothing_back() {
    let mut spent = Spent::default();
    spent.spend(host(1), "kill_tree", 1, NOW).unwrap();
    assert!(spent.spend(host(1), "kill_tree", 1, Timestamp(0)).is_err());
}

#[test]
fn nothing_is_permitted_by_a_budget_of_zero() {
    assert!(Spent::default().spend(host(1), "kill_tree", 0, NOW).is_err());
}

#[test]
fn memory_is_bounded_and_an_hour_later_free_again() {
    let mut spent = Spent::default();
    for n in 0..u32::try_from(ROWS_MAX).unwrap() {
        spent.spend(host(n), "kill_tree", 5, NOW).unwrap();
    }
    assert!(spent.spend(host(u32::MAX), "kill_tree", 5, NOW).is_err());
    assert!(spent.spend(host(u32::MAX), "kill_tree", 5, NOW.plus_millis(WINDOW_MS)).is_ok());
    assert_eq!(spent.rows.len(), 1);
}
