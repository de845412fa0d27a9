//! Owns: one segment file: records in order, each with length and checksum; a torn tail is cut off and a damaged record
//! replaced when it is opened.
//! Never: which records to keep, or another number for a record than it had.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use picket_model::Lane;
use picket_wire::limits::RECORD_BYTES_MAX;

use crate::room;

/// Length u32 and crc32c u32, little endian, before each record.
pub(super) const ENTRY_HEADER_BYTES: u64 = 8;
/// A system call for each record would cost more than making it. Some 200 records; beyond it they are written at once.
const UNWRITTEN_MAX: usize = 64 << 10;

pub(super) struct Segment {
    pub path: PathBuf,
    pub first: u64,
    pub count: u64,
    /// With what is not yet written.
    pub bytes: u64,
    /// The tail was cut off when it was opened: a write that a crash interrupted, or damage with unknown numbers.
    pub torn: bool,
    /// Records that were unreadable and have been replaced, each under its own number.
    pub damaged: u64,
    file: Arc<File>,
    /// Whole entries that follow what the file holds.
    unwritten: Vec<u8>,
}

pub(super) fn path(dir: &Path, lane: Lane, first: u64) -> PathBuf {
    dir.join(format!("{}-{first:020}.seg", lane.word()))
}

/// The first numbers of a lane's segments on disk, in order.
pub(super) fn firsts(dir: &Path, lane: Lane) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(lane.word()).and_then(|rest| rest.strip_prefix('-'));
        firsts.extend(number.and_then(|rest| rest.strip_suffix(".seg")?.parse::<u64>().ok()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Segment {
    /// Opens a segment and counts its records; what is behind the last whole one is cut off. `expected`: how many it
    /// has, where that is known; every one of them that cannot be read is replaced by a `filler`, so that no number is
    /// missing and none means another record than before.
    pub fn open(path: PathBuf, first: u64, expected: Option<u64>, filler: Filler<'_>) -> io::Result<Self> {
        let file = open(&path)?;
        let (mut slots, end) = scan(&file)?;
        let length = file.metadata()?.len();
        // Behind damage the numbers are certain only where all of them are accounted for.
        let certain = expected.map_or(end == length, |expected| expected == slots.len() as u64);
        let sound = slots.iter().position(Option::is_none);
        if let Some(first_bad) = sound.filter(|_| !certain) {
            slots.truncate(first_bad);
        }
        let torn = expected.is_none() && if sound.is_some() { !certain } else { end < length };
        slots.resize(expected.map_or(slots.len(), |count| usize::try_from(count).unwrap_or(usize::MAX)), None);
        let damaged = slots.iter().filter(|slot| slot.is_none()).count() as u64;
        let count = slots.len() as u64;
        let mut bytes = slots.iter().flatten().map(|slot| ENTRY_HEADER_BYTES + slot.length).sum();
        let mut file = file;
        if damaged > 0 {
            (file, bytes) = rewrite(&path, &file, &slots, filler)?;
        } else if bytes < length {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        Ok(Self { path, first, count, bytes, torn, damaged, file: Arc::new(file), unwritten: Vec::new() })
    }

    /// Takes room on the disk for what will follow.
    pub fn room(&self, bytes: u64) -> io::Result<()> {
        room::ahead(&self.file, self.bytes, bytes)
    }

    /// The sequence number that the next record gets.
    pub const fn next(&self) -> u64 {
        self.first + self.count
    }

    /// Takes the record whole or not at all; it is in the file after [`Segment::write_out`], on disk after
    /// [`Segment::sync`].
    pub fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.unwritten.len() + record.len() > UNWRITTEN_MAX {
            self.write_out()?;
        }
        frame(&mut self.unwritten, record);
        self.bytes += ENTRY_HEADER_BYTES + record.len() as u64;
        self.count += 1;
        Ok(())
    }

    /// As [`Segment::append`] and in the file when it returns; not taken where that fails.
    pub fn append_through(&mut self, record: &[u8]) -> io::Result<()> {
        self.append(record)?;
        self.write_out().inspect_err(|_| {
            let entry = ENTRY_HEADER_BYTES + record.len() as u64;
            self.unwritten.truncate(self.unwritten.len().saturating_sub(usize::try_from(entry).unwrap_or(usize::MAX)));
            self.bytes -= entry;
            self.count -= 1;
        })
    }

    /// Writes what was appended. After a failed write (a full disk) the half entry is cut off again, and all of it waits
    /// for the next try.
    pub fn write_out(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let written = self.bytes - self.unwritten.len() as u64;
        if let Err(error) = self.file.write_all_at(&self.unwritten, written) {
            self.file.set_len(written)?;
            return Err(error);
        }
        self.unwritten.clear();
        Ok(())
    }

    pub fn sync(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.file.sync_data()
    }

    /// What has to be synced for all that is written out, by somebody who need not hold the segment meanwhile.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Records from the entry at `offset` on, until one of the limits; and the offset behind them.
    pub fn read(&self, offset: u64, records: usize, bytes: usize) -> io::Result<(Vec<Vec<u8>>, u64)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut reader = io::BufReader::new(file);
        let (mut found, mut size, mut end) = (Vec::new(), 0, offset);
        while found.len() < records && size < bytes {
            let Found::Whole(record) = read_entry(&mut reader)? else { break };
            size += record.len();
            end += ENTRY_HEADER_BYTES + record.len() as u64;
            found.push(record);
        }
        Ok((found, end))
    }

    /// Where the record `seq` begins.
    pub fn offset_of(&self, seq: u64) -> io::Result<u64> {
        let skipped = usize::try_from(seq - self.first).unwrap_or(usize::MAX);
        Ok(self.read(0, skipped, usize::MAX)?.1)
    }
}

impl Drop for Segment {
    /// An agent that ends leaves what it took; the next one makes it durable.
    fn drop(&mut self) {
        if let Err(error) = self.write_out() {
            tracing::error!(%error, path = %self.path.display(), "records of the spool could not be written");
        }
    }
}

/// The checksum of frames.
fn crc32c(record: &[u8]) -> u32 {
    picket_wire::frame::checksum(record)
}

/// Makes a record that stands in the place of one that cannot be read.
pub(super) type Filler<'a> = &'a dyn Fn() -> io::Result<Vec<u8>>;

/// Where a whole record lies, header excluded.
#[derive(Clone, Copy)]
struct Slot {
    offset: u64,
    length: u64,
}

/// Every entry up to the first that has no end, `None` for one with a wrong checksum; and where they end.
fn scan(mut file: &File) -> io::Result<(Vec<Option<Slot>>, u64)> {
    let (mut slots, mut end) = (Vec::new(), 0);
    file.seek(SeekFrom::Start(0))?;
    let mut reader = io::BufReader::new(file);
    loop {
        let (length, whole) = match read_entry(&mut reader)? {
            Found::Whole(record) => (record.len() as u64, true),
            Found::Damaged(length) => (length, false),
            Found::End => return Ok((slots, end)),
        };
        slots.push(whole.then_some(Slot { offset: end + ENTRY_HEADER_BYTES, length }));
        end += ENTRY_HEADER_BYTES + length;
    }
}

/// Writes the segment anew, with a filler for each hole; a crash leaves the old one or the new one.
fn rewrite(path: &Path, old: &File, slots: &[Option<Slot>], filler: Filler<'_>) -> io::Result<(File, u64)> {
    let mut bytes = Vec::new();
    for slot in slots {
        let record = match slot {
            Some(Slot { offset, length }) => {
                let mut record = vec![0; usize::try_from(*length).unwrap_or(usize::MAX)];
                old.read_exact_at(&mut record, *offset)?;
                record
            }
            None => filler()?,
        };
        frame(&mut bytes, &record);
    }
    let draft = path.with_extension("seg.new");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok((file, bytes.len() as u64))
}

fn frame(entries: &mut Vec<u8>, record: &[u8]) {
    entries.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
    entries.extend_from_slice(&crc32c(record).to_le_bytes());
    entries.extend_from_slice(record);
}

enum Found {
    Whole(Vec<u8>),
    /// As many bytes as its header says, but not those that were written.
    Damaged(u64),
    /// Nothing more, or nothing of which the end is known.
    End,
}

fn read_entry(reader: &mut impl Read) -> io::Result<Found> {
    let mut header = [0; 8];
    if !fill(reader, &mut header)? {
        return Ok(Found::End);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    // An encoded record is never empty: zeros are a file system's unwritten tail.
    if length == 0 || length > RECORD_BYTES_MAX {
        return Ok(Found::End);
    }
    let mut record = vec![0; length];
    if !fill(reader, &mut record)? {
        return Ok(Found::End);
    }
    if crc32c(&record) == u32::from_le_bytes([c0, c1, c2, c3]) {
        Ok(Found::Whole(record))
    } else {
        Ok(Found::Damaged(length as u64))
    }
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
