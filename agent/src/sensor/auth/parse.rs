//! Owns: one line of sshd's to a sign-in or a failed one.
//! Never: believing a user name. Whoever knocks chooses it, so a line is read from its end, which sshd writes.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

/// sshd cuts a name at 100 characters; each may stand as four (`\012`).
const USER_BYTES_MAX: usize = 400;
/// Failures that syslog folded into one line, told one by one up to here: far beyond any threshold.
const TIMES_MAX: u32 = 32;
/// Connections whose unknown name was told and whose first failure is the same attempt. The oldest is forgotten.
const UNKNOWN_MAX: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub user: String,
    /// `None` where the line is made to say two things.
    pub source: Option<IpAddr>,
    pub success: bool,
    /// How many of them the line tells of.
    pub times: u32,
}

/// Reads the lines in their order, for sshd may tell one attempt in two of them.
#[derive(Default)]
pub struct Attempts {
    unknown: VecDeque<(IpAddr, u16)>,
}

impl Attempts {
    pub fn hear(&mut self, message: &str) -> Option<Attempt> {
        let (times, message) = repeated(message.trim_end()).unwrap_or((1, message.trim_end()));
        if let Some(rest) = message.strip_prefix("Invalid user ") {
            let (user, source, port) = origin(rest)?;
            self.unknown.push_back((source, port));
            if self.unknown.len() > UNKNOWN_MAX {
                self.unknown.pop_front();
            }
            return Some(attempt(user, Some(source), false, times));
        }
        let (success, rest) = match message.strip_prefix("Accepted ") {
            Some(rest) => (true, rest),
            None => (false, message.strip_prefix("Failed ")?),
        };
        let (method, rest) = rest.split_once(" for ")?;
        // Every client asks first what it may try, and calls that a method.
        if method == "none" || method.contains(' ') {
            return None;
        }
        let (user, source, port) = tail(rest)?;
        let user = match user.strip_prefix("invalid user ") {
            Some(unknown) if !success => {
                if let Some(at) = self.unknown.iter().position(|known| Some(known.0) == source && known.1 == port) {
                    self.unknown.remove(at);
                    if times == 1 {
                        return None;
                    }
                }
                unknown
            }
            _ => user,
        };
        Some(attempt(user, source, success, times))
    }
}

fn attempt(user: &str, source: Option<IpAddr>, success: bool, times: u32) -> Attempt {
    let end = user.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= USER_BYTES_MAX).last();
    let user = user.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
    Attempt { user, source, success, times: times.min(TIMES_MAX) }
}

/// `message repeated 2 times: [ Failed password for root from 192.0.2.1 port 5 ssh2]`
fn repeated(message: &str) -> Option<(u32, &str)> {
    let (times, rest) = message.strip_prefix("message repeated ")?.split_once(" times: [ ")?;
    Some((times.parse().ok()?, rest.strip_suffix(']')?))
}

/// `USER from ADDRESS port N`, where USER may hold the same words.
fn origin(text: &str) -> Option<(&str, IpAddr, u16)> {
    let (text, port) = text.rsplit_once(" port ")?;
    let (user, source) = text.rsplit_once(" from ")?;
    Some((user, address(source)?, port.parse().ok()?))
}

/// `USER from ADDRESS port N ssh2`, and for a key `: TYPE FINGERPRINT` after it.
fn tail(text: &str) -> Option<(&str, Option<IpAddr>, u16)> {
    let known = |(user, source, port)| (user, Some(source), port);
    if let Some(text) = text.strip_suffix(" ssh2") {
        return origin(text).map(known);
    }
    let (rest, fingerprint) = text.rsplit_once(' ')?;
    let (rest, kind) = rest.rsplit_once(' ')?;
    if !is_fingerprint(fingerprint) || !is_word(kind) {
        return None;
    }
    if let Some(text) = rest.strip_suffix(" ssh2:") {
        return origin(text).map(known);
    }
    certificate(rest.strip_suffix(" CA")?)
}

/// `USER from ADDRESS port N ssh2: TYPE FINGERPRINT ID NAME (serial N)`. Who made the certificate chose NAME too, so that
/// only a line which can be read in a single way names a source.
fn certificate(text: &str) -> Option<(&str, Option<IpAddr>, u16)> {
    let mut readings = text.match_indices(" ssh2: ").filter_map(|(at, words)| {
        let mut key = text.get(at + words.len()..)?.splitn(4, ' ');
        let fits = is_word(key.next()?) && is_fingerprint(key.next()?) && key.next()? == "ID";
        origin(text.get(..at)?).filter(|_| fits)
    });
    let (user, source, port) = readings.next()?;
    match readings.next() {
        None => Some((user, Some(source), port)),
        Some(_) => Some(("", None, 0)),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_fingerprint(text: &str) -> bool {
    text.split_once(':').is_some_and(|(hash, digest)| is_word(hash) && !digest.is_empty())
}

/// IPv4 inside IPv6 is IPv4; a link-local address comes with its interface.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}
