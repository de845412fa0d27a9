//! Owns: what an act costs: one of the budget of its kind, and one of the account's whose process set it off.
//! Never: how much there is; that is the bundle's.

use picket_model::{Action, Timestamp, VerdictKind};

use super::{Authority, Draft, autonomous};
use crate::guards;

impl Authority {
    pub(super) fn budget_left(&self, action: &Action, now: Timestamp) -> u32 {
        let word = action.kind.word();
        self.spent.left(action.host, &word, self.bundle.budget(word), now)
    }

    /// None where accounts are not counted, or none is known.
    pub(super) fn account_budget_left(&self, action: &Action, account: &str, now: Timestamp) -> Option<u32> {
        let limit = self.bundle.account_budget.filter(|_| !account.is_empty())?;
        Some(self.spent_on_accounts.left(action.host, &against(account), limit, now))
    }

    /// "Act now" at Picket's own word costs one of each budget; where one is spent nothing is taken of the other.
    pub(super) fn spend(&mut self, draft: &mut Draft, action: &Action, account: &str, now: Timestamp) {
        let by_guard = draft.names(guards::BUDGET) || draft.names(guards::ACCOUNT_BUDGET);
        if (draft.verdict != VerdictKind::ActNow && !by_guard) || !autonomous(&action.reason.principal) {
            return;
        }
        let limit = self.bundle.account_budget.filter(|_| !account.is_empty());
        let exhausted = self.account_budget_left(action, account, now) == Some(0);
        let word = action.kind.word();
        if !exhausted && let Err(reason) = self.spent.spend(action.host, word, self.bundle.budget(word), now) {
            return draft.lower(VerdictKind::Ask, guards::BUDGET, || reason);
        }
        if let Some(limit) = limit
            && let Err(reason) = self.spent_on_accounts.spend(action.host, against(account), limit, now)
        {
            draft.lower(VerdictKind::Ask, guards::ACCOUNT_BUDGET, || reason);
        }
    }
}

fn against(account: &str) -> String {
    format!("acts against {account}")
}
