//! Owns: the images of processes: which is current for a pid, who stands above whom, and how many are kept.
//! Never: reading anything; records and /proc come in as finished images.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::Arc;

use picket_model::process::ANCESTORS_MAX;
use picket_model::{Context, Process, ProcessKey, Sha256, Timestamp};

/// File and network records of a process come by another ring than its exit, at most a few looks of 100 ms later.
/// Longer would fill the table during a build, which ends thousands of processes a second.
pub const EXITED_KEPT_MS: u64 = 2_000;
/// Above this a chain of parents is cut back to [`ANCESTORS_MAX`]: cutting copies that many images, so it is done only
/// every so many generations.
pub const CHAIN_MAX: usize = 2 * ANCESTORS_MAX;
/// The nodes, maps and counts around one image.
const NODE_BYTES: usize = 256;

/// How much the table holds, dead ancestors of the living included.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub images: usize,
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A crowded server has 3,000 processes of about 1 KiB; with both limits the table stays within a quarter of
        // the agent's 60 MB. The longest chain of the largest images (some 16 KiB each) still fits.
        Self { images: 16_384, bytes: 16 << 20 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ImageId(u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Live,
    Exited {
        at: Timestamp,
        order: u64,
    },
    /// Not current for any key: replaced by an exec, expired or copied. Kept only for its children.
    Past,
}

struct Image {
    process: Arc<Process>,
    parent: Option<ImageId>,
    /// Images whose parent is this one.
    children: usize,
    /// How many stand above this one.
    depth: usize,
    bytes: usize,
    state: State,
    /// Only the key is known: the real image may still come.
    guess: bool,
}

/// Every image held here is held for a reason that ends: it is current for a live process, its process has just
/// exited, or another image stands below it. So memory is what `bytes` says, chains of dead parents included.
pub struct Table {
    limits: Limits,
    images: HashMap<ImageId, Image>,
    /// The current image of each key.
    by_key: HashMap<ProcessKey, ImageId>,
    /// The latest process that had a pid.
    by_pid: HashMap<u32, ImageId>,
    /// Current images without children, in the order in which they give way: exited ones first, then the oldest.
    leaves: BTreeMap<(bool, u64), ImageId>,
    bytes: usize,
    next: u64,
    exits: u64,
    evicted: u64,
    cut: u64,
}

impl Table {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            images: HashMap::new(),
            by_key: HashMap::new(),
            by_pid: HashMap::new(),
            leaves: BTreeMap::new(),
            bytes: 0,
            next: 0,
            exits: 0,
            evicted: 0,
            cut: 0,
        }
    }

    pub fn find(&self, key: &ProcessKey) -> Option<ImageId> {
        self.by_key.get(key).copied()
    }

    pub fn get(&self, key: &ProcessKey) -> Option<&Arc<Process>> {
        self.find(key).and_then(|id| self.process(id))
    }

    pub fn process(&self, id: ImageId) -> Option<&Arc<Process>> {
        self.images.get(&id).map(|image| &image.process)
    }

    /// What the image's file holds became known. Children that were made before keep their picture of the parent.
    pub fn digest(&mut self, id: ImageId, sha256: Sha256) -> Option<&Arc<Process>> {
        let image = self.images.get_mut(&id)?;
        if image.process.exe_sha256 != Some(sha256) {
            Arc::make_mut(&mut image.process).exe_sha256 = Some(sha256);
        }
        Some(&image.process)
    }

    pub fn parent(&self, id: ImageId) -> Option<ImageId> {
        self.images.get(&id).and_then(|image| image.parent)
    }

    pub fn is_guess(&self, id: ImageId) -> bool {
        self.images.get(&id).is_some_and(|image| image.guess)
    }

    /// The latest process with this pid and whether it still lives.
    pub fn by_pid(&self, pid: u32) -> Option<(ProcessKey, bool)> {
        let image = self.images.get(self.by_pid.get(&pid)?)?;
        Some((image.process.key, image.state == State::Live))
    }

    /// The new current image of `process.key`, below `parent`. Of two processes with one pid the older is over.
    pub fn insert(&mut self, mut process: Process, parent: Option<ImageId>, guess: bool, now: Timestamp) -> ImageId {
        let parent = parent.filter(|id| self.images.contains_key(id)).map(|id| self.shortened(id));
        process.parent = parent.and_then(|id| self.process(id).cloned());
        let key = process.key;
        let other = self.by_pid(key.pid).filter(|(other, _)| *other != key);
        let late = other.is_some_and(|(other, _)| other.start_ticks > key.start_ticks);
        if let Some((other, true)) = other.filter(|_| !late) {
            self.exit(&other, now);
        }
        let id = self.add(Arc::new(process), parent, State::Live, guess);
        if let Some(replaced) = self.by_key.insert(key, id) {
            self.pass(replaced);
        }
        if !late {
            self.by_pid.insert(key.pid, id);
        }
        self.settle(id);
        // A process that /proc does not show has ended: what still comes of it is late.
        if late || guess {
            self.exit(&key, now);
        }
        self.make_room(id);
        id
    }

    pub fn exit(&mut self, key: &ProcessKey, at: Timestamp) {
        let Some(id) = self.find(key) else { return };
        self.exits += 1;
        let order = self.exits;
        if let Some(image) = self.images.get_mut(&id)
            && image.state == State::Live
        {
            image.state = State::Exited { at, order };
            self.leaves.remove(&(true, id.0));
            self.settle(id);
        }
    }

    /// Lets go of processes that exited long enough ago and have nobody below them.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some((&(false, _), &id)) = self.leaves.first_key_value() {
            match self.images.get(&id).map(|image| image.state) {
                Some(State::Exited { at, .. }) if now.millis_since(at) <= EXITED_KEPT_MS => return,
                _ => self.forget(id),
            }
        }
    }

    /// Live processes with `key` among their ancestors, the oldest first.
    pub fn descendants(&self, key: &ProcessKey) -> Vec<ProcessKey> {
        self.below(|other| other == key)
    }

    /// Live processes with one of those that `meant` names among their ancestors, without these, the oldest first.
    pub fn below(&self, meant: impl Fn(&ProcessKey) -> bool) -> Vec<ProcessKey> {
        let mut below: HashMap<ImageId, bool> = HashMap::with_capacity(self.images.len());
        let mut found = Vec::new();
        for (id, image) in self.images.iter().filter(|(_, image)| image.state == State::Live) {
            if !meant(&image.process.key) && self.is_below(*id, &meant, &mut below) {
                found.push(image.process.key);
            }
        }
        found.sort_unstable_by_key(|key| (key.start_ticks, key.pid));
        found
    }

    /// Each image is walked once for all questions that share `known`.
    fn is_below(&self, id: ImageId, meant: impl Fn(&ProcessKey) -> bool, known: &mut HashMap<ImageId, bool>) -> bool {
        let mut walked = Vec::new();
        let mut at = Some(id);
        let answer = loop {
            let Some(image) = at.and_then(|id| self.images.get(&id).map(|image| (id, image))) else { break false };
            if let Some(answer) = known.get(&image.0) {
                break *answer;
            }
            if meant(&image.1.process.key) {
                break true;
            }
            walked.push(image.0);
            at = image.1.parent;
        };
        known.extend(walked.into_iter().map(|id| (id, answer)));
        answer
    }

    /// Processes that had to leave before their time, and chains that were cut, since the last call.
    pub fn take_losses(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.evicted), std::mem::take(&mut self.cut))
    }

    /// Every image with its parent and whether it is a live process's, parents before children.
    pub fn images(&self) -> Vec<(ImageId, &Process, Option<ImageId>, bool)> {
        let mut all: Vec<_> = self
            .images
            .iter()
            .map(|(id, image)| (*id, &*image.process, image.parent, image.state == State::Live))
            .collect();
        all.sort_unstable_by_key(|(id, ..)| *id);
        all
    }

    /// An image of an earlier life of the agent. One that did not live stays only if a child follows: see `settle_all`.
    pub fn recall(&mut self, process: Process, parent: Option<ImageId>, live: bool, now: Timestamp) -> ImageId {
        if live {
            return self.insert(process, parent, false, now);
        }
        let above = parent.and_then(|id| self.process(id).cloned());
        self.add(Arc::new(Process { parent: above, ..process }), parent, State::Past, false)
    }

    pub fn settle_all(&mut self, ids: &[ImageId]) {
        ids.iter().rev().for_each(|id| self.settle(*id));
    }

    fn add(&mut self, process: Arc<Process>, parent: Option<ImageId>, state: State, guess: bool) -> ImageId {
        let id = ImageId(self.next);
        self.next += 1;
        let mut depth = 0;
        if let Some(above) = parent.and_then(|id| self.images.get_mut(&id)) {
            depth = above.depth + 1;
            above.children += 1;
            if let Some(leaf) = leaf_key(parent, above.state) {
                self.leaves.remove(&leaf);
            }
        }
        let bytes = weight(&process);
        self.bytes += bytes;
        self.images.insert(id, Image { process, parent, children: 0, depth, bytes, state, guess });
        id
    }

    /// `id` itself, or a copy of it with the nearest ancestors alone where more than [`CHAIN_MAX`] would stand above
    /// its child. The copy takes the place of the original, so that one cut serves all later children.
    fn shortened(&mut self, id: ImageId) -> ImageId {
        if self.images.get(&id).is_none_or(|image| image.depth < CHAIN_MAX) {
            return id;
        }
        let line: Vec<ImageId> = std::iter::successors(Some(id), |id| self.parent(*id)).take(ANCESTORS_MAX).collect();
        let mut above = None;
        for original in line.iter().rev() {
            let Some(image) = self.images.get(original) else { continue };
            let (guess, parent) = (image.guess, above.and_then(|id| self.process(id).cloned()));
            let copy = Process { parent, ..Process::clone(&image.process) };
            above = Some(self.add(Arc::new(copy), above, State::Past, guess));
        }
        self.cut += 1;
        let Some(copy) = above else { return id };
        self.take_over(id, copy);
        copy
    }

    fn take_over(&mut self, original: ImageId, copy: ImageId) {
        let Some(image) = self.images.get(&original) else { return };
        let (key, state) = (image.process.key, image.state);
        if self.by_key.get(&key) != Some(&original) {
            return;
        }
        if let Some(image) = self.images.get_mut(&copy) {
            image.state = state;
        }
        self.by_key.insert(key, copy);
        if self.by_pid.get(&key.pid) == Some(&original) {
            self.by_pid.insert(key.pid, copy);
        }
        self.pass(original);
    }

    /// No key means this image any more.
    fn pass(&mut self, id: ImageId) {
        if let Some(image) = self.images.get_mut(&id) {
            if let Some(leaf) = leaf_key(Some(id), image.state) {
                self.leaves.remove(&leaf);
            }
            image.state = State::Past;
            self.settle(id);
        }
    }

    fn forget(&mut self, id: ImageId) {
        if let Some(key) = self.process(id).map(|process| process.key) {
            if self.by_key.get(&key) == Some(&id) {
                self.by_key.remove(&key);
            }
            if self.by_pid.get(&key.pid) == Some(&id) {
                self.by_pid.remove(&key.pid);
            }
        }
        self.pass(id);
    }

    /// Notes a childless image among the leaves, or removes it and, one by one, whoever it alone kept.
    fn settle(&mut self, id: ImageId) {
        let mut at = Some(id);
        while let Some(id) = at {
            let Some(image) = self.images.get(&id).filter(|image| image.children == 0) else { return };
            if let Some(leaf) = leaf_key(Some(id), image.state) {
                self.leaves.insert(leaf, id);
                return;
            }
            let parent = image.parent;
            self.bytes -= image.bytes;
            self.images.remove(&id);
            if let Some(above) = parent.and_then(|id| self.images.get_mut(&id)) {
                above.children -= 1;
            }
            at = parent;
        }
    }

    /// Exited processes go first, then the oldest living ones with nobody below them; `newest` and its ancestors stay.
    fn make_room(&mut self, newest: ImageId) {
        while self.images.len() > self.limits.images || self.bytes > self.limits.bytes {
            match self.leaves.values().find(|id| **id != newest).copied() {
                Some(leaf) => self.forget(leaf),
                None => return,
            }
            self.evicted += 1;
        }
    }
}

/// Where a childless image stands among the leaves.
fn leaf_key(id: Option<ImageId>, state: State) -> Option<(bool, u64)> {
    match state {
        State::Live => id.map(|id| (true, id.0)),
        State::Exited { order, .. } => Some((false, order)),
        State::Past => None,
    }
}

fn surroundings(context: &Context) -> usize {
    let texts = [&context.script, &context.image, &context.container_name, &context.pod];
    let all = texts.into_iter().chain(&context.preload);
    size_of::<Context>() + all.map(String::capacity).sum::<usize>()
}

fn weight(process: &Process) -> usize {
    let texts = [&process.exe, &process.name, &process.cwd, &process.user, &process.cgroup];
    let arguments: usize = process.argv.iter().map(|argument| argument.capacity() + size_of::<String>()).sum();
    NODE_BYTES
        + size_of::<Process>()
        + texts.into_iter().map(String::capacity).sum::<usize>()
        + process.container.as_ref().map_or(0, String::capacity)
        + process.context.as_deref().map_or(0, surroundings)
        + arguments
}

#[cfg(test)]
pub mod tests;
