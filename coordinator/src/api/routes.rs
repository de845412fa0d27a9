//! Owns: which path asks what; each handler reads its input, calls the service off the reactor, and answers.
//! Never: deciding.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use picket_model::{ActionId, HostId, IncidentId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::Analyst;
use super::service::{
    Answer, ContainRequest, Filter, IsolateRequest, LIMIT_MAX, RecoverRequest, Refused, RemedyRequest, RolloutRequest,
    ScanRequest, Service, Status,
};

/// A bundle with its rules and indicators, as the agents' downlink takes it.
const BODY_BYTES_MAX: usize = picket_wire::limits::DOWNLINK_FRAME_BYTES_MAX;
/// Two of them: the one to roll out, and the one to come back to.
const BUNDLES_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;
/// One list of indicators, which is held whole while it is checked.
const LIST_BYTES_MAX: usize = picket_policy::limits::LIST_BYTES_MAX as usize;
/// Notes are sentences, not documents.
const NOTE_BYTES_MAX: usize = 4096;

type Svc = State<Arc<dyn Service>>;
type Json2 = Result<Json<Value>, Refused>;

pub fn routes() -> Router<Arc<dyn Service>> {
    Router::new()
        .route("/v1/status", get(|State(s): Svc| call(move || s.status())))
        .route("/v1/hosts", get(|State(s): Svc| call(move || s.hosts())))
        .route("/v1/hosts/{id}", get(|State(s): Svc, id: Id| with(id, move |id: HostId| s.host(id))))
        .route("/v1/hosts/{id}/isolate", post(isolate))
        .route("/v1/hosts/{id}/contain", post(contain))
        .route("/v1/hosts/{id}/scan", post(scan))
        .route(
            "/v1/hosts/{id}/release",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id, note| s.release(who, id, note))
            }),
        )
        .route(
            "/v1/hosts/{id}/revoke",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id, note| s.revoke(who, id, note))
            }),
        )
        .route("/v1/events", get(|State(s): Svc, q: Q<Filter>| filtered(q, move |f| s.events(f))))
        .route("/v1/detections", get(|State(s): Svc, q: Q<Filter>| filtered(q, move |f| s.detections(f))))
        .route("/v1/incidents", get(|State(s): Svc| call(move || s.incidents())))
        .route("/v1/incidents/{id}", get(|State(s): Svc, id: Id| with(id, move |id: IncidentId| s.incident(id))))
        .route(
            "/v1/incidents/{id}/close",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id: IncidentId, note| s.close(who, id, note))
            }),
        )
        .route("/v1/incidents/{id}/remedy", get(remedy).post(remediate))
        .route("/v1/incidents/{id}/recovery", get(recovery).post(recover))
        .route("/v1/actions", get(|State(s): Svc, q: Q<Filter>| filtered(q, move |f| s.actions(f))))
        .route(
            "/v1/actions/{id}/approve",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id: ActionId, note| s.approve(who, id, note))
            }),
        )
        .route(
            "/v1/actions/{id}/deny",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id: ActionId, note| s.deny(who, id, note))
            }),
        )
        .route(
            "/v1/actions/{id}/acknowledge",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id: ActionId, note| s.acknowledge(who, id, note))
            }),
        )
        .route(
            "/v1/actions/{id}/undo",
            post(|s: Svc, who: Who, id: Id, body: Body<Note>| {
                noted(s, who, id, body, |s, who, id: ActionId, note| s.undo(who, id, note))
            }),
        )
        .route("/v1/policy", get(|State(s): Svc| call(move || s.policy())).post(apply_policy))
        .route("/v1/policy/earlier", get(|State(s): Svc| call(move || s.earlier_policies())))
        .route(
            "/v1/policy/earlier/{version}",
            get(|State(s): Svc, version: Id| with(version, move |version: u64| s.earlier_policy(version))),
        )
        .route("/v1/policy/signed", get(|State(s): Svc| call(move || s.signed_policy())))
        .route(
            "/v1/policy/rollout",
            get(|State(s): Svc| call(move || s.rollout()))
                .post(begin_rollout)
                .layer(DefaultBodyLimit::max(BUNDLES_BYTES_MAX)),
        )
        .route("/v1/policy/rollout/promote", post(promote))
        .route("/v1/policy/rollout/abort", post(abort))
        .route("/v1/policy/simulate", post(simulate))
        .route("/v1/halt", get(|State(s): Svc| call(move || s.halt())).post(turn_switch))
        .route("/v1/lists", post(take_list).layer(DefaultBodyLimit::max(LIST_BYTES_MAX)))
        .route("/v1/rules", get(|State(s): Svc| call(move || s.rules())))
        .route("/v1/tokens", post(token))
        .route("/v1/audit", get(audit))
        .route("/v1/audit/export", get(audit_export))
        .fallback(|| async {
            Refused::new(Status::Missing, "there is no such path", "docs/OPERATING.md lists the API")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

type Id = Result<Path<String>, PathRejection>;
type Q<T> = Result<Query<T>, QueryRejection>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Who = Extension<Analyst>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    ttl_s: u64,
    uses: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    from: u64,
    #[serde(default = "page_default")]
    limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sessions {
    #[serde(default)]
    sessions: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Nanoseconds since 1970.
    since: u64,
}

const fn page_default() -> usize {
    100
}

fn invalid(cause: impl std::fmt::Display) -> Refused {
    Refused::new(Status::Invalid, cause.to_string(), "docs/OPERATING.md shows the API's requests")
}

/// The service may wait for the disk: not on the reactor.
async fn call(work: impl FnOnce() -> Answer + Send + 'static) -> Json2 {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Refused::internal)?.map(Json)
}

fn parse<T: std::str::FromStr<Err = E>, E: std::fmt::Display>(id: Id) -> Result<T, Refused> {
    let Path(text) = id.map_err(invalid)?;
    text.parse().map_err(|error| invalid(format!("{text:?} is no id: {error}")))
}

async fn with<T, E>(id: Id, work: impl FnOnce(T) -> Answer + Send + 'static) -> Json2
where
    T: std::str::FromStr<Err = E> + Send + 'static,
    E: std::fmt::Display,
{
    let id = parse(id)?;
    call(move || work(id)).await
}

async fn filtered(query: Q<Filter>, work: impl FnOnce(&Filter) -> Answer + Send + 'static) -> Json2 {
    let Query(mut filter) = query.map_err(invalid)?;
    filter.limit = filter.limit.clamp(1, LIMIT_MAX);
    call(move || work(&filter)).await
}

async fn noted<T, E>(
    State(service): Svc,
    Extension(Analyst(who)): Who,
    id: Id,
    body: Body<Note>,
    work: impl FnOnce(&dyn Service, &str, T, &str) -> Answer + Send + 'static,
) -> Json2
where
    T: std::str::FromStr<Err = E> + Send + 'static,
    E: std::fmt::Display,
{
    let id = parse(id)?;
    let Json(Note { note }) = body.map_err(invalid)?;
    short(&note)?;
    call(move || work(&*service, &who, id, &note)).await
}

fn short(note: &str) -> Result<(), Refused> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(invalid(format!("the note has {} bytes, at most {NOTE_BYTES_MAX} are kept", note.len())));
    }
    Ok(())
}

async fn isolate(State(s): Svc, Extension(Analyst(who)): Who, id: Id, body: Body<IsolateRequest>) -> Json2 {
    let host: HostId = parse(id)?;
    let Json(request) = body.map_err(invalid)?;
    short(&request.note)?;
    call(move || s.isolate(&who, host, request)).await
}

async fn contain(State(s): Svc, Extension(Analyst(who)): Who, id: Id, body: Body<ContainRequest>) -> Json2 {
    let host: HostId = parse(id)?;
    let Json(request) = body.map_err(invalid)?;
    short(&request.note)?;
    call(move || s.contain(&who, host, request)).await
}

async fn remedy(State(s): Svc, id: Id, query: Q<Sessions>) -> Json2 {
    let (id, Query(Sessions { sessions })) = (parse(id)?, query.map_err(invalid)?);
    call(move || s.remedy(id, sessions)).await
}

async fn remediate(State(s): Svc, Extension(Analyst(who)): Who, id: Id, body: Body<RemedyRequest>) -> Json2 {
    let id: IncidentId = parse(id)?;
    let Json(request) = body.map_err(invalid)?;
    short(&request.note)?;
    call(move || s.remediate(&who, id, &request)).await
}

async fn recovery(State(s): Svc, id: Id, query: Q<Sessions>) -> Json2 {
    let (id, Query(Sessions { sessions })) = (parse(id)?, query.map_err(invalid)?);
    call(move || s.recovery(id, sessions)).await
}

async fn recover(State(s): Svc, Extension(Analyst(who)): Who, id: Id, body: Body<RecoverRequest>) -> Json2 {
    let id: IncidentId = parse(id)?;
    let Json(request) = body.map_err(invalid)?;
    short(&request.note)?;
    call(move || s.recover(&who, id, &request)).await
}

async fn scan(State(s): Svc, Extension(Analyst(who)): Who, id: Id, body: Body<ScanRequest>) -> Json2 {
    let host: HostId = parse(id)?;
    let Json(request) = body.map_err(invalid)?;
    short(&request.note)?;
    call(move || s.scan(&who, host, request)).await
}

async fn apply_policy(State(s): Svc, Extension(Analyst(who)): Who, body: Result<Bytes, BytesRejection>) -> Json2 {
    let bytes = body.map_err(invalid)?;
    call(move || s.apply_policy(&who, &bytes)).await
}

async fn begin_rollout(State(s): Svc, Extension(Analyst(who)): Who, body: Body<RolloutRequest>) -> Json2 {
    let Json(request) = body.map_err(invalid)?;
    call(move || s.begin_rollout(&who, &request)).await
}

async fn promote(State(s): Svc, Extension(Analyst(who)): Who, body: Body<Note>) -> Json2 {
    let Json(Note { note }) = body.map_err(invalid)?;
    short(&note)?;
    call(move || s.promote(&who, &note)).await
}

async fn abort(State(s): Svc, Extension(Analyst(who)): Who, body: Body<Note>) -> Json2 {
    let Json(Note { note }) = body.map_err(invalid)?;
    short(&note)?;
    call(move || s.abort(&who, &note)).await
}

async fn simulate(State(s): Svc, since: Q<Since>, body: Result<Bytes, BytesRejection>) -> Json2 {
    let (Query(Since { since }), bytes) = (since.map_err(invalid)?, body.map_err(invalid)?);
    call(move || s.simulate(Timestamp(since), &bytes)).await
}

async fn turn_switch(State(s): Svc, Extension(Analyst(who)): Who, body: Result<Bytes, BytesRejection>) -> Json2 {
    let bytes = body.map_err(invalid)?;
    call(move || s.turn_switch(&who, &bytes)).await
}

async fn take_list(State(s): Svc, body: Result<Bytes, BytesRejection>) -> Json2 {
    let bytes = body.map_err(invalid)?;
    call(move || s.take_list(&bytes)).await
}

async fn token(State(s): Svc, Extension(Analyst(who)): Who, body: Body<TokenRequest>) -> Json2 {
    let Json(request) = body.map_err(invalid)?;
    call(move || s.token(&who, request.ttl_s, request.uses)).await
}

async fn audit(State(s): Svc, page: Q<Page>) -> Json2 {
    let Query(page) = page.map_err(invalid)?;
    call(move || s.audit(page.from, page.limit.clamp(1, LIMIT_MAX))).await
}

async fn audit_export(State(s): Svc) -> Result<String, Refused> {
    tokio::task::spawn_blocking(move || s.audit_export()).await.map_err(Refused::internal)?
}
