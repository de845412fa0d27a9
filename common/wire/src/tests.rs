//! Owns: golden bytes of every type, round trips, and hostile bytes.
//! Never: a golden file made anew to make a test pass; that is a new schema.

mod borrowed;
mod kinds;
mod later;

use std::sync::Arc;

use picket_model::*;
use proptest::prelude::*;

use crate::limits::{PATH_BYTES_MAX, UPLINK_FRAME_BYTES_MAX};
use crate::v1::message as m;
use crate::{FrameError, Message, MessageError, RecordError, decode_record, encode_record, v1};

fn process(pid: u32, parent: Option<Arc<Process>>) -> Arc<Process> {
    let mut process = Process::unknown(ProcessKey { boot: 7, pid, start_ticks: 99 });
    process.exe = "/usr/bin/sh".into();
    process.argv = vec!["sh".into(), "-c".into(), "id".into()];
    process.exe_sha256 = Some(Sha256([3; 32]));
    process.exe_file = Some(FileId { dev: 1, ino: 2 });
    process.parent = parent;
    Arc::new(process)
}

fn event(activity: Activity) -> Event {
    let id = EventId::from_bytes([1; 16]);
    Event { id, time: Timestamp(5), process: Some(process(10, Some(process(9, None)))), activity }
}

fn activities() -> Vec<Activity> {
    let ip = "10.0.0.1".parse().unwrap();
    let flow = NetFlow { protocol: NetProtocol::Tcp, local_ip: ip, local_port: 22, remote_ip: ip, remote_port: 4000 };
    vec![
        Activity::ProcessLaunch,
        Activity::ProcessExit { exit_code: 1, signal: 9 },
        Activity::Network { activity: NetActivity::Accept, flow },
        Activity::File {
            activity: FileActivity::Rename,
            file: FileObject { path: "/b".into(), old_path: Some("/a".into()), ..FileObject::default() },
        },
        Activity::ModuleLoad { name: "m".into(), path: "/m.ko".into(), loaded: true },
        Activity::Authentication {
            activity: AuthActivity::Logon,
            user: "ann".into(),
            service: "sshd".into(),
            source: Some(ip),
            success: false,
        },
        Activity::Dns { name: "example.org".into(), answers: vec![ip] },
        Activity::Loss { counts: vec![LossCount { place: "ring".into(), count: 3 }] },
        Activity::Agent { what: "started".into(), detail: "tier full".into() },
    ]
    .into_iter()
    .chain(later_activities())
    .collect()
}

