//! Owns: which containments a detection's rule asks for, on which targets.
//! Never: whether they are allowed.

use picket_model::{ActionKind, Activity, Detection, FileId, IsolationScope, NetFlow, Network};

/// What a detection's rule asks for, in its order of preference; a word that does not fit the event is left out.
#[must_use]
pub fn kinds(detection: &Detection) -> Vec<ActionKind> {
    detection.response.iter().filter_map(|word| kind(word, detection)).collect()
}

/// The very file that a quarantine for this detection means, where the sensor could say.
#[must_use]
pub fn file_meant(detection: &Detection) -> Option<FileId> {
    let file = match &detection.event.activity {
        Activity::File { file, .. } => Some(file.id),
        Activity::Fingerprint { fingerprint } => Some(fingerprint.file.id),
        _ => detection.event.process.as_ref().and_then(|process| process.exe_file),
    };
    file.filter(|file| file.ino != 0)
}

/// Whether an act that the rule asks for cannot be planned, or not as exactly, before it is known what the process runs.
#[must_use]
pub fn needs_digest(detection: &Detection) -> bool {
    let asks = |word: &str| detection.response.iter().any(|asked| asked == word);
    let launch = matches!(detection.event.activity, Activity::ProcessLaunch);
    let known = detection.event.process.as_ref().is_none_or(|process| process.exe_sha256.is_some());
    !known && (asks("deny_execution") || (launch && asks("quarantine_file")))
}

fn kind(word: &str, detection: &Detection) -> Option<ActionKind> {
    let process = detection.event.process.as_deref();
    match word {
        "kill_tree" => process.map(|process| ActionKind::KillTree { target: process.key }),
        "suspend_process" => process.map(|process| ActionKind::SuspendProcess { target: process.key }),
        "quarantine_file" => match &detection.event.activity {
            Activity::File { file, .. } => {
                Some(ActionKind::QuarantineFile { path: file.path.clone(), sha256: file.sha256 })
            }
            Activity::Fingerprint { fingerprint } if !fingerprint.executed => {
                let file = &fingerprint.file;
                Some(ActionKind::QuarantineFile { path: file.path.clone(), sha256: file.sha256 })
            }
            Activity::ProcessLaunch | Activity::Fingerprint { .. } => process
                .filter(|process| !process.exe_memfd && process.exe.starts_with('/'))
                .map(|process| ActionKind::QuarantineFile { path: process.exe.clone(), sha256: process.exe_sha256 }),
            _ => None,
        },
        "deny_execution" => process.and_then(|process| {
            // A rehearsal denies in its own directory only.
            let within = |path: &str| if process.drill { folder(path) } else { None };
            match &detection.event.activity {
                // What was written must not run; whoever wrote it may.
                Activity::Fingerprint { fingerprint } => Some(ActionKind::DenyExecution {
                    sha256: fingerprint.file.sha256?,
                    within: within(&fingerprint.file.path),
                }),
                _ => Some(ActionKind::DenyExecution { sha256: process.exe_sha256?, within: within(&process.exe) }),
            }
        }),
        "block_address" => flow(detection).and_then(|flow| {
            let whole = if flow.remote_ip.is_ipv4() { 32 } else { 128 };
            let network = Network::new(flow.remote_ip, whole).filter(|_| !flow.remote_ip.is_loopback())?;
            Some(ActionKind::BlockAddress { network: Some(network), port: None })
        }),
        "block_domain" => match &detection.event.activity {
            Activity::Dns { name, .. } => Some(ActionKind::BlockDomain { domain: name.parse().ok()? }),
            _ => None,
        },
        "cut_connection" => flow(detection).map(|flow| ActionKind::CutConnection { flow }),
        "disable_unit" => match &detection.event.activity {
            Activity::Service { change } => Some(ActionKind::DisableUnit { unit: change.name.clone() }),
            _ => None,
        },
        "isolate_host" => Some(ActionKind::IsolateHost { scope: IsolationScope::Host }),
        _ => None,
    }
}

/// The connection that it is about; a listener has no other end.
fn flow(detection: &Detection) -> Option<NetFlow> {
    match detection.event.activity {
        Activity::Network { flow, .. } => Some(flow).filter(|flow| flow.remote_port != 0),
        _ => None,
    }
}

fn folder(path: &str) -> Option<String> {
    path.rsplit_once('/').map(|(folder, _)| if folder.is_empty() { "/".to_owned() } else { folder.to_owned() })
}
