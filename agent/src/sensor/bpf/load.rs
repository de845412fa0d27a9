//! Owns: which BPF programs this kernel takes, tried one by one, and the tier that follows.
//! Never: kernel versions; only a trial load decides.

use aya::maps::HashMap;
use aya::programs::{BtfTracePoint, Lsm};
use aya::{Btf, Ebpf, EbpfLoader};
use picket_model::Tier;

use crate::sensor::{SensorError, SensorOptions};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/picket.bpf.o"));

/// Program, tracepoint, and what is not seen without it; an empty text where the tier is worth nothing without it.
const TRACEPOINTS: [(&str, &str, &str); 6] = [
    ("on_exec", "sched_process_exec", ""),
    ("on_fork", "sched_process_fork", ""),
    ("on_exit", "sched_process_exit", ""),
    ("on_sys_exit", "sys_exit", ""),
    ("on_sys_enter", "sys_enter", "Files are not seen when they are closed after writing."),
    ("on_socket_state", "inet_sock_set_state", "TCP connects and listens are not seen."),
];

const LSM_HOOKS: [(&str, &str); 4] = [
    ("on_exec_check", "bprm_check_security"),
    ("on_path_rename", "path_rename"),
    ("on_path_unlink", "path_unlink"),
    ("on_path_chmod", "path_chmod"),
];

pub struct Loaded {
    pub ebpf: Ebpf,
    pub tier: Tier,
    pub blind: Vec<String>,
}

pub fn programs(options: &SensorOptions, force: Option<Tier>) -> Result<Loaded, SensorError> {
    let btf = Btf::from_sys_fs().map_err(|e| refused(&e.to_string()))?;
    let own = std::process::id();
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("SELF_TGID", &own, true)
        .map_max_entries("LIFECYCLE", options.lifecycle_ring_bytes)
        .map_max_entries("FILES", options.file_ring_bytes)
        .load(OBJECT)
        .map_err(|e| refused(&chain(&e)))?;
    watch(&mut ebpf, &options.watch_read)?;

    // Each sentence names what is lost and nothing else: the drill excuses a miss by the words of these.
    let mut blind = vec![
        "Changes by io_uring or by 32-bit system calls, and TCP accepts by io_uring, are not seen.".to_owned(),
        "UDP flows are not seen.".to_owned(),
    ];
    for (program, tracepoint, loss) in TRACEPOINTS {
        if let Err(reason) = trace(&mut ebpf, program, tracepoint, &btf) {
            if loss.is_empty() {
                return Err(refused(&format!("{tracepoint}: {reason}")));
            }
            blind.push(format!("{loss} ({tracepoint}: {reason})"));
        }
    }
    let tier = match force {
        Some(Tier::Tracing) => Tier::Tracing,
        _ => match lsm(&mut ebpf, &btf) {
            Ok(()) => Tier::Full,
            Err(reason) if force == Some(Tier::Full) => {
                return Err(SensorError::TierRefused {
                    tier: "full",
                    reason,
                    hint: "boot with bpf in the kernel's lsm= list and without lockdown",
                });
            }
            Err(reason) => {
                blind.push(format!("Denied programs are refused by fanotify, not by BPF LSM ({reason})."));
                Tier::Tracing
            }
        },
    };
    if tier != Tier::Full {
        blind.push(
            "A caller that alters its own path argument during the call can disguise a rename, delete or mode change."
                .to_owned(),
        );
    }
    Ok(Loaded { ebpf, tier, blind })
}

pub fn refused(reason: &str) -> SensorError {
    SensorError::TierRefused {
        tier: "tracing",
        reason: reason.to_owned(),
        hint: "it needs root, a kernel of 5.17 or later with BTF, and no lockdown=confidentiality",
    }
}

fn trace(ebpf: &mut Ebpf, program: &str, tracepoint: &str, btf: &Btf) -> Result<(), String> {
    let program = ebpf.program_mut(program).ok_or("it is missing from the object")?;
    let program: &mut BtfTracePoint = program.try_into().map_err(|e| chain(&e))?;
    program.load(tracepoint, btf).map_err(|e| chain(&e))?;
    program.attach().map(drop).map_err(|e| chain(&e))
}

fn lsm(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    // A program loads and attaches without being called when the BPF LSM is not active.
    let active = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !active.trim().split(',').any(|name| name == "bpf") {
        return Err("bpf is not among the active security modules".into());
    }
    for (program, hook) in LSM_HOOKS {
        let program = ebpf.program_mut(program).ok_or("it is missing from the object")?;
        let program: &mut Lsm = program.try_into().map_err(|e| chain(&e))?;
        program.load(hook, btf).map_err(|e| format!("{hook}: {}", chain(&e)))?;
        program.attach().map_err(|e| format!("{hook}: {}", chain(&e)))?;
    }
    Ok(())
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

/// The whole chain of causes, for the verifier's reason stands at its end.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
