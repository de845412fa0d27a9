//! Owns: what rights the running agent and its workers have, as the kernel shows them.
//! Never: what they do with them.

use std::fs;
use std::time::Duration;

use picket_tests::{eventually, is_root, marked};

/// Bits of the capabilities in docs/OPERATING.md.
const KEPT: [u32; 21] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 19, 21, 23, 24, 30, 31, 34, 37, 38, 39];

fn status(pid: u32, label: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default().trim().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

#[test]
fn the_agent_and_its_workers_have_the_rights_they_need_and_no_more() {
    if !is_root() {
        println!("skipped: the agent needs root");
        return;
    }
    let estate = marked::estate("picket-e2e-rights").unwrap();
    let agent = estate.agent_pid().unwrap();
    let kept: u64 = KEPT.iter().map(|bit| 1u64 << bit).sum();
    for task in fs::read_dir(format!("/proc/{agent}/task")).unwrap().flatten() {
        let thread = task.file_name().to_string_lossy().parse().unwrap();
        for label in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(u64::from_str_radix(&status(thread, label), 16).unwrap() & !kept, 0, "{label} of {thread}");
        }
        assert_eq!((status(thread, "NoNewPrivs:"), status(thread, "Seccomp:")), ("1".into(), "2".into()));
    }
    let workers = || children(agent).into_iter().filter(|pid| status(*pid, "Uid:").starts_with("65534")).count();
    assert!(eventually(Duration::from_secs(20), || (workers() == 2).then_some(())).is_some(), "{}", estate.logs());
    for worker in children(agent).into_iter().filter(|pid| status(*pid, "Uid:").starts_with("65534")) {
        assert_eq!(status(worker, "CapBnd:"), "0000000000000000");
        assert_eq!(status(worker, "Seccomp:"), "2");
    }
}
