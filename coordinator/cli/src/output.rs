//! Owns: standard output: text or JSON, and what happens when its reader goes away.
//! Never: choosing what to print.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;
use crate::table::Table;

pub struct Output {
    json: bool,
}

impl Output {
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    #[must_use]
    pub const fn json(&self) -> bool {
        self.json
    }

    /// One line (or several) of text; the reader closing the pipe ends the command quietly.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            Err(cause) => Err(Failure::File { what: "write to", path: "standard output".to_owned(), cause }),
        }
    }

    /// The answer as it came, indented.
    pub fn value(&self, value: &Value) -> Result<(), Failure> {
        self.line(&format!("{value:#}"))
    }

    /// One object on one line, for streams.
    pub fn object(&self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// A table as wide as the terminal; full width into a pipe. `nothing` stands for an empty one.
    pub fn table(&self, table: &Table, nothing: &str) -> Result<(), Failure> {
        if table.is_empty() {
            return self.line(nothing);
        }
        self.line(table.render(terminal_width()).trim_end())
    }
}

/// Columns of the terminal; `None` when standard output is no terminal.
fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Asks before something disruptive. Without a terminal to ask on, only `--yes` will do.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} Not confirmed: there is no terminal to ask on"), "add --yes"));
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|cause| Failure::File {
        what: "read",
        path: "standard input".to_owned(),
        cause,
    })?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Negative("not confirmed; nothing was done".to_owned()))
    }
}
