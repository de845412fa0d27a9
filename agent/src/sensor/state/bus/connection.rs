//! Owns: one connection to a message bus: signing on, calls, and messages as they come.
//! Never: what a message says.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::wire::{Call, ERROR, HEAD_BYTES, MESSAGE_BYTES_MAX, Message, RETURN, length};

/// A bus answers at once; one that does not is as good as none.
const PATIENCE: Duration = Duration::from_secs(5);
/// One read; a large message takes several.
const READ_BYTES: usize = 64 << 10;
/// Messages that come while an answer is waited for; what is beyond is counted.
const WAITING_MAX: usize = 4096;
/// An answer to signing on is one short line.
const LINE_BYTES_MAX: usize = 1024;

pub const BUS: &str = "org.freedesktop.DBus";
pub const BUS_PATH: &str = "/org/freedesktop/DBus";

pub struct Connection {
    stream: UnixStream,
    /// What has been read of messages that are not whole yet.
    buffer: Vec<u8>,
    /// So many bytes to come belong to a message that is too large to keep.
    skipping: usize,
    waiting: VecDeque<Message>,
    serial: u32,
    lost: u64,
}

impl Connection {
    /// # Errors
    /// Where there is no bus, or it does not take this process.
    pub fn open(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let uid: String = nix::unistd::geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let answer = line(&mut stream)?;
        if !answer.starts_with("OK") {
            return Err(io::Error::other(format!("the bus refuses this process: {answer}")));
        }
        stream.write_all(b"BEGIN\r\n")?;
        let mut connection =
            Self { stream, buffer: Vec::new(), skipping: 0, waiting: VecDeque::new(), serial: 0, lost: 0 };
        let hello = Call { destination: BUS, path: BUS_PATH, interface: BUS, member: "Hello", arguments: &[] };
        connection.ask(&hello)?;
        Ok(connection)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Messages that were too large, or too many; since the last time this was asked.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Calls, and waits for the answer. What comes meanwhile is kept for [`Self::receive`].
    ///
    /// # Errors
    /// With the bus's own words where it refuses, and where it does not answer.
    pub fn ask(&mut self, call: &Call<'_>) -> io::Result<Message> {
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        self.stream.write_all(&call.bytes(serial))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            while let Some(message) = self.message()? {
                if message.reply_serial == serial && matches!(message.kind, RETURN | ERROR) {
                    return answer(call, message);
                }
                if self.waiting.len() < WAITING_MAX {
                    self.waiting.push_back(message);
                } else {
                    self.lost += 1;
                }
            }
            self.read()?;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("the bus does not answer {}", call.member)))
    }

    /// The next message, where one has come: `ready` says that the socket can be read without waiting.
    ///
    /// # Errors
    /// Where the bus has gone, or what it sends is not D-Bus.
    pub fn receive(&mut self, ready: bool) -> io::Result<Vec<Message>> {
        if ready {
            self.read()?;
        }
        let mut found: Vec<Message> = self.waiting.drain(..).collect();
        while let Some(message) = self.message()? {
            found.push(message);
        }
        Ok(found)
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the bus has gone")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        let skipped = count.min(self.skipping);
        self.skipping -= skipped;
        self.buffer.extend_from_slice(bytes.get(skipped..count).unwrap_or_default());
        Ok(())
    }

    /// The first whole message of the buffer. One that cannot be read is left out and counted.
    fn message(&mut self) -> io::Result<Option<Message>> {
        loop {
            let Some(head) = self.buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
            let whole = length(head).ok_or_else(|| io::Error::other("what the bus sends is not D-Bus"))?;
            if whole > MESSAGE_BYTES_MAX {
                let here = whole.min(self.buffer.len());
                self.buffer.drain(..here);
                self.skipping = whole - here;
                self.lost += 1;
                continue;
            }
            if self.buffer.len() < whole {
                return Ok(None);
            }
            let parsed = self.buffer.get(..whole).and_then(Message::parse);
            self.buffer.drain(..whole);
            match parsed {
                Some(message) => return Ok(Some(message)),
                None => self.lost += 1,
            }
        }
    }
}

fn answer(call: &Call<'_>, message: Message) -> io::Result<Message> {
    if message.kind == RETURN {
        return Ok(message);
    }
    let arguments = message.arguments().unwrap_or_default();
    let why = arguments.first().and_then(|why| why.text()).unwrap_or("without a reason");
    Err(io::Error::other(format!("{} is refused: {why}", call.member)))
}

fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_BYTES_MAX && !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
