//! Owns: UDP, DNS, Unix sockets and scripts from standard input against the real kernel: real sockets and programs, and
//! the records they must leave.
//! Never: a stand-in for the kernel, traffic beyond loopback. Needs root; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::io::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, NetActivity, NetProtocol, Script, ScriptSource, Tier};
use waiting::{DEADLINE, until};

mod waiting;

fn sensor() -> Option<Box<dyn Source>> {
    // The lab runs the same tests on the full tier, where the kernel has it.
    sensor_of(if std::env::var_os("PICKET_TEST_FULL").is_some() { Tier::Full } else { Tier::Tracing })
}

fn sensor_of(tier: Tier) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: BPF needs root");
        return None;
    }
    let mut source =
        open(&SensorOptions { force: Some(tier), ..SensorOptions::default() }).unwrap_or_else(|e| panic!("{e}"));
    // What a busy host did while the programs were loaded must not stand in the way of what follows.
    for _ in 0..64 {
        if source.next(Duration::ZERO).expect("the rings").is_empty() {
            break;
        }
    }
    Some(source)
}

fn by(record: &RawRecord, pid: u32) -> bool {
    record.actor.as_ref().is_some_and(|actor| actor.pid == pid && actor.start_ticks.is_some())
}

/// How many UDP records of `pid` have this meaning, this local port and this peer.
fn flows(records: &[RawRecord], pid: u32, wanted: NetActivity, port: u16, peer: SocketAddr) -> usize {
    let hit = |record: &&RawRecord| {
        by(record, pid)
            && matches!(&record.kind, RawKind::Network { activity, protocol: NetProtocol::Udp, local_port, remote_ip, remote_port, .. }
                if *activity == wanted && *local_port == port && (*remote_ip, *remote_port) == (peer.ip(), peer.port()))
    };
    records.iter().filter(hit).count()
}

fn free_port(ip: IpAddr) -> u16 {
    UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}

#[test]
fn udp_is_told_once_per_flow_and_side_on_both_families() {
    let Some(mut source) = sensor() else { return };
    let own = std::process::id();
    for ip in ["127.0.0.1", "::1"] {
        let ip: IpAddr = ip.parse().expect("an address");
        let Ok(probe) = UdpSocket::bind((ip, 0)) else {
            println!("skipped: no {ip} here");
            continue;
        };
        drop(probe);
        let server = UdpSocket::bind((ip, free_port(ip))).expect("a server");
        let server_at = server.local_addr().expect("an address");
        let sending = UdpSocket::bind((ip, 0)).expect("a client");
        let connected = UdpSocket::bind((ip, 0)).expect("a client");
        connected.connect(server_at).expect("a peer");
        let mut buffer = [0; 16];
        for _ in 0..3 {
            sending.send_to(b"one", server_at).expect("a send");
            connected.send(b"two").expect("a send");
            for _ in 0..2 {
                let (_, from) = server.recv_from(&mut buffer).expect("a datagram");
                server.send_to(b"back", from).expect("an answer");
            }
            sending.recv_from(&mut buffer).expect("an answer");
            connected.recv(&mut buffer).expect("an answer");
        }
        let nobody = SocketAddr::new(if ip.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() }, 0);
        let ports = [&sending, &connected].map(|socket| socket.local_addr().expect("an address"));
        let counts = |records: &[RawRecord]| {
            let of_client = |at: SocketAddr| {
                let client = flows(records, own, NetActivity::Connect, at.port(), server_at);
                [client, flows(records, own, NetActivity::Accept, server_at.port(), at)]
            };
            let listens = flows(records, own, NetActivity::Listen, server_at.port(), nobody);
            let [a, b] = ports.map(of_client);
            [listens, a[0], a[1], b[0], b[1]]
        };
        let records = until(&mut *source, "five UDP records", |r| counts(r).iter().all(|count| *count > 0));
        assert_eq!(counts(&records), [1; 5]);
        // An answer is no flow of its own, and a port that the kernel chose is no open port.
        for at in ports {
            assert_eq!(flows(&records, own, NetActivity::Accept, at.port(), server_at), 0);
            assert_eq!(flows(&records, own, NetActivity::Listen, at.port(), nobody), 0);
        }
    }
}

