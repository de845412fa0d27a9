//! Owns: recorded detections decided anew, under the bundle in force and under a candidate, and where the two differ.
//! Never: IO, acting: what is judged here is dropped.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use picket_model::{
    Action, ActionId, ActionKind, Detection, DetectionId, HostId, Principal, Process, Reason, RuleId, Severity,
    Timestamp, VerdictKind,
};
use picket_policy::{Authority, Families, Judgement, Proposed, Target, proposal};

/// Differences of one kind (rule, action, verdicts and reasons) are told once, with how often and where.
const GROUPS_MAX: usize = 10_000;
/// Decisions that are listed one by one; the groups count them all.
const LISTED_MAX: usize = 1_000;

/// What a bundle's rule says of its detections now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Says {
    pub severity: Severity,
    pub response: Vec<String>,
}

/// A bundle, and what its rules say.
pub struct Side {
    pub authority: Authority,
    pub rules: HashMap<RuleId, Says>,
}

/// What would be decided, and by what.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Decided {
    /// The bundle has no such rule any more.
    NotDetected,
    /// Its rule asks for no such act.
    NotAsked,
    /// It was done, or asked, a moment before.
    Already,
    Verdict {
        verdict: &'static str,
        by: Vec<String>,
    },
}

/// A decision that changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    pub detection: DetectionId,
    pub host: HostId,
    pub time: Timestamp,
    pub rule: RuleId,
    pub action: &'static str,
    pub before: Decided,
    pub after: Decided,
}

/// How often one and the same change happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub rule: RuleId,
    pub action: &'static str,
    pub before: Decided,
    pub after: Decided,
    pub count: u64,
    pub hosts: u64,
}

#[derive(Default)]
pub struct Outcome {
    pub detections: u64,
    pub decisions: u64,
    pub changed: u64,
    /// The most frequent first.
    pub groups: Vec<Group>,
    /// Of those that change, the first.
    pub listed: Vec<Changed>,
}

