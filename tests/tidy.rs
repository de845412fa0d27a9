//! Owns: the house rules that a compiler does not check: who may import whom, headers, file length, the fence
//! around `unsafe`, and that the drawing in docs/ARCHITECTURE.md names every part there is.
//! Never: style that rustfmt or clippy already decide.

#![allow(clippy::unwrap_used, reason = "a test says what it missed by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// What a part may not name. A stage is reached through `run.rs` alone; types pass through picket-model.
struct Fence {
    folder: &'static str,
    forbidden: &'static [&'static str],
}

const AGENT_STAGES: [&str; 7] = ["sensor", "normalize", "detect", "scan", "decide", "contain", "report"];
const COORDINATOR_STAGES: [&str; 10] =
    ["ingest", "identity", "graph", "correlate", "respond", "rollout", "simulate", "verify", "audit", "api"];

/// The exceptions that the design names: correlate reads the graph; ingest is where certificates are checked.
const ALLOWED_PAIRS: [(&str, &str); 2] = [("correlate", "graph"), ("ingest", "identity")];

const FENCES: &[Fence] = &[
    Fence {
        folder: "common/model",
        forbidden: &[
            "std::fs",
            "std::net::Tcp",
            "SystemTime",
            "Instant::now",
            "postcard",
            "picket_wire",
            "picket_policy",
            "picket_detect",
        ],
    },
    Fence { folder: "common/wire", forbidden: &["tokio", "quinn", "std::fs", "picket_policy", "picket_detect"] },
    Fence {
        folder: "common/policy",
        forbidden: &["tokio", "std::fs", "std::net::Tcp", "picket_wire", "SystemTime::now"],
    },
    Fence {
        folder: "common/detect/src",
        forbidden: &["tokio", "std::fs", "std::net::Tcp", "picket_wire", "picket_policy", "SystemTime::now"],
    },
    Fence {
        folder: "common/yara",
        forbidden: &["tokio", "std::net", "SystemTime", "Instant::now", "picket_wire", "picket_policy"],
    },
    // Whatever reads hostile files with it is confined; what comes of it is told in words of ours.
    Fence { folder: "agent", forbidden: &["yara_x"] },
    Fence { folder: "coordinator", forbidden: &["yara_x"] },
    Fence { folder: "agent/src/decide", forbidden: &["quinn::", "nix::", "SystemTime::now"] },
    Fence {
        folder: "agent/src/worker",
        forbidden: &[
            "crate::sensor",
            "crate::normalize",
            "crate::detect",
            "crate::decide",
            "crate::contain",
            "crate::report",
            "std::net",
            "picket_policy",
        ],
    },
    Fence { folder: "coordinator/src/correlate", forbidden: &["redb::", "tokio::", "SystemTime::now", "std::fs"] },
    Fence { folder: "coordinator/src/rollout", forbidden: &["redb::", "tokio::", "SystemTime::now", "std::fs"] },
    Fence { folder: "coordinator/src/simulate", forbidden: &["redb::", "tokio::", "SystemTime::now", "std::fs"] },
    Fence { folder: "coordinator/src/graph", forbidden: &["redb::", "SystemTime::now", "std::fs"] },
    Fence {
        folder: "coordinator/src/respond/plan.rs",
        forbidden: &["redb::", "tokio::", "SystemTime::now", "std::fs"],
    },
];

