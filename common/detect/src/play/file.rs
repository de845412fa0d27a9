//! Owns: files, their contents, flows, sockets and names of a case.
//! Never: who acts.

use std::net::{IpAddr, Ipv4Addr};

use picket_model::{Activity, FileActivity, FileId, FileObject, Fingerprint, NetActivity, NetFlow, NetProtocol};

use super::reader::Reader;
use crate::yaml::Node;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
/// The port of whoever began a connection.
const EPHEMERAL: u16 = 40_000;
const FILES: &[FileActivity] = &[
    FileActivity::Create,
    FileActivity::Write,
    FileActivity::Rename,
    FileActivity::Delete,
    FileActivity::SetMode,
    FileActivity::Read,
    FileActivity::SetOwner,
    FileActivity::SetAttributes,
    FileActivity::RawAccess,
];

/// `write: {path, from, mode, size, by}`.
pub fn file(word: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, word, &["path", "from", "mode", "size", "by"]);
    let activity = FILES.iter().copied().find(|activity| activity.word() == word)?;
    let mut file = object(node, reader);
    file.old_path = node.get("from").map(|from| reader.scalar(from));
    file.mode = reader.octal(node, "mode");
    file.size = reader.number(node, "size");
    Some(Activity::File { activity, file })
}

pub fn object(node: &Node, reader: &mut Reader<'_>) -> FileObject {
    FileObject { path: reader.needed(node, "path"), id: FileId { dev: 1, ino: 2 }, ..FileObject::default() }
}

/// `hash: {path, sha256, md5, executed, entropy, header, size, by}`; `entropy` in thousandths of a bit.
pub fn hash(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "hash", &["path", "sha256", "md5", "executed", "entropy", "header", "size", "mode", "by"]);
    let mut file = object(node, reader);
    file.sha256 = reader.parsed(node, "sha256", "64 hexadecimal digits").or(Some(picket_model::Sha256([0; 32])));
    file.mode = reader.octal(node, "mode");
    file.size = reader.number(node, "size");
    let fingerprint = Fingerprint {
        file,
        executed: reader.flag(node, "executed").unwrap_or_default(),
        md5: reader.text(node, "md5"),
        tlsh: None,
        entropy_millibits: reader.number(node, "entropy").unwrap_or_default(),
        header: reader.text(node, "header"),
    };
    Some(Activity::Fingerprint { fingerprint })
}

/// `connect: {to, port, protocol, by}`, `accept: {from, port, …}`, `listen: {port, …}`.
pub fn flow(word: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    let port = reader.number(node, "port").unwrap_or_default();
    let protocol = match node.get("protocol") {
        None => NetProtocol::Tcp,
        Some(_) => {
            reader.choice(node, "protocol", &[NetProtocol::Tcp, NetProtocol::Udp], |protocol| match protocol {
                NetProtocol::Tcp => "tcp",
                NetProtocol::Udp => "udp",
            })?
        }
    };
    let (activity, other) = match word {
        "connect" => (NetActivity::Connect, Some("to")),
        "accept" => (NetActivity::Accept, Some("from")),
        _ => (NetActivity::Listen, None),
    };
    let keys: &[&str] = &["port", "protocol", "by", other.unwrap_or("port")];
    reader.only(node, word, keys);
    let (local_port, remote_ip, remote_port) = match other {
        None => (port, IpAddr::from(Ipv4Addr::UNSPECIFIED), 0),
        Some(key) => {
            if node.get(key).is_none() {
                reader.complain(node.place, format!("`{key}` is missing"));
            }
            let ip = reader.address(node, key)?;
            if activity == NetActivity::Connect { (EPHEMERAL, ip, port) } else { (port, ip, EPHEMERAL) }
        }
    };
    Some(Activity::Network { activity, flow: NetFlow { protocol, local_ip: HERE, local_port, remote_ip, remote_port } })
}

/// `unix: {path, by}`.
pub fn unix(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "unix", &["path", "by"]);
    Some(Activity::UnixConnect { path: reader.needed(node, "path") })
}

/// `dns: {name, answers, by}`.
pub fn dns(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "dns", &["name", "answers", "by"]);
    let mut answers = Vec::new();
    for text in reader.texts(node, "answers") {
        match text.parse() {
            Ok(ip) => answers.push(ip),
            Err(_) => reader.complain(node.place, format!("`answers` are addresses; `{text}` is none")),
        }
    }
    Some(Activity::Dns { name: reader.needed(node, "name"), answers })
}
