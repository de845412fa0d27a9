//! Owns: `picket policy diff`: what is other in one bundle than in another, in words.
//! Never: what follows from it for detections; that is `simulate`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use picket_policy::{Bundle, written};
use serde_json::{Value, json};

use super::candidate::{self, Candidate};
use super::rules;
use crate::Context;
use crate::failure::Failure;
use crate::table::printable;

/// Names of one kind that are listed; the rest is counted.
const LISTED_MAX: usize = 40;
/// Compared by themselves, or other in every bundle.
const APART: [&str; 6] = ["policies", "rules", "indicators", "indicator_lists", "version", "issued"];

/// Say what is other in one bundle than in another: settings, policies, rules, indicators, lists
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy diff standard strict\n  picket policy diff standard ours.toml          with ours.cedar beside it\n  picket policy diff /var/lib/picket/agent/bundle ours.bundle    the first is in force on this host\n\nA bundle that is not signed has the rules that come with Picket."
)]
pub struct Args {
    /// A shipped bundle's name, a signed bundle, or settings (.toml) with the policies (.cedar) beside
    before: PathBuf,
    /// The same
    after: PathBuf,
}

/// What was added, taken away or changed, by name.
#[derive(Default, PartialEq, Eq, Debug)]
struct Names {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// A setting before and after; one of them may be missing.
type Setting = (String, Option<Value>, Option<Value>);

#[derive(Default)]
struct Difference {
    settings: Vec<Setting>,
    /// By what they are names of.
    names: Vec<(String, Names)>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let difference = between(&whole(&args.before)?, &whole(&args.after)?)?;
    if context.output.json() {
        return context.output.value(&difference.json());
    }
    let lines = difference.lines();
    if lines.is_empty() {
        return context.output.line("the bundles differ in nothing but version and time");
    }
    lines.iter().try_for_each(|line| context.output.line(&printable(line)))
}

fn whole(path: &std::path::Path) -> Result<Bundle, Failure> {
    let Candidate { mut bundle, signed } = candidate::named(path)?;
    bundle.check().map_err(|error| Failure::failed(format!("{}: {error}", path.display()), "no host would take it"))?;
    if !signed {
        bundle.rules = rules::chosen(&[])?;
    }
    Ok(bundle)
}

fn between(before: &Bundle, after: &Bundle) -> Result<Difference, Failure> {
    let mut difference = Difference { settings: settings(before, after)?, names: Vec::new() };
    let mut compare = |what: &str, before: BTreeMap<String, String>, after: BTreeMap<String, String>| {
        let names = names(&before, &after);
        if names != Names::default() {
            difference.names.push((what.to_owned(), names));
        }
    };
    compare("policies", policies(before), policies(after));
    let rules = |bundle: &Bundle| bundle.rules.iter().map(|rule| (rule.file.clone(), rule.text.clone())).collect();
    compare("rules", rules(before), rules(after));
    for ((kind, before), (_, after)) in before.indicators.lists().into_iter().zip(after.indicators.lists()) {
        let texts = |list: &Vec<String>| list.iter().map(|text| (text.clone(), String::new())).collect();
        compare(&format!("indicators of {kind}"), texts(before), texts(after));
    }
    let lists = |bundle: &Bundle| {
        let named = |list: &picket_policy::ListRef| format!("{} {} ({} entries)", list.kind, list.sha256, list.entries);
        bundle.indicator_lists.iter().map(|list| (named(list), String::new())).collect()
    };
    compare("lists", lists(before), lists(after));
    Ok(difference)
}

/// By `@id`, with the text that decides: comments and layout are no difference.
fn policies(bundle: &Bundle) -> BTreeMap<String, String> {
    let text =
        |policy: &picket_policy::Written| policy.policy.to_json().map(|json| json.to_string()).unwrap_or_default();
    written(&bundle.policies).unwrap_or_default().iter().map(|policy| (policy.id.clone(), text(policy))).collect()
}

fn names(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Names {
    let without = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    let changed = before.iter().filter(|(name, text)| after.get(*name).is_some_and(|after| after != *text));
    Names {
        added: without(after, before),
        removed: without(before, after),
        changed: changed.map(|(name, _)| name.clone()).collect(),
    }
}

fn settings(before: &Bundle, after: &Bundle) -> Result<Vec<Setting>, Failure> {
    let flat = |bundle: &Bundle| -> Result<BTreeMap<String, Value>, Failure> {
        let mut json = serde_json::to_value(bundle).map_err(|error| Failure::failed(error.to_string(), ""))?;
        if let Value::Object(fields) = &mut json {
            fields.retain(|name, _| !APART.contains(&name.as_str()));
        }
        // A path is read as a whole.
        for (at, tier) in bundle.autonomy.tiers.iter().enumerate() {
            if let (Some(path), Some(shown)) =
                (&tier.escalation, json.pointer_mut(&format!("/autonomy/tiers/{at}/escalation")))
            {
                *shown = Value::from(path.to_string());
            }
        }
        let mut flat = BTreeMap::new();
        flatten(String::new(), &json, &mut flat);
        Ok(flat)
    };
    let (before, after) = (flat(before)?, flat(after)?);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let pairs = keys.into_iter().map(|key| (key.clone(), before.get(key).cloned(), after.get(key).cloned()));
    Ok(pairs.filter(|(_, before, after)| before != after).collect())
}

/// `budgets.kill_tree`; a list of texts stays one value, a list of tables is told by its tables' names.
fn flatten(path: String, value: &Value, flat: &mut BTreeMap<String, Value>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| flatten(below(name), field, flat)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| at.to_string(), str::to_owned);
                flatten(below(&name), item, flat);
            }
        }
        other => {
            flat.insert(path, other.clone());
        }
    }
}

