//! Owns: the switch that stops all autonomy, on this host: its latest word is kept over restarts, and carried out.
//! Never: judging; that is common/policy.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use picket_model::{LEASE_MS_LASTING, Principal, Timestamp};
use picket_policy::halt::{HALT_BYTES_MAX, Halt, HaltError, Held};

use super::{Engine, now};
use crate::whole;

/// Who undoes what is undone at the switch's word.
const SWITCH: &str = "the switch";

impl Engine {
    fn halt_path(&self) -> PathBuf {
        self.state_dir.join("halt")
    }

    /// The word that was in force before the agent ended. One that does not verify is told; the coordinator sends it again.
    pub(super) fn resume_halt(&mut self) {
        let Ok(file) = File::open(self.halt_path()) else { return };
        let mut bytes = Vec::new();
        let read = file.take(HALT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string());
        let verified = read.and_then(|_| Halt::verify(&bytes, &self.policy_key).map_err(|error| error.to_string()));
        match verified {
            Ok(halt) => {
                if halt.halted {
                    self.speak("autonomy halted", &told(&halt));
                }
                self.decide.set_halt(halt);
            }
            Err(why) => self.speak("the kept word of the switch does not count", &why),
        }
    }

    /// A word of the switch came: of when it is, whether this host goes by it, and what that came to. Nothing for a word
    /// that cannot be read at all.
    pub fn halt(&mut self, bytes: &[u8]) -> Option<(Timestamp, bool, String)> {
        let known = self.decide.halt().cloned();
        match Halt::accept(bytes, &self.policy_key, known.as_ref(), now()) {
            Ok(halt) if known.as_ref() == Some(&halt) => Some((halt.issued, true, told(&halt))),
            Ok(halt) => Some(self.turned(bytes, halt)),
            Err(error) => {
                self.speak("a word of the switch was refused", &error.to_string());
                let of = match error {
                    HaltError::Older { offered, .. } | HaltError::NotYet(offered) => offered,
                    HaltError::Malformed(_) | HaltError::Signature => return None,
                };
                Some((of, false, error.to_string()))
            }
        }
    }

    /// Durable before it is carried out; but a full disk must not keep autonomy running.
    fn turned(&mut self, bytes: &[u8], halt: Halt) -> (Timestamp, bool, String) {
        let kept = whole::write(&self.halt_path(), bytes);
        self.decide.set_halt(halt.clone());
        self.speak(if halt.halted { "autonomy halted" } else { "autonomy resumed" }, &told(&halt));
        let mut detail = told(&halt);
        if halt.halted && halt.held == Held::Release {
            detail = format!("{detail}; {}", self.let_go(&halt));
        }
        if let Err(error) = kept {
            detail = format!("{detail}; it could not be kept over a restart: {error}");
        }
        (halt.issued, true, detail)
    }

    /// Undoes all that is contained on this host. What an incident left is not given back to it.
    fn let_go(&mut self, halt: &Halt) -> String {
        let principal = Principal::Analyst { name: SWITCH.to_owned() };
        let (mut undone, mut stuck) = (0_usize, Vec::new());
        let (remedies, contained): (Vec<_>, Vec<_>) =
            self.containment.in_force().into_iter().partition(|held| held.action.lease_ms == LEASE_MS_LASTING);
        for held in contained {
            match self.containment.undo(held.action.id, &principal, &halt.note) {
                Ok(report) => {
                    undone += 1;
                    self.report(report);
                }
                Err(error) => stuck.push(format!("{}: {error}", held.action.kind)),
            }
        }
        let failed = if stuck.is_empty() { String::new() } else { format!(", not undone: {}", stuck.join("; ")) };
        let stay = match remedies.len() {
            0 => String::new(),
            count => format!(", {count} remedies of incidents stay"),
        };
        format!("{undone} undone{stay}{failed}")
    }
}

fn told(halt: &Halt) -> String {
    let what = if halt.halted { "nothing is done alone" } else { "autonomy runs" };
    format!("{what} since {}: {}", halt.issued, halt.note)
}
