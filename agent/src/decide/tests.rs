//! Owns: what follows from detections and commands under the shipped bundles.
//! Never: the kernel.

use std::sync::Arc;

use picket_model::{
    Action, ActionId, ActionKind, Activity, Command, CommandKind, Detection, DetectionId, Event, EventId, FileActivity,
    FileId, FileObject, Fingerprint, HostId, IsolationScope, Principal, Process, ProcessKey, Reason, RuleId,
    SensorFamily, Severity, Sha256, Timestamp,
};
use picket_policy::{Authority, Judgement, keys, shipped, verify};

use crate::procfs::View;

use super::{Decide, Order, Refusal, Surroundings};

const HOST: HostId = HostId::from_bytes([1; 16]);
const NOW: Timestamp = Timestamp(1_795_509_083_000_000_000);
const KEY: ProcessKey = ProcessKey { boot: 1, pid: 4242, start_ticks: 7 };

/// A host that knows no process; what of it is the system's can be chosen.
#[derive(Default)]
pub struct Host {
    foreign_view: bool,
    gone: bool,
    system_content: bool,
}

impl Surroundings for Host {
    fn process(&self, _: &ProcessKey) -> Option<Arc<Process>> {
        None
    }

    fn running(&self, _: u32) -> Option<Arc<Process>> {
        None
    }

    fn view(&self, _: &ProcessKey) -> View {
        match (self.gone, self.foreign_view) {
            (true, _) => View::Gone,
            (_, true) => View::Foreign,
            _ => View::Own,
        }
    }

    fn is_system_content(&self, _: &Sha256, _: Option<&Process>) -> bool {
        self.system_content
    }

    fn account_guard(&self, user: &str) -> Option<&'static str> {
        (user == "last").then_some("it is the last account that may administer the host")
    }
}

fn authority(bundle: &str) -> Authority {
    let mut bundle = shipped(bundle).unwrap();
    bundle.issued = NOW;
    bundle.version = picket_model::BundleVersion(1);
    let key = keys::generate([3; 32]);
    Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap()
}

fn decide(bundle: &str) -> Decide {
    let mut number = 0u8;
    let ids = move || {
        number += 1;
        [number; 16]
    };
    let mut decide = Decide::new((HOST, "web-1".into()), 99, Box::new(ids));
    decide.adopt(authority(bundle));
    decide
}

fn process(drill: bool) -> Arc<Process> {
    let mut process = Process::unknown(KEY);
    process.exe = "/tmp/den/tool".into();
    process.exe_sha256 = Some(Sha256([9; 32]));
    process.drill = drill;
    Arc::new(process)
}

fn detection(drill: bool, family: SensorFamily, response: &[&str], activity: Activity) -> Detection {
    let event = Event { id: EventId::from_bytes([5; 16]), time: NOW, process: Some(process(drill)), activity };
    Detection {
        id: DetectionId::from_bytes([6; 16]),
        host: HOST,
        time: NOW,
        rule: RuleId("test".into()),
        title: "A test".into(),
        severity: Severity::High,
        techniques: vec![],
        tactics: vec![],
        family,
        evidence: vec![],
        response: response.iter().map(|word| (*word).to_owned()).collect(),
        event,
        lineage: vec![],
    }
}

fn words(judgements: &[Judgement]) -> Vec<String> {
    let say = |judgement: &Judgement| match judgement {
        Judgement::ActNow(action, _) => format!("act {}", action.kind.word()),
        Judgement::Ask(action, _) => format!("ask {}", action.kind.word()),
        Judgement::OutOfScope(action, _) => format!("no {}", action.kind.word()),
    };
    judgements.iter().map(say).collect()
}

