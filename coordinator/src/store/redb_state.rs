//! Owns: the state tables on redb.
//! Never: what their rows mean.

use std::collections::BTreeMap;

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::database::Base;
use super::{Change, Rows, StateStore, StoreError, Table};

/// Keys are ids and short names.
pub const KEY_BYTES_MAX: usize = 1024;
/// The largest row is a signed bundle, 8 MiB at most, in an envelope that escapes it.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Open<'t> = BTreeMap<Table, redb::Table<'t, &'static [u8], &'static [u8]>>;

pub(super) struct RedbState {
    base: Base,
}

impl RedbState {
    pub(super) fn start(base: Base) -> Result<Self, StoreError> {
        let transaction = base.write()?;
        for table in Table::ALL {
            transaction.open_table(definition(table)).map_err(|error| base.told(error))?;
        }
        transaction.commit().map_err(|error| base.told(error))?;
        Ok(Self { base })
    }

    fn open<'t>(&self, transaction: &'t WriteTransaction, changes: &[Change]) -> Result<Open<'t>, StoreError> {
        let mut tables = Open::new();
        for Change { table, .. } in changes {
            if !tables.contains_key(table) {
                let opened = transaction.open_table(definition(*table)).map_err(|error| self.base.told(error))?;
                tables.insert(*table, opened);
            }
        }
        Ok(tables)
    }
}

impl StateStore for RedbState {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.base.read()?.open_table(definition(table)).map_err(|error| self.base.told(error))?;
        let row = table.get(key).map_err(|error| self.base.told(error))?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    fn scan_from(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let table = self.base.read()?.open_table(definition(table)).map_err(|error| self.base.told(error))?;
        let mut rows = Rows::new();
        for row in table.range(from..).map_err(|error| self.base.told(error))?.take(limit) {
            let (key, value) = row.map_err(|error| self.base.told(error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(rows)
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        check_sizes(changes)?;
        let transaction = self.base.write()?;
        {
            let mut tables = self.open(&transaction, changes)?;
            // A conflict drops the transaction, and with it whatever was changed before.
            apply(&mut tables, changes).map_err(|failure| match failure {
                Failure::Conflict(table) => StoreError::Conflict { table },
                Failure::Storage(error) => self.base.told(error),
            })?;
        }
        transaction.commit().map_err(|error| self.base.told(error))
    }
}

enum Failure {
    Conflict(Table),
    Storage(redb::StorageError),
}

impl From<redb::StorageError> for Failure {
    fn from(error: redb::StorageError) -> Self {
        Self::Storage(error)
    }
}

/// All expectations first, against the state before the write; then the changes in their order.
fn apply(tables: &mut Open<'_>, changes: &[Change]) -> Result<(), Failure> {
    for change in changes {
        let (Some(expected), Some(table)) = (&change.expected, tables.get(&change.table)) else { continue };
        let present = table.get(change.key.as_slice())?;
        if expected.as_deref() != present.as_ref().map(|row| row.value()) {
            return Err(Failure::Conflict(change.table));
        }
    }
    for change in changes {
        let Some(table) = tables.get_mut(&change.table) else { continue };
        match &change.value {
            Some(value) => table.insert(change.key.as_slice(), value.as_slice())?,
            None => table.remove(change.key.as_slice())?,
        };
    }
    Ok(())
}

fn check_sizes(changes: &[Change]) -> Result<(), StoreError> {
    for change in changes {
        let value = change.value.as_ref().map_or(0, Vec::len);
        for (what, bytes, limit) in [("a key", change.key.len(), KEY_BYTES_MAX), ("a row", value, ROW_BYTES_MAX)] {
            if bytes > limit {
                return Err(StoreError::TooLarge { what, bytes, limit });
            }
        }
    }
    Ok(())
}

/// Written to disk: a name keeps its meaning.
const fn definition(table: Table) -> Definition {
    TableDefinition::new(match table {
        Table::Hosts => "hosts",
        Table::Incidents => "incidents",
        Table::Actions => "actions",
        Table::Tokens => "tokens",
        Table::Bundles => "bundles",
        Table::Audit => "audit",
        Table::Commands => "commands",
        Table::Users => "users",
        Table::Statuses => "statuses",
        Table::Detections => "detections",
        Table::Closings => "closings",
        Table::Progress => "progress",
        Table::Coverage => "coverage",
        Table::Recoveries => "recoveries",
        Table::Spent => "spent",
        Table::Questions => "questions",
        Table::Acknowledged => "acknowledged",
    })
}
