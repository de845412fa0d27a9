//! Owns: the object with its maps and settings, and the tier that follows from what `hooks` could attach.
//! Never: kernel versions; only a trial load decides.

use aya::maps::{Array, HashMap};
use aya::{Btf, Ebpf, EbpfLoader};
use picket_model::Tier;

use super::hooks::{Hook, Kind, Outcome, Trial, family};
use super::tasks::TaskList;
use super::{names, sockets};
use crate::causes::chain;
use crate::sensor::{SensorError, SensorOptions};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/picket.bpf.o"));

/// Lets the kernel refuse files that may not run.
const EXEC_CHECK: Hook =
    Hook { program: "on_exec_check", kind: Kind::Lsm, targets: &["bprm_check_security"], run: None };

pub struct Loaded {
    pub ebpf: Ebpf,
    pub tier: Tier,
    pub outcome: Outcome,
    pub tasks: Option<TaskList>,
}

pub fn programs(options: &SensorOptions, force: Option<Tier>) -> Result<Loaded, SensorError> {
    let own = std::process::id();
    let mut ebpf = EbpfLoader::new()
        .override_global("SELF_TGID", &own, true)
        .map_max_entries("LIFECYCLE", options.lifecycle_ring_bytes)
        .map_max_entries("FILES", options.file_ring_bytes)
        .load(OBJECT)
        .map_err(|e| refused(&chain(&e)))?;
    watch(&mut ebpf, &options.watch_read)?;
    names::fill(&mut ebpf).map_err(|reason| refused(&reason))?;

    // Not before: the loader reads the kernel's types too, some 10 MB, and has let go of them by now.
    let btf = Btf::from_sys_fs().map_err(|e| refused(&e.to_string()))?;
    let mut trial = Trial { ebpf: &mut ebpf, btf: &btf, tracepoints_only: force == Some(Tier::Tracing) };
    let mut outcome = trial.all().map_err(|reason| refused(&reason))?;
    need(trial.ebpf, outcome.needs)?;
    trial.shared(&mut outcome).map_err(|reason| refused(&reason))?;

    // Each sentence names what is lost and nothing else: the drill excuses a miss by the words of these.
    outcome.blind.push("DNS over TCP, TLS or HTTPS is seen as a flow only.".to_owned());
    sockets::attach(trial.ebpf, &mut outcome);
    if outcome.needs & FILES != 0 {
        outcome.blind.push("Changes by io_uring or by 32-bit system calls are not seen.".to_owned());
        outcome.blind.push(
            "A caller that alters its own path argument during the call can disguise a rename, delete or mode change."
                .to_owned(),
        );
    }
    if outcome.needs & family::NETWORK != 0 {
        outcome.blind.push("TCP accepts by io_uring are not seen.".to_owned());
    }
    let tier = tier(&mut trial, force, &mut outcome)?;
    let tasks = TaskList::open(&btf);
    Ok(Loaded { ebpf, tier, outcome, tasks })
}

const FILES: u32 = family::OPEN | family::CLOSE | family::NAMES | family::CHANGES | family::ATTRIBUTES;

/// Full is a kernel that refuses what is denied and shows its own objects.
fn tier(trial: &mut Trial<'_>, force: Option<Tier>, outcome: &mut Outcome) -> Result<Tier, SensorError> {
    if force == Some(Tier::Tracing) {
        return Ok(Tier::Tracing);
    }
    let refusal = match exec_check(trial) {
        Ok(()) if outcome.objects => return Ok(Tier::Full),
        Ok(()) => "fentry and fexit programs are refused".to_owned(),
        Err(reason) => {
            outcome.blind.push(format!("Denied programs are refused by fanotify, not by BPF LSM ({reason})."));
            reason
        }
    };
    if force == Some(Tier::Full) {
        return Err(SensorError::TierRefused {
            tier: "full",
            reason: refusal,
            hint: "boot with bpf in the kernel's lsm= list and without lockdown",
        });
    }
    Ok(Tier::Tracing)
}

/// Tells the programs which families of system calls they must look at.
fn need(ebpf: &mut Ebpf, needs: u32) -> Result<(), SensorError> {
    let map = ebpf.map_mut("NEEDED").ok_or_else(|| refused("the map NEEDED is missing"))?;
    let mut map: Array<_, u32> = Array::try_from(map).map_err(|e| refused(&e.to_string()))?;
    map.set(0, needs, 0).map_err(|e| refused(&format!("the families of system calls: {e}")))
}

pub fn refused(reason: &str) -> SensorError {
    SensorError::TierRefused {
        tier: "tracing",
        reason: reason.to_owned(),
        hint: "it needs root, a kernel of 5.17 or later with BTF, and no lockdown=confidentiality",
    }
}

fn exec_check(trial: &mut Trial<'_>) -> Result<(), String> {
    // A program loads and attaches without being called when the BPF LSM is not active.
    let active = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !active.trim().split(',').any(|name| name == "bpf") {
        return Err("bpf is not among the active security modules".into());
    }
    trial.one(&EXEC_CHECK)
}

/// The last name of each watched file, cut as the kernel program cuts it.
fn watch(ebpf: &mut Ebpf, paths: &[String]) -> Result<(), SensorError> {
    let map = ebpf.map_mut("WATCHED").ok_or_else(|| refused("the map WATCHED is missing"))?;
    let mut map: HashMap<_, [u8; 24], u8> = HashMap::try_from(map).map_err(|e| refused(&e.to_string()))?;
    for name in paths.iter().filter_map(|path| path.rsplit('/').next()) {
        let mut key = [0; 24];
        for (slot, byte) in key.iter_mut().take(23).zip(name.bytes()) {
            *slot = byte;
        }
        map.insert(key, 1, 0).map_err(|e| refused(&format!("the watched file {name}: {e}")))?;
    }
    Ok(())
}
