//! Owns: tests of how sign-ins of two sources are told once each.
//! Never: a real sshd.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{AuthActivity, Timestamp};

use super::{MEMORY, Merge, PATIENCE};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn sign(user: &str, success: bool, pid: u32) -> RawRecord {
    let kind = RawKind::Authentication {
        activity: AuthActivity::Logon,
        user: user.into(),
        service: "sshd".into(),
        source: Some(HERE),
        success,
    };
    RawRecord { time: Timestamp(1), actor: Some(RawActor { pid, start_ticks: None }), kind }
}

#[test]
fn each_word_of_audit_answers_for_one_line_of_the_log() {
    let (mut merge, now) = (Merge::new(true), Instant::now());
    let audit = || vec![sign("root", false, 1)];
    let log = || vec![sign("root", false, 2)];
    assert_eq!(merge.join(audit(), log(), true, now), audit());
    assert_eq!(merge.join(vec![], log(), true, now), [], "it waits for audit's");
    assert_eq!(merge.join(audit(), vec![], true, now), audit());
    assert_eq!(merge.join(vec![], vec![], true, now + PATIENCE), [], "which came");
    assert_eq!(merge.join(vec![], log(), true, now), []);
    assert_eq!(merge.join(vec![], vec![], true, now + PATIENCE), log(), "audit knows nothing of this one");
}

#[test]
fn audits_word_that_comes_late_is_not_told_again() {
    let (mut merge, now) = (Merge::new(true), Instant::now());
    let slow = now + PATIENCE * 5;
    merge.join(vec![], vec![sign("anna", true, 7)], true, now);
    assert_eq!(merge.join(vec![], vec![], true, now + PATIENCE).len(), 1);
    let (another, same) = (sign("anna", true, 8), sign("anna", true, 7));
    assert_eq!(merge.join(vec![another.clone(), same.clone()], vec![], true, slow), [another], "by another process");
    assert_eq!(merge.join(vec![same.clone()], vec![], true, slow), [same], "once");
}

#[test]
fn without_audit_nothing_waits() {
    let mut merge = Merge::new(true);
    let log = vec![sign("root", true, 2)];
    assert_eq!(merge.join(vec![], log.clone(), false, Instant::now()), log);
}

#[test]
fn a_name_that_nobody_has_is_the_logs_to_tell() {
    let now = Instant::now();
    assert_eq!(Merge::new(true).join(vec![sign("?", false, 1)], vec![], true, now), []);
    assert_eq!(Merge::new(false).join(vec![sign("?", false, 1)], vec![], true, now).len(), 1);
}

#[test]
fn an_old_word_of_audit_answers_for_nothing() {
    let (mut merge, now) = (Merge::new(true), Instant::now());
    merge.join(vec![sign("root", true, 2)], vec![], true, now);
    let later = now + MEMORY + PATIENCE;
    merge.join(vec![], vec![sign("root", true, 2)], true, later);
    assert_eq!(merge.join(vec![], vec![], true, later + PATIENCE).len(), 1);
}
