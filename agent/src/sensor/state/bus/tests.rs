//! Owns: that a real message bus is spoken to as it wants to be; one of the test's own, without a service manager.
//! Never: this machine's bus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::fs;
use std::process::{Child, Command};
use std::time::Instant;

use super::*;

const CONFIG: &str = "<busconfig><type>system</type><listen>unix:path=SOCKET</listen><auth>EXTERNAL</auth>\
    <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
    <allow send_type=\"method_call\"/></policy></busconfig>";

struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() || Command::new("dbus-daemon").arg("--version").output().is_err() {
            println!("skipped: it takes root and dbus-daemon");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = below(folder.path(), SOCKETS[0]);
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let config = folder.path().join("bus.conf");
        fs::write(&config, CONFIG.replace("SOCKET", &socket.display().to_string())).unwrap();
        let child = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--config-file"])
            .arg(&config)
            .spawn()
            .unwrap();
        let daemon = Self { child, folder };
        let end = Instant::now() + Duration::from_secs(10);
        while Connection::open(&socket).is_err() {
            assert!(Instant::now() < end, "dbus-daemon does not listen");
            std::thread::yield_now();
        }
        Some(daemon)
    }

    fn socket(&self) -> PathBuf {
        below(self.folder.path(), SOCKETS[0])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_call_to_the_service_manager_is_heard_and_its_caller_found() {
    let Some(daemon) = Daemon::start() else { return };
    let calls = Connection::open(&daemon.socket()).unwrap();
    let monitor = Listener::monitor(&daemon.socket()).unwrap();
    let mut bus = Bus { calls, monitor: Some(monitor), running: Running::default() };

    let mut caller = Connection::open(&daemon.socket()).unwrap();
    let arguments = [Argument::Text("cron.service"), Argument::Text("replace")];
    let (path, interface) = (MANAGER_PATH, MANAGER_INTERFACE);
    let call = Call { destination: MANAGER, path, interface, member: "StopUnit", arguments: &arguments };
    // Nobody is there to do it; that it was asked is heard all the same.
    let refused = caller.ask(&call).unwrap_err().to_string();
    assert!(refused.contains("StopUnit is refused: ") && refused.contains(MANAGER), "{refused}");

    let end = Instant::now() + Duration::from_secs(10);
    let heard = loop {
        assert!(Instant::now() < end, "the monitor hears nothing");
        let ready = bus.wait().unwrap().0;
        let heard = bus.monitor.as_mut().unwrap().receive(ready).unwrap();
        if let Some(call) = heard.into_iter().find(|message| message.member == "StopUnit") {
            break call;
        }
    };
    assert_eq!(units(&heard), ["cron.service"]);
    assert_eq!(bus.caller(&heard.sender).unwrap().map(|actor| actor.pid), Some(std::process::id()));
    assert_eq!(bus.caller(":1.9999").unwrap(), None, "one that has gone");
}

/// What the monitor has heard until something of this kind came.
fn overheard(listener: &Listener, bus: &mut Bus, kind: u8, member: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < end, "the monitor does not hear {member}");
        let ready = bus.wait().unwrap().0;
        let heard = bus.monitor.as_mut().unwrap().receive(ready).unwrap();
        heard.iter().for_each(|message| listener.overhear(bus, message).unwrap());
        if heard.iter().any(|message| message.kind == kind && message.member == member) {
            return;
        }
    }
}

#[test]
fn who_is_refused_is_not_told_as_who_did_it() {
    let Some(daemon) = Daemon::start() else { return };
    let signals = Arc::new(Signals { missed: AtomicBool::new(false), requests: Default::default() });
    let listener = Listener::new(daemon.folder.path(), Arc::clone(&signals));
    let calls = Connection::open(&daemon.socket()).unwrap();
    let monitor = Listener::monitor(&daemon.socket()).unwrap();
    let mut bus = Bus { calls, monitor: Some(monitor), running: Running::default() };
    let who = || signals.requests.who("cron.service", Some(ServiceActivity::Stopped)).map(|actor| actor.pid);

    // Nobody is there to do it: the bus itself refuses.
    let arguments = [Argument::Text("cron.service"), Argument::Text("replace")];
    let (path, interface) = (MANAGER_PATH, MANAGER_INTERFACE);
    let call = Call { destination: MANAGER, path, interface, member: "StopUnit", arguments: &arguments };
    let mut caller = Connection::open(&daemon.socket()).unwrap();
    caller.ask(&call).unwrap_err();
    overheard(&listener, &mut bus, ERROR, "");
    assert_eq!(who(), None);

    // Now somebody is, who says nothing yet.
    let name = [Argument::Text(MANAGER), Argument::Number(0)];
    let own = Call { destination: BUS, path: BUS_PATH, interface: BUS, member: "RequestName", arguments: &name };
    let mut manager = Connection::open(&daemon.socket()).unwrap();
    manager.ask(&own).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| caller.ask(&call));
        overheard(&listener, &mut bus, CALL, "StopUnit");
        assert_eq!(who(), Some(std::process::id()));
    });
}

#[test]
fn a_bus_without_a_service_manager_is_a_blind_spot_and_so_is_none() {
    let signals = || Arc::new(Signals { missed: AtomicBool::new(false), requests: Default::default() });
    let Some(daemon) = Daemon::start() else { return };
    let listener = Listener::new(daemon.folder.path(), signals());
    let spots = listener.health().blind_spots();
    assert!(spots.len() == 1 && spots[0].contains("Subscribe is refused"), "{spots:?}");
    assert_eq!(listener.health().coverage().hook, "");

    let nothing = tempfile::tempdir().unwrap();
    let spots = Listener::new(nothing.path(), signals()).health().blind_spots();
    assert!(spots.len() == 1 && spots[0].contains("there is no system bus"), "{spots:?}");
}
