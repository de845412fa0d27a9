//! Owns: what the coordinator knows of the drill so far: events, detections, actions; and asking it to undo.
//! Never: looking past the API at the agent.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use picket_model::Timestamp;
use serde_json::{Value, json};

use super::den::MARK;
use super::interrupt::{POLL_INTERVAL, poll};
use crate::api::Api;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// A drill causes tens of records, not hundreds.
const LOOKED_THROUGH: usize = 500;
/// A host that is there answers an undoing within a fraction of it.
const PUT_BACK_WAIT: Duration = Duration::from_secs(10);
/// What was being done when a drill was interrupted is reported within it.
pub const LATE_REPORTS: Duration = Duration::from_secs(1);

pub struct Watch<'a> {
    api: &'a Api,
    host: Value,
    id: String,
    since: Timestamp,
    wait: Duration,
}

/// One action as the coordinator shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub detail: String,
    pub latency_us: u64,
    detection: String,
    drill: bool,
    namespace: String,
}

/// What is known of one step.
#[derive(Default, Debug)]
pub struct Known {
    pub seen: bool,
    pub rules: Vec<String>,
    pub actions: Vec<Seen>,
}

/// From the triggering event; from the request where a person, not an event, asked for it.
fn latency_us(value: &Value) -> u64 {
    match value::number(value, "/latency_us") {
        0 => {
            let requested = value::number(value, "/requested");
            let done = value::number(value, "/time");
            if requested == 0 { 0 } else { done.saturating_sub(requested) / 1000 }
        }
        said => said,
    }
}

impl Seen {
    fn read(value: &Value) -> Self {
        let text = |field: &str| value::text(value, &format!("/{field}"));
        Self {
            id: text("id"),
            kind: text("kind/kind"),
            state: value::text(value, "/state"),
            detail: value::text(value, "/detail"),
            latency_us: latency_us(value),
            detection: text("reason/detection"),
            drill: text("reason/drill") == "yes",
            namespace: text("kind/scope/namespace/name"),
        }
    }

    /// Nothing more will come of it by itself.
    pub fn settled(&self) -> bool {
        self.state != "planned"
    }

    /// The agent marked it, or it isolates a namespace that only drills make.
    fn of_a_drill(&self) -> bool {
        self.drill || self.namespace.starts_with(MARK)
    }

    pub fn reversible(&self) -> bool {
        self.kind != "kill_tree"
    }
}

impl Known {
    pub fn applied(&self, kind: &str) -> bool {
        self.actions.iter().any(|action| action.kind == kind && action.state == "applied")
    }

    pub fn contained_by(&self, kinds: &[&str]) -> bool {
        kinds.iter().all(|kind| self.applied(kind)) && self.actions.iter().all(Seen::settled)
    }

    /// From the event to the end of the slowest of `kinds`, each by its quickest.
    pub fn latency_us(&self, kinds: &[&str]) -> Option<u64> {
        let of = |kind: &&str| {
            let applied = self.actions.iter().filter(|action| action.kind == **kind && action.state == "applied");
            applied.map(|action| action.latency_us).min()
        };
        kinds.iter().filter_map(of).max()
    }
}

impl<'a> Watch<'a> {
    pub fn new(api: &'a Api, host: Value, wait: Duration) -> Self {
        let id = value::text(&host, resolve::HOST_ID);
        Self { api, host, id, since: value::now(), wait }
    }

    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// What this host's agent says it cannot see that has to do with `subject`.
    pub fn blind_spot(&self, subjects: &[&str]) -> Option<String> {
        let spots = value::find(&self.host, "/status/blind_spots")?.as_array()?;
        let mut spots = spots.iter().map(value::plain);
        spots.find(|spot| subjects.iter().any(|subject| spot.to_lowercase().contains(subject)))
    }

    /// Everything that carries `marker`: one word of the acting command line or path.
    pub fn known(&self, marker: &str) -> Result<Known, Failure> {
        let query = [
            ("host", self.id.clone()),
            ("text", marker.to_owned()),
            ("since", self.since.0.to_string()),
            ("limit", LOOKED_THROUGH.to_string()),
        ];
        let carries = |value: &&Value| value.to_string().contains(marker);
        let events = self.api.get("/v1/events", &query)?;
        let detections = self.api.get("/v1/detections", &query)?;
        let detections: Vec<&Value> = value::rows(&detections, "detections").iter().filter(carries).collect();
        let ids: BTreeSet<String> = detections.iter().map(|detection| value::text(detection, "/id")).collect();
        let rules: BTreeSet<String> = detections.iter().map(|detection| value::text(detection, "/rule")).collect();
        let actions = self.actions()?.into_iter().filter(|action| ids.contains(&action.detection)).collect();
        Ok(Known {
            seen: value::rows(&events, "events").iter().any(|event| carries(&event)),
            rules: rules.into_iter().collect(),
            actions,
        })
    }

    /// Waits until the step is seen and contained by all of `kinds`; what is known when the time is up otherwise.
    pub fn contained(&self, marker: &str, kinds: &[&str]) -> Result<Known, Failure> {
        let mut last = Known::default();
        poll(self.wait, || {
            last = self.known(marker)?;
            Ok((last.seen && last.contained_by(kinds)).then_some(()))
        })?;
        Ok(last)
    }

