//! Owns: the confined side: it gives up every right it can, then measures the files it is handed, one after another.
//! Never: opening, connecting, starting or writing anything; the kernel ends it if it tries.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::parent_id;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use thiserror::Error;

use super::measure::measure;
use super::protocol::{REQUEST_BYTES_MAX, Reply, Request};
use super::role::Role;
use super::{compile, scan};
use crate::sys::passing;

/// Nobody, on every Linux.
const NOBODY: u32 = 65_534;
/// The standard three, the file at hand, and room for one that a message brought too much.
const DESCRIPTORS: u64 = 8;
/// Above background work, below everybody else. At 19 a busy host would get its hashes, and the detections that hang
/// on them, late by seconds.
const NICE: i32 = 10;

#[derive(Debug, Error)]
#[error("the worker cannot {what}: {why}")]
pub struct ConfineError {
    what: &'static str,
    why: String,
}

fn cannot<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> ConfineError {
    move |why| ConfineError { what, why: why.to_string() }
}

/// The whole life of a worker; its standard input is the socket to `agent`, which started it. Ends when that does.
///
/// # Errors
/// When it cannot confine itself; then nothing was read.
pub fn serve(role: Role, background: bool, agent: u32) -> Result<(), ConfineError> {
    let stdin = std::io::stdin();
    let socket = stdin.as_fd();
    let confined = passing::close_all_else()
        .map_err(cannot("shut what it inherited"))
        .and_then(|()| if background { passing::be_nice(NICE).map_err(cannot("be nice")) } else { Ok(()) })
        .map(|()| role.is_yara().then(ready_for_yara))
        .and_then(|_| confine(role, agent));
    let first = match &confined {
        Ok(landlock) => Reply::Ready { landlock: *landlock },
        Err(error) => Reply::Refused(error.to_string()),
    };
    // Whoever started it may be gone: then there is nobody to tell.
    let told = passing::send(socket, &first.encode(), None);
    confined?;
    if told.is_ok() {
        match role {
            Role::Measure => work(socket),
            Role::Scan => scan::work(socket),
            Role::Compile => compile::work(socket),
        }
    }
    Ok(())
}

/// What the engine needs once, while there are still rights to take it with.
fn ready_for_yara() {
    // Where memory runs short it goes first, and not the agent, whose place in that order it would inherit.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    picket_yara::prepare();
}

fn work(socket: BorrowedFd<'_>) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    while let Ok((length, file)) = passing::receive(socket, &mut buffer) {
        let request = buffer.get(..length).and_then(|bytes| Request::decode(bytes).ok());
        // Nothing of the agent looks like this, the end of the socket included.
        let Some(request) = request else { return };
        let measured = file.and_then(|file| measure(file.as_fd(), request.kind, request.bytes_max));
        let reply = match measured {
            Some(measured) => Reply::Done { id: request.id, measured },
            None => Reply::Failed { id: request.id },
        };
        if passing::send(socket, &reply.encode(), None).is_err() {
            return;
        }
    }
}

/// Gives up, in an order in which no step needs what an earlier one took: limits, capabilities, user, Landlock, system
/// calls. True where Landlock holds as well.
///
/// # Errors
/// When any but Landlock, which older kernels lack, is refused.
pub fn confine(role: Role, agent: u32) -> Result<bool, ConfineError> {
    limit(role)?;
    become_nobody(agent)?;
    let landlock = landlock()?;
    apply_filter(&filter(role)?).map_err(cannot("fence off system calls"))?;
    Ok(landlock)
}

fn limit(role: Role) -> Result<(), ConfineError> {
    let sizes = std::fs::read_to_string("/proc/self/statm").map_err(cannot("see its own size"))?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    let page = u64::try_from(page.unwrap_or(4096)).unwrap_or(4096);
    // In pages: all of it first, data and stack as the sixth.
    let size = |index| sizes.split(' ').nth(index).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page;
    for (resource, limit) in [
        (Resource::RLIMIT_AS, size(0) + role.data_more() + role.reserved()),
        (Resource::RLIMIT_DATA, size(5) + role.data_more()),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, limit, limit).map_err(cannot("limit itself"))?;
    }
    Ok(())
}

fn become_nobody(agent: u32) -> Result<(), ConfineError> {
    caps::clear(None, caps::CapSet::Bounding).map_err(cannot("let its capabilities go (CAP_SETPCAP)"))?;
    setgroups(&[]).map_err(cannot("leave its groups (CAP_SETGID)"))?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setresgid(group, group, group).map_err(cannot("change its group (CAP_SETGID)"))?;
    setresuid(user, user, user).map_err(cannot("change its user (CAP_SETUID)"))?;
    for set in [caps::CapSet::Effective, caps::CapSet::Permitted, caps::CapSet::Inheritable] {
        caps::clear(None, set).map_err(cannot("let its capabilities go"))?;
    }
    prctl::set_no_new_privs().map_err(cannot("renounce new privileges"))?;
    // After the change of user, which would undo both.
    prctl::set_dumpable(false).map_err(cannot("shield its memory"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(cannot("bind its life to the agent's"))?;
    // The agent may itself be pid 1, of a container; and whose children are orphans need not go to pid 1.
    if parent_id() != agent {
        return Err(ConfineError { what: "serve", why: "the agent that started it is gone".to_owned() });
    }
    Ok(())
}

/// No file, no TCP port, no socket or signal of others. Kernels without it, or with less of it, give what they have.
fn landlock() -> Result<bool, ConfineError> {
    let build = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V5))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    let status = build().map_err(cannot("use Landlock"))?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// What is left is reading what it holds, answering, memory and the end. `statx` and its like are not among it: even
/// whether a path exists is nothing it may ask.
fn filter(role: Role) -> Result<BpfProgram, ConfineError> {
    let plain = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = plain.into_iter().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, vec![anonymous().map_err(cannot("fence off system calls"))?]);
    if role.is_yara() {
        // Its interpreter takes addresses first and makes memory of them later: never to be executed either.
        rules.insert(libc::SYS_mprotect, vec![never_executed().map_err(cannot("fence off system calls"))?]);
    }
    rules.insert(libc::SYS_fcntl, vec![asked_whether_open().map_err(cannot("fence off system calls"))?]);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(cannot("fence off system calls"))?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)
        .and_then(BpfProgram::try_from)
        .map_err(cannot("fence off system calls"))
}

/// The standard library asks before it closes, in builds with its own checks.
#[allow(clippy::cast_sign_loss, reason = "a command's number")]
fn asked_whether_open() -> Result<SeccompRule, seccompiler::BackendError> {
    let get = libc::F_GETFD as u64;
    SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, get)?])
}

#[allow(clippy::cast_sign_loss, reason = "bits of a mask")]
fn never_executed() -> Result<SeccompRule, seccompiler::BackendError> {
    let execute = libc::PROT_EXEC as u64;
    SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(execute), 0)?])
}

/// Memory of no file, never to be executed.
#[allow(clippy::cast_sign_loss, reason = "bits of a mask")]
fn anonymous() -> Result<SeccompRule, seccompiler::BackendError> {
    let (execute, anonymous) = (libc::PROT_EXEC as u64, libc::MAP_ANONYMOUS as u64);
    SeccompRule::new(vec![
        SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(execute), 0)?,
        SeccompCondition::new(3, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(anonymous), anonymous)?,
    ])
}
