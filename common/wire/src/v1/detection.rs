//! Owns: a detection on the wire, with its acting process's ancestors.
//! Never: the ancestors twice; decoding hangs them below the event's process again.

use std::sync::Arc;

use picket_model as model;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::mirror;
use super::process::Process;
use crate::limits::{
    ANCESTOR_ARGUMENTS_BYTES_MAX, Invalid, LINEAGE_MAX, LIST_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, check, cut, cut_all,
    text, texts,
};

mirror!(Severity { Informational, Low, Medium, High, Critical });
mirror!(SensorFamily { Process, File, Network, Authentication, Module, Indicator, Host });

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub field: String,
    pub value: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Detection {
    pub id: [u8; 16],
    pub host: [u8; 16],
    pub time: u64,
    pub rule: String,
    pub title: String,
    pub severity: Severity,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
    pub family: SensorFamily,
    pub evidence: Vec<Evidence>,
    pub response: Vec<String>,
    pub event: Event,
    pub lineage: Vec<Process>,
}

/// Evidence is for people and for checking: many short values, never a file's content.
const EVIDENCE_MAX: usize = 64;

impl From<&model::Detection> for Detection {
    fn from(detection: &model::Detection) -> Self {
        let evidence = |evidence: &model::Evidence| Evidence {
            field: cut(&evidence.field, NAME_BYTES_MAX),
            value: cut(&evidence.value, TEXT_BYTES_MAX),
        };
        let mut event = Event::from(&detection.event);
        if !detection.lineage.is_empty() {
            event.parent = None;
        }
        Self {
            id: *detection.id.as_bytes(),
            host: *detection.host.as_bytes(),
            time: detection.time.0,
            rule: cut(&detection.rule.0, NAME_BYTES_MAX),
            title: cut(&detection.title, TEXT_BYTES_MAX),
            severity: detection.severity.into(),
            techniques: cut_all(&detection.techniques, NAME_BYTES_MAX, LIST_MAX),
            tactics: cut_all(&detection.tactics, NAME_BYTES_MAX, LIST_MAX),
            family: detection.family.into(),
            evidence: detection.evidence.iter().take(EVIDENCE_MAX).map(evidence).collect(),
            response: cut_all(&detection.response, NAME_BYTES_MAX, LIST_MAX),
            event,
            lineage: detection
                .lineage
                .iter()
                .take(LINEAGE_MAX)
                .map(|process| Process::cut_to(process, ANCESTOR_ARGUMENTS_BYTES_MAX))
                .collect(),
        }
    }
}

impl TryFrom<Detection> for model::Detection {
    type Error = Invalid;
    fn try_from(detection: Detection) -> Result<Self, Invalid> {
        check("detection.lineage", detection.lineage.len(), LINEAGE_MAX)?;
        check("detection.evidence", detection.evidence.len(), EVIDENCE_MAX)?;
        let mut lineage: Vec<Arc<model::Process>> = Vec::with_capacity(detection.lineage.len());
        for process in detection.lineage.into_iter().rev() {
            let parent = lineage.last().cloned();
            lineage.push(process.under(parent)?);
        }
        lineage.reverse();
        let mut event = model::Event::try_from(detection.event)?;
        if let (Some(process), Some(parent)) = (event.process.as_mut(), lineage.first()) {
            Arc::make_mut(process).parent = Some(Arc::clone(parent));
        }
        let evidence = |evidence: Evidence| {
            Ok(model::Evidence {
                field: text("evidence.field", evidence.field, NAME_BYTES_MAX)?,
                value: text("evidence.value", evidence.value, TEXT_BYTES_MAX)?,
            })
        };
        Ok(Self {
            id: model::DetectionId::from_bytes(detection.id),
            host: model::HostId::from_bytes(detection.host),
            time: model::Timestamp(detection.time),
            rule: model::RuleId(text("detection.rule", detection.rule, NAME_BYTES_MAX)?),
            title: text("detection.title", detection.title, TEXT_BYTES_MAX)?,
            severity: detection.severity.into(),
            techniques: texts("detection.techniques", detection.techniques, NAME_BYTES_MAX, LIST_MAX)?,
            tactics: texts("detection.tactics", detection.tactics, NAME_BYTES_MAX, LIST_MAX)?,
            family: detection.family.into(),
            evidence: detection.evidence.into_iter().map(evidence).collect::<Result<_, Invalid>>()?,
            response: texts("detection.response", detection.response, NAME_BYTES_MAX, LIST_MAX)?,
            event,
            lineage,
        })
    }
}
