//! Owns: what every bundle must keep, each in words and as a Cedar condition on what may be permitted.
//! Never: proving it. What Rust sees to after Cedar (what is spent, what a kill leaves out) is tested there, not claimed here.

use picket_model::Nature;
use picket_policy::limits::LEASE_ACTION_MS_MAX;
use picket_policy::{Bundle, Conservative};

/// Whom an invariant binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Anyone,
    /// The agent and the coordinator at their own word.
    Picket,
}

/// What an invariant is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// Doing it at once.
    Acting,
    /// Doing it or asking for it.
    Permitting,
}

#[derive(Clone, Debug)]
pub enum Claim {
    /// Of everything permitted this holds.
    Holds(String),
    /// What is permitted after the bundle's lease is permitted before it too.
    NoMoreAfterTheLease,
}

#[derive(Clone, Debug)]
pub struct Invariant {
    pub id: &'static str,
    /// For people, as a sentence without its full stop.
    pub says: &'static str,
    pub who: Who,
    pub of: Of,
    pub concerns: fn(&Nature) -> bool,
    pub claim: Claim,
}

/// That a policy cannot fail is asked of each policy by itself.
pub const NEVER_FAILS: (&str, &str) =
    ("never-fails", "no policy fails while it is evaluated, which would refuse everything it is asked about");

fn holds(
    id: &'static str,
    says: &'static str,
    (who, of): (Who, Of),
    concerns: fn(&Nature) -> bool,
    condition: impl Into<String>,
) -> Invariant {
    Invariant { id, says, who, of, concerns, claim: Claim::Holds(condition.into()) }
}

const fn all(_: &Nature) -> bool {
    true
}

fn on_processes(nature: &Nature) -> bool {
    matches!(nature.radius.word(), "process" | "tree")
}

const fn undoable(nature: &Nature) -> bool {
    nature.undoable
}

fn isolating(nature: &Nature) -> bool {
    nature.word == "isolate_host"
}

const EVERYBODY: (Who, Of) = (Who::Anyone, Of::Permitting);
const ALONE: (Who, Of) = (Who::Picket, Of::Acting);

/// The invariants that this bundle must keep; some follow from its own settings.
pub fn of(bundle: &Bundle) -> Vec<Invariant> {
    let mut invariants = vec![
        holds(
            "first-process",
            "pid 1 is neither killed nor suspended, at nobody's word",
            EVERYBODY,
            on_processes,
            "context.pid >= 2",
        ),
        holds(
            "protected",
            "what is protected, by nature or by the bundle's list, is out of everybody's reach",
            EVERYBODY,
            all,
            "!context.protected",
        ),
        holds(
            "expiry",
            "no act that can be taken back is without an end, and none lasts longer than 31 days",
            EVERYBODY,
            undoable,
            format!("context.lease_ms >= 1 && context.lease_ms <= {LEASE_ACTION_MS_MAX}"),
        ),
        holds(
            "drill-spares-the-host",
            "Picket does not cut off a host because of a drill, nor ask to",
            (Who::Picket, Of::Permitting),
            isolating,
            r#"!(context.drill && context.scope == "host")"#,
        ),
        holds(
            "evidence",
            "Picket does nothing alone without a detection of some severity from at least one family of sensors",
            ALONE,
            all,
            "context.severity >= 1 && context.families >= 1",
        ),
        holds(
            "two-families",
            "Picket does not isolate a host alone on one family of evidence",
            ALONE,
            isolating,
            r#"context.scope != "host" || context.families >= 2"#,
        ),
        holds("budget", "Picket does nothing alone beyond its budget", ALONE, all, "context.budget_left >= 1"),
        holds("halted", "Picket does nothing alone while autonomy is halted", ALONE, all, "!context.halted"),
        Invariant {
            id: "after-lease-acts-less",
            says: "what may be done after the bundle's lease may be done before it too",
            who: Who::Anyone,
            of: Of::Acting,
            concerns: all,
            claim: Claim::NoMoreAfterTheLease,
        },
        Invariant {
            id: "after-lease-asks-less",
            says: "what may be asked for after the bundle's lease may be asked for or done before it too",
            who: Who::Anyone,
            of: Of::Permitting,
            concerns: all,
            claim: Claim::NoMoreAfterTheLease,
        },
    ];
    invariants.extend(match bundle.conservative {
        Conservative::Unchanged => None,
        Conservative::Ask => {
            let says = "after the bundle's lease Picket does nothing alone";
            Some(holds("after-lease", says, ALONE, all, "!context.conservative"))
        }
        Conservative::Watch => {
            let says = "after the bundle's lease nothing is done and nothing is asked, at nobody's word";
            Some(holds("after-lease", says, EVERYBODY, all, "!context.conservative"))
        }
    });
    invariants
}
