//! Owns: what an act costs: one of the budget of its kind, and one of the account's whose process set it off.
//! Never: how much there is; that is the bundle's.

use picket_model::{Action, Timestamp, VerdictKind};

use super::place::Place;
use super::{Authority, Draft, autonomous};
use crate::guards;

impl Authority {
    /// Of an action on this host: its own budget, or less where a group of it has less.
    fn limit(&self, word: &str, place: &Place) -> (Option<String>, u32) {
        let own = self.bundle.budget(word);
        match place.group_budget(word).filter(|(_, most)| *most < own) {
            Some((group, most)) => (Some(group.to_owned()), most),
            None => (None, own),
        }
    }

    /// What is left of the kind's budget for what this account sets off.
    pub(super) fn budget_left(&self, action: &Action, place: &Place, account: &str, now: Timestamp) -> u32 {
        let word = action.kind.word();
        let (_, limit) = self.limit(word, place);
        let own = self.shares.left(action.host, &because(word, account), share(limit), now);
        self.spent.left(action.host, &word, limit, now).min(own)
    }

    /// None where accounts are not counted, or none is known.
    pub(super) fn account_budget_left(&self, action: &Action, account: &str, now: Timestamp) -> Option<u32> {
        let limit = self.bundle.account_budget.filter(|_| !account.is_empty())?;
        Some(self.spent_on_accounts.left(action.host, &against(account), limit, now))
    }

    /// Counts an act of before, which this account set off and which was spent at that steady date: to start again is no way
    /// to act twice as often.
    pub fn remember(&mut self, action: &Action, account: &str, at: Timestamp) {
        if !autonomous(&action.reason.principal) {
            return;
        }
        let word = action.kind.word();
        self.spent.remember(action.host, word, at);
        self.shares.remember(action.host, because(word, account), at);
        if !account.is_empty() {
            self.spent_on_accounts.remember(action.host, against(account), at);
        }
    }

    /// "Act now" at Picket's own word costs one of each budget; where one is spent nothing is taken of the other.
    pub(super) fn spend(&mut self, draft: &mut Draft, action: &Action, place: &Place, account: &str, now: Timestamp) {
        let by_guard = draft.names(guards::BUDGET) || draft.names(guards::ACCOUNT_BUDGET);
        if (draft.verdict != VerdictKind::ActNow && !by_guard) || !autonomous(&action.reason.principal) {
            return;
        }
        let limit = self.bundle.account_budget.filter(|_| !account.is_empty());
        let exhausted = self.account_budget_left(action, account, now) == Some(0);
        if !exhausted && let Err(reason) = self.spend_kind(action, place, account, now) {
            return draft.lower(VerdictKind::Ask, guards::BUDGET, || reason);
        }
        if let Some(limit) = limit
            && let Err(reason) = self.spent_on_accounts.spend(action.host, against(account), limit, now)
        {
            draft.lower(VerdictKind::Ask, guards::ACCOUNT_BUDGET, || reason);
        }
    }

    /// One of the kind's budget, and of the account's share in it; none of either where one is spent.
    fn spend_kind(&mut self, action: &Action, place: &Place, account: &str, now: Timestamp) -> Result<(), String> {
        let (word, host) = (action.kind.word(), action.host);
        let ((group, limit), because) = (self.limit(word, place), because(word, account));
        let of_group = |reason: String| match &group {
            Some(group) => format!("{reason}, the budget of the group {group}"),
            None => reason,
        };
        if self.spent.left(host, &word, limit, now) > 0 {
            self.shares.spend(host, because, share(limit), now).map_err(of_group)?;
        }
        self.spent.spend(host, word, limit, now).map_err(of_group)
    }
}

/// Of a kind's budget one account spends three quarters at most: whoever sets off acts in vain to use it up leaves the
/// rest for what others do.
const fn share(limit: u32) -> u32 {
    limit - limit / 4
}

fn because(word: &str, account: &str) -> String {
    format!("{word} because of {}", if account.is_empty() { "accounts without a name" } else { account })
}

fn against(account: &str) -> String {
    format!("acts against {account}")
}
