//! Owns: `picket policy` and `picket audit` as a person types them: files, exit codes, and the bytes that leave.
//! Never: the coordinator's side; a listener here only hands out answers and keeps what was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use picket_model::{BundleVersion, Timestamp};
use picket_policy::audit::{entry_line, head_line};
use picket_policy::merkle::{Tree, leaf_hash};
use picket_policy::{Entry, Head, SignedHead, accept, keys};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `picket` in this folder; nothing of the machine's own coordinator is reached.
    fn picket(&self, api: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picket"));
        command.args(args).current_dir(self.dir.path());
        command.env("PICKET_API", api).env("PICKET_TOKEN_FILE", self.path("api-token")).output().unwrap()
    }

    /// Without a coordinator.
    fn alone(&self, args: &[&str]) -> Output {
        self.picket("http://127.0.0.1:1", args)
    }

    fn keygen(&self) -> picket_policy::VerifyingKey {
        assert_good(&self.alone(&["policy", "keygen", "--out", "policy.key"]));
        private(&self.path("policy.key")).verifying_key()
    }
}

fn private(path: &Path) -> picket_policy::SigningKey {
    keys::private_from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn assert_good(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
}

fn assert_no(output: &Output, code: i32, word: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(word), "{word:?} is not in: {}", said(output));
}

#[test]
fn a_key_is_private_and_never_overwritten() {
    let desk = Desk::new();
    let key = desk.keygen();
    let mode = std::fs::metadata(desk.path("policy.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_no(&desk.alone(&["policy", "keygen", "--out", "policy.key"]), 1, "not overwritten");
    assert_eq!(private(&desk.path("policy.key")).verifying_key(), key);
}

#[test]
fn what_is_signed_is_what_a_host_accepts() {
    let desk = Desk::new();
    let key = desk.keygen();
    let args = ["policy", "sign", "--shipped", "standard", "--key", "policy.key", "--version", "7", "--lease", "10d"];
    assert_good(&desk.alone(&[&args[..], &["--out", "standard.bundle"]].concat()));
    let bytes = std::fs::read(desk.path("standard.bundle")).unwrap();
    let now = picket_policy::verify(&bytes, &[key]).unwrap().bundle.issued;
    let verified = accept(&bytes, &[key], Some(BundleVersion(6)), now).unwrap();
    assert_eq!((verified.bundle.name.as_str(), verified.bundle.version), ("standard", BundleVersion(7)));
    assert_eq!(verified.bundle.lease_ms, 10 * 86_400_000);
    assert!(!verified.bundle.rules.is_empty(), "the shipped rules go in");
}

#[test]
fn a_bundle_of_ones_own_is_checked_before_it_is_signed() {
    let desk = Desk::new();
    let key = desk.keygen();
    desk.write("ours.toml", "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n");
    desk.write(
        "ours.cedar",
        "@id(\"ours.all\")\npermit (principal, action, resource)\nwhen { context.severty >= 4 };\n",
    );
    let sign =
        ["policy", "sign", "--bundle", "ours.toml", "--cedar", "ours.cedar", "--key", "policy.key", "--version", "1"];
    let sign = [&sign[..], &["--out", "ours.bundle"]].concat();
    assert_no(&desk.alone(&sign), 1, "\n  policies:3:");
    assert!(!desk.path("ours.bundle").exists());
    desk.write(
        "ours.cedar",
        "@id(\"ours.all\")\npermit (principal, action, resource)\nwhen { context.severity >= 4 };\n",
    );
    assert_good(&desk.alone(&sign));
    let verified = picket_policy::verify(&std::fs::read(desk.path("ours.bundle")).unwrap(), &[key]).unwrap();
    assert!(verified.bundle.protected.executables.iter().any(|exe| exe == "/usr/sbin/sshd"));
}

#[test]
fn a_rule_that_does_not_compile_is_not_signed() {
    let desk = Desk::new();
    desk.keygen();
    std::fs::create_dir(desk.path("rules")).unwrap();
    desk.write("rules/bad.yml", "title: bad\ndetection: 1\n");
    let sign = ["policy", "sign", "--shipped", "watch", "--rules", "rules", "--key", "policy.key", "--version", "1"];
    assert_no(&desk.alone(&[&sign[..], &["--out", "b"]].concat()), 1, "bad.yml:");
    assert!(!desk.path("b").exists());
}

/// Answers each request in turn, and gives back the requests, bodies included.
fn listen(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            requests.push(read_request(&mut stream));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
        requests
    });
    (api, server)
}

fn read_request(stream: &mut std::net::TcpStream) -> Vec<u8> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return bytes;
            }
        }
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "the request broke off");
        bytes.extend_from_slice(&part[..count]);
    }
}

