//! Owns: the desk as the API's service.
//! Never: more than handing over.

use picket_model::{ActionId, HostId, IncidentId, Timestamp};

use super::desk::Desk;
use super::secrets::token_key;
use crate::api::{
    Answer, ContainRequest, Filter, IsolateRequest, RecoverRequest, Refused, RemedyRequest, RolloutRequest,
    ScanRequest, Service,
};
use crate::store::Table;

impl Service for Desk {
    fn analyst(&self, token: &str) -> Option<String> {
        let row = self.state.get(Table::Users, &token_key(token)).ok()??;
        let row: serde_json::Value = serde_json::from_slice(&row).ok()?;
        row["name"].as_str().map(str::to_owned)
    }

    fn status(&self) -> Answer {
        self.say_status()
    }

    fn hosts(&self) -> Answer {
        self.say_hosts()
    }

    fn host(&self, id: HostId) -> Answer {
        self.say_host(id)
    }

    fn events(&self, filter: &Filter) -> Answer {
        self.say_events(filter)
    }

    fn detections(&self, filter: &Filter) -> Answer {
        self.say_detections(filter)
    }

    fn incidents(&self) -> Answer {
        self.say_incidents()
    }

    fn incident(&self, id: IncidentId) -> Answer {
        self.say_incident(id)
    }

    fn remedy(&self, id: IncidentId, sessions: bool) -> Answer {
        self.say_remedy(id, sessions)
    }

    fn recovery(&self, id: IncidentId, sessions: bool) -> Answer {
        self.say_recovery(id, sessions)
    }

    fn recover(&self, who: &str, id: IncidentId, request: &RecoverRequest) -> Answer {
        self.order_recovery(who, id, request)
    }

    fn actions(&self, filter: &Filter) -> Answer {
        self.say_actions(filter)
    }

    fn policy(&self) -> Answer {
        self.say_policy()
    }

    fn earlier_policies(&self) -> Answer {
        self.say_earlier()
    }

    fn earlier_policy(&self, version: u64) -> Answer {
        self.say_earlier_bundle(version)
    }

    fn signed_policy(&self) -> Answer {
        self.say_signed()
    }

    fn rollout(&self) -> Answer {
        self.say_rollout()
    }

    fn begin_rollout(&self, who: &str, request: &RolloutRequest) -> Answer {
        self.order_rollout(who, request)
    }

    fn promote(&self, who: &str, note: &str) -> Answer {
        self.order_promote(who, note)
    }

    fn abort(&self, who: &str, note: &str) -> Answer {
        self.order_abort(who, note)
    }

    fn rules(&self) -> Answer {
        self.say_rules()
    }

    fn audit(&self, from: u64, limit: usize) -> Answer {
        self.say_audit(from, limit)
    }

    fn audit_export(&self) -> Result<String, Refused> {
        let mut out = Vec::new();
        self.audit.export(&mut out).map_err(Refused::internal)?;
        String::from_utf8(out).map_err(Refused::internal)
    }

    fn approve(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.order_approve(who, id, note)
    }

    fn deny(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.order_deny(who, id, note)
    }

    fn acknowledge(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.order_acknowledge(who, id, note)
    }

    fn close(&self, who: &str, id: IncidentId, note: &str) -> Answer {
        self.order_close(who, id, note)
    }

    fn remediate(&self, who: &str, id: IncidentId, request: &RemedyRequest) -> Answer {
        self.order_remedy(who, id, request)
    }

    fn undo(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.order_undo(who, id, note)
    }

    fn isolate(&self, who: &str, host: HostId, request: IsolateRequest) -> Answer {
        self.order_isolate(who, host, request)
    }

    fn contain(&self, who: &str, host: HostId, request: ContainRequest) -> Answer {
        self.order_contain(who, host, request)
    }

    fn release(&self, who: &str, host: HostId, note: &str) -> Answer {
        self.order_release(who, host, note)
    }

    fn scan(&self, who: &str, host: HostId, request: ScanRequest) -> Answer {
        self.order_scan(who, host, &request)
    }

    fn revoke(&self, who: &str, host: HostId, note: &str) -> Answer {
        self.order_revoke(who, host, note)
    }

    fn apply_policy(&self, who: &str, bundle: &[u8]) -> Answer {
        self.order_policy(who, bundle)
    }

    fn halt(&self) -> Answer {
        self.say_halt()
    }

    fn turn_switch(&self, who: &str, word: &[u8]) -> Answer {
        self.order_halt(who, word)
    }

    fn simulate(&self, since: Timestamp, candidate: &[u8]) -> Answer {
        Self::simulate(self, since, candidate)
    }

    fn take_list(&self, bytes: &[u8]) -> Answer {
        self.order_list(bytes)
    }

    fn token(&self, who: &str, ttl_s: u64, uses: u32) -> Answer {
        self.order_token(who, ttl_s, uses)
    }
}
