//! Owns: bundles that were offered: one at a time is checked and compiled beside everything else, the newest next; and
//! what a bundle waits for.
//! Never: judging one, or putting one in force: the engine does, between two events.

use std::sync::mpsc::SyncSender;

use picket_model::Sha256;

use super::Input;
use super::bundles::{self, Checker, Offered};
use super::engine::Engine;
use crate::report::{Uplink, WantedList};
use crate::sys::clock::now;

/// What is to be looked at.
enum Offer {
    New(Vec<u8>),
    /// The kept bundle, whose lists of indicators have come back.
    Kept(Vec<u8>),
}

/// A bundle that wants lists which are not here yet.
struct Waiting {
    offer: Offer,
    lists: Vec<WantedList>,
}

pub struct Offers {
    checker: Checker,
    inputs: SyncSender<Input>,
    /// The one that is looked at now is the kept one.
    kept: bool,
    busy: bool,
    next: Option<Offer>,
    waiting: Option<Waiting>,
}

impl Offers {
    pub const fn new(checker: Checker, inputs: SyncSender<Input>) -> Self {
        Self { checker, inputs, kept: false, busy: false, next: None, waiting: None }
    }

    /// The kept bundle's YARA rules are compiled while the host is watched.
    pub fn recall(&self, engine: &mut Engine) {
        let Some((version, sources)) = engine.expect_yara() else { return };
        let inputs = self.inputs.clone();
        let work = move || {
            let compiled = bundles::yara(&sources);
            drop(sources);
            // Where the agent ends nobody is there any more.
            let _ = inputs.send(Input::Yara(version, compiled));
        };
        if let Err(error) = std::thread::Builder::new().name("yara".into()).spawn(work) {
            engine.yara(version, Err(format!("there is no thread to compile them: {error}")));
        }
    }

    /// A bundle came; whatever waited for lists is of no interest any more.
    pub fn offer(&mut self, engine: &mut Engine, bytes: Vec<u8>) {
        self.waiting = None;
        engine.bundle_stands("bundle offered", "it is checked and compiled; the one in force goes on meanwhile");
        self.begin(engine, Offer::New(bytes));
    }

    fn begin(&mut self, engine: &mut Engine, offer: Offer) {
        if self.busy {
            self.next = Some(offer);
            return;
        }
        self.kept = matches!(offer, Offer::Kept(_));
        let (checker, inputs, current) = (self.checker.clone(), self.inputs.clone(), engine.keeper().version());
        let work = move || {
            let (offered, bytes) = match offer {
                Offer::New(bytes) => (checker.offered(&bytes, current, now()), bytes),
                Offer::Kept(bytes) => (checker.kept(&bytes), bytes),
            };
            // Where the agent ends nobody is there any more.
            let _ = inputs.send(Input::Offered(Box::new(offered), bytes));
        };
        match std::thread::Builder::new().name("bundle".into()).spawn(work) {
            Ok(_) => self.busy = true,
            Err(error) => engine.bundle_stands("bundle refused", &format!("there is no thread to check it: {error}")),
        }
    }

    /// One was looked at.
    pub fn checked(&mut self, engine: &mut Engine, offered: Offered, bytes: Vec<u8>, uplink: &Uplink) {
        self.busy = false;
        if let Some(next) = self.next.take() {
            // A newer one came meanwhile: what was looked at is not in force for a moment only.
            self.begin(engine, next);
            return;
        }
        let (version, accepted, detail) = match offered {
            Offered::Ready(prepared) => engine.prepared(*prepared),
            Offered::InForce(version) => (version.0, true, String::new()),
            Offered::Refused(refused) => engine.refused(refused),
            Offered::Wants { name, version, lists } => {
                let bytes_wanted: u64 = lists.iter().map(|list| list.bytes).sum();
                let what = format!("{} lists of indicators, {bytes_wanted} bytes", lists.len());
                engine.bundle_stands(
                    "bundle waits",
                    &format!("{name} version {version} is in force once {what} are here"),
                );
                lists.iter().cloned().for_each(|list| uplink.fetch(list));
                let offer = if self.kept { Offer::Kept(bytes) } else { Offer::New(bytes) };
                self.waiting = Some(Waiting { offer, lists });
                return;
            }
        };
        uplink.answer_bundle(version, accepted, detail);
        uplink.beat();
    }

    /// A list came, or did not. With the last one the bundle that waits is looked at again.
    pub fn fetched(&mut self, engine: &mut Engine, sha256: Sha256, outcome: Result<(), String>) {
        let Some(waiting) = &mut self.waiting else { return };
        match outcome {
            Ok(()) => waiting.lists.retain(|list| list.sha256 != sha256),
            Err(why) => engine.bundle_stands("bundle waits", &format!("the list of indicators {sha256}: {why}")),
        }
        if waiting.lists.is_empty()
            && let Some(Waiting { offer, .. }) = self.waiting.take()
        {
            self.begin(engine, offer);
        }
    }

    /// What a broken session did not bring, and what the kept bundle has lost, is wanted of this one. A bundle that waits is
    /// sent again by the coordinator, as its version is not in force.
    pub fn connected(&mut self, engine: &mut Engine, uplink: &Uplink) {
        if self.waiting.is_none()
            && !self.busy
            && let Some((bytes, lists)) = engine.keeper().wanting()
        {
            self.waiting = Some(Waiting { offer: Offer::Kept(bytes), lists });
        }
        if let Some(waiting) = &self.waiting {
            waiting.lists.iter().cloned().for_each(|list| uplink.fetch(list));
        }
    }
}