fn later_activities() -> Vec<Activity> {
    let file = FileObject { path: "/usr/lib/x.so".into(), ..FileObject::default() };
    let loss = || vec![LossCount { place: "file.create".into(), count: 3 }];
    vec![
        Activity::Script {
            script: Script {
                source: ScriptSource::File,
                path: "/tmp/x.sh".into(),
                content: "id\n".into(),
                size: Some(3),
                sha256: Some(Sha256([5; 32])),
            },
        },
        Activity::LibraryLoad { file: file.clone() },
        Activity::BpfLoad {
            program: BpfProgram { name: "p".into(), kind: "tracing".into(), id: 4, tag: "0011".into() },
        },
        Activity::ProcessAccess { access: ProcessAccess::Poke, target: process(12, None) },
        Activity::Memory { activity: MemoryActivity::MakeExecutable, detail: "4096 bytes".into() },
        Activity::MemoryFile { name: "m".into(), flags: 1 },
        Activity::Privilege {
            change: PrivilegeChange {
                kind: PrivilegeKind::NewNamespace,
                uid: 1,
                euid: 2,
                gid: 3,
                egid: 4,
                capabilities: 5,
                namespaces: vec!["net".into()],
            },
        },
        Activity::Mount {
            change: MountChange {
                activity: MountActivity::Mount,
                source: "/dev/sda1".into(),
                target: "/mnt".into(),
                fs_type: "ext4".into(),
                flags: 1,
            },
        },
        Activity::Kernel { operation: KernelOperation::SetTime, subject: "clock".into(), detail: "+5".into() },
        Activity::ScheduledJob {
            job: ScheduledJob {
                activity: AccountActivity::Created,
                kind: JobKind::Cron,
                name: "n".into(),
                schedule: "@daily".into(),
                command: "id".into(),
                user: "root".into(),
                path: "/etc/crontab".into(),
            },
        },
        Activity::Account {
            change: AccountChange {
                activity: AccountActivity::Modified,
                name: "ann".into(),
                uid: 1,
                gid: 2,
                home: "/home/ann".into(),
                shell: "/bin/sh".into(),
                changed: vec!["shell".into()],
            },
        },
        Activity::Group {
            change: GroupChange {
                activity: AccountActivity::Modified,
                name: "sudo".into(),
                gid: 27,
                added: vec!["ann".into()],
                removed: vec![],
            },
        },
        Activity::Service {
            change: ServiceChange {
                activity: ServiceActivity::Enabled,
                name: "x.service".into(),
                path: "/etc/systemd/system/x.service".into(),
                command: "/bin/x".into(),
            },
        },
        Activity::UnixConnect { path: "/run/docker.sock".into() },
        Activity::Fingerprint {
            fingerprint: Fingerprint {
                file: FileObject { sha256: Some(Sha256([6; 32])), ..file },
                executed: true,
                md5: "00".into(),
                tlsh: Some("T1".into()),
                entropy_millibits: 7000,
                header: "7f454c46".into(),
            },
        },
        Activity::Suppressed { counts: loss() },
        Activity::Tamper { kind: TamperKind::Flush, refused: false, detail: "d".into() },
        Activity::Coverage { rows: vec![Coverage { row: "r".into(), hook: "h".into(), limit: String::new() }] },
    ]
}

fn action() -> Action {
    Action {
        id: ActionId::from_bytes([4; 16]),
        host: HostId::from_bytes([2; 16]),
        kind: ActionKind::KillTree { target: ProcessKey { boot: 7, pid: 10, start_ticks: 99 } },
        reason: Reason {
            principal: Principal::Analyst { name: "ann".into() },
            detection: None,
            rule: Some(RuleId("r".into())),
            severity: 4,
            incident: None,
            families: 1,
            drill: true,
            note: "n".into(),
        },
        requested: Timestamp(6),
        lease_ms: 1000,
    }
}

fn records() -> Vec<(String, Record)> {
    let mut all: Vec<(String, Record)> = activities()
        .into_iter()
        .map(|activity| (format!("event_{}", activity.word()), Record::Event { event: event(activity) }))
        .collect();
    let actor = process(10, Some(process(9, None)));
    let child = process(11, Some(Arc::clone(&actor)));
    let mut fork = event(Activity::ProcessFork { child });
    fork.process = Some(actor);
    all.push(("event_fork".into(), Record::Event { event: fork }));
    let mut launch = event(Activity::ProcessLaunch);
    let context = Context { mount_ns: 7, script: "/x.sh".into(), stdin: StreamKind::Socket, ..Context::default() };
    launch.process = Some(Arc::new(Process { context: Some(Arc::new(context)), ..Process::clone(&process(10, None)) }));
    all.push(("event_launch_context".into(), Record::Event { event: launch }));
    let long = FileObject { path: "x/y".into(), path_bytes: Some(9000), ..FileObject::default() };
    let long = event(Activity::File { activity: FileActivity::Create, file: long });
    all.push(("event_long_path".into(), Record::Event { event: long }));
    let top = process(1, None);
    let middle = process(5, Some(Arc::clone(&top)));
    let mut seen = event(Activity::ProcessLaunch);
    seen.process = Some(process(10, Some(Arc::clone(&middle))));
    let detection = Detection {
        id: DetectionId::from_bytes([8; 16]),
        host: HostId::from_bytes([2; 16]),
        time: Timestamp(5),
        rule: RuleId("shell".into()),
        title: "A shell".into(),
        severity: Severity::High,
        techniques: vec!["T1059.004".into()],
        tactics: vec!["execution".into()],
        family: SensorFamily::Process,
        evidence: vec![Evidence { field: "Image".into(), value: "/usr/bin/sh".into() }],
        response: vec!["kill_tree".into()],
        event: seen,
        lineage: vec![middle, top],
    };
    all.push(("detection".into(), Record::Detection { detection }));
    let report = ActionReport {
        action: action(),
        state: ActionState::Applied,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(3),
        decided_by: vec!["p0".into()],
        time: Timestamp(7),
        latency_us: 12,
        detail: "killed 1 process: 10".into(),
    };
    all.push(("action_report".into(), Record::Action { report: report.clone() }));
    all.extend(kinds::all().into_iter().map(|kind| {
        let action = Action { kind, ..report.action.clone() };
        let name = kinds::name(&action.kind);
        (name, Record::Action { report: ActionReport { action, ..report.clone() } })
    }));
    all
}

