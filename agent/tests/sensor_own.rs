//! Owns: what is done to the agent itself, told by the sensor that is part of it: here this test's process is the agent.
//! Never: a signal to anybody else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, TamperKind, Tier};
use tempfile::TempDir;

/// Told within a second; a loaded machine is given this long.
const DEADLINE: Duration = Duration::from_secs(20);

fn opened(state: &TempDir, own: Vec<PathBuf>) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return None;
    }
    let state_dir = Some(state.path().to_path_buf());
    let options = SensorOptions { force: Some(Tier::Tracing), state_dir, own_paths: own, ..SensorOptions::default() };
    Some(open(&options).unwrap())
}

/// The first tampering of this kind whose detail holds `text`, with its record.
fn told(source: &mut dyn Source, kind: TamperKind, text: &str) -> RawRecord {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        for record in source.next(Duration::from_millis(200)).unwrap() {
            let RawKind::Plain(activity) = &record.kind else { continue };
            match &**activity {
                Activity::Tamper { kind: found, detail, .. } if *found == kind && detail.contains(text) => {
                    return record;
                }
                _ => {}
            }
        }
    }
    panic!("no {kind:?} with {text:?} was told")
}

#[test]
fn a_signal_to_the_agent_names_its_sender() {
    let state = tempfile::tempdir().unwrap();
    let Some(mut source) = opened(&state, Vec::new()) else { return };
    // The agent itself handles this one too: it ends in order.
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&heard)).unwrap();
    let sender =
        Command::new("sh").args(["-c", &format!("echo $$; kill -TERM {}", std::process::id())]).output().unwrap();
    let pid: u32 = String::from_utf8_lossy(&sender.stdout).trim().parse().unwrap();
    let record = told(&mut *source, TamperKind::Kill, "signal 15 from sh");
    assert_eq!(record.actor.unwrap().pid, pid);
}

#[test]
fn a_hand_in_the_agents_files_is_told() {
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = config.path().join("agent.toml");
    fs::write(&file, "state_dir = 1").unwrap();
    let Some(mut source) = opened(&state, vec![file.clone()]) else { return };
    for path in [&file, &state.path().join("identity")] {
        let script = format!("echo changed > {}", path.display());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        let record = told(&mut *source, TamperKind::Edit, &path.display().to_string());
        assert!(record.actor.is_some_and(|actor| actor.pid != std::process::id()));
    }
    fs::create_dir(state.path().join("other")).unwrap();
    let moved = state.path().with_extension("moved");
    fs::rename(state.path(), &moved).unwrap();
    fs::create_dir(state.path()).unwrap();
    told(&mut *source, TamperKind::Unmount, "mounted over");
    fs::remove_dir_all(moved).unwrap();
}

#[test]
fn who_traces_the_agent_is_told() {
    let state = tempfile::tempdir().unwrap();
    let Some(mut source) = opened(&state, Vec::new()) else { return };
    let memory = format!("head -c 0 < /proc/{}/mem", std::process::id());
    assert!(Command::new("sh").args(["-c", &memory]).status().unwrap().success());
    told(&mut *source, TamperKind::Trace, "read_memory");
}

/// Writes to the very path of the agent's file, but where only the writer sees it, and then says who it was.
fn writes_elsewhere(script: &str) -> u32 {
    let output = Command::new("unshare").args(["-m", "python3", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

#[test]
fn the_same_path_in_a_container_is_not_the_agents_file() {
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = config.path().join("agent.toml");
    fs::write(&file, "state_dir = 1").unwrap();
    let Some(mut source) = opened(&state, vec![file.clone()]) else { return };
    let (folder, path) = (config.path().display(), file.display());
    // Its own file system at the path, as a container has; and one more writer that is gone when its record is read.
    let mount = format!(
        "import ctypes,os
c=ctypes.CDLL(None,use_errno=True)
assert c.mount(b'none',b'/',None,0x44000,None)==0
assert c.mount(b'picket-test',b'{folder}',b'tmpfs',0,None)==0
open('{path}','w').write('elsewhere')
os.remove('{path}')
print(os.getpid())"
    );
    let elsewhere = writes_elsewhere(&mount);
    let script = format!("echo $$; echo changed > {path}");
    let here = Command::new("sh").args(["-c", &script]).output().unwrap();
    let here: u32 = String::from_utf8_lossy(&here.stdout).trim().parse().unwrap();
    // Records keep their order: whatever would be told of the container is told before.
    let record = told(&mut *source, TamperKind::Edit, &path.to_string());
    assert_eq!(record.actor.map(|actor| actor.pid), Some(here), "and not {elsewhere}");
}
