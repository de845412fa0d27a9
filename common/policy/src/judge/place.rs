//! Owns: where one host stands in a bundle's settings, found once for all that is judged on it.
//! Never: what follows from it.

use std::sync::Arc;

use picket_model::{HostId, Timestamp};

use super::Authority;
use crate::autonomy::Tier;
use crate::group_budget::GroupBudget;
use crate::quorum::Group;
use crate::windows::{Window, WindowKind};

#[derive(Debug)]
pub struct Place {
    host: HostId,
    name: String,
    pub tier: Option<Tier>,
    pub out_of_scope: bool,
    /// The groups that need it.
    pub groups: Vec<Group>,
    /// Those whose acts it counts its own for.
    budgets: Vec<GroupBudget>,
    /// Those that concern this host.
    windows: Vec<Window>,
}

impl Place {
    /// The window of this kind that is on at `now` for longest, and how long.
    pub fn left(&self, kind: WindowKind, now: Timestamp) -> Option<(&str, u64)> {
        let on = self.windows.iter().filter(|window| window.kind == kind);
        let on = on.map(|window| (window.name.as_str(), window.left_ms(now))).filter(|(_, left)| *left > 0);
        on.max_by_key(|(_, left)| *left)
    }
}

impl Place {
    /// The least that a group of this host allows of an action.
    pub fn group_budget(&self, word: &str) -> Option<(&str, u32)> {
        let bounds = self.budgets.iter().filter_map(|one| one.budgets.get(word).map(|most| (one.name.as_str(), *most)));
        bounds.min_by_key(|(_, most)| *most)
    }
}

impl Authority {
    pub(super) fn place(&mut self, name: &str, host: HostId) -> Arc<Place> {
        let known = self.place.take().filter(|place| place.host == host && place.name == name);
        let place = known.unwrap_or_else(|| {
            let autonomy = &self.bundle.autonomy;
            Arc::new(Place {
                host,
                name: name.to_owned(),
                tier: autonomy.tier(name, host).cloned(),
                out_of_scope: autonomy.is_out_of_scope(name, host),
                groups: self.bundle.quorum.iter().filter(|one| one.holds(name, host)).cloned().collect(),
                budgets: self.bundle.group_budgets.iter().filter(|one| one.holds(name, host)).cloned().collect(),
                windows: self.bundle.windows.iter().filter(|one| one.concerns(name, host)).cloned().collect(),
            })
        });
        self.place = Some(Arc::clone(&place));
        place
    }
}
