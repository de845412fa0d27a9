//! Owns: one file per command, all of one shape: `Args`, `run`, a table.
//! Never: a command that another command calls.

pub mod acknowledge;
pub mod actions;
mod answer;
pub mod approve;
pub mod audit;
pub mod close;
pub mod contain;
pub mod deny;
pub mod detections;
mod event_line;
pub mod events;
pub mod host;
pub mod hosts;
pub mod incident;
pub mod incidents;
pub mod isolate;
pub mod policy;
pub mod recover;
pub mod release;
pub mod remediate;
pub mod report;
pub mod revoke;
pub mod rules;
pub mod scan;
pub mod status;
pub mod token;
pub mod undo;
