//! Owns: dropping this host's DNS questions for a domain and all below it, and seeing that they are dropped.
//! Never: the coordinators' names, or a block that outlives its lease: the kernel itself ends it.

mod name_guard;
mod probe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use picket_model::Timestamp;
use picket_model::action::{Domain, IsolationScope};
use picket_model::id::ActionId;

use self::name_guard::{GuardError, Loaded, NameGuard};
use self::probe::Probe;
use super::reached::reached;
use crate::pins;
use crate::sys::clock::boot_ns;

/// Domains at once, as `bpf/domains.bpf.c` has room for them: a list of thousands belongs in the host's resolver.
const BLOCKS_MAX: usize = 256;
/// The C library looks below no more.
const SEARCH_MAX: usize = 32;
/// The kernel lets a program go behind the call that takes its pin away.
const GONE_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    #[error("{domain} is not blocked: {why}")]
    Guarded { domain: Domain, why: String },
    #[error(
        "{domain} is not blocked: {source}; a kernel without BPF cannot tell names apart: block its addresses with \
         block_address, or let the resolver that the host asks refuse it"
    )]
    Guard { domain: Domain, source: GuardError },
    #[error("{BLOCKS_MAX} domains are blocked, the limit; undo some, or let the host's resolver hold such a list")]
    Full,
    #[error("{domain} is not blocked after the act: a question for it still left the host")]
    Unverified { domain: Domain },
}

type Result<T> = std::result::Result<T, DomainError>;

/// What is blocked, and the program for it, which the kernel took already.
pub struct Plan {
    domain: Domain,
    loaded: Loaded,
}

/// Nothing is done. `coordinators` and what `root`'s resolver makes of them can still be asked for.
pub fn plan(domain: &Domain, coordinators: &[Domain], root: &Path) -> Result<Plan> {
    let domain = domain.clone();
    if let Some(coordinator) = meant(coordinators, &searched(root)).into_iter().find(|name| domain.holds(name)) {
        return Err(DomainError::Guarded { domain, why: format!("the coordinator is {coordinator}") });
    }
    match Loaded::load() {
        Ok(loaded) => Ok(Plan { domain, loaded }),
        Err(source) => Err(DomainError::Guard { domain, source }),
    }
}

/// The names as they are, and below each domain where the host looks for them.
fn meant(names: &[Domain], searched: &[Domain]) -> Vec<Domain> {
    let below = |name: &Domain| -> Vec<Domain> {
        searched.iter().filter_map(|domain| format!("{name}.{domain}").parse().ok()).collect()
    };
    names.iter().flat_map(|name| std::iter::once(name.clone()).chain(below(name))).collect()
}

fn searched(root: &Path) -> Vec<Domain> {
    let text = std::fs::read_to_string(root.join("etc/resolv.conf")).unwrap_or_default();
    let listed = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("search" | "domain")).then_some(words)
    });
    listed.flatten().filter_map(|word| word.parse().ok()).take(SEARCH_MAX).collect()
}

/// All domains that are blocked. One program serves them; there is none while there are none.
pub struct Domains {
    scope: IsolationScope,
    /// The control group whose sockets are meant, if not all.
    group: Option<PathBuf>,
    pin: PathBuf,
    /// Each with its end, on the clock that counts since boot.
    active: BTreeMap<ActionId, (Domain, Timestamp)>,
    guard: Option<NameGuard>,
    probe: Option<Probe>,
}

impl Domains {
    /// `scope`: the network in which it is looked whether questions leave; `group`: those who ask, everybody if `None`.
    pub fn new(scope: IsolationScope, group: Option<PathBuf>, state_dir: &Path) -> Self {
        let pin = pins::of(state_dir, "_domains");
        Self { scope, group, pin, active: BTreeMap::new(), guard: None, probe: None }
    }

