//! Owns: the programs of `bpf/self.bpf.c`: each tried by itself, the lease of what they refuse, what they tell.
//! Never: what is to be protected; it is told.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aya::maps::{Array, HashMap, MapData, RingBuf, loaded_maps};
use aya::programs::{BtfTracePoint, Lsm, loaded_programs};
use aya::{Btf, Ebpf, EbpfLoader};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{FileId, LossCount};

use super::record::{RECORD_BYTES, record};
use crate::pins;
use crate::sensor::decode::kernel_dev;
use crate::sensor::feed::speak;
use crate::sys::clock::{WallOffset, boot_ns};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/self.bpf.o"));
/// An agent whose engine has not come round for so long hangs, and may be killed.
pub const LEASE_NS: u64 = 10_000_000_000;

const HOOKS: [(&str, &str); 12] = [
    ("on_task_kill", "task_kill"),
    ("on_ptrace", "ptrace_access_check"),
    ("on_file_open", "file_open"),
    ("on_path_unlink", "path_unlink"),
    ("on_path_rmdir", "path_rmdir"),
    ("on_path_rename", "path_rename"),
    ("on_path_link", "path_link"),
    ("on_path_truncate", "path_truncate"),
    ("on_path_chmod", "path_chmod"),
    ("on_path_chown", "path_chown"),
    ("on_umount", "sb_umount"),
    ("on_bpf", "bpf"),
];

pub struct Programs {
    _programs: Ebpf,
    ring: RingBuf<MapData>,
    lease: Array<MapData, u64>,
    untold: Option<Array<MapData, u64>>,
    untold_before: u64,
    files: Option<HashMap<MapData, [u64; 2], u8>>,
    known: BTreeMap<[u64; 2], u8>,
    pin: Option<PathBuf>,
    /// Hooks that refuse; empty where BPF LSM is not active.
    pub refusing: Vec<&'static str>,
}

impl Programs {
    /// `before`: programs that were loaded before the agent's own. `state` names the pin.
    ///
    /// # Errors
    /// When the kernel does not take even the program that tells of signals.
    pub fn open(own_exe: FileId, before: &Before, refuse: bool) -> Result<Self, String> {
        let (tgid, dev, ino) = (std::process::id(), kernel_dev(own_exe.dev), own_exe.ino);
        let mut ebpf = EbpfLoader::new()
            .override_global("SELF_TGID", &tgid, true)
            .override_global("OWN_EXE_DEV", &dev, true)
            .override_global("OWN_EXE_INO", &ino, true)
            .load(OBJECT)
            .map_err(|error| error.to_string())?;
        let missing = |name: &str| format!("the map {name} is missing");
        let ring = ebpf.take_map("TAMPERS").ok_or_else(|| missing("TAMPERS"))?;
        let lease = ebpf.take_map("LEASE").ok_or_else(|| missing("LEASE"))?;
        let untold = ebpf.take_map("UNTOLD").and_then(|map| Array::try_from(map).ok());
        let files = ebpf.take_map("OWN_FILES").and_then(|map| HashMap::try_from(map).ok());
        // Not before: the loader reads the kernel's types too, some 10 MB, and has let go of them by now.
        let btf = Btf::from_sys_fs().map_err(|error| error.to_string())?;
        let program: &mut BtfTracePoint = ebpf
            .program_mut("on_signal")
            .ok_or("on_signal is missing")?
            .try_into()
            .map_err(|error: aya::programs::ProgramError| error.to_string())?;
        program.load("signal_generate", &btf).map_err(|error| error.to_string())?;
        program.attach().map_err(|error| error.to_string())?;
        let refusing = if refuse { refusals(&mut ebpf, &btf) } else { Vec::new() };
        let (ring, lease) = (RingBuf::try_from(ring), Array::try_from(lease));
        let mut programs = Self {
            ring: ring.map_err(|error| error.to_string())?,
            lease: lease.map_err(|error| error.to_string())?,
            untold,
            untold_before: 0,
            files,
            known: BTreeMap::new(),
            pin: None,
            refusing,
            _programs: ebpf,
        };
        programs.own_programs(before);
        Ok(programs)
    }

