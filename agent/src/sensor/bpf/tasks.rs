//! Owns: `bpf/tasks.bpf.c`: the kernel's list of its processes, read anew each time it is asked for.
//! Never: what is done with it.

use std::fs::File;
use std::io::{self, Read};

use aya::programs::Iter;
use aya::{Btf, Ebpf, EbpfLoader};
use nix::unistd::{SysconfVar, sysconf};

use crate::causes::chain;
use crate::tasks::{List, Task};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tasks.bpf.o"));
const PROGRAM: &str = "list_task";
/// `struct listed`.
const LISTED_BYTES: usize = 16;
/// The kernel hands over so much at once.
const CHUNK_BYTES: usize = 32 * 1024;
/// More processes than a kernel has numbers for (`PID_MAX_LIMIT`).
const TASKS_MAX: usize = 4 * 1024 * 1024;
/// Of the first namespace of process numbers, in which the kernel's are those of /proc.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
const TICKS_A_SECOND: i64 = 100;

pub struct TaskList {
    ebpf: Ebpf,
}

impl TaskList {
    /// `None`, with the reason in the log, where this kernel refuses it or would give other numbers than /proc does.
    pub fn open(btf: &Btf) -> Option<Self> {
        Self::load(btf)
            .inspect_err(|reason| tracing::info!(reason, "the kernel does not list its processes; /proc is read"))
            .ok()
    }

    fn load(btf: &Btf) -> Result<Self, String> {
        let namespace = std::fs::read_link("/proc/self/ns/pid").map_err(|error| error.to_string())?;
        if namespace.as_os_str() != FIRST_NAMESPACE {
            return Err("the agent runs in a namespace of process numbers of its own".to_owned());
        }
        if sysconf(SysconfVar::CLK_TCK).ok().flatten() != Some(TICKS_A_SECOND) {
            return Err("the clock ticks otherwise here".to_owned());
        }
        let mut ebpf = EbpfLoader::new().btf(Some(btf)).load(OBJECT).map_err(|error| chain(&error))?;
        program(&mut ebpf)?.load("task", btf).map_err(|error| chain(&error))?;
        let mut list = Self { ebpf };
        // What is listed and cannot be read shows here and not when it is needed.
        let own = list.list().map_err(|error| error.to_string())?.iter().any(|task| task.pid == std::process::id());
        if own { Ok(list) } else { Err("the agent itself is not in it".to_owned()) }
    }

    fn begin(&mut self) -> Result<File, String> {
        let program = program(&mut self.ebpf)?;
        let link = program.attach().map_err(|error| chain(&error))?;
        program.take_link(link).map_err(|error| chain(&error))?.into_file().map_err(|error| chain(&error))
    }
}

impl List for TaskList {
    fn list(&mut self) -> io::Result<Vec<Task>> {
        let mut file = self.begin().map_err(io::Error::other)?;
        let (mut tasks, mut chunk, mut filled) = (Vec::new(), vec![0; CHUNK_BYTES], 0);
        loop {
            let count = file.read(chunk.get_mut(filled..).unwrap_or_default())?;
            if count == 0 || tasks.len() >= TASKS_MAX {
                return Ok(tasks);
            }
            filled += count;
            let whole = filled - filled % LISTED_BYTES;
            tasks.extend(chunk.get(..whole).unwrap_or_default().chunks_exact(LISTED_BYTES).filter_map(task));
            chunk.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Iter, String> {
    let program = ebpf.program_mut(PROGRAM).ok_or("its program is missing")?;
    program.try_into().map_err(|error: aya::programs::ProgramError| chain(&error))
}

fn task(bytes: &[u8]) -> Option<Task> {
    let (pid, rest) = bytes.split_first_chunk()?;
    let (parent, rest) = rest.split_first_chunk()?;
    Some(Task {
        pid: u32::from_ne_bytes(*pid),
        parent: u32::from_ne_bytes(*parent),
        start_ticks: u64::from_ne_bytes(*rest.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::{Child, Command};

    use aya::Btf;

    use super::TaskList;
    use crate::procfs;
    use crate::tasks::{List, Task};

    /// Ends with the test.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn it_lists_what_proc_lists() {
        let Some(mut list) = Btf::from_sys_fs().ok().and_then(|btf| TaskList::open(&btf)) else {
            return println!("skipped: this kernel does not list its processes to a program");
        };
        let sleepers: Vec<Sleeper> =
            (0..8).map(|_| Sleeper(Command::new("sleep").arg("1000").spawn().unwrap())).collect();
        for _ in 0..3 {
            let before: BTreeSet<u32> = procfs::pids().unwrap().collect();
            let listed: BTreeSet<Task> = list.list().unwrap().into_iter().collect();
            let after: BTreeSet<u32> = procfs::pids().unwrap().collect();
            for Sleeper(child) in &sleepers {
                let start_ticks = procfs::start_ticks(child.id()).unwrap();
                assert!(listed.contains(&Task { pid: child.id(), parent: std::process::id(), start_ticks }));
            }
            // Of the first process some machines tell a program nothing; nobody's child it is, and nobody ends it.
            let pids: BTreeSet<u32> = listed.iter().map(|task| task.pid).chain([1]).collect();
            let missing: Vec<&u32> = before.intersection(&after).filter(|pid| !pids.contains(*pid)).collect();
            assert!(missing.is_empty(), "{missing:?}");
            // Threads are no processes.
            assert_eq!(listed.len(), listed.iter().map(|task| task.pid).collect::<BTreeSet<_>>().len());
        }
        let gone = sleepers.first().unwrap().0.id();
        drop(sleepers);
        assert!(list.list().unwrap().iter().all(|task| task.pid != gone));
    }
}
