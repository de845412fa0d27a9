//! Owns: what a kept bundle gives after the agent was exchanged for another build, and when it is left behind.
//! Never: signatures and versions, which common/policy tests.

use picket_model::{BundleVersion, Timestamp};
use picket_policy::{RuleText, keys};

use super::{Keeper, Offered, pack_only};

#[test]
fn rules_that_no_longer_compile_do_not_take_the_power_or_the_agent_away() {
    let dir = tempfile::tempdir().unwrap();
    let key = keys::generate([3; 32]);
    let mut bundle = picket_policy::shipped("standard").unwrap();
    bundle.version = BundleVersion(7);
    bundle.issued = Timestamp(1_795_509_083_000_000_000);
    bundle.rules = vec![RuleText { file: "ours.yml".into(), text: "title: no rule\n".into() }];
    std::fs::write(dir.path().join("bundle"), bundle.sign(&key)).unwrap();

    let keeper = Keeper::open(dir.path(), key.verifying_key().to_bytes()).unwrap();
    let kept = keeper.ready().unwrap().unwrap();
    let [(_, why)] = &kept.broken[..] else { panic!("{:?}", kept.broken) };
    assert!(why.contains("ours.yml"));
    assert_eq!(kept.ready.authority.bundle().version, BundleVersion(7));
    assert_eq!(kept.ready.detector.rules().count(), pack_only().unwrap().rules().count(), "the shipped rules count");
    assert!(dir.path().join("bundle").exists(), "it is kept, for the build that knows it");
}

/// As the coordinator sends it.
fn signed(version: u64) -> Vec<u8> {
    let mut bundle = picket_policy::shipped("standard").unwrap();
    bundle.version = BundleVersion(version);
    bundle.issued = NOW;
    bundle.sign(&keys::generate([3; 32]))
}

const NOW: Timestamp = Timestamp(1_795_509_083_000_000_000);

fn open(dir: &tempfile::TempDir) -> Keeper {
    Keeper::open(dir.path(), keys::generate([3; 32]).verifying_key().to_bytes()).unwrap()
}

fn taken(keeper: &mut Keeper, bytes: &[u8]) -> Result<(), String> {
    match keeper.checker().offered(bytes, keeper.version(), NOW) {
        Offered::Ready(prepared) => keeper.keep(*prepared).map(|(_, put)| put.settle().unwrap()).map_err(|it| it.why),
        Offered::Refused(refused) => Err(refused.why),
        Offered::InForce(_) => Ok(()),
        Offered::Wants { .. } => panic!("it has no lists"),
    }
}

#[test]
fn a_refusal_names_the_bundle_that_is_refused_and_not_the_one_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = open(&dir);
    taken(&mut keeper, &signed(5)).unwrap();
    let refused = |bytes: &[u8]| match keeper.checker().offered(bytes, keeper.version(), NOW) {
        Offered::Refused(refused) => refused.version,
        _ => panic!("it is taken"),
    };
    let mut broken = picket_policy::shipped("standard").unwrap();
    broken.version = BundleVersion(7);
    broken.issued = NOW;
    broken.rules = vec![RuleText { file: "ours.yml".into(), text: "title: no rule\n".into() }];
    assert_eq!(refused(&broken.sign(&keys::generate([3; 32]))), Some(BundleVersion(7)), "its rules do not compile");
    assert_eq!(refused(&signed(4)), Some(BundleVersion(4)), "it is older");
    broken.version = BundleVersion(5);
    assert_eq!(refused(&broken.sign(&keys::generate([3; 32]))), Some(BundleVersion(5)), "another of the same version");
    let again = keeper.checker().offered(&signed(5), keeper.version(), NOW);
    assert!(matches!(again, Offered::InForce(BundleVersion(5))), "what is in force is not refused");
    assert_eq!(refused(&broken.sign(&keys::generate([4; 32]))), None, "nobody knows who says 7");
    assert_eq!(refused(b"no bundle"), None);
    // Another came to be kept while this one was compiled.
    let Offered::Ready(late) = keeper.checker().offered(&signed(6), keeper.version(), NOW) else {
        panic!("it is good")
    };
    let mut keeper = open(&dir);
    taken(&mut keeper, &signed(8)).unwrap();
    assert_eq!(keeper.keep(*late).map(drop).unwrap_err().version, Some(BundleVersion(6)));
}

