//! Owns: the REST interface and its sign-in.
//! Never: writing the store directly.

mod routes;
mod service;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use thiserror::Error;

pub use service::{
    Answer, ContainRequest, Filter, IsolateRequest, LIMIT_MAX, RecoverRequest, RecoveryStage, Refused, RemedyRequest,
    RolloutRequest, ScanRequest, Service, ShownStep, Status,
};

#[derive(Debug, Error)]
pub enum ApiError {
    #[error(
        "the API must listen on a loopback address, not {0}: reach it through an SSH tunnel (ssh -L 8843:127.0.0.1:8843 HOST) or a reverse proxy that terminates TLS"
    )]
    NotLoopback(SocketAddr),
    #[error("the API cannot listen on {address}: {source}; is another coordinator running?")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// The analyst behind a request.
#[derive(Clone)]
struct Analyst(String);

/// Takes the address; nothing is answered before [`serve`].
pub async fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, ApiError> {
    if !address.ip().is_loopback() {
        return Err(ApiError::NotLoopback(address));
    }
    tokio::net::TcpListener::bind(address).await.map_err(|source| ApiError::Listen { address, source })
}

/// Answers until the process ends.
pub async fn serve(listener: tokio::net::TcpListener, service: Arc<dyn Service>) -> std::io::Result<()> {
    axum::serve(listener, router(service)).await
}

fn router(service: Arc<dyn Service>) -> Router {
    let sign_in = middleware::from_fn_with_state(Arc::clone(&service), sign_in);
    routes::routes().layer(sign_in).with_state(service)
}

/// Every request names an analyst by a bearer token. A page in a browser cannot send one without being given it, so
/// cross-site requests and rebound names get nowhere.
async fn sign_in(State(service): State<Arc<dyn Service>>, mut request: Request<Body>, next: Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let Some(name) = token.and_then(|token| service.analyst(&token)) else {
        let body = json!({
            "error": "the API token is missing or unknown",
            "hint": "set PICKET_TOKEN_FILE to the file with your token",
        });
        return (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response();
    };
    request.extensions_mut().insert(Analyst(name));
    next.run(request).await
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.status {
            Status::Invalid => StatusCode::BAD_REQUEST,
            Status::Forbidden => StatusCode::FORBIDDEN,
            Status::Missing => StatusCode::NOT_FOUND,
            Status::Conflict => StatusCode::CONFLICT,
            Status::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, axum::Json(json!({"error": self.message, "hint": self.hint}))).into_response()
    }
}