#[test]
fn a_shipped_bundle_is_signed_here_with_the_next_version() {
    let desk = Desk::new();
    let key = desk.keygen();
    desk.write("api-token", "secret\n");
    let (api, server) = listen(vec![
        r#"{"name":"careful","version":6}"#.to_owned(),
        r#"{"name":"strict","version":7,"rules":[]}"#.to_owned(),
    ]);
    let output = desk.picket(&api, &["policy", "apply", "strict"]);
    assert_good(&output);
    assert!(said(&output).contains("in force: strict version 7"), "{}", said(&output));
    let requests = server.join().unwrap();
    let post = &requests[1];
    assert!(post.starts_with(b"POST /v1/policy"));
    let body = post.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let verified = picket_policy::verify(&post[body..], &[key]).unwrap();
    assert_eq!((verified.bundle.name.as_str(), verified.bundle.version), ("strict", BundleVersion(7)));
}

#[test]
fn a_signed_file_is_sent_as_it_is_and_takes_no_signing_options() {
    let desk = Desk::new();
    desk.keygen();
    desk.write("some.bundle", "the very bytes");
    assert_no(&desk.alone(&["policy", "apply", "some.bundle", "--lease", "1d"]), 2, "signed already");
    let (api, server) = listen(vec![r#"{"name":"x","version":1}"#.to_owned()]);
    assert_good(&desk.picket(&api, &["policy", "apply", "some.bundle"]));
    assert!(server.join().unwrap()[0].ends_with(b"the very bytes"));
}

fn log(count: u64) -> Vec<Vec<u8>> {
    let entry = |index| Entry {
        index,
        time: NOW,
        who: "coordinator".into(),
        what: "action.asked".into(),
        detail: format!("record {index}"),
        subject: String::new(),
    };
    (0..count).map(|index| entry(index).leaf()).collect()
}

fn head(log: &[Vec<u8>]) -> SignedHead {
    let tree: Tree = log.iter().map(|leaf| leaf_hash(leaf)).collect();
    Head { size: tree.len(), root: tree.root(), time: NOW }.sign(&keys::generate([7; 32]))
}

fn export(log: &[Vec<u8>]) -> String {
    let lines = log.iter().map(|leaf| entry_line(leaf, &leaf_hash(leaf)));
    std::iter::once(head_line(&head(log))).chain(lines).collect()
}

fn audit_key() -> String {
    keys::public_to_hex(&keys::generate([7; 32]).verifying_key())
}

#[test]
fn an_export_verifies_offline_and_a_bad_record_is_named() {
    let desk = Desk::new();
    let (whole, key) = (export(&log(12)), audit_key());
    let verify = ["audit", "verify", "--file", "audit.jsonl", "--key", &key];
    desk.write("audit.jsonl", &whole);
    let output = desk.alone(&verify);
    assert_good(&output);
    assert!(said(&output).starts_with("12 records, root "), "{}", said(&output));

    let without: String =
        whole.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 6).map(|(_, line)| line).collect();
    desk.write("audit.jsonl", &without);
    assert_no(&desk.alone(&verify), 1, "record 5 was removed");

    let mut lines: Vec<String> = whole.split_inclusive('\n').map(str::to_owned).collect();
    let changed = String::from_utf8(log(12)[3].clone()).unwrap().replace("asked", "taken").into_bytes();
    lines[4] = entry_line(&changed, &leaf_hash(&log(12)[3]));
    desk.write("audit.jsonl", &lines.concat());
    assert_no(&desk.alone(&verify), 1, "record 3 was changed");
}

#[test]
fn a_head_that_was_kept_elsewhere_shows_a_log_that_was_signed_anew() {
    let desk = Desk::new();
    let key = audit_key();
    let mut rewritten = log(12);
    rewritten[3] = String::from_utf8(rewritten[3].clone()).unwrap().replace("asked", "taken").into_bytes();
    desk.write("audit.jsonl", &export(&rewritten));
    let verify = ["audit", "verify", "--file", "audit.jsonl", "--key", &key];
    assert_good(&desk.alone(&verify));
    let heads: String = [3, 9].map(|size| serde_json::to_string(&head(&log(size))).unwrap() + "\n").concat();
    desk.write("web-1.heads", &heads);
    assert_no(&desk.alone(&[&verify[..], &["--head", "web-1.heads"]].concat()), 1, "among 3 to 8");
}

#[test]
fn the_coordinators_own_log_is_fetched_checked_and_exported() {
    let desk = Desk::new();
    let text = export(&log(3));
    let (api, server) = listen(vec![text.clone(), format!("{{\"audit_key\":\"{}\"}}", audit_key())]);
    let output = desk.picket(&api, &["audit", "verify", "--json"]);
    assert_good(&output);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["records"], &answer["verified"]), (&3.into(), &true.into()));
    server.join().unwrap();

    let (api, server) = listen(vec![text.clone()]);
    assert_good(&desk.picket(&api, &["audit", "export", "--out", "audit.jsonl"]));
    assert_eq!(std::fs::read_to_string(desk.path("audit.jsonl")).unwrap(), text);
    server.join().unwrap();
}
