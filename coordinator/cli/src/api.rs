//! Owns: asking the coordinator: address, token, limits, and what each kind of refusal means.
//! Never: knowing what a command wants.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use ureq::http::StatusCode;

use crate::failure::Failure;

const API_DEFAULT: &str = "http://127.0.0.1:8843";
const TOKEN_FILE_DEFAULT: &str = "/var/lib/picket/coordinator/api-token";
/// The longest answer that is read: a page of 10,000 events of 4 KiB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest text: an audit log of a million records of 400 bytes.
const TEXT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A coordinator on loopback that takes longer to accept is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands wait for a host's answer on the coordinator's side; beyond this something hangs.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(clap::Args, Clone, Default)]
pub struct ApiOptions {
    /// The coordinator's API [default: $PICKET_API or http://127.0.0.1:8843]
    #[arg(long = "api", global = true, value_name = "URL")]
    url: Option<String>,
    /// File with the API token [default: $PICKET_TOKEN_FILE or /var/lib/picket/coordinator/api-token]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub struct Api {
    agent: ureq::Agent,
    url: String,
    /// Without one the API is asked all the same: whether anybody answers there is the first thing to know.
    token: Result<String, MissingToken>,
}

/// Why there is no token, and what to do about it.
#[derive(Clone)]
struct MissingToken {
    message: String,
    hint: &'static str,
}

impl ApiOptions {
    /// Reads the token; asks nothing yet.
    pub fn open(&self) -> Result<Api, Failure> {
        let url =
            self.url.clone().or_else(|| std::env::var("PICKET_API").ok()).unwrap_or_else(|| API_DEFAULT.to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Failure::usage(
                format!("the API address {url:?} is no http:// or https:// address"),
                format!("set PICKET_API, for example to {API_DEFAULT}"),
            ));
        }
        let token = read_token(&self.token_file());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("picket/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Api { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), token })
    }
}

impl ApiOptions {
    /// Where the API token is looked for, whether it is there or not.
    pub fn token_file(&self) -> PathBuf {
        self.token_file
            .clone()
            .or_else(|| std::env::var_os("PICKET_TOKEN_FILE").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(TOKEN_FILE_DEFAULT))
    }
}

fn read_token(file: &std::path::Path) -> Result<String, MissingToken> {
    std::fs::read_to_string(file).map(|token| token.trim().to_owned()).map_err(|error| MissingToken {
        message: format!("cannot read the API token from {}: {error}", file.display()),
        hint: match error.kind() {
            std::io::ErrorKind::NotFound => {
                "if the coordinator keeps its state elsewhere, set PICKET_TOKEN_FILE (or --token-file)"
            }
            _ => "run as root, or set PICKET_TOKEN_FILE (or --token-file) to a token of your own",
        },
    })
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

impl Api {
    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let pairs = query.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str()));
        let request = self.agent.get(format!("{}{path}", self.url)).query_pairs(pairs);
        self.read(self.signed(request).call())
    }

    /// An answer that is no JSON value but lines of text.
    pub fn get_text(&self, path: &str) -> Result<String, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let (status, body) = self.body(self.signed(request).call(), TEXT_BYTES_MAX)?;
        if !status.is_success() {
            return Err(self.refused(status, serde_json::from_slice(&body).ok().as_ref()));
        }
        String::from_utf8(body)
            .map_err(|_| Failure::failed(format!("{} answered something other than text", self.url), ""))
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.read(self.posting(path).send_json(body))
    }

    /// A signed bundle travels as the very bytes that were signed.
    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Result<Value, Failure> {
        self.read(self.posting(path).content_type("application/octet-stream").send(body))
    }

    fn posting(&self, path: &str) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        self.signed(self.agent.post(format!("{}{path}", self.url)))
    }

    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Ok(token) => request.header("Authorization", format!("Bearer {token}")),
            Err(_) => request,
        }
    }

    fn read(&self, answer: Answer) -> Result<Value, Failure> {
        let (status, body) = self.body(answer, ANSWER_BYTES_MAX)?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        if status.is_success() {
            return match value {
                Some(value) => Ok(value),
                None if body.is_empty() => Ok(Value::Null),
                None => Err(Failure::failed(
                    format!("{} answered something other than JSON", self.url),
                    "does PICKET_API name a Picket coordinator?",
                )),
            };
        }
        Err(self.refused(status, value.as_ref()))
    }

    fn body(&self, answer: Answer, limit: u64) -> Result<(StatusCode, Vec<u8>), Failure> {
        let unreachable = |cause: ureq::Error| Failure::Unreachable { api: self.url.clone(), cause: cause.to_string() };
        let mut answer = answer.map_err(unreachable)?;
        let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(unreachable)?;
        Ok((answer.status(), body))
    }

    fn refused(&self, status: StatusCode, value: Option<&Value>) -> Failure {
        match &self.token {
            Err(missing) if status == StatusCode::UNAUTHORIZED => {
                Failure::Refused { message: missing.message.clone(), hint: missing.hint.to_owned() }
            }
            _ => refusal(status, value),
        }
    }
}

/// The coordinator's own words where it gave some, under the exit code that its status means.
fn refusal(status: StatusCode, value: Option<&Value>) -> Failure {
    let field =
        |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let message = match field("error") {
        text if text.is_empty() => format!("the coordinator answered {status}"),
        text => text,
    };
    let hint = field("hint");
    match status {
        StatusCode::UNAUTHORIZED if hint.is_empty() => Failure::Refused {
            message,
            hint: "check PICKET_TOKEN_FILE: the token is missing, wrong or withdrawn".to_owned(),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused { message, hint },
        _ => Failure::Failed { message, hint },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ureq::http::StatusCode;

    use super::{ApiOptions, refusal};

    #[test]
    fn a_refusal_keeps_the_coordinators_words() {
        let failure = refusal(StatusCode::FORBIDDEN, Some(&json!({"error": "out of scope", "hint": "ask for more"})));
        assert_eq!(
            (failure.exit_code(), failure.to_string(), failure.hint()),
            (4, "out of scope".into(), "ask for more".into())
        );
        assert_eq!(refusal(StatusCode::NOT_FOUND, None).exit_code(), 1);
    }

    #[test]
    fn nobody_listening_is_exit_code_3_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let token_file = dir.path().join("token");
        std::fs::write(&token_file, "t").unwrap();
        // A port that was free a moment ago, and that nobody else is told about.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = ApiOptions { url: Some(format!("http://{free}")), token_file: Some(token_file) };
        let failure = options.open().unwrap().get("/v1/status", &[]).unwrap_err();
        assert_eq!(failure.exit_code(), 3, "{failure}");
        assert!(failure.hint().contains("PICKET_API"));
    }

    #[test]
    fn a_missing_token_is_a_refusal_that_says_where_to_look() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Some(format!("http://{}", listener.local_addr().unwrap()));
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let options = ApiOptions { url, token_file: Some("/nonexistent/token".into()) };
        let failure = options.open().unwrap().get("/v1/status", &[]).unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        assert!(failure.to_string().contains("/nonexistent/token"), "{failure}");
        assert!(!server.join().unwrap().to_lowercase().contains("authorization"));
    }
}
