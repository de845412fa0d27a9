//! Owns: Sigma rules: parse, compile, match.
//! Never: more than one event at a time; that is `correlation`.

pub mod audited;
pub mod binding;
pub mod class;
pub mod condition;
pub mod date;
pub mod detection;
pub mod encode;
pub mod expression;
pub mod field;
pub mod filter;
pub mod glob;
pub mod hash;
pub mod header;
pub mod item;
pub mod later;
pub mod matcher;
pub mod modifier;
pub mod native;
pub mod needs;
pub mod placeholder;
pub mod prefilter;
pub mod record;
pub mod schema;
pub mod selection;
pub mod texts;
pub mod value;
pub mod view;

#[cfg(test)]
mod tests;
