//! Owns: the program that drops questions for denied names (`bpf/domains.bpf.c`): its map, its link, and the pin by which
//! it outlives the agent.
//! Never: which names those are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{MapData, MapError};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError};
use aya::{Ebpf, EbpfError};
use picket_model::Domain;

use crate::causes::chain;
use crate::pins;
use crate::sys::cgroup;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/domains.bpf.o"));
const NAME_BYTES: usize = 256;
/// A link lets the programs of others run beside ours by itself; the kernel refuses the flag that says so.
const BESIDE_OTHERS: CgroupAttachMode = CgroupAttachMode::Single;

#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("the kernel does not take the program that would drop the questions: {0}")]
    Refused(String),
    #[error("the agent's own program lacks {0}; install the agent anew")]
    Missing(&'static str),
    #[error("there is no control group of version 2 to put the program at: {0}")]
    Group(io::Error),
    #[error("the kernel's map of names does not take one: {0}")]
    Map(String),
}

impl From<EbpfError> for GuardError {
    fn from(error: EbpfError) -> Self {
        Self::Refused(reason(&error))
    }
}

impl From<ProgramError> for GuardError {
    fn from(error: ProgramError) -> Self {
        Self::Refused(reason(&error))
    }
}

impl From<MapError> for GuardError {
    fn from(error: MapError) -> Self {
        Self::Map(reason(&error))
    }
}

/// Of the verifier's log, which is long, only its end says why.
fn reason(error: &dyn std::error::Error) -> String {
    let text = chain(error);
    let mut lines = text.lines().filter(|line| !line.starts_with("processed ") && !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    lines.next_back().map_or_else(|| first.to_owned(), |last| format!("{first}: {}", last.trim()))
}

/// The kernel took it; it does nothing yet.
pub struct Loaded {
    ebpf: Ebpf,
}

impl Loaded {
    /// Whether it can be done here only this shows, never the kernel's version.
    pub fn load() -> Result<Self, GuardError> {
        let mut ebpf = Ebpf::load(OBJECT)?;
        program(&mut ebpf)?.load()?;
        Ok(Self { ebpf })
    }

    /// In force for these names from now on, and beyond the agent's life where it can be pinned.
    pub fn attach(
        mut self,
        group: Option<&Path>,
        pin: &Path,
        names: &BTreeMap<Domain, u64>,
    ) -> Result<NameGuard, GuardError> {
        let map = self.ebpf.take_map("DENIED_NAMES").ok_or(GuardError::Missing("DENIED_NAMES"))?;
        let mut map = Names::try_from(map)?;
        write(&mut map, &BTreeMap::new(), names)?;
        let group = group.map_or_else(cgroup::root, File::open).map_err(GuardError::Group)?;
        let earlier = PinnedLink::from_pin(pin).ok();
        let (link, unpinned) = match pinned(self.link(&group)?, pin) {
            Ok(link) => (link, None),
            // What could not be pinned has gone with the attempt.
            Err(why) => (self.link(&group)?, Some(why)),
        };
        Ok(NameGuard { map, names: names.clone(), _link: link, unpinned, earlier })
    }

    fn link(&mut self, group: &File) -> Result<FdLink, GuardError> {
        let program = program(&mut self.ebpf)?;
        let link = program.attach(group, CgroupSkbAttachType::Egress, BESIDE_OTHERS)?;
        FdLink::try_from(program.take_link(link)?).map_err(|_| GuardError::Missing("a link that lasts"))
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut CgroupSkb, GuardError> {
    Ok(ebpf.program_mut("on_question").ok_or(GuardError::Missing("on_question"))?.try_into()?)
}

/// In one step in the place of an earlier one, which ends there.
fn pinned(link: FdLink, pin: &Path) -> Result<FdLink, String> {
    let fault = |what: &str, why: &dyn std::error::Error| format!("{what} {}: {}", pin.display(), reason(why));
    fs::create_dir_all(pins::DIRECTORY).map_err(|error| fault("no directory for", &error))?;
    let aside = aside(pin);
    let _ = fs::remove_file(&aside);
    let link = link.pin(&aside).map_err(|error| fault("cannot pin", &error))?;
    fs::rename(&aside, pin).map_err(|error| {
        let _ = fs::remove_file(&aside);
        fault("cannot rename to", &error)
    })?;
    Ok(link.into())
}

/// Where a link is pinned before it takes the other's place.
fn aside(pin: &Path) -> PathBuf {
    let mut aside = pin.as_os_str().to_owned();
    aside.push("_new");
    aside.into()
}

/// Takes away what an agent left pinned.
pub fn unpin(pin: &Path) {
    pins::remove(&aside(pin));
    pins::remove(pin);
}

type Names = LpmTrie<MapData, [u8; NAME_BYTES], u64>;

/// Dropped, the questions pass again unless it is pinned.
pub struct NameGuard {
    map: Names,
    names: BTreeMap<Domain, u64>,
    _link: FdLink,
    /// Why it ends with the agent, if it does.
    pub unpinned: Option<String>,
    /// That of the agent's life before: it serves what is not put in force again yet.
    earlier: Option<PinnedLink>,
}

impl NameGuard {
    /// From now on these alone, each until then on the clock that counts since boot.
    pub fn set(&mut self, names: &BTreeMap<Domain, u64>) -> Result<(), GuardError> {
        write(&mut self.map, &self.names, names)?;
        self.names.clone_from(names);
        Ok(())
    }

    /// Whether the kernel's map says now that it is to be dropped.
    pub fn denies(&self, domain: &Domain, now: u64) -> bool {
        self.map.get(&key(domain), 0).is_ok_and(|until| now < until)
    }

    /// All that was in force before is so again.
    pub fn settle(&mut self) {
        self.earlier = None;
    }
}

/// What is denied anew comes before what is no longer denied goes.
fn write(map: &mut Names, old: &BTreeMap<Domain, u64>, new: &BTreeMap<Domain, u64>) -> Result<(), GuardError> {
    for (domain, until) in new {
        map.insert(&key(domain), until, 0)?;
    }
    for domain in old.keys().filter(|domain| !new.contains_key(*domain)) {
        match map.remove(&key(domain)) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// `struct name_key`: from its end to its beginning, with a dot before its first label.
fn key(domain: &Domain) -> Key<[u8; NAME_BYTES]> {
    let (mut name, mut bits) = ([0; NAME_BYTES], 0);
    for (slot, byte) in name.iter_mut().zip(domain.as_str().bytes().rev().chain([b'.'])) {
        (*slot, bits) = (byte, bits + 8);
    }
    Key::new(bits, name)
}
