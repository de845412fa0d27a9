//! Owns: how actions, incidents, statuses and commands lie in the state store: JSON under their ids.
//! Never: what they mean.

use picket_model::{
    ActionId, ActionReport, ActionState, Command, Coverage, HostId, HostStatus, Incident, IncidentId, IncidentStatus,
    Timestamp,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::recovery::RecoveryRow;
use crate::store::{Change, StateStore, StoreError, Table, each};

/// An order on its way to a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CommandRow {
    pub id: u64,
    pub host: HostId,
    pub command: Command,
}

/// What is known of an action, and when the coordinator learned it by its own clock: the host's may say anything.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActionRow {
    #[serde(flatten)]
    pub report: ActionReport,
    #[serde(default)]
    pub received: Timestamp,
}

/// Who has looked at what was done alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    pub by: String,
    pub at: Timestamp,
    pub note: String,
}

/// A host's word about itself, and when it came by the coordinator's clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatusRow {
    #[serde(flatten)]
    pub status: HostStatus,
    #[serde(default)]
    pub received: Timestamp,
}

/// A row that does not read is damage of the store, and named as such.
fn read<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Backend(format!("a row of {table:?} is damaged: {error}")))
}

fn get<T: DeserializeOwned>(store: &dyn StateStore, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
    store.get(table, key)?.map(|bytes| read(table, &bytes)).transpose()
}

/// Shows every row of a table, without holding all of them.
fn walk<T: DeserializeOwned>(
    store: &dyn StateStore,
    table: Table,
    prefix: &[u8],
    mut show: impl FnMut(T),
) -> Result<(), StoreError> {
    each(store, table, prefix, |_, bytes| {
        show(read(table, bytes)?);
        Ok(())
    })
}

fn all<T: DeserializeOwned>(store: &dyn StateStore, table: Table, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    walk(store, table, prefix, |row| rows.push(row))?;
    Ok(rows)
}

pub(super) fn put<T: Serialize>(table: Table, key: &[u8], row: &T) -> Result<Change, StoreError> {
    let value = serde_json::to_vec(row).map_err(|error| StoreError::Backend(error.to_string()))?;
    Ok(Change { table, key: key.to_vec(), expected: None, value: Some(value) })
}

pub fn drop_row(table: Table, key: &[u8]) -> Change {
    Change { table, key: key.to_vec(), expected: None, value: None }
}

pub fn action(store: &dyn StateStore, id: ActionId) -> Result<Option<ActionRow>, StoreError> {
    get(store, Table::Actions, id.as_bytes())
}

pub fn each_action(store: &dyn StateStore, show: impl FnMut(ActionRow)) -> Result<(), StoreError> {
    walk(store, Table::Actions, &[], show)
}

/// How many actions wait for a person; of each row only the state is read.
pub fn asked(store: &dyn StateStore) -> Result<usize, StoreError> {
    #[derive(Deserialize)]
    struct State {
        state: ActionState,
    }
    let mut count = 0;
    walk(store, Table::Actions, &[], |row: State| count += usize::from(row.state == ActionState::Asked))?;
    Ok(count)
}

pub fn put_action(report: &ActionReport, received: Timestamp) -> Result<Change, StoreError> {
    put(Table::Actions, report.action.id.as_bytes(), &ActionRow { report: report.clone(), received })
}

pub fn acknowledged(store: &dyn StateStore, id: ActionId) -> Result<Option<Acknowledged>, StoreError> {
    get(store, Table::Acknowledged, id.as_bytes())
}

pub fn put_acknowledged(id: ActionId, row: &Acknowledged) -> Result<Change, StoreError> {
    put(Table::Acknowledged, id.as_bytes(), row)
}

pub fn incident(store: &dyn StateStore, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    get(store, Table::Incidents, id.as_bytes())
}

pub fn each_incident(store: &dyn StateStore, show: impl FnMut(Incident)) -> Result<(), StoreError> {
    walk(store, Table::Incidents, &[], show)
}

