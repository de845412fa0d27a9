//! Owns: the thread that hears audit, as its daemon or beside whoever is that, and yields to who wants to be.
//! Never: waiting for anybody, or letting anybody wait for it.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::Given;
use super::assembly::{Assembly, Whole};
use super::calls::Calls;
use super::control::{Control, DATAGRAM_BYTES, Held, SOCKET_BYTES, Status};
use super::execs::{self, Execs};
use super::record;
use super::rules::{self, Rule};
use super::signin::SignIns;
use crate::sensor::feed::{Feed, ready};
use crate::sys::netlink::{Netlink, sole_message};

/// `AUDIT_NLGRP_READLOG`, as a bit.
const READ_LOG: u32 = 1;
/// `AUDIT_REPLACE`: somebody wants to be the daemon. The kernel has told them no; they will ask again.
const REPLACE: u16 = 1329;
/// Messages of user space lie in 1100 to 1199.
const USER: std::ops::Range<u16> = 1100..1200;
const SYSCALL: u16 = 1300;
/// Loss is told within a second, and so is that audit was taken from us.
const LOOK_EVERY: Duration = Duration::from_secs(1);

enum Ears {
    Daemon(Held),
    /// A copy of what the daemon gets, and the socket to ask how much was lost, where we may ask.
    Copy(Netlink, Option<Control>),
    /// Not even a copy; it is asked for again.
    None,
}

pub struct Audit {
    ears: Ears,
    live: Arc<AtomicBool>,
    given: Given,
    execs: Arc<Execs>,
    status: Option<Status>,
    assembly: Assembly,
    signs: SignIns,
    calls: Calls,
}

impl Audit {
    /// As the daemon where there is none, else beside it. The second value says why it is not the daemon.
    ///
    /// # Errors
    /// Where audit gives nothing at all.
    pub fn open(wanted: impl FnOnce(bool) -> Vec<Rule>, execs: Arc<Execs>) -> io::Result<(Self, Option<String>)> {
        let (ears, why) = match Held::take(wanted) {
            Ok(held) => {
                let why = held.silenced.then(|| "a rule of somebody else's keeps them out of it".to_owned());
                (Ears::Daemon(held), why)
            }
            Err(error) => (beside()?, Some(error.to_string())),
        };
        let mut audit = Self {
            ears,
            live: Arc::default(),
            given: Given::default(),
            execs,
            status: None,
            assembly: Assembly::default(),
            signs: SignIns::default(),
            calls: Calls::default(),
        };
        audit.status = audit.ask();
        audit.tell_live();
        Ok((audit, why))
    }

    /// Whether messages of user space come, from now on and at any later moment.
    pub fn live(&self) -> Arc<AtomicBool> {
        self.live.clone()
    }

    /// Why rules of ours no longer count, once they do not.
    pub fn given(&self) -> Given {
        self.given.clone()
    }

    /// Rules that the kernel refused; `None` where none of ours can be set, because somebody else has audit.
    pub fn refused(&self) -> Option<&[String]> {
        match &self.ears {
            Ears::Daemon(held) if !held.silenced => Some(&held.refused),
            Ears::Daemon(_) | Ears::Copy(..) | Ears::None => None,
        }
    }

