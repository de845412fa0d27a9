//! Owns: the folder of evidence: writing an act's files with the list of their digests, and what makes way for them.
//! Never: choosing what is kept.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use picket_model::id::ActionId;
use sha2::{Digest, Sha256};

use super::gather::{Gathered, TEXT_BYTES_MAX};

/// One executable: most are smaller, and a larger one is cut and said to be.
const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of one act.
const ACT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Of all acts together; the oldest make way.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
const ACTS_MAX: usize = 256;
const CHUNK: usize = 64 * 1024;
const LIST: &str = "SHA256SUMS";

/// Where evidence lies: a folder for each act, for root alone.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Each act's folder with what is in it, the oldest first.
    acts: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl Store {
    pub fn open(path: PathBuf) -> io::Result<Self> {
        folder(&path)?;
        let mut acts: Vec<(i64, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(&path)?.flatten() {
            acts.push((entry.metadata()?.mtime(), entry.path(), size(&entry.path())));
        }
        acts.sort();
        let bytes = acts.iter().map(|(_, _, size)| size).sum();
        Ok(Self { path, acts: acts.into_iter().map(|(_, path, size)| (path, size)).collect(), bytes })
    }

    /// Writes down what was gathered; gives what there is, in words. It is not waited for the disk.
    pub fn keep(&mut self, id: ActionId, gathered: Gathered) -> io::Result<String> {
        self.make_room()?;
        let path = self.path.join(id.to_string());
        if path.join(LIST).exists() {
            return Ok("evidence was kept before".to_owned());
        }
        folder(&path)?;
        let Gathered { processes, texts, images, mut cut } = gathered;
        let (mut sums, mut left) = (String::new(), ACT_BYTES_MAX);
        for (name, text) in &texts {
            sums += &written(&path, name, text.as_slice(), TEXT_BYTES_MAX, &mut left)?;
        }
        for (name, image) in &images {
            if image.metadata()?.len() > IMAGE_BYTES_MAX.min(left) {
                cut = Some("an executable was larger than is kept");
            }
            sums += &written(&path, name, image, IMAGE_BYTES_MAX, &mut left)?;
        }
        create(&path.join(LIST))?.write_all(sums.as_bytes())?;
        let written = ACT_BYTES_MAX - left;
        self.acts.push_back((path.clone(), written));
        self.bytes += written;
        let cut = cut.map_or_else(String::new, |why| format!(", {why}"));
        let kib = written.div_ceil(1024);
        let digest = hex::encode(Sha256::digest(sums.as_bytes()));
        Ok(format!("evidence of {processes} in {} ({kib} KiB{cut}, list {digest})", path.display()))
    }

    /// The oldest go until one more act fits.
    fn make_room(&mut self) -> io::Result<()> {
        while self.acts.len() >= ACTS_MAX || self.bytes.saturating_add(ACT_BYTES_MAX) > BYTES_MAX {
            let Some((path, size)) = self.acts.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes one file; gives its line of the list. What a crash had begun is written anew.
fn written(act: &Path, name: &str, mut from: impl Read, limit: u64, left: &mut u64) -> io::Result<String> {
    let path = act.join(name);
    if let Some(process) = path.parent() {
        folder(process)?;
    }
    let mut to = create(&path)?;
    let (mut hash, mut buffer, mut room) = (Sha256::new(), vec![0; CHUNK], limit.min(*left));
    while room > 0 {
        let most = usize::try_from(room).unwrap_or(CHUNK).min(CHUNK);
        let count = from.read(buffer.get_mut(..most).unwrap_or_default())?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        to.write_all(chunk)?;
        hash.update(chunk);
        room -= count as u64;
        *left -= count as u64;
    }
    Ok(format!("{}  {name}\n", hex::encode(hash.finalize())))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Of an act's files: two levels, as they are made here.
fn size(path: &Path) -> u64 {
    let within = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().collect::<Vec<_>>();
    let of = |entry: &fs::DirEntry| entry.metadata().map_or(0, |seen| seen.len());
    within(path).iter().map(|entry| of(entry) + within(&entry.path()).iter().map(of).sum::<u64>()).sum()
}
