//! Owns: the trial load: of each set of rows the first way that this kernel takes whole, each program by itself.
//! Never: kernel versions; which way serves which row stands in the tables below `hooks/`.

mod calls;
mod files;
mod lifecycle;
mod network;
mod script;

use aya::programs::{BtfTracePoint, FEntry, FExit, Lsm, ProgramError};
use aya::{Btf, Ebpf};
use picket_model::Coverage;

/// Every part's table, in the order in which the rows are shown. A new part adds its own file and its line here.
const TABLES: [&[Group]; 5] = [lifecycle::GROUPS, files::GROUPS, network::GROUPS, script::GROUPS, calls::GROUPS];

/// A verifier's log is long; its verdict says enough beside the program's name.
const REASON_CHARS_MAX: usize = 160;

/// `enum family` of `bpf/record.h`.
pub mod family {
    pub const OPEN: u32 = 1;
    pub const CLOSE: u32 = 2;
    pub const NETWORK: u32 = 4;
    pub const MODULES: u32 = 8;
    pub const NAMES: u32 = 16;
    pub const CHANGES: u32 = 32;
    pub const ATTRIBUTES: u32 = 64;
    pub const UNIX: u32 = 4096;
    pub const STDIN: u32 = 8192;
    pub const ACCESS: u32 = 1 << 16;
    pub const MEMORY: u32 = 1 << 17;
    pub const MEMFD: u32 = 1 << 18;
    pub const BPF: u32 = 1 << 19;
    pub const CREDS: u32 = 1 << 20;
    pub const NAMESPACES: u32 = 1 << 21;
    pub const MOUNTS: u32 = 1 << 22;
    pub const TIME: u32 = 1 << 23;
    pub const KEXEC: u32 = 1 << 24;
    pub const KEYS: u32 = 1 << 25;
    pub const RINGS: u32 = 1 << 26;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Fentry,
    Fexit,
    Lsm,
    Tracepoint,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Lsm => "lsm",
            Self::Tracepoint => "tp_btf",
        }
    }
}

/// One program of the object and where it may sit: the first target that takes it counts.
pub struct Hook {
    pub program: &'static str,
    pub kind: Kind,
    pub targets: &'static [&'static str],
    /// Its number in `enum run` of `bpf/record.h`, where the canary can make it run.
    pub run: Option<u32>,
}

/// One way to see the rows of a group: all its hooks together, and the families of system calls that sys_exit (and for
/// [`family::CLOSE`] and [`family::CREDS`] sys_enter) must look at.
pub struct Way {
    pub hooks: &'static [Hook],
    pub needs: u32,
    /// What is not seen this way, in a sentence; empty where all is.
    pub limit: &'static str,
}

pub struct Group {
    pub rows: &'static [&'static str],
    /// The best first.
    pub ways: &'static [Way],
    /// What nobody sees where no way loads, in a sentence; empty where the tier is worth nothing without it.
    pub without: &'static str,
}

/// What the trial load came to.
#[derive(Default)]
pub struct Outcome {
    pub coverage: Vec<Coverage>,
    pub blind: Vec<String>,
    /// The families to be written into NEEDED.
    pub needs: u32,
    /// Runs that the canary looks after, and the target of each.
    pub probes: Vec<(u32, String)>,
    /// At least one row is served by fentry or fexit.
    pub objects: bool,
}

const SYS_EXIT: Hook = Hook { program: "on_sys_exit", kind: Kind::Tracepoint, targets: &["sys_exit"], run: Some(5) };
const SYS_ENTER: Hook = Hook { program: "on_sys_enter", kind: Kind::Tracepoint, targets: &["sys_enter"], run: Some(4) };

pub struct Trial<'a> {
    pub ebpf: &'a mut Ebpf,
    pub btf: &'a Btf,
    /// Only tracepoints, whatever else would load.
    pub tracepoints_only: bool,
}

