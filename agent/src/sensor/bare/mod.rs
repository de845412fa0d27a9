//! Owns: the bare tier: proc connector, fanotify, sock_diag and procfs.
//! Never: BPF.

use super::{SensorError, SensorOptions, Source};

/// # Errors
/// When the kernel refuses the tier's interfaces.
pub fn open(_options: &SensorOptions) -> Result<Box<dyn Source>, SensorError> {
    Err(SensorError::TierRefused {
        tier: "bare",
        reason: "it is not built into this agent".into(),
        hint: "use a kernel with BTF and BPF",
    })
}
