//! Owns: measuring detection on logs and on live events: Picket beside rsigma-eval, in the same run.
//! Never: judging the figures; docs/BENCHMARKS.md does.

mod classes;
mod data;
mod differences;
mod indicators;
mod live;
mod pairs;
mod peer;
mod stream;

pub use stream::one;

pub const PARTS: [(&str, fn()); 5] = [
    ("detect-stream", stream::run),
    ("detect-live", live::run),
    ("detect-sample", differences::on_the_sample),
    ("detect-pairs", differences::on_pairs),
    ("detect-indicators", indicators::run),
];
