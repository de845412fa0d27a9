//! Owns: DNS messages joined to lookups: one record for a question with its answer, or for one that got none.
//! Never: asking; and nothing about a message that is no DNS, for its flow is told of anyway.

mod message;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use picket_model::Timestamp;
use picket_model::raw::{RawActor, RawKind, RawRecord};

use self::message::{Message, parse};
use super::Head;
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

const DNS_ANSWER: u16 = 1;
/// Resolvers give up on a server, or ask again, after 5 seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that wait: a busy resolver's 5 seconds, at some 300 bytes each. Beyond it the oldest is told without answer.
const WAITING_MAX: usize = 8192;

/// One question of one socket.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Question {
    cookie: u64,
    id: u16,
    kind: u16,
    name: String,
}

struct Asked {
    time: Timestamp,
    actor: Option<RawActor>,
    until: Instant,
}

#[derive(Default)]
pub struct Lookups {
    waiting: HashMap<Question, Asked>,
    /// In the order they were asked; those answered meanwhile are no longer in `waiting`.
    order: VecDeque<(Instant, Question)>,
    beyond: Vec<RawRecord>,
}

impl Lookups {
    /// The lookup that this message completes. `None` where the record itself is garbled.
    pub fn message(&mut self, head: &Head, bytes: &mut Bytes<'_>, clock: WallOffset) -> Option<Option<RawRecord>> {
        let cookie = bytes.u64()?;
        bytes.u16()?;
        let len = bytes.u16()?;
        bytes.u32()?;
        let Some(message) = parse(bytes.take(len.into())?) else { return Some(None) };
        let question = Question { cookie, id: message.id, kind: message.kind, name: message.name.clone() };
        let time = clock.wall(head.time_ns);
        if head.flags & DNS_ANSWER == 0 {
            if !message.answer {
                self.ask(question, Asked { time, actor: head.actor(), until: Instant::now() + PATIENCE });
            }
            return Some(None);
        }
        if !message.answer {
            return Some(None);
        }
        Some(self.answer(&question, message, Asked { time, actor: head.actor(), until: Instant::now() }))
    }

    /// A question that is repeated while it waits is the same lookup.
    fn ask(&mut self, question: Question, asked: Asked) {
        if self.waiting.contains_key(&question) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            let oldest = self.give_up(|_| true);
            self.beyond.extend(oldest);
        }
        if self.order.len() >= 2 * WAITING_MAX {
            // Those answered meanwhile, behind one that still waits.
            self.order.retain(|(_, question)| self.waiting.contains_key(question));
        }
        self.order.push_back((asked.until, question.clone()));
        self.waiting.insert(question, asked);
    }

    /// An answer whose question was not seen went to a name server that this host put in another's place (NAT): the
    /// kernel lets no other pass. The time is that of the question, when the process acted.
    fn answer(&mut self, question: &Question, message: Message, seen: Asked) -> Option<RawRecord> {
        let asked = self.waiting.remove(question).unwrap_or(seen);
        Some(told(asked, message.name, message.addresses))
    }

    /// The lookups that got no answer in time.
    pub fn due(&mut self, now: Instant) -> Vec<RawRecord> {
        let mut due = std::mem::take(&mut self.beyond);
        while let Some(record) = self.give_up(|until| until <= now) {
            due.push(record);
        }
        due
    }

    /// The oldest that still waits, if its time says so. Entries whose lookup was answered are passed over.
    fn give_up(&mut self, ripe: impl Fn(Instant) -> bool) -> Option<RawRecord> {
        while let Some((until, question)) = self.order.front() {
            let waits = self.waiting.get(question).is_some_and(|asked| asked.until == *until);
            if waits && !ripe(*until) {
                return None;
            }
            let (_, question) = self.order.pop_front()?;
            if waits {
                let asked = self.waiting.remove(&question)?;
                return Some(told(asked, question.name, Vec::new()));
            }
        }
        None
    }
}

fn told(asked: Asked, name: String, answers: Vec<std::net::IpAddr>) -> RawRecord {
    RawRecord { time: asked.time, actor: asked.actor, kind: RawKind::Dns { name, answers } }
}
