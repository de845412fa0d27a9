//! Owns: seven days alone on a virtual clock: what decide, the bundle, the journal and the spool make of them together.
//! Never: a sensor, a real wait, or an act beyond a directory of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use picket_agent::contain::{ContainOptions, Containment};
use picket_agent::decide::{Decide, Surroundings};
use picket_agent::procfs::View;
use picket_agent::report::{Spool, SpoolLimits};
use picket_agent::sys::clock::WallOffset;
use picket_model::{
    Action, ActionId, ActionKind, ActionReport, ActionState, Activity, BundleVersion, Command, CommandKind, Detection,
    DetectionId, Event, EventId, FileActivity, FileObject, HostId, Lane, Principal, Process, ProcessKey, Reason,
    Record, RuleId, SensorFamily, Severity, Sha256, Timestamp, VerdictKind,
};
use picket_policy::{Authority, Bundle, Grounds, Judgement, Moment, keys, shipped, verify};

const HOST: HostId = HostId::from_bytes([1; 16]);
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const DAYS: u64 = 7;
/// The bundle's lease ends in the middle of the fifth day.
const LEASE_MS: u64 = 4 * DAY_MS + 12 * HOUR_MS;
const ACCOUNTS: [&str; 4] = ["root", "www-data", "postgres", "anna"];

struct Host;

impl Surroundings for Host {
    fn process(&self, _: &ProcessKey) -> Option<Arc<Process>> {
        None
    }

    fn running(&self, _: u32) -> Option<Arc<Process>> {
        None
    }

    fn view(&self, _: &ProcessKey) -> View {
        View::Own
    }

    fn is_system_content(&self, _: &Sha256, _: Option<&Process>) -> bool {
        false
    }

    fn account_guard(&self, _: &str) -> Option<&'static str> {
        None
    }
}

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// The shipped one, with budgets that a bad hour exhausts.
fn bundle(issued: Timestamp) -> Bundle {
    let mut bundle = shipped("standard").unwrap();
    bundle.budgets.insert("kill_tree".into(), 12);
    bundle.budgets.insert("quarantine_file".into(), 6);
    Bundle { issued, version: BundleVersion(3), lease_ms: LEASE_MS, account_budget: Some(8), ..bundle }
}

fn decide(bundle: &Bundle) -> Decide {
    let key = keys::generate([3; 32]);
    let mut number = 0u128;
    let ids = move || {
        number += 1;
        number.to_be_bytes()
    };
    let mut decide = Decide::new((HOST, "web-1".into()), std::process::id(), Box::new(ids));
    decide.adopt(Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap());
    decide
}

/// One of what an intruder, a noisy rule or an administrator might set off.
fn detection(number: u64, chance: &mut Chance, time: Timestamp, folder: &Path) -> Detection {
    let severity = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical][chance.below(4) as usize];
    let protected = chance.below(5) == 0;
    // Processes that this machine cannot have: their numbers are beyond its highest.
    let key = ProcessKey { boot: 1, pid: 5_000_000 + u32::try_from(chance.below(400)).unwrap(), start_ticks: number };
    let mut process = Process::unknown(key);
    process.exe = if protected { "/usr/sbin/sshd".into() } else { format!("{}/tool", folder.display()) };
    process.user = ACCOUNTS[chance.below(4) as usize].to_owned();
    let path = if protected { PathBuf::from("/usr/bin/true") } else { folder.join(format!("implant-{number}")) };
    let file = FileObject { path: path.display().to_string(), ..FileObject::default() };
    let (family, response, activity) = match chance.below(4) {
        0 => (SensorFamily::File, "quarantine_file", Activity::File { activity: FileActivity::Write, file }),
        1 => (SensorFamily::Network, "isolate_host", Activity::ProcessLaunch),
        _ => (SensorFamily::Process, "kill_tree", Activity::ProcessLaunch),
    };
    let id = u128::from(number).to_be_bytes();
    let event = Event { id: EventId::from_bytes(id), time, process: Some(Arc::new(process)), activity };
    Detection {
        id: DetectionId::from_bytes(id),
        host: HOST,
        time,
        rule: RuleId("generated".into()),
        title: "Generated".into(),
        severity,
        techniques: vec![],
        tactics: vec![],
        family,
        evidence: vec![],
        response: vec![response.to_owned()],
        event,
        lineage: vec![],
    }
}

