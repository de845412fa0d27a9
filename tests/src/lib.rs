//! Owns: the test harness: starting real coordinators and agents in directories of their own.
//! Never: product code.
