//! Owns: entering network namespaces.
//! Never: changing what is in them.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

/// Runs `work` inside the namespace at `path`, on a thread that ends with it, so that no other work lands there.
pub fn inside<T: Send>(path: &Path, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let namespace = File::open(path)?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            work()
        });
        thread.join().map_err(|_| io::Error::other("the thread inside the network namespace panicked"))?
    })
}
