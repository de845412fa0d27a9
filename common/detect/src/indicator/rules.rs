//! Owns: what a hit on an indicator says, and what it proposes to do.
//! Never: looking one up.

use std::sync::Arc;

use picket_model::{Evidence, RuleId, SensorFamily, Severity};

use super::list::ListKind;
use crate::rule::{Hit, Rule, Scope};

/// One rule for each way to meet an indicator: they differ in what may be done about it.
#[derive(Debug)]
pub struct Rules {
    pub executed: Arc<Rule>,
    pub script: Arc<Rule>,
    pub written: Arc<Rule>,
    pub connected: Arc<Rule>,
    pub accepted: Arc<Rule>,
    pub resolved: Arc<Rule>,
    pub url: Arc<Rule>,
    pub name_executed: Arc<Rule>,
    pub name_written: Arc<Rule>,
}

impl Rules {
    pub fn new() -> Self {
        Self {
            executed: Arc::new(Rule {
                response: words(&["kill_tree", "quarantine_file", "deny_execution"]),
                ..rule("sha256", "A file with a listed hash was executed", "T1204.002", "execution")
            }),
            // The program is the interpreter: it stays, and the script went when it was written.
            script: Arc::new(Rule {
                response: words(&["kill_tree"]),
                ..rule("sha256_script", "A script with a listed hash was run", "T1059", "execution")
            }),
            // Whoever writes it may be a mail or backup server: the file goes, the writer stays.
            written: Arc::new(Rule {
                response: words(&["quarantine_file", "deny_execution"]),
                ..rule("sha256_written", "A file with a listed hash was written", "T1105", "command-and-control")
            }),
            connected: Arc::new(Rule {
                response: words(&["kill_tree"]),
                ..rule("address", "A connection to a listed address", "T1071", "command-and-control")
            }),
            // Killing whoever accepts would let any listed address stop a public service.
            accepted: Arc::new(rule(
                "address_accepted",
                "A connection from a listed address",
                "T1190",
                "initial-access",
            )),
            // The process that asks may be the host's resolver, which asks for everybody.
            resolved: Arc::new(rule("domain", "A listed domain was looked up", "T1071.004", "command-and-control")),
            // Whoever names a URL has not been there yet, and may only be looking for it in a log.
            url: Arc::new(rule("url", "A listed URL was named to a program", "T1105", "command-and-control")),
            // Anybody may give a file any name: it is told, and nothing is done about it.
            name_executed: Arc::new(Rule {
                severity: Severity::Medium,
                ..rule("file_name", "A program with a listed name was executed", "T1204.002", "execution")
            }),
            name_written: Arc::new(Rule {
                severity: Severity::Medium,
                ..rule("file_name_written", "A file with a listed name was written", "T1105", "command-and-control")
            }),
        }
    }

    /// Those of indicators of the kinds that are used.
    pub fn of(&self, is_used: impl Fn(ListKind) -> bool) -> impl Iterator<Item = &Rule> {
        let digests = is_used(ListKind::Sha256) || is_used(ListKind::Md5);
        let [addresses, domains, urls, names] =
            [ListKind::Addresses, ListKind::Domains, ListKind::Urls, ListKind::FileNames].map(is_used);
        let Self { executed, script, written, connected, accepted, resolved, url, name_executed, name_written } = self;
        [
            (digests, executed),
            (digests, written),
            (addresses, connected),
            (addresses, accepted),
            (domains, resolved),
            (urls, url),
            (digests, script),
            (names, name_executed),
            (names, name_written),
        ]
        .into_iter()
        .filter_map(|(used, rule)| used.then_some(rule.as_ref()))
    }
}

fn rule(id: &str, title: &str, technique: &str, tactic: &str) -> Rule {
    Rule {
        id: RuleId(format!("indicator.{id}")),
        uuid: String::new(),
        title: title.to_owned(),
        description: "An indicator of the bundle in force was met.".to_owned(),
        severity: Severity::High,
        techniques: words(&[technique]),
        tactics: words(&[tactic]),
        falsepositives: Vec::new(),
        family: SensorFamily::Indicator,
        response: Vec::new(),
        file: "indicators".to_owned(),
        data_sources: Vec::new(),
        silent: false,
        scope: Scope::Host,
        status: String::new(),
        inventory: None,
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

pub fn hit(rule: &Arc<Rule>, fields: &[(&str, &str)]) -> Hit {
    let evidence =
        fields.iter().map(|(field, value)| Evidence { field: (*field).to_owned(), value: (*value).to_owned() });
    Hit { rule: Arc::clone(rule), evidence: evidence.collect(), subject: None }
}
