//! Owns: indicators: hashes, addresses and domains that are bad by themselves.
//! Never: where they come from.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use picket_model::{
    Activity, Event, Evidence, FileActivity, FileObject, Fingerprint, NetActivity, RuleId, SensorFamily, Severity,
    Sha256,
};

use crate::error::RuleError;
use crate::network::Network;
use crate::rule::{Hit, Rule};

/// Entries of one kind: a large feed; some 40 MiB of memory at the very most.
const ENTRIES_MAX: usize = 500_000;
/// Ranges are tried one after another.
const RANGES_MAX: usize = 10_000;
const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Indicators as texts, as a bundle carries them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IndicatorSource {
    pub sha256: Vec<String>,
    /// Addresses and ranges.
    pub addresses: Vec<String>,
    /// Each stands for its subdomains too.
    pub domains: Vec<String>,
}

#[derive(Debug)]
pub struct Indicators {
    hashes: HashSet<Sha256>,
    addresses: HashSet<IpAddr>,
    ranges: Vec<Network>,
    domains: HashSet<String>,
    rules: Rules,
}

/// One rule for each way to meet an indicator: they differ in what may be done about it.
#[derive(Debug)]
struct Rules {
    executed: Arc<Rule>,
    written: Arc<Rule>,
    connected: Arc<Rule>,
    accepted: Arc<Rule>,
    resolved: Arc<Rule>,
}

