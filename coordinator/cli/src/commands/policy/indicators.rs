//! Owns: files of indicators, one a line, as the lists that travel beside a bundle.
//! Never: where indicators come from.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use picket_detect::{ListKind, ListWriter};
use picket_model::Sha256;
use picket_policy::{ListRef, limits};
use sha2::Digest;

use super::sign::stated;
use crate::api::Api;
use crate::failure::Failure;
use crate::files;

/// A line is one indicator, the longest a URL.
const LINE_BYTES_MAX: u64 = 4096;
/// As many mistakes are named; whoever has more has the wrong file.
const ERRORS_MAX: usize = 20;
/// Between two words on how far it has come.
const PROGRESS_LINES: u64 = 250_000;

/// A list, and how a bundle names it.
pub struct List {
    pub named: ListRef,
    pub bytes: Vec<u8>,
}

/// `KIND=FILE`, as it stands on a command line.
#[derive(Clone)]
pub struct Named {
    kind: ListKind,
    file: PathBuf,
}

pub fn parse(text: &str) -> Result<Named, String> {
    let kinds = ListKind::ALL.map(ListKind::word).join(", ");
    let (kind, file) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not KIND=FILE, with KIND of {kinds}"))?;
    let kind = ListKind::from_word(kind).ok_or_else(|| format!("`{kind}` is none of {kinds}"))?;
    Ok(Named { kind, file: file.into() })
}

/// The lists of these files. Empty lines and those that begin with `#` are let pass.
pub fn read(named: &[Named]) -> Result<Vec<List>, Failure> {
    named.iter().map(|Named { kind, file }| list(*kind, file)).collect()
}

fn list(kind: ListKind, path: &Path) -> Result<List, Failure> {
    let failure = |cause| Failure::File { what: "read", path: path.display().to_string(), cause };
    let mut reader = BufReader::new(File::open(path).map_err(failure)?);
    let mut writer = ListWriter::new(kind);
    let mut errors = Vec::new();
    let (mut line, mut text) = (0, Vec::new());
    loop {
        text.clear();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text).map_err(failure)? == 0 {
            break;
        }
        line += 1;
        if line % PROGRESS_LINES == 0 && std::io::stderr().is_terminal() {
            eprintln!("{}: {line} lines", path.display());
        }
        if text.len() as u64 == LINE_BYTES_MAX && !text.ends_with(b"\n") {
            // What follows would be taken for a line of its own.
            let what = format!("{}:{line}:1: the line has more than {LINE_BYTES_MAX} bytes", path.display());
            return Err(Failure::failed(what, "one indicator stands in a line; nothing is signed until it does"));
        }
        let entry = String::from_utf8_lossy(&text);
        let entry = entry.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        if let Err(reason) = writer.add(entry) {
            errors.push(format!("\n  {}:{line}:1: {reason}", path.display()));
            if errors.len() >= ERRORS_MAX {
                errors.push("\n  … and perhaps more".to_owned());
                break;
            }
        }
    }
    if !errors.is_empty() {
        let what = format!("these are no indicators of the kind {}:{}", kind.word(), errors.concat());
        return Err(Failure::failed(what, "nothing is signed until they are"));
    }
    let (bytes, entries) = writer.finish();
    let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
    Ok(List { named: ListRef { kind: kind.word().to_owned(), sha256, bytes: bytes.len() as u64, entries }, bytes })
}

/// The folder beside a bundle's file in which its lists lie, each under its digest.
fn folder(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".lists");
    name.into()
}

pub fn write_beside(bundle: &Path, lists: &[List]) -> Result<(), Failure> {
    if lists.is_empty() {
        return Ok(());
    }
    let folder = folder(bundle);
    let failure = |cause| Failure::File { what: "make", path: folder.display().to_string(), cause };
    std::fs::create_dir_all(&folder).map_err(failure)?;
    for list in lists {
        let path = folder.join(list.named.sha256.to_string());
        // Under its digest there can be nothing else.
        if !path.exists() {
            files::write_new(&path, &list.bytes, 0o644)?;
        }
    }
    Ok(())
}

/// Hands the coordinator the lists of a bundle that lie beside its file; it says itself which are wanting.
pub fn send_beside(api: &Api, bundle: &Path, signed: &[u8]) -> Result<(), Failure> {
    for named in stated::<Vec<ListRef>>(signed, "indicator_lists").unwrap_or_default() {
        let path = folder(bundle).join(named.sha256.to_string());
        if path.exists() {
            api.post_bytes("/v1/lists", &files::read(&path, limits::LIST_BYTES_MAX)?)?;
        }
    }
    Ok(())
}

pub fn send(api: &Api, lists: &[List]) -> Result<(), Failure> {
    lists.iter().try_for_each(|list| api.post_bytes("/v1/lists", &list.bytes).map(drop))
}

#[cfg(test)]
mod tests {
    use super::{ListKind, list, parse};

    #[test]
    fn a_file_becomes_a_list_and_its_mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.txt");
        std::fs::write(&path, "# ours\n\n203.0.113.9\n 198.51.100.0/24 \n203.0.113.9\n").unwrap();
        let found = list(ListKind::Addresses, &path).unwrap();
        assert_eq!((found.named.kind.as_str(), found.named.entries), ("addresses", 2));
        assert_eq!(found.named.bytes, found.bytes.len() as u64);
        std::fs::write(&path, "evil.example\nnot a domain\n\nneither\n").unwrap();
        let refused = list(ListKind::Domains, &path).err().unwrap().to_string();
        assert!(refused.contains("bad.txt:2:1: `not a domain`") && refused.contains("bad.txt:4:1: "), "{refused}");
        std::fs::write(&path, format!("# {}evil.example\n", "x".repeat(4094))).unwrap();
        let refused = list(ListKind::Domains, &path).err().unwrap().to_string();
        assert!(refused.contains("bad.txt:1:1: ") && refused.contains("4096 bytes"), "{refused}");
        assert!(parse("domain=x").is_err() && parse("x").is_err() && parse("domains=a=b").is_ok());
    }
}