    fn actions(&self) -> Result<Vec<Seen>, Failure> {
        let query = [("host", self.id.clone()), ("limit", LOOKED_THROUGH.to_string())];
        let answer = self.api.get("/v1/actions", &query)?;
        Ok(value::rows(&answer, "actions").iter().map(Seen::read).collect())
    }

    pub fn action(&self, id: &str) -> Result<Option<Seen>, Failure> {
        Ok(self.actions()?.into_iter().find(|action| action.id == id))
    }

    /// Asks for the isolation of one network namespace of this host; the action's id.
    pub fn isolate(&self, namespace: &str, lease: Duration) -> Result<String, Failure> {
        let scope = picket_model::IsolationScope::Namespace { name: namespace.to_owned() };
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let body = json!({"scope": scope, "lease_ms": lease_ms, "note": "drill"});
        let answer = self.api.post(&format!("/v1/hosts/{}/isolate", self.id), &body)?;
        let id = Seen::read(&answer).id;
        if id.len() < value::SHORT_ID {
            return Err(Failure::failed(format!("the coordinator named no action in its answer: {answer}"), ""));
        }
        Ok(id)
    }

    pub fn wait_for_state(&self, id: &str, state: &str) -> Result<Option<Seen>, Failure> {
        poll(self.wait, || Ok(self.action(id)?.filter(|action| action.state == state)))
    }

    /// Takes back every reversible action among `actions`; whether all of them say so.
    pub fn undo(&self, actions: &[Seen]) -> Result<bool, Failure> {
        let mut all = true;
        for action in actions.iter().filter(|action| action.reversible() && action.state == "applied") {
            self.api.post(&format!("/v1/actions/{}/undo", action.id), &json!({"note": "drill"}))?;
            all &= self.wait_for_state(&action.id, "undone")?.is_some();
        }
        Ok(all)
    }

    /// Takes back whatever of any drill on this host is still in force, and waits for it: a file cannot go back into a
    /// directory that is gone. What an interrupted drill set off is reported within `late`. Errors do not matter: leases
    /// end by themselves.
    pub fn undo_leftovers(&self, late: Duration) {
        let (began, mut asked) = (Instant::now(), BTreeSet::new());
        while began.elapsed() < PUT_BACK_WAIT {
            let Ok(actions) = self.actions() else { return };
            let ours: Vec<&Seen> = actions.iter().filter(|action| action.of_a_drill() && action.reversible()).collect();
            for action in ours.iter().filter(|action| action.state == "applied") {
                if asked.insert(action.id.clone()) {
                    let path = format!("/v1/actions/{}/undo", action.id);
                    let _ = self.api.post(&path, &json!({"note": "drill, cleaning up"}));
                }
            }
            let in_force = ours.iter().any(|action| matches!(action.state.as_str(), "applied" | "planned"));
            if !in_force && began.elapsed() >= late {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use picket_model as model;

    use super::{Known, Seen};

    fn report(state: model::ActionState) -> serde_json::Value {
        let id = model::ActionId::from_bytes([7; 16]);
        let reason = model::action::Reason {
            principal: model::Principal::Agent,
            detection: Some(model::DetectionId::from_bytes([8; 16])),
            rule: None,
            severity: 4,
            incident: None,
            families: 1,
            drill: true,
            note: String::new(),
        };
        let kind = model::ActionKind::QuarantineFile { path: "/x".into(), sha256: None };
        let host = model::HostId::from_bytes([1; 16]);
        let action = model::Action { id, host, kind, reason, requested: model::Timestamp(1), lease_ms: 1 };
        let mut value = serde_json::to_value(model::ActionReport {
            action,
            state,
            verdict: model::VerdictKind::ActNow,
            bundle: model::BundleVersion(1),
            decided_by: vec![],
            time: model::Timestamp(2),
            latency_us: 4200,
            detail: "moved".into(),
        })
        .unwrap();
        // The API shows the action's fields beside those of its report.
        let mut action = value["action"].take();
        value.as_object_mut().unwrap().remove("action");
        value.as_object_mut().unwrap().append(action.as_object_mut().unwrap());
        value
    }

    #[test]
    fn a_report_of_the_model_is_understood() {
        let seen = Seen::read(&report(model::ActionState::Applied));
        assert_eq!((seen.kind.as_str(), seen.state.as_str(), seen.latency_us), ("quarantine_file", "applied", 4200));
        assert!(seen.drill && seen.reversible() && seen.settled());
        assert_eq!(seen.detection, model::DetectionId::from_bytes([8; 16]).to_string());
    }

    #[test]
    fn contained_means_all_of_them_and_none_half_done() {
        let known = |state| Known { seen: true, rules: vec![], actions: vec![Seen::read(&report(state))] };
        assert!(known(model::ActionState::Applied).contained_by(&["quarantine_file"]));
        assert!(!known(model::ActionState::Applied).contained_by(&["quarantine_file", "kill_tree"]));
        assert!(!known(model::ActionState::Planned).contained_by(&["quarantine_file"]));
        assert_eq!(known(model::ActionState::Applied).latency_us(&["quarantine_file"]), Some(4200));
    }
}