type Key = (RuleId, &'static str, Decided, Decided);

/// Takes detections in the order of their times.
pub struct Simulation {
    before: Side,
    after: Side,
    hosts: HashMap<HostId, (Memory, Memory)>,
    groups: BTreeMap<Key, (u64, HashMap<HostId, u64>)>,
    outcome: Outcome,
}

impl Simulation {
    pub fn new(before: Side, after: Side) -> Self {
        Self { before, after, hosts: HashMap::new(), groups: BTreeMap::new(), outcome: Outcome::default() }
    }

    /// `name`: the host's, by which bundles know its tier.
    pub fn detection(&mut self, detection: &Detection, name: &str) {
        self.outcome.detections += 1;
        let (first, second) = self.hosts.entry(detection.host).or_default();
        let before = decide(&mut self.before, first, detection, name);
        let after = decide(&mut self.after, second, detection, name);
        let mut actions: Vec<&'static str> = before.acts.keys().chain(after.acts.keys()).copied().collect();
        actions.sort_unstable();
        actions.dedup();
        for action in actions {
            self.outcome.decisions += 1;
            let (before, after) = (before.of(action), after.of(action));
            if before != after {
                self.changed(detection, action, before, after);
            }
        }
    }

    fn changed(&mut self, detection: &Detection, action: &'static str, before: Decided, after: Decided) {
        self.outcome.changed += 1;
        let key = (detection.rule.clone(), action, before.clone(), after.clone());
        if self.groups.len() < GROUPS_MAX || self.groups.contains_key(&key) {
            let (count, hosts) = self.groups.entry(key).or_default();
            *count += 1;
            *hosts.entry(detection.host).or_default() += 1;
        }
        if self.outcome.listed.len() < LISTED_MAX {
            let Detection { id, host, time, rule, .. } = detection;
            let (detection, host, time, rule) = (*id, *host, *time, rule.clone());
            self.outcome.listed.push(Changed { detection, host, time, rule, action, before, after });
        }
    }

    pub fn finish(self) -> Outcome {
        let Self { groups, mut outcome, .. } = self;
        let group = |((rule, action, before, after), (count, hosts)): (Key, (u64, HashMap<HostId, u64>))| Group {
            rule,
            action,
            before,
            after,
            count,
            hosts: hosts.len() as u64,
        };
        outcome.groups = groups.into_iter().map(group).collect();
        outcome.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        outcome
    }
}

/// What one bundle makes of one detection.
struct Made {
    detected: bool,
    acts: BTreeMap<&'static str, Decided>,
}

impl Made {
    fn of(&self, action: &str) -> Decided {
        match self.acts.get(action) {
            Some(decided) => decided.clone(),
            None if self.detected => Decided::NotAsked,
            None => Decided::NotDetected,
        }
    }
}

/// What a host remembers of what went before.
#[derive(Default)]
struct Memory {
    families: Families,
    proposed: Proposed,
}

/// As the host would: families are counted whether or not the rule asks for anything.
fn decide(side: &mut Side, memory: &mut Memory, recorded: &Detection, name: &str) -> Made {
    let Some(says) = side.rules.get(&recorded.rule) else {
        return Made { detected: false, acts: BTreeMap::new() };
    };
    let mut detection = recorded.clone();
    detection.severity = says.severity;
    detection.response.clone_from(&says.response);
    let families = memory.families.count(&detection);
    let mut acts = BTreeMap::new();
    for kind in proposal::kinds(&detection) {
        let word = kind.word();
        let decided = if memory.proposed.acted(&kind, detection.time) {
            Decided::Already
        } else {
            let judgement = judge(&mut side.authority, kind, (&detection, name), families);
            let is_news = memory.proposed.take(&judgement, detection.time);
            if is_news { said(judgement) } else { Decided::Already }
        };
        acts.insert(word, decided);
    }
    Made { detected: true, acts }
}

fn judge(
    authority: &mut Authority,
    kind: ActionKind,
    (detection, name): (&Detection, &str),
    families: u32,
) -> Judgement {
    let now = detection.time;
    let acting = detection.event.process.as_deref();
    let account = acting.map_or_else(String::new, |process| process.user.clone());
    let target = Target { host: name.to_owned(), account, ..target(&kind, acting) };
    let action = Action {
        id: ActionId::from_bytes(*detection.id.as_bytes()),
        host: detection.host,
        reason: Reason {
            principal: Principal::Agent,
            detection: Some(detection.id),
            rule: Some(detection.rule.clone()),
            severity: detection.severity.number(),
            incident: None,
            families,
            drill: detection.event.process.as_ref().is_some_and(|process| process.drill),
            note: detection.title.clone(),
        },
        lease_ms: authority.bundle().action_lease_ms(&kind),
        kind,
        requested: now,
    };
    authority.judge(action, &target, now)
}

fn said(judgement: Judgement) -> Decided {
    let (Judgement::ActNow(_, grounds) | Judgement::Ask(_, grounds) | Judgement::OutOfScope(_, grounds)) = judgement;
    let mut by = grounds.decided_by;
    if grounds.verdict == VerdictKind::Ask {
        by.extend(grounds.escalation.map(|path| format!("escalation: {path}")));
    }
    Decided::Verdict { verdict: grounds.verdict.word(), by }
}

/// What the record says of whom the act hits. Whether the process saw the host's own files is not in it.
fn target(kind: &ActionKind, acting: Option<&Process>) -> Target {
    let exe = acting.map(|process| process.exe.clone()).unwrap_or_default();
    match kind {
        ActionKind::KillTree { target: key } | ActionKind::SuspendProcess { target: key } => Target {
            pid: Some(key.pid),
            exe,
            uid: acting.map_or(0, |process| process.uid),
            group: acting.map_or_else(String::new, |process| process.cgroup.clone()),
            guards: (key.pid <= 1).then_some("the first process"),
            ..Target::default()
        },
        ActionKind::QuarantineFile { path, .. } => Target { path: path.clone(), ..Target::default() },
        ActionKind::DenyExecution { within, .. } => Target { path: within.clone().unwrap_or(exe), ..Target::default() },
        // Neither a process nor a file of the detection.
        _ => Target::default(),
    }
}
