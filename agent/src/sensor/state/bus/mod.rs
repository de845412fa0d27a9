//! Owns: the thread that listens to the service manager over D-Bus: what starts and stops, and who asks for it.
//! Never: asking the manager for anything that changes the host.

mod connection;
mod running;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::poll::PollFlags;
use picket_model::raw::RawActor;
use picket_model::{Activity, Coverage, ServiceActivity, ServiceChange};

use self::connection::{BUS, BUS_PATH, Connection};
use self::running::{Running, Told};
use self::wire::{Argument, CALL, Call, ERROR, Message, SIGNAL, Value};
use super::places::below;
use super::reading::Reader;
use super::requests::{CallId, is_request};
use super::watch::{Signals, record};
use crate::procfs;
use crate::sensor::feed::{Feed, ready};
use crate::sys::clock::now;

#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    let _ = message.arguments();
    let _ = units(&message);
    let _ = Running::default().hear(&message, |_, _| None);
}

const SOCKETS: [&str; 2] = ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"];
/// A bus that has gone is looked for again so often; most come back within seconds.
const AGAIN: Duration = Duration::from_secs(2);
const MANAGER: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNITS_NAMED_MAX: usize = 64;
/// As systemd has it; a longer text is no unit's name.
const UNIT_NAME_BYTES_MAX: usize = 256;
const MATCHES: [&str; 3] = [
    "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager'",
    "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.DBus.Properties',\
     member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit',arg0='org.freedesktop.systemd1.Unit'",
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.systemd1'",
];
/// What is asked of the manager, and what it or the bus refuses.
const MONITORED: [&str; 3] = [
    "type='method_call',destination='org.freedesktop.systemd1'",
    "type='error',sender='org.freedesktop.systemd1'",
    "type='error',sender='org.freedesktop.DBus'",
];

/// Whether the bus is heard, for whoever asks what this host cannot see.
#[derive(Default)]
pub struct Health {
    /// Why not; empty while it is.
    silent: Mutex<String>,
    callers: AtomicBool,
}

impl Health {
    fn set(&self, silent: String) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent;
    }

    fn silent(&self) -> String {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn blind_spots(&self) -> Vec<String> {
        let silent = self.silent();
        if silent.is_empty() {
            Vec::new()
        } else {
            vec![format!("Starts and stops of services are not seen ({silent}).")]
        }
    }

    pub fn coverage(&self) -> Coverage {
        let silent = self.silent();
        let (hook, limit) = if !silent.is_empty() {
            ("", format!("Starts and stops of services are not seen ({silent})."))
        } else if self.callers.load(Ordering::Relaxed) {
            ("D-Bus", String::new())
        } else {
            ("D-Bus", "Who asked for it over the bus is not seen.".to_owned())
        };
        Coverage { row: "service.run".into(), hook: hook.into(), limit }
    }
}

pub struct Listener {
    root: PathBuf,
    /// For the files of the units that start; it reads no passwords.
    reader: Reader,
    signals: Arc<Signals>,
    health: Arc<Health>,
    first: Option<Bus>,
}

