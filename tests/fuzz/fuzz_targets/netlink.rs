//! Owns: hostile messages of the proc connector, of sock_diag and of fanotify.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| picket_agent::sensor::fuzz::netlink(bytes));
