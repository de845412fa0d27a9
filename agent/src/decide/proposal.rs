//! Owns: which containments a detection's rule asks for, on which targets.
//! Never: whether they are allowed.

use picket_model::{ActionKind, Activity, Detection, FileId, IsolationScope};

/// In the rule's order of preference; a word that does not fit the event is left out.
pub fn kinds(detection: &Detection) -> Vec<ActionKind> {
    detection.response.iter().filter_map(|word| kind(word, detection)).collect()
}

/// The very file that a quarantine for this detection means, where the sensor could say.
#[must_use]
pub fn file_meant(detection: &Detection) -> Option<FileId> {
    let file = match &detection.event.activity {
        Activity::File { file, .. } => Some(file.id),
        _ => detection.event.process.as_ref().and_then(|process| process.exe_file),
    };
    file.filter(|file| file.ino != 0)
}

fn kind(word: &str, detection: &Detection) -> Option<ActionKind> {
    let process = detection.event.process.as_deref();
    match word {
        "kill_tree" => process.map(|process| ActionKind::KillTree { target: process.key }),
        "quarantine_file" => match &detection.event.activity {
            Activity::File { file, .. } => {
                Some(ActionKind::QuarantineFile { path: file.path.clone(), sha256: file.sha256 })
            }
            Activity::ProcessLaunch => process
                .filter(|process| !process.exe_memfd && process.exe.starts_with('/'))
                .map(|process| ActionKind::QuarantineFile { path: process.exe.clone(), sha256: process.exe_sha256 }),
            _ => None,
        },
        "deny_execution" => process.and_then(|process| {
            // A rehearsal denies in its own directory only.
            let within = if process.drill { folder(&process.exe) } else { None };
            Some(ActionKind::DenyExecution { sha256: process.exe_sha256?, within })
        }),
        "isolate_host" => Some(ActionKind::IsolateHost { scope: IsolationScope::Host }),
        _ => None,
    }
}

fn folder(path: &str) -> Option<String> {
    path.rsplit_once('/').map(|(folder, _)| if folder.is_empty() { "/".to_owned() } else { folder.to_owned() })
}
