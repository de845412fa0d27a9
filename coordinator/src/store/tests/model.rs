//! Owns: the event log against a model so simple that it is plainly right.
//! Never: callers at once; this is one.

use std::collections::BTreeMap;

use picket_model::{HostId, Lane, Position, Timestamp};
use proptest::prelude::*;

use super::super::{EventLog, StoreError, Stored};
use super::open;

#[derive(Clone, Debug)]
enum Step {
    /// The first number is the cursor and this much more or less.
    Append {
        host: u8,
        epoch: u64,
        lane: usize,
        beyond: i64,
        records: Vec<Vec<u8>>,
    },
    Read {
        from: u64,
        limit: usize,
    },
    ReadBack {
        before: u64,
        limit: usize,
    },
    Prune {
        before: u64,
    },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6);
    let append = (0..3u8, 1..3u64, 0..3usize, -4..3i64, records)
        .prop_map(|(host, epoch, lane, beyond, records)| Step::Append { host, epoch, lane, beyond, records });
    let step = prop_oneof![
        12 => append,
        2 => (0..60u64, 0..20usize).prop_map(|(from, limit)| Step::Read { from, limit }),
        2 => (0..60u64, 0..20usize).prop_map(|(before, limit)| Step::ReadBack { before, limit }),
        1 => (0..40u64).prop_map(|before| Step::Prune { before }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Default)]
struct Model {
    log: BTreeMap<u64, Stored>,
    end: u64,
    cursors: BTreeMap<(HostId, u64, Lane), u64>,
}

impl Model {
    fn append(
        &mut self,
        host: HostId,
        received: Timestamp,
        first: Position,
        records: &[Vec<u8>],
    ) -> Result<(u64, usize), u64> {
        let cursor = self.cursors.get(&(host, first.epoch, first.lane)).copied().unwrap_or(0);
        if first.seq > cursor + 1 {
            return Err(cursor + 1);
        }
        let (first_offset, mut fresh) = (self.end, 0);
        for (seq, bytes) in (first.seq..).zip(records).filter(|(seq, _)| *seq > cursor) {
            let position = Position { seq, ..first };
            self.log.insert(self.end, Stored { offset: self.end, host, received, position, bytes: bytes.clone() });
            self.cursors.insert((host, first.epoch, first.lane), seq);
            self.end += 1;
            fresh += 1;
        }
        Ok((first_offset, fresh))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_the_model(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Some(open(dir.path()));
        let mut model = Model::default();
        for (time, step) in (1..).zip(steps) {
            let log = store.as_ref().unwrap();
            match step {
                Step::Append { host, epoch, lane, beyond, records } => {
                    let (host, lane) = (HostId::from_bytes([host; 16]), Lane::ALL[lane]);
                    let cursor = model.cursors.get(&(host, epoch, lane)).copied().unwrap_or(0);
                    let seq = (cursor + 1).saturating_add_signed(beyond).max(1);
                    let wanted = model.append(host, Timestamp(time), Position { epoch, lane, seq }, &records);
                    let found = log.append(host, Timestamp(time), epoch, lane, seq, &records);
                    let found = found.map(|appended| (appended.first_offset, appended.fresh));
                    prop_assert_eq!(found, wanted.map_err(|expected| StoreError::Gap { expected }));
                }
                Step::Read { from, limit } => {
                    let wanted: Vec<_> = model.log.range(from..).take(limit).map(|(_, row)| row.clone()).collect();
                    prop_assert_eq!(log.read(from, limit).unwrap(), wanted);
                }
                Step::ReadBack { before, limit } => {
                    let rows = model.log.range(..before).rev().take(limit);
                    let wanted: Vec<_> = rows.map(|(_, row)| row.clone()).collect();
                    prop_assert_eq!(log.read_back(before, limit).unwrap(), wanted);
                }
                Step::Prune { before } => {
                    let kept = model.log.split_off(&before);
                    prop_assert_eq!(log.prune(before).unwrap().records, model.log.len() as u64);
                    model.log = kept;
                }
                Step::Reopen => {
                    drop(store.take());
                    store = Some(open(dir.path()));
                }
            }
            let log = store.as_ref().unwrap();
            prop_assert_eq!(log.end().unwrap(), model.end);
            for host in 0..3 {
                for position in log.cursors(HostId::from_bytes([host; 16]), 1).unwrap() {
                    let key = (HostId::from_bytes([host; 16]), 1, position.lane);
                    prop_assert_eq!(position.seq, model.cursors.get(&key).copied().unwrap_or(0));
                }
            }
        }
        let all: Vec<_> = model.log.into_values().collect();
        prop_assert_eq!(store.unwrap().read(0, 10_000).unwrap(), all);
    }
}
