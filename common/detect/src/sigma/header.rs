//! Owns: what every Sigma document says of itself, and Picket's own `picket:` map.
//! Never: detection and correlation.

use picket_model::{RuleId, SensorFamily, Severity};

use crate::error::{Complaints, Place};
use crate::inventory;
use crate::rule::{Rule, Scope};
use crate::yaml::Node;

/// Keys that inform people; their values are not looked into.
const INFORMATION: &[&str] = &[
    "related",
    "license",
    "references",
    "author",
    "date",
    "modified",
    "fields",
    "scope",
    "regression_tests_path",
    "simulation",
];
/// Sigma caps a title there, and tables are made for it.
const TITLE_CHARS_MAX: usize = 256;
const TACTICS: &[&str] = &[
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
    // Version 19 of ATT&CK parts defense-evasion into these two.
    "stealth",
    "defense-impairment",
];
const RESPONSES: &[&str] = &[
    "kill_tree",
    "suspend_process",
    "quarantine_file",
    "deny_execution",
    "block_address",
    "block_domain",
    "cut_connection",
    "disable_unit",
    "isolate_host",
];

/// Reads the header of `document`; keys in `body` are somebody else's. `family` is what follows from the log source.
pub fn parse(document: &Node, body: &[&str], family: Option<SensorFamily>, complaints: &mut Complaints<'_>) -> Rule {
    let mut rule = Rule {
        id: RuleId(String::new()),
        uuid: String::new(),
        title: String::new(),
        description: String::new(),
        severity: Severity::Informational,
        techniques: Vec::new(),
        tactics: Vec::new(),
        falsepositives: Vec::new(),
        family: family.unwrap_or(SensorFamily::Process),
        response: Vec::new(),
        file: complaints.file().to_owned(),
        data_sources: Vec::new(),
        silent: false,
        scope: Scope::Host,
        status: String::new(),
        inventory: None,
    };
    let mut name = String::new();
    let mut own_place = document.place;
    for (key, node) in document.map().unwrap_or_default() {
        match key.text.as_str() {
            "title" => rule.title = text(node, "title", complaints),
            "id" => rule.uuid = uuid(node, complaints),
            "name" => name = text(node, "name", complaints),
            "description" => rule.description = text(node, "description", complaints).trim_end().to_owned(),
            "level" => rule.severity = level(node, complaints),
            "status" => rule.status = text(node, "status", complaints),
            "tags" => tags(node, &mut rule, complaints),
            "falsepositives" => rule.falsepositives = texts(node, "falsepositives", complaints),
            "taxonomy" if node.text() != Some("sigma") => {
                complaints.add(node.place, "only the taxonomy `sigma` is understood");
            }
            "taxonomy" => {}
            "picket" => {
                own(node, &mut rule, complaints);
                own_place = node.place;
            }
            other if INFORMATION.contains(&other) || body.contains(&other) => {}
            other => complaints.lint(key.place, format!("unknown key `{other}`")),
        }
    }
    if rule.title.is_empty() || rule.title.chars().count() > TITLE_CHARS_MAX {
        complaints.add(document.place, format!("a rule needs a `title` of at most {TITLE_CHARS_MAX} characters"));
    }
    if rule.scope == Scope::Estate && !body.contains(&"correlation") {
        complaints.add(own_place, "only a correlation can be of the `estate`: a rule looks at one event");
    }
    if let Some(reason) = inventory::contradiction(&rule) {
        complaints.add(own_place, reason);
    }
    rule.id = RuleId(if name.is_empty() { rule.uuid.clone() } else { name });
    if rule.id.0.is_empty() {
        complaints.add(document.place, "a rule needs an `id` or a `name`");
    }
    rule
}

fn text(node: &Node, key: &str, complaints: &mut Complaints<'_>) -> String {
    node.text().map(str::to_owned).unwrap_or_else(|| {
        complaints.add(node.place, format!("`{key}` must be text, here stands {}", node.kind()));
        String::new()
    })
}

/// The header of a filter: only its title is needed.
pub fn parse_filter(document: &Node, complaints: &mut Complaints<'_>) {
    if document.get("title").and_then(Node::text).is_none_or(str::is_empty) {
        complaints.add(document.place, "a filter needs a `title`");
    }
    for (key, _) in document.map().unwrap_or_default() {
        let known =
            ["title", "id", "name", "description", "level", "tags", "logsource", "filter", "picket", "taxonomy"];
        if !known.contains(&key.text.as_str()) && !INFORMATION.contains(&key.text.as_str()) {
            complaints.lint(key.place, format!("unknown key `{}`", key.text));
        }
    }
}

