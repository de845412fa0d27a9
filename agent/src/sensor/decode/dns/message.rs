//! Owns: reading one DNS message (RFC 1035): its first question and the addresses in its answer.
//! Never: believing a count or a pointer; a message is anybody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
/// Pointers followed in one name; a name of real life has one or two.
const POINTERS_MAX: usize = 16;
/// RFC 1035: 255 bytes with the lengths of the labels.
const NAME_MAX: usize = 255;
/// Records looked at; an answer in one packet has hardly 90.
const RECORDS_MAX: usize = 128;
/// Addresses told of one answer.
const ADDRESSES_MAX: usize = 64;

#[derive(PartialEq, Eq, Debug)]
pub struct Message {
    pub id: u16,
    pub answer: bool,
    /// The type that is asked for.
    pub kind: u16,
    /// Lower case, without the last dot; the root is `.`.
    pub name: String,
    pub addresses: Vec<IpAddr>,
}

/// `None` for what is no message with a question. An answer that is cut gives what is whole of it.
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let [id, flags, questions, answers] = [0, 2, 4, 6].map(|at| word(bytes, at));
    let (id, flags, questions, answers) = (id?, flags?, questions?, answers?);
    // The header's other counts must be there as well.
    bytes.get(..12)?;
    if questions == 0 || flags & OPCODE != 0 {
        return None;
    }
    let (name, at) = name(bytes, 12)?;
    let kind = word(bytes, at)?;
    let class = word(bytes, at + 2)?;
    if class & 0x7fff != CLASS_IN {
        return None;
    }
    let answer = flags & RESPONSE != 0;
    let addresses = match (answer, questions) {
        (true, 1) => addresses(bytes, at + 4, answers),
        _ => Vec::new(),
    };
    Some(Message { id, answer, kind, name, addresses })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// The addresses in the answer, whatever the names they belong to: those of a chain of aliases are the answer too.
fn addresses(bytes: &[u8], mut at: usize, count: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for _ in 0..usize::from(count).min(RECORDS_MAX) {
        let Some((address, next)) = address(bytes, at) else { break };
        at = next;
        if let Some(address) = address.filter(|address| !found.contains(address)) {
            found.push(address);
        }
        if found.len() == ADDRESSES_MAX {
            break;
        }
    }
    found
}

/// What the record at `at` holds if it is an address, and where the next one begins.
fn address(bytes: &[u8], at: usize) -> Option<(Option<IpAddr>, usize)> {
    let (_, at) = name(bytes, at)?;
    let (kind, class) = (word(bytes, at)?, word(bytes, at + 2)?);
    let data = at + 10;
    let next = data + usize::from(word(bytes, at + 8)?);
    let data = bytes.get(data..next)?;
    let address = match (kind, class) {
        (TYPE_A, CLASS_IN) => <[u8; 4]>::try_from(data).ok().map(|data| Ipv4Addr::from(data).into()),
        (TYPE_AAAA, CLASS_IN) => <[u8; 16]>::try_from(data).ok().map(|data| Ipv6Addr::from(data).into()),
        _ => None,
    };
    Some((address, next))
}

/// The name at `start` and where it ends there. A pointer must lead back, so that no chain of them has a circle.
fn name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut text, mut at, mut end, mut length, mut pointers) = (String::new(), start, None, 0, 0);
    loop {
        let first = *bytes.get(at)?;
        match first & 0xc0 {
            0 if first == 0 => break,
            0 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(first))?;
                at += 1 + label.len();
                length += 1 + label.len();
                if length >= NAME_MAX {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                write_label(&mut text, label);
            }
            0xc0 => {
                let target = usize::from(word(bytes, at)? & 0x3fff);
                pointers += 1;
                if target >= at || pointers > POINTERS_MAX {
                    return None;
                }
                end.get_or_insert(at + 2);
                at = target;
            }
            _ => return None,
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    Some((text, end.unwrap_or(at + 1)))
}

/// Resolvers mix upper and lower case on purpose: it is one name. What no host name has is written `\xNN`.
fn write_label(text: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'.' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
}
