//! Owns: what the metadata of a YARA rule means here: title, severity, techniques, response, where it is looked for.
//! Never: guessing: a key that is known with a value that is not is an error.

use picket_model::Severity;
use serde::{Deserialize, Serialize};
use yara_x::MetaValue;

use crate::limits::{TITLE_BYTES_MAX, WORD_BYTES_MAX, WORDS_MAX};

/// A rule that says nothing of it: somebody should look, and nothing is done alone.
const SEVERITY_DEFAULT: Severity = Severity::Medium;
/// What may be done about a file or the process that runs it. Isolation rests on more than one file.
const RESPONSES: [&str; 4] = ["kill_tree", "suspend_process", "quarantine_file", "deny_execution"];
/// Those of them that are about the process.
const ON_PROCESSES: [&str; 2] = ["kill_tree", "suspend_process"];

/// One rule, as detections tell of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct YaraRule {
    pub name: String,
    pub file: String,
    pub title: String,
    pub description: String,
    pub severity: Severity,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
    pub response: Vec<String>,
    pub tags: Vec<String>,
    /// Never told by itself; other rules rest on it.
    pub private: bool,
    pub in_files: bool,
    pub in_memory: bool,
}

/// Whether a response is about a process: whoever wrote a file may be a mail or backup server.
#[must_use]
pub fn is_on_process(word: &str) -> bool {
    ON_PROCESSES.contains(&word)
}

pub fn describe(rule: &yara_x::Rule<'_, '_>) -> Result<YaraRule, Vec<String>> {
    let name = rule.identifier();
    let mut described = YaraRule {
        name: name.to_owned(),
        file: rule.namespace().to_owned(),
        title: String::new(),
        description: String::new(),
        severity: SEVERITY_DEFAULT,
        techniques: Vec::new(),
        tactics: Vec::new(),
        response: Vec::new(),
        tags: rule.tags().take(WORDS_MAX).map(|tag| cut(tag.identifier(), WORD_BYTES_MAX)).collect(),
        private: rule.is_private(),
        in_files: true,
        in_memory: true,
    };
    let mut wrong = Vec::new();
    if name.len() > WORD_BYTES_MAX {
        wrong.push(format!("the name of the rule has {} bytes; {WORD_BYTES_MAX} are taken", name.len()));
    }
    let mut score = None;
    let mut stated = None;
    for (key, value) in rule.metadata() {
        let taken = match (key, &value) {
            ("title", MetaValue::String(text)) => {
                described.title = cut(text, TITLE_BYTES_MAX);
                Ok(())
            }
            ("description", MetaValue::String(text)) => {
                described.description = cut(text, TITLE_BYTES_MAX);
                Ok(())
            }
            ("severity", MetaValue::String(text)) => severity(text).map(|severity| stated = Some(severity)),
            ("score", MetaValue::Integer(number)) => scored(*number).map(|severity| score = Some(severity)),
            ("techniques", MetaValue::String(text)) => words(text, technique).map(|words| described.techniques = words),
            ("tactics", MetaValue::String(text)) => words(text, tactic).map(|words| described.tactics = words),
            ("response", MetaValue::String(text)) => words(text, response).map(|words| described.response = words),
            ("scan_context", MetaValue::String(text)) => contexts(text).map(|(files, memory)| {
                (described.in_files, described.in_memory) = (files, memory);
            }),
            ("title" | "description" | "techniques" | "tactics" | "response" | "scan_context", _) => {
                Err("it is no text".to_owned())
            }
            // Elsewhere a number, on a scale of its own.
            _ => Ok(()),
        };
        if let Err(reason) = taken {
            wrong.push(format!("metadata `{key}` of the rule `{name}`: {reason}"));
        }
    }
    described.severity = stated.or(score).unwrap_or(SEVERITY_DEFAULT);
    if described.title.is_empty() {
        let title = if described.description.is_empty() { name } else { &described.description };
        described.title = title.to_owned();
    }
    if wrong.is_empty() { Ok(described) } else { Err(wrong) }
}

fn severity(text: &str) -> Result<Severity, String> {
    const ALL: [Severity; 5] =
        [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let found = ALL.into_iter().find(|severity| severity.word().eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| format!("`{text}` is none of {}", ALL.map(Severity::word).join(", ")))
}

/// As public collections have it, from 0 to 100. None of them is critical by a number alone.
fn scored(score: i64) -> Result<Severity, String> {
    match score {
        0..40 => Ok(Severity::Informational),
        40..60 => Ok(Severity::Low),
        60..80 => Ok(Severity::Medium),
        80..=100 => Ok(Severity::High),
        _ => Err(format!("{score} is not between 0 and 100")),
    }
}

fn contexts(text: &str) -> Result<(bool, bool), String> {
    let mut found = (false, false);
    for word in text.split(',').map(str::trim) {
        match word {
            "file" => found.0 = true,
            "memory" => found.1 = true,
            _ => return Err(format!("`{word}` is neither file nor memory")),
        }
    }
    Ok(found)
}

fn words(text: &str, check: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, String> {
    let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if words.len() > WORDS_MAX {
        return Err(format!("{} words; at most {WORDS_MAX} are taken", words.len()));
    }
    words.into_iter().map(check).collect()
}

fn technique(word: &str) -> Result<String, String> {
    let word = word.to_ascii_uppercase();
    let (whole, part) = word.split_once('.').map_or((word.as_str(), None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits =
        whole.strip_prefix('T').is_some_and(|number| digits(number, 4)) && part.is_none_or(|part| digits(part, 3));
    if fits { Ok(word) } else { Err(format!("`{word}` is no technique of ATT&CK such as T1505.003")) }
}

fn tactic(word: &str) -> Result<String, String> {
    let fits = word.len() <= WORD_BYTES_MAX && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if fits { Ok(word.to_owned()) } else { Err(format!("`{word}` is no tactic such as defense-evasion")) }
}

fn response(word: &str) -> Result<String, String> {
    if RESPONSES.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(format!("`{word}` is no response; there are {}", RESPONSES.join(", ")))
}

fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