fn messages() -> Vec<Message> {
    let facts = HostFacts { hostname: "web-1".into(), ..HostFacts::default() };
    let status = HostStatus {
        host: HostId::from_bytes([2; 16]),
        time: Timestamp(5),
        facts: facts.clone(),
        tier: Tier::Full,
        blind_spots: vec![],
        bundle: Some(BundleVersion(3)),
        bundle_name: "careful".into(),
        lease_expires: Timestamp(9),
        conservative: false,
        isolated: false,
        rules: 10,
        losses: vec![],
        spooled: 1,
        resident_bytes: 2,
        cpu_ms: 3,
        events_seen: 4,
        accounts: vec![],
        coverage: vec![],
        exceptions_ended: Vec::new(),
    };
    let command = Command { kind: CommandKind::Act { action: action() }, issued: Timestamp(1), expires: Timestamp(2) };
    let lane = v1::Lane::Urgent;
    vec![
        Message::Enrol(m::Enrol { secret: vec![1, 2], csr_der: vec![3], facts: (&facts).into() }),
        Message::Enrolled(m::Enrolled { host: [2; 16], certificate_der: vec![1], ca_der: vec![2] }),
        Message::Hello(m::Hello { epoch: 77, bundle: Some(3) }),
        Message::Welcome(m::Welcome { time: 5, cursors: vec![m::Cursor { lane, seq: 4 }] }),
        Message::Batch(m::Batch { epoch: 77, lane, first_seq: 5, records: vec![vec![1, 2], vec![3]] }),
        Message::Ack(m::Ack { epoch: 77, lane, seq: 6 }),
        Message::Heartbeat(m::Heartbeat { status: (&status).into() }),
        Message::Bundle(m::Bundle { bytes: vec![9; 3] }),
        Message::BundleAnswer(m::BundleAnswer { version: 3, accepted: true, detail: "ok".into() }),
        Message::Command(m::CommandOrder { id: 1, command: (&command).into() }),
        Message::CommandAnswer(m::CommandAnswer { id: 1, taken: true, detail: String::new() }),
        Message::Renew(m::Renew { csr_der: vec![3] }),
        Message::Renewed(m::Renewed { certificate_der: vec![4] }),
        Message::Refused(m::Refused { code: m::RefusalCode::Gap, detail: "gap".into(), expected: 5 }),
        Message::AuditHead(m::AuditHead { bytes: vec![5] }),
        Message::ListRequest(m::ListRequest { sha256: [7; 32], offset: 5 }),
        Message::ListPart(m::ListPart { sha256: [7; 32], offset: 5, total: 9, bytes: vec![1, 2, 3, 4] }),
        Message::Halt(m::Halt { bytes: b"halt".to_vec() }),
        Message::HaltAnswer(m::HaltAnswer { issued: 9, taken: true, detail: "2 undone".to_owned() }),
    ]
}

