//! Owns: the bundles that were in force before, as they were signed, so that there is a way back to one.
//! Never: putting one in force: no host takes a lower version, so whoever has the key signs its content anew.

use picket_model::{BundleVersion, Timestamp};
use picket_policy::ListRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::desk::{Desk, Policy, now};
use crate::api::{Answer, Refused, Status};
use crate::store::{Change, StoreError, Table};

/// Enough for the changes of a bad week; each may have 8 MiB.
const KEPT_MAX: usize = 10;
/// Under which the list of them is kept, the latest last; each bundle has a row of its own.
const KEY: &[u8] = b"earlier";

/// What is known of one without reading it.
#[derive(Serialize, Deserialize)]
struct Earlier {
    name: String,
    version: BundleVersion,
    issued: Timestamp,
    /// When another took its place.
    until: Timestamp,
    key_id: String,
    lists: Vec<ListRef>,
}

fn row(version: BundleVersion) -> Vec<u8> {
    [KEY, b"/", &version.0.to_be_bytes()].concat()
}

impl Desk {
    /// What is to be written when this bundle gives way to another: it is kept, and the oldest beyond the limit goes.
    pub fn keeping(&self, leaving: &Policy) -> Result<Vec<Change>, StoreError> {
        let mut known = self.earlier()?;
        let bundle = &leaving.verified.bundle;
        known.push(Earlier {
            name: bundle.name.clone(),
            version: bundle.version,
            issued: bundle.issued,
            until: now(),
            key_id: leaving.verified.key_id.clone(),
            lists: bundle.indicator_lists.clone(),
        });
        let change = |key, value| Change { table: Table::Bundles, key, expected: None, value };
        let mut changes = vec![change(row(bundle.version), Some(leaving.verified.bytes.clone()))];
        let beyond = known.len().saturating_sub(KEPT_MAX);
        changes.extend(known.drain(..beyond).map(|gone| change(row(gone.version), None)));
        let index = serde_json::to_vec(&known).map_err(|error| StoreError::Backend(error.to_string()))?;
        changes.push(change(KEY.to_vec(), Some(index)));
        Ok(changes)
    }

    fn earlier(&self) -> Result<Vec<Earlier>, StoreError> {
        let Some(bytes) = self.state.get(Table::Bundles, KEY)? else { return Ok(Vec::new()) };
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Backend(format!("the list of earlier bundles is damaged: {error}")))
    }

    /// The lists of indicators that the way back needs.
    pub fn earlier_lists(&self) -> Result<Vec<ListRef>, StoreError> {
        Ok(self.earlier()?.into_iter().flat_map(|earlier| earlier.lists).collect())
    }

    /// The latest first.
    pub fn say_earlier(&self) -> Answer {
        let earlier = self.earlier()?;
        let say = |one: &Earlier| {
            json!({
                "name": one.name, "version": one.version, "issued": one.issued, "until": one.until,
                "key_id": one.key_id, "lists_missing": self.lists.missing(&one.lists).len(),
            })
        };
        Ok(json!({"bundles": earlier.iter().rev().map(say).collect::<Vec<Value>>()}))
    }

    /// One as it was signed.
    pub fn say_earlier_bundle(&self, version: u64) -> Answer {
        let bytes = self.state.get(Table::Bundles, &row(BundleVersion(version)))?.ok_or_else(|| {
            Refused::new(
                Status::Missing,
                format!("no bundle of version {version} is kept from before"),
                "`picket policy rollback --list` shows those that are",
            )
        })?;
        serde_json::from_slice(&bytes).map_err(Refused::internal)
    }
}
