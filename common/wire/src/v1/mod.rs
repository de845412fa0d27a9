//! Owns: schema 1: every type as it is on the wire, frozen, with its conversion from and to the model.
//! Never: a changed, reordered or inserted field or variant; the golden bytes would fail.

pub mod action;
pub mod detection;
pub mod event;
pub mod host;
pub mod later;
pub mod message;
pub mod process;

pub use action::{Action, ActionKind, ActionReport, Command, CommandKind, Principal, Reason};
pub use detection::{Detection, Evidence};
pub use event::{Activity, Event};
pub use host::{HostFacts, HostStatus};
pub use process::Process;

use picket_model as model;
use serde::{Deserialize, Serialize};

use crate::limits::Invalid;

/// A unit enum of the model, frozen: postcard writes the variant's index.
macro_rules! mirror {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($variant),+ }
        impl From<picket_model::$name> for $name {
            fn from(value: picket_model::$name) -> Self {
                match value { $(picket_model::$name::$variant => Self::$variant),+ }
            }
        }
        impl From<$name> for picket_model::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}
pub(crate) use mirror;

mirror!(Lane { Urgent, Lifecycle, Bulk });

// A record lives here only while it is converted; a box would be one more allocation for each.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Record {
    Event(Event),
    Detection(Detection),
    Action(ActionReport),
    EventWith(Event, later::Extras),
}

impl From<&model::Record> for Record {
    fn from(record: &model::Record) -> Self {
        match record {
            model::Record::Event { event } => match event::extras(event) {
                Some(extras) => Self::EventWith(event.into(), extras),
                None => Self::Event(event.into()),
            },
            model::Record::Detection { detection } => Self::Detection(detection.into()),
            model::Record::Action { report } => Self::Action(report.into()),
        }
    }
}

impl TryFrom<Record> for model::Record {
    type Error = Invalid;
    fn try_from(record: Record) -> Result<Self, Invalid> {
        Ok(match record {
            Record::Event(event) => Self::Event { event: event.try_into()? },
            Record::EventWith(event, extras) => Self::Event { event: event::with(event.try_into()?, extras)? },
            Record::Detection(detection) => Self::Detection { detection: detection.try_into()? },
            Record::Action(report) => Self::Action { report: report.try_into()? },
        })
    }
}