/// Compares with `golden/NAME.hex`; a missing file is written only when PICKET_GOLDEN=write asks for it.
fn golden(name: &str, bytes: &[u8]) {
    let path = format!("{}/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if std::env::var_os("PICKET_GOLDEN").is_some() && !std::path::Path::new(&path).exists() {
        std::fs::write(&path, format!("{found}\n")).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path} is missing"));
    assert_eq!(found, wanted.trim(), "{name}: the frozen encoding has changed");
}

#[test]
fn records_keep_their_golden_bytes_and_come_back_whole() {
    for (name, record) in records() {
        let bytes = encode_record(&record);
        golden(&name, &bytes);
        assert_eq!(decode_record(&bytes).unwrap(), record, "{name}");
    }
}

#[test]
fn messages_keep_their_golden_bytes_and_come_back_whole() {
    for message in messages() {
        let frame = message.to_frame();
        golden(&format!("message_{}", message.word().to_lowercase()), &frame);
        let (back, rest) = Message::from_frame(&frame, UPLINK_FRAME_BYTES_MAX).unwrap();
        assert_eq!((back, rest.len()), (Some(message), 0));
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error() {
    let frame = messages()[4].to_frame();
    for end in 0..frame.len() {
        assert!(Message::from_frame(&frame[..end], UPLINK_FRAME_BYTES_MAX).is_err());
    }
    for bit in 0..frame.len() * 8 {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Message::from_frame(&bad, UPLINK_FRAME_BYTES_MAX).is_err(), "bit {bit}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let frame = messages()[2].to_frame();
    let mut other = frame.clone();
    other[4] = 9;
    assert_eq!(Message::from_frame(&other, 100), Err(MessageError::Frame(FrameError::Version(9))));
    assert!(matches!(
        Message::from_frame(&frame, 1),
        Err(MessageError::Frame(FrameError::Oversized { kind: 3, limit: 1, .. }))
    ));
    assert_eq!(decode_record(&[]), Err(RecordError::Empty));
    assert_eq!(decode_record(&[2, 0]), Err(RecordError::Schema(2)));
    let mut long = encode_record(&records()[0].1);
    long.push(0);
    assert_eq!(decode_record(&long), Err(RecordError::Trailing(1)));
}

#[test]
fn an_unknown_message_is_skipped_by_its_length() {
    let mut bytes = crate::encode_frame(999, b"from the future");
    bytes.extend(messages()[2].to_frame());
    let (unknown, rest) = Message::from_frame(&bytes, 1000).unwrap();
    assert_eq!(unknown, None);
    assert_eq!(Message::from_frame(rest, 1000).unwrap().0, Some(messages()[2].clone()));
}

#[test]
fn too_long_fields_are_cut_when_written_and_refused_when_read() {
    let long = "é".repeat(PATH_BYTES_MAX);
    let file = FileObject { path: long.clone(), ..FileObject::default() };
    let record = Record::Event { event: event(Activity::File { activity: FileActivity::Write, file }) };
    let Record::Event { event } = decode_record(&encode_record(&record)).unwrap() else { panic!() };
    let Activity::File { file, .. } = event.activity else { panic!() };
    assert_eq!(file.path.len(), PATH_BYTES_MAX);
    let mut frozen = v1::Record::from(&record);
    if let v1::Record::Event(v1::Event { activity: v1::Activity::File { file, .. }, .. }) = &mut frozen {
        file.path = long;
    }
    let bytes = postcard::to_extend(&frozen, vec![1]).unwrap();
    assert!(matches!(decode_record(&bytes), Err(RecordError::Invalid(invalid)) if invalid.field == "file.path"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0u16..20) {
        let _ = Message::from_frame(&bytes, 1000);
        let _ = Message::from_payload(kind, &bytes);
        let mut record = vec![1];
        record.extend(&bytes);
        if let Ok(record) = decode_record(&record) {
            // What decodes is within limits, so it comes back unchanged.
            prop_assert_eq!(decode_record(&encode_record(&record)).unwrap(), record);
        }
    }

    #[test]
    fn damaged_records_never_panic(which in 0usize..12, at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = encode_record(&records()[which].1);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decode_record(&bytes);
    }
}
