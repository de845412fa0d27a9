//! Owns: the memory of one process as a scan is handed it: which of its mappings, in which order, how much of them.
//! Never: reading any of it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use picket_detect::Hit;
use picket_model::{Process, Timestamp};

use crate::procfs;
use crate::worker::{REGIONS_MAX, Region};

/// Of one process in one order: the code and data of all but databases and browsers, in a few seconds of work.
const BYTES_MAX: u64 = 256 << 20;
/// Some 100 bytes for each of as many mappings as a process may have.
const MAPS_BYTES_MAX: u64 = 8 << 20;

/// The process, and what of its memory is looked at.
#[derive(Debug)]
pub struct Target {
    pub process: Arc<Process>,
    pub time: Timestamp,
    regions: usize,
    bytes: u64,
    /// Readable bytes in all.
    whole: u64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, regions, bytes, whole, .. } = self;
        write!(f, "{bytes} bytes in {regions} mappings of process {} ({})", process.key.pid, process.exe)?;
        if bytes < whole { write!(f, ", of {whole} bytes in all") } else { Ok(()) }
    }
}

impl Target {
    /// What came of it, in words.
    pub fn outcome(&self, hits: &[Hit], read: u64) -> String {
        let rules: Vec<&str> = hits.iter().map(|hit| hit.rule.id.0.as_str()).collect();
        let rules = if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") };
        format!("{self}: {read} bytes could be read; found: {rules}")
    }
}

/// Its memory, and the mappings that fit, the telling ones first.
pub fn open(process: Arc<Process>, time: Timestamp) -> Result<(File, Target, Vec<Region>), String> {
    let pid = process.key.pid;
    if pid == std::process::id() {
        return Err("that is the agent, whose memory holds the rules themselves".to_owned());
    }
    let gone = |error: std::io::Error| format!("process {pid} cannot be looked at: {error}");
    let file = File::open(format!("/proc/{pid}/mem")).map_err(gone)?;
    let mut maps = String::new();
    let read = File::open(format!("/proc/{pid}/maps")).and_then(|file| {
        // A path may hold any bytes; such a line is still one of a mapping.
        let mut bytes = Vec::new();
        file.take(MAPS_BYTES_MAX).read_to_end(&mut bytes)?;
        maps = String::from_utf8_lossy(&bytes).into_owned();
        Ok(())
    });
    read.map_err(gone)?;
    // Opened first and looked at after: had the pid been another's by then, it would be another's here too.
    if procfs::start_ticks(pid) != Some(process.key.start_ticks) {
        return Err(format!("process {pid} has ended"));
    }
    let mut mappings: Vec<Mapping> = maps.lines().filter_map(Mapping::of).collect();
    mappings.sort_by_key(|mapping| mapping.rank);
    let whole = mappings.iter().map(|mapping| mapping.bytes()).sum();
    let mut regions = Vec::new();
    let mut bytes = 0;
    for mapping in mappings.into_iter().take(REGIONS_MAX) {
        let left = BYTES_MAX.saturating_sub(bytes).min(mapping.bytes());
        if left > 0 {
            regions.push(Region { start: mapping.start, end: mapping.start + left });
            bytes += left;
        }
    }
    if regions.is_empty() {
        return Err(format!("process {pid} has no memory of its own: it is the kernel's, or has ended"));
    }
    let target = Target { process, time, regions: regions.len(), bytes, whole };
    Ok((file, target, regions))
}

/// One line of `/proc/PID/maps` that can be read.
#[derive(PartialEq, Eq, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    /// What is looked at first: code that no file holds, code that may have been changed, then data of no file.
    rank: u8,
}

impl Mapping {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let inode = words.nth(2)?;
        let name = words.next().unwrap_or_default();
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        // Of devices reading may do harm; the kernel's own pages are the same in every process.
        let foreign = name.starts_with("/dev/") && !name.starts_with("/dev/shm/") && !name.starts_with("/dev/zero");
        let kernel = matches!(name, "[vvar]" | "[vvar_vclock]" | "[vsyscall]" | "[vdso]");
        if !rights.starts_with('r') || end <= start || foreign || kernel {
            return None;
        }
        let (anonymous, executable, written) = (inode == "0", rights.contains('x'), rights.contains('w'));
        let rank = match (executable, anonymous, written) {
            (true, true, _) => 0,
            (true, false, true) => 1,
            (false, true, _) => 2,
            (true, false, false) => 3,
            (false, false, true) => 4,
            (false, false, false) => 5,
        };
        Some(Self { start, end, rank })
    }

    const fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::Mapping;

    #[test]
    fn mappings_are_ranked_and_devices_left_alone() {
        let rank = |line: &str| Mapping::of(line).map(|mapping| mapping.rank);
        assert_eq!(rank("7f0000000000-7f0000001000 rwxp 00000000 00:00 0"), Some(0), "code of no file");
        assert_eq!(rank("7f0000000000-7f0000001000 rwxp 00000000 08:01 12 /tmp/a b (deleted)"), Some(1));
        assert_eq!(rank("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 [heap]"), Some(2));
        assert_eq!(rank("55d0-55e0 r-xp 00000000 08:01 12 /bin/cat"), Some(3));
        assert_eq!(rank("55d0-55e0 r--p 00000000 08:01 12 /bin/cat"), Some(5));
        assert_eq!(rank("55d0-55e0 rw-s 00000000 00:06 12 /dev/dri/card0"), None);
        assert_eq!(rank("55d0-55e0 rw-s 00000000 00:06 12 /dev/shm/x"), Some(4));
        assert_eq!(rank("ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0 [vsyscall]"), None);
        assert_eq!(rank("55d0-55e0 ---p 00000000 00:00 0"), None);
        for broken in ["", "x", "1-2", "2-1 r--p 0 0 0", "zz-1 r--p 00 00:00 0", "1-2 r--p 00"] {
            assert_eq!(Mapping::of(broken), None, "{broken}");
        }
    }
}
