//! Owns: lists of indicators on disk: which of a bundle's are here, whole and unchanged; which are of no use any more.
//! Never: fetching one, or reading one whose digest is not the bundle's.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use picket_detect::{Gathering, ListReader};
use picket_policy::ListRef;

use crate::digest::digest;
use crate::report::WantedList;

/// Read at once.
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Clone)]
pub struct Lists {
    folder: PathBuf,
}

impl Lists {
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("lists") }
    }

    fn whole(&self, list: &ListRef) -> PathBuf {
        self.folder.join(list.sha256.to_string())
    }

    fn part(&self, list: &ListRef) -> PathBuf {
        self.folder.join(format!("{}.part", list.sha256))
    }

    /// Those that are not here yet. What was fetched is whole only when its digest says so; else it is begun anew.
    pub fn missing(&self, lists: &[ListRef]) -> std::io::Result<Vec<WantedList>> {
        let mut missing = Vec::new();
        for list in lists.iter().filter(|list| !self.whole(list).exists()) {
            fs::create_dir_all(&self.folder)?;
            let part = self.part(list);
            let fetched = File::open(&part).and_then(|file| Ok((file.metadata()?.len(), file)));
            if let Ok((length, file)) = fetched
                && length >= list.bytes
            {
                if digest(&file, list.bytes, None)? == Some(list.sha256) {
                    fs::rename(&part, self.whole(list))?;
                    continue;
                }
                tracing::warn!(list = %list.sha256, "what was fetched is another list; it is fetched anew");
                fs::remove_file(&part)?;
            }
            missing.push(WantedList { sha256: list.sha256, bytes: list.bytes, part });
        }
        Ok(missing)
    }

    /// Takes up every list. One that was changed on disk is taken away, so that it is fetched again.
    pub fn gather(&self, lists: &[ListRef], gathering: &mut Gathering) -> Result<(), String> {
        for list in lists {
            let path = self.whole(list);
            let wrong = |why: String| format!("the list of indicators {} ({}): {why}", list.sha256, list.kind);
            let file = File::open(&path).map_err(|error| wrong(error.to_string()))?;
            if digest(&file, list.bytes, None).map_err(|error| wrong(error.to_string()))? != Some(list.sha256) {
                let _ = fs::remove_file(&path);
                return Err(wrong("it was changed on disk; it is fetched again".to_owned()));
            }
            let reader = ListReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
            let reader = reader.map_err(|error| wrong(error.to_string()))?;
            if reader.kind().word() != list.kind || reader.count() != list.entries {
                return Err(wrong("it is not what the bundle says of it".to_owned()));
            }
            gathering.list(reader).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(())
    }

    /// Only these are still of use.
    pub fn keep_only(&self, lists: &[ListRef]) {
        let names: HashSet<String> = lists.iter().map(|list| list.sha256.to_string()).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !names.contains(name.trim_end_matches(".part")) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use picket_detect::{Gathering, ListKind, ListWriter};
    use picket_model::Sha256;
    use picket_policy::ListRef;
    use sha2::Digest;

    use super::Lists;

    #[test]
    fn a_list_counts_only_while_its_digest_is_the_bundles() {
        let dir = tempfile::tempdir().unwrap();
        let lists = Lists::new(dir.path());
        let mut writer = ListWriter::new(ListKind::Addresses);
        writer.add("203.0.113.9").unwrap();
        let (bytes, entries) = writer.finish();
        let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
        let list = ListRef { kind: "addresses".into(), sha256, bytes: bytes.len() as u64, entries };
        let all = [list.clone()];
        let wanted = lists.missing(&all).unwrap();
        assert_eq!(wanted[0].bytes, list.bytes);

        std::fs::write(&wanted[0].part, &bytes[..5]).unwrap();
        assert_eq!(lists.missing(&all).unwrap(), wanted, "it is gone on with");
        assert!(wanted[0].part.exists());
        let mut other = bytes.clone();
        other[20] ^= 1;
        std::fs::write(&wanted[0].part, &other).unwrap();
        assert_eq!(lists.missing(&all).unwrap(), wanted);
        assert!(!wanted[0].part.exists(), "what is another list is begun anew");
        std::fs::write(&wanted[0].part, &bytes).unwrap();
        assert!(lists.missing(&all).unwrap().is_empty());

        let mut gathering = Gathering::default();
        lists.gather(&all, &mut gathering).unwrap();
        assert!(gathering.finish().has_address("203.0.113.9".parse::<IpAddr>().unwrap()));
        let lying = ListRef { entries: entries + 1, ..list.clone() };
        assert!(lists.gather(&[lying], &mut Gathering::default()).is_err());

        std::fs::write(lists.whole(&list), &other).unwrap();
        assert!(lists.gather(&all, &mut Gathering::default()).unwrap_err().contains("changed on disk"));
        assert_eq!(lists.missing(&all).unwrap(), wanted, "it is fetched again");
        std::fs::write(lists.whole(&list), &bytes).unwrap();
        lists.keep_only(&[]);
        assert!(!lists.whole(&list).exists());
    }
}
