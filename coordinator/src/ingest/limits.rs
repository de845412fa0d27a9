//! Owns: every bound of the listener and of a session, each with its reason.
//! Never: a bound that only a default of a library sets.

use std::time::Duration;

/// Bounds that depend on the size of the estate or the machine; tests narrow them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Connections at once. One takes some 45 KiB idle, so all take 2.2 GiB: what two cores can also keep alive.
    pub connections_max: usize,
    /// Handshakes at once. Each costs about 1 ms of a core and holds 100 KiB: a flood pins 25 MiB.
    /// From half of it on, a peer must first show that it owns its address.
    pub handshakes_max: usize,
    /// Peers without a certificate at once, all addresses together: 64 frames of 64 KiB are 4 MiB.
    pub strangers_max: usize,
    /// Enrolments from one address in a burst and per second after it: an image roll-out behind one router is served
    /// in minutes, guessing secrets is hopeless anyway.
    pub enrol_burst: u32,
    pub enrol_per_second: u32,
    /// Batches of the urgent lane in a burst and per second after it: some 12,000 detections a second. Of the other lanes,
    /// which set nobody in motion, `PLAIN_LANES_TIMES` as many.
    pub batch_burst: u32,
    pub batch_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            handshakes_max: 256,
            strangers_max: 64,
            enrol_burst: 60,
            enrol_per_second: 4,
            batch_burst: 400,
            batch_per_second: 200,
        }
    }
}

/// A handshake takes one round trip and a retry; 10 s covers a lossy mobile line.
pub(super) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// From the handshake to the answered enrolment.
pub(super) const ENROL_DEADLINE: Duration = Duration::from_secs(10);
/// 600 batches a second of up to 64 records and 16 KiB: a million events that waited come in less than half a minute.
pub(super) const PLAIN_LANES_TIMES: u32 = 3;
/// From the handshake to the first message, and from an expired certificate to its renewal.
pub(super) const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// From a frame's header to its last byte: the largest at 40 KB/s. A trickle cannot hold memory longer.
pub(super) const FRAME_DEADLINE: Duration = Duration::from_secs(30);
/// How long a refused peer may take to read why before it is cut.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How long a new session waits for the host's previous one to finish its last append.
pub(super) const TURN_DEADLINE: Duration = Duration::from_secs(10);
/// How long stopping waits for sessions to finish their last append.
pub(super) const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// Three keep-alives of an agent (15 s) may be lost; a silent peer is gone after the fourth.
pub(super) const IDLE_TIMEOUT_MS: u32 = 60_000;

/// The control stream, one for each lane and one for lists of indicators; nothing travels in one direction only.
pub(super) const STREAMS_MAX: u32 = 5;
/// What a peer may have sent that we have not read, all streams together: with `SEND_WINDOW`, four frames of
/// `SMALL_FRAME_BYTES` being read and the connection's own 45 KiB it pins under 700 KiB.
pub(super) const RECEIVE_WINDOW: u32 = 256 * 1024;
/// One stream alone: three lanes and control fill the window together.
pub(super) const STREAM_RECEIVE_WINDOW: u32 = 64 * 1024;
/// What we have sent and the peer has not acknowledged: a bundle goes in pieces of it, a mute peer pins no more.
pub(super) const SEND_WINDOW: u64 = 128 * 1024;
/// Handshake messages out of order; our certificates are under 2 KiB.
pub(super) const CRYPTO_BUFFER_BYTES: usize = 16 * 1024;
/// Packets of handshakes that wait to be admitted: one initial flight each, 4 MiB together.
pub(super) const INCOMING_MAX: usize = 1024;
pub(super) const INCOMING_BUFFER_BYTES: u64 = 16 * 1024;
pub(super) const INCOMING_BUFFER_TOTAL_BYTES: u64 = 4 * 1024 * 1024;
/// After a restart this many agents per second learn at once that their connection is gone.
pub(super) const RESET_INTERVAL: Duration = Duration::from_millis(1);

/// A frame up to here is read freely; a batch is 16 KiB and its last record.
pub(super) const SMALL_FRAME_BYTES: usize = 64 * 1024;
/// Larger frames at once, all hosts together, one of each host at a time: 17 MiB at the most.
pub(super) const LARGE_FRAMES_MAX: usize = 16;
/// Heartbeats, answers and renewals are far below.
pub(super) const CONTROL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// A heartbeat every 10 s and an answer for each command; more is read later.
pub(super) const CONTROL_BURST: u32 = 100;
pub(super) const CONTROL_PER_SECOND: u32 = 20;
/// Appends at once: enough for one large group commit, few enough for the blocking pool.
pub(super) const APPENDS_MAX: usize = 64;
/// Frames that wait to go down to one host; a command that finds no room is not sent and its sender is told.
pub(super) const DOWN_QUEUE_MAX: usize = 32;
/// Addresses remembered by the throttle of enrolments: 64 bytes each.
pub(super) const ADDRESSES_MAX: usize = 8192;
