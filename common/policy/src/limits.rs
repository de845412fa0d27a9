//! Owns: how much a bundle may hold, each bound with its reason.
//! Never: how much a frame may hold; that is the wire's.

use picket_model::{ActionKind, Domain, Network};

use crate::bundle::{Bundle, Isolation, Protected};
use crate::error::BundleError;

/// The signed bundle as bytes: it must fit one downlink frame of 8 MiB with room for the envelope.
pub const BUNDLE_BYTES_MAX: usize = 7 * 1024 * 1024;
/// A name is shown in tables and heartbeats.
pub const NAME_BYTES_MAX: usize = 64;
/// Cedar text: hundreds of policies; compiling more would hold up an agent for seconds.
pub const POLICIES_BYTES_MAX: usize = 256 * 1024;
/// Every event is matched against the rules: more than this and the matching itself is the slow-down.
pub const RULES_MAX: usize = 2_000;
/// One Sigma document; the largest public ones have 20 KiB.
pub const RULE_BYTES_MAX: usize = 64 * 1024;
/// Files of YARA rules.
pub const YARA_FILES_MAX: usize = 2_000;
/// One of them; public collections of thousands of rules are one text each.
pub const YARA_FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// All of them together: Sigma rules and indicators must find room beside them.
pub const YARA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Indicators of all kinds together: a hash set of them takes about 8 MB of the agent's 60.
pub const INDICATORS_MAX: usize = 50_000;
/// One indicator: a domain has 253 bytes, a digest 64.
pub const INDICATOR_BYTES_MAX: usize = 256;
/// Lists of indicators beside the bundle: one or two for each feed.
pub const LISTS_MAX: usize = 64;
/// Entries of all lists together: 17 bytes of the agent's memory each, so that a million leave it within its 60 MB.
pub const LISTED_MAX: u64 = 2_000_000;
/// One list: a million URLs.
pub const LIST_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// All lists together, on every host's disk.
pub const LISTS_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// Protected executables, paths, units, accounts, addresses and domains, and watched files, each.
pub const PATHS_MAX: usize = 1_000;
/// Networks that stay reachable during an isolation.
const ALLOWED_MAX: usize = 64;
/// As short as a network may be that stays reachable: `10.0.0.0/8` is an estate of its own.
const ALLOWED_PREFIX_MIN: u8 = 8;
const ALLOWED_PREFIX_MIN_6: u8 = 16;
/// `PATH_MAX` of Linux.
pub const PATH_BYTES_MAX: usize = 4096;
/// The name of a unit or account, as the service manager has the longest.
pub const PROTECTED_NAME_BYTES_MAX: usize = 256;
/// A policy nobody renews for a year is forgotten, not in force.
pub const LEASE_MS_MAX: u64 = 366 * 24 * 3_600_000;
/// A lease shorter than this could run out while the bundle still travels to the last host.
pub const LEASE_MS_MIN: u64 = 60_000;
/// No containment holds longer without a person: beyond a month it is configuration, not containment.
pub const LEASE_ACTION_MS_MAX: u64 = 31 * 24 * 3_600_000;
/// A budget above this is none, and each spent act is remembered for an hour.
pub const BUDGET_MAX: u32 = 1_000;

pub(crate) fn at_most(what: &str, found: usize, limit: usize) -> Result<(), BundleError> {
    if found > limit {
        return Err(BundleError::Limit { what: what.to_owned(), found: found as u64, limit: limit as u64 });
    }
    Ok(())
}

pub(crate) fn check_size(bytes: usize) -> Result<(), BundleError> {
    at_most("the bundle in bytes", bytes, BUNDLE_BYTES_MAX)
}

/// Everything that does not need the policies compiled.
pub(crate) fn check(bundle: &Bundle) -> Result<(), BundleError> {
    name("name", &bundle.name)?;
    lease("lease_ms", bundle.lease_ms, LEASE_MS_MIN, LEASE_MS_MAX)?;
    at_most("policies in bytes", bundle.policies.len(), POLICIES_BYTES_MAX)?;
    rules(bundle)?;
    yara(bundle)?;
    indicators(bundle)?;
    lists(bundle)?;
    for (what, paths) in [
        ("protected.executables", &bundle.protected.executables),
        ("protected.paths", &bundle.protected.paths),
        ("watch_read", &bundle.watch_read),
    ] {
        absolute(what, paths)?;
    }
    let Protected { units, accounts, addresses, domains, .. } = &bundle.protected;
    for (what, names) in [("units", units), ("accounts", accounts), ("addresses", addresses), ("domains", domains)] {
        at_most(&format!("protected.{what}"), names.len(), PATHS_MAX)?;
        for name in names {
            at_most(&format!("a name of protected.{what} in bytes"), name.len(), PROTECTED_NAME_BYTES_MAX)?;
        }
    }
    for address in addresses {
        let field = || "protected.addresses".to_owned();
        address.parse::<Network>().map_err(|reason| BundleError::Field { field: field(), reason })?;
    }
    for domain in domains {
        let field = || "protected.domains".to_owned();
        domain.parse::<Domain>().map_err(|reason| BundleError::Field { field: field(), reason })?;
    }
    isolation(&bundle.isolation)?;
    if let Some(budget) = bundle.account_budget {
        at_most("account_budget", budget as usize, BUDGET_MAX as usize)?;
    }
    for (word, &budget) in &bundle.budgets {
        known_word("budgets", word)?;
        at_most(&format!("budgets.{word}"), budget as usize, BUDGET_MAX as usize)?;
    }
    for (word, &ms) in &bundle.lease_action_ms {
        known_word("lease_action_ms", word)?;
        lease(&format!("lease_action_ms.{word}"), ms, 1, LEASE_ACTION_MS_MAX)?;
    }
    bundle.autonomy.check()?;
    crate::quorum::check(&bundle.quorum)?;
    crate::group_budget::check(&bundle.group_budgets)?;
    crate::windows::check(&bundle.windows)
}

