//! Owns: fetching lists of indicators that a bundle names: asked for in parts, kept as they come, gone on with later.
//! Never: believing a part; whoever uses a list compares its digest first.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use picket_model::Sha256;
use picket_wire::Message;
use picket_wire::limits::LIST_PART_BYTES_MAX;
use picket_wire::v1::message::{ListPart, ListRequest};
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::framing::{FrameReader, write};
use super::session::Broken;
use super::uplink::Downlink;

/// One part and its envelope.
const ANSWER_BYTES_MAX: usize = LIST_PART_BYTES_MAX + 1024;
/// A part over a slow line; a coordinator that does not know of lists never answers.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// A list that is to be fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedList {
    pub sha256: Sha256,
    pub bytes: u64,
    /// Where its bytes go; what is there already is not fetched again.
    pub part: PathBuf,
}

/// Until the connection breaks; then whoever wanted a list wants it again.
pub(super) async fn run(
    connection: &Connection,
    wanted: &mut mpsc::Receiver<WantedList>,
    down: &mpsc::Sender<Downlink>,
) -> Result<(), Broken> {
    let mut stream: Option<(SendStream, FrameReader)> = None;
    while let Some(list) = wanted.recv().await {
        let (send, reader) = match &mut stream {
            Some(open) => open,
            none => {
                let (send, receive) = connection.open_bi().await?;
                none.insert((send, FrameReader::new(receive, ANSWER_BYTES_MAX)))
            }
        };
        let outcome = fetch(send, reader, &list).await?;
        let told = Downlink::List { sha256: list.sha256, outcome };
        down.send(told).await.map_err(|_| Broken::Lost("nobody takes what comes down".into()))?;
    }
    Ok(())
}

/// The inner error is about this list alone.
async fn fetch(
    send: &mut SendStream,
    reader: &mut FrameReader,
    list: &WantedList,
) -> Result<Result<(), String>, Broken> {
    // Wanted twice, and here since.
    if list.part.with_extension("").exists() {
        return Ok(Ok(()));
    }
    let mut part = match open(list) {
        Ok(part) => part,
        Err(error) => return Ok(Err(format!("cannot keep it at {}: {error}", list.part.display()))),
    };
    let mut offset = part.metadata().map(|meta| meta.len()).unwrap_or(0);
    while offset < list.bytes {
        write(send, &Message::ListRequest(ListRequest { sha256: list.sha256.0, offset })).await?;
        let Ok(answer) = timeout(ANSWER_DEADLINE, reader.next()).await else {
            return Err(Broken::Lost("the coordinator does not answer for a list of indicators".into()));
        };
        let Message::ListPart(ListPart { sha256, offset: from, total, bytes }) = answer? else {
            return Err(Broken::protocol("a list's part was asked for and something else came".into()));
        };
        if total == 0 {
            return Ok(Err("the coordinator does not have it; apply the bundle again with its lists".to_owned()));
        }
        if sha256 != list.sha256.0 || from != offset || total != list.bytes || bytes.is_empty() {
            return Err(Broken::protocol("a part of another list, or of another place in it".into()));
        }
        if let Err(error) = part.write_all(&bytes) {
            return Ok(Err(format!("cannot keep it at {}: {error}", list.part.display())));
        }
        offset += bytes.len() as u64;
    }
    Ok(part.sync_all().map_err(|error| format!("cannot keep it at {}: {error}", list.part.display())))
}

/// Too long already: it is something else, and begun anew.
fn open(list: &WantedList) -> std::io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&list.part)?;
    if file.metadata()?.len() > list.bytes {
        file.set_len(0)?;
    }
    Ok(file)
}
