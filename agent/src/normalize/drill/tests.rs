//! Owns: tests of the drill mark on a real program of root in real folders.
//! Never: a genuine `picket`; a shell of that name reads a script called `drill`, which is all the mark looks at.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Activity, Process, Timestamp};

use super::{is_genuine, trusted};
use crate::normalize::Normalizer;
use crate::procfs;

struct Stage {
    folder: tempfile::TempDir,
    running: Vec<Child>,
}

impl Stage {
    fn new(below: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can own the program");
            return None;
        }
        let folder = tempfile::tempdir_in(below).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::copy("/bin/sh", folder.path().join("bin/picket")).unwrap();
        fs::write(folder.path().join("drill"), "read line").unwrap();
        fs::write(folder.path().join("other"), "read line").unwrap();
        fs::set_permissions(folder.path().join("bin/picket"), Permissions::from_mode(0o755)).unwrap();
        Some(Self { folder, running: Vec::new() })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `spawn` returns in the middle of the exec: the arguments come a little after the executable.
    fn run(&mut self, program: &Path, argument: &str) -> RawProcess {
        let mut command = Command::new(program);
        command.arg(argument).current_dir(self.folder.path()).stdin(Stdio::piped());
        self.running.push(command.spawn().unwrap());
        let pid = self.running.last().unwrap().id();
        loop {
            let raw = procfs::describe(pid).unwrap();
            if raw.exe == program.to_string_lossy() && raw.argv.len() == 2 {
                return raw;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.running {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

#[test]
fn only_roots_picket_with_drill_is_genuine() {
    let Some(mut stage) = Stage::new("/var/lib") else { return };
    let program = stage.at("bin/picket");
    let genuine = stage.run(&program, "drill");
    assert_eq!(genuine.exe, program.to_string_lossy());
    assert!(is_genuine(&genuine));
    assert!(!is_genuine(&stage.run(&program, "other")), "its first argument is another");
    fs::copy(&program, stage.at("bin/other")).unwrap();
    let other = stage.at("bin/other");
    assert!(!is_genuine(&stage.run(&other, "drill")), "its name is another");
    let mut lying = stage.run(&other, "drill");
    lying.exe.clone_from(&genuine.exe);
    assert!(!is_genuine(&lying), "another file runs than stands at that path");
}

#[test]
fn what_others_could_have_written_is_not_genuine() {
    let Some(mut stage) = Stage::new("/var/lib") else { return };
    let program = stage.at("bin/picket");
    let genuine = stage.run(&program, "drill");
    for (path, mode) in [("bin", 0o757), ("bin", 0o775), ("bin", 0o1777), ("bin/picket", 0o775), ("bin/picket", 0o757)]
    {
        let before = fs::metadata(stage.at(path)).unwrap().permissions();
        fs::set_permissions(stage.at(path), Permissions::from_mode(mode)).unwrap();
        assert!(!is_genuine(&genuine), "{path} {mode:o}");
        fs::set_permissions(stage.at(path), before).unwrap();
        assert!(is_genuine(&genuine));
    }
    for path in ["bin", "bin/picket"] {
        chown(stage.at(path), Some(65_534), None).unwrap();
        assert!(!is_genuine(&genuine), "{path} of nobody");
        chown(stage.at(path), Some(0), None).unwrap();
        assert!(is_genuine(&genuine));
    }
    fs::rename(stage.at("bin"), stage.at("moved")).unwrap();
    std::os::unix::fs::symlink(stage.at("moved"), stage.at("bin")).unwrap();
    assert!(!is_genuine(&genuine), "a link leads to it");
    assert_eq!(trusted(Path::new("bin/picket")), None);
}

#[test]
fn a_folder_below_tmp_is_not_trusted() {
    let Some(mut stage) = Stage::new("/tmp") else { return };
    let program = stage.at("bin/picket");
    assert!(!is_genuine(&stage.run(&program, "drill")));
}

#[test]
fn the_mark_goes_to_all_below_and_to_nobody_else() {
    let Some(mut stage) = Stage::new("/var/lib") else { return };
    let program = stage.at("bin/picket");
    let (drill, other) = (stage.run(&program, "drill"), stage.run(&program, "other"));
    let mut normalizer = Normalizer::new(1, Box::new(|| [0; 16]));
    for (raw, marked) in [(drill, true), (other, false)] {
        let actor = RawActor { pid: raw.pid, start_ticks: raw.start_ticks };
        let mut tell = |actor: RawActor, kind| {
            let event = normalizer.normalize(RawRecord { time: Timestamp(1), actor: Some(actor), kind }).remove(0);
            match event.activity {
                Activity::ProcessFork { child } => Process::clone(&child),
                _ => Process::clone(&event.process.unwrap()),
            }
        };
        assert_eq!(tell(actor.clone(), RawKind::Exec(raw.clone())).drill, marked);
        let (child_pid, start) = (5_000_000 + raw.pid, raw.start_ticks.unwrap() + 1);
        let forked = tell(actor, RawKind::Fork { child_pid, child_start_ticks: Some(start) });
        assert_eq!(forked.drill, marked);
        let child = RawActor { pid: child_pid, start_ticks: Some(start) };
        let image = RawProcess { pid: child_pid, start_ticks: Some(start), exe: "/bin/ls".into(), ..raw };
        assert_eq!(tell(child, RawKind::Exec(image)).drill, marked);
    }
}
