//! Owns: telling the kernel programs for which rings somebody sleeps: only then do they ring.
//! Never: the sleep itself.

use std::io;
use std::sync::atomic::{Ordering, fence};

use aya::Ebpf;
use aya::maps::{Array, MapData};

use crate::sensor::SensorError;

/// Both rings: `WAKE | WAKE_FILES` of `bpf/record.h`.
const EVERY_RING: u64 = 1 | 2;

/// `SLEEPING` of `bpf/record.h`.
pub struct Doorbell(Array<MapData, u64>);

impl Doorbell {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, String> {
        let map = ebpf.take_map("SLEEPING").ok_or("the map SLEEPING is missing")?;
        Array::try_from(map).map(Self).map_err(|e| format!("SLEEPING: {e}"))
    }

    /// From here on a record rings. The caller looks once more before it sleeps: what came just before did not.
    ///
    /// # Errors
    /// When the kernel does not take the word.
    pub fn listen(&mut self) -> Result<(), SensorError> {
        let told = self.0.set(0, EVERY_RING, 0);
        told.map_err(|e| SensorError::Io {
            operation: "ask the kernel's programs to wake it",
            source: io::Error::other(e),
        })?;
        // Looking once more must not come before what was just said.
        fence(Ordering::SeqCst);
        Ok(())
    }
}
