//! Owns: the rows of docs/TELEMETRY.md as things done and fields looked for, whatever host and tier they are tried on.
//! Never: starting a host; the caller says how to run a command there and how to ask its coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use picket_model::Coverage;
use serde_json::Value;

mod rows;
mod steady;

pub use rows::{EVASIONS, GUEST_ROWS, OBJECT_ROWS, ROWS, Row};
pub use steady::{Life, Record, Steady};

use crate::eventually;

/// An event is searchable within a second; a loaded machine is given this long.
const SEEN: Duration = Duration::from_secs(20);

/// What the bare tier leaves out where audit serves it, and what is no excuse here: audit was on before the generator ran.
const LATE: &str = "Programs that ran before audit was first switched on since boot are not seen in this.";

/// What is there before is made by others than the one who acts.
const PREPARED: [&str; 6] =
    ["file.modification", "file.deletion", "file.rename", "file.mode", "file.owner", "file.attributes"];

static ACTS: AtomicUsize = AtomicUsize::new(0);

/// Compiles the generator, linked statically so that it runs in any guest.
pub fn generator(folder: &Path) -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("generator");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "c"));
    let out = folder.join("generate");
    let output = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-static", "-o"])
        .arg(&out)
        .args(files)
        .output()
        .context("cannot run cc; packaging/test.sh installs gcc")?;
    if !output.status.success() {
        bail!("cc: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(out)
}

/// A host on which rows are tried.
pub trait Host {
    /// Runs a shell command as root and gives what it printed.
    ///
    /// # Errors
    /// When it fails.
    fn run(&self, command: &str) -> Result<String>;

    /// The answer of `picket ARGUMENTS --json`.
    ///
    /// # Errors
    /// When there is none.
    fn picket(&self, arguments: &[&str]) -> Result<Value>;

    /// The events of each class that contain a text; where asking costs much, in one go.
    ///
    /// # Errors
    /// When there is no answer.
    fn events(&self, classes: &BTreeSet<&'static str>, text: &str) -> Result<BTreeMap<&'static str, Vec<Value>>> {
        let events = |class: &&'static str| {
            let answer = self.picket(&["events", "--class", class, "--limit", "10000", "--text", text])?;
            Ok((*class, answer.as_array().cloned().unwrap_or_default()))
        };
        classes.iter().map(events).collect()
    }
}

/// Rows that this host says it sees with something left out, and what that is.
///
/// # Errors
/// When the host does not tell.
pub fn limited(host: &dyn Host) -> Result<BTreeMap<String, String>> {
    let limited = |row: &Coverage| !row.hook.is_empty() && !row.limit.trim_end_matches(LATE).is_empty();
    Ok(told(host)?.into_iter().filter(limited).map(|row| (row.row, row.limit)).collect())
}

/// Rows that this host says it does not see, with the reason.
pub fn blind(host: &dyn Host) -> Result<BTreeMap<String, String>> {
    Ok(told(host)?.into_iter().filter(|row| row.hook.is_empty()).map(|row| (row.row, row.limit)).collect())
}

fn told(host: &dyn Host) -> Result<Vec<Coverage>> {
    let hosts = host.picket(&["hosts"])?;
    let id = hosts[0]["id"].as_str().context("no host is enrolled")?.to_owned();
    let rows = eventually(SEEN, || {
        let rows: Vec<Coverage> = serde_json::from_value(host.picket(&["host", &id]).ok()?["coverage"].clone()).ok()?;
        (!rows.is_empty()).then_some(rows)
    });
    rows.context("the host never told which rows it sees")
}

/// Does each row in `dir` of the host and looks for its event; the failures, each with what was seen instead.
///
/// # Errors
/// When the generator itself fails, or the coordinator does not answer.
pub fn missed(
    host: &dyn Host,
    generator: &str,
    dir: &str,
    rows: &[Row],
    skip: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let (skipped, mut rows): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| skip.contains_key(row.row));
    for row in skipped {
        println!("not seen here, as the host says: {} {}", row.row, skip[row.row]);
    }
    let done = act(host, generator, dir, &rows)?;
    rows.retain(|row| {
        let tried = !row.fields.iter().any(|(_, value)| *value == "{path}") || done[row.act].contains_key("path");
        if !tried {
            println!("not tried, for nothing here can be opened: {}", row.row);
        }
        tried
    });
    let look = |row: &Row, events: &[Value]| events.iter().any(|event| fits(row, event, &done[row.act]));
    let mut last = BTreeMap::new();
    let _ = eventually(SEEN, || {
        let classes = rows.iter().map(|row| row.class).collect();
        last.extend(host.events(&classes, &markers()).ok()?);
        rows.retain(|row| !look(row, &last[row.class]));
        rows.is_empty().then_some(())
    });
    let of = |row: &Row| last.get(row.class).map_or(&[] as &[Value], Vec::as_slice);
    Ok(rows.into_iter().map(|row| complaint(row, of(row), &done[row.act])).collect())
}

