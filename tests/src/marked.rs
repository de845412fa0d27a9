//! Owns: a bundle that acts alone, and only on processes that carry one test's own marker; and such a process.
//! Never: a rule that could match anything else.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::estate::Estate;
use crate::eventually;

/// How long a kill may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that carries the marker, and ends with the value.
pub struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Victim {
    pub fn start(marker: &str) -> Result<Self> {
        // A second operand that is no number would end sleep at once; the name carries the marker instead.
        let mut command = Command::new("/bin/sleep");
        Ok(Self(command.arg0(marker).arg("120").stdin(Stdio::null()).spawn()?))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_none())
    }

    pub fn is_killed(&mut self) -> bool {
        eventually(PATIENCE, || self.0.try_wait().ok().flatten()).is_some_and(|status| status.signal() == Some(9))
    }
}

/// Signs a bundle whose rules kill and quarantine what carries `marker`, under the estate's own key.
pub fn sign(estate: &Estate, marker: &str, version: u64) -> Result<PathBuf> {
    sign_more(estate, marker, version, &[])
}

/// The same with more arguments for `picket policy sign`.
pub fn sign_more(estate: &Estate, marker: &str, version: u64, more: &[&str]) -> Result<PathBuf> {
    sign_within(estate, marker, version, 1_000, more)
}

/// The same with so many kills an hour.
pub fn sign_within(estate: &Estate, marker: &str, version: u64, kills: u32, more: &[&str]) -> Result<PathBuf> {
    let folder = estate.root().join(format!("bundle-{version}"));
    let rules = folder.join("rules");
    fs::create_dir_all(&rules)?;
    let rule = |name: &str, id: u8, category: &str, field: &str, response: &str| {
        format!(
            "title: {name}\nname: {name}\nid: 5a0f1d2e-5d1b-4f43-9d0c-7f9b6a1c2e{id:02x}\nstatus: test\nlevel: high\n\
             logsource: {{product: linux, category: {category}}}\n\
             detection: {{selection: {{{field}: '{marker}'}}, condition: selection}}\n\
             tags: [attack.execution, attack.t1059.004]\n\
             picket: {{family: process, response: [{response}]}}\n"
        )
    };
    let process = rule("marked_process", 1, "process_creation", "CommandLine|contains", "kill_tree");
    let file = rule("marked_file", 2, "file_event", "TargetFilename|contains", "quarantine_file");
    fs::write(rules.join("process.yml"), process)?;
    fs::write(rules.join("file.yml"), file.replace("family: process", "family: file"))?;
    fs::write(
        folder.join("test.toml"),
        format!(
            "name = \"test\"\nlease_ms = 86400000\nconservative = \"ask\"\n\
             [budgets]\nkill_tree = {kills}\nquarantine_file = 1000\n"
        ),
    )?;
    fs::write(
        folder.join("test.cedar"),
        "@id(\"test.act\")\npermit (principal, action, resource) when { context.scope != \"host\" };\n",
    )?;
    sign_with(estate, &folder, &rules, version, more)
}

fn sign_with(estate: &Estate, folder: &Path, rules: &Path, version: u64, more: &[&str]) -> Result<PathBuf> {
    let out = folder.join("signed");
    let text = |path: &Path| path.display().to_string();
    let key = estate.root().join("coordinator/policy.key");
    let version = version.to_string();
    let (bundle, cedar) = (text(&folder.join("test.toml")), text(&folder.join("test.cedar")));
    let (rules, key, signed) = (text(rules), text(&key), text(&out));
    let arguments = ["policy", "sign", "--bundle", &bundle, "--cedar", &cedar, "--rules", &rules];
    let rest = ["--key", &key, "--version", &version, "--out", &signed];
    estate.picket(&[&arguments[..], &rest[..], more].concat())?;
    Ok(out)
}

/// Applies it and waits until this host says that it is in force.
pub fn apply(estate: &Estate, signed: &Path, version: u64) -> Result<()> {
    estate.picket(&["policy", "apply", &signed.display().to_string()])?;
    estate.wait("the bundle is in force on the host", |estate| {
        let hosts = estate.json(&["hosts"]).ok()?;
        hosts.as_array()?.iter().any(|host| host["status"]["bundle"] == version).then_some(())
    })
}

/// A coordinator and an agent under such a bundle.
pub fn estate(marker: &str) -> Result<Estate> {
    let mut estate = Estate::start()?;
    estate.enrol()?;
    estate.start_agent()?;
    let signed = sign(&estate, marker, 2)?;
    apply(&estate, &signed, 2)?;
    Ok(estate)
}
