//! Owns: what the agent gives up when it starts: capabilities it does not need, and system calls it never makes.
//! Never: giving up what a stage needs later; each capability kept stands here with its reason.

use std::collections::{BTreeMap, HashSet};

use caps::{CapSet, Capability};
use nix::libc;
use nix::sys::prctl;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use thiserror::Error;

#[derive(Debug, Error)]
#[error("the agent cannot {what}: {why}; start it as root, with CAP_SETPCAP")]
pub struct ConfineError {
    what: &'static str,
    why: String,
}

fn cannot<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> ConfineError {
    move |why| ConfineError { what, why: why.to_string() }
}

/// Kept, where the agent has them at all.
const KEPT: [Capability; 21] = [
    // Loading its programs, attaching them, and reading kernel symbols for it; maps on kernels that count memory.
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_SYSLOG,
    Capability::CAP_SYS_RESOURCE,
    // fanotify, opening files by handle, entering a network namespace.
    Capability::CAP_SYS_ADMIN,
    // The proc connector, sockets of other namespaces, nftables.
    Capability::CAP_NET_ADMIN,
    // The kernel's audit records, where no audit daemon takes them.
    Capability::CAP_AUDIT_CONTROL,
    Capability::CAP_AUDIT_READ,
    // Killing, and looking at, the processes of everybody.
    Capability::CAP_KILL,
    Capability::CAP_SYS_PTRACE,
    // Going before other work for a moment, so that no busy host lets what is killed run on.
    Capability::CAP_SYS_NICE,
    // Reading any file to measure it; taking any file away and bringing it back as it was.
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_CHOWN,
    Capability::CAP_FSETID,
    Capability::CAP_SETFCAP,
    Capability::CAP_LINUX_IMMUTABLE,
    // The worker becomes nobody and lets go of everything, each time one is started.
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
];

/// Neither the agent nor what it starts beside itself, such as `nft` and `systemctl`, ever makes these; an intruder in it
/// would. A kernel module is unloaded by the service manager at its word.
const NEVER: &[i64] = &[
    // Another kernel, more of this one, or none.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    // Other processes' insides: the agent looks at them through /proc alone.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_userfaultfd,
    // Another view of the file system, for itself or for everybody. A mount of its own, of cgroups where there is none to
    // attach programs to, cannot be put anywhere without move_mount.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    // The host's name and time, on which its records rest.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Ways around what is looked at: other system-call tables, rings, keys.
    libc::SYS_personality,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_vhangup,
];

/// For the calling thread and all that it starts, so before any other thread is. Whatever needs one of [`NEVER`]
/// comes before.
///
/// # Errors
/// When the kernel refuses, which it does to nobody who has CAP_SETPCAP.
pub fn confine() -> Result<(), ConfineError> {
    drop_capabilities()?;
    prctl::set_no_new_privs().map_err(cannot("renounce new privileges"))?;
    let never = NEVER.iter().map(|call| (*call, Vec::new())).collect::<BTreeMap<_, _>>();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(cannot("fence off system calls"))?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter: BpfProgram = SeccompFilter::new(never, SeccompAction::Allow, refuse, arch)
        .and_then(BpfProgram::try_from)
        .map_err(cannot("fence off system calls"))?;
    apply_filter(&filter).map_err(cannot("fence off system calls"))
}

fn drop_capabilities() -> Result<(), ConfineError> {
    let read = |set| caps::read(None, set).map_err(cannot("read its capabilities"));
    let kept: HashSet<Capability> = KEPT.into_iter().collect();
    for capability in read(CapSet::Bounding)?.difference(&kept) {
        caps::drop(None, CapSet::Bounding, *capability).map_err(cannot("let capabilities go"))?;
    }
    caps::clear(None, CapSet::Inheritable).map_err(cannot("let capabilities go"))?;
    let kept: HashSet<Capability> = read(CapSet::Permitted)?.intersection(&kept).copied().collect();
    caps::set(None, CapSet::Effective, &kept).map_err(cannot("let capabilities go"))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(cannot("let capabilities go"))
}