/// What a judgement comes down to; ids aside.
fn said(judgement: &Judgement) -> (VerdictKind, &Action, &Grounds) {
    match judgement {
        Judgement::ActNow(action, grounds) => (VerdictKind::ActNow, action, grounds),
        Judgement::Ask(action, grounds) => (VerdictKind::Ask, action, grounds),
        Judgement::OutOfScope(action, grounds) => (VerdictKind::OutOfScope, action, grounds),
    }
}

/// The rules as a person reads them in the bundle, beside the engine that carries them out.
struct Oracle {
    bundle: Bundle,
    acts: BTreeMap<String, VecDeque<Timestamp>>,
}

impl Oracle {
    fn check(&mut self, judgement: &Judgement, detection: &Detection, now: Timestamp) {
        let (verdict, action, grounds) = said(judgement);
        let process = detection.event.process.as_ref().unwrap();
        let path = match &action.kind {
            ActionKind::QuarantineFile { path, .. } => path.as_str(),
            _ => process.exe.as_str(),
        };
        let isolates = matches!(action.kind, ActionKind::IsolateHost { .. });
        if path.starts_with("/usr/") && !isolates {
            assert_eq!(verdict, VerdictKind::OutOfScope, "{path} is protected: {grounds:?}");
        }
        if verdict != VerdictKind::ActNow {
            return;
        }
        assert!(!isolates, "this bundle asks before it isolates");
        assert!(detection.severity >= Severity::High, "{:?}", detection.severity);
        assert!(now < self.bundle.issued.plus_millis(LEASE_MS), "alone after the lease, at {now}");
        let budgets = [
            (action.kind.word().to_owned(), self.bundle.budget(action.kind.word())),
            (format!("of {}", process.user), self.bundle.account_budget.unwrap()),
        ];
        for (what, limit) in budgets {
            let acts = self.acts.entry(what.clone()).or_default();
            while acts.front().is_some_and(|act| now.millis_since(*act) >= HOUR_MS) {
                acts.pop_front();
            }
            acts.push_back(now);
            assert!(acts.len() <= limit as usize, "{} {what} within an hour at {now}", acts.len());
        }
    }
}

/// As the engine reports what it does not do by itself.
fn stated(judgement: &Judgement, time: Timestamp) -> ActionReport {
    let (verdict, action, grounds) = said(judgement);
    let state = if verdict == VerdictKind::Ask { ActionState::Asked } else { ActionState::Refused };
    let (bundle, decided_by) = (grounds.bundle, grounds.decided_by.clone());
    ActionReport {
        action: action.clone(),
        state,
        verdict,
        bundle,
        decided_by,
        time,
        latency_us: 0,
        detail: String::new(),
    }
}

/// What a coordinator sends now and then: a person's order, in time or too late.
fn order(number: u64, now: Timestamp) -> Command {
    let reason = Reason {
        principal: Principal::Analyst { name: "ada".into() },
        detection: None,
        rule: None,
        severity: 0,
        incident: None,
        families: 0,
        drill: false,
        note: String::new(),
    };
    let target = ProcessKey { boot: 1, pid: 5_000_500, start_ticks: number };
    let (id, kind) = (ActionId::from_bytes([9; 16]), ActionKind::KillTree { target });
    let action = Action { id, host: HOST, kind, reason, requested: now, lease_ms: 0 };
    let expires = if number.is_multiple_of(2) { now.plus_millis(MINUTE_MS) } else { now };
    Command { kind: CommandKind::Act { action }, issued: now, expires }
}

/// Opens it as at this date; a restart of the agent does no less.
fn containment(state: &Path, steady: WallOffset) -> Containment {
    let mut options = ContainOptions::new(state.to_path_buf(), vec!["192.0.2.1:8844".parse().unwrap()], 1);
    options.steady = steady;
    options.exec_filesystems = Some(Vec::new());
    Containment::open(options, None).unwrap().0
}

/// Everything that waits, in order; fails at the first number that is missing.
fn unsent(spool: &Spool, lane: Lane) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(pending) = spool.pending(lane, records.len() as u64 + 1).unwrap() {
        assert_eq!(pending.first_seq, records.len() as u64 + 1, "a number of {} is missing", lane.word());
        records.extend(pending.records.iter().map(|bytes| picket_wire::decode_record(bytes).unwrap()));
    }
    records
}