/// How many incidents are open; of each row only the status is read.
pub fn open_incidents(store: &dyn StateStore) -> Result<usize, StoreError> {
    #[derive(Deserialize)]
    struct Status {
        status: IncidentStatus,
    }
    let mut count = 0;
    walk(store, Table::Incidents, &[], |row: Status| count += usize::from(row.status == IncidentStatus::Open))?;
    Ok(count)
}

pub fn put_incident(incident: &Incident) -> Result<Change, StoreError> {
    put(Table::Incidents, incident.id.as_bytes(), incident)
}

pub fn recovery(store: &dyn StateStore, id: IncidentId) -> Result<Option<RecoveryRow>, StoreError> {
    get(store, Table::Recoveries, id.as_bytes())
}

pub fn each_recovery(store: &dyn StateStore, show: impl FnMut(RecoveryRow)) -> Result<(), StoreError> {
    walk(store, Table::Recoveries, &[], show)
}

pub fn put_recovery(row: &RecoveryRow) -> Result<Change, StoreError> {
    put(Table::Recoveries, row.incident.as_bytes(), row)
}

/// An incident closed before the record at this place of the event log; `None` while the closing is only asked for.
pub fn put_closing(id: IncidentId, place: Option<u64>) -> Change {
    let value = Some(place.map(|place| place.to_be_bytes().to_vec()).unwrap_or_default());
    Change { table: Table::Closings, key: id.as_bytes().to_vec(), expected: None, value }
}

pub fn closings(store: &dyn StateStore) -> Result<Vec<(IncidentId, Option<u64>)>, StoreError> {
    let mut found = Vec::new();
    each(store, Table::Closings, &[], |key, value| {
        if let Ok(id) = <[u8; 16]>::try_from(key) {
            found.push((IncidentId::from_bytes(id), value.try_into().ok().map(u64::from_be_bytes)));
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(found)
}

/// Where a detection lies in the event log, and whose it is.
pub fn put_detection(key: &[u8], offset: u64, host: HostId) -> Change {
    let value = [offset.to_be_bytes().as_slice(), host.as_bytes()].concat();
    Change { table: Table::Detections, key: key.to_vec(), expected: None, value: Some(value) }
}

/// The offset, and the host where the row says it.
pub fn detection_place(row: &[u8]) -> Option<(u64, Option<HostId>)> {
    let (offset, host) = row.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*offset), host.try_into().ok().map(HostId::from_bytes)))
}

pub fn statuses(store: &dyn StateStore) -> Result<Vec<StatusRow>, StoreError> {
    all(store, Table::Statuses, &[])
}

pub fn put_status(row: &StatusRow) -> Result<Change, StoreError> {
    put(Table::Statuses, row.status.host.as_bytes(), row)
}

pub fn coverage(store: &dyn StateStore, host: HostId) -> Result<Vec<Coverage>, StoreError> {
    Ok(get(store, Table::Coverage, host.as_bytes())?.unwrap_or_default())
}

pub fn put_coverage(host: HostId, rows: &[Coverage]) -> Result<Change, StoreError> {
    put(Table::Coverage, host.as_bytes(), &rows)
}

/// The orders that wait for one host's answer, oldest first.
pub fn commands_of(store: &dyn StateStore, host: HostId) -> Result<Vec<CommandRow>, StoreError> {
    all(store, Table::Commands, host.as_bytes())
}

pub fn each_command(store: &dyn StateStore, show: impl FnMut(CommandRow)) -> Result<(), StoreError> {
    walk(store, Table::Commands, &[], show)
}

pub fn command(store: &dyn StateStore, host: HostId, id: u64) -> Result<Option<CommandRow>, StoreError> {
    get(store, Table::Commands, &command_key(host, id))
}

pub fn put_command(row: &CommandRow) -> Result<Change, StoreError> {
    put(Table::Commands, &command_key(row.host, row.id), row)
}

pub fn drop_command(host: HostId, id: u64) -> Change {
    drop_row(Table::Commands, &command_key(host, id))
}

/// A host's orders lie together, in the order of their numbers.
pub fn command_key(host: HostId, id: u64) -> Vec<u8> {
    [host.as_bytes().as_slice(), &id.to_be_bytes()].concat()
}