#[test]
fn careful_acts_alone_on_a_drill_only_and_denies_in_its_folder_only() {
    let responses = ["kill_tree", "quarantine_file", "deny_execution"];
    let mut decide = decide("careful");
    let judged = decide.on_detection(
        &detection(true, SensorFamily::Process, &responses, Activity::ProcessLaunch),
        &Host::default(),
        NOW,
    );
    assert_eq!(words(&judged), ["act kill_tree", "act quarantine_file", "act deny_execution"]);
    let Judgement::ActNow(action, _) = &judged[2] else { panic!("denied at once") };
    assert_eq!(action.kind, ActionKind::DenyExecution { sha256: Sha256([9; 32]), within: Some("/tmp/den".into()) });

    let mut decide = self::decide("careful");
    let judged = decide.on_detection(
        &detection(false, SensorFamily::Process, &responses, Activity::ProcessLaunch),
        &Host::default(),
        NOW,
    );
    assert_eq!(words(&judged), ["ask kill_tree", "ask quarantine_file", "ask deny_execution"]);
}

#[test]
fn the_same_act_is_proposed_once_until_it_is_undone() {
    let mut decide = decide("standard");
    let kill = detection(false, SensorFamily::Process, &["kill_tree"], Activity::ProcessLaunch);
    assert_eq!(decide.on_detection(&kill, &Host::default(), NOW).len(), 1);
    assert_eq!(decide.on_detection(&kill, &Host::default(), NOW).len(), 0);
    decide.forget(&ActionKind::KillTree { target: KEY });
    assert_eq!(decide.on_detection(&kill, &Host::default(), NOW).len(), 1);
}

#[test]
fn a_question_does_not_stand_in_the_way_of_a_graver_detection() {
    let mut decide = decide("standard");
    let mut kill = detection(false, SensorFamily::Process, &["kill_tree"], Activity::ProcessLaunch);
    let mut of = |severity, decide: &mut Decide| {
        kill.severity = severity;
        words(&decide.on_detection(&kill, &Host::default(), NOW))
    };
    assert_eq!(of(Severity::Medium, &mut decide), ["ask kill_tree"]);
    assert_eq!(of(Severity::Medium, &mut decide), [""; 0], "asked once");
    assert_eq!(of(Severity::Low, &mut decide), [""; 0], "nor for less");
    assert_eq!(of(Severity::Critical, &mut decide), ["act kill_tree"]);
    assert_eq!(of(Severity::Critical, &mut decide), [""; 0], "done once");
}

#[test]
fn another_bundle_is_asked_again() {
    let mut decide = decide("careful");
    let kill = detection(false, SensorFamily::Process, &["kill_tree"], Activity::ProcessLaunch);
    assert_eq!(words(&decide.on_detection(&kill, &Host::default(), NOW)), ["ask kill_tree"]);
    decide.adopt(authority("standard"));
    assert_eq!(words(&decide.on_detection(&kill, &Host::default(), NOW)), ["act kill_tree"]);
}

#[test]
fn a_file_rule_takes_the_file_away_and_not_the_program() {
    let file = FileObject { path: "/etc/cron.d/x".into(), ..FileObject::default() };
    let write = Activity::File { activity: FileActivity::Write, file };
    let judged = decide("standard").on_detection(
        &detection(false, SensorFamily::File, &["quarantine_file"], write),
        &Host::default(),
        NOW,
    );
    let Judgement::ActNow(action, _) = &judged[0] else { panic!("{:?}", words(&judged)) };
    assert_eq!(action.kind, ActionKind::QuarantineFile { path: "/etc/cron.d/x".into(), sha256: None });
}

#[test]
fn the_name_that_was_asked_for_is_asked_to_be_blocked_and_never_a_top_level_domain() {
    let judged = |name: &str| {
        let asked = Activity::Dns { name: name.to_owned(), answers: vec![] };
        let detection = detection(false, SensorFamily::Indicator, &["block_domain"], asked);
        decide("strict").on_detection(&detection, &Host::default(), NOW)
    };
    let [Judgement::Ask(action, _)] = &judged("C2.evil.example")[..] else { panic!("it is asked for") };
    assert_eq!(action.kind, ActionKind::BlockDomain { domain: "c2.evil.example".parse().unwrap() });
    assert_eq!(words(&judged("example")), ["no block_domain"]);
    assert!(judged("not a name").is_empty() && judged(".").is_empty());
}

