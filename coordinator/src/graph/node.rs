//! Owns: what is kept of one entity, and how two accounts of it become one, whichever came first.
//! Never: looking at other nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use picket_model::{EntityRef, HostId, Process, ProcessKey, Relation, Timestamp};

use super::ProcessAt;
use super::limits::{ACCEPTS_PER_PROCESS_MAX, CHILDREN_PER_PROCESS_MAX, LABEL_BYTES_MAX};

/// First and last time of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Span {
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self { first: time, last: time }
    }

    pub fn widen(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

#[derive(Debug)]
pub struct Node {
    /// For people: a command line, a path, `10.0.0.2:22`.
    pub label: String,
    pub seen: Span,
    /// The host that pays for this node out of its share.
    pub(super) owner: HostId,
    pub(super) pins: u32,
    pub(super) out: BTreeMap<(Relation, EntityRef), Span>,
    pub(super) into: BTreeSet<(Relation, EntityRef)>,
    pub process: Option<Box<ProcessFacts>>,
}

/// When and from where a connection was accepted.
pub type AcceptKey = (Timestamp, SocketAddr);

/// The other side of an accepted connection: by how much the clocks differ, who, and when it connected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Peer {
    pub skew_ns: u64,
    pub process: ProcessAt,
    pub connected: Timestamp,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Accept {
    /// `None`: from outside the estate, or not reported yet.
    pub peer: Option<Peer>,
}

/// What a process was at some time. `exec` changes it, so the latest account counts.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Image {
    pub exe: String,
    pub name: String,
    pub command: String,
    /// Arguments that are absolute paths: the script an interpreter runs is as much the cause as the interpreter.
    pub arguments: Vec<String>,
    pub user: String,
    pub uid: u32,
    pub login_uid: Option<u32>,
    pub drill: bool,
}

/// An interpreter's script stands among the first arguments (`sh -c x`, `python3 -u x`).
const PATH_ARGUMENTS_MAX: usize = 4;

impl Image {
    fn of(process: &Process) -> Self {
        let command = process.command_line();
        Self {
            exe: process.exe.clone(),
            name: process.name.clone(),
            command: clip(&command),
            arguments: process
                .argv
                .iter()
                .skip(1)
                .take(PATH_ARGUMENTS_MAX)
                .filter(|argument| argument.starts_with('/'))
                .map(|argument| argument.split(' ').next().unwrap_or_default().to_owned())
                .collect(),
            user: process.user.clone(),
            uid: process.uid,
            login_uid: process.login_uid,
            drill: process.drill,
        }
    }

    const fn known(&self) -> bool {
        !self.exe.is_empty() || !self.name.is_empty()
    }

    fn label(&self, key: ProcessKey) -> String {
        [&self.command, &self.exe, &self.name]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or_else(|| format!("process {key}"), |text| clip(text))
    }
}

fn clip(text: &str) -> String {
    if text.len() <= LABEL_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=LABEL_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[derive(Default, Debug)]
pub struct ProcessFacts {
    pub image: Image,
    pub(super) image_time: Timestamp,
    pub parent: Option<ProcessKey>,
    /// When its parent forked it; `None` while only its place in a lineage is known.
    pub spawned: Option<Timestamp>,
    /// The last `execve`.
    pub launched: Option<Timestamp>,
    pub exited: Option<Timestamp>,
    pub(super) children: BTreeSet<(Timestamp, ProcessKey)>,
    pub(super) accepts: BTreeMap<AcceptKey, Accept>,
}

impl ProcessFacts {
    /// Takes an account of the process at `time`; answers the label if this is another image than was known.
    pub(super) fn describe(&mut self, process: &Process, time: Timestamp) -> Option<String> {
        let image = Image::of(process);
        let offered = (image.known(), time, &image);
        let held = (self.image.known(), self.image_time, &self.image);
        if offered <= held {
            return None;
        }
        self.image_time = time;
        if self.image == image {
            return None;
        }
        self.image = image;
        Some(self.image.label(process.key))
    }

    /// A fork names the parent for certain. A lineage may have been read after the parent died and `init` took over.
    /// True if this is news.
    pub(super) fn set_parent(&mut self, parent: ProcessKey, forked: Option<Timestamp>) -> bool {
        let weight = |parent: ProcessKey, forked: Option<Timestamp>| {
            (forked.is_some(), parent.pid != 1, std::cmp::Reverse(forked), parent)
        };
        let news = self.parent.is_none_or(|held| weight(held, self.spawned) < weight(parent, forked));
        if news {
            self.parent = Some(parent);
            self.spawned = forked;
        }
        news
    }

    /// True if an older one had to make way.
    pub(super) fn add_child(&mut self, time: Timestamp, child: ProcessKey) -> bool {
        self.children.insert((time, child));
        self.children.len() > CHILDREN_PER_PROCESS_MAX && self.children.pop_first().is_some()
    }

    /// True if an older one had to make way.
    pub(super) fn add_accept(&mut self, key: AcceptKey) -> bool {
        self.accepts.entry(key).or_default();
        self.accepts.len() > ACCEPTS_PER_PROCESS_MAX && self.accepts.pop_first().is_some()
    }

    pub(super) fn set_peer(&mut self, key: AcceptKey, peer: Peer) {
        if let Some(accept) = self.accepts.get_mut(&key) {
            accept.peer = Some(accept.peer.map_or(peer, |held| held.min(peer)));
        }
    }
}