#[test]
fn seven_days_alone_hold_no_act_outside_policy_and_no_gap_in_the_record() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (state, folder) = (root.path().join("state"), root.path().canonicalize().unwrap().join("den"));
    fs::create_dir_all(&state).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let begun = WallOffset::read();
    let start = begun.now();
    let bundle = bundle(start);
    // The second one has a coordinator that sends orders; what both decide by themselves is the same.
    let (mut alone, mut connected) = (decide(&bundle), decide(&bundle));
    let mut oracle = Oracle { bundle, acts: BTreeMap::new() };
    let mut containment = Some(containment(&state, begun));
    let mut spool = Spool::open(&root.path().join("spool"), SpoolLimits::default()).unwrap();
    let mut chance = Chance(0x5eed_cafe);
    let (mut told, mut acted, mut asked, mut acted_late) = (0_u64, BTreeMap::new(), 0_u64, 0_u64);
    for minute in 0..DAYS * 24 * 60 {
        let steady = begun.set(i64::try_from(minute * MINUTE_MS * 1_000_000).unwrap());
        let now = start.plus_millis(minute * MINUTE_MS);
        // Somebody sets the host's clock as they like, from the third day on.
        let wall = if minute < 2 * 24 * 60 { now } else { now.moved(i64::try_from(chance.below(1 << 55)).unwrap()) };
        let moment = Moment { wall, steady: now };
        if minute % (6 * 60) == 0 && minute > 0 {
            drop(containment.take());
            drop(spool);
            spool = Spool::open(&root.path().join("spool"), SpoolLimits::default()).unwrap();
        }
        let containment = containment.get_or_insert_with(|| self::containment(&state, steady));
        if minute % 60 == 0 {
            let _ = connected.on_command(order(minute / 60, wall), &Host, moment);
        }
        for _ in 0..chance.below(4) {
            told += 1;
            let detection = detection(told, &mut chance, now, &folder);
            let judgements = alone.on_detection(&detection, &Host, moment);
            let others = connected.on_detection(&detection, &Host, moment);
            let both = |all: &[Judgement]| format!("{:?}", all.iter().map(said).collect::<Vec<_>>());
            assert_eq!(both(&judgements), both(&others));
            spool.write(&Record::Detection { detection: detection.clone() }).unwrap();
            for judgement in judgements {
                oracle.check(&judgement, &detection, now);
                let report = match judgement {
                    Judgement::ActNow(action, grounds) => {
                        acted_late += u64::from(minute * MINUTE_MS >= LEASE_MS);
                        if let ActionKind::QuarantineFile { path, .. } = &action.kind {
                            fs::write(path, "implant").unwrap();
                        }
                        acted.insert(action.id, action.kind.clone());
                        containment.apply(action, grounds, &[], None, None)
                    }
                    other => {
                        asked += 1;
                        stated(&other, now)
                    }
                };
                spool.write(&Record::Action { report }).unwrap();
            }
        }
        if minute % 60 == 59 {
            spool.settle().unwrap();
        }
    }
    assert_eq!(acted_late, 0);
    println!("{told} detections, {} acts, {asked} questions and refusals in {DAYS} days", acted.len());
    assert!(told > 10_000 && acted.len() > 1_000 && asked > 1_000);

    spool.settle().unwrap();
    assert!(spool.take_losses().is_empty());
    let record = unsent(&spool, Lane::Urgent);
    assert_eq!(record.len() as u64, told + asked + acted.len() as u64, "each detection and each word on an act, once");
    let detections = record.iter().filter_map(|one| match one {
        Record::Detection { detection } => Some(detection.id),
        _ => None,
    });
    let numbers: Vec<_> = (1..=told).map(|number| DetectionId::from_bytes(u128::from(number).to_be_bytes())).collect();
    assert_eq!(detections.collect::<Vec<_>>(), numbers, "in the order in which they were");

    // Every file is where the journal says, and comes back when its lease ends.
    let end = start.plus_millis((DAYS + 7) * DAY_MS);
    let mut containment = containment.unwrap();
    let taken = acted.values().filter(|kind| matches!(kind, ActionKind::QuarantineFile { .. })).count();
    assert_eq!(containment.in_force().len(), taken);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let ended = containment.expire(end);
    assert!(ended.iter().all(|report| report.state == ActionState::Expired));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), taken);
}
