//! Owns: cases for tests, which stop at a slip.
//! Never: the language itself; that is `crate::play`.

pub use crate::play::Cases;

pub fn cases(file: &str, text: &str) -> Cases {
    crate::play::parse(file, text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}
