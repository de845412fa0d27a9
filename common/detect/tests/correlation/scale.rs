//! Owns: floods, memory and speed.
//! Never: what correlations mean.
