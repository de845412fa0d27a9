//! Owns: what an account may set off, and that another is left its reserve.
//! Never: verdicts for other reasons.

use picket_model::VerdictKind;

use super::{AGENT, ANNA, NOW, action, authority_of, bundle, grounds};
use crate::{Authority, Bundle, Target};

#[test]
fn one_account_sets_off_only_so_much() {
    let mut authority = authority_of(&Bundle { account_budget: Some(2), ..bundle("standard") });
    let mut asked = |word: &str, account: &str, ms: u64| {
        let target = Target { account: account.into(), ..Target::default() };
        grounds(authority.judge(action(word, AGENT), &target, NOW.plus_millis(ms)))
    };
    assert_eq!(asked("kill_tree", "www-data", 0).verdict, VerdictKind::ActNow);
    assert_eq!(asked("quarantine_file", "www-data", 1).verdict, VerdictKind::ActNow);
    let third = asked("kill_tree", "www-data", 2);
    let told = ["guard.account-budget", "budget: 2 of acts against www-data an hour on one host are spent"];
    assert_eq!((third.verdict, third.decided_by), (VerdictKind::Ask, told.map(str::to_owned).to_vec()));
    // Others, and whoever is not known, are counted by themselves or not at all.
    for account in ["anna", "", "", ""] {
        assert_eq!(asked("kill_tree", account, 3).verdict, VerdictKind::ActNow, "{account:?}");
    }
    assert_eq!(asked("kill_tree", "www-data", 3_600_000).verdict, VerdictKind::ActNow);
}

#[test]
fn whoever_exhausts_a_budget_leaves_a_reserve_for_what_others_set_off() {
    let bundle = Bundle { budgets: [("kill_tree".to_owned(), 8)].into(), account_budget: None, ..bundle("standard") };
    let mut authority = authority_of(&bundle);
    let mut asked = |account: &str| {
        let target = Target { account: account.into(), ..Target::default() };
        grounds(authority.judge(action("kill_tree", AGENT), &target, NOW))
    };
    let noise = (0..100).filter(|_| asked("www-data").verdict == VerdictKind::ActNow).count();
    assert_eq!(noise, 6);
    let told = ["guard.budget", "budget: 6 of kill_tree because of www-data an hour on one host are spent"];
    assert_eq!(asked("www-data").decided_by, told);
    // The real attack, by another account; and what has no name is one account too.
    assert_eq!(asked("root").verdict, VerdictKind::ActNow);
    assert_eq!(asked("").verdict, VerdictKind::ActNow);
    let third = asked("anna");
    assert_eq!(third.decided_by, ["guard.budget", "budget: 8 of kill_tree an hour on one host are spent"]);
}

#[test]
fn what_was_spent_before_a_start_stays_spent_by_whom_it_was() {
    let budgets = [("kill_tree".to_owned(), 8)].into();
    let mut authority = authority_of(&Bundle { budgets, account_budget: Some(7), ..bundle("standard") });
    let kill = action("kill_tree", AGENT);
    (0..6).for_each(|_| authority.remember(&kill, "www-data", NOW));
    let ann = action("kill_tree", ANNA);
    authority.remember(&ann, "www-data", NOW);
    let mut asked = |account: &str| {
        let target = Target { account: account.into(), ..Target::default() };
        grounds(authority.judge(action("kill_tree", AGENT), &target, NOW))
    };
    let told = ["guard.budget", "budget: 6 of kill_tree because of www-data an hour on one host are spent"];
    assert_eq!(asked("www-data").decided_by, told);
    assert_eq!(asked("root").verdict, VerdictKind::ActNow, "the reserve is left for others");
    // A seventh of another kind is the last that this account sets off.
    let other = |authority: &mut Authority| {
        let target = Target { account: "www-data".into(), ..Target::default() };
        grounds(authority.judge(action("quarantine_file", AGENT), &target, NOW)).verdict
    };
    assert_eq!((other(&mut authority), other(&mut authority)), (VerdictKind::ActNow, VerdictKind::Ask));
}
