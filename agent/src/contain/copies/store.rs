//! Owns: adding what was seen of a file to what is known of it, within the room there is.
//! Never: looking at the file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use picket_model::Timestamp;
use picket_model::process::Sha256;

use super::lists::{List, Lists};
use super::room::{Full, Room};
use super::sight::Sight;
use super::thin::thin;
use super::version::Version;

pub struct Store {
    lists: Lists,
    room: Room,
}

impl Store {
    /// What a crash of the host has cut off is not whole any more, and a content that no list names is removed.
    pub fn open(lists: Lists, root: PathBuf) -> io::Result<Self> {
        let mut room = Room::new(root);
        let sizes: HashMap<Sha256, u64> = lists.contents()?.into_iter().collect();
        for List { path, mut versions } in lists.all() {
            let cut_off = |version: &&mut Version| {
                version.whole && version.kept.as_ref().is_none_or(|kept| sizes.get(&kept.sha256) != Some(&kept.size))
            };
            let cut: Vec<&mut Version> = versions.iter_mut().filter(cut_off).collect();
            if !cut.is_empty() {
                cut.into_iter().for_each(|version| version.whole = false);
                lists.write(&path, &versions)?;
            }
            room.turn(&path, &[], &versions);
        }
        for sha256 in sizes.into_keys().filter(|sha256| !room.uses(*sha256)) {
            lists.discard(sha256)?;
        }
        Ok(Self { lists, room })
    }

    /// Makes a place for one more file. False: there is none.
    pub fn has_place_for(&mut self, path: &Path) -> io::Result<bool> {
        loop {
            match self.room.place_for(path) {
                Ok(None) => return Ok(true),
                Ok(Some(oldest)) => self.forget(&oldest)?,
                Err(Full) => return Ok(false),
            }
        }
    }

    /// Adds what a file was at a time, if that is anything new. False: there was no room for its content.
    pub fn add(&mut self, path: &Path, sight: Sight, now: Timestamp) -> io::Result<bool> {
        let before = self.lists.read(path)?;
        let mut versions = before.clone();
        let (mut version, content) = Version::of(sight, now);
        match versions.last_mut() {
            // Of what was never there nothing is to be said.
            None if version.kept.is_none() => return Ok(true),
            Some(last) if last.kept.is_none() && version.kept.is_none() => return Ok(true),
            Some(last) if last.is_same(&version) && (last.whole || version.is_large()) => {
                (last.changed, last.kept) = (version.changed, version.kept);
                return self.lists.write(path, &versions).map(|()| true);
            }
            Some(last) => last.until = Some(now),
            None => {}
        }
        if let Some(content) = &content {
            version.whole = self.keep(path, &version, content)?;
        }
        let all = version.whole || version.kept.is_none() || version.is_large();
        versions.push(version);
        let versions = thin(versions);
        self.lists.write(path, &versions)?;
        self.turn(path, &before, &versions)?;
        Ok(all)
    }

    /// Whether there is room for it beside the others.
    fn keep(&mut self, path: &Path, version: &Version, content: &[u8]) -> io::Result<bool> {
        let Some(kept) = &version.kept else { return Ok(false) };
        loop {
            match self.room.room_for(path, kept.sha256, content.len() as u64) {
                Ok(None) if self.room.uses(kept.sha256) => return Ok(true),
                Ok(None) => return self.lists.keep(kept.sha256, content).map(|()| true),
                Ok(Some(oldest)) if oldest != path => self.forget(&oldest)?,
                _ => return Ok(false),
            }
        }
    }

    fn forget(&mut self, path: &Path) -> io::Result<()> {
        let before = self.lists.read(path)?;
        self.turn(path, &before, &[])?;
        self.lists.forget(path)
    }

    fn turn(&mut self, path: &Path, before: &[Version], after: &[Version]) -> io::Result<()> {
        self.room.turn(path, before, after).into_iter().try_for_each(|sha256| self.lists.discard(sha256))
    }
}
