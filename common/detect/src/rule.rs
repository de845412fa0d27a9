//! Owns: what is known of a rule besides how it matches, and what a match hands over.
//! Never: matching.

use std::sync::Arc;

use picket_model::{Detection, DetectionId, Event, Evidence, HostId, RuleId, SensorFamily, Severity, Timestamp};

use crate::inventory::Inventory;

/// A Sigma document (or several, parted by `---`) with the name by which errors speak of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSource {
    pub file: String,
    pub text: String,
}

/// Whose events a correlation brings together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// Those of one host, on that host.
    #[default]
    Host,
    /// Those of all hosts, at the coordinator.
    Estate,
}

/// The host that an event is of, as far as the caller knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventHost<'h> {
    pub id: Option<HostId>,
    /// What rules see as `HostName`; empty where it is not known.
    pub name: &'h str,
}

/// One compiled rule, correlation or kind of indicator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Sigma's `name` where there is one, else its `id`.
    pub id: RuleId,
    /// Sigma's `id`, a UUID; empty where the document has only a name.
    pub uuid: String,
    pub title: String,
    pub description: String,
    pub severity: Severity,
    /// ATT&CK technique ids: `T1059.004`.
    pub techniques: Vec<String>,
    /// ATT&CK tactics as Sigma writes them: `persistence`.
    pub tactics: Vec<String>,
    pub falsepositives: Vec<String>,
    pub family: SensorFamily,
    /// What to contain with, in order of preference: words of `ActionKind::word`.
    pub response: Vec<String>,
    pub file: String,
    /// The log sources of which it looks at events: `linux/process_creation`, `sshd`. Of a correlation those of its rules.
    pub data_sources: Vec<String>,
    /// Only feeds correlations; never reported by itself.
    pub silent: bool,
    /// Of a correlation; rules are of the host that the event is of.
    pub scope: Scope,
    /// Sigma's word for how ripe the rule is; empty where the document has none.
    pub status: String,
    /// Foreign rules have none.
    pub inventory: Option<Inventory>,
}

/// A rule that an event completed, with the fields that it matched on.
#[derive(Clone, Debug)]
pub struct Hit {
    pub rule: Arc<Rule>,
    pub evidence: Vec<Evidence>,
    /// Of a correlation the event that completed it, which may have been observed before; else it is the event at hand.
    pub subject: Option<Subject>,
}

impl Hit {
    /// What is told of it: of `event` on `host`.
    #[must_use]
    pub fn into_detection(self, id: DetectionId, host: HostId, event: &Event) -> Detection {
        let rule = &self.rule;
        Detection {
            id,
            host,
            time: event.time,
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity,
            techniques: rule.techniques.clone(),
            tactics: rule.tactics.clone(),
            family: rule.family,
            evidence: self.evidence,
            response: rule.response.clone(),
            event: event.clone(),
            lineage: event.process.iter().flat_map(|process| process.ancestors()).cloned().collect(),
        }
    }
}

/// The event that a hit is about.
#[derive(Clone, Debug)]
pub enum Subject {
    Event {
        event: Arc<Event>,
        host: Option<HostId>,
        /// Which it is of all that were observed, from 0.
        number: u64,
    },
    /// Of others: which it is of all that were observed, and when it happened.
    Foreign { number: u64, time: Timestamp },
}

impl Subject {
    /// Which event it is of all that were observed, from 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Event { number, .. } | Self::Foreign { number, .. } => *number,
        }
    }

    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Event { event, .. } => event.time,
            Self::Foreign { time, .. } => *time,
        }
    }
}

/// A Sigma filter in force: something that rules leave out, until a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exception {
    pub title: String,
    pub file: String,
    pub line: usize,
    /// Why it is made, and who answers for it; empty in filters of others, which need neither.
    pub reason: String,
    pub owner: String,
    /// From here on, by the time of events, it leaves nothing out.
    pub until: Option<Timestamp>,
    /// The rules that it is put on.
    pub rules: Vec<RuleId>,
}

impl Exception {
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// `2027-01-31`, the first day on which it leaves nothing out; `-` where it has none.
    #[must_use]
    pub fn day(&self) -> String {
        self.until.map_or_else(|| "-".to_owned(), |until| until.to_string().chars().take(10).collect())
    }

    /// What is to be done about one that has ended.
    #[must_use]
    pub fn said_ended(&self) -> String {
        let Self { file, line, title, owner, .. } = self;
        let owner = if owner.is_empty() { "its author" } else { owner };
        let day = self.day();
        format!(
            "{file}:{line}: the exception `{title}` ended on {day} and leaves nothing out any more; ask {owner}, or remove it"
        )
    }
}
