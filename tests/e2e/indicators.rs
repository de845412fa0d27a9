//! Owns: that what a feed lists is told when it is met on a real host: names, addresses, URLs, domains, scripts.
//! Never: an indicator that anything but the test's own acts could meet, or a bundle that acts.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use picket_tests::estate::Estate;
use picket_tests::is_root;
use serde_json::Value;

use crate::lists::{detections, sha256sum, wait_for_version};

/// Of loopback, and nobody else's.
const RANGE: &str = "127.77.0.0/16";

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}

/// A question for the address of `name`, as it stands in a datagram.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend(b"\x00\x00\x01\x00\x01");
    bytes
}

#[test]
fn what_a_feed_lists_is_told_when_it_is_met() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    wait_for_version(&estate, 1);
    let mark = format!("picket-{}", std::process::id());
    let path = |name: &str| estate.root().join(name).display().to_string();
    let (script, program) = (path("listed.sh"), path(&mark));
    fs::write(&script, format!("# {mark}\ntrue\n")).unwrap();

    let mut arguments: Vec<String> = ["policy", "apply", "watch"].map(str::to_owned).to_vec();
    for (kind, text) in [
        ("sha256", sha256sum(script.as_ref())),
        ("addresses", RANGE.to_owned()),
        ("domains", format!("Bücher.{mark}.example.")),
        ("urls", format!("http://{mark}.example/drop")),
        ("file_names", mark.clone()),
    ] {
        fs::write(path(kind), text + "\n").unwrap();
        arguments.extend(["--indicators".to_owned(), format!("{kind}={}", path(kind))]);
    }
    estate.picket(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    wait_for_version(&estate, 2);

    run("/bin/sh", &[&script]);
    run("/bin/cp", &["/bin/true", &program]);
    run(&program, &[]);
    run("/bin/echo", &["curl", &format!("{mark}.EXAMPLE/drop?from=7")]);
    let listener = TcpListener::bind("127.77.0.2:0").unwrap();
    let _open = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // Nobody need answer.
    let asked = format!("WWW.xn--bcher-kva.{mark}.example");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&question(&asked), "127.77.0.3:53").unwrap();
    let mut wanted = vec![
        ("indicator.sha256_script", script.clone()),
        ("indicator.file_name_written", program.clone()),
        ("indicator.file_name", program.clone()),
        ("indicator.url", format!("http://{mark}.example/drop?from=7")),
        ("indicator.address", "127.77.0.2".to_owned()),
        ("indicator.domain", format!("xn--bcher-kva.{mark}.example")),
    ];
    if estate.json(&["hosts"]).unwrap()[0]["status"]["tier"] == "bare" {
        println!("skipped: look-ups, which the tier bare does not see");
        wanted.pop();
    }
    for (rule, value) in wanted {
        let is_told = |one: &Value| {
            let evidence = one["evidence"].as_array();
            one["rule"] == rule && evidence.is_some_and(|all| all.iter().any(|entry| entry["value"] == *value))
        };
        estate.wait(&format!("{rule} is told of {value}"), |e| detections(e).into_iter().find(is_told)).unwrap();
    }
}