/// How the markers of this run begin: some argument of whoever acts says it.
fn markers() -> String {
    format!("r{:x}x", std::process::id())
}

type Said = BTreeMap<String, String>;

/// All acts in one go; what each printed, and where it did it.
fn act(host: &dyn Host, generator: &str, dir: &str, rows: &[&Row]) -> Result<BTreeMap<&'static str, Said>> {
    let acts: BTreeSet<&'static str> = rows.iter().map(|row| row.act).collect();
    let mut script = format!("set -e; cd {dir}\n");
    for act in acts {
        // No two acts of one run share a name; short enough for the name of a BPF program.
        let marker = format!("{}{}", markers(), ACTS.fetch_add(1, Ordering::Relaxed));
        script.push_str(&format!("echo act={act}; echo dir={dir}; echo marker={marker}\n"));
        if PREPARED.contains(&act) {
            script.push_str(&format!("echo before > {marker}\n"));
        }
        script.push_str(&format!("{generator} {act} {dir} {marker}\n"));
        if act == "file.fingerprint" {
            script.push_str(&format!("echo sha256=$(sha256sum < {marker}); echo md5=$(md5sum < {marker})\n"));
        }
    }
    let printed = host.run(&script)?;
    let mut done: BTreeMap<&'static str, Said> = BTreeMap::new();
    let mut current = None;
    for (key, value) in printed.lines().filter_map(|line| line.split_once('=')) {
        if key == "act" {
            current = rows.iter().map(|row| row.act).find(|act| *act == value);
        }
        let value = value.trim_end_matches([' ', '-']);
        current.map(|act| done.entry(act).or_default().insert(key.to_owned(), value.to_owned()));
    }
    Ok(done)
}

fn fits(row: &Row, event: &Value, said: &Said) -> bool {
    !event["process"].is_null() && row.fields.iter().all(|(name, wanted)| holds(event, name, &filled(wanted, said)))
}

fn filled(wanted: &str, said: &Said) -> String {
    said.iter().fold(wanted.to_owned(), |text, (key, value)| text.replace(&format!("{{{key}}}"), value))
}

/// The value at a dotted name, or one of its elements, reads as `wanted`; a `*` at an end stands for anything.
fn holds(event: &Value, name: &str, wanted: &str) -> bool {
    let value = name.split('.').fold(event, |value, part| &value[part]);
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(|item| reads(item, wanted)),
        value => reads(value, wanted),
    }
}

fn reads(value: &Value, wanted: &str) -> bool {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.trim_end_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(beginning)) => text.starts_with(beginning),
        (None, None) => text == wanted,
    }
}

fn complaint(row: &Row, events: &[Value], said: &Said) -> String {
    let wanted: Vec<String> =
        row.fields.iter().map(|(name, value)| format!("{name}={}", filled(value, said))).collect();
    let pids = ["pid", "child"].map(|key| said.get(key).cloned().unwrap_or_default());
    let own = events.iter().filter(|event| pids.contains(&event["process"]["key"]["pid"].to_string()));
    let own: Vec<String> = own.map(|event| event["activity"].to_string()).take(5).collect();
    format!(
        "{}: no event of class {} with {wanted:?}; of {} such events these are of its process: {own:?}",
        row.row,
        row.class,
        events.len()
    )
}
