//! Owns: where containment works, by which date its leases end, and whom it never cuts off.
//! Never: reading a configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use picket_model::action::{Domain, IsolationScope};
use picket_policy::Isolation;

use super::vault;
use crate::sys::clock::WallOffset;
use crate::tasks::Tasks;

/// Where containment works and whom it never cuts off.
#[derive(Clone, Debug)]
pub struct ContainOptions {
    /// Holds `containment.journal`, `vault` and `evidence`, all for root alone.
    pub state_dir: PathBuf,
    /// Stay reachable during an isolation.
    pub coordinators: Vec<SocketAddr>,
    /// By these the coordinators are found, where not by an address: they are never blocked.
    pub coordinator_names: Vec<Domain>,
    /// What an isolation leaves reachable beside them.
    pub isolation: Isolation,
    /// This boot as process keys name it.
    pub boot: u32,
    /// The date by which leases end: setting the host's clock neither ends one early nor makes it last.
    pub steady: WallOffset,
    /// What the journal has by the steady date of an earlier start of the host is later by so much now.
    pub moved_ns: i64,
    /// Bytes of all quarantined files together.
    pub vault_bytes_max: u64,
    /// Where a denial of execution without a directory counts, each named by a path on it; all local ones if `None`.
    pub exec_filesystems: Option<Vec<PathBuf>>,
    /// The network in which addresses are blocked and connections are cut: the host's, where no test says otherwise.
    pub network: IsolationScope,
    /// The control group whose questions for names are dropped: everybody's, where no test says otherwise.
    pub control_group: Option<PathBuf>,
    /// Where the host's file system begins: `/`, where no test says otherwise.
    pub root: PathBuf,
    /// Where processes are listed: /proc, where nobody has better.
    pub tasks: Tasks,
}

impl ContainOptions {
    #[must_use]
    pub fn new(state_dir: PathBuf, coordinators: Vec<SocketAddr>, boot: u32) -> Self {
        let (vault_bytes_max, root) = (vault::VAULT_BYTES_MAX, PathBuf::from("/"));
        let (isolation, exec_filesystems, network) = (Isolation::default(), None, IsolationScope::Host);
        let (steady, moved_ns) = (WallOffset::read(), 0);
        let (coordinator_names, control_group) = (Vec::new(), None);
        Self {
            state_dir,
            coordinators,
            coordinator_names,
            isolation,
            boot,
            steady,
            moved_ns,
            vault_bytes_max,
            exec_filesystems,
            network,
            control_group,
            root,
            tasks: Tasks::default(),
        }
    }
}
