//! Owns: measuring the whole loop on this machine and printing the figures; `packaging/bench.sh` runs it.
//! Never: judging them: a slow machine fails no test here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot run says so by panicking"
)]

mod connections;
mod ingest;
mod latency;
mod load;
mod numbers;

use std::io::Write;

const PARTS: [(&str, fn()); 4] =
    [("latency", latency::run), ("load", load::run), ("ingest", ingest::run), ("connections", connections::run)];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for name in &wanted {
        assert!(
            PARTS.iter().any(|(part, _)| part == name),
            "unknown part {name}; there are {:?}",
            PARTS.map(|(part, _)| part)
        );
    }
    for (name, run) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|want| want == name) {
            println!("== {name}");
            run();
            let _ = std::io::stdout().flush();
        }
    }
}
