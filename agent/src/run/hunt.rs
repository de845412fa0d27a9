//! Owns: children that a tree made while it was being killed, and of which the kernel told only afterwards.
//! Never: children of a tree that was not to be killed at once.

use std::collections::VecDeque;
use std::sync::Arc;

use picket_model::{ActionKind, Activity, Detection, Event, Process, ProcessKey, Timestamp};
use picket_policy::Judgement;

use crate::procfs::{self, View};

/// Records of a killed tree are in the rings within milliseconds; a loaded machine has taken a second to read them.
const SPAN_MS: u64 = 5_000;
/// Trees killed within the span; a flood beyond it is chased for its newest ones.
const TREES_MAX: usize = 64;

struct Tree {
    root: ProcessKey,
    begun: Timestamp,
    detection: Arc<Detection>,
    /// Executables whose processes, and what is below them, are left alone.
    spare: Vec<String>,
}

#[derive(Default)]
pub struct Hunt {
    trees: VecDeque<Tree>,
}

impl Hunt {
    /// Remembers the trees that are about to be killed for this detection.
    pub fn begin(&mut self, judgements: &[Judgement], detection: &Detection) {
        for judgement in judgements {
            let Judgement::ActNow(action, grounds) = judgement else { continue };
            let ActionKind::KillTree { target: root } = action.kind else { continue };
            if self.trees.len() >= TREES_MAX {
                self.trees.pop_front();
            }
            let (begun, spare) = (detection.time, grounds.spare.clone());
            self.trees.push_back(Tree { root, begun, detection: Arc::new(detection.clone()), spare });
        }
    }

    /// A process that a hunted tree has just made, with the detection that set the hunt off.
    pub fn straggler(&mut self, event: &Event) -> Option<(ProcessKey, Arc<Detection>)> {
        while self.trees.front().is_some_and(|tree| event.time.millis_since(tree.begun) > SPAN_MS) {
            self.trees.pop_front();
        }
        if self.trees.is_empty() {
            return None;
        }
        let Activity::ProcessFork { child } = &event.activity else { return None };
        let parent = event.process.as_ref()?;
        let line = || std::iter::once(parent).chain(parent.ancestors());
        let hunted = self
            .trees
            .iter()
            .find(|tree| line().take_while(|process| !tree.spares(process)).any(|process| process.key == tree.root))?;
        Some((child.key, Arc::clone(&hunted.detection)))
    }
}

impl Tree {
    /// As the kill itself does, but of one that has ended meanwhile too: its children were spared with it.
    fn spares(&self, process: &Process) -> bool {
        let listed = process.uid == 0 && self.spare.contains(&process.exe);
        listed && procfs::view(process.key.pid, Some(process.key.start_ticks)) != View::Foreign
    }
}
