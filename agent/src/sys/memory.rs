//! Owns: how the allocator of the C library gives memory back.
//! Never: allocating.

use nix::libc;

/// The library's own first value for both bounds, before it raises them.
const THRESHOLD_BYTES: libc::c_int = 128 << 10;
/// Each further one keeps what its threads have freed; the agent's threads allocate little at once.
const ARENAS_MAX: libc::c_int = 2;

/// Whole pages between pieces that are still in use go back too. It looks through everything that is allocated, which takes
/// milliseconds, so not where events wait.
pub fn give_back_what_is_scattered() {
    // SAFETY: it locks each arena as allocating does, and touches no piece that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Left to itself the library raises both bounds with every large piece that is freed, to 64 MiB at most: what starting took
/// for a moment (the types of the kernel, the texts of rules) would stay for good. Before the first thread starts.
pub fn give_back_what_is_freed() {
    let settings = [
        (libc::M_MMAP_THRESHOLD, THRESHOLD_BYTES),
        (libc::M_TRIM_THRESHOLD, THRESHOLD_BYTES),
        (libc::M_ARENA_MAX, ARENAS_MAX),
    ];
    for (setting, value) in settings {
        // SAFETY: sets numbers of the allocator, with no other thread about; an unknown one is refused and changes nothing.
        unsafe { libc::mallopt(setting, value) };
    }
}
