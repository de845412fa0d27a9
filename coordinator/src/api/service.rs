//! Owns: what the API asks of the coordinator, and how it is refused.
//! Never: HTTP.

use picket_model::{ActionId, ActionKind, HostId, IncidentId, IsolationScope, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Why a request was not fulfilled; the message is for people, the hint says what to do.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{message}")]
pub struct Refused {
    pub status: Status,
    pub message: String,
    pub hint: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Invalid,
    Forbidden,
    Missing,
    Conflict,
    Internal,
}

impl Refused {
    pub fn new(status: Status, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: hint.into() }
    }

    pub fn missing(what: &str) -> Self {
        Self::new(Status::Missing, format!("there is no such {what}"), format!("`picket {what}s` lists them"))
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(Status::Internal, cause.to_string(), "look at the coordinator's log")
    }
}

pub type Answer = Result<Value, Refused>;

/// Of many rows, those that are asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default)]
    pub host: Option<HostId>,
    #[serde(default)]
    pub class: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
    /// `name=value` lines: each names a field as the answer shows it.
    #[serde(default)]
    pub fields: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    /// Only actions that it is somebody's turn to answer or to look at.
    #[serde(default)]
    pub asks: bool,
    /// Nanoseconds since 1970.
    #[serde(default)]
    pub since: Option<u64>,
    /// Only records before this place of the event log: where an earlier answer ended.
    #[serde(default)]
    pub before: Option<u64>,
    /// From this place of the event log on, oldest first; `before` means nothing then.
    #[serde(default)]
    pub from: Option<u64>,
    #[serde(default = "limit_default")]
    pub limit: usize,
}

/// Rows of one answer where the request does not say; a screenful of a large screen.
const fn limit_default() -> usize {
    100
}

/// Rows of one answer at most: about 40 MiB of JSON.
pub const LIMIT_MAX: usize = 10_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolateRequest {
    pub scope: IsolationScope,
    pub lease_ms: u64,
    #[serde(default)]
    pub note: String,
}

/// Any act on one host, at a person's word.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainRequest {
    pub action: ActionKind,
    /// 0: as long as the bundle says.
    #[serde(default)]
    pub lease_ms: u64,
    #[serde(default)]
    pub note: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    pub pid: u32,
    #[serde(default)]
    pub note: String,
}

/// A bundle for a few hosts first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    /// `10%`, names of hosts with commas between them, or `group:NAME`.
    pub canary: String,
    pub watch_ms: u64,
    /// The signed bundle.
    pub candidate: Value,
    /// What is in force now, signed under a version above the candidate's.
    pub back: Value,
}

/// What is done next of a recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStage {
    /// The hosts look what is left of the incident.
    Look,
    /// What was contained is taken back, but for isolation.
    GiveBack,
    /// The check has passed: its hosts are in reach again, and on watch.
    Release,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    pub stage: RecoveryStage,
    #[serde(default)]
    pub sessions: bool,
    /// A person says that all is done that was to be done by hand.
    #[serde(default)]
    pub by_hand_done: bool,
    /// How long its hosts are on watch; 0: a day.
    #[serde(default)]
    pub watch_ms: u64,
    #[serde(default)]
    pub note: String,
}

/// One step of a remedy, as it was shown.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownStep {
    pub host: HostId,
    pub kind: ActionKind,
}

/// Orders the steps that a person was shown and that the plan still has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemedyRequest {
    /// Whether the plan was made over whole login sessions.
    #[serde(default)]
    pub sessions: bool,
    pub steps: Vec<ShownStep>,
    #[serde(default)]
    pub note: String,
}

/// `who` is the analyst whose token came with the request. Methods may block on the disk.
pub trait Service: Send + Sync {
    fn analyst(&self, token: &str) -> Option<String>;

    fn status(&self) -> Answer;
    fn hosts(&self) -> Answer;
    fn host(&self, id: HostId) -> Answer;
    fn events(&self, filter: &Filter) -> Answer;
    fn detections(&self, filter: &Filter) -> Answer;
    fn incidents(&self) -> Answer;
    fn incident(&self, id: IncidentId) -> Answer;
    /// What takes away what an incident left; `sessions`: its whole login sessions'.
    fn remedy(&self, id: IncidentId, sessions: bool) -> Answer;
    /// What is given back and what stays, whether its hosts can return to service, and the watch.
    fn recovery(&self, id: IncidentId, sessions: bool) -> Answer;
    fn actions(&self, filter: &Filter) -> Answer;
    fn policy(&self) -> Answer;
    /// The bundles that were in force before.
    fn earlier_policies(&self) -> Answer;
    /// One of them, as it was signed.
    fn earlier_policy(&self, version: u64) -> Answer;
    /// The bundle in force, as it was signed.
    fn signed_policy(&self) -> Answer;
    /// Where the latest roll-out stands.
    fn rollout(&self) -> Answer;
    fn rules(&self) -> Answer;
    fn audit(&self, from: u64, limit: usize) -> Answer;
    fn audit_export(&self) -> Result<String, Refused>;

    fn approve(&self, who: &str, id: ActionId, note: &str) -> Answer;
    fn deny(&self, who: &str, id: ActionId, note: &str) -> Answer;
    fn acknowledge(&self, who: &str, id: ActionId, note: &str) -> Answer;
    fn close(&self, who: &str, id: IncidentId, note: &str) -> Answer;
    fn recover(&self, who: &str, id: IncidentId, request: &RecoverRequest) -> Answer;
    fn remediate(&self, who: &str, id: IncidentId, request: &RemedyRequest) -> Answer;
    fn undo(&self, who: &str, id: ActionId, note: &str) -> Answer;
    fn isolate(&self, who: &str, host: HostId, request: IsolateRequest) -> Answer;
    fn contain(&self, who: &str, host: HostId, request: ContainRequest) -> Answer;
    fn release(&self, who: &str, host: HostId, note: &str) -> Answer;
    fn scan(&self, who: &str, host: HostId, request: ScanRequest) -> Answer;
    fn revoke(&self, who: &str, host: HostId, note: &str) -> Answer;
    fn apply_policy(&self, who: &str, bundle: &[u8]) -> Answer;
    fn begin_rollout(&self, who: &str, request: &RolloutRequest) -> Answer;
    fn promote(&self, who: &str, note: &str) -> Answer;
    fn abort(&self, who: &str, note: &str) -> Answer;
    fn halt(&self) -> Answer;
    fn turn_switch(&self, who: &str, word: &[u8]) -> Answer;
    /// `candidate` is a bundle without a signature.
    fn simulate(&self, since: Timestamp, candidate: &[u8]) -> Answer;
    fn take_list(&self, bytes: &[u8]) -> Answer;
    fn token(&self, who: &str, ttl_s: u64, uses: u32) -> Answer;
}
