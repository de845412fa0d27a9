//! Owns: rule files to a set in which every name is found and every correlation comes after what feeds it.
//! Never: an event.

mod documents;
mod filters;
mod resolve;
mod scope;

use std::sync::Arc;

use crate::correlation::Correlation;
use crate::error::{Complaints, Place, RuleError};
use crate::rule::{Exception, Rule, RuleSource, Scope};
use crate::sigma::binding::Placeholders;
use crate::sigma::matcher::Matcher;
use crate::sigma::schema::Schema;
use crate::source::Sources;
use documents::Documents;

/// All rules in public use are a fifth of this.
const DOCUMENTS_MAX: usize = 20_000;
/// They share one budget of memory; when that is used up each event looks at every one of them.
const CORRELATIONS_MAX: usize = 5000;

/// Which events rules are compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Targets {
    /// Picket's own: a rule that can only match others is an error.
    #[default]
    Native,
    /// Picket's own and those of others.
    Any,
}

/// How to compile.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    pub targets: Targets,
    /// What is odd but has a meaning is let pass, as rules of others need; an error costs its document only.
    pub lenient: bool,
    /// Of correlations, those that run here; None for all of them.
    pub scope: Option<Scope>,
    pub placeholders: Placeholders,
}

#[derive(Debug)]
pub struct Set {
    /// By number, correlations left out.
    pub rules: Vec<Arc<Rule>>,
    pub native: Vec<Matcher>,
    pub foreign: Vec<Matcher>,
    /// Numbered after `rules`.
    pub correlations: Vec<Correlation>,
    /// By number (rules, then correlations): whether a match is reported.
    pub reported: Vec<bool>,
    pub exceptions: Vec<Exception>,
    pub schema: Schema,
    pub sources: Sources,
    /// Rules that no event of Picket's own can match, each with the reason.
    pub not_live: Vec<RuleError>,
    pub documents: usize,
}

/// The set of what could be compiled, and what could not: of each refused document the errors, or the first of them
/// where the options are lenient.
pub fn compile(sources: &[RuleSource], options: &Options) -> (Set, Vec<RuleError>) {
    let mut documents = Documents::new(options);
    for source in sources {
        documents.add_file(source);
    }
    let (mut set, drafts, filters, mut errors) = documents.finish();
    errors.extend(filters::apply(&mut set, &filters, options));
    let drafts = bounded(drafts, &mut errors);
    errors.extend(resolve::resolve(&mut set, drafts, options));
    let mut set = set.into_set();
    if let Some(scope) = options.scope {
        scope::limit(&mut set, scope);
    }
    (set, errors)
}

fn bounded(mut drafts: Vec<documents::Correlated>, errors: &mut Vec<RuleError>) -> Vec<documents::Correlated> {
    for over in drafts.drain(CORRELATIONS_MAX.min(drafts.len())..) {
        let reason = format!("more than {CORRELATIONS_MAX} correlations in one set");
        errors.push(error(&over.file, over.draft.place, reason));
    }
    drafts
}

/// UUIDs are the same in either case.
fn normal(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn error(file: &str, place: Place, reason: String) -> RuleError {
    RuleError { file: file.to_owned(), line: place.line, column: place.column, reason }
}

fn complaints<'f>(file: &'f str, options: &Options) -> Complaints<'f> {
    if options.lenient { Complaints::lenient(file) } else { Complaints::new(file) }
}