impl Listener {
    /// Connects at once, so that the first answer to what is blind here is a true one.
    pub fn new(root: &Path, signals: Arc<Signals>) -> Self {
        let health = Arc::<Health>::default();
        let reader = Reader::new(root.to_path_buf(), Vec::new());
        let mut listener = Self { root: root.to_path_buf(), reader, signals, health, first: None };
        listener.first = listener.connect().ok();
        listener
    }

    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    pub fn run(mut self, feed: &Feed) {
        let mut heard = self.first.is_some();
        while !feed.stopped() {
            let ended = match self.first.take().map_or_else(|| self.connect(), Ok) {
                Ok(mut bus) => {
                    if !std::mem::replace(&mut heard, true) {
                        feed.notice("probe back", "D-Bus".into());
                    }
                    self.listen(&mut bus, feed)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                self.health.set(error.to_string());
                if std::mem::take(&mut heard) {
                    feed.notice("probe quiet", format!("D-Bus: {error}"));
                    // What was asked of the manager meanwhile has left its traces in files.
                    self.signals.missed.store(true, Ordering::Relaxed);
                }
                feed.sleep(AGAIN);
            }
        }
    }

    fn connect(&self) -> io::Result<Bus> {
        let opened = self.open();
        match &opened {
            Ok(bus) => {
                self.health.callers.store(bus.monitor.is_some(), Ordering::Relaxed);
                self.health.set(String::new());
            }
            Err(error) => self.health.set(error.to_string()),
        }
        opened
    }

    fn open(&self) -> io::Result<Bus> {
        let sockets = SOCKETS.map(|socket| below(&self.root, socket));
        let socket = sockets.iter().find(|socket| socket.exists());
        let socket = socket.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no system bus"))?;
        let mut bus = Bus { calls: Connection::open(socket)?, monitor: None, running: Running::default() };
        for rule in MATCHES {
            bus.ask_bus("AddMatch", &[Argument::Text(rule)])?;
        }
        bus.learn()?;
        bus.monitor = Self::monitor(socket).map_err(|error| tracing::warn!(%error, "no callers on D-Bus")).ok();
        Ok(bus)
    }

    /// A connection that hears what others call and may not speak any more.
    fn monitor(socket: &Path) -> io::Result<Connection> {
        let mut monitor = Connection::open(socket)?;
        monitor.ask(&Call {
            destination: BUS,
            path: BUS_PATH,
            interface: "org.freedesktop.DBus.Monitoring",
            member: "BecomeMonitor",
            arguments: &[Argument::Texts(&MONITORED), Argument::Number(0)],
        })?;
        Ok(monitor)
    }

    fn listen(&self, bus: &mut Bus, feed: &Feed) -> io::Result<()> {
        while !feed.stopped() {
            let (called, spoken) = if bus.calls.has_waiting() { (true, true) } else { bus.wait()? };
            // Who asked is known before what came of it is heard.
            if let Some(monitor) = bus.monitor.as_mut().filter(|_| called) {
                let overheard = monitor.receive(!bus.calls.has_waiting())?;
                feed.lost("dbus.monitor", monitor.take_lost());
                for message in &overheard {
                    self.overhear(bus, message)?;
                }
            }
            let waiting = bus.calls.has_waiting();
            for message in bus.calls.receive(spoken && !waiting)? {
                self.hear(bus, &message, feed)?;
            }
            feed.lost("dbus.signals", bus.calls.take_lost());
        }
        Ok(())
    }

    /// A call to the manager, or that it was refused.
    fn overhear(&self, bus: &mut Bus, message: &Message) -> io::Result<()> {
        let requests = &self.signals.requests;
        match message.kind {
            CALL if is_request(&message.member) => {
                let call = CallId { sender: message.sender.clone(), serial: message.serial };
                if let Some(actor) = bus.caller(&message.sender)? {
                    requests.called(&message.member, units(message), actor, call);
                }
            }
            ERROR => requests.refused(&CallId { sender: message.destination.clone(), serial: message.reply_serial }),
            _ => {}
        }
        Ok(())
    }

    fn hear(&self, bus: &mut Bus, message: &Message, feed: &Feed) -> io::Result<()> {
        if message.kind != SIGNAL {
            return Ok(());
        }
        match message.member.as_str() {
            // The manager was started anew, and has forgotten who listens.
            "NameOwnerChanged" => return bus.learn(),
            "UnitFilesChanged" => self.signals.missed.store(true, Ordering::Relaxed),
            "Reloading" => {
                let done = message.arguments().is_some_and(|done| done.first().and_then(Value::number) == Some(0));
                self.signals.missed.fetch_or(done, Ordering::Relaxed);
            }
            _ => {}
        }
        let who = |unit: &str, activity| self.signals.requests.who(unit, Some(activity));
        if let Some(Told { name, activity, actor }) = bus.running.hear(message, who) {
            feed.tell(record(now(), actor, self.service(name, activity)));
        }
        Ok(())
    }

    fn service(&self, name: String, activity: ServiceActivity) -> Activity {
        let unit = self.reader.find_unit(&name, "");
        let (path, command) = unit.map(|(path, text)| (path, text.command(&name))).unwrap_or_default();
        Activity::Service { change: ServiceChange { activity, name, path, command } }
    }
}

struct Bus {
    calls: Connection,
    /// Without it, who asked is not known.
    monitor: Option<Connection>,
    running: Running,
}

impl Bus {
    fn ask_bus(&mut self, member: &str, arguments: &[Argument<'_>]) -> io::Result<Message> {
        self.calls.ask(&Call { destination: BUS, path: BUS_PATH, interface: BUS, member, arguments })
    }

    fn ask_manager(&mut self, member: &str) -> io::Result<Message> {
        let interface = MANAGER_INTERFACE;
        self.calls.ask(&Call { destination: MANAGER, path: MANAGER_PATH, interface, member, arguments: &[] })
    }

    /// Asks the manager to speak, and for what runs already.
    fn learn(&mut self) -> io::Result<()> {
        self.ask_manager("Subscribe")?;
        let units = self.ask_manager("ListUnits")?.arguments().unwrap_or_default();
        self.running.learn(units.first().map(Value::list).unwrap_or_default());
        Ok(())
    }

    /// `None` where the caller has gone already.
    fn caller(&mut self, name: &str) -> io::Result<Option<RawActor>> {
        match self.ask_bus("GetConnectionUnixProcessID", &[Argument::Text(name)]) {
            Ok(answer) => {
                let pid = answer.arguments().and_then(|pid| pid.first()?.number()).and_then(|pid| pid.try_into().ok());
                Ok(pid.map(|pid| RawActor { pid, start_ticks: procfs::start_ticks(pid) }))
            }
            Err(error) if error.kind() == io::ErrorKind::Other => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the monitor, and whether the other connection has something.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let calls = (self.calls.fd(), PollFlags::POLLIN);
        Ok(match &self.monitor {
            Some(monitor) => {
                let [called, spoken] = ready([(monitor.fd(), PollFlags::POLLIN), calls])?;
                (called, spoken)
            }
            None => (false, ready([calls])?[0]),
        })
    }
}

/// The units that a call names: its texts and lists of texts.
fn units(call: &Message) -> Vec<String> {
    let arguments = call.arguments().unwrap_or_default();
    let named = arguments.iter().flat_map(|argument| match argument {
        Value::List(list) => list.iter().filter_map(Value::text).collect::<Vec<_>>(),
        other => other.text().into_iter().collect(),
    });
    named
        .filter(|name| name.contains('.') && name.len() <= UNIT_NAME_BYTES_MAX)
        .take(UNITS_NAMED_MAX)
        .map(str::to_owned)
        .collect()
}
