//! Owns: which units run, by what the service manager says of them, and what that tells.
//! Never: the bus.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use picket_model::ServiceActivity;
use picket_model::raw::RawActor;

use super::super::places::is_unit;
use super::wire::{Message, Value};

/// Units that are followed; hosts have some hundred.
const UNITS_MAX: usize = 16_384;
const UNIT_PATH: &str = "/org/freedesktop/systemd1/unit/";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Rests,
    Runs,
    Stops,
}

#[derive(Default)]
pub struct Running {
    units: BTreeMap<String, Unit>,
}

struct Unit {
    state: State,
    /// Who let it stop, as was known when it began to.
    stopper: Option<RawActor>,
}

/// What became of a unit; `actor` where it had to be asked earlier.
#[derive(PartialEq, Eq, Debug)]
pub struct Told {
    pub name: String,
    pub activity: ServiceActivity,
    pub actor: Option<RawActor>,
}

impl Running {
    /// The reply to `ListUnits`: what runs already is no event.
    pub fn learn(&mut self, units: &[Value]) {
        for unit in units {
            let [name, _, _, active, ..] = unit.list() else { continue };
            let (Some(name), Some(state)) = (name.text(), active.text().and_then(state)) else { continue };
            if is_unit(name) && self.units.len() < UNITS_MAX {
                self.units.insert(name.to_owned(), Unit { state, stopper: None });
            }
        }
    }

    /// A signal of the manager's. `who` is asked for whoever wanted it.
    pub fn hear(&mut self, message: &Message, who: impl Fn(&str, ServiceActivity) -> Option<RawActor>) -> Option<Told> {
        match message.member.as_str() {
            "PropertiesChanged" => {
                let name = unit_name(&message.path).filter(|name| is_unit(name))?;
                let arguments = message.arguments()?;
                let active = arguments.get(1)?.list().iter().find_map(|entry| match entry.list() {
                    [name, value] if name.text() == Some("ActiveState") => value.text(),
                    _ => None,
                })?;
                self.change(name, state(active)?, who)
            }
            "UnitRemoved" => {
                let arguments = message.arguments()?;
                self.removed(arguments.first()?.text()?);
                None
            }
            _ => None,
        }
    }

    /// A unit that rests is forgotten by the manager, and here. At a reload it takes away all of them, and makes them
    /// anew: those that run still do.
    fn removed(&mut self, name: &str) {
        if self.units.get(name).is_some_and(|unit| unit.state == State::Rests) {
            self.units.remove(name);
        }
    }

    fn change(
        &mut self,
        name: String,
        new: State,
        who: impl Fn(&str, ServiceActivity) -> Option<RawActor>,
    ) -> Option<Told> {
        use ServiceActivity::{Started, Stopped};
        if !self.units.contains_key(&name) && self.units.len() >= UNITS_MAX {
            return None;
        }
        let unit = self.units.entry(name.clone()).or_insert(Unit { state: State::Rests, stopper: None });
        let old = std::mem::replace(&mut unit.state, new);
        let (activity, actor) = match (old, new) {
            (State::Rests, State::Runs) => (Started, who(&name, Started)),
            // It went down and came up again between two looks of the manager's.
            (State::Stops, State::Runs) => (Started, who(&name, Started)),
            (State::Runs, State::Stops) => {
                unit.stopper = who(&name, Stopped);
                return None;
            }
            (State::Runs, State::Rests) => (Stopped, who(&name, Stopped)),
            (State::Stops, State::Rests) => (Stopped, unit.stopper.take().or_else(|| who(&name, Stopped))),
            _ => return None,
        };
        Some(Told { name, activity, actor })
    }
}

fn state(word: &str) -> Option<State> {
    match word {
        "active" | "activating" | "reloading" | "refreshing" => Some(State::Runs),
        "deactivating" => Some(State::Stops),
        "inactive" | "failed" | "maintenance" => Some(State::Rests),
        _ => None,
    }
}

/// A unit's name as the manager writes it in a path: what is no letter or digit is `_` and two hexadecimal digits.
fn unit_name(path: &str) -> Option<String> {
    let escaped = path.strip_prefix(UNIT_PATH)?.as_bytes();
    let (mut name, mut at) = (Vec::with_capacity(escaped.len()), 0);
    while let Some(byte) = escaped.get(at) {
        if *byte == b'_' {
            let digits = std::str::from_utf8(escaped.get(at + 1..at + 3)?).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            name.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(name).ok()
}
