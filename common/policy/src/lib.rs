//! Owns: signed bundles, authority, budgets, verdicts; the only maker of Authorized<Action>.
//! Never: IO, wire.