impl Indicators {
    /// Every malformed entry is named; lines count the entries of its list from 1.
    pub fn compile(source: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let hashes = each("sha256", &source.sha256, &mut errors, |text| {
            text.parse::<Sha256>().map_err(|reason| format!("`{text}`: {reason}"))
        });
        let networks = each("addresses", &source.addresses, &mut errors, Network::parse);
        let domains = each("domains", &source.domains, &mut errors, domain);
        let (single, ranges): (Vec<Network>, Vec<Network>) =
            networks.into_iter().partition(|network| network.single().is_some());
        if ranges.len() > RANGES_MAX {
            errors.push(error("addresses", 1, format!("{} ranges; at most {RANGES_MAX} are taken", ranges.len())));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            hashes: hashes.into_iter().collect(),
            addresses: single.iter().filter_map(Network::single).collect(),
            ranges,
            domains: domains.into_iter().collect(),
            rules: Rules::new(),
        })
    }

    #[must_use]
    pub fn none() -> Self {
        Self {
            hashes: HashSet::new(),
            addresses: HashSet::new(),
            ranges: Vec::new(),
            domains: HashSet::new(),
            rules: Rules::new(),
        }
    }

    /// The rules of the kinds that have any entry.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let hashes = !self.hashes.is_empty();
        let addresses = !self.addresses.is_empty() || !self.ranges.is_empty();
        let domains = !self.domains.is_empty();
        [
            (hashes, &self.rules.executed),
            (hashes, &self.rules.written),
            (addresses, &self.rules.connected),
            (addresses, &self.rules.accepted),
            (domains, &self.rules.resolved),
        ]
        .into_iter()
        .filter_map(|(used, rule)| used.then_some(rule.as_ref()))
    }

    #[must_use]
    pub fn has_hashes(&self) -> bool {
        !self.hashes.is_empty()
    }

    #[must_use]
    pub fn observe(&self, event: &Event) -> Option<Hit> {
        match &event.activity {
            Activity::ProcessLaunch => {
                let process = event.process.as_ref()?;
                let digest = process.exe_sha256.filter(|digest| self.hashes.contains(digest))?;
                Some(hit(&self.rules.executed, &[("Image", &process.exe), ("Sha256", &digest.to_string())]))
            }
            Activity::File { activity: FileActivity::Write, file: FileObject { path, sha256, .. } } => {
                let digest = sha256.filter(|digest| self.hashes.contains(digest))?;
                Some(hit(&self.rules.written, &[("TargetFilename", path), ("TargetSha256", &digest.to_string())]))
            }
            Activity::Fingerprint { fingerprint: Fingerprint { file, executed, .. } } => {
                let digest = file.sha256.filter(|digest| self.hashes.contains(digest))?.to_string();
                if *executed {
                    let image = event.process.as_ref().map_or(&file.path, |process| &process.exe);
                    return Some(hit(&self.rules.executed, &[("Image", image), ("Sha256", &digest)]));
                }
                Some(hit(&self.rules.written, &[("TargetFilename", &file.path), ("TargetSha256", &digest)]))
            }
            Activity::Network { activity, flow } => {
                let remote = flow.remote_ip.to_canonical();
                if !self.has_address(remote) {
                    return None;
                }
                match activity {
                    NetActivity::Connect => Some(hit(&self.rules.connected, &[("DestinationIp", &remote.to_string())])),
                    NetActivity::Accept => Some(hit(&self.rules.accepted, &[("SourceIp", &remote.to_string())])),
                    NetActivity::Listen => None,
                }
            }
            Activity::Dns { name, .. } => {
                let listed = self.listed_domain(name)?;
                Some(hit(&self.rules.resolved, &[("QueryName", name), ("Indicator", &listed)]))
            }
            _ => None,
        }
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        self.addresses.contains(&ip) || self.ranges.iter().any(|range| range.contains(ip))
    }

    /// The listed domain that `name` is or lies below.
    fn listed_domain(&self, name: &str) -> Option<String> {
        if self.domains.is_empty() {
            return None;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = name.as_str();
        loop {
            if self.domains.contains(rest) {
                return Some(rest.to_owned());
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

fn hit(rule: &Arc<Rule>, fields: &[(&str, &str)]) -> Hit {
    let evidence =
        fields.iter().map(|(field, value)| Evidence { field: (*field).to_owned(), value: (*value).to_owned() });
    Hit { rule: Arc::clone(rule), evidence: evidence.collect(), subject: None }
}

fn each<T>(
    list: &str,
    texts: &[String],
    errors: &mut Vec<RuleError>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    if texts.len() > ENTRIES_MAX {
        errors.push(error(list, 1, format!("{} entries; at most {ENTRIES_MAX} are taken", texts.len())));
        return Vec::new();
    }
    let mut parsed = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse(text.trim()) {
            Ok(value) => parsed.push(value),
            Err(reason) => errors.push(error(list, index + 1, reason)),
        }
    }
    parsed
}

fn error(list: &str, line: usize, reason: String) -> RuleError {
    RuleError { file: format!("indicators.{list}"), line, column: 1, reason }
}

fn domain(text: &str) -> Result<String, String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A whole top-level domain would be an accident, and a bare address belongs to the other list.
    let is_address = name.parse::<IpAddr>().is_ok();
    if name.len() > DOMAIN_BYTES_MAX || is_address || !name.contains('.') || !name.split('.').all(label) {
        return Err(format!("`{text}` is not a domain like example.org"));
    }
    Ok(name)
}

impl Rules {
    fn new() -> Self {
        let rule = |id: &str, title: &str, techniques: &[&str], tactic: &str, response: &[&str]| {
            let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Arc::new(Rule {
                id: RuleId(format!("indicator.{id}")),
                uuid: String::new(),
                title: title.to_owned(),
                description: "An indicator of the bundle in force was met.".to_owned(),
                severity: Severity::High,
                techniques: all(techniques),
                tactics: vec![tactic.to_owned()],
                falsepositives: Vec::new(),
                family: SensorFamily::Indicator,
                response: all(response),
                file: "indicators".to_owned(),
                silent: false,
            })
        };
        Self {
            executed: rule(
                "sha256",
                "A file with a listed hash was executed",
                &["T1204.002"],
                "execution",
                &["kill_tree", "quarantine_file", "deny_execution"],
            ),
            // Whoever writes it may be a mail or backup server: the file goes, the writer stays.
            written: rule(
                "sha256_written",
                "A file with a listed hash was written",
                &["T1105"],
                "command-and-control",
                &["quarantine_file", "deny_execution"],
            ),
            connected: rule(
                "address",
                "A connection to a listed address",
                &["T1071"],
                "command-and-control",
                &["kill_tree"],
            ),
            // Killing whoever accepts would let any listed address stop a public service.
            accepted: rule("address_accepted", "A connection from a listed address", &["T1190"], "initial-access", &[]),
            // The process that asks may be the host's resolver, which asks for everybody.
            resolved: rule("domain", "A listed domain was looked up", &["T1071.004"], "command-and-control", &[]),
        }
    }
}
