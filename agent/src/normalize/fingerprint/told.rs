//! Owns: which content was told at which path, so that each is told once.
//! Never: growing: the oldest are forgotten, which at worst tells one twice.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use picket_model::Sha256;

/// More files than a host runs or writes in a day of updates, some 500 KiB.
const TOLD_MAX: usize = 16_384;

#[derive(Default)]
pub struct Told {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Told {
    pub fn is_news(&mut self, path: &str, content: &Sha256, executed: bool) -> bool {
        let mut hasher = DefaultHasher::new();
        (path, content, executed).hash(&mut hasher);
        let key = hasher.finish();
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > TOLD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
