//! Owns: signed bundles, what a detection asks for, authority, budgets, verdicts, audit proofs; the only maker of `Authorized<Action>`.
//! Never: IO, a clock, wire.

pub mod audit;
pub mod autonomy;
mod budget;
pub mod bundle;
mod cedar;
mod envelope;
mod error;
mod families;
pub mod group_budget;
mod guards;
pub mod halt;
mod hostnames;
pub mod judge;
pub mod keys;
pub mod limits;
pub mod maintenance;
pub mod merkle;
mod moment;
pub mod proposal;
mod proposed;
mod protect;
pub mod quorum;
mod shipped;
pub mod signed;
pub mod windows;

pub use audit::{AuditError, Entry, Export, Head, SignedHead, verify_log};
pub use autonomy::{Autonomy, Due, Escalation, Level, QUESTION_OPEN_MS, Stage, Then, Tier, Waiting};
pub use bundle::{Bundle, Conservative, IndicatorTexts, Isolation, ListRef, Protected, RuleText};
pub use cedar::{FACTS, SCHEMA, Written, written};
pub use envelope::{Verified, accept, signed_version, verify};
pub use error::{BundleError, PolicyError};
pub use families::Families;
pub use group_budget::GroupBudget;
pub use halt::{Halt, HaltError, Held};
pub use judge::{Authority, Authorized, Grounds, Judgement, Target};
pub use keys::{KeyError, SigningKey, VerifyingKey};
pub use maintenance::{Maintenance, MaintenanceError};
pub use moment::Moment;
pub use proposed::Proposed;
pub use quorum::Group;
pub use shipped::{SHIPPED, shipped};
pub use windows::{When, Window, WindowKind};