impl Trial<'_> {
    /// # Errors
    /// The reason, where a group that the tier cannot do without has no way.
    pub fn all(&mut self) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        for group in TABLES.iter().copied().flatten() {
            self.group(group, &mut outcome)?;
        }
        Ok(outcome)
    }

    /// Attaches what the fallbacks share. Called once NEEDED is written.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn shared(&mut self, outcome: &mut Outcome) -> Result<(), String> {
        for hook in shared(outcome.needs) {
            self.attach(hook)?;
            outcome.probes.extend(hook.run.map(|run| (run, hook.targets.concat())));
        }
        Ok(())
    }

    /// A program that serves no row of telemetry.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn one(&mut self, hook: &Hook) -> Result<(), String> {
        self.load(hook)?;
        self.attach(hook)
    }

    fn group(&mut self, group: &Group, outcome: &mut Outcome) -> Result<(), String> {
        let mut reasons = Vec::new();
        for way in group.ways {
            match self.way(way) {
                Ok(targets) => {
                    outcome.needs |= way.needs;
                    outcome.objects |= way.hooks.iter().any(|hook| hook.kind != Kind::Tracepoint);
                    for (hook, target) in way.hooks.iter().zip(&targets) {
                        outcome.probes.extend(hook.run.map(|run| (run, target.clone())));
                    }
                    let named =
                        way.hooks.iter().zip(&targets).map(|(hook, target)| format!("{}/{target}", hook.kind.word()));
                    let named = named.chain(shared(way.needs).map(|hook| format!("tp_btf/{}", hook.targets.concat())));
                    let named = named.collect::<Vec<_>>().join(", ");
                    group.rows.iter().for_each(|row| cover(&mut outcome.coverage, row, &named, way.limit));
                    return Ok(());
                }
                Err(reason) => reasons.push(reason),
            }
        }
        let reason = reasons.join("; ");
        tracing::info!(rows = group.rows.join(" "), %reason, "no hook for these rows");
        if group.without.is_empty() {
            return Err(reason);
        }
        outcome.blind.push(format!("{} ({reason})", group.without));
        group.rows.iter().for_each(|row| cover(&mut outcome.coverage, row, "", group.without));
        Ok(())
    }

    /// The targets that took the hooks, one each. What was attached of a way that fails is taken out again.
    fn way(&mut self, way: &Way) -> Result<Vec<String>, String> {
        for hook in shared(way.needs) {
            self.load(hook)?;
        }
        let loaded = way.hooks.iter().map(|hook| self.load(hook)).collect::<Result<Vec<_>, _>>()?;
        for (done, hook) in way.hooks.iter().enumerate() {
            if let Err(reason) = self.attach(hook) {
                way.hooks.iter().take(done).for_each(|hook| self.detach(hook));
                return Err(reason);
            }
        }
        Ok(loaded)
    }

    /// Loads a program for the first target that takes it, once.
    fn load(&mut self, hook: &Hook) -> Result<String, String> {
        if self.tracepoints_only && hook.kind != Kind::Tracepoint {
            return Err(format!("{} is not asked for", hook.kind.word()));
        }
        let mut reason = String::new();
        for target in hook.targets {
            match self.load_at(hook, target) {
                Ok(()) | Err(ProgramError::AlreadyLoaded) => return Ok((*target).to_owned()),
                Err(error) => {
                    reason = format!("{}/{target}: {}", hook.kind.word(), short(&crate::causes::chain(&error)))
                }
            }
        }
        Err(reason)
    }

    fn load_at(&mut self, hook: &Hook, target: &str) -> Result<(), ProgramError> {
        let missing = || ProgramError::InvalidName { name: hook.program.to_owned() };
        let program = self.ebpf.program_mut(hook.program).ok_or_else(missing)?;
        match hook.kind {
            Kind::Fentry => <&mut FEntry>::try_from(program)?.load(target, self.btf),
            Kind::Fexit => <&mut FExit>::try_from(program)?.load(target, self.btf),
            Kind::Lsm => <&mut Lsm>::try_from(program)?.load(target, self.btf),
            Kind::Tracepoint => <&mut BtfTracePoint>::try_from(program)?.load(target, self.btf),
        }
    }

    fn attach(&mut self, hook: &Hook) -> Result<(), String> {
        let program = self.ebpf.program_mut(hook.program).ok_or("it is missing from the object")?;
        let attached = match hook.kind {
            Kind::Fentry => <&mut FEntry>::try_from(program).and_then(|program| program.attach().map(drop)),
            Kind::Fexit => <&mut FExit>::try_from(program).and_then(|program| program.attach().map(drop)),
            Kind::Lsm => <&mut Lsm>::try_from(program).and_then(|program| program.attach().map(drop)),
            Kind::Tracepoint => <&mut BtfTracePoint>::try_from(program).and_then(|program| program.attach().map(drop)),
        };
        match attached {
            Ok(()) | Err(ProgramError::AlreadyAttached) => Ok(()),
            Err(error) => Err(format!("{}: {}", hook.program, short(&crate::causes::chain(&error)))),
        }
    }

    /// Unloading takes the links along; a program is tried in one way only, so nobody misses it.
    fn detach(&mut self, hook: &Hook) {
        let Some(program) = self.ebpf.program_mut(hook.program) else { return };
        let gone = match hook.kind {
            Kind::Fentry => <&mut FEntry>::try_from(program).and_then(FEntry::unload),
            Kind::Fexit => <&mut FExit>::try_from(program).and_then(FExit::unload),
            Kind::Lsm => <&mut Lsm>::try_from(program).and_then(Lsm::unload),
            Kind::Tracepoint => <&mut BtfTracePoint>::try_from(program).and_then(BtfTracePoint::unload),
        };
        if let Err(error) = gone {
            tracing::warn!(program = hook.program, %error, "a hook could not be taken out again");
        }
    }
}

/// The tracepoints that serve these families.
fn shared(needs: u32) -> impl Iterator<Item = &'static Hook> {
    let exit = (needs & !family::CLOSE != 0).then_some(&SYS_EXIT);
    let enter = (needs & (family::CLOSE | family::CREDS) != 0).then_some(&SYS_ENTER);
    exit.into_iter().chain(enter)
}

/// A row may be served by several groups: each adds its hook and its limit.
pub fn cover(rows: &mut Vec<Coverage>, row: &str, hook: &str, limit: &str) {
    let at = rows.iter().position(|known| known.row == row).unwrap_or_else(|| {
        rows.push(Coverage { row: row.to_owned(), ..Coverage::default() });
        rows.len() - 1
    });
    let Some(known) = rows.get_mut(at) else { return };
    for (text, more, joint) in [(&mut known.hook, hook, ", "), (&mut known.limit, limit, " ")] {
        if !more.is_empty() && !text.contains(more) {
            if !text.is_empty() {
                text.push_str(joint);
            }
            text.push_str(more);
        }
    }
}

/// The error's own words, and of a verifier's log the sentence at its end that says what was wrong.
pub fn short(reason: &str) -> String {
    let (words, log) = reason.split_once("Verifier output:").unwrap_or((reason, ""));
    let first = words.lines().next().unwrap_or_default().trim();
    let closing = ["verification time", "stack depth", "processed"];
    let verdict = log.lines().rev().find(|line| !line.is_empty() && !closing.iter().any(|word| line.starts_with(word)));
    let whole = format!("{first} {}", verdict.unwrap_or_default());
    whole.trim().chars().take(REASON_CHARS_MAX).collect()
}