/// A word of a document and where it stands.
pub type Placed = (String, Place);

/// A list of texts; a single one stands for a list of one.
pub fn texts(node: &Node, key: &str, complaints: &mut Complaints<'_>) -> Vec<String> {
    placed_texts(node, key, complaints).into_iter().map(|(text, _)| text).collect()
}

pub fn placed_texts(node: &Node, key: &str, complaints: &mut Complaints<'_>) -> Vec<Placed> {
    let nodes = node.list().unwrap_or(std::slice::from_ref(node));
    nodes.iter().map(|node| (text(node, key, complaints), node.place)).filter(|(text, _)| !text.is_empty()).collect()
}

fn uuid(node: &Node, complaints: &mut Complaints<'_>) -> String {
    let text = text(node, "id", complaints).to_ascii_lowercase();
    let shaped = text.len() == 36
        && text.char_indices().all(|(index, char)| match index {
            8 | 13 | 18 | 23 => char == '-',
            _ => char.is_ascii_hexdigit(),
        });
    if !shaped && !text.is_empty() {
        complaints.lint(node.place, format!("`id` must be a UUID, not `{text}`"));
    }
    text
}

fn level(node: &Node, complaints: &mut Complaints<'_>) -> Severity {
    match node.text() {
        Some("informational") => Severity::Informational,
        Some("low") => Severity::Low,
        Some("medium") => Severity::Medium,
        Some("high") => Severity::High,
        Some("critical") => Severity::Critical,
        _ => {
            complaints.add(node.place, "`level` is one of informational, low, medium, high, critical");
            Severity::Informational
        }
    }
}

/// `attack.t1059.004` is a technique, `attack.persistence` a tactic; groups, software and other schemes only inform.
fn tags(node: &Node, rule: &mut Rule, complaints: &mut Complaints<'_>) {
    for (tag, place) in placed_texts(node, "tags", complaints) {
        let tag = tag.to_ascii_lowercase();
        let Some(attack) = tag.strip_prefix("attack.") else { continue };
        let tactic = attack.replace('_', "-");
        match attack.strip_prefix('t') {
            Some(number) if number.starts_with(|char: char| char.is_ascii_digit()) => {
                if !is_technique(number) {
                    complaints.lint(place, format!("`{tag}` is not the number of a technique, like attack.t1059.004"));
                }
                rule.techniques.push(format!("T{number}"));
            }
            _ if TACTICS.contains(&tactic.as_str()) => rule.tactics.push(tactic),
            _ if attack.starts_with(['g', 's', 'c', 'd']) && attack[1..].bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => complaints.lint(place, format!("`{tag}` names no tactic and no technique of ATT&CK")),
        }
    }
}

fn is_technique(number: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match number.split_once('.') {
        None => digits(number, 4),
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
    }
}

fn own(node: &Node, rule: &mut Rule, complaints: &mut Complaints<'_>) {
    let Some(entries) = node.map() else {
        complaints.add(node.place, format!("`picket` must be a map, here stands {}", node.kind()));
        return;
    };
    for (key, node) in entries {
        match (key.text.as_str(), node.text()) {
            ("family", Some(word)) => match family(word) {
                Some(family) => rule.family = family,
                None => complaints
                    .add(node.place, "`family` is one of process, file, network, authentication, module, indicator"),
            },
            ("response", _) => {
                for (word, place) in placed_texts(node, "response", complaints) {
                    if !RESPONSES.contains(&word.as_str()) {
                        complaints
                            .add(place, format!("there is no response `{word}`; there are {}", RESPONSES.join(", ")));
                    }
                    rule.response.push(word);
                }
            }
            ("silent", Some("true")) => rule.silent = true,
            ("silent", Some("false")) | ("scope", Some("host")) => {}
            ("scope", Some("estate")) => rule.scope = Scope::Estate,
            ("inventory", _) => rule.inventory = inventory::parse(node, complaints),
            (other, _) => complaints.add(
                key.place,
                format!(
                    "`{other}` does not belong in `picket`, or not with this value; there are family, response, silent, scope (host or estate), inventory"
                ),
            ),
        }
    }
}

fn family(word: &str) -> Option<SensorFamily> {
    Some(match word {
        "process" => SensorFamily::Process,
        "file" => SensorFamily::File,
        "network" => SensorFamily::Network,
        "authentication" => SensorFamily::Authentication,
        "module" => SensorFamily::Module,
        "indicator" => SensorFamily::Indicator,
        _ => return None,
    })
}
