//! Owns: values out of the nodes of a case, with a complaint for each that is missing or wrong.
//! Never: what the values are for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use picket_model::Process;

use crate::error::{Complaints, Place, RuleError};
use crate::yaml::Node;

pub struct Reader<'c> {
    complaints: Complaints<'c>,
    /// Which turn of a repeated entry this is.
    pub turn: u64,
    /// Those that the file names, for cases to call them by.
    named: HashMap<String, Arc<Process>>,
}

impl<'c> Reader<'c> {
    pub fn new(complaints: Complaints<'c>) -> Self {
        Self { complaints, turn: 0, named: HashMap::new() }
    }

    pub fn complain(&mut self, place: Place, reason: impl Into<String>) {
        self.complaints.add(place, reason);
    }

    pub fn name(&mut self, name: &str, process: Arc<Process>) {
        self.named.insert(name.to_owned(), process);
    }

    /// The process that `node` calls by its name.
    pub fn named(&mut self, node: &Node) -> Option<Arc<Process>> {
        let name = node.text()?;
        let found = self.named.get(name).cloned();
        if found.is_none() {
            self.complain(node.place, format!("no process is called `{name}` above"));
        }
        found
    }

    pub fn count(&self) -> usize {
        self.complaints.count()
    }

    pub fn into_errors(self) -> Vec<RuleError> {
        self.complaints.into_errors()
    }

    /// Complains of whatever `node` holds beside `keys`: a slip of the pen would make a case say less than it seems to.
    pub fn only(&mut self, node: &Node, what: &str, keys: &[&str]) {
        let Some(entries) = node.map() else {
            self.complain(node.place, format!("{what} must be a map, here stands {}", node.kind()));
            return;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !keys.contains(&key.text.as_str())) {
            self.complain(key.place, format!("{what} has no `{}`; it has {}", key.text, keys.join(", ")));
        }
    }

    /// The text of a single value.
    pub fn scalar(&mut self, node: &Node) -> String {
        match node.text() {
            Some(text) if text.contains("{turn}") => text.replace("{turn}", &self.turn.to_string()),
            Some(text) => text.to_owned(),
            None => {
                self.complain(node.place, format!("a single value is needed, here stands {}", node.kind()));
                String::new()
            }
        }
    }

    /// Empty where the key is absent.
    pub fn text(&mut self, node: &Node, key: &str) -> String {
        node.get(key).map(|node| self.scalar(node)).unwrap_or_default()
    }

    pub fn needed(&mut self, node: &Node, key: &str) -> String {
        if node.get(key).is_none() {
            self.complain(node.place, format!("`{key}` is missing"));
        }
        self.text(node, key)
    }

    /// A list of texts; a single one stands for a list of one.
    pub fn texts(&mut self, node: &Node, key: &str) -> Vec<String> {
        let Some(value) = node.get(key) else { return Vec::new() };
        let nodes = value.list().unwrap_or(std::slice::from_ref(value));
        nodes.iter().map(|node| self.scalar(node)).collect()
    }

    pub fn number<T: FromStr>(&mut self, node: &Node, key: &str) -> Option<T> {
        self.parsed(node, key, "a number that fits")
    }

    pub fn flag(&mut self, node: &Node, key: &str) -> Option<bool> {
        self.parsed(node, key, "true or false")
    }

    pub fn address(&mut self, node: &Node, key: &str) -> Option<IpAddr> {
        self.parsed(node, key, "an address")
    }

    pub fn parsed<T: FromStr>(&mut self, node: &Node, key: &str, what: &str) -> Option<T> {
        let value = node.get(key)?;
        let text = self.scalar(value);
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.complain(value.place, format!("`{key}` must be {what}, not `{text}`"));
        }
        parsed
    }

    /// Octal digits, as in `mode: '4755'`; 0 where the key is absent.
    pub fn octal(&mut self, node: &Node, key: &str) -> u32 {
        let Some(value) = node.get(key) else { return 0 };
        let text = self.scalar(value);
        u32::from_str_radix(&text, 8).unwrap_or_else(|_| {
            self.complain(value.place, format!("`{key}` must be octal digits, not `{text}`"));
            0
        })
    }

    /// The value that `word` calls as the case does; a missing key is a complaint.
    pub fn choice<T: Copy>(&mut self, node: &Node, key: &str, all: &[T], word: fn(T) -> &'static str) -> Option<T> {
        let text = self.needed(node, key);
        let found = all.iter().copied().find(|value| word(*value) == text);
        if found.is_none() && node.get(key).is_some() {
            let place = node.get(key).map_or(node.place, |value| value.place);
            let words: Vec<&str> = all.iter().copied().map(word).collect();
            self.complain(place, format!("`{key}` is one of {}, not `{text}`", words.join(", ")));
        }
        found
    }
}
