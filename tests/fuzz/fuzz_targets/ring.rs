//! Owns: hostile records of the kernel rings and of the watch over the agent.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| picket_agent::sensor::fuzz::ring(bytes));