#[test]
fn a_bundle_with_which_the_agent_ends_twice_is_left_behind_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = open(&dir);
    taken(&mut keeper, &signed(1)).unwrap();
    keeper.pause();
    drop(keeper);
    let mut keeper = open(&dir);
    // As after ten minutes.
    keeper.checker.trials.over(crate::run::trials::sum(&signed(1)));
    keeper.new = None;
    taken(&mut keeper, &signed(2)).unwrap();
    drop(keeper);
    let keeper = open(&dir);
    assert_eq!((keeper.version(), keeper.left()), (Some(BundleVersion(2)), None), "once is no proof");
    drop(keeper);

    let mut keeper = open(&dir);
    assert_eq!(keeper.version(), Some(BundleVersion(1)));
    assert!(keeper.ready().unwrap().is_some(), "the one before is whole");
    let left = keeper.left().unwrap();
    assert!(
        left.starts_with("standard version 2: ") && left.ends_with("standard version 1 is in force again"),
        "{left}"
    );
    let refused = taken(&mut keeper, &signed(2)).unwrap_err();
    assert!(refused.contains("2 times; sign it anew, as a higher version"), "{refused}");
    taken(&mut keeper, &signed(3)).unwrap();
    drop(keeper);
    assert_eq!(open(&dir).version(), Some(BundleVersion(3)));
}

#[test]
fn a_bundle_whose_compiling_ends_the_agent_twice_is_not_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        // The agent ends in the middle: nothing is said any more.
        let keeper = open(&dir);
        keeper.checker.trials.begin(crate::run::trials::sum(&signed(1)));
    }
    let mut keeper = open(&dir);
    let refused = taken(&mut keeper, &signed(1)).unwrap_err();
    assert!(refused.contains("2 times"), "{refused}");
    taken(&mut keeper, &signed(2)).unwrap();
}

#[test]
fn a_bundle_that_is_damaged_on_disk_gives_way_to_the_one_before_and_is_told() {
    let whole = signed(2);
    let mut flipped = whole.clone();
    flipped[400] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b""] {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = open(&dir);
        for version in [1, 2] {
            taken(&mut keeper, &signed(version)).unwrap();
            // As after ten minutes.
            keeper.checker.trials.over(crate::run::trials::sum(&signed(version)));
            keeper.new = None;
        }
        drop(keeper);
        std::fs::write(dir.path().join("bundle"), damaged).unwrap();
        let mut keeper = open(&dir);
        assert_eq!(keeper.version(), Some(BundleVersion(1)));
        assert!(keeper.ready().unwrap().is_some());
        let told = keeper.left().unwrap();
        assert!(told.starts_with("the kept bundle is damaged"), "{told}");
        assert!(told.ends_with("standard version 1 is in force again"), "{told}");
        // The coordinator sends it again, and it is no bundle that was left behind.
        taken(&mut keeper, &signed(2)).unwrap();
        drop(keeper);
        let keeper = open(&dir);
        assert_eq!((keeper.version(), keeper.left()), (Some(BundleVersion(2)), None));
    }
}

#[test]
fn a_bundle_that_somebody_removed_gives_way_too_and_without_one_before_nothing_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = open(&dir);
    assert_eq!(keeper.left(), None, "a host that never had one");
    taken(&mut keeper, &signed(1)).unwrap();
    drop(keeper);
    std::fs::write(dir.path().join("bundle"), "").unwrap();
    let mut keeper = open(&dir);
    assert_eq!(keeper.version(), None);
    assert!(keeper.left().unwrap().ends_with("this host tells, and contains nothing"));
    for version in [2, 3] {
        taken(&mut keeper, &signed(version)).unwrap();
        keeper.new = None;
    }
    drop(keeper);
    std::fs::remove_file(dir.path().join("bundle")).unwrap();
    let keeper = open(&dir);
    assert_eq!(keeper.version(), Some(BundleVersion(2)));
    assert!(keeper.left().unwrap().contains("it is gone"));
}
