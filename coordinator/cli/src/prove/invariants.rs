//! Owns: what every bundle must keep, each in words and as a Cedar condition on what may be permitted.
//! Never: proving it. What Rust sees to after Cedar (what is spent, what a kill leaves out) is tested there, not claimed here.

use picket_model::{ActionKind, Nature};
use picket_policy::limits::LEASE_ACTION_MS_MAX;
use picket_policy::{Bundle, Conservative, Escalation, Level, Then, Tier};

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
    pub concerns: Concerns,
    pub claim: Claim,
}

#[derive(Clone, Copy, Debug)]
pub enum Concerns {
    Every,
    Processes,
    Undoable,
    Word(&'static str),
}

impl Concerns {
    pub fn has(self, nature: &Nature) -> bool {
        match self {
            Self::Every => true,
            Self::Processes => matches!(nature.radius.word(), "process" | "tree"),
            Self::Undoable => nature.undoable,
            Self::Word(word) => nature.word == word,
        }
    }
}

/// That a policy cannot fail is asked of each policy by itself.
pub const NEVER_FAILS: (&str, &str) =
    ("never-fails", "no policy fails while it is evaluated, which would refuse everything it is asked about");

fn holds(
    id: &'static str,
    says: &'static str,
    (who, of): (Who, Of),
    concerns: Concerns,
    condition: impl Into<String>,
) -> Invariant {
    Invariant { id, says, who, of, concerns, claim: Claim::Holds(condition.into()) }
}

const ISOLATING: Concerns = Concerns::Word("isolate_host");
const EVERYBODY: (Who, Of) = (Who::Anyone, Of::Permitting);
const ALONE: (Who, Of) = (Who::Picket, Of::Acting);

/// The invariants that this bundle must keep; some follow from its own settings.
pub fn of(bundle: &Bundle) -> Vec<Invariant> {
    let mut invariants = vec![
        holds(
            "first-process",
            "pid 1 is neither killed nor suspended, at nobody's word",
            EVERYBODY,
            Concerns::Processes,
            "context.pid >= 2",
        ),
        holds(
            "protected",
            "what is protected, by nature or by the bundle's list, is out of everybody's reach",
            EVERYBODY,
            Concerns::Every,
            "!context.protected",
        ),
        holds(
            "expiry",
            "no act that can be taken back is without an end, and none lasts longer than 31 days",
            EVERYBODY,
            Concerns::Undoable,
            format!("context.lease_ms >= 1 && context.lease_ms <= {LEASE_ACTION_MS_MAX}"),
        ),
        holds(
            "drill-spares-the-host",
            "Picket does not cut off a host because of a drill, nor ask to",
            (Who::Picket, Of::Permitting),
            ISOLATING,
            r#"!(context.drill && context.scope == "host")"#,
        ),
        holds(
            "evidence",
            "Picket does nothing alone without a detection of some severity from at least one family of sensors",
            ALONE,
            Concerns::Every,
            "context.severity >= 1 && context.families >= 1",
        ),
        holds(
            "two-families",
            "Picket does not isolate a host alone on one family of evidence",
            ALONE,
            ISOLATING,
            r#"context.scope != "host" || context.families >= 2"#,
        ),
        holds(
            "budget",
            "Picket does nothing alone beyond its budget",
            ALONE,
            Concerns::Every,
            "context.budget_left >= 1",
        ),
        holds(
            "halted",
            "Picket does nothing alone while autonomy is halted",
            ALONE,
            Concerns::Every,
            "!context.halted",
        ),
        holds(
            "lasting",
            "Picket does nothing alone that cannot be taken back, but for a kill",
            ALONE,
            Concerns::Every,
            "context.undoable || context.radius == \"tree\"",
        ),
        holds(
            "account-budget",
            "Picket does nothing alone beyond what one account may set off",
            ALONE,
            Concerns::Every,
            "context.account_budget_left >= 1",
        ),
        holds(
            "quorum",
            "Picket cuts off no host alone whose group may need it",
            ALONE,
            ISOLATING,
            r#"context.scope != "host" || context.quorum_left >= 1"#,
        ),
        holds(
            "freeze",
            "Picket does nothing alone in a change freeze",
            ALONE,
            Concerns::Every,
            "context.freeze_ms_left < 1",
        ),
        holds(
            "maintenance",
            "Picket does nothing alone while people work on the host",
            ALONE,
            Concerns::Every,
            "context.maintenance_ms_left < 1",
        ),
        Invariant {
            id: "after-lease-acts-less",
            says: "what may be done after the bundle's lease may be done before it too",
            who: Who::Anyone,
            of: Of::Acting,
            concerns: Concerns::Every,
            claim: Claim::NoMoreAfterTheLease,
        },
        Invariant {
            id: "after-lease-asks-less",
            says: "what may be asked for after the bundle's lease may be asked for or done before it too",
            who: Who::Anyone,
            of: Of::Permitting,
            concerns: Concerns::Every,
            claim: Claim::NoMoreAfterTheLease,
        },
    ];
    invariants.extend(autonomy(bundle));
    invariants.extend(match bundle.conservative {
        Conservative::Unchanged => None,
        Conservative::Ask => {
            let says = "after the bundle's lease Picket does nothing alone";
            Some(holds("after-lease", says, ALONE, Concerns::Every, "!context.conservative"))
        }
        Conservative::Watch => {
            let says = "after the bundle's lease nothing is done and nothing is asked, at nobody's word";
            Some(holds("after-lease", says, EVERYBODY, Concerns::Every, "!context.conservative"))
        }
    });
    invariants
}

/// What the bundle's own settings of autonomy promise.
fn autonomy(bundle: &Bundle) -> Vec<Invariant> {
    let settings = &bundle.autonomy;
    let mut invariants = Vec::new();
    if settings.approve_everything {
        let says = "Picket does nothing alone: the bundle says approve_everything";
        invariants.push(holds("approve-everything", says, ALONE, Concerns::Every, "false"));
    }
    if !settings.out_of_scope.is_empty() {
        let says = "on hosts out of scope nothing is done and nothing asked, at nobody's word";
        invariants.push(holds("out-of-scope", says, EVERYBODY, Concerns::Every, "!context.out_of_scope"));
    }
    for tier in &settings.tiers {
        invariants.extend(ActionKind::ALL.iter().filter_map(|nature| level(tier, nature.word)));
    }
    invariants
}

/// One cell of the matrix; those that allow everything promise nothing.
fn level(tier: &Tier, word: &'static str) -> Option<Invariant> {
    const ID: &str = "autonomy";
    const SAYS: &str = "Picket goes no further by itself than the level that the action and the host's tier have";
    let elsewhere = format!("context.tier != {:?}", tier.name);
    let (bound, condition) = match (tier.level(word), &tier.escalation) {
        (Level::Observe | Level::Suggest, _) => ((Who::Picket, Of::Permitting), elsewhere),
        // Only once everybody on the path had their time.
        (Level::Approve, Some(path @ Escalation { then: Then::Act, .. })) => {
            (ALONE, format!("{elsewhere} || context.waited_ms >= {}", path.total_ms()))
        }
        (Level::Approve, _) => (ALONE, elsewhere),
        (Level::ActAndEscalate, Some(path)) => {
            (ALONE, format!("{elsewhere} || !context.undoable || context.lease_ms <= {}", path.total_ms()))
        }
        (Level::Act | Level::ActAndEscalate, _) => return None,
    };
    Some(holds(ID, SAYS, bound, Concerns::Word(word), condition))
}
