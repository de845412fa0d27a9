//! Owns: one segment file: records in order, each with length and checksum, a torn tail cut off when opened.
//! Never: which records to keep.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use picket_wire::limits::RECORD_BYTES_MAX;

/// Length u32 and crc32c u32, little endian, before each record.
pub(super) const ENTRY_HEADER_BYTES: u64 = 8;

pub(super) struct Segment {
    pub path: PathBuf,
    pub first: u64,
    pub count: u64,
    pub bytes: u64,
    /// Bytes cut from the tail when it was opened: a write that a crash interrupted.
    pub torn: u64,
    file: File,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Segment {
    /// Opens a segment, counts its whole records and cuts off what follows them.
    pub fn open(path: PathBuf, first: u64) -> io::Result<Self> {
        let mut file = open(&path)?;
        let length = file.metadata()?.len();
        let (mut count, mut bytes) = (0, 0);
        file.seek(SeekFrom::Start(0))?;
        let mut reader = io::BufReader::new(&file);
        while let Some(record) = read_entry(&mut reader)? {
            count += 1;
            bytes += ENTRY_HEADER_BYTES + record.len() as u64;
        }
        if bytes < length {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        Ok(Self { path, first, count, bytes, torn: length - bytes, file })
    }

    /// The sequence number that the next record gets.
    pub const fn next(&self) -> u64 {
        self.first + self.count
    }

    /// Appends whole or not at all: after a failed write (a full disk) the half record is cut off again.
    pub fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let mut entry = Vec::with_capacity(record.len() + 8);
        entry.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        entry.extend_from_slice(&crc32c(record).to_le_bytes());
        entry.extend_from_slice(record);
        self.file.seek(SeekFrom::Start(self.bytes))?;
        if let Err(error) = self.file.write_all(&entry) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += entry.len() as u64;
        self.count += 1;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Records from the entry at `offset` on, until one of the limits; and the offset behind them.
    pub fn read(&self, offset: u64, records: usize, bytes: usize) -> io::Result<(Vec<Vec<u8>>, u64)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut reader = io::BufReader::new(file);
        let (mut found, mut size, mut end) = (Vec::new(), 0, offset);
        while found.len() < records && size < bytes {
            let Some(record) = read_entry(&mut reader)? else { break };
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

/// The checksum of frames.
fn crc32c(record: &[u8]) -> u32 {
    picket_wire::frame::checksum(record)
}

/// One whole entry, or `None` at the end or at a torn or damaged one.
fn read_entry(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; 8];
    if !fill(reader, &mut header)? {
        return Ok(None);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    // An encoded record is never empty: zeros are a file system's unwritten tail.
    if length == 0 || length > RECORD_BYTES_MAX {
        return Ok(None);
    }
    let mut record = vec![0; length];
    if !fill(reader, &mut record)? || crc32c(&record) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Ok(None);
    }
    Ok(Some(record))
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
