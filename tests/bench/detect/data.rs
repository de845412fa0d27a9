//! Owns: public rules and events that may lie beside the repository, and the log sources that an operator would tag.
//! Never: a copy of them in the project.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_detect::RuleSource;
use serde_json::Value;

pub struct Data {
    pub folder: PathBuf,
    pub events: PathBuf,
    pub tagged: PathBuf,
    /// Goes when it is dropped.
    _place: tempfile::TempDir,
}

/// `None`, said aloud, where there are none.
pub fn data() -> Option<Data> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let packed = folder.join("windows-events/otrf-sample.ndjson.xz");
    if !packed.is_file() {
        println!("skipped: {} is absent", packed.display());
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let (events, tagged) = (place.path().join("events.ndjson"), place.path().join("tagged.ndjson"));
    let unpacked = Command::new("xz").arg("-dc").arg(&packed).output().expect("xz");
    assert!(unpacked.status.success(), "xz: {}", String::from_utf8_lossy(&unpacked.stderr));
    std::fs::write(&events, &unpacked.stdout).unwrap();
    let mut to = std::io::BufWriter::new(std::fs::File::create(&tagged).unwrap());
    for line in String::from_utf8(unpacked.stdout).unwrap().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        tag(&mut event);
        writeln!(to, "{event}").unwrap();
    }
    to.flush().unwrap();
    Some(Data { folder: folder.join("sigma"), events, tagged, _place: place })
}

impl Data {
    pub fn folders(&self) -> Vec<PathBuf> {
        ["rules", "rules-emerging-threats", "rules-threat-hunting"].map(|name| self.folder.join(name)).into()
    }

    pub fn rules(&self) -> Vec<RuleSource> {
        self.folders().iter().flat_map(|folder| rules_below(folder)).collect()
    }
}

pub fn rules_below(folder: &Path) -> Vec<RuleSource> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read =
        |path: PathBuf| RuleSource { text: std::fs::read_to_string(&path).unwrap(), file: path.display().to_string() };
    paths.into_iter().map(read).collect()
}

/// What an operator writes into events so that rsigma can tell which rules they may meet: one word of each kind.
fn tag(event: &mut Value) {
    let channel = event["Channel"].as_str().unwrap_or_default().to_lowercase();
    let service = match channel.as_str() {
        "microsoft-windows-sysmon/operational" => "sysmon",
        "microsoft-windows-powershell/operational" => "powershell",
        "windows powershell" => "powershell-classic",
        "microsoft-windows-wmi-activity/operational" => "wmi",
        "microsoft-windows-windows firewall with advanced security/firewall" => "firewall-as",
        other => other,
    };
    let category = match (service, event["EventID"].as_u64().unwrap_or(0)) {
        ("sysmon", 1) | ("security", 4688) => "process_creation",
        ("sysmon", 2) => "file_change",
        ("sysmon", 3) => "network_connection",
        ("sysmon", 5) => "process_termination",
        ("sysmon", 6) => "driver_load",
        ("sysmon", 7) => "image_load",
        ("sysmon", 8) => "create_remote_thread",
        ("sysmon", 9) => "raw_access_thread",
        ("sysmon", 10) => "process_access",
        ("sysmon", 11) => "file_event",
        ("sysmon", 12) => "registry_event",
        ("sysmon", 13) => "registry_set",
        ("sysmon", 15) => "create_stream_hash",
        ("sysmon", 17 | 18) => "pipe_created",
        ("sysmon", 19..=21) => "wmi_event",
        ("sysmon", 22) => "dns_query",
        ("sysmon", 23 | 26) => "file_delete",
        ("powershell", 4103) => "ps_module",
        ("powershell", 4104) => "ps_script",
        ("powershell-classic", 400) => "ps_classic_start",
        ("powershell-classic", 800) => "ps_classic_script",
        _ => "",
    };
    let words = [("product", "windows"), ("service", service), ("category", category)];
    let event = event.as_object_mut().unwrap();
    for (name, word) in words.into_iter().filter(|(_, word)| !word.is_empty()) {
        event.insert(name.to_owned(), word.into());
    }
}
