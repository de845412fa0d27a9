//! Owns: indicators: hashes, addresses, domains, URLs and file names that are bad by themselves.
//! Never: where they come from.

mod gathering;
mod idn;
mod list;
mod name;
mod ranges;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use picket_model::{
    Activity, Event, FileActivity, FileObject, Fingerprint, NetActivity, NetFlow, Process, Script, Sha256,
};

pub use self::gathering::Gathering;
pub use self::list::{ListError, ListKind, ListReader, ListWriter};

use self::ranges::Ranges;
use self::rules::{Rules, hit};
use self::table::Table;
use crate::error::RuleError;
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

    /// The rules of the kinds that have any entry, or that come as `lists`.
    pub fn rules(&self, lists: &[ListKind]) -> impl Iterator<Item = &Rule> {
        self.rules.of(|kind| {
            lists.contains(&kind)
                || match kind {
                    ListKind::Sha256 | ListKind::Md5 => self.has_hashes(),
                    ListKind::Addresses => !self.addresses.is_empty() || !self.ranges.is_empty(),
                    ListKind::Domains => !self.domains.is_empty(),
                    ListKind::Urls => !self.urls.is_empty(),
                    ListKind::FileNames => self.has_file_names(),
                }
        })
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
            Activity::File { activity: FileActivity::Create | FileActivity::Write | FileActivity::Rename, file } => {
                self.written(file)
            }
            Activity::Fingerprint { fingerprint } => self.measured(process, fingerprint).into_iter().collect(),
            Activity::Network { activity, flow } => self.connected(*activity, flow).into_iter().collect(),
            Activity::Dns { name, .. } => self.resolved(name).into_iter().collect(),
            Activity::Script { script } => self.script(script),
            Activity::ModuleLoad { path, .. } => self.module(path).into_iter().collect(),
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
        let named = |argument: &String| self.listed_url(argument).or_else(|| self.listed_bare_url(argument));
        if let Some(url) = process.argv.iter().find_map(named) {
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
        let listed_md5 = || Some(text.clone()).filter(|text| self.has_md5(text));
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

    fn script(&self, script: &Script) -> Vec<Hit> {
        let mut hits = Vec::new();
        let path = ("Path", script.path.as_str());
        if let Some(digest) = script.sha256.filter(|digest| self.has_sha256(digest)) {
            hits.push(hit(&self.rules.script, &[path, ("Sha256", &digest.to_string())]));
        }
        if self.has_file_name(&script.path) {
            hits.push(hit(&self.rules.name_executed, &[path]));
        }
        if let Some(url) = self.listed_url(&script.content) {
            hits.push(hit(&self.rules.url, &[path, ("Indicator", &url)]));
        }
        hits
    }

    fn module(&self, path: &str) -> Option<Hit> {
        self.has_file_name(path).then(|| hit(&self.rules.name_executed, &[("ImageLoaded", path)]))
    }

    /// Whether a program, a file or another place that knows only a digest has a listed content.
    #[must_use]
    pub fn has_sha256(&self, digest: &Sha256) -> bool {
        self.digests.contains(leading(digest))
    }

    /// The same of an MD5 in hexadecimal digits; what is none is not listed.
    #[must_use]
    pub fn has_md5(&self, text: &str) -> bool {
        md5(text).is_ok_and(|mark| self.digests.contains(mark))
    }

    #[must_use]
    pub fn has_address(&self, ip: IpAddr) -> bool {
        self.has(&self.addresses, &bytes_of(ip)) || self.ranges.contains(ip)
    }

    #[must_use]
    pub fn has_file_name(&self, path: &str) -> bool {
        let listed = |name: &str| self.has(&self.file_names, name.as_bytes());
        listed(path) || path.rsplit_once('/').is_some_and(|(_, name)| listed(name))
    }

    /// The listed domain that `name` is or lies below.
    #[must_use]
    pub fn listed_domain(&self, name: &str) -> Option<String> {
        let name = name.trim_end_matches('.');
        // Room for any name that there can be: whatever is longer is none.
        let mut lower = [0; name::DOMAIN_BYTES_MAX];
        let lower = lower.get_mut(..name.len()).filter(|_| !self.domains.is_empty())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let mut rest = &*lower;
        loop {
            if self.has(&self.domains, rest) {
                return Some(String::from_utf8_lossy(rest).into_owned());
            }
            let dot = rest.iter().position(|byte| *byte == b'.')?;
            rest = rest.get(dot + 1..)?;
        }
    }

    /// The first listed URL in a text; it is listed with its query or without.
    #[must_use]
    pub fn listed_url(&self, text: &str) -> Option<String> {
        if self.urls.is_empty() {
            return None;
        }
        name::urls_in(text, URLS_MAX).find(|url| self.is_listed_url(url)).map(Cow::into_owned)
    }

    /// The same of what is a URL to programs that take its scheme for granted.
    fn listed_bare_url(&self, argument: &str) -> Option<String> {
        if self.urls.is_empty() {
            return None;
        }
        name::bare_urls_in(argument, URLS_MAX).find(|url| self.is_listed_url(url))
    }

    fn is_listed_url(&self, url: &str) -> bool {
        let listed = |url: &str| self.has(&self.urls, url.as_bytes());
        listed(url) || url.split_once('?').is_some_and(|(before, _)| listed(before))
    }

    /// The second half of a mark is asked for only where the first is met: most look-ups end before.
    fn has(&self, table: &Table, bytes: &[u8]) -> bool {
        let [first, second] = &self.keys;
        !table.is_empty() && table.contains_halves(first.hash_one(bytes), || second.hash_one(bytes))
    }
}

/// As a mark is made of two halves.
fn mark(keys: &[RandomState; 2], bytes: &[u8]) -> u128 {
    u128::from(keys[0].hash_one(bytes)) << 64 | u128::from(keys[1].hash_one(bytes))
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

fn bytes_of(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
