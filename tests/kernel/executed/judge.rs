//! Owns: the verdict on one run: whether it ran, whether the agent told what the witnesses say, and what was detected.
//! Never: the guest; it has the kept record only.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::changes::{Background, Changes};
use crate::guest::Raw;
use crate::procedures::Procedure;
use crate::witness::{self, Call, Exec};

/// Levels at which somebody is told; below is only kept.
const TOLD: [&str; 4] = ["low", "medium", "high", "critical"];

#[derive(Debug)]
pub struct Outcome {
    /// Why it did not run.
    pub why: Option<String>,
    pub events: usize,
    /// What the witnesses say, and whether the agent told it.
    pub expected: usize,
    pub missing: Vec<String>,
    /// Rules that told somebody, with their levels.
    pub rules: BTreeMap<String, String>,
    pub milliseconds: Option<u64>,
}

impl Outcome {
    fn not_run(why: String) -> Self {
        Self { why: Some(why), events: 0, expected: 0, missing: Vec::new(), rules: BTreeMap::new(), milliseconds: None }
    }

    #[must_use]
    pub fn ran(&self) -> bool {
        self.why.is_none()
    }

    #[must_use]
    pub fn telemetry(&self) -> bool {
        self.ran() && self.missing.is_empty()
    }

    #[must_use]
    pub fn detected(&self) -> bool {
        !self.rules.is_empty()
    }

    #[must_use]
    pub fn line(&self, procedure: &Procedure, excepted: Option<&str>) -> Value {
        json!({
            "technique": procedure.technique, "test": procedure.test, "name": procedure.name, "user": procedure.user(),
            "ran": self.ran(), "why": self.why, "events": self.events, "telemetry": self.telemetry(),
            "expected": self.expected, "missing": self.missing,
            "rules": self.rules.keys().collect::<Vec<_>>(), "levels": self.rules, "detected": self.detected(),
            "milliseconds": self.milliseconds, "everyday": excepted,
        })
    }
}

/// # Errors
/// Where the record of the run is not whole.
pub fn judge(raw: &Raw, background: &Background) -> Result<Outcome> {
    if let Some(number) = raw.said.strip_prefix("lab: unmet ") {
        return Ok(Outcome::not_run(format!("prerequisite {} is not met", number.trim())));
    }
    let printed = raw.said.split_once("lab: ended ").map_or("", |(_, rest)| rest);
    if let Some(missing) = not_found(printed) {
        return Ok(Outcome::not_run(format!("{missing} is not there")));
    }
    let step = raw.said.strip_prefix("lab: parent ").and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let part = |name: &str| raw.parts.get(name).map_or("", String::as_str);
    let list = |name: &str| -> Result<Vec<Value>> { serde_json::from_str(part(name)).with_context(|| name.to_owned()) };
    let witness = witness::read(part("trace"), step.context("the step does not say its number")?);
    let root = witness.execs.first().context("the witness saw nothing of the command")?;
    let (events, detections) = (list("events")?, list("detections")?);
    let begun = launch_time(&events, root).context("the agent told nothing of the command's shell")?;
    let ended = events.iter().filter(|event| is_end(event)).filter_map(time).min();
    let ended = ended.context("the agent told nothing of the end")?;
    // A procedure may set the clock; what its own processes did is its own whenever that was.
    let during = |value: &&Value| {
        time(value).is_some_and(|at| at >= begun && at <= ended)
            || pid(value).is_some_and(|pid| witness.tree.contains(&pid))
    };
    let ours: Vec<&Value> = events.iter().filter(during).collect();

    let links: BTreeMap<&str, &str> = part("links").lines().filter_map(|line| line.split_once(' ')).collect();
    let changes = Changes::read(part("changes"), background);
    let mut missing = Vec::new();
    let mut expected = 0;
    let mut expect = |what: String, seen: bool| {
        expected += 1;
        if !seen {
            missing.push(what);
        }
    };
    for exec in &witness.execs {
        let file = links.get(exec.file.as_str()).copied().unwrap_or(&exec.file);
        let complaint = told_exec(&ours, exec, file);
        expect(
            format!("launch {} {:?}: {}", exec.file, exec.words, complaint.unwrap_or_default()),
            complaint.is_none(),
        );
    }
    for call in &witness.calls {
        expect(format!("{} {} by {}", call.name, call.port, call.pid), told_call(&ours, call));
    }
    // The two lists frame prerequisites too, and the init system may act only afterwards.
    for file in &changes.files {
        let told = |event: &Value| {
            event["activity"]["class"] == "file"
                && [&event["activity"]["file"]["path"], &event["activity"]["file"]["old_path"]]
                    .iter()
                    .any(|path| path.as_str().is_some_and(|path| same_path(path, file)))
        };
        expect(format!("file {file}"), events.iter().any(told));
    }
    let named = [
        ("account", &changes.accounts, "/activity/change/name"),
        ("group", &changes.groups, "/activity/change/name"),
        ("service", &changes.units, "/activity/change/name"),
        ("module_load", &changes.modules, "/activity/name"),
    ];
    for (class, names, pointer) in named {
        for name in names {
            let told =
                |event: &Value| event["activity"]["class"] == class && event.pointer(pointer) == Some(&json!(name));
            expect(format!("{class} {name}"), events.iter().any(told));
        }
    }
    for name in &changes.parameters {
        let end = name.replace('.', "/");
        let told = |event: &Value| event["activity"]["subject"].as_str().is_some_and(|subject| subject.ends_with(&end));
        expect(format!("parameter {name}"), events.iter().any(told));
    }

    let mut rules = BTreeMap::new();
    let mut first: Option<u64> = None;
    for detection in detections.iter().filter(|detection| during(&&detection["event"])) {
        let (Some(rule), Some(level)) = (detection["rule"].as_str(), detection["severity"].as_str()) else { continue };
        if TOLD.contains(&level) {
            rules.insert(rule.to_owned(), level.to_owned());
            let at = time(detection).max(time(&detection["event"]));
            first = [first, at].into_iter().flatten().min();
        }
    }
    Ok(Outcome {
        why: None,
        events: ours.len(),
        expected,
        missing,
        rules,
        milliseconds: first.map(|at| at.saturating_sub(begun) / 1_000_000),
    })
}