#[test]
fn a_path_of_another_file_system_is_not_taken_away_here() {
    let write = |ino| {
        let id = FileId { dev: 1, ino };
        let file = FileObject { path: "/etc/cron.d/x".into(), id, ..FileObject::default() };
        let activity = Activity::File { activity: FileActivity::Write, file };
        detection(false, SensorFamily::File, &["quarantine_file"], activity)
    };
    let of = |ino, host: &Host| words(&decide("standard").on_detection(&write(ino), host, NOW));
    assert_eq!(of(7, &Host { foreign_view: true, ..Host::default() }), ["no quarantine_file"]);
    let gone = Host { gone: true, ..Host::default() };
    assert_eq!(of(0, &gone), ["no quarantine_file"], "nobody can say which file it was");
    assert_eq!(of(7, &gone), ["act quarantine_file"], "containment compares the file");
    assert_eq!(of(0, &Host::default()), ["act quarantine_file"]);
}

#[test]
fn isolation_alone_needs_two_families() {
    let mut decide = decide("strict");
    let one = detection(false, SensorFamily::Process, &["isolate_host"], Activity::ProcessLaunch);
    assert_ne!(words(&decide.on_detection(&one, &Host::default(), NOW)), ["act isolate_host"]);
    decide.forget(&ActionKind::IsolateHost { scope: IsolationScope::Host });
    let two = detection(false, SensorFamily::Network, &["isolate_host"], Activity::ProcessLaunch);
    assert_eq!(words(&decide.on_detection(&two, &Host::default(), NOW)), ["act isolate_host"]);
}

#[test]
fn orders_for_others_or_out_of_time_are_refused_and_a_drill_is_not_believed() {
    let mut decide = decide("careful");
    let action = |host, principal| Action {
        id: ActionId::from_bytes([7; 16]),
        host,
        kind: ActionKind::KillTree { target: KEY },
        reason: Reason {
            principal,
            detection: None,
            rule: None,
            severity: 5,
            incident: None,
            families: 9,
            drill: true,
            note: String::new(),
        },
        requested: NOW,
        lease_ms: 0,
    };
    let mut order = |action, issued: Timestamp, expires| {
        decide.on_command(Command { kind: CommandKind::Act { action }, issued, expires }, &Host::default(), NOW)
    };
    let later = NOW.plus_millis(1000);
    assert!(matches!(order(action(HOST, Principal::Agent), NOW, later), Err(Refusal::Impostor)));
    let other = HostId::from_bytes([2; 16]);
    assert!(matches!(order(action(other, Principal::Coordinator), NOW, later), Err(Refusal::OtherHost(_))));
    assert!(matches!(order(action(HOST, Principal::Coordinator), NOW, NOW), Err(Refusal::Stale { .. })));
    assert!(matches!(
        order(action(HOST, Principal::Coordinator), NOW.plus_millis(400_000), later.plus_millis(900_000)),
        Err(Refusal::Future { .. })
    ));
    // The order says it is a drill; the host does not know the process as one.
    let Ok(Order::Judged(judged)) = order(action(HOST, Principal::Coordinator), NOW, later) else { panic!("judged") };
    assert!(matches!(*judged, Judgement::Ask(..)), "{judged:?}");
}

#[test]
fn the_last_administrators_account_is_locked_at_nobodys_word() {
    let mut decide = decide("strict");
    let mut lock = |user: &str| {
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
        let kind = ActionKind::LockAccount { user: user.into() };
        let action =
            Action { id: ActionId::from_bytes([7; 16]), host: HOST, kind, reason, requested: NOW, lease_ms: 0 };
        let command = Command { kind: CommandKind::Act { action }, issued: NOW, expires: NOW.plus_millis(1000) };
        let Ok(Order::Judged(judged)) = decide.on_command(command, &Host::default(), NOW) else { panic!("judged") };
        words(&[*judged])
    };
    assert_eq!(lock("ann"), ["act lock_account"]);
    assert_eq!(lock("last"), ["no lock_account"]);
    assert_eq!(lock("root"), ["no lock_account"]);
}

