//! Owns: taking one line out of a file, such as a key, a job or a preloaded library, and putting it back.
//! Never: a line that is not there to the letter, or how the file came to have it.

use std::path::Path;

use picket_model::id::ActionId;
use picket_model::process::{FileId, Sha256};

use super::kept::Kept;
use super::rewrite::{self, Back, Held, RewriteError};
use super::vault::Vault;

#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error("{path} has no such line; nothing was done")]
    Absent { path: String },
    #[error("an empty line, or one with a line's end in it, is no line of {path}; give one line as it stands there")]
    NoLine { path: String },
    #[error("{path} is not as it should be after the act; it is given back")]
    Unverified { path: String },
}

type Result<T> = std::result::Result<T, LineError>;

/// The file, held, and what it becomes.
#[derive(Debug)]
pub struct Plan {
    held: Held,
    line: String,
    reduced: Vec<u8>,
    taken: usize,
}

impl Plan {
    pub const fn kept(&self) -> &Kept {
        &self.held.kept
    }

    /// By which the file is known again that the act leaves.
    pub fn left(&self) -> Sha256 {
        rewrite::sum(&self.reduced)
    }
}

/// Nothing is changed yet. `expected`: the content of which the evidence speaks; `meant`: the very file.
pub fn plan(path: &str, line: &str, expected: Option<Sha256>, meant: Option<FileId>) -> Result<Plan> {
    if line.is_empty() || line.contains('\n') {
        return Err(LineError::NoLine { path: path.to_owned() });
    }
    let held = rewrite::hold(Path::new(path), expected, meant)?;
    let (reduced, taken) = without(&held.content, line.as_bytes());
    if taken == 0 {
        return Err(LineError::Absent { path: path.to_owned() });
    }
    Ok(Plan { held, line: line.to_owned(), reduced, taken })
}

/// Takes it out, wherever it stands in the file; gives what was done in words.
pub fn apply(vault: &Vault, id: ActionId, plan: &Plan) -> Result<String> {
    let kept = plan.kept();
    rewrite::replace(vault, id, &plan.held, &plan.reduced, kept)?;
    if !verify(kept, &plan.line)? {
        undo(vault, id, kept, plan.left(), &plan.line)?;
        return Err(LineError::Unverified { path: kept.path.display().to_string() });
    }
    let lines = if plan.taken == 1 { "the line".to_owned() } else { format!("the line, {} times", plan.taken) };
    let links = match kept.links.saturating_sub(1) {
        0 => String::new(),
        more => format!("; {more} other hard links to the file remain, untouched"),
    };
    Ok(format!("took {lines} out of {}{links}", kept.path.display()))
}

/// Whether the file has no such line, or is gone.
pub fn verify(kept: &Kept, line: &str) -> Result<bool> {
    let now = rewrite::now(&kept.path)?.unwrap_or_default();
    Ok(!lines(&now).any(|found| text(found) == line.as_bytes()))
}

/// Gives the file back as it was, or the line where others changed the file since; gives what was done in words.
pub fn undo(vault: &Vault, id: ActionId, kept: &Kept, left: Sha256, line: &str) -> Result<String> {
    let merge = |_: &[u8], current: &[u8]| {
        let line = line.as_bytes();
        if lines(current).any(|found| text(found) == line) { None } else { Some(with(current, line)) }
    };
    let path = kept.path.display();
    Ok(match rewrite::back(vault, id, kept, left, merge)? {
        Back::Exactly { refused } if refused.is_empty() => format!("gave back {path} as it was"),
        Back::Exactly { refused } => {
            format!("gave back {path}; the filesystem refused its attributes {}", refused.join(", "))
        }
        Back::Merged => format!("{path} was changed meanwhile; the line stands in it again, at its end"),
        Back::Gone => format!("{path} was removed meanwhile and stays so"),
        Back::Already => format!("{path} was given back already"),
    })
}

/// The content without the line, and how often it stood there.
fn without(content: &[u8], line: &[u8]) -> (Vec<u8>, usize) {
    let mut reduced = Vec::with_capacity(content.len());
    let mut taken = 0;
    for found in lines(content) {
        if text(found) == line {
            taken += 1;
        } else {
            reduced.extend_from_slice(found);
        }
    }
    (reduced, taken)
}

/// With the line behind all others.
fn with(content: &[u8], line: &[u8]) -> Vec<u8> {
    let mut whole = content.to_vec();
    if !whole.is_empty() && !whole.ends_with(b"\n") {
        whole.push(b'\n');
    }
    whole.extend_from_slice(line);
    whole.push(b'\n');
    whole
}

/// Each line with its end; the last may have none.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|byte| *byte == b'\n')
}

fn text(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

#[cfg(test)]
mod tests;
