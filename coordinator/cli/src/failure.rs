//! Owns: how a command ends badly: the message, what to do about it, the exit code.
//! Never: printing anything but that.

use thiserror::Error;

/// Every way in which a command fails; the variant decides the exit code.
#[derive(Debug, Error)]
pub enum Failure {
    /// The answer is no: said already, in the command's own output.
    #[error("{0}")]
    Negative(String),
    #[error("{message}")]
    Failed { message: String, hint: String },
    #[error("{message}")]
    Usage { message: String, hint: String },
    #[error("cannot reach the coordinator at {api}: {cause}")]
    Unreachable { api: String, cause: String },
    #[error("{message}")]
    Refused { message: String, hint: String },
    #[error("cannot {what} {path}: {cause}")]
    File { what: &'static str, path: String, cause: std::io::Error },
    /// The reader of our output went away (`picket events | head`).
    #[error("output closed")]
    OutputClosed,
}

impl Failure {
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: hint.into() }
    }

    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Negative(_) | Self::Failed { .. } | Self::File { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Unreachable { .. } => 3,
            Self::Refused { .. } => 4,
        }
    }

    /// What the reader can do about it; empty where the message says it all.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Failed { hint, .. } | Self::Usage { hint, .. } | Self::Refused { hint, .. } => hint.clone(),
            Self::Unreachable { .. } => {
                "start it with `systemctl start picket-coordinator` or packaging/quickstart.sh, \
                                         or set PICKET_API (or --api) to where it listens"
                    .to_owned()
            }
            Self::File { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                "run as root, or as a user who may read it".to_owned()
            }
            Self::Negative(_) | Self::File { .. } | Self::OutputClosed => String::new(),
        }
    }

    /// Messages for people and for scripts both go to standard error, so that standard output stays data.
    pub fn print(&self, json: bool) {
        use std::io::Write;
        let text = match self {
            Self::OutputClosed => return,
            _ if json => serde_json::json!({"error": self.to_string(), "hint": self.hint()}).to_string(),
            _ if self.hint().is_empty() => format!("picket: {}", indented(&self.to_string())),
            _ => format!("picket: {}\n  {}", indented(&self.to_string()), self.hint()),
        };
        // Nobody is left to tell when standard error is closed too.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Lists of errors stay lists; no line of a message can pass for a message of its own.
fn indented(message: &str) -> String {
    let lines: Vec<String> = message.lines().map(|line| crate::table::printable(line.trim_start())).collect();
    lines.join("\n  ")
}
