//! Owns: what correlation asks, in the words of planning.
//! Never: choosing.

use crate::correlate::Request;
use crate::respond::{Case, HostEvidence, Known, Session};

pub fn case(request: &Request) -> Case {
    let session = |it: &crate::correlate::Session| Session {
        host: it.host,
        top: it.top,
        label: it.label.clone(),
        from_label: it.from_label.clone(),
        trigger: it.trigger,
        drill: it.drill,
        covered: it.covered,
    };
    let evidence = |it: &crate::correlate::HostEvidence| HostEvidence {
        host: it.host,
        severity: it.severity,
        families: it.families,
        detection: it.detection,
        rule: it.rule.clone(),
        drill: it.drill,
    };
    Case {
        incident: request.incident,
        title: request.title.clone(),
        severity: request.severity,
        families: request.families,
        sessions: request.sessions.iter().map(session).collect(),
        evidence: request.evidence.iter().map(evidence).collect(),
        known: request
            .actions
            .iter()
            .map(|it| Known { id: it.id, host: it.host, kind: it.kind.clone(), state: it.state })
            .collect(),
    }
}