pub(crate) fn name(field: &str, name: &str) -> Result<(), BundleError> {
    at_most(&format!("{field} in bytes"), name.len(), NAME_BYTES_MAX)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(BundleError::Field {
            field: field.to_owned(),
            reason: format!("{name:?} is not made of letters, digits, dots, hyphens and underscores"),
        });
    }
    Ok(())
}

fn lease(field: &str, found: u64, least: u64, most: u64) -> Result<(), BundleError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let reason = format!("{found} ms is not between {least} and {most}");
    Err(BundleError::Field { field: field.to_owned(), reason })
}

fn rules(bundle: &Bundle) -> Result<(), BundleError> {
    at_most("rules", bundle.rules.len(), RULES_MAX)?;
    for rule in &bundle.rules {
        at_most("the name of a rule's file in bytes", rule.file.len(), PATH_BYTES_MAX)?;
        at_most(&format!("rule {} in bytes", rule.file), rule.text.len(), RULE_BYTES_MAX)?;
    }
    Ok(())
}

fn yara(bundle: &Bundle) -> Result<(), BundleError> {
    at_most("YARA files", bundle.yara.len(), YARA_FILES_MAX)?;
    for file in &bundle.yara {
        at_most("the name of a YARA file in bytes", file.file.len(), PATH_BYTES_MAX)?;
        at_most(&format!("YARA file {} in bytes", file.file), file.text.len(), YARA_FILE_BYTES_MAX)?;
    }
    at_most("YARA rules in bytes", bundle.yara.iter().map(|file| file.text.len()).sum(), YARA_BYTES_MAX)
}

fn indicators(bundle: &Bundle) -> Result<(), BundleError> {
    let lists = bundle.indicators.lists();
    at_most("indicators", lists.iter().map(|(_, list)| list.len()).sum(), INDICATORS_MAX)?;
    lists
        .iter()
        .flat_map(|(_, list)| list.iter())
        .try_for_each(|text| at_most("an indicator in bytes", text.len(), INDICATOR_BYTES_MAX))
}

fn lists(bundle: &Bundle) -> Result<(), BundleError> {
    let lists = &bundle.indicator_lists;
    at_most("lists of indicators", lists.len(), LISTS_MAX)?;
    let limit = |what: &str, found: u64, limit: u64| {
        if found > limit { Err(BundleError::Limit { what: what.to_owned(), found, limit }) } else { Ok(()) }
    };
    let kinds = bundle.indicators.lists().map(|(kind, _)| kind);
    for list in lists {
        if !kinds.contains(&list.kind.as_str()) {
            let reason = format!("{:?} is no kind of indicators; there are {}", list.kind, kinds.join(", "));
            return Err(BundleError::Field { field: "indicator_lists.kind".to_owned(), reason });
        }
        limit("a list of indicators in bytes", list.bytes, LIST_BYTES_MAX)?;
    }
    limit("listed indicators", lists.iter().map(|list| list.entries).fold(0, u64::saturating_add), LISTED_MAX)?;
    limit("lists of indicators in bytes", lists.iter().map(|list| list.bytes).sum(), LISTS_BYTES_MAX)
}

/// What is let through must leave something cut off.
fn isolation(isolation: &Isolation) -> Result<(), BundleError> {
    at_most("isolation.allow", isolation.allow.len(), ALLOWED_MAX)?;
    for text in &isolation.allow {
        let fault = |reason| BundleError::Field { field: "isolation.allow".to_owned(), reason };
        let network = text.parse::<Network>().map_err(fault)?;
        let shortest = if network.address().is_ipv4() { ALLOWED_PREFIX_MIN } else { ALLOWED_PREFIX_MIN_6 };
        if network.prefix() < shortest {
            return Err(fault(format!("{text} is most of the internet; name networks of /{shortest} and longer")));
        }
    }
    Ok(())
}

fn absolute(what: &str, paths: &[String]) -> Result<(), BundleError> {
    at_most(what, paths.len(), PATHS_MAX)?;
    for path in paths {
        at_most(&format!("a path of {what} in bytes"), path.len(), PATH_BYTES_MAX)?;
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            let reason = format!("{path:?} is no absolute path without `..`");
            return Err(BundleError::Field { field: what.to_owned(), reason });
        }
    }
    Ok(())
}

pub(crate) fn known_word(field: &str, word: &str) -> Result<(), BundleError> {
    if ActionKind::ALL.iter().any(|nature| nature.word == word) {
        return Ok(());
    }
    let words = ActionKind::ALL.map(|nature| nature.word);
    let reason = format!("{word:?} is no action; there are {}", words.join(", "));
    Err(BundleError::Field { field: field.to_owned(), reason })
}
