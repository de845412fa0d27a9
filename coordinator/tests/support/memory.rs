//! Owns: event log and state in memory, with the promises of their traits and a switch that makes them fail.
//! Never: durability.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use picket_coordinator::store::{Appended, Change, EventLog, Rows, StateStore, StoreError, Stored, Table};
use picket_model::{HostId, Lane, Position, Timestamp};

type Key = (Table, Vec<u8>);

#[derive(Default)]
pub struct Memory {
    pub failing: AtomicBool,
    log: Mutex<Vec<Stored>>,
    rows: Mutex<BTreeMap<Key, Vec<u8>>>,
}

impl Memory {
    pub fn stored(&self, host: HostId) -> usize {
        self.log.lock().unwrap().iter().filter(|stored| stored.host == host).count()
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::SeqCst) { Err(StoreError::Backend("told to fail".into())) } else { Ok(()) }
    }
}

impl EventLog for Memory {
    fn append(
        &self,
        host: HostId,
        received: Timestamp,
        epoch: u64,
        lane: Lane,
        first_seq: u64,
        records: &[Vec<u8>],
    ) -> Result<Appended, StoreError> {
        self.check()?;
        let mut log = self.log.lock().unwrap();
        let own =
            |stored: &&Stored| stored.host == host && (stored.position.epoch, stored.position.lane) == (epoch, lane);
        let cursor = log.iter().rev().find(own).map_or(0, |stored| stored.position.seq);
        if first_seq > cursor + 1 {
            return Err(StoreError::Gap { expected: cursor + 1 });
        }
        let first_offset = log.len() as u64;
        let fresh: Vec<_> = (first_seq..).zip(records).filter(|(seq, _)| *seq > cursor).collect();
        let fresh = fresh.into_iter().zip(first_offset..).map(|((seq, bytes), offset)| Stored {
            offset,
            host,
            received,
            position: Position { epoch, lane, seq },
            bytes: bytes.clone(),
        });
        log.extend(fresh);
        Ok(Appended { first_offset, fresh: log.len() - usize::try_from(first_offset).unwrap() })
    }

    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError> {
        let log = self.log.lock().unwrap();
        let last = |lane| {
            let own = |at: &Position| at.epoch == epoch && at.lane == lane;
            log.iter().filter(|stored| stored.host == host).map(|stored| stored.position).rfind(own)
        };
        Ok(Lane::ALL.into_iter().filter_map(last).collect())
    }

    fn read(&self, from_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let from = usize::try_from(from_offset).unwrap_or(usize::MAX);
        Ok(self.log.lock().unwrap().iter().skip(from).take(limit).cloned().collect())
    }

    fn read_back(&self, before_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let before = usize::try_from(before_offset).unwrap_or(usize::MAX);
        Ok(self.log.lock().unwrap().iter().take(before).rev().take(limit).cloned().collect())
    }

    fn end(&self) -> Result<u64, StoreError> {
        Ok(self.log.lock().unwrap().len() as u64)
    }
}

impl StateStore for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.lock().unwrap().get(&(table, key.to_vec())).cloned())
    }

    fn scan_from(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        let rows = self.rows.lock().unwrap();
        let own =
            rows.iter().filter(|((of, key), _)| *of == table && key.starts_with(prefix) && key.as_slice() >= from);
        Ok(own.map(|((_, key), value)| (key.clone(), value.clone())).take(limit).collect())
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            let row = rows.get(&(change.table, change.key.clone()));
            if change.expected.as_ref().is_some_and(|wanted| wanted.as_ref() != row) {
                return Err(StoreError::Conflict { table: change.table });
            }
        }
        for change in changes {
            let key = (change.table, change.key.clone());
            match &change.value {
                Some(value) => drop(rows.insert(key, value.clone())),
                None => drop(rows.remove(&key)),
            }
        }
        Ok(())
    }
}
