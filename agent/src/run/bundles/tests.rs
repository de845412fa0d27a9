//! Owns: what a kept bundle gives after the agent was exchanged for another build.
//! Never: signatures and versions, which common/policy tests.

use picket_model::{BundleVersion, Timestamp};
use picket_policy::{RuleText, keys};

use super::{Keeper, pack_only};

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
