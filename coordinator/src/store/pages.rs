//! Owns: reading a table of any size through, some rows at a time.
//! Never: holding a whole table, or stopping before its end.

use super::{StateStore, StoreError, Table};

/// Rows of one page: few enough that no reader holds the store for long.
const PAGE: usize = 1024;

/// Shows every row with this prefix in the order of keys. A row that is written meanwhile may be among them or not.
pub fn each<E: From<StoreError>>(
    store: &dyn StateStore,
    table: Table,
    prefix: &[u8],
    mut show: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = prefix.to_vec();
    loop {
        let rows = store.scan_from(table, prefix, &from, PAGE)?;
        for (key, value) in &rows {
            show(key, value)?;
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
        // The next key there can be.
        from.clone_from(last);
        from.push(0);
    }
}
