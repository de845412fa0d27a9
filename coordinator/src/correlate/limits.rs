//! Owns: the bounds and time windows of correlation, each with its reason.
//! Never: state.

/// Detections of one host kept in one incident: enough to tell the story; a flood only adds to the count.
pub(super) const DETECTIONS_PER_HOST_MAX: usize = 64;
/// Open incidents begun by one host; what comes beyond is gathered in one, so that a flood stays one line on a screen.
pub(super) const INCIDENTS_PER_HOST_MAX: usize = 256;
/// Closed incidents remembered per host, to find an action's incident back.
pub(super) const CLOSED_PER_HOST_MAX: usize = 64;
/// Actions kept in one incident: several per kept detection of several hosts.
pub(super) const ACTIONS_MAX: usize = 512;
/// Techniques named in one incident: ATT&CK has some 700, no story needs more than this.
pub(super) const TECHNIQUES_MAX: usize = 128;
/// Entities whose change makes an incident read differently.
pub(super) const INTEREST_MAX: usize = 4_096;
/// Hosts that one chain of connections is followed through.
pub(super) const HOPS_MAX: usize = 16;
/// Sessions on other hosts that one incident follows forward.
pub(super) const SESSIONS_MAX: usize = 256;
/// Steps of a path that people still read.
pub(super) const PATH_STEPS_MAX: usize = 64;

/// Under one session or service, longer silence than a week is another story.
pub(super) const SESSION_WINDOW_MS: u64 = 7 * 24 * 3_600_000;
/// One person's logins: a quarter of an hour covers coming back by another door, not the next day's work.
pub(super) const USER_WINDOW_MS: u64 = 15 * 60_000;
/// From writing a file to running it: cron's and timers' usual hour.
pub(super) const FILE_WINDOW_MS: u64 = 3_600_000 + 5 * 60_000;
