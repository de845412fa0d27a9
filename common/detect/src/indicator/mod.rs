//! Owns: indicators: hashes, addresses, domains, URLs and file names that are bad by themselves.
//! Never: where they come from.

mod list;
mod name;
mod ranges;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::net::IpAddr;

use picket_model::{
    Activity, Event, FileActivity, FileObject, Fingerprint, NetActivity, NetFlow, Process, Script, Sha256,
};

pub use self::list::{ListError, ListKind, ListReader, ListWriter};

use self::list::Entry;
use self::ranges::Ranges;
use self::rules::{Rules, hit};
use self::table::Table;
use crate::error::RuleError;
use crate::network::Network;
use crate::rule::{Hit, Rule};

/// Entries of one kind: a large feed; 16 bytes of memory each.
const ENTRIES_MAX: usize = 2_000_000;
/// A command line or a script with more URLs than this is a list of them.
const URLS_MAX: usize = 64;

/// Indicators as texts, as a bundle carries them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IndicatorSource {
    pub sha256: Vec<String>,
    pub md5: Vec<String>,
    /// Addresses and ranges.
    pub addresses: Vec<String>,
    /// Each stands for its subdomains too.
    pub domains: Vec<String>,
    pub urls: Vec<String>,
    /// Whole paths, or names in whatever folder.
    pub file_names: Vec<String>,
}

/// Of each entry only a mark of 128 bits is kept: two that differ share one about as often as two files share a
/// digest. The marks of names are keyed by chance, so that nobody can look for such a pair beforehand.
#[derive(Debug)]
pub struct Indicators {
    digests: Table,
    addresses: Table,
    ranges: Ranges,
    domains: Table,
    urls: Table,
    file_names: Table,
    keys: [RandomState; 2],
    rules: Rules,
}

/// Gathers indicators from texts and from lists.
#[derive(Debug)]
pub struct Gathering {
    digests: Vec<u128>,
    networks: Vec<Network>,
    domains: Vec<u128>,
    urls: Vec<u128>,
    file_names: Vec<u128>,
    keys: [RandomState; 2],
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            digests: Vec::new(),
            networks: Vec::new(),
            domains: Vec::new(),
            urls: Vec::new(),
            file_names: Vec::new(),
            keys: [RandomState::new(), RandomState::new()],
        }
    }
}

