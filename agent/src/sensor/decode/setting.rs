//! Owns: records of what is asked of the kernel itself: clocks, another kernel, keys, rings.
//! Never: other records.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use picket_model::{Activity, KernelOperation};

use super::call::Call;
use super::{resolve, until_nul, words};
use crate::procfs::text;
use crate::sys::ring::Bytes;

pub fn change(call: &Call<'_>) -> Option<Activity> {
    let (operation, subject, detail) = match call.what {
        16 => (KernelOperation::SetTime, clock_call(call.args[0])?.to_owned(), clock(call)),
        17 => {
            let subject = if call.args[0] == 320 { "kexec_file_load" } else { "kexec_load" };
            (KernelOperation::LoadKexec, subject.to_owned(), call.file())
        }
        18 => keyring(call),
        20 => {
            let detail = format!("{} entries, flags {:#x}", call.int(1), call.int(2));
            (KernelOperation::IoUring, "setup".to_owned(), detail)
        }
        21 => (KernelOperation::IoUring, words::uring_operation(call.int(0)), operation(call)),
        _ => return None,
    };
    let detail = match call.failure() {
        Some(failure) if detail.is_empty() => failure,
        Some(failure) => format!("{detail}, {failure}"),
        None => detail,
    };
    Some(Activity::Kernel { operation, subject, detail })
}

const fn clock_call(nr: i64) -> Option<&'static str> {
    Some(match nr {
        159 => "adjtimex",
        164 => "settimeofday",
        227 => "clock_settime",
        305 => "clock_adjtime",
        _ => return None,
    })
}

fn clock(call: &Call<'_>) -> String {
    match (call.args[0], call.int(1)) {
        (159 | 164, _) | (_, 0) => "CLOCK_REALTIME".to_owned(),
        (_, 11) => "CLOCK_TAI".to_owned(),
        (_, id) => format!("clock {}", id.cast_signed()),
    }
}

fn keyring(call: &Call<'_>) -> (KernelOperation, String, String) {
    let (subject, detail) = match call.args[0] {
        248 => ("add_key".to_owned(), format!("{} {}", call.text(0), call.text(1))),
        249 => ("request_key".to_owned(), format!("{} {}", call.text(0), call.text(1))),
        // The special key rings have negative numbers.
        _ => (words::keyctl_operation(call.int(1)), format!("key {}", call.int(2).cast_signed())),
    };
    (KernelOperation::Keyring, subject, detail)
}

/// The name an operation of a ring is about, or the address it connects to; empty for the others.
fn operation(call: &Call<'_>) -> String {
    match call.int(0) {
        16 => address(call.texts).unwrap_or_default(),
        35 | 37..=39 if !call.text(1).is_empty() => {
            format!("{} from {}", resolve(call.path, call.texts), call.text(1))
        }
        _ if call.texts.is_empty() => String::new(),
        _ => resolve(call.path, call.texts),
    }
}

/// A `sockaddr` for people.
fn address(bytes: &[u8]) -> Option<String> {
    let mut bytes = Bytes::new(bytes);
    match bytes.u16()? {
        1 => Some(text(until_nul(bytes.take(26)?))),
        2 => {
            let port = u16::from_be_bytes(bytes.array()?);
            Some(SocketAddr::from((Ipv4Addr::from(bytes.array::<4>()?), port)).to_string())
        }
        10 => {
            let port = u16::from_be_bytes(bytes.array()?);
            bytes.u32()?;
            Some(SocketAddr::from((Ipv6Addr::from(bytes.array::<16>()?), port)).to_string())
        }
        _ => None,
    }
}
