//! Owns: rule files to a set in which every name is found and every correlation comes after what feeds it.
//! Never: an event.

mod resolve;

use std::collections::HashMap;

use crate::correlation::Correlation;
use crate::correlation::parse::Draft;
use crate::error::{Complaints, Place, RuleError};
use crate::rule::RuleSource;
use crate::sigma::matcher::Matcher;
use crate::yaml::{self, Node};

/// All rules in public use are a fifth of this.
const DOCUMENTS_MAX: usize = 20_000;
/// Each may hold some mebibytes when somebody floods it; more of them would not fit an agent.
const CORRELATIONS_MAX: usize = 100;

#[derive(Debug)]
pub struct Set {
    pub matchers: Vec<Matcher>,
    pub correlations: Vec<Correlation>,
    /// By number (matchers, then correlations): whether a match is reported.
    pub reported: Vec<bool>,
}

pub fn compile(sources: &[RuleSource]) -> Result<Set, Vec<RuleError>> {
    let mut names = Names::default();
    let mut errors = Vec::new();
    let mut matchers = Vec::new();
    let mut drafts: Vec<(&str, Draft)> = Vec::new();
    let mut count = 0;
    for source in sources {
        let mut complaints = Complaints::new(&source.file);
        for document in yaml::documents(&source.text, &mut complaints) {
            count += 1;
            if count > DOCUMENTS_MAX {
                complaints.add(document.place, format!("more than {DOCUMENTS_MAX} rules in one set"));
                break;
            }
            names.claim(&document, &mut complaints);
            if document.map().is_none() {
                complaints.add(document.place, format!("a rule must be a map, here stands {}", document.kind()));
            } else if document.get("filter").is_some() {
                complaints.add(document.place, "Sigma filters are not supported; write the exception into the rule");
            } else if document.get("correlation").is_some() {
                drafts.extend(Draft::parse(&document, &mut complaints).map(|draft| (source.file.as_str(), draft)));
            } else {
                matchers.extend(Matcher::parse(&document, &mut complaints));
            }
        }
        errors.extend(complaints.into_errors());
    }
    if let Some((file, draft)) = drafts.get(CORRELATIONS_MAX) {
        let reason = format!("more than {CORRELATIONS_MAX} correlations in one set");
        errors.push(error(file, draft.place, reason));
    }
    errors.extend(unknown_references(&drafts, &names));
    if !errors.is_empty() {
        return Err(errors);
    }
    resolve::resolve(matchers, drafts)
}

/// Ids and names share one space, since references use either.
#[derive(Default)]
struct Names {
    known: HashMap<String, (String, usize)>,
}

impl Names {
    fn claim(&mut self, document: &Node, complaints: &mut Complaints<'_>) {
        for key in ["id", "name"] {
            let Some(node) = document.get(key) else { continue };
            let Some(text) = node.text() else { continue };
            let text = normal(text);
            if let Some((file, line)) = self.known.get(&text) {
                complaints.add(node.place, format!("{key} `{text}` is taken already, in {file} on line {line}"));
                continue;
            }
            self.known.insert(text, (complaints.file().to_owned(), node.place.line));
        }
    }
}

/// UUIDs are the same in either case.
fn normal(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn unknown_references(drafts: &[(&str, Draft)], names: &Names) -> Vec<RuleError> {
    let mut errors = Vec::new();
    for (file, draft) in drafts {
        let mut complaints = Complaints::new(file);
        for (name, place) in draft.rules.iter().filter(|(name, _)| !names.known.contains_key(&normal(name))) {
            complaints.add(*place, format!("there is no rule with the id or name `{name}` in this set"));
        }
        errors.extend(complaints.into_errors());
    }
    errors
}

fn error(file: &str, place: Place, reason: String) -> RuleError {
    RuleError { file: file.to_owned(), line: place.line, column: place.column, reason }
}
