//! Owns: plan (pure), approve, execute (no choices).
//! Never: skipping policy.
