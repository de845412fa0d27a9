//! Owns: what the scanner found, as hits of rules that detections tell of.
//! Never: believing it: a number that names no rule, or a rule that is not looked for there, is nothing.

use std::sync::Arc;

use picket_detect::{Hit, Rule, Scope};
use picket_model::{Evidence, RuleId, SensorFamily};
use picket_yara::{Found, MatchedString, YaraRule, is_on_process};

use crate::worker::YaraSet;

/// One rule, by where it is looked for.
struct Told {
    file: Option<Arc<Rule>>,
    memory: Option<Arc<Rule>>,
    tags: String,
}

#[derive(Default)]
pub struct Rules(Vec<Told>);

impl Rules {
    pub fn of(set: &YaraSet) -> Self {
        Self(set.rules.iter().map(told).collect())
    }

    /// How many there are that can be told.
    pub fn told(&self) -> usize {
        self.0.iter().filter(|rule| rule.file.is_some() || rule.memory.is_some()).count()
    }

    pub fn in_file(&self, found: &[Found]) -> Vec<Hit> {
        self.hits(found, |rule| rule.file.as_ref())
    }

    pub fn in_memory(&self, found: &[Found]) -> Vec<Hit> {
        self.hits(found, |rule| rule.memory.as_ref())
    }

    fn hits(&self, found: &[Found], place: impl Fn(&Told) -> Option<&Arc<Rule>>) -> Vec<Hit> {
        let hit = |found: &Found| {
            let told = self.0.get(found.rule as usize)?;
            let rule = place(told)?;
            let tags = (!told.tags.is_empty()).then(|| Evidence { field: "Tags".to_owned(), value: told.tags.clone() });
            let strings = found.strings.iter().map(evidence);
            Some(Hit { rule: Arc::clone(rule), evidence: tags.into_iter().chain(strings).collect(), subject: None })
        };
        found.iter().filter_map(hit).collect()
    }
}

/// The hit, with as much of its rule's response as is `wanted`. Whoever wrote a file may be a mail or backup server: the
/// file goes, the writer stays.
pub fn with_response(hit: &Hit, wanted: impl Fn(&str) -> bool) -> Hit {
    if hit.rule.response.iter().all(|word| wanted(word)) {
        return hit.clone();
    }
    let response = hit.rule.response.iter().filter(|word| wanted(word)).cloned().collect();
    let rule = Rule { response, ..Rule::clone(&hit.rule) };
    Hit { rule: Arc::new(rule), ..hit.clone() }
}

fn told(rule: &YaraRule) -> Told {
    let in_file = rule.in_files && !rule.private;
    let in_memory = rule.in_memory && !rule.private;
    Told {
        file: in_file.then(|| Arc::new(as_rule(rule, SensorFamily::File, rule.response.clone()))),
        memory: in_memory.then(|| {
            // Nothing says which file the memory came from.
            let response = rule.response.iter().filter(|word| is_on_process(word)).cloned().collect();
            Arc::new(as_rule(rule, SensorFamily::Process, response))
        }),
        tags: rule.tags.join(", "),
    }
}

fn as_rule(rule: &YaraRule, family: SensorFamily, response: Vec<String>) -> Rule {
    Rule {
        id: RuleId(format!("yara.{}", rule.name)),
        uuid: String::new(),
        title: rule.title.clone(),
        description: rule.description.clone(),
        severity: rule.severity,
        techniques: rule.techniques.clone(),
        tactics: rule.tactics.clone(),
        falsepositives: Vec::new(),
        family,
        response,
        file: rule.file.clone(),
        data_sources: Vec::new(),
        silent: false,
        scope: Scope::Host,
        status: String::new(),
        inventory: None,
    }
}

/// `$a` at 0x40, 0x80: 8 bytes each; which bytes they are stays on the host.
fn evidence(MatchedString { name, at, length }: &MatchedString) -> Evidence {
    let at: Vec<String> = at.iter().map(|at| format!("{at:#x}")).collect();
    Evidence { field: name.clone(), value: format!("{length} bytes at {}", at.join(", ")) }
}