    pub fn run(mut self, feed: &Feed) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let mut due = Instant::now() + LOOK_EVERY;
        while !feed.stopped() {
            if Instant::now() >= due {
                due = Instant::now() + LOOK_EVERY;
                self.look(feed);
            }
            let socket = match &self.ears {
                Ears::Daemon(held) => &held.records,
                Ears::Copy(socket, _) => socket,
                Ears::None => {
                    feed.sleep(LOOK_EVERY);
                    continue;
                }
            };
            match ready([(socket.as_fd(), PollFlags::POLLIN)]) {
                Ok([true]) => {}
                Ok([false]) => continue,
                Err(errno) => return self.quiet(feed, &errno.into()),
            }
            match socket.receive(&mut buffer) {
                Ok(datagram) => self.hear(datagram, feed),
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => feed.lost("audit.overrun", 1),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return self.quiet(feed, &error),
            }
        }
    }

    fn quiet(&self, feed: &Feed, error: &io::Error) {
        self.live.store(false, Ordering::Relaxed);
        self.given.up(&error.to_string());
        feed.notice("probe quiet", format!("audit: {error}"));
    }

    fn hear(&mut self, datagram: &[u8], feed: &Feed) {
        let Some((kind, body)) = sole_message(datagram) else { return };
        if kind == REPLACE {
            return self.step_aside(feed, "another audit daemon asks for it");
        }
        if !USER.contains(&kind) && !matches!(self.ears, Ears::Daemon(_)) {
            // System calls that another daemon's rules catch are that daemon's.
            return;
        }
        let Some((stamp, fields)) = record::open(body) else {
            if USER.contains(&kind) || kind >= SYSCALL {
                feed.lost("audit.garbled", 1);
            }
            return;
        };
        if USER.contains(&kind) {
            if let Some(record) = self.signs.hear(kind, stamp, fields) {
                feed.tell(record);
            }
        } else if let Some(whole) = self.assembly.hear(kind, stamp, fields) {
            self.caught(&whole, feed);
        }
    }

    fn caught(&mut self, whole: &Whole, feed: &Feed) {
        let Some(call) = whole.first(SYSCALL) else { return };
        let number = || Some((call.text("key")?, call.hex("arch")?, call.number("syscall")?));
        match number().and_then(|(key, arch, number)| rules::name(&key, arch, number)) {
            Some("exec") => {
                if let Some(told) = execs::told(whole) {
                    self.execs.tell(told);
                }
            }
            Some(name) => {
                if let Some(record) = self.calls.hear(name, whole) {
                    feed.tell(record);
                }
            }
            None => {}
        }
    }

    fn ask(&self) -> Option<Status> {
        match &self.ears {
            Ears::Daemon(held) => held.status().ok(),
            Ears::Copy(_, control) => control.as_ref()?.status().ok(),
            Ears::None => None,
        }
    }

    /// What the kernel lost since the last look, and whether audit is still as we left it.
    fn look(&mut self, feed: &Feed) {
        feed.lost("audit.event", std::mem::take(&mut self.assembly.lost));
        feed.lost("audit.exec", self.execs.take_lost());
        if let (Ears::None, Ok(ears)) = (&self.ears, beside()) {
            feed.notice("probe back", "audit's copy".to_owned());
            self.ears = ears;
        }
        let Some(status) = self.ask() else { return };
        if let Some(before) = self.status.replace(status) {
            // The count is 32 bits wide and may be set back by an administrator.
            feed.lost("audit.lost", status.lost.saturating_sub(before.lost).into());
        }
        if matches!(self.ears, Ears::Daemon(_)) && status.pid != std::process::id() {
            self.step_aside(feed, &format!("pid {} has taken it", status.pid));
        }
        self.tell_live();
    }

    fn step_aside(&mut self, feed: &Feed, why: &str) {
        self.given.up(why);
        // What was ours is given back as the old value is dropped.
        self.ears = beside().unwrap_or_else(|error| {
            feed.notice("probe quiet", format!("audit's copy: {error}"));
            Ears::None
        });
        feed.notice("audit given up", format!("{why}; the agent hears its copy from now on, without rules of its own"));
        self.status = None;
        self.tell_live();
    }

    /// Programs send nothing while audit is off.
    fn tell_live(&self) {
        let on = match (&self.ears, self.status) {
            (Ears::Daemon(_), _) => true,
            (Ears::Copy(..), Some(status)) => status.enabled != 0,
            // Not known: what comes is told, and nobody waits for it.
            (Ears::Copy(..), None) | (Ears::None, _) => false,
        };
        self.live.store(on, Ordering::Relaxed);
    }
}

fn beside() -> io::Result<Ears> {
    Ok(Ears::Copy(Netlink::audit(READ_LOG, SOCKET_BYTES)?, Control::open().ok()))
}
