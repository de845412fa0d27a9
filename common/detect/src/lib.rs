//! Owns: Sigma (parse, compile, match), correlations, indicators and the shipped rule pack in `rules/`.
//! Never: IO, a clock, acting on a hit.

mod compile;
mod correlation;
mod detector;
mod error;
pub mod foreign;
mod indicator;
mod interest;
mod inventory;
mod network;
mod pack;
pub mod play;
mod rule;
mod sigma;
mod source;
mod yaml;

#[cfg(test)]
mod tests;

pub use compile::{Options, Targets};
pub use correlation::{CorrelationLimits, LostWindows};
pub use detector::{Detector, Lenient};
pub use error::RuleError;
pub use indicator::{Gathering, IndicatorSource, Indicators, ListError, ListKind, ListReader, ListWriter};
pub use inventory::{Inventory, ResponseClass, Tier, Volume};
pub use pack::{pack, pack_tests, yara_pack};
pub use rule::{EventHost, Exception, Hit, Rule, RuleSource, Scope, Subject};
pub use sigma::binding::Placeholders;
pub use sigma::record::{FieldId, Record, Text};
pub use sigma::schema::Schema;
