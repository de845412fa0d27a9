//! Owns: what follows from records until it is kept: audit lines, rows, orders; read through while it waits.
//! Never: giving any of it up: what could not be written is written at the next try.

use std::collections::BTreeMap;

use picket_model::{ActionId, Incident, IncidentId};
use serde::de::DeserializeOwned;

use super::desk::{Desk, now};
use super::rows::{self, ActionRow, CommandRow};
use crate::api::Refused;
use crate::audit::Line;
use crate::store::{Change, StateStore, StoreError, Table};

#[derive(Default)]
pub struct Pending {
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    lines: Vec<Line>,
    orders: Vec<CommandRow>,
}

impl Pending {
    /// The row as it will be.
    pub fn get(&self, store: &dyn StateStore, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.get(&(table, key.to_vec())) {
            Some(row) => Ok(row.clone()),
            None => store.get(table, key),
        }
    }

    pub fn action(&self, store: &dyn StateStore, id: ActionId) -> Result<Option<ActionRow>, StoreError> {
        Ok(whole(Table::Actions, self.get(store, Table::Actions, id.as_bytes())?))
    }

    pub fn incident(&self, store: &dyn StateStore, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        Ok(whole(Table::Incidents, self.get(store, Table::Incidents, id.as_bytes())?))
    }

    pub fn put(&mut self, change: Change) {
        self.rows.insert((change.table, change.key), change.value);
    }

    pub fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Kept until the host answered, and sent once it is kept.
    pub fn order(&mut self, row: CommandRow) -> Result<(), StoreError> {
        self.put(rows::put_command(&row)?);
        self.orders.push(row);
        Ok(())
    }

    /// The audit log first, in one transaction; then the rows, in one; then the orders leave.
    pub fn commit(&mut self, desk: &Desk) -> Result<(), Refused> {
        desk.audit.append_all(now(), &self.lines).map_err(Refused::internal)?;
        self.lines.clear();
        let change = |((table, key), value): (&(Table, Vec<u8>), &Option<Vec<u8>>)| Change {
            table: *table,
            key: key.clone(),
            expected: None,
            value: value.clone(),
        };
        desk.state.write(&self.rows.iter().map(change).collect::<Vec<_>>())?;
        self.rows.clear();
        for row in self.orders.drain(..) {
            desk.dispatch(&row);
        }
        Ok(())
    }
}

/// One damaged row must not stop the work on all others: it is written anew by what follows.
fn whole<T: DeserializeOwned>(table: Table, bytes: Option<Vec<u8>>) -> Option<T> {
    let read = serde_json::from_slice(&bytes?);
    read.inspect_err(|error| tracing::error!(?table, %error, "a row is damaged and taken as missing")).ok()
}
