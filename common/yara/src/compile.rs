//! Owns: texts to one compiled set, or every error with file, line and column.
//! Never: a set that holds less than its texts say.

use std::collections::HashMap;

use picket_detect::{RuleError, RuleSource};
use yara_x::errors::CompileError;
use yara_x::{Compiler, SourceCode};

use crate::meta::{self, YaraRule};
use crate::{limits, nesting};

/// A whole set.
pub struct Compiled {
    /// In the order in which scans number them; the private ones among them.
    pub rules: Vec<YaraRule>,
    /// For [`crate::Rules::load`], of this very build.
    pub bytes: Vec<u8>,
}

/// What a rule of one file is called by those of others, and what a global rule governs, ends with the file: each has a
/// namespace of its own. Patterns and loops that would slow every scan are errors, and so is an `include`: a bundle is
/// whole by itself.
pub fn compile(sources: &[RuleSource]) -> Result<Compiled, Vec<RuleError>> {
    let oversized = oversized(sources);
    if !oversized.is_empty() {
        return Err(oversized);
    }
    let mut compiler = Compiler::new();
    compiler.enable_includes(false).error_on_slow_pattern(true).error_on_slow_loop(true).switch_all_warnings(false);
    let nested = nesting::errors(sources);
    if !nested.is_empty() {
        return Err(nested);
    }
    for source in sources {
        compiler.new_namespace(&source.file);
        // Every error is read below.
        let _ = compiler.add_source(SourceCode::from(source.text.as_str()).with_origin(&source.file));
    }
    let mut errors: Vec<RuleError> = compiler.errors().iter().map(|error| placed(error, sources)).collect();
    if errors.is_empty() {
        let rules = compiler.build();
        let described = described(&rules, sources, &mut errors);
        if errors.is_empty() {
            return match rules.serialize() {
                Ok(bytes) if bytes.len() <= limits::COMPILED_BYTES_MAX => Ok(Compiled { rules: described, bytes }),
                Ok(bytes) => {
                    Err(vec![whole(sources, too_much("bytes compiled", bytes.len(), limits::COMPILED_BYTES_MAX))])
                }
                Err(error) => Err(vec![whole(sources, error.to_string())]),
            };
        }
    }
    errors.sort();
    Err(errors)
}

fn described(rules: &yara_x::Rules, sources: &[RuleSource], errors: &mut Vec<RuleError>) -> Vec<YaraRule> {
    let texts: HashMap<&str, &str> =
        sources.iter().map(|source| (source.file.as_str(), source.text.as_str())).collect();
    let mut files: HashMap<&str, &str> = HashMap::new();
    let mut described = Vec::new();
    for rule in rules.iter() {
        let (name, file) = (rule.identifier(), rule.namespace());
        let mut complain = |reason| {
            let (line, column) = declared(texts.get(file).copied().unwrap_or_default(), name);
            errors.push(RuleError { file: file.to_owned(), line, column, reason });
        };
        // Private ones are never told, so nobody can take one for another.
        if !rule.is_private()
            && let Some(other) = files.insert(name, file)
        {
            complain(format!("the rule `{name}` stands in {other} too; detections could not tell them apart"));
        }
        match meta::describe(&rule) {
            Ok(rule) => described.push(rule),
            Err(reasons) => reasons.into_iter().for_each(complain),
        }
    }
    if described.len() > limits::RULES_MAX {
        errors.push(whole(sources, too_much("YARA rules", described.len(), limits::RULES_MAX)));
    }
    described
}

fn oversized(sources: &[RuleSource]) -> Vec<RuleError> {
    let error = |source: &RuleSource, reason| RuleError { file: source.file.clone(), line: 1, column: 1, reason };
    let mut errors = Vec::new();
    for source in sources.iter().filter(|source| source.text.len() > limits::FILE_BYTES_MAX) {
        errors.push(error(source, too_much("bytes in one file", source.text.len(), limits::FILE_BYTES_MAX)));
    }
    let bytes = sources.iter().map(|source| source.text.len()).sum::<usize>();
    if bytes > limits::TEXT_BYTES_MAX {
        errors.push(whole(sources, too_much("bytes of YARA rules", bytes, limits::TEXT_BYTES_MAX)));
    }
    if sources.len() > limits::FILES_MAX {
        errors.push(whole(sources, too_much("files of YARA rules", sources.len(), limits::FILES_MAX)));
    }
    errors
}

fn too_much(what: &str, found: usize, limit: usize) -> String {
    format!("{found} {what}; at most {limit} are taken")
}

/// About the set and none of its files.
fn whole(sources: &[RuleSource], reason: String) -> RuleError {
    let file = if let [source] = sources { source.file.clone() } else { "yara".to_owned() };
    RuleError { file, line: 1, column: 1, reason }
}

fn placed(error: &CompileError, sources: &[RuleSource]) -> RuleError {
    let labels: Vec<_> = error.labels().collect();
    let label = labels.first();
    let file = label.and_then(|label| label.origin()).unwrap_or("yara").to_owned();
    let text = sources.iter().find(|source| source.file == file).map(|source| source.text.as_str());
    let at = label.map_or(0, |label| label.span().start());
    let (line, column) = text.map_or((1, 1), |text| place(text, at));
    let detail = label.map(|label| label.text()).filter(|detail| !detail.is_empty());
    let reason = detail.map_or_else(|| error.title().to_owned(), |detail| format!("{}: {detail}", error.title()));
    RuleError { file, line, column, reason }
}

/// Line and column, from 1, of a byte of the text.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let before = String::from_utf8_lossy(before);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Where a rule that compiles is declared.
fn declared(text: &str, name: &str) -> (usize, usize) {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let found = text.match_indices(name).find(|(at, _)| {
        let before = text.get(..*at).unwrap_or_default();
        let after = text.as_bytes().get(at + name.len());
        before.ends_with(char::is_whitespace) && before.trim_end().ends_with("rule") && !is_word(after)
    });
    found.map_or((1, 1), |(at, _)| place(text, at))
}
