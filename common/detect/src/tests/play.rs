//! Owns: the small vocabulary of `*.tests.yml`, and turning it into events.
//! Never: judging what a rule says of them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use picket_model::{
    Activity, AuthActivity, Event, EventId, FileActivity, FileId, FileObject, NetActivity, NetFlow, NetProtocol,
    Process, ProcessKey, Timestamp,
};

use crate::error::Complaints;
use crate::yaml::{self, Node};

/// One case: a few events in order, and what they show.
pub struct Case {
    pub about: String,
    pub events: Vec<Event>,
}

pub struct Cases {
    pub hits: Vec<Case>,
    pub misses: Vec<Case>,
}

pub fn cases(file: &str, text: &str) -> Cases {
    let mut complaints = Complaints::new(file);
    let documents = yaml::documents(text, &mut complaints);
    let errors = complaints.into_errors();
    assert!(errors.is_empty(), "{errors:?}");
    let root = &documents[0];
    let list = |key: &str| root.get(key).and_then(Node::list).unwrap_or_default().iter().map(case).collect();
    for (key, _) in root.map().unwrap() {
        assert!(matches!(key.text.as_str(), "hits" | "misses"), "{file}: {}", key.text);
    }
    Cases { hits: list("hits"), misses: list("misses") }
}

fn case(node: &Node) -> Case {
    let about = word(node, "about");
    let events = match node.get("sequence") {
        Some(sequence) => sequence.list().unwrap().iter().flat_map(repeated).collect(),
        None => vec![event(node, 0)],
    };
    Case { about, events }
}

/// `at: 10` seconds, `repeat: 5` times `every: 2` seconds.
fn repeated(node: &Node) -> Vec<Event> {
    let at = number(node, "at");
    (0..number(node, "repeat").max(1)).map(|turn| event(node, at + turn * number(node, "every"))).collect()
}

/// Well after 1970, so that windows reach back.
const START_S: u64 = 1_790_000_000;

fn event(node: &Node, seconds: u64) -> Event {
    let known = ["about", "at", "repeat", "every"];
    let mut entries = node.map().unwrap().iter().filter(|(key, _)| !known.contains(&key.text.as_str()));
    let (key, what) = entries.next().unwrap();
    assert!(entries.next().is_none(), "line {}: one event per entry", node.place.line);
    let by = what.get("by").map(process);
    let (process, activity) = match key.text.as_str() {
        "launch" => (Some(process(what)), Activity::ProcessLaunch),
        word @ ("create" | "write" | "rename" | "delete" | "set_mode" | "read") => (by, file(word, what)),
        word @ ("connect" | "accept" | "listen") => (by, flow(word, what)),
        "module" => (by, Activity::ModuleLoad { name: word(what, "name"), path: word(what, "path"), loaded: true }),
        "auth" => (by, auth(what)),
        "dns" => (by, Activity::Dns { name: word(what, "name"), answers: Vec::new() }),
        other => panic!("line {}: no event `{other}`", node.place.line),
    };
    // Correlations take two events of one id and time for one.
    static EVENTS: AtomicU64 = AtomicU64::new(1);
    let id = EventId::from_bytes(u128::from(EVENTS.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
    Event { id, time: Timestamp((START_S + seconds) * 1_000_000_000), process, activity }
}

fn process(node: &Node) -> Arc<Process> {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 4711, start_ticks: 99 });
    process.exe = word(node, "exe");
    process.name = process.exe.rsplit('/').next().unwrap_or_default().chars().take(15).collect();
    process.user = "alice".to_owned();
    (process.uid, process.euid, process.gid) = (1000, 1000, 1000);
    for (key, value) in node.map().unwrap() {
        match (key.text.as_str(), value) {
            ("exe" | "path" | "from" | "mode" | "to" | "port", _) => {}
            ("argv", value) => process.argv = value.list().unwrap().iter().map(scalar).collect(),
            ("cmd", value) => process.argv = scalar(value).split(' ').map(str::to_owned).collect(),
            ("name", value) => process.name = scalar(value),
            ("cwd", value) => process.cwd = scalar(value),
            ("user", value) => process.user = scalar(value),
            ("uid", value) => {
                process.uid = scalar(value).parse().unwrap();
                process.euid = process.uid;
            }
            ("container", value) => process.container = Some(scalar(value)),
            ("memfd", value) => process.exe_memfd = scalar(value) == "true",
            ("pid", value) => process.key.pid = scalar(value).parse().unwrap(),
            ("parent", value) => process.parent = Some(self::process(value)),
            (other, _) => panic!("line {}: no such property of a process: {other}", key.place.line),
        }
    }
    if process.argv.is_empty() {
        process.argv = vec![process.exe.clone()];
    }
    Arc::new(process)
}

fn scalar(node: &Node) -> String {
    node.text().unwrap_or_default().to_owned()
}

fn word(node: &Node, key: &str) -> String {
    node.get(key).map(scalar).unwrap_or_default()
}

fn number(node: &Node, key: &str) -> u64 {
    node.get(key).map_or(0, |node| scalar(node).parse().unwrap())
}

fn file(word_of: &str, node: &Node) -> Activity {
    let activity = match word_of {
        "create" => FileActivity::Create,
        "write" => FileActivity::Write,
        "rename" => FileActivity::Rename,
        "delete" => FileActivity::Delete,
        "set_mode" => FileActivity::SetMode,
        _ => FileActivity::Read,
    };
    let mode = u32::from_str_radix(&word(node, "mode"), 8).unwrap_or(0);
    let old_path = node.get("from").map(scalar);
    let id = FileId { dev: 1, ino: 2 };
    Activity::File {
        activity,
        file: FileObject { path: word(node, "path"), old_path, id, mode, size: None, sha256: None, path_bytes: None },
    }
}

fn flow(word_of: &str, node: &Node) -> Activity {
    let activity = match word_of {
        "connect" => NetActivity::Connect,
        "accept" => NetActivity::Accept,
        _ => NetActivity::Listen,
    };
    let ip = |key: &str| node.get(key).map(|node| scalar(node).parse::<IpAddr>().unwrap());
    let port = u16::try_from(number(node, "port")).unwrap();
    let here = IpAddr::from(Ipv4Addr::new(192, 0, 2, 10));
    let nowhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let (local_port, remote_ip, remote_port) = match activity {
        NetActivity::Connect => (40_000, ip("to").unwrap(), port),
        NetActivity::Accept => (port, ip("from").unwrap(), 40_000),
        NetActivity::Listen => (port, nowhere, 0),
    };
    Activity::Network {
        activity,
        flow: NetFlow { protocol: NetProtocol::Tcp, local_ip: here, local_port, remote_ip, remote_port },
    }
}

fn auth(node: &Node) -> Activity {
    Activity::Authentication {
        activity: AuthActivity::Logon,
        user: word(node, "user"),
        service: "sshd".to_owned(),
        source: node.get("source").map(|node| scalar(node).parse().unwrap()),
        success: word(node, "success") == "true",
    }
}
