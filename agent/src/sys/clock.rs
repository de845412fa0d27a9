//! Owns: kernel clocks and their relation to wall time.
//! Never: policy about time.
