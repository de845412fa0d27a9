//! Owns: the row of each enrolled host: facts at enrolment, when it was last seen, whether it is revoked.
//! Never: deleting a row; a revoked host stays known as revoked.

use picket_model::{HostFacts, HostId, Timestamp};
use serde::{Deserialize, Serialize};

use super::IdentityError;
use crate::store::{Change, StateStore, StoreError, Table, each};

/// How often a change that another writer overtook is tried again.
const RETRIES_MAX: u32 = 32;
/// A host that reconnects faster than this does not cost a write each time.
const SEEN_EVERY_MS: u64 = 60_000;

/// A row of `Table::Hosts` as JSON; its key is the 16 bytes of the id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostRow {
    pub id: HostId,
    pub facts: HostFacts,
    pub enrolled: Timestamp,
    #[serde(default)]
    pub revoked: Option<Timestamp>,
    /// Its last connection, to the minute.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
}

/// Whether a host with a good certificate may speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Standing {
    Good,
    Revoked,
    /// The certificate is ours and the row is not there: the store is older than the certificate.
    Unknown,
}

/// Keeps a host that has just enrolled.
pub fn add_host(store: &dyn StateStore, id: HostId, facts: &HostFacts, now: Timestamp) -> Result<(), IdentityError> {
    let row = HostRow { id, facts: facts.clone(), enrolled: now, revoked: None, last_seen: None };
    Ok(store.write(&[change(&row, None)])?)
}

pub fn host(store: &dyn StateStore, id: HostId) -> Result<Option<HostRow>, IdentityError> {
    Ok(read(store, id)?.map(|(row, _)| row))
}

/// Every host that ever enrolled, in the order of ids.
pub fn hosts(store: &dyn StateStore) -> Result<Vec<HostRow>, IdentityError> {
    let mut hosts = Vec::new();
    each(store, Table::Hosts, &[], |key, bytes| {
        hosts.push(serde_json::from_slice(bytes).map_err(|error| {
            let id = <[u8; 16]>::try_from(key).unwrap_or_default();
            IdentityError::HostRow(HostId::from_bytes(id), error.to_string())
        })?);
        Ok::<_, IdentityError>(())
    })?;
    Ok(hosts)
}

/// Looks the host up as it connects and notes that it did.
pub fn seen(store: &dyn StateStore, id: HostId, now: Timestamp) -> Result<Standing, IdentityError> {
    for _ in 0..RETRIES_MAX {
        let Some((mut row, old)) = read(store, id)? else { return Ok(Standing::Unknown) };
        if row.revoked.is_some() {
            return Ok(Standing::Revoked);
        }
        if row.last_seen.is_some_and(|last| now.millis_since(last) < SEEN_EVERY_MS) {
            return Ok(Standing::Good);
        }
        row.last_seen = Some(now);
        match store.write(&[change(&row, Some(old))]) {
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other.map(|()| Standing::Good)?),
        }
    }
    Err(StoreError::Conflict { table: Table::Hosts }.into())
}

/// Revokes for good; the first time counts. The caller then cuts what is connected.
pub fn revoke(store: &dyn StateStore, id: HostId, now: Timestamp) -> Result<(), IdentityError> {
    for _ in 0..RETRIES_MAX {
        let (mut row, old) = read(store, id)?.ok_or(IdentityError::UnknownHost(id))?;
        if row.revoked.is_some() {
            return Ok(());
        }
        row.revoked = Some(now);
        match store.write(&[change(&row, Some(old))]) {
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    Err(StoreError::Conflict { table: Table::Hosts }.into())
}

fn read(store: &dyn StateStore, id: HostId) -> Result<Option<(HostRow, Vec<u8>)>, IdentityError> {
    let Some(bytes) = store.get(Table::Hosts, id.as_bytes())? else { return Ok(None) };
    let row = serde_json::from_slice(&bytes).map_err(|error| IdentityError::HostRow(id, error.to_string()))?;
    Ok(Some((row, bytes)))
}

fn change(row: &HostRow, expected: Option<Vec<u8>>) -> Change {
    // A row of plain fields always has a JSON form.
    let value = Some(serde_json::to_vec(row).unwrap_or_default());
    Change { table: Table::Hosts, key: row.id.as_bytes().to_vec(), expected: Some(expected), value }
}
