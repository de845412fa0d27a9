//! Owns: step four: a decoy of a credential file is read.
//! Never: a real credential.

use super::super::Drill;
use super::super::act::Act;
use super::super::outcome::Outcome;
use crate::failure::Failure;

const DECOY: &str = "[default]\n# A decoy from `picket drill`; these keys open nothing.\naws_access_key_id = DECOY\naws_secret_access_key = DECOY\n";
/// The shell itself reads, again and again until it is stopped: a tier without BPF watches a name from the moment after
/// it appeared, and the decoy has just appeared.
const SCRIPT: &str = r#"for _ in $(seq 120); do while read -r line; do :; done < "$1"; sleep 0.5; done"#;

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    let marker = drill.den.marker("credential");
    let path = drill.den.directory(&format!("{marker}/.aws"))?.join("credentials");
    std::fs::write(&path, DECOY).map_err(|cause| Failure::File {
        what: "write",
        path: path.display().to_string(),
        cause,
    })?;
    let act = Act::start("/bin/sh", &["-c", SCRIPT, &marker, &path.display().to_string()], &marker)?;
    super::killed(drill, "credential-read", &act, &marker, &["read", "credential", "file"])
}
