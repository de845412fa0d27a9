//! Owns: the agent's memory and CPU at rest and under a build, and what it costs the build, in alternating pairs.
//! Never: one long run with and one without: the machine is shared, and drifts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_tests::estate::Estate;
use picket_tests::eventually;

use crate::numbers::{cpu_ms, percentile, pid_of, resident_kib};

const REST: Duration = Duration::from_secs(30);
const PAIRS: usize = 7;
/// Small compilations: processes, headers read and objects written, as a build of many files has them.
const UNITS: usize = 60;

pub fn run() {
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for unit in 0..UNITS {
        let text = format!(
            "#include <stdio.h>\n#include <stdlib.h>\nint f{unit}(int x) {{ return printf(\"%d\", x) + rand(); }}\n"
        );
        std::fs::write(folder.path().join(format!("u{unit}.c")), text).unwrap();
    }
    build(folder.path());

    let exe = estate.root().join("bin/picket-agent");
    let (mut ratios, mut built) = (Vec::new(), (0, 0));
    for pair in 0..PAIRS {
        let without = build(folder.path());
        estate.start_agent().unwrap();
        let pid = pid_of(&exe);
        settle(pid);
        if pair == 0 {
            rest(pid);
        }
        let before = cpu_ms(pid);
        let with = build(folder.path());
        built = (built.0 + cpu_ms(pid) - before, built.1 + with.as_millis() as u64);
        ratios.push((with.as_secs_f64() / without.as_secs_f64() * 10_000.0) as u64);
        if pair + 1 == PAIRS {
            println!("agent after the builds: {:.1} MiB resident", resident_kib(pid) as f64 / 1024.0);
        }
        estate.kill_agent();
    }
    println!("agent under the build: {:.1}% of one core", built.0 as f64 / built.1 as f64 * 100.0);
    println!(
        "build with the agent to build without, {PAIRS} alternating pairs: median {:.3}",
        percentile(&mut ratios, 50) as f64 / 10_000.0
    );
}

/// Starting costs once: processes that run already are read and hashed. Waits until a second passes almost without work.
fn settle(pid: u32) {
    let quiet = eventually(Duration::from_secs(60), || {
        let before = cpu_ms(pid);
        std::thread::sleep(Duration::from_secs(1));
        (cpu_ms(pid) - before <= 20).then_some(())
    });
    assert!(quiet.is_some(), "the agent does not come to rest");
}

fn rest(pid: u32) {
    let (cpu, begun) = (cpu_ms(pid), Instant::now());
    std::thread::sleep(REST);
    println!(
        "agent at rest: {:.1} MiB resident, {:.2}% of one core over {:.0} s",
        resident_kib(pid) as f64 / 1024.0,
        (cpu_ms(pid) - cpu) as f64 / begun.elapsed().as_millis() as f64 * 100.0,
        begun.elapsed().as_secs_f64()
    );
}

/// Two compilations at a time, as `make -j2` would.
fn build(folder: &Path) -> Duration {
    let begun = Instant::now();
    for first in (0..UNITS).step_by(2) {
        let children: Vec<_> = [first, first + 1]
            .map(|unit| {
                Command::new("cc")
                    .args(["-O2", "-c", &format!("u{unit}.c"), "-o", &format!("u{unit}.o")])
                    .current_dir(folder)
                    .stdin(Stdio::null())
                    .spawn()
                    .expect("cc is installed")
            })
            .into();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
    begun.elapsed()
}
