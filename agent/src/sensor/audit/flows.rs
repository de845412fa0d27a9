//! Owns: connects of which audit knows the moment and sock_diag the whole: told once, whole where both saw them.
//! Never: holding a connect back for longer than sock_diag takes to look.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use picket_model::NetActivity;
use picket_model::raw::{RawKind, RawRecord};

/// sock_diag is asked four times a second, and each time for all sockets.
const PATIENCE: Duration = Duration::from_millis(600);
/// A second of a busy proxy's connects; beyond it they are told without waiting, some of them twice.
const WAITING_MAX: usize = 4096;

#[derive(Default)]
pub struct Flows {
    waiting: VecDeque<(Instant, RawRecord)>,
}

impl Flows {
    /// Adds to `out` what audit heard and what has waited in vain for sock_diag's word.
    pub fn join(&mut self, out: &mut Vec<RawRecord>, heard: Vec<RawRecord>, now: Instant) {
        for record in heard {
            if flow(&record).is_some() {
                self.waiting.push_back((now, record));
            } else {
                out.push(record);
            }
        }
        let whole: Vec<_> = out.iter().filter_map(flow).collect();
        for seen in whole {
            // sock_diag may not know who it was: then it is who audit says.
            let same = |(_, record): &(Instant, RawRecord)| {
                flow(record).is_some_and(|told| told.1 == seen.1 && (seen.0.is_none() || told.0 == seen.0))
            };
            if let Some(at) = self.waiting.iter().position(same)
                && let Some((_, told)) = self.waiting.remove(at)
                && seen.0.is_none()
                && let Some(record) = out.iter_mut().find(|record| flow(record) == Some(seen))
            {
                record.actor = told.actor;
            }
        }
        while self.waiting.front().is_some_and(|(came, _)| now >= *came + PATIENCE) || self.waiting.len() > WAITING_MAX
        {
            out.extend(self.waiting.pop_front().map(|(_, record)| record));
        }
    }
}

/// Who connected, and whereto.
fn flow(record: &RawRecord) -> Option<(Option<u32>, (IpAddr, u16))> {
    match &record.kind {
        RawKind::Network { activity: NetActivity::Connect, remote_ip, remote_port, .. } => {
            Some((record.actor.as_ref().map(|actor| actor.pid), (*remote_ip, *remote_port)))
        }
        _ => None,
    }
}
