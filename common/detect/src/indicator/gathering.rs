//! Owns: gathering indicators from texts and from lists, of all errors in texts each with its place.
//! Never: looking one up.

use std::hash::RandomState;
use std::io::Read;

use super::list::{Entry, ListError, ListKind, ListReader};
use super::ranges::Ranges;
use super::rules::Rules;
use super::table::Table;
use super::{ENTRIES_MAX, IndicatorSource, Indicators, bytes_of, mark, md5, name, sha256};
use crate::error::RuleError;
use crate::network::Network;

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
