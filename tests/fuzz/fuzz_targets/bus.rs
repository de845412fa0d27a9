//! Owns: hostile messages of D-Bus.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| picket_agent::sensor::fuzz::bus(bytes));
