//! Owns: telling the kernel programs which files are of interest, and of which processes everything is.
//! Never: choosing; `picket_model::Interest` says what, and `bpf/filter.h` what becomes of it.

mod held;
mod keys;

use std::collections::BTreeSet;

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use picket_model::{Interest, Paths};

pub use self::held::Held;
use self::keys::{Config, EndingKey, NameKey};
use crate::procfs;
use crate::sensor::{InterestSetter, SensorError};

/// As `bpf/filter.h` has them: what does not fit is not held back.
const NAMES_MAX: usize = 4096;
const ENDINGS_MAX: usize = 1024;

/// The sensor's side of `bpf/filter.h`.
pub struct Filter {
    config: Array<MapData, Config>,
    names: HashMap<MapData, NameKey, u8>,
    endings: HashMap<MapData, EndingKey, u8>,
    tasks: HashMap<MapData, u32, u64>,
    watching: Array<MapData, u64>,
    /// What the maps hold now.
    held: (BTreeSet<NameKey>, BTreeSet<EndingKey>),
    /// The last names of the files whose reading is reported: what happens to such a file is of interest too.
    watched_names: Vec<String>,
}

type Opened<T> = Result<T, String>;

fn map<T: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> Opened<T> {
    let map = ebpf.take_map(name).ok_or_else(|| format!("the map {name} is missing"))?;
    T::try_from(map).map_err(|e| format!("{name}: {e}"))
}

impl Filter {
    /// Nothing is held back until an interest is set.
    pub fn open(ebpf: &mut Ebpf, watch_read: &[String]) -> Opened<Self> {
        let last = |path: &String| path.rsplit('/').next().map(str::to_owned).filter(|name| !name.is_empty());
        let mut filter = Self {
            config: map(ebpf, "FILTER_CONFIG")?,
            names: map(ebpf, "APPROVED_NAMES")?,
            endings: map(ebpf, "APPROVED_ENDINGS")?,
            tasks: map(ebpf, "WATCHED_TASKS")?,
            watching: map(ebpf, "WATCHING")?,
            held: (BTreeSet::new(), BTreeSet::new()),
            watched_names: watch_read.iter().filter_map(last).collect(),
        };
        filter.write(&filter.nothing_held_back()).map_err(|e| e.to_string())?;
        Ok(filter)
    }

    fn nothing_held_back(&self) -> Config {
        keys::told_whole(keys::config(&BTreeSet::new(), &Paths::default(), &self.watched_names))
    }

    fn write(&mut self, config: &Config) -> Result<(), SensorError> {
        self.config.set(0, config, 0).map_err(|e| refused("set the interest", &e))
    }

    fn fill(&mut self, paths: &Paths) -> Result<(), SensorError> {
        let names: BTreeSet<NameKey> = paths.names.iter().map(|name| keys::name(name)).collect();
        let endings: BTreeSet<EndingKey> = paths.endings.iter().map(|ending| keys::ending(ending)).collect();
        for key in self.held.0.difference(&names) {
            self.names.remove(key).or_else(absent).map_err(|e| refused("remove a name", &e))?;
        }
        for key in self.held.1.difference(&endings) {
            self.endings.remove(key).or_else(absent).map_err(|e| refused("remove an ending", &e))?;
        }
        // All of them: after a refusal half way, what the maps hold is not certain.
        for key in &names {
            self.names.insert(key, 1, 0).map_err(|e| refused("add a name", &e))?;
        }
        for key in &endings {
            self.endings.insert(key, 1, 0).map_err(|e| refused("add an ending", &e))?;
        }
        self.held = (names, endings);
        Ok(())
    }
}

impl InterestSetter for Filter {
    fn set(&mut self, interest: &Interest) -> Result<(), SensorError> {
        let mut paths = interest.files.paths.clone();
        self.watched_names.iter().for_each(|name| paths.add_name(name));
        let fits = paths.names.len() <= NAMES_MAX
            && paths.endings.len() <= ENDINGS_MAX
            && paths.names.iter().all(|name| keys::fits_name(name));
        // Until the maps hold what is wanted, everything is told; and for good where they cannot.
        self.write(&self.nothing_held_back())?;
        if !fits {
            return Err(SensorError::FilterMap {
                operation: "hold back what no rule asks for",
                reason: format!(
                    "{} names and {} endings are asked for, and it holds {NAMES_MAX} and {ENDINGS_MAX}; all files are told",
                    paths.names.len(),
                    paths.endings.len()
                ),
            });
        }
        self.fill(&paths)?;
        // A program may read the words while they are written: the one that holds back comes last.
        let config = keys::config(&interest.files.whole, &paths, &self.watched_names);
        self.write(&keys::told_whole(config))?;
        self.write(&config)
    }

    fn watch(&mut self, pid: u32, start_ticks: u64) -> Result<(), SensorError> {
        self.tasks.insert(pid, start_ticks, 0).map_err(|e| refused("watch a process", &e))?;
        // It may have ended before it was marked: then its end will not take the mark away.
        if procfs::start_ticks(pid) != Some(start_ticks) {
            return self.tasks.remove(&pid).or_else(absent).map_err(|e| refused("forget a process", &e));
        }
        self.watching.set(0, 1, 0).map_err(|e| refused("watch a process", &e))
    }
}

fn absent(error: MapError) -> Result<(), MapError> {
    match error {
        MapError::KeyNotFound => Ok(()),
        MapError::SyscallError(e) if e.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => Err(other),
    }
}

fn refused(operation: &'static str, error: &MapError) -> SensorError {
    SensorError::FilterMap { operation, reason: error.to_string() }
}
