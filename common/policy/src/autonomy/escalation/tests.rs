use proptest::prelude::*;

use super::*;

fn path(within: &[u64], then: Then) -> Escalation {
    let stage = |(at, within_ms): (usize, &u64)| Stage { ask: format!("rota {at}"), within_ms: *within_ms };
    let mut stages = within.iter().enumerate().map(stage);
    let Stage { ask, within_ms } = stages.next().unwrap();
    Escalation { ask, within_ms, then_ask: stages.collect(), then }
}

proptest! {
    #[test]
    fn a_path_within_bounds_is_taken_whole_and_in_order(
        within in prop::collection::vec(WITHIN_MS_MIN..=PATH_MS_MAX / STAGES_MAX as u64, 1..=STAGES_MAX),
    ) {
        let path = path(&within, Then::Act);
        prop_assert!(path.check("all").is_ok());
        prop_assert_eq!(path.total_ms(), within.iter().sum::<u64>());
        let order: Vec<(String, u64)> = path.stages().map(|(ask, within_ms)| (ask.to_owned(), within_ms)).collect();
        let written: Vec<(String, u64)> =
            within.iter().enumerate().map(|(at, within_ms)| (format!("rota {at}"), *within_ms)).collect();
        prop_assert_eq!(order, written);
        // Signed and read by a host it is the same.
        let json = serde_json::to_string(&path).unwrap();
        prop_assert_eq!(serde_json::from_str::<Escalation>(&json).unwrap(), path);
    }

    #[test]
    fn no_path_is_taken_beyond_a_day_or_beyond_its_stages(
        within in prop::collection::vec(0..=2 * PATH_MS_MAX, 1..=2 * STAGES_MAX),
    ) {
        let fits = within.len() <= STAGES_MAX
            && within.iter().all(|ms| (WITHIN_MS_MIN..=PATH_MS_MAX).contains(ms))
            && within.iter().sum::<u64>() <= PATH_MS_MAX;
        prop_assert_eq!(path(&within, Then::Drop).check("all").is_ok(), fits);
    }
}

#[test]
fn the_sum_of_hostile_stages_does_not_overflow() {
    assert_eq!(path(&[u64::MAX, u64::MAX], Then::Act).total_ms(), u64::MAX);
}

#[test]
fn an_escalation_of_one_stage_reads_and_is_written_as_before_there_were_paths() {
    let text = r#"{"ask":"the night shift","within_ms":900000,"then":"act"}"#;
    let single: Escalation = serde_json::from_str(text).unwrap();
    assert_eq!((single.total_ms(), single.stages().count()), (900_000, 1));
    assert_eq!(serde_json::to_string(&single).unwrap(), text, "older agents take it");
}

#[test]
fn a_path_is_told_in_words() {
    assert_eq!(
        path(&[900_000, 3_600_000], Then::Drop).to_string(),
        "rota 0 for 900 s, then rota 1 for 3600 s, then drop"
    );
}