    /// Blocks it; gives what was done in words.
    pub fn apply(&mut self, id: ActionId, plan: Plan, lease_ms: u64) -> Result<String> {
        let Plan { domain, loaded } = plan;
        if self.active.len() >= BLOCKS_MAX && !self.active.contains_key(&id) {
            return Err(DomainError::Full);
        }
        let until = Timestamp(boot_ns()).plus_millis(lease_ms);
        // Asked for again, somebody took the program away.
        let again = self.active.insert(id, (domain.clone(), until)).is_some();
        self.look();
        let names = self.names();
        let done = match &mut self.guard {
            Some(guard) if !again => guard.set(&names),
            _ => loaded.attach(self.group.as_deref(), &self.pin, &names).map(|guard| self.guard = Some(guard)),
        };
        if done.is_ok() && self.verify(id) {
            let unpinned = self.guard.as_ref().and_then(|guard| guard.unpinned.as_ref());
            let unpinned = unpinned.map_or_else(String::new, |why| format!("; it ends with the agent's life: {why}"));
            return Ok(format!("drops what asks for {domain} or below it, for {lease_ms} ms{unpinned}"));
        }
        self.active.remove(&id);
        self.serve().map_err(|source| DomainError::Guard { domain: domain.clone(), source })?;
        Err(match done {
            Err(source) => DomainError::Guard { domain, source },
            Ok(()) => DomainError::Unverified { domain },
        })
    }

    /// Whether a question for it is dropped now.
    pub fn verify(&self, id: ActionId) -> bool {
        self.active.get(&id).is_some_and(|(domain, _)| !self.leaves(domain))
    }

    /// Ends the block; gives what was done in words.
    pub fn undo(&mut self, id: ActionId, domain: &Domain) -> Result<String> {
        let ended = self.active.remove(&id);
        if let Err(source) = self.serve() {
            // Still in force, so that the next undoing finds it.
            self.active.extend(ended.map(|ended| (id, ended)));
            return Err(DomainError::Guard { domain: domain.clone(), source });
        }
        self.look();
        Ok(match self.other(domain) {
            Some(other) => format!("{domain} stays blocked by another action on {other}"),
            None if ended.is_some() => format!("{domain} can be asked for again"),
            None => "it was no longer blocked".to_owned(),
        })
    }

    /// Whether a question for it passes, but for another action.
    pub fn verify_undone(&self, domain: &Domain) -> bool {
        let passes = || Ok::<_, std::convert::Infallible>(self.leaves(domain));
        self.other(domain).is_some() || reached(GONE_WITHIN, passes).unwrap_or(false)
    }

    /// What was in force at the start is so again; what an earlier life left beside it goes.
    pub fn settle(&mut self) {
        match &mut self.guard {
            Some(guard) => guard.settle(),
            None => name_guard::unpin(&self.pin),
        }
    }

    /// One that is blocked and holds it.
    fn other(&self, domain: &Domain) -> Option<&Domain> {
        self.active.values().map(|(other, _)| other).find(|other| other.holds(domain))
    }

    /// By asking for it; where nothing can be asked for, by what the kernel's map says.
    fn leaves(&self, domain: &Domain) -> bool {
        let denied = || self.guard.as_ref().is_some_and(|guard| guard.denies(domain, boot_ns()));
        self.probe.as_ref().and_then(|probe| probe.leaves(domain)).unwrap_or_else(|| !denied())
    }

    fn look(&mut self) {
        if self.probe.is_none() {
            self.probe = Probe::open(&self.scope);
        }
    }

    fn serve(&mut self) -> std::result::Result<(), GuardError> {
        let names = self.names();
        match &mut self.guard {
            Some(guard) if !names.is_empty() => guard.set(&names),
            _ => {
                name_guard::unpin(&self.pin);
                self.guard = None;
                Ok(())
            }
        }
    }

    /// Each domain with its end; the longest match counts, so one below another has the later end of both.
    fn names(&self) -> BTreeMap<Domain, u64> {
        let ends = |domain: &Domain| {
            let above = self.active.values().filter(|(other, _)| other.holds(domain));
            above.map(|(_, until)| until.0).max().unwrap_or_default()
        };
        self.active.values().map(|(domain, _)| (domain.clone(), ends(domain))).collect()
    }
}

#[cfg(test)]
mod tests;
