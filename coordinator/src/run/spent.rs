//! Owns: what was spent of the coordinator's own budgets, kept with the orders that spent it and read back at the start: neither
//! a crash nor an upgrade gives a budget anew.
//! Never: how much there is to spend.

use picket_model::{ActionId, ActionKind, HostId, Timestamp};
use serde::{Deserialize, Serialize};

use super::rows;
use crate::respond::{Groups, Ledger, Paid, Spent, WINDOW_MS};
use crate::store::{Change, StateStore, StoreError, Table, each};

/// One act that counts within the hour.
#[derive(Serialize, Deserialize)]
struct Row {
    time: Timestamp,
    action: ActionId,
    #[serde(flatten)]
    of: Of,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
enum Of {
    /// The host whose evidence set it in motion.
    Trigger { host: HostId },
    /// A group that the act's host is of.
    Group { name: String, word: String },
}

impl Row {
    /// An act may count for a host and for several groups.
    fn key(&self) -> Vec<u8> {
        let of = match &self.of {
            Of::Trigger { host } => host.as_bytes().to_vec(),
            Of::Group { name, .. } => name.as_bytes().to_vec(),
        };
        [self.action.as_bytes().as_slice(), &of].concat()
    }

    fn put(&self) -> Result<Change, StoreError> {
        rows::put(Table::Spent, &self.key(), self)
    }
}

/// What was spent since the last call, to be written in one transaction with what it was spent on.
pub fn put_news(ledger: &mut Ledger, groups: &mut Groups) -> Result<Vec<Change>, StoreError> {
    let paid = ledger.take_news().into_iter().map(|Paid { trigger, action, time }| Row {
        time,
        action,
        of: Of::Trigger { host: trigger },
    });
    let spent = groups.take_news().into_iter().map(|Spent { group, word, act, time }| Row {
        time,
        action: act,
        of: Of::Group { name: group, word: word.to_owned() },
    });
    paid.chain(spent).map(|row| row.put()).collect()
}

/// What an earlier life spent within the hour. A time ahead of the clock is now: it goes no later than if it had been.
pub fn recall(state: &dyn StateStore, now: Timestamp) -> Result<(Ledger, Groups), StoreError> {
    let (mut ledger, mut groups) = (Ledger::default(), Groups::default());
    each(state, Table::Spent, &[], |_, bytes| {
        let Some(Row { time, action, of }) = read(bytes) else { return Ok(()) };
        let time = time.min(now);
        if now.millis_since(time) >= WINDOW_MS {
            return Ok(());
        }
        match of {
            Of::Trigger { host } => ledger.remember(Paid { trigger: host, action, time }),
            Of::Group { name, word } => {
                if let Some(nature) = ActionKind::ALL.iter().find(|nature| nature.word == word) {
                    groups.remember(Spent { group: name, word: nature.word, act: action, time });
                }
            }
        }
        Ok::<_, StoreError>(())
    })?;
    Ok((ledger, groups))
}

/// The rows that count no more.
pub fn over(state: &dyn StateStore, now: Timestamp) -> Result<Vec<Change>, StoreError> {
    let mut over = Vec::new();
    each(state, Table::Spent, &[], |key, bytes| {
        if read(bytes).is_none_or(|row| now.millis_since(row.time) >= WINDOW_MS) {
            over.push(rows::drop_row(Table::Spent, key));
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(over)
}

/// One damaged row must not keep the coordinator from starting.
fn read(bytes: &[u8]) -> Option<Row> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::error!(%error, "a row of what was spent is damaged and does not count"))
        .ok()
}
