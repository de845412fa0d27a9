//! Owns: YARA: rules compiled with positions for their errors, what their metadata means here, scanning bytes with them.
//! Never: IO, a clock, choosing what is scanned; `yara_x` is named nowhere else.

mod compile;
pub mod limits;
mod meta;
mod nesting;
mod scan;
#[cfg(test)]
mod tests;

pub use compile::{Compiled, compile};
pub use meta::{YaraRule, is_on_process};
pub use scan::{Found, MatchedString, Memory, Rules, Unusable, prepare};
