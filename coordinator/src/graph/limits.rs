//! Owns: how large the graph may grow, each bound with its reason.
//! Never: what is thrown away when a bound is reached; that is `room`.

/// How large the graph may grow. The defaults suit a coordinator with 2 GB of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Nodes of the whole estate: at about 600 bytes each, some 600 MB.
    pub nodes_max: usize,
    /// Nodes that one host may hold: a day of a busy host, and a flooding host cannot push out the others.
    pub nodes_per_host_max: usize,
    /// Edges of the whole estate: three to a node, as processes spawn, run and write.
    pub edges_max: usize,
    /// Nodes of one host that open incidents may hold; half of its share, so that new ones always find room.
    pub pins_per_host_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes_max: 1_000_000, nodes_per_host_max: 50_000, edges_max: 3_000_000, pins_per_host_max: 25_000 }
    }
}

/// Ends of connections of one host that wait for their other end: the internet's never answer, so old ones make way.
pub(super) const FLOWS_PER_HOST_MAX: usize = 4_096;
/// Connections between enrolled hosts that are remembered per connecting host; older ones no longer widen an incident.
pub(super) const REACHES_PER_HOST_MAX: usize = 1_024;
/// Accepts and children remembered per process: a listener's latest matter, and a session begins at once.
pub(super) const ACCEPTS_PER_PROCESS_MAX: usize = 1_024;
pub(super) const CHILDREN_PER_PROCESS_MAX: usize = 4_096;
/// A label is one line on a screen.
pub(super) const LABEL_BYTES_MAX: usize = 160;
/// How far apart both ends' clocks may put one connection. A port is reused after a minute (`TIME_WAIT`) at the
/// earliest, so half of that never mistakes a later connection for this one.
pub const FLOW_MATCH_MS: u64 = 30_000;
/// How soon after an accept its session's first process is forked: sshd takes milliseconds, a loaded machine seconds.
pub const SESSION_START_MS: u64 = 5_000;
