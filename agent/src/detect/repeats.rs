//! Owns: telling a repeated hit from news: the same rule on the same process and object within a minute is one detection.
//! Never: forgetting that it left something out: it counts.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use picket_model::{Activity, Event, LossCount, RuleId, Timestamp};

/// A process that does the same thing to the same object again within this span says nothing new.
const SPAN_MS: u64 = 60_000;
/// Remembered hits: a flood of different ones beyond this forgets them all, which at worst tells one twice.
const REMEMBERED_MAX: usize = 4096;

#[derive(Default)]
pub struct Repeats {
    last: HashMap<u64, Timestamp>,
    suppressed: u64,
}

impl Repeats {
    pub fn is_news(&mut self, rule: &RuleId, event: &Event) -> bool {
        let key = key(rule, event);
        let told = self.last.get(&key).is_some_and(|last| near(event.time, *last));
        if told {
            self.suppressed += 1;
            return false;
        }
        if self.last.len() >= REMEMBERED_MAX {
            self.last.retain(|_, last| near(event.time, *last));
        }
        if self.last.len() >= REMEMBERED_MAX {
            self.last.clear();
        }
        self.last.insert(key, event.time);
        true
    }

    pub fn take_losses(&mut self) -> Option<LossCount> {
        let count = std::mem::take(&mut self.suppressed);
        (count > 0).then(|| LossCount { place: "detect.repeats".into(), count })
    }
}

/// Either way: what was told before the clock was set back is no reason to be silent until it has caught up.
fn near(one: Timestamp, other: Timestamp) -> bool {
    one.millis_since(other).max(other.millis_since(one)) < SPAN_MS
}

/// What the hit is about: rule, process image and object.
fn key(rule: &RuleId, event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    rule.hash(&mut hasher);
    if let Some(process) = &event.process {
        process.key.hash(&mut hasher);
        process.exe.hash(&mut hasher);
        process.argv.hash(&mut hasher);
    }
    match &event.activity {
        Activity::File { file, .. } => (&file.path, file.id).hash(&mut hasher),
        Activity::Network { flow, .. } => (flow.remote_ip, flow.remote_port, flow.local_port).hash(&mut hasher),
        Activity::Authentication { user, source, success, .. } => (user, source, success).hash(&mut hasher),
        Activity::Dns { name, .. } => name.hash(&mut hasher),
        Activity::ModuleLoad { name, path, .. } => (name, path).hash(&mut hasher),
        Activity::Script { script } => (script.source, &script.path, &script.content).hash(&mut hasher),
        Activity::LibraryLoad { file } => (&file.path, file.id).hash(&mut hasher),
        Activity::BpfLoad { program } => (&program.name, &program.kind).hash(&mut hasher),
        Activity::ProcessAccess { access, target } => (access, target.key).hash(&mut hasher),
        Activity::Memory { activity, .. } => activity.hash(&mut hasher),
        Activity::MemoryFile { name, .. } => name.hash(&mut hasher),
        Activity::Privilege { change } => {
            (change.kind, change.uid, change.euid, change.gid, &change.namespaces).hash(&mut hasher);
        }
        Activity::Mount { change } => (change.activity, &change.source, &change.target).hash(&mut hasher),
        Activity::Kernel { operation, subject, detail } => (operation, subject, detail).hash(&mut hasher),
        Activity::ScheduledJob { job } => (job.activity, &job.path, &job.command).hash(&mut hasher),
        Activity::Account { change } => (change.activity, &change.name, &change.changed).hash(&mut hasher),
        Activity::Group { change } => (change.activity, &change.name, &change.added).hash(&mut hasher),
        Activity::Service { change } => (change.activity, &change.name, &change.command).hash(&mut hasher),
        Activity::UnixConnect { path } => path.hash(&mut hasher),
        Activity::Fingerprint { fingerprint } => (fingerprint.file.id, &fingerprint.md5).hash(&mut hasher),
        Activity::Tamper { kind, detail, .. } => (kind, detail).hash(&mut hasher),
        Activity::Suppressed { .. }
        | Activity::Coverage { .. }
        | Activity::ProcessLaunch
        | Activity::ProcessFork { .. }
        | Activity::ProcessExit { .. }
        | Activity::Loss { .. }
        | Activity::Agent { .. } => {}
    }
    hasher.finish()
}
