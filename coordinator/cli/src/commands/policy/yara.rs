//! Owns: the YARA rules that go into a bundle: those that come with Picket or those of given folders, compiled to be sure.
//! Never: scanning.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use picket_detect::RuleSource;
use picket_policy::{RuleText, limits};

use super::texts::{self, Wanted};
use crate::failure::Failure;

const RULES: Wanted = Wanted {
    what: "YARA rule (*.yar)",
    is: is_rule,
    files_max: limits::YARA_FILES_MAX,
    bytes_max: limits::YARA_FILE_BYTES_MAX,
};

/// Hosts give up after a minute, and most of them are slower than the machine where bundles are signed.
const COMPILE_WITHIN: Duration = Duration::from_secs(30);

/// The rules of these folders, and the shipped ones where they are wanted.
pub fn chosen(folders: &[PathBuf], shipped: bool) -> Result<Vec<RuleText>, Failure> {
    let mut rules = texts::from_folders(folders, &RULES)?;
    if shipped {
        let pack = picket_detect::yara_pack().into_iter();
        rules.extend(pack.map(|rule| RuleText { file: format!("picket/{}", rule.file), text: rule.text }));
    }
    Ok(rules)
}

/// Hosts refuse a bundle with rules that do not compile, or not in time; so it is not signed in the first place.
pub fn check(rules: &[RuleText]) -> Result<(), Failure> {
    if rules.is_empty() {
        return Ok(());
    }
    let sources: Vec<RuleSource> =
        rules.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect();
    let (told, compiled) = sync_channel(1);
    // Rules that do not come to an end would hold up whoever signs them; with this command their thread ends.
    let work = move || told.send(picket_yara::compile(&sources).map(|compiled| compiled.rules.len()));
    let thread = std::thread::Builder::new().name("yara".into()).spawn(work);
    thread.map_err(|error| Failure::failed(format!("YARA rules cannot be compiled: {error}"), ""))?;
    match compiled.recv_timeout(COMPILE_WITHIN) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(errors)) => {
            let listed: String = errors.iter().map(|error| format!("\n  {error}")).collect();
            Err(Failure::failed(
                format!("these YARA rules do not compile:{listed}"),
                "nothing is signed or applied until they do",
            ))
        }
        Err(RecvTimeoutError::Timeout) => Err(Failure::failed(
            format!("these YARA rules take longer than {} s to compile", COMPILE_WITHIN.as_secs()),
            "hosts would refuse them; nothing is signed or applied",
        )),
        Err(RecvTimeoutError::Disconnected) => Err(Failure::failed(
            "these YARA rules end the compiler",
            "nothing is signed or applied; leave out the last you added",
        )),
    }
}

fn is_rule(name: &str) -> bool {
    let stem = name.strip_suffix(".yar").or_else(|| name.strip_suffix(".yara"));
    stem.is_some_and(|stem| !stem.starts_with('.') && !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use picket_policy::RuleText;

    use super::{check, chosen};

    #[test]
    fn the_shipped_rules_compile_and_a_bad_one_is_named() {
        let pack = chosen(&[], true).unwrap();
        assert!(pack.len() >= 4 && chosen(&[], false).unwrap().is_empty());
        check(&pack).unwrap();
        let bad = RuleText { file: "bad.yar".into(), text: "rule one {\n  condition: nothing_of_the_kind }\n".into() };
        let refused = check(&[bad]).unwrap_err().to_string();
        assert!(refused.contains("bad.yar:2:14: "), "{refused}");
    }

    #[test]
    fn rules_are_found_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yar", "a.yara", "notes.md", ".hidden.yar"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let found = chosen(&[dir.path().to_path_buf()], false).unwrap();
        assert_eq!(found.iter().map(|rule| rule.file.as_str()).collect::<Vec<_>>(), ["a.yara", "b.yar"]);
    }
}