#[test]
fn a_copy_of_a_system_program_is_not_denied_to_the_system() {
    let deny = detection(false, SensorFamily::Process, &["deny_execution"], Activity::ProcessLaunch);
    let host = Host { system_content: true, ..Host::default() };
    assert_eq!(words(&decide("standard").on_detection(&deny, &host, NOW)), ["no deny_execution"]);
    assert_eq!(words(&decide("standard").on_detection(&deny, &Host::default(), NOW)), ["act deny_execution"]);
}

#[test]
fn a_name_protects_only_in_the_hosts_own_file_system() {
    let mut kill = detection(false, SensorFamily::Process, &["kill_tree"], Activity::ProcessLaunch);
    let mut sshd = Process::clone(kill.event.process.as_ref().unwrap());
    sshd.exe = "/usr/sbin/sshd".into();
    kill.event.process = Some(Arc::new(sshd));
    assert_eq!(words(&decide("standard").on_detection(&kill, &Host::default(), NOW)), ["no kill_tree"]);
    let foreign = Host { foreign_view: true, ..Host::default() };
    assert_eq!(words(&decide("standard").on_detection(&kill, &foreign, NOW)), ["act kill_tree"]);
}

#[test]
fn a_service_is_protected_and_one_of_its_sessions_is_not() {
    let kill_of = |parent: Option<Process>| {
        let mut kill = detection(false, SensorFamily::Process, &["kill_tree"], Activity::ProcessLaunch);
        let mut sshd = Process::unknown(KEY);
        sshd.exe = "/usr/sbin/sshd".into();
        sshd.parent = parent.map(Arc::new);
        kill.event.process = Some(Arc::new(sshd));
        words(&decide("standard").on_detection(&kill, &Host::default(), NOW))
    };
    let mut first = Process::unknown(ProcessKey { boot: 1, pid: 1, start_ticks: 1 });
    first.exe = "/usr/lib/systemd/systemd".into();
    assert_eq!(kill_of(Some(first)), ["no kill_tree"], "the listener");
    let mut listener = Process::unknown(ProcessKey { boot: 1, pid: 700, start_ticks: 3 });
    listener.exe = "/usr/sbin/sshd".into();
    assert_eq!(kill_of(Some(listener)), ["act kill_tree"], "one login");
}

#[test]
fn what_was_written_goes_and_what_was_executed_goes_with_its_process() {
    let file = FileObject { path: "/srv/mail/x".into(), sha256: Some(Sha256([7; 32])), ..FileObject::default() };
    let responses = ["quarantine_file", "deny_execution"];
    for (executed, path) in [(false, "/srv/mail/x"), (true, "/tmp/den/tool")] {
        let fingerprint = Fingerprint { file: file.clone(), executed, ..Fingerprint::default() };
        let activity = Activity::Fingerprint { fingerprint };
        let judged = decide("standard").on_detection(
            &detection(true, SensorFamily::Indicator, &responses, activity),
            &Host::default(),
            NOW,
        );
        let kinds: Vec<&ActionKind> = judged
            .iter()
            .map(|judgement| match judgement {
                Judgement::ActNow(action, _) => &action.kind,
                Judgement::Ask(action, _) | Judgement::OutOfScope(action, _) => &action.kind,
            })
            .collect();
        let quarantined = Sha256(if executed { [9; 32] } else { [7; 32] });
        assert_eq!(*kinds[0], ActionKind::QuarantineFile { path: path.into(), sha256: Some(quarantined) });
        // The content that was met, never that of whoever wrote it.
        let within = Some("/srv/mail".to_owned());
        assert_eq!(*kinds[1], ActionKind::DenyExecution { sha256: Sha256([7; 32]), within });
    }
}