/// The program that a shell looked for in vain: half a procedure says nothing about the other half.
fn not_found(printed: &str) -> Option<String> {
    printed.lines().find_map(|line| {
        let before = line.strip_suffix(": not found").or_else(|| line.strip_suffix(": command not found"))?;
        Some(before.rsplit(": ").next()?.trim().to_owned())
    })
}

fn time(value: &Value) -> Option<u64> {
    value["time"].as_u64()
}

fn pid(event: &Value) -> Option<u32> {
    event.pointer("/process/key/pid")?.as_u64()?.try_into().ok()
}

fn is_launch(event: &Value) -> bool {
    event["activity"]["class"] == "process_launch"
}

/// The program that is run when the command has ended, with a mark among its words.
fn is_end(event: &Value) -> bool {
    let argv = &event["process"]["argv"];
    argv[0] == "/usr/bin/true" && argv[1].as_str().is_some_and(|word| word.starts_with("lab-settled-"))
}

fn launch_time(events: &[Value], exec: &Exec) -> Option<u64> {
    events
        .iter()
        .filter(|event| is_launch(event) && pid(event) == Some(exec.pid) && has_words(event, exec))
        .find_map(time)
}

/// What is wrong with how the agent told this launch.
fn told_exec(events: &[&Value], exec: &Exec, file: &str) -> Option<&'static str> {
    let own: Vec<&&Value> = events.iter().filter(|event| is_launch(event) && pid(event) == Some(exec.pid)).collect();
    let Some(event) = own.iter().find(|event| has_words(event, exec)).or(own.first()) else {
        return Some("not told");
    };
    if !has_words(event, exec) {
        return Some("other arguments");
    }
    let exe = event.pointer("/process/exe").and_then(Value::as_str).unwrap_or_default();
    // A script runs its interpreter, which names the script among its words.
    let is_script = event.to_string().contains(&format!("\"{}\"", exec.file));
    if !same_path(exe, file) && !is_script {
        return Some("another executable");
    }
    let parent = event.pointer("/parent/key/pid").and_then(Value::as_u64);
    (parent != Some(u64::from(exec.parent))).then_some("another parent")
}

/// Whether the agent's arguments are those the witness read. The kernel's tracing cuts long words, and a script's words
/// come after its interpreter's.
fn has_words(event: &Value, exec: &Exec) -> bool {
    let argv: Vec<&str> = event
        .pointer("/process/argv")
        .and_then(Value::as_array)
        .map(|argv| argv.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let fits = |told: &[&str], words: &[String]| {
        told.len() >= words.len() && words.iter().zip(told).all(|(word, told)| reads(told, word))
    };
    let after = exec.words.get(1..).unwrap_or_default();
    fits(&argv, &exec.words)
        || argv.iter().position(|word| *word == exec.file).is_some_and(|at| fits(&argv[at + 1..], after))
}

/// The tracing shows what is no text as it likes, and no more than its buffer holds; the agent cuts long words.
fn reads(told: &str, word: &str) -> bool {
    let end = told.len().min(word.len());
    let exact = told.as_bytes().get(..end) == word.as_bytes().get(..end);
    exact && (told.len() == word.len() || end >= LONG_WORD) || (!word.is_ascii() && told.len() >= word.len() / 2)
}

/// Above this the agent or the tracing may have cut a word.
const LONG_WORD: usize = 200;

fn told_call(events: &[&Value], call: &Call) -> bool {
    events.iter().filter(|event| pid(event) == Some(call.pid)).any(|event| {
        let activity = &event["activity"];
        let class = activity["class"].as_str().unwrap_or_default();
        match call.name.as_str() {
            "connect" => class == "network" && activity["flow"]["remote_port"] == call.port,
            "listen" => class == "network" && activity["activity"] == "listen",
            "clock_settime" | "settimeofday" => class == "kernel" && activity["operation"] == "set_time",
            "mount" | "umount" => class == "mount",
            "memfd_create" => class == "memory_file",
            _ => class == "module_load",
        }
    })
}

/// `/bin` is `/usr/bin`, and so on with what else moved below /usr.
fn same_path(one: &str, other: &str) -> bool {
    let plain = |path: &str| path.strip_prefix("/usr").unwrap_or(path).to_owned();
    plain(one) == plain(other)
}
