//! Owns: files of results: what the lab wrote of procedures, what `picket rules test --json` printed of cases.
//! Never: what they mean for a technique.

use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;
use crate::files;

/// Ten thousand procedures with a page of output each.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// One procedure and what came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Procedure {
    pub technique: String,
    /// What tells it from others of its technique.
    #[serde(default)]
    pub test: String,
    #[serde(default)]
    pub name: String,
    pub ran: bool,
    /// The rules that fired while it ran.
    pub rules: Vec<String>,
}

impl Procedure {
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { &self.test } else { &self.name }
    }
}

#[derive(Debug, Deserialize)]
struct Case {
    shows: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

pub enum Results {
    Procedure(Procedure),
    /// The rules that it shows to work.
    Case {
        shows: Vec<String>,
    },
}

/// Of a file in either form; a line that is neither is an error, since a claim would be lost with it.
pub fn read(path: &Path) -> Result<Vec<Results>, Failure> {
    let text = files::read_text(path, FILE_BYTES_MAX)?;
    if let Ok(Cases { cases }) = serde_json::from_str(&text) {
        return Ok(cases.into_iter().map(|Case { shows }| Results::Case { shows }).collect());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let found: Result<Vec<_>, _> = lines
        .map(|(index, line)| {
            serde_json::from_str::<Procedure>(line).map(Results::Procedure).map_err(|error| {
                Failure::failed(
                    format!("{}:{}:{}: {}", path.display(), index + 1, error.column(), reason(&error)),
                    "a line is {\"technique\":\"T1053.003\",\"ran\":true,\"rules\":[…]}; or the file is what \
                     `picket rules test --json` printed",
                )
            })
        })
        .collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(Failure::failed(format!("{} holds no result", path.display()), "is it the right file?"))
        }
        found => found,
    }
}

/// Without the place, which is told already.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