#[test]
fn a_flow_has_the_process_that_sends_it_and_the_addresses_of_its_packet() {
    let Some(mut source) = sensor() else { return };
    let server = UdpSocket::bind("127.0.0.1:0").expect("a server");
    let at = server.local_addr().expect("an address");
    let script = format!("exec 3<>/dev/udp/127.0.0.1/{}; echo hello >&3", at.port());
    let mut child = Command::new("bash").args(["-c", &script]).spawn().expect("bash");
    let pid = child.id();
    let (_, from) = server.recv_from(&mut [0; 16]).expect("a datagram");
    assert!(child.wait().expect("an end").success());
    let records = until(&mut *source, "a flow of bash", |r| flows(r, pid, NetActivity::Connect, from.port(), at) == 1);
    let told = records.iter().find(|record| by(record, pid) && matches!(record.kind, RawKind::Network { .. }));
    let Some(RawKind::Network { local_ip, .. }) = told.map(|record| &record.kind) else { panic!("{told:?}") };
    assert_eq!(*local_ip, from.ip(), "the address is the packet's, not the unbound socket's");
}

#[test]
fn a_socket_that_was_there_before_has_its_process() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a server");
    let at = server.local_addr().expect("an address");
    let Some(mut source) = sensor() else { return };
    let client = UdpSocket::bind("127.0.0.1:0").expect("a client");
    client.send_to(b"hello", at).expect("a send");
    let from = client.local_addr().expect("an address");
    let own = std::process::id();
    until(&mut *source, "an accept", |r| flows(r, own, NetActivity::Accept, at.port(), from) == 1);
}

/// Runs `work` on a thread in a network namespace and a mount namespace of its own, with loopback up.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("mounts of our own");
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip").success());
        work()
    };
    std::thread::scope(|scope| scope.spawn(inside).join().expect("the thread"))
}

