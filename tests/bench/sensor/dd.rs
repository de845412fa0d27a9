//! Owns: what watching costs a program that does nothing but small system calls.
//! Never: the disk: files stay in the page cache.

use std::path::Path;
use std::process::{Command, Stdio};

use super::host::Host;
use super::{Watcher, alternating, ratio, said};
use crate::numbers::children_cpu_ms;

const ROUNDS: usize = 7;

pub fn run() {
    let mut host = Host::new();
    let (from, to) = (host.folder().join("from"), host.folder().join("to"));
    copy(Path::new("/dev/zero"), &from, 65_536);
    copy(&from, &to, 65_536);
    let kinds: [(&str, &Path, &Path, u32, u32); 2] = [
        ("/dev/zero to /dev/null", Path::new("/dev/zero"), Path::new("/dev/null"), 4_000_000, 1),
        ("file to file, page cache", &from, &to, 65_536, 8),
    ];
    for (what, from, to, blocks, times) in kinds {
        let samples = alternating(&mut host, ROUNDS, |_| {
            let before = children_cpu_ms();
            (0..times).for_each(|_| copy(from, to, blocks));
            children_cpu_ms() - before
        });
        println!(
            "dd of 4 KiB blocks, {what}, processor time with to without, median of {ROUNDS}: Picket {}, auditd {}",
            said(ratio(&samples, Watcher::Picket)),
            said(ratio(&samples, Watcher::Auditd))
        );
    }
}

fn copy(from: &Path, to: &Path, blocks: u32) {
    let mut command = Command::new("dd");
    command.arg(format!("if={}", from.display())).arg(format!("of={}", to.display())).arg(format!("count={blocks}"));
    let done = command.args(["bs=4096", "conv=notrunc"]).stderr(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "dd runs");
}
