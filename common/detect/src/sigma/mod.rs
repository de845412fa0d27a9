//! Owns: Sigma rules: parse, compile, match.
//! Never: more than one event at a time; that is `correlation`.

pub mod class;
pub mod condition;
pub mod encode;
pub mod field;
pub mod glob;
pub mod header;
pub mod item;
pub mod later;
pub mod matcher;
pub mod modifier;
pub mod prefilter;
pub mod selection;
pub mod view;

#[cfg(test)]
mod tests;
