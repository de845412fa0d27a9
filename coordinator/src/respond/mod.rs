//! Owns: plan (pure), approve, execute (no choices).
//! Never: skipping policy.

pub mod approve;
mod groups;
mod ledger;
pub mod plan;
pub mod recovery;
pub mod remedy;

#[cfg(test)]
mod tests;

pub use approve::{Answer, ApproveError, Question};
pub use groups::{Bound, Groups, Spent};
pub use ledger::{Ledger, Paid, WINDOW_MS};
pub use plan::{Case, HostEvidence, Known, Plan, Session, Withheld, plan};
