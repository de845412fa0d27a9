//! Owns: working through the event log: each record once into graph, incidents, actions, plans and checks.
//! Never: losing its place or what a record led to: both are written together, and kept in memory until they are.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_model::{Activity, HostId, IncidentId, Record, Timestamp};

use super::chatter::Chatter;
use super::desk::{Desk, PLACE, now, unpoisoned};
use super::on_watch::Watches;
use super::pending::Pending;
use super::questions::Questions;
use super::rows;
use super::spent;
use super::todo::Todo;
use super::whole_estate::{WholeEstate, speaks_of};
use crate::api::Refused;
use crate::audit::Line;
use crate::correlate::{Effect, Estate};
use crate::graph::Limits;
use crate::respond::{Groups, Ledger};
use crate::store::{Change, StoreError, Stored, Table};
use crate::verify::Verifier;

/// Records worked through between two writes of the place: one commit serves them all.
const BATCH: usize = 512;
/// With or without news it looks this often at what no record tells: orders, heartbeats, silence, losses.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Hosts are witnesses of the audit log's head; a minute is what somebody could take back unseen by them.
const HEAD_EVERY: Duration = Duration::from_secs(60);

pub struct Work {
    pub(super) desk: Arc<Desk>,
    pub(super) estate: Estate,
    pub(super) ledger: Ledger,
    pub(super) groups: Groups,
    pub(super) questions: Questions,
    pub(super) verifier: Verifier,
    pub(super) chatter: Chatter,
    pub(super) pending: Pending,
    pub(super) todo: VecDeque<Todo>,
    pub(super) whole: WholeEstate,
    pub(super) watches: Watches,
    /// The next record to read.
    pub(super) next: u64,
    /// Before it, everything has taken effect in an earlier life: only graph and incidents are built again.
    done: u64,
    /// Everything before `done` is built again.
    live: bool,
    /// Of the last record: the time at which an earlier life knew as much.
    last: Timestamp,
    /// Which incidents an earlier life closed, by the place at which it did.
    closings: BTreeMap<u64, Vec<IncidentId>>,
    /// Records that spoke for what another host had told first.
    foreign: HashMap<HostId, u64>,
    looked: Option<Instant>,
    pub(super) tidied: Option<Instant>,
    head_told: Option<(u64, Instant)>,
}

impl Work {
    pub fn open(desk: Arc<Desk>) -> anyhow::Result<Self> {
        // A log that was moved away begins anew at 0, and so does its reader.
        let done = desk.place()?.min(desk.log.end()?);
        let mut closings: BTreeMap<u64, Vec<IncidentId>> = BTreeMap::new();
        let mut todo = VecDeque::new();
        for (id, place) in rows::closings(&*desk.state)? {
            match place {
                Some(place) => closings.entry(place).or_default().push(id),
                None => todo.push_back(Todo::Close(id)),
            }
        }
        let whole = WholeEstate::open(&*desk.state)?;
        let (ledger, groups) = spent::recall(&*desk.state, now())?;
        let questions = Questions::recall(&*desk.state, now())?;
        Ok(Self {
            desk,
            estate: Estate::new(Limits::default()),
            ledger,
            groups,
            questions,
            verifier: Verifier::default(),
            chatter: Chatter::default(),
            pending: Pending::default(),
            todo,
            whole,
            watches: Watches::default(),
            next: 0,
            done,
            live: false,
            last: Timestamp::default(),
            closings,
            foreign: HashMap::new(),
            looked: None,
            tidied: None,
            head_told: None,
        })
    }

    /// How far the log was worked through, as a time.
    pub(super) fn worked(&self) -> Result<Timestamp, Refused> {
        Ok(if self.next >= self.desk.log.end()? { now() } else { self.last })
    }

    pub(super) const fn is_live(&self) -> bool {
        self.live
    }