/// Lines above which a file is looked at for its second idea; a longer one is listed here with its reason.
const LINES_MAX: usize = 400;
const LONGER_WITH_REASON: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn files_below(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    if folder.is_file() {
        found.push(folder.to_path_buf());
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                files_below(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn sources(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files_below(&root.join(folder), endings, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().display().to_string(), text)
        })
        .collect()
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Code without its comments: a fence is about what runs.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.starts_with("tests/")
}

#[test]
fn stages_meet_only_in_run() {
    let mut complaints = Vec::new();
    for (part, stages) in [("agent", &AGENT_STAGES[..]), ("coordinator", &COORDINATOR_STAGES[..])] {
        for stage in stages {
            for (name, text) in sources(&format!("{part}/src/{stage}"), &[".rs"]) {
                if is_test_file(&name) {
                    continue;
                }
                for (line, code) in code_lines(&text) {
                    for other in stages.iter().filter(|other| *other != stage) {
                        if ALLOWED_PAIRS.contains(&(stage, other)) {
                            continue;
                        }
                        if code.contains(&format!("crate::{other}::")) || code.contains(&format!("crate::{other};")) {
                            complaints.push(format!(
                                "{name}:{line}: {stage} imports {other}; pass a picket_model type through run.rs instead"
                            ));
                        }
                    }
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn parts_keep_to_their_side() {
    let mut complaints = Vec::new();
    for fence in FENCES {
        for (name, text) in sources(fence.folder, &[".rs"]) {
            if is_test_file(&name) {
                continue;
            }
            for (line, code) in code_lines(&text) {
                for word in fence.forbidden.iter().filter(|word| code.contains(**word)) {
                    complaints.push(format!("{name}:{line}: {} must not know `{word}`", fence.folder));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn one_part_alone_uses_each_engine() {
    let mut complaints = Vec::new();
    for (word, home) in [("quinn::", "agent/src/report"), ("redb::", "coordinator/src/store")] {
        let part = home.split('/').next().unwrap();
        for (name, text) in sources(&format!("{part}/src"), &[".rs"]) {
            let at_home = name.starts_with(home) || (word == "redb::" && name.starts_with("agent/"));
            if at_home || is_test_file(&name) {
                continue;
            }
            for (line, _) in code_lines(&text).filter(|(_, code)| code.contains(word)) {
                complaints.push(format!("{name}:{line}: only {home} uses {word}"));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn every_module_says_what_it_owns() {
    let mut complaints = Vec::new();
    for part in ["agent", "coordinator", "common", "tests"] {
        for (name, text) in sources(part, &[".rs"]) {
            if name.ends_with("/tests.rs") {
                continue;
            }
            let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
            for word in ["Owns:", "Never:"] {
                if !header.iter().any(|line| line.contains(word)) {
                    complaints.push(format!("{name}:1: the header lacks `//! {word} …`"));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn files_hold_one_idea() {
    let mut complaints = Vec::new();
    for part in ["agent", "coordinator", "common", "tests", "packaging"] {
        for (name, text) in sources(part, &[".rs", ".c", ".h", ".sh", ".ts"]) {
            let lines = text.lines().count();
            let excused = LONGER_WITH_REASON.iter().any(|(file, _)| *file == name);
            if lines > LINES_MAX && !excused {
                complaints.push(format!(
                    "{name}: {lines} lines; look for the second idea, or name the reason in tests/tidy.rs"
                ));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn unsafe_stays_behind_its_fence_with_a_reason() {
    let keyword = concat!("un", "safe");
    let mut complaints = Vec::new();
    for part in ["agent", "coordinator", "common", "tests"] {
        for (name, text) in sources(part, &[".rs"]) {
            let lines: Vec<&str> = text.lines().collect();
            for (line, code) in code_lines(&text) {
                let opens = [" {", " fn", " impl"].iter().any(|next| code.contains(&format!("{keyword}{next}")));
                if !opens {
                    continue;
                }
                if !name.starts_with("agent/src/sys/") {
                    complaints.push(format!("{name}:{line}: {keyword} belongs in agent/src/sys"));
                } else if !lines[line.saturating_sub(6)..line].iter().any(|before| before.contains("SAFETY")) {
                    complaints.push(format!("{name}:{line}: say in a SAFETY comment why this is sound"));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_drawing_names_every_part() {
    let drawing = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let mut complaints = Vec::new();
    for folder in ["common", "agent/src", "coordinator/src"] {
        for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() && !drawing.contains(&format!("`{path}`")) {
                complaints.push(format!("docs/ARCHITECTURE.md does not name `{path}`"));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_top_level_is_fixed() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "agent",
        "coordinator",
        "common",
        "tests",
        "packaging",
        "docs",
        "README.md",
        "LICENSE",
        "target",
    ];
    let stray: Vec<String> = fs::read_dir(root())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !known.contains(&name.as_str()))
        .map(|name| format!("{name}: the top level holds {}", known.join(" ")))
        .collect();
    assert_none(&stray);
}