impl Gathering {
    /// Every malformed entry is named; lines count the entries of its list from 1.
    pub fn texts(&mut self, source: &IndicatorSource) -> Result<(), Vec<RuleError>> {
        let mut errors = Vec::new();
        self.digests.extend(each("sha256", &source.sha256, &mut errors, sha256));
        self.digests.extend(each("md5", &source.md5, &mut errors, md5));
        self.networks.extend(each("addresses", &source.addresses, &mut errors, Network::parse));
        let keys = &self.keys;
        let mut names = |list: &str, texts: &[String], normal: fn(&str) -> Result<String, String>| {
            each(list, texts, &mut errors, |text| Ok(mark(keys, normal(text)?.as_bytes())))
        };
        self.domains.extend(names("domains", &source.domains, name::domain));
        self.urls.extend(names("urls", &source.urls, name::url));
        self.file_names.extend(names("file_names", &source.file_names, name::file_name));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// A whole list, or nothing of what follows is of use.
    pub fn list<R: Read>(&mut self, mut list: ListReader<R>) -> Result<(), ListError> {
        // Its count is bounded, and a list with fewer entries than it says is an error.
        let count = usize::try_from(list.count()).unwrap_or(0);
        let marks = match list.kind() {
            ListKind::Sha256 | ListKind::Md5 => Some(&mut self.digests),
            ListKind::Domains => Some(&mut self.domains),
            ListKind::Urls => Some(&mut self.urls),
            ListKind::FileNames => Some(&mut self.file_names),
            ListKind::Addresses => None,
        };
        let Some(marks) = marks else {
            while let Some(entry) = list.entry()? {
                self.networks.extend(if let Entry::Network(network) = entry { Some(network) } else { None });
            }
            return Ok(());
        };
        marks.reserve_exact(count);
        while let Some(entry) = list.entry()? {
            match entry {
                Entry::Digest(digest) => marks.push(digest),
                Entry::Text(text) => marks.push(mark(&self.keys, text.as_bytes())),
                Entry::Network(_) => {}
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn finish(self) -> Indicators {
        let Self { digests, networks, domains, urls, file_names, keys } = self;
        let (single, wide): (Vec<Network>, Vec<Network>) =
            networks.into_iter().partition(|network| network.single().is_some());
        let addresses = single.iter().filter_map(Network::single).map(|ip| mark(&keys, &bytes_of(ip))).collect();
        Indicators {
            digests: Table::new(digests),
            addresses: Table::new(addresses),
            ranges: Ranges::new(&wide),
            domains: Table::new(domains),
            urls: Table::new(urls),
            file_names: Table::new(file_names),
            keys,
            rules: Rules::new(),
        }
    }
}

impl Indicators {
    /// Every malformed entry is named; lines count the entries of its list from 1.
    pub fn compile(source: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        let mut gathering = Gathering::default();
        gathering.texts(source)?;
        Ok(gathering.finish())
    }

    #[must_use]
    pub fn none() -> Self {
        Gathering::default().finish()
    }

    /// The rules of the kinds that have any entry.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let digests = !self.digests.is_empty();
        let addresses = !self.addresses.is_empty() || !self.ranges.is_empty();
        let (domains, urls, names) = (!self.domains.is_empty(), !self.urls.is_empty(), self.has_file_names());
        let Rules { executed, written, connected, accepted, resolved, url, name_executed, name_written } = &self.rules;
        [
            (digests, executed),
            (digests, written),
            (addresses, connected),
            (addresses, accepted),
            (domains, resolved),
            (urls, url),
            (names, name_executed),
            (names, name_written),
        ]
        .into_iter()
        .filter_map(|(used, rule)| used.then_some(rule.as_ref()))
    }

    /// What they occupy in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { digests, addresses, ranges, domains, urls, file_names, .. } = self;
        ranges.bytes() + [digests, addresses, domains, urls, file_names].map(Table::bytes).iter().sum::<usize>()
    }

    #[must_use]
    pub fn has_hashes(&self) -> bool {
        !self.digests.is_empty()
    }

    #[must_use]
    pub fn has_file_names(&self) -> bool {
        !self.file_names.is_empty()
    }

    /// What `event` meets, of each kind at most one.
    #[must_use]
    pub fn observe(&self, event: &Event) -> Vec<Hit> {
        let process = event.process.as_deref();
        match &event.activity {
            Activity::ProcessLaunch => process.map(|process| self.launched(process)).unwrap_or_default(),
            Activity::File { activity: FileActivity::Write | FileActivity::Rename, file } => self.written(file),
            Activity::Fingerprint { fingerprint } => self.measured(process, fingerprint).into_iter().collect(),
            Activity::Network { activity, flow } => self.connected(*activity, flow).into_iter().collect(),
            Activity::Dns { name, .. } => self.resolved(name).into_iter().collect(),
            Activity::Script { script } => self.script(script).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn launched(&self, process: &Process) -> Vec<Hit> {
        let mut hits = Vec::new();
        if let Some(digest) = process.exe_sha256.filter(|digest| self.has_sha256(digest)) {
            let fields = [("Image", process.exe.as_str()), ("Sha256", &digest.to_string())];
            hits.push(hit(&self.rules.executed, &fields));
        }
        if self.has_file_name(&process.exe) {
            hits.push(hit(&self.rules.name_executed, &[("Image", &process.exe)]));
        }
        if let Some(url) = process.argv.iter().find_map(|argument| self.listed_url(argument)) {
            hits.push(hit(&self.rules.url, &[("CommandLine", &process.command_line()), ("Indicator", &url)]));
        }
        hits
    }

    fn written(&self, file: &FileObject) -> Vec<Hit> {
        let mut hits = Vec::new();
        if let Some(digest) = file.sha256.filter(|digest| self.has_sha256(digest)) {
            let fields = [("TargetFilename", file.path.as_str()), ("TargetSha256", &digest.to_string())];
            hits.push(hit(&self.rules.written, &fields));
        }
        if self.has_file_name(&file.path) {
            hits.push(hit(&self.rules.name_written, &[("TargetFilename", &file.path)]));
        }
        hits
    }

    fn measured(&self, process: Option<&Process>, fingerprint: &Fingerprint) -> Option<Hit> {
        let Fingerprint { file, executed, md5: text, .. } = fingerprint;
        let sha256 = file.sha256.filter(|digest| self.has_sha256(digest)).map(|digest| digest.to_string());
        let listed_md5 = || Some(text.clone()).filter(|text| md5(text).is_ok_and(|mark| self.digests.contains(mark)));
        let (field, digest) = match sha256 {
            Some(digest) => (if *executed { "Sha256" } else { "TargetSha256" }, digest),
            None => ("Md5", listed_md5()?),
        };
        if *executed {
            let image = process.map_or(&file.path, |process| &process.exe);
            return Some(hit(&self.rules.executed, &[("Image", image), (field, &digest)]));
        }
        Some(hit(&self.rules.written, &[("TargetFilename", &file.path), (field, &digest)]))
    }

    fn connected(&self, activity: NetActivity, flow: &NetFlow) -> Option<Hit> {
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

    fn resolved(&self, name: &str) -> Option<Hit> {
        let listed = self.listed_domain(name)?;
        Some(hit(&self.rules.resolved, &[("QueryName", name), ("Indicator", &listed)]))
    }

    fn script(&self, script: &Script) -> Option<Hit> {
        let url = self.listed_url(&script.content)?;
        Some(hit(&self.rules.url, &[("Path", &script.path), ("Indicator", &url)]))
    }

    /// Whether a program, a file or another place that knows only a digest has a listed content.
    #[must_use]
    pub fn has_sha256(&self, digest: &Sha256) -> bool {
        self.digests.contains(leading(digest))
    }

    #[must_use]
    pub fn has_address(&self, ip: IpAddr) -> bool {
        (!self.addresses.is_empty() && self.addresses.contains(mark(&self.keys, &bytes_of(ip))))
            || self.ranges.contains(ip)
    }

    #[must_use]
    pub fn has_file_name(&self, path: &str) -> bool {
        let listed = |name: &str| self.file_names.contains(mark(&self.keys, name.as_bytes()));
        self.has_file_names() && (listed(path) || path.rsplit_once('/').is_some_and(|(_, name)| listed(name)))
    }

    /// The listed domain that `name` is or lies below.
    #[must_use]
    pub fn listed_domain(&self, name: &str) -> Option<String> {
        if self.domains.is_empty() {
            return None;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = name.as_str();
        loop {
            if self.domains.contains(mark(&self.keys, rest.as_bytes())) {
                return Some(rest.to_owned());
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The first listed URL in a text; it is listed with its query or without.
    #[must_use]
    pub fn listed_url(&self, text: &str) -> Option<String> {
        if self.urls.is_empty() {
            return None;
        }
        let listed = |url: &str| self.urls.contains(mark(&self.keys, url.as_bytes()));
        name::urls_in(text, URLS_MAX)
            .find(|url| listed(url) || url.split_once('?').is_some_and(|(before, _)| listed(before)))
    }
}

fn sha256(text: &str) -> Result<u128, String> {
    text.parse::<Sha256>().map(|digest| leading(&digest)).map_err(|reason| format!("`{text}`: {reason}"))
}

/// Half of it is enough: to meet a listed one by search takes 2^128 tries.
fn leading(digest: &Sha256) -> u128 {
    digest.0.iter().take(16).fold(0, |mark, byte| mark << 8 | u128::from(*byte))
}

fn md5(text: &str) -> Result<u128, String> {
    let is_md5 = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = is_md5.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    parsed.ok_or_else(|| format!("`{text}` is not an MD5 of 32 hexadecimal digits"))
}

fn mark(keys: &[RandomState; 2], bytes: &[u8]) -> u128 {
    u128::from(keys[0].hash_one(bytes)) << 64 | u128::from(keys[1].hash_one(bytes))
}

fn bytes_of(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
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
