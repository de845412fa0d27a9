//! Owns: the nouns every part of Picket shares: ids, time, events, entities, detections, incidents, actions.
//! Never: IO, the clock, an encoding. `common/wire` encodes these types; the stages exchange them.

pub mod action;
pub mod copied;
pub mod detection;
pub mod event;
pub mod host;
pub mod id;
pub mod incident;
pub mod interest;
pub mod process;
pub mod raw;
pub mod record;
pub mod remedy;
pub mod time;

pub use action::LEASE_MS_LASTING;
pub use action::{
    Action, ActionKind, ActionReport, ActionState, Asked, Command, CommandKind, Domain, IsolationScope, Nature,
    Network, Principal, Radius, Reason, VerdictKind,
};
pub use detection::{Detection, Evidence, SensorFamily, Severity};
pub use event::{
    AccountActivity, AccountChange, Activity, AuthActivity, BpfProgram, Coverage, Event, FileActivity, FileObject,
    Fingerprint, GroupChange, JobKind, KernelOperation, MemoryActivity, MountActivity, MountChange, NetActivity,
    NetFlow, NetProtocol, PrivilegeChange, PrivilegeKind, ProcessAccess, ScheduledJob, Script, ScriptSource,
    ServiceActivity, ServiceChange, TamperKind,
};
pub use host::{HostFacts, HostStatus, LossCount, Tier, TypeCount};
pub use id::{ActionId, BundleVersion, DetectionId, EventId, HostId, IncidentId, RuleId};
pub use incident::{EntityRef, Incident, IncidentStatus, PathStep, Relation};
pub use interest::{FileInterest, Interest, PathInterest, Paths};
pub use process::{Context, FileId, Process, ProcessKey, Sha256, StreamKind};
pub use record::{Lane, Position, Record};
pub use remedy::{ByHand, FileChange, Left, Remedy, RemedyStep, Seen, Trace};
pub use time::Timestamp;
