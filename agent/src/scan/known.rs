//! Owns: which content met which rules, so that each is scanned once.
//! Never: growing: the oldest are forgotten, which at worst scans one twice.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use picket_detect::Hit;
use picket_model::Sha256;

/// As many files as a large server runs and writes between two bundles, some 2 MB.
const KNOWN_MAX: usize = 16_384;

#[derive(Default)]
pub struct Known {
    found: HashMap<Sha256, Option<Arc<Vec<Hit>>>>,
    order: VecDeque<Sha256>,
}

impl Known {
    /// `None`: it was not scanned yet.
    pub fn get(&self, content: &Sha256) -> Option<Arc<Vec<Hit>>> {
        self.found.get(content).map(|hits| hits.clone().unwrap_or_default())
    }

    pub fn keep(&mut self, content: Sha256, hits: Arc<Vec<Hit>>) {
        let hits = (!hits.is_empty()).then_some(hits);
        if self.found.insert(content, hits).is_none() {
            self.order.push_back(content);
        }
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.found.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use picket_model::Sha256;

    use super::{KNOWN_MAX, Known};

    #[test]
    fn the_oldest_content_is_forgotten_first() {
        let digest = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            Sha256(bytes)
        };
        let mut known = Known::default();
        for number in 0..=KNOWN_MAX {
            known.keep(digest(number), std::sync::Arc::default());
        }
        assert!(known.get(&digest(0)).is_none());
        assert!(known.get(&digest(1)).is_some_and(|hits| hits.is_empty()));
        assert_eq!((known.found.len(), known.order.len()), (KNOWN_MAX, KNOWN_MAX));
    }
}