    /// Works through one batch; how many records it held.
    pub fn step(&mut self) -> Result<usize, Refused> {
        let desk = Arc::clone(&self.desk);
        // Outside the lock, so that a person's turn comes between two batches.
        let read = desk.log.read(self.next, BATCH);
        self.take_rules();
        self.take_watches()?;
        // People's answers change the same rows: one after the other.
        let _one = unpoisoned(&desk.answering);
        if self.live {
            // What an earlier try could not write goes first.
            self.drain()?;
            self.commit()?;
        }
        let batch = match read {
            Err(StoreError::DamagedRecord { offset }) => return self.damaged(offset),
            other => other?,
        };
        for stored in &batch {
            if stored.offset >= self.done {
                self.replayed();
            }
            // Sessions decoded it before it was stored; one that no longer reads was written by a newer build.
            match picket_wire::decode_record(&stored.bytes) {
                Ok(record) => self.record(stored, &record)?,
                Err(error) => tracing::error!(offset = stored.offset, %error, "a stored record does not decode"),
            }
            self.next = stored.offset + 1;
            self.last = stored.received;
            if self.live {
                self.drain()?;
            }
        }
        if batch.is_empty() {
            self.replayed();
        }
        if self.live {
            self.watch_time();
            desk.take_answered().into_iter().for_each(|id| self.forget_question(id));
            self.todo.extend(desk.take_closings().into_iter().map(Todo::Close));
            if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                self.look()?;
                self.looked = Some(Instant::now());
            }
            self.drain()?;
            self.commit()?;
            self.tell_head();
        }
        Ok(batch.len())
    }

    /// The rest can be read; what is lost is said.
    fn damaged(&mut self, offset: u64) -> Result<usize, Refused> {
        if offset >= self.done {
            self.replayed();
            let detail = "a stored record is damaged: what it said has no effect";
            self.pending.line(Line::new("coordinator", "event damaged", offset.to_string(), detail));
        }
        self.next = offset + 1;
        if self.live {
            self.commit()?;
        }
        Ok(1)
    }

    fn record(&mut self, stored: &Stored, record: &Record) -> Result<(), Refused> {
        self.close_again(stored.offset);
        if let Some(owner) = self.owner(record)?.filter(|owner| *owner != stored.host) {
            self.foreign(stored.host, owner, record);
            return Ok(());
        }
        let host = speaks_of(stored, record);
        if host == stored.host {
            self.verifier.heard(host, stored.received);
            self.desk.count(host, record, stored.received);
        }
        // On watch a detection counts for more, in this life as in an earlier one.
        let raised = self.watches.raised(host, record, stored.received);
        let effects = self.observe(host, raised.as_ref().unwrap_or(record), stored.received);
        if let (Record::Detection { detection }, true) = (record, self.live) {
            self.watch_for(host, detection, stored.received)?;
        }
        if let Record::Event { event } = record {
            self.watch(host, event, stored.received);
        }
        let outcomes = match record {
            Record::Event { event } => self.verifier.event(stored.host, event),
            Record::Action { report } => self.verifier.report(report, stored.received),
            Record::Detection { .. } => Vec::new(),
        };
        if !self.live {
            return Ok(());
        }
        match record {
            Record::Detection { detection } => {
                let (id, host) = (*detection.id.as_bytes(), stored.host);
                self.todo.push_back(Todo::Index { id, offset: stored.offset, host });
            }
            Record::Action { report } => {
                self.todo.push_back(Todo::Report { report: report.clone(), received: stored.received });
            }
            Record::Event { event } => {
                if let Activity::Coverage { rows } = &event.activity {
                    self.pending.put(rows::put_coverage(stored.host, rows)?);
                }
            }
        }
        self.todo.extend(effects.into_iter().map(|effect| Todo::Effect { effect, at: stored.received }));
        self.todo.extend(outcomes.into_iter().map(Todo::Outcome));
        Ok(())
    }

    pub(super) fn observe(&mut self, host: HostId, record: &Record, at: Timestamp) -> Vec<Effect> {
        let desk = Arc::clone(&self.desk);
        self.estate.observe(host, record, at, &|host| desk.hostname(host))
    }

    /// Who first told of what this record speaks of.
    fn owner(&self, record: &Record) -> Result<Option<HostId>, Refused> {
        let state = &*self.desk.state;
        Ok(match record {
            Record::Event { .. } => None,
            Record::Action { report } => {
                self.pending.action(state, report.action.id)?.map(|row| row.report.action.host)
            }
            Record::Detection { detection } => self
                .pending
                .get(state, Table::Detections, detection.id.as_bytes())?
                .and_then(|row| rows::detection_place(&row)?.1),
        })
    }

    /// Ids are random: who hits another host's has aimed. Nothing follows from it but one line for each such host.
    fn foreign(&mut self, host: HostId, owner: HostId, record: &Record) {
        let count = self.foreign.entry(host).or_default();
        *count += 1;
        tracing::warn!(%host, %owner, count, "a record speaks for what another host told; it has no effect");
        if self.live && *count == 1 {
            let subject = match record {
                Record::Action { report } => report.action.id.to_string(),
                Record::Detection { detection } => detection.id.to_string(),
                Record::Event { .. } => String::new(),
            };
            let detail = format!("the id is of host {owner}; this and further such records have no effect");
            self.pending.line(Line::new(format!("host {host}"), "foreign id", subject, detail));
        }
    }

    /// What an earlier life closed before this place is closed here too, so that the same incidents grow after it.
    fn close_again(&mut self, place: u64) {
        while let Some(entry) = self.closings.first_entry().filter(|entry| *entry.key() <= place) {
            for id in entry.remove() {
                self.estate.close(id, self.last);
            }
        }
    }

    fn replayed(&mut self) {
        if self.live {
            return;
        }
        self.close_again(u64::MAX);
        if self.done > 0 {
            // What had shown itself by then was told by the earlier life.
            drop(self.verifier.tick(self.last));
        }
        self.live = true;
    }

    /// Takes on what waits, in order; what fails waits on.
    fn drain(&mut self) -> Result<(), Refused> {
        while let Some(todo) = self.todo.pop_front() {
            match self.take(&todo) {
                Ok(follows) => follows.into_iter().rev().for_each(|todo| self.todo.push_front(todo)),
                Err(error) => {
                    self.todo.push_front(todo);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Refused> {
        if self.next > self.done {
            let value = Some(self.next.to_be_bytes().to_vec());
            self.pending.put(Change { table: Table::Progress, key: PLACE.to_vec(), expected: None, value });
        }
        for change in spent::put_news(&mut self.ledger, &mut self.groups)? {
            self.pending.put(change);
        }
        self.pending.commit(&self.desk)?;
        self.done = self.done.max(self.next);
        Ok(())
    }

    /// The newest signed head goes to every host as a witness.
    fn tell_head(&mut self) {
        let size = self.desk.audit.len();
        if self.head_told.is_some_and(|(told, at)| told == size || at.elapsed() < HEAD_EVERY) {
            return;
        }
        if let Ok(bytes) = serde_json::to_vec(&self.desk.audit.head(now())) {
            self.desk.sessions.push_head(bytes);
            self.head_told = Some((size, Instant::now()));
        }
    }
}
