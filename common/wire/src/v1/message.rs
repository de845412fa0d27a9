//! Owns: the payloads of frames, frozen.
//! Never: which of them a session takes; that is the coordinator's and the agent's.

use serde::{Deserialize, Serialize};

use super::{Command, HostFacts, HostStatus, Lane};

/// Why something was refused; the detail is for people, this is for the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The join token is unknown, expired or used up. The answer does not say which.
    Token,
    /// The certificate has run out: only renewal is taken.
    Expired,
    Revoked,
    /// Records are missing before this batch.
    Gap,
    Malformed,
    Busy,
    /// The coordinator could not store or sign; the detail says what.
    Internal,
}

/// The only call without a certificate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Enrol {
    pub secret: Vec<u8>,
    pub csr_der: Vec<u8>,
    pub facts: HostFacts,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    pub host: [u8; 16],
    pub certificate_der: Vec<u8>,
    pub ca_der: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub epoch: u64,
    pub bundle: Option<u64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    pub lane: Lane,
    pub seq: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    pub time: u64,
    pub cursors: Vec<Cursor>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Batch {
    pub epoch: u64,
    pub lane: Lane,
    pub first_seq: u64,
    pub records: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ack {
    pub epoch: u64,
    pub lane: Lane,
    pub seq: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    pub status: HostStatus,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bundle {
    pub bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BundleAnswer {
    pub version: u64,
    pub accepted: bool,
    pub detail: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CommandOrder {
    pub id: u64,
    pub command: Command,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CommandAnswer {
    pub id: u64,
    pub taken: bool,
    pub detail: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Renew {
    pub csr_der: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Renewed {
    pub certificate_der: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Refused {
    pub code: RefusalCode,
    pub detail: String,
    /// For a gap: the sequence number that is expected next.
    pub expected: u64,
}

/// The bytes of a list of indicators from `offset` on, by the digest that a bundle names it by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ListRequest {
    pub sha256: [u8; 32],
    pub offset: u64,
}

/// Exactly one for each request, on its stream. A total of 0: the list is not there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ListPart {
    pub sha256: [u8; 32],
    pub offset: u64,
    pub total: u64,
    pub bytes: Vec<u8>,
}

/// The signed word of the switch that stops all autonomy. It comes with every session, and when it changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Halt {
    pub bytes: Vec<u8>,
}

/// Whether the host goes by the word of that time, and what that came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HaltAnswer {
    pub issued: u64,
    pub taken: bool,
    pub detail: String,
}

/// A signed head of the audit log, which the agent keeps as a witness.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditHead {
    pub bytes: Vec<u8>,
}
