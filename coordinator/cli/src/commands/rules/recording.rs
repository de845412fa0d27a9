//! Owns: what `picket rules run` and `backtest` are given: rules, and recorded events to run them over.
//! Never: what is done with matches.

use std::path::PathBuf;

use super::replay::{self, Counts, Report};
use super::set::{self, Set};
use super::{placeholders, told};
use crate::exceptions;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Recording {
    /// Sigma rules, or folders of them (default: the rules that Picket ships)
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    rules: Vec<PathBuf>,
    /// Events: what `picket events --json` printed, JSON Lines, an array of objects, .evtx; - is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    events: Vec<PathBuf>,
    /// Values for the modifier `expand` (JSON): {"admins": ["root", "alice"]}
    #[arg(long, value_name = "FILE")]
    placeholders: Option<PathBuf>,
}

impl Recording {
    /// The rules, with what was refused told.
    pub fn load(&self) -> Result<Set, Failure> {
        let placeholders = placeholders::read(self.placeholders.as_deref())?;
        let set = set::load_with(&self.rules, &placeholders)?;
        told::aside(&set.refused);
        exceptions::tell_ended(set.detector.exceptions());
        Ok(set)
    }

    pub fn replay(&self, set: &mut Set, report: &mut impl Report) -> Result<Counts, Failure> {
        replay::replay(&mut set.detector, &self.events, report)
    }
}