/// The answer of a small name server: an alias and one address of the type that is asked for; none for `silent`.
fn respond(query: &[u8]) -> Option<Vec<u8>> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).expect("a name") + 1;
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    if query[12..].starts_with(b"\x06silent") {
        return None;
    }
    let mut answer = query[..end + 4].to_vec();
    answer[2..4].copy_from_slice(&0x8180u16.to_be_bytes());
    answer[6..12].copy_from_slice(&[0, 2, 0, 0, 0, 0]);
    // www is an alias of web; its name is told by a pointer to the question's domain.
    let alias = [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3][..], b"web", &[0xc0, 16]].concat();
    let at = u16::try_from(answer.len() + 12).expect("short") | 0xc000;
    answer.extend(alias);
    answer.extend(at.to_be_bytes());
    answer.extend(kind.to_be_bytes());
    answer.extend([0, 1, 0, 0, 0, 60]);
    match kind {
        1 => answer.extend([0, 4, 192, 0, 2, 7]),
        28 => answer.extend([0, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
        other => panic!("a question for type {other}"),
    }
    Some(answer)
}

fn serve(server: &UdpSocket, end: Duration) {
    let until = Instant::now() + end;
    server.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let mut buffer = [0; 1500];
    while Instant::now() < until {
        let Ok((len, from)) = server.recv_from(&mut buffer) else { continue };
        if let Some(answer) = respond(&buffer[..len]) {
            server.send_to(&answer, from).expect("an answer");
        }
    }
}

fn lookups(records: &[RawRecord], pid: u32, wanted: &str, addresses: &[&str]) -> usize {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
    let hit = |record: &&RawRecord| {
        by(record, pid)
            && matches!(&record.kind, RawKind::Dns { name, answers } if name == wanted && *answers == addresses)
    };
    records.iter().filter(hit).count()
}

#[test]
fn a_lookup_is_told_with_its_answers_and_who_asked() {
    let Some(mut source) = sensor() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let resolvers = directory.path().join("resolv.conf");
    std::fs::write(&resolvers, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").expect("a file");
    let [asks, waits] = apart(|| {
        let server = UdpSocket::bind("127.0.0.1:53").expect("port 53 of this namespace");
        std::thread::scope(|scope| {
            let running = scope.spawn(|| serve(&server, Duration::from_secs(4)));
            let mount = format!("mount --bind {} /etc/resolv.conf && exec getent \"$@\"", resolvers.display());
            let ask = |name: &str| {
                // The shell's file is bound over in this thread's mounts, which the child shares.
                let mut command = Command::new("sh");
                command.args(["-c", &mount, "sh", "ahosts", name]).stdout(Stdio::null());
                let mut child = command.spawn().expect("sh");
                (child.id(), child.wait().expect("an end").success())
            };
            let (asks, found) = ask("www.picket.test");
            assert!(found, "getent must find what the server says");
            let (waits, found) = ask("silent.picket.test");
            assert!(!found);
            running.join().expect("the server");
            [asks, waits]
        })
    });
    let answers = [["192.0.2.7"], ["2001:db8::7"]];
    let records = until(&mut *source, "three lookups", |r| {
        answers.iter().all(|answer| lookups(r, asks, "www.picket.test", answer) > 0)
            && lookups(r, waits, "silent.picket.test", &[]) > 0
    });
    for answer in answers {
        assert_eq!(lookups(&records, asks, "www.picket.test", &answer), 1);
    }
    assert_eq!(lookups(&records, asks, "www.picket.test", &[]), 0);
    // The server's own side of it is no lookup.
    assert!(!records.iter().any(|r| by(r, std::process::id()) && matches!(r.kind, RawKind::Dns { .. })));
}

#[test]
fn connects_to_watched_unix_sockets_are_told_by_the_sockets_own_path() {
    use std::os::unix::net::{UnixListener, UnixStream};
    let Some(mut source) = sensor() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for folder in ["ssh-x", "systemd"] {
        std::fs::create_dir(at(folder)).expect("a directory");
    }
    let names = ["other.sock", "private", "agent.9", "docker.sock", "ssh-x/agent.9", "systemd/private"];
    let listeners = names.map(|name| UnixListener::bind(at(name)).expect("a listener"));
    std::os::unix::fs::symlink(at("docker.sock"), at("harmless")).expect("a link");
    for name in ["other.sock", "private", "agent.9", "harmless", "ssh-x/agent.9", "systemd/private"] {
        drop(UnixStream::connect(at(name)).expect("a connection"));
    }
    let told = |records: &[RawRecord]| -> Vec<String> {
        let path = |record: &RawRecord| match &record.kind {
            RawKind::Plain(activity) if by(record, std::process::id()) => match &**activity {
                Activity::UnixConnect { path } => Some(path.clone()),
                _ => None,
            },
            _ => None,
        };
        records.iter().filter_map(path).collect()
    };
    let records = until(&mut *source, "three connects", |r| told(r).len() >= 3);
    let wanted =
        ["docker.sock", "ssh-x/agent.9", "systemd/private"].map(|name| at(name).to_string_lossy().into_owned());
    assert_eq!(told(&records), wanted);
    drop(listeners);
}

fn scripts(records: &[RawRecord], pid: u32) -> Vec<&Script> {
    let mut found = Vec::new();
    for record in records.iter().filter(|record| by(record, pid)) {
        let RawKind::Plain(activity) = &record.kind else { continue };
        match &**activity {
            Activity::Script { script } if script.source == ScriptSource::StandardInput => found.push(script),
            _ => {}
        }
    }
    found
}

#[test]
fn a_script_from_a_pipe_a_file_or_byte_by_byte_is_told() {
    let Some(mut source) = sensor() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let text = "# picket\n/bin/true one\n/bin/true two\nX=no-newline-at-the-end";
    let file = directory.path().join("input");
    std::fs::write(&file, text).expect("a file");
    for interpreter in ["sh", "bash", "python3"] {
        let text = if interpreter == "python3" { "# picket\nx = 1\n" } else { text };
        std::fs::write(&file, text).expect("a file");
        for piped in [true, false] {
            let stdin = if piped { Stdio::piped() } else { std::fs::File::open(&file).expect("the file").into() };
            let Ok(mut child) = Command::new(interpreter).stdin(stdin).spawn() else {
                println!("skipped: no {interpreter} here");
                continue;
            };
            if let Some(mut pipe) = child.stdin.take() {
                pipe.write_all(text.as_bytes()).expect("a write");
            }
            let pid = child.id();
            assert!(child.wait().expect("an end").success());
            let records = until(&mut *source, "a script", |r| !scripts(r, pid).is_empty());
            let told = scripts(&records, pid);
            assert_eq!(told.iter().map(|script| &*script.content).collect::<Vec<_>>(), [text], "{interpreter} {piped}");
            assert_eq!(told[0].size, Some(text.len() as u64));
            assert!(told[0].sha256.is_some());
        }
    }
}

#[test]
fn a_shell_that_waits_for_more_is_told_of_meanwhile_and_data_is_no_script() {
    let Some(mut source) = sensor() else { return };
    let mut shell = Command::new("bash").stdin(Stdio::piped()).spawn().expect("bash");
    let mut data = Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().expect("sh");
    data.stdin.take().expect("a pipe").write_all(b"secret\n").expect("a write");
    let (mut pipe, pid) = (shell.stdin.take().expect("a pipe"), shell.id());
    pipe.write_all(b"/bin/true first\n").expect("a write");
    let mut records = until(&mut *source, "the first line", |r| !scripts(r, pid).is_empty());
    assert_eq!(scripts(&records, pid)[0].content, "/bin/true first\n");
    pipe.write_all(b"/bin/true second\n").expect("a write");
    drop(pipe);
    assert!(shell.wait().expect("an end").success() && data.wait().expect("an end").success());
    records.extend(until(&mut *source, "the second line", |r| !scripts(r, pid).is_empty()));
    assert_eq!(scripts(&records, pid)[1].content, "/bin/true second\n");
    assert_eq!(scripts(&records, data.id()).len(), 0);
}

#[test]
fn every_row_of_the_network_has_a_hook_and_no_failed_one() {
    let Some(source) = sensor() else { return };
    let coverage = source.coverage();
    let rows = [
        "network.connection",
        "network.accept",
        "network.udp",
        "network.listen",
        "dns.query",
        "network.unix",
        "script.stdin",
    ];
    for row in rows {
        let told = coverage.iter().find(|told| told.row == row).unwrap_or_else(|| panic!("{row} is not told of"));
        assert!(!told.hook.is_empty(), "{told:?}");
        assert!(!source.blind_spots().iter().any(|spot| spot.contains("UDP") || spot.contains("Unix")), "{told:?}");
    }
}

#[test]
fn the_bare_tier_sees_udp_that_lasts_and_other_network_namespaces() {
    let Some(mut source) = sensor_of(Tier::Bare) else { return };
    let own = std::process::id();
    let loopback: IpAddr = [127, 0, 0, 1].into();
    // Below the range from which the kernel chooses.
    let open = (20_000..30_000).find_map(|port| UdpSocket::bind((loopback, port)).ok()).expect("a free port");
    let at = open.local_addr().expect("an address");
    let client = UdpSocket::bind((loopback, 0)).expect("a client");
    client.connect(at).expect("a peer");
    let port = client.local_addr().expect("an address").port();
    let nobody: SocketAddr = "0.0.0.0:0".parse().expect("an address");
    until(&mut *source, "a UDP listen and a connect", |r| {
        flows(r, own, NetActivity::Listen, at.port(), nobody) == 1 && flows(r, own, NetActivity::Connect, port, at) == 1
    });
    let listens = |records: &[RawRecord], wanted: u16, pid: u32| {
        records.iter().any(|record| {
            by(record, pid)
                && matches!(record.kind, RawKind::Network { activity: NetActivity::Listen, protocol: NetProtocol::Tcp, local_port, .. } if local_port == wanted)
        })
    };
    apart(|| {
        // The namespace is found by the process in it, and what is opened in it from then on is told.
        let mut inhabitant = Command::new("sleep").arg("60").spawn().expect("sleep");
        let begun = Instant::now();
        let mut ports = Vec::new();
        let mut records = Vec::new();
        while !ports.iter().any(|listener: &std::net::TcpListener| {
            listens(&records, listener.local_addr().expect("an address").port(), own)
        }) {
            assert!(begun.elapsed() < 2 * DEADLINE, "no listen in the other namespace");
            ports.push(std::net::TcpListener::bind("127.0.0.1:0").expect("a listener"));
            records.extend(source.next(Duration::from_millis(500)).expect("the records"));
        }
        inhabitant.kill().and_then(|()| inhabitant.wait()).expect("its end");
    });
}
