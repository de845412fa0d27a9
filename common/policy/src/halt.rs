//! Owns: the switch that stops all autonomy: a signed word that from now on Picket only asks, or that it acts again.
//! Never: an older word after a newer one, or one without the policy key.

use ed25519_dalek::SigningKey;
use picket_model::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::signed::{self, Fault};

pub use crate::signed::STATEMENT_BYTES_MAX as HALT_BYTES_MAX;

const WORD: &str = "picket_halt";
/// How far the clocks of a host and of who signs may be apart. A word from further ahead could not be taken back for as
/// long.
const AHEAD_MS_MAX: u64 = 5 * 60_000;

/// What becomes of what is contained when autonomy is halted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It stays until its leases end or somebody undoes it.
    Keep,
    /// All of it is undone now.
    Release,
}

/// The switch's position since `issued`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    pub issued: Timestamp,
    /// Whether autonomy stands still; `false` lets it run again.
    pub halted: bool,
    pub held: Held,
    /// Who turned it and why, for the record.
    pub note: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HaltError {
    #[error("this is no word of the switch ({0}); make one with `picket policy halt` or `picket policy resume`")]
    Malformed(String),
    #[error("the word is not signed with the policy key that this host trusts")]
    Signature,
    #[error("the word is of {offered}, and one of {have} is in force; sign it anew")]
    Older { have: Timestamp, offered: Timestamp },
    #[error("the word was signed at {0}, which is still to come here; look at the clocks")]
    NotYet(Timestamp),
}

impl Halt {
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        signed::seal(WORD, self, key)
    }

    /// What the bytes say, if they are of this key.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn verify(bytes: &[u8], key: &[u8; 32]) -> Result<Self, HaltError> {
        let body = signed::open(WORD, bytes, key).map_err(|fault| match fault {
            Fault::Malformed(reason) => HaltError::Malformed(reason),
            Fault::Signature => HaltError::Signature,
        })?;
        serde_json::from_str(&body).map_err(|error| HaltError::Malformed(error.to_string()))
    }

    /// [`Self::verify`], and then whether it may follow `current` at `now`. The same word again may.
    ///
    /// # Errors
    /// Says which of these it is not.
    pub fn accept(bytes: &[u8], key: &[u8; 32], current: Option<&Self>, now: Timestamp) -> Result<Self, HaltError> {
        let offered = Self::verify(bytes, key)?;
        if offered.issued > now.plus_millis(AHEAD_MS_MAX) {
            return Err(HaltError::NotYet(offered.issued));
        }
        match current {
            Some(have) if *have != offered && offered.issued <= have.issued => {
                Err(HaltError::Older { have: have.issued, offered: offered.issued })
            }
            _ => Ok(offered),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    fn word(minutes: u64, halted: bool) -> Halt {
        let issued = Timestamp::from_millis(1_790_000_000_000 + minutes * 60_000);
        Halt { issued, halted, held: Held::Keep, note: "false alarms on the mail servers".into() }
    }

    #[test]
    fn the_newest_word_of_the_key_counts() {
        let key = keys::generate([7; 32]);
        let public = key.verifying_key().to_bytes();
        let (first, second) = (word(1, true), word(2, false));
        let now = second.issued;
        assert_eq!(Halt::accept(&first.sign(&key), &public, None, now), Ok(first.clone()));
        assert_eq!(Halt::accept(&second.sign(&key), &public, Some(&first), now), Ok(second.clone()));
        assert_eq!(Halt::accept(&second.sign(&key), &public, Some(&second), now), Ok(second.clone()));
        let older = HaltError::Older { have: second.issued, offered: first.issued };
        assert_eq!(Halt::accept(&first.sign(&key), &public, Some(&second), now), Err(older));
    }

    #[test]
    fn a_word_of_another_key_of_the_future_or_of_another_kind_is_refused() {
        let (key, stranger) = (keys::generate([7; 32]), keys::generate([8; 32]));
        let public = key.verifying_key().to_bytes();
        let now = word(0, true).issued;
        assert_eq!(Halt::accept(&word(0, true).sign(&stranger), &public, None, now), Err(HaltError::Signature));
        let ahead = word(6, true);
        assert_eq!(Halt::accept(&ahead.sign(&key), &public, None, now), Err(HaltError::NotYet(ahead.issued)));
        let other = signed::seal("picket_maintenance", &word(0, true), &key);
        assert!(matches!(Halt::verify(&other, &public), Err(HaltError::Malformed(_))));
        let renamed = String::from_utf8(other).unwrap().replace("picket_maintenance", WORD);
        assert_eq!(Halt::verify(renamed.as_bytes(), &public), Err(HaltError::Signature));
    }
}
