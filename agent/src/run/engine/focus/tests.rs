//! Owns: whom the filter is told to leave alone, where it has no room for some.
//! Never: the kernel's maps.

use std::sync::{Arc, Mutex};

use super::*;

/// Has no room for odd pids.
struct Even(Arc<Mutex<Vec<u32>>>);

impl InterestSetter for Even {
    fn set(&mut self, _: &Interest) -> Result<(), SensorError> {
        Ok(())
    }

    fn watch(&mut self, pid: u32, _: u64) -> Result<(), SensorError> {
        if !pid.is_multiple_of(2) {
            return Err(SensorError::FilterMap { operation: "watch a process", reason: "it is full".into() });
        }
        self.0.lock().unwrap().push(pid);
        Ok(())
    }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { boot: 1, pid, start_ticks: 1 }
}

#[test]
fn one_that_finds_no_room_costs_the_others_nothing_and_is_counted() {
    let watched = Arc::<Mutex<Vec<u32>>>::default();
    let mut focus = Focus::new(Some(Box::new(Even(Arc::clone(&watched)))));
    focus.watch([2, 3, 4, INIT, 5, 6].map(key));
    assert_eq!(*watched.lock().unwrap(), [2, 4, 6]);
    assert_eq!((focus.take_unwatched(), focus.take_unwatched()), (2, 0));
}

#[test]
fn a_flood_of_detections_looks_for_descendants_once() {
    let watched = Arc::<Mutex<Vec<u32>>>::default();
    let mut focus = Focus::new(Some(Box::new(Even(Arc::clone(&watched)))));
    let last = u32::try_from(SUSPECTS_MAX).unwrap() * 2;
    let looks = (2..=last).step_by(2).filter(|pid| focus.suspect(key(*pid)) || focus.suspect(key(*pid))).count();
    assert_eq!(looks, 1);
    assert!(watched.lock().unwrap().contains(&last), "each is marked at once");
    assert!(!focus.suspect(key(INIT)) && !Focus::new(None).suspect(key(2)));
}