impl Difference {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.settings.is_empty() {
            lines.push("settings".to_owned());
        }
        lines.extend(self.settings.iter().map(|(name, before, after)| format!("  {name}: {}", told(before, after))));
        for (what, names) in &self.names {
            lines.push(what.clone());
            for (sign, names) in [("new", &names.added), ("gone", &names.removed), ("other", &names.changed)] {
                lines.extend(names.iter().take(LISTED_MAX).map(|name| format!("  {sign}: {name}")));
                if let Some(more) = names.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
                    lines.push(format!("  {sign}: {more} more"));
                }
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let settings =
            self.settings.iter().map(|(name, before, after)| json!({"name": name, "before": before, "after": after}));
        let names = self.names.iter().map(|(what, names)| {
            let told = json!({"added": names.added, "removed": names.removed, "changed": names.changed});
            (what.clone(), told)
        });
        let mut answer = json!({"settings": settings.collect::<Vec<_>>()});
        names.for_each(|(what, told)| answer[what] = told);
        answer
    }
}

/// Of two lists what was added and taken away, of anything else both values.
fn told(before: &Option<Value>, after: &Option<Value>) -> String {
    if let (Some(Value::Array(before)), Some(Value::Array(after))) = (before, after) {
        let of = |sign: &str, one: &[Value], other: &[Value]| -> Vec<String> {
            one.iter().filter(|item| !other.contains(item)).map(|item| format!("{sign} {}", text(item))).collect()
        };
        let both = [of("new", after, before), of("gone", before, after)].concat();
        return if both.is_empty() { "in another order".to_owned() } else { both.join(", ") };
    }
    let one = |value: &Option<Value>| value.as_ref().map_or_else(|| "not set".to_owned(), text);
    format!("{} before, {} after", one(before), one(after))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use picket_policy::{RuleText, shipped};

    use super::*;

    fn lines(before: &Bundle, after: &Bundle) -> Vec<String> {
        between(before, after).unwrap().lines()
    }

    #[test]
    fn bundles_are_told_apart_by_what_is_other_in_them() {
        let before = shipped("standard").unwrap();
        assert!(lines(&before, &before).is_empty());
        let mut after = before.clone();
        after.lease_ms = 5;
        after.budgets.insert("kill_tree".into(), 7);
        after.budgets.remove("isolate_host");
        after.protected.paths.push("/srv/keep".into());
        after.protected.paths.retain(|path| path != "/boot");
        after.indicators.domains.push("bad.example".into());
        after.rules.push(RuleText { file: "new.yml".into(), text: "title: x".into() });
        after.policies = after.policies.replace("severity >= 4", "severity >= 3")
            + "\n@id(\"ours.more\")\nforbid (principal, action, resource) when { context.drill };\n";
        assert_eq!(
            lines(&before, &after),
            [
                "settings",
                "  budgets.isolate_host: 4 before, not set after",
                "  budgets.kill_tree: 60 before, 7 after",
                "  lease_ms: 2592000000 before, 5 after",
                "  protected.paths: new /srv/keep, gone /boot",
                "policies",
                "  new: ours.more",
                "  other: standard.act",
                "rules",
                "  new: new.yml",
                "indicators of domains",
                "  new: bad.example",
            ]
        );
    }

    #[test]
    fn a_path_of_escalation_is_told_in_one_line() {
        let with = |further: &str| {
            let settings = format!(
                "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n[[autonomy.tiers]]\nname = \"all\"\n\
                 levels = {{ default = \"approve\" }}\n\
                 escalation = {{ ask = \"the night shift\", within_ms = 900_000, {further}then = \"drop\" }}\n"
            );
            Bundle::from_texts(&settings, "").unwrap()
        };
        let longer = with("then_ask = [{ ask = \"the day shift\", within_ms = 600_000 }], ");
        assert_eq!(
            lines(&with(""), &longer),
            [
                "settings",
                "  autonomy.tiers.all.escalation: the night shift for 900 s, then drop before, \
                 the night shift for 900 s, then the day shift for 600 s, then drop after"
            ]
        );
    }

    #[test]
    fn layout_and_comments_are_no_difference() {
        let before = shipped("strict").unwrap();
        let mut after = before.clone();
        after.policies =
            format!("// A comment.\n{}", before.policies.replace("&& context.severity", "&&\n    context.severity"));
        assert_ne!(before.policies, after.policies);
        assert!(lines(&before, &after).is_empty());
    }

    #[test]
    fn many_names_are_counted() {
        let before = shipped("watch").unwrap();
        let mut after = before.clone();
        after.indicators.sha256 = (0..60).map(|at| format!("{at:064x}")).collect();
        let lines = lines(&before, &after);
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (LISTED_MAX + 2, Some("  new: 20 more")));
    }
}
