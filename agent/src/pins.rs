//! Owns: where in the BPF file system what is to outlive the agent is pinned.
//! Never: what is pinned there.

use std::path::{Path, PathBuf};

/// The agent's own directory in the BPF file system.
pub const DIRECTORY: &str = "/sys/fs/bpf/picket";

/// One name for each state directory: two agents of a test machine do not share it. The file system takes no dot.
#[must_use]
pub fn of(state_dir: &Path, what: &str) -> PathBuf {
    let name: String =
        state_dir.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    Path::new(DIRECTORY).join(name + what)
}

/// Takes the pin away, and the directory with the last one.
pub fn remove(pin: &Path) {
    let _ = std::fs::remove_file(pin);
    // Fails while another agent of this machine has a pin there.
    let _ = std::fs::remove_dir(DIRECTORY);
}
