//! Owns: having a thread run before all that is not as urgent, for a while.
//! Never: for how long.

use std::cell::Cell;

use nix::errno::Errno;
use nix::libc;

thread_local! {
    /// Asking the kernel would cost as much as telling it.
    static FIRST: Cell<bool> = const { Cell::new(false) };
}

/// The lowest of the real-time priorities: before everything ordinary, behind everything that asked for more.
const PRIORITY: libc::c_int = 1;

/// The calling thread goes before all ordinary ones from now on; where the kernel does not allow it, it takes its turn.
/// What it starts takes its turn too.
pub fn go_first() {
    FIRST.with(|first| {
        if !first.get() {
            first.set(schedule(libc::SCHED_RR, PRIORITY).is_ok());
        }
    });
}

/// The calling thread takes its turn like all others again.
pub fn take_turns() {
    FIRST.with(|first| {
        if first.get() {
            first.set(schedule(libc::SCHED_OTHER, 0).is_err());
        }
    });
}

fn schedule(policy: libc::c_int, priority: libc::c_int) -> nix::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: about the calling thread alone; the pointer is to a whole `sched_param` that outlives the call.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const parameters) })
        .map(drop)
}