    /// What ended the agent's last life, where its word is pinned; and this life's word is pinned from now on.
    pub fn last_words(&mut self, state_dir: &Path) -> Option<RawRecord> {
        let pin = pins::of(state_dir, "");
        let told = MapData::from_pin(&pin)
            .ok()
            .and_then(|map| Array::<_, [u8; RECORD_BYTES]>::try_from(aya::maps::Map::Array(map)).ok())
            .and_then(|map| map.get(&0, 0).ok())
            .and_then(|bytes| record(&bytes, WallOffset::read(), super::TOLD_AFTER));
        let _ = std::fs::remove_file(&pin);
        let _ = pin.parent().map(std::fs::create_dir_all);
        if let Some(map) = self._programs.map_mut("LAST")
            && let Ok(map) = Array::<_, [u8; RECORD_BYTES]>::try_from(map)
            && let Err(error) = map.pin(&pin)
        {
            tracing::info!(%error, pin = %pin.display(), "what ends the agent will not be known to its next life");
        }
        self.pin = Some(pin);
        told
    }

    /// What was done since the last call.
    pub fn told(&mut self) -> Vec<RawRecord> {
        let clock = WallOffset::read();
        let mut records = Vec::new();
        while let Some(bytes) = self.ring.next() {
            records.extend(record(&bytes, clock, ""));
        }
        let untold = self.untold.as_ref().and_then(|map| map.get(&0, 0).ok()).unwrap_or(0);
        let count = untold.saturating_sub(std::mem::replace(&mut self.untold_before, untold));
        if count > 0 {
            let counts = vec![LossCount { place: "ring.tamper".to_owned(), count }];
            records.push(speak(RawKind::Loss { counts }));
        }
        records
    }

    /// Renews what is refused: these files and directories, that mount, unless maintenance lasts until then. The lease
    /// counts from when the engine last turned, so that this thread alone cannot keep it up.
    /// False where the kernel did not take it.
    pub fn renew(&mut self, files: &BTreeMap<[u64; 2], u8>, mount: u64, maintenance_ns: u64, turned_ns: u64) -> bool {
        let until = turned_ns.min(boot_ns()).saturating_add(LEASE_NS);
        let mut taken = true;
        for (index, value) in [(0, until), (1, maintenance_ns), (2, mount)] {
            taken &= self.lease.set(index, value, 0).is_ok();
        }
        let Some(map) = &mut self.files else { return taken };
        for (key, kind) in files.iter().filter(|(key, kind)| self.known.get(*key) != Some(*kind)) {
            let _ = map.insert(key, kind, 0);
        }
        for key in self.known.keys().filter(|key| !files.contains_key(*key)) {
            let _ = map.remove(key);
        }
        self.known.clone_from(files);
        taken
    }

    fn own_programs(&mut self, before: &Before) {
        let now = Before::now();
        let own = [
            ("OWN_PROGRAMS", now.programs.difference(&before.programs)),
            ("OWN_MAPS", now.maps.difference(&before.maps)),
        ];
        for (name, ids) in own {
            let map = self._programs.map_mut(name).and_then(|map| HashMap::<_, u32, u8>::try_from(map).ok());
            let Some(mut map) = map else { continue };
            for id in ids {
                let _ = map.insert(id, 1, 0);
            }
        }
    }
}

/// An agent that ends in order has nothing to tell its next life.
impl Drop for Programs {
    fn drop(&mut self) {
        if let Some(pin) = &self.pin {
            pins::remove(pin);
        }
    }
}

/// Each by itself: a hook that this kernel lacks leaves the others standing.
fn refusals(ebpf: &mut Ebpf, btf: &Btf) -> Vec<&'static str> {
    let mut attach = |program: &str, hook: &str| -> Option<()> {
        let program: &mut Lsm = ebpf.program_mut(program)?.try_into().ok()?;
        program.load(hook, btf).ok()?;
        program.attach().ok().map(drop)
    };
    HOOKS.into_iter().filter(|(program, hook)| attach(program, hook).is_some()).map(|(_, hook)| hook).collect()
}

/// Every program and map in the kernel at one moment: what comes after it is the agent's.
#[derive(Default)]
pub struct Before {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
}

impl Before {
    pub fn now() -> Self {
        Self {
            programs: loaded_programs().flatten().map(|program| program.id()).collect(),
            maps: loaded_maps().flatten().map(|map| map.id()).collect(),
        }
    }
}
