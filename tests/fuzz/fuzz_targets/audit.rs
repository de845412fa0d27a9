//! Owns: hostile datagrams of the kernel audit.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| picket_agent::sensor::fuzz::audit(bytes));
