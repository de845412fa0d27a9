//! Owns: the epoch of a spool directory, and whose directory it is.
//! Never: records, beyond emptying a spool that was copied from another host.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use picket_model::Lane;

use super::segment::{self, Segment, firsts};
use super::spool::{SpoolError, at, sync_dir};

/// Made once at random, so a wiped or copied spool never reuses numbers. The epoch, and how many records of another
/// host, or of an earlier state of this one, were dropped: under the old epoch they are the original's to send.
pub(super) fn open(dir: &Path) -> Result<(u64, u64), SpoolError> {
    let path = dir.join("epoch");
    let home = home(dir)?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => format!("unreadable: {error}"),
    };
    let mut lines = text.lines();
    let Some(epoch) = lines.next().and_then(|line| line.trim().parse::<u64>().ok()) else {
        return Ok((renew(dir, &home)?, 0));
    };
    let bound: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(' ')).collect();
    if bound.is_empty() {
        // Of a build that did not bind it yet: it is this host's from now on.
        write(dir, epoch, &home)?;
        return Ok((epoch, 0));
    }
    let moved = home.iter().any(|(name, now)| bound.iter().any(|(other, then)| name == other && now != then));
    if !moved {
        return Ok((epoch, 0));
    }
    // The records go first: a crash in between only finds fewer of them the next time.
    let dropped = empty(dir)?;
    tracing::error!(dropped, spool = %dir.display(), "the spool was copied here or put back from a backup: a new epoch");
    Ok((begin(dir, &home)?, dropped))
}

/// What parts this directory from a copy of it. The inode tells a copied file tree and a restored backup; the machine's
/// ids a copied disk. Device numbers tell nothing, since they change from boot to boot. What is not known binds nothing.
fn home(dir: &Path) -> Result<Vec<(&'static str, String)>, SpoolError> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let folder = fs::metadata(dir).map_err(at(dir))?.ino().to_string();
    let ids = [
        ("folder", folder),
        ("machine", read("/etc/machine-id")),
        ("hardware", read("/sys/class/dmi/id/product_uuid")),
    ];
    Ok(ids.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

fn begin(dir: &Path, home: &[(&str, String)]) -> Result<u64, SpoolError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| at(dir)(io::Error::other(error.to_string())))?;
    // 63 bits: JSON readers and redb keys are safe with it; never 0.
    let epoch = (u64::from_le_bytes(bytes) >> 1).max(1);
    write(dir, epoch, home)?;
    Ok(epoch)
}

/// There is none that can be read: what waits goes under a new one, numbered from 1. What the coordinator had of it
/// already may come twice, and nothing is lost.
fn renew(dir: &Path, home: &[(&str, String)]) -> Result<u64, SpoolError> {
    let mut waiting = 0;
    for lane in Lane::ALL {
        let firsts = firsts(dir, lane).map_err(at(dir))?;
        let skipped = firsts.first().map_or(0, |first| first.saturating_sub(1));
        waiting += firsts.len();
        for first in firsts.iter().filter(|_| skipped > 0) {
            let from = segment::path(dir, lane, *first);
            fs::rename(&from, segment::path(dir, lane, first - skipped)).map_err(at(&from))?;
        }
    }
    if waiting > 0 {
        tracing::error!(spool = %dir.display(), "the spool's epoch cannot be read: what waits is sent under a new one");
    }
    begin(dir, home)
}

fn write(dir: &Path, epoch: u64, home: &[(&str, String)]) -> Result<(), SpoolError> {
    let (path, draft) = (dir.join("epoch"), dir.join("epoch.new"));
    let bound: String = home.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    fs::write(&draft, format!("{epoch}\n{bound}")).map_err(at(&draft))?;
    fs::File::open(&draft).and_then(|file| file.sync_all()).map_err(at(&draft))?;
    fs::rename(&draft, &path).map_err(at(&path))?;
    sync_dir(dir)
}

/// Removes every segment; gives how many records they held.
fn empty(dir: &Path) -> Result<u64, SpoolError> {
    let mut dropped = 0;
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let nothing = || Err(io::Error::other("a segment that is removed needs no filler"));
        // One that cannot be read any more is one record at least.
        dropped += Segment::open(path.clone(), 1, None, &nothing).map_or(1, |segment| segment.count);
        fs::remove_file(&path).map_err(at(&path))?;
    }
    sync_dir(dir)?;
    Ok(dropped)
}
