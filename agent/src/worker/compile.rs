//! Owns: the confined side that compiles YARA rules, and how the agent has it done.
//! Never: rules that are not the agent's to run: it hands over what a signed bundle holds.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use picket_detect::{RuleError, RuleSource};
use picket_yara::{Compiled, YaraRule, limits};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::child::{Failure, Worker};
use super::limit::{Deadline, Limit};
use super::protocol::{BROKEN_BYTES, Kind, PART_BYTES, REQUEST_BYTES_MAX, Reply, Request};
use super::role::Role;
use super::scan::whole;
use super::sealed;
use crate::sys::passing;

/// Of work; the largest set there is takes a quarter of that on a small machine.
pub const COMPILE_WITHIN: Duration = Duration::from_secs(60);
/// The texts with their names, and what JSON adds to them.
const TEXTS_BYTES_MAX: u64 = 4 * limits::TEXT_BYTES_MAX as u64;
/// Each rule with all that is told of it.
const DESCRIBED_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Error)]
pub enum CompileError {
    #[error("{0}")]
    Broken(String),
    #[error("its YARA rules take more than {} s of work to compile; have fewer, or simpler ones", .0.as_secs())]
    Timeout(Duration),
    #[error("its YARA rules do not fit the memory there is for compiling them; have fewer, or simpler ones")]
    Crash,
    #[error("its YARA rules cannot be compiled: {0}")]
    Start(#[from] io::Error),
}

/// Compiled rules: what is told of each, and the bytes that every scanner of theirs is given.
#[derive(Debug)]
pub struct YaraSet {
    pub rules: Vec<YaraRule>,
    /// In memory, and nobody can change it any more.
    pub file: File,
    pub bytes: u64,
}

/// A rule's text as it is handed to the compiling side.
#[derive(Serialize, Deserialize)]
struct Text {
    file: String,
    text: String,
}

/// Compiles in a confined process of its own, which ends with it.
///
/// # Errors
/// All that is wrong with the rules; or what of time, memory or processes was wanting.
pub fn compile(program: &Path, sources: &[RuleSource], within: Duration) -> Result<YaraSet, CompileError> {
    let texts: Vec<Text> =
        sources.iter().map(|source| Text { file: source.file.clone(), text: source.text.clone() }).collect();
    let json = serde_json::to_vec(&texts).map_err(io::Error::other)?;
    let file = sealed::memory(c"picket-yara-texts", &json)?;
    let worker = Worker::start(program, Role::Compile, true)?;
    let told = told(&worker, &file, json.len() as u64, &worker.begin(Limit::Worked(within)));
    if let Err(mut stuck) = worker.end() {
        // It was killed and has yet to notice; whoever waits for it is not held up.
        let _ = stuck.try_wait();
    }
    let (rules, set) = told.map_err(|wrong| match wrong {
        Wrong::Rules(errors) => CompileError::Broken(errors),
        Wrong::Process(Failure::Timeout) => CompileError::Timeout(within),
        Wrong::Process(_) => CompileError::Crash,
    })?;
    Ok(YaraSet { rules, file: sealed::memory(c"picket-yara-rules", &set)?, bytes: set.len() as u64 })
}

enum Wrong {
    Rules(String),
    Process(Failure),
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Process(failure)
    }
}

fn told(worker: &Worker, file: &File, bytes_max: u64, deadline: &Deadline) -> Result<(Vec<YaraRule>, Vec<u8>), Wrong> {
    let request = Request { id: 0, kind: Kind::Compile, bytes_max, regions: Vec::new() };
    worker.send(&request, file)?;
    let mut bytes = Vec::new();
    loop {
        match worker.reply(deadline)? {
            Reply::Part(part) => {
                bytes.extend(part);
                if bytes.len() as u64 > DESCRIBED_BYTES_MAX + limits::COMPILED_BYTES_MAX as u64 {
                    return Err(Failure::Crash.into());
                }
            }
            Reply::Compiled { described, set } if described.checked_add(set) == Some(bytes.len() as u64) => {
                let set = bytes.split_off(usize::try_from(described).unwrap_or(usize::MAX).min(bytes.len()));
                return Ok((serde_json::from_slice(&bytes).map_err(|_| Failure::Crash)?, set));
            }
            Reply::Broken(errors) => return Err(Wrong::Rules(errors)),
            _ => return Err(Failure::Crash.into()),
        }
    }
}

/// The confined side: one set, and then its end.
pub fn work(socket: BorrowedFd<'_>) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    let Ok((length, Some(file))) = passing::receive(socket, &mut buffer) else { return };
    let request = buffer.get(..length).and_then(|bytes| Request::decode(bytes).ok());
    let Some(request) = request.filter(|request| request.kind == Kind::Compile) else { return };
    let texts = whole(file.as_fd(), request.bytes_max.min(TEXTS_BYTES_MAX));
    let texts = texts.and_then(|bytes| serde_json::from_slice::<Vec<Text>>(&bytes).ok());
    let Some(texts) = texts else { return };
    let sources: Vec<RuleSource> = texts.into_iter().map(|Text { file, text }| RuleSource { file, text }).collect();
    let told = match picket_yara::compile(&sources) {
        Ok(compiled) => hand_over(socket, &compiled),
        Err(errors) => passing::send(socket, &Reply::Broken(listed(&errors)).encode(), None),
    };
    // Nobody else could be told.
    let _ = told;
}

fn hand_over(socket: BorrowedFd<'_>, compiled: &Compiled) -> nix::Result<()> {
    let described = serde_json::to_vec(&compiled.rules).unwrap_or_default();
    for part in described.chunks(PART_BYTES).chain(compiled.bytes.chunks(PART_BYTES)) {
        passing::send(socket, &Reply::Part(part.to_vec()).encode(), None)?;
    }
    let end = Reply::Compiled { described: described.len() as u64, set: compiled.bytes.len() as u64 };
    passing::send(socket, &end.encode(), None)
}

/// As many errors as one message holds, and how many there are.
fn listed(errors: &[RuleError]) -> String {
    let mut text = format!("{} errors in its YARA rules:", errors.len());
    for error in errors {
        let line = format!("\n{error}");
        if text.len() + line.len() > BROKEN_BYTES {
            break;
        }
        text += &line;
    }
    text
}
