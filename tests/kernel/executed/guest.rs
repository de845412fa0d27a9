//! Owns: the guest in which procedures are run: a server with coordinator and agent, kept once and put back for each.
//! Never: judging what was seen.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use picket_tests::soc;
use picket_tests::vm::{Lab, Vm};

use crate::day;
use crate::procedures::{self, Procedure};

/// Longer than any of the data set needs under emulation, but for those that would go on for ever.
const COMMAND_SECONDS: u32 = 60;
/// How ssh itself ends when there is no session.
const SSH_FAILED: i32 = 255;
const KEPT: &str = "settled";
/// No run takes so long; a guest that was not put back soon lives longer.
const LIFE_SECONDS_MAX: f64 = 2400.0;
const SCRIPTS: [(&str, &str); 8] = [
    ("day-root.sh", include_str!("guest/day-root.sh")),
    ("day-dev.sh", include_str!("guest/day-dev.sh")),
    ("ansible-step.py", include_str!("guest/ansible-step.py")),
    ("lived-in.sh", include_str!("guest/lived-in.sh")),
    ("witness.sh", include_str!("guest/witness.sh")),
    ("state.sh", include_str!("guest/state.sh")),
    ("step.sh", include_str!("guest/step.sh")),
    ("collect.sh", include_str!("guest/collect.sh")),
];

pub struct Guest {
    vm: Vm,
    /// Seconds since the guest was booted, when it was kept.
    kept_at: f64,
}

/// All that is known of one run, as it came from the guest.
pub struct Raw {
    /// What the step said, and what the procedure printed.
    pub said: String,
    /// By name: events, detections, trace, changes, links, uptime.
    pub parts: BTreeMap<String, String>,
}

impl Guest {
    /// Boots a guest, enrols it with a coordinator of its own and keeps it once it is at rest. `rules` take the place of
    /// the shipped ones. Nothing is contained in it: a procedure that is stopped half-way would show half of itself.
    pub fn settled(lab: &Lab, all: &[Procedure], rules: Option<&Path>) -> Result<Self> {
        let payload = payload(all, rules)?;
        // Without procedures it is an ordinary day, which needs packages.
        if all.is_empty() {
            day::repository(&payload.path().join("repository"))?;
        }
        let mut vm = Vm::start(lab, "server", "10.9.0.1", payload.path())?;
        vm.wait_booted()?;
        vm.run("mkdir -p /opt/picket && cp /payload/bin/* /opt/picket/ && chmod 755 /opt/picket/*")?;
        vm.run("sh /payload/guest/lived-in.sh")?;
        soc::start_coordinator(&vm);
        vm.run(
            "cd /opt/picket; set --; [ ! -d /payload/rules ] || set -- --rules /payload/rules
             ./picket policy sign --unproved --shipped watch \"$@\" --key /var/lib/picket/coordinator/policy.key --version 1000 --out watch.bundle
             ./picket policy apply watch.bundle",
        )?;
        soc::start_agent(&vm, &vm, "");
        soc::wait(&vm, "the agent has its bundle", || {
            let hosts = soc::json(&vm, "hosts")?;
            (hosts[0]["status"]["bundle_name"] == "watch" && hosts[0]["status"]["tier"] == "full").then_some(())
        });
        vm.run("sh /payload/guest/witness.sh && sh /payload/guest/state.sh > /run/lab/before")?;
        vm.ssh_as("dev", "true")?;
        let kept_at = seconds(&vm.run("sync; cat /proc/uptime")?)?;
        vm.save(KEPT)?;
        Ok(Self { vm, kept_at })
    }

    /// Runs one procedure in a guest put back to what was kept.
    pub fn run(&self, procedure: &Procedure, keep: &Path) -> Result<Raw> {
        self.vm.restore(KEPT)?;
        let folder = format!("/payload/procedures/{}", procedure.test);
        let marker = format!("lab-settled-{}", procedure.test);
        let (shell, sudo) = (&procedure.shell, if procedure.elevated { "" } else { "sudo " });
        // One sign-in for all: it is what takes longest under emulation.
        let command = format!(
            "sh /payload/guest/step.sh {folder} {shell} {COMMAND_SECONDS} {marker} && \
             {sudo}sh /payload/guest/collect.sh {marker} {} && (timeout 30 {shell} {folder}/cleanup > /dev/null 2>&1; true)",
            self.kept_at
        );
        let mut output = self.vm.ssh_as(procedure.user(), &command)?;
        // On a starved machine the sign-in itself may run into its time limit, before anything was done.
        if output.status.code() == Some(SSH_FAILED) && output.stderr.is_empty() {
            self.vm.restore(KEPT)?;
            output = self.vm.ssh_as(procedure.user(), &command)?;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        fs::write(keep.join(format!("{}.said", procedure.test)), &said)?;
        if said.starts_with("lab: unmet") {
            return Ok(Raw { said, parts: BTreeMap::new() });
        }
        if !output.status.success() {
            bail!("{}: the guest answers {said}", procedure.test);
        }
        fs::write(keep.join(format!("{}.gz", procedure.test)), &output.stdout)?;
        let raw = Raw { said, parts: parts(&output.stdout)? };
        self.is_fresh(&procedure.test, &raw)?;
        Ok(raw)
    }

    /// Runs commands as users, one session after the other, in a guest put back to what was kept.
    pub fn act(&self, name: &str, steps: &[(&str, &str)], keep: &Path) -> Result<Raw> {
        self.vm.restore(KEPT)?;
        let mut said = String::new();
        for (user, command) in steps {
            let output = self.vm.ssh_as(user, command)?;
            said.push_str(&String::from_utf8_lossy(&output.stdout));
            said.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        fs::write(keep.join(format!("{name}.said")), &said)?;
        let raw = Raw { said, parts: self.collected(name, keep)? };
        self.is_fresh(name, &raw)?;
        Ok(raw)
    }

    fn collected(&self, name: &str, keep: &Path) -> Result<BTreeMap<String, String>> {
        let collect = format!("sh /payload/guest/collect.sh lab-settled-{name} {}", self.kept_at);
        let output =
            self.vm.ssh(&format!("test ! -e /run/lab/used && /usr/bin/true lab-settled-{name} && {collect}"))?;
        if !output.status.success() {
            bail!("{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(keep.join(format!("{name}.gz")), &output.stdout)?;
        parts(&output.stdout)
    }

    /// The guest's memory is that of the moment when it was kept: its own count of seconds has gone on from there, and
    /// nothing that an earlier run left is in the file systems.
    fn is_fresh(&self, name: &str, raw: &Raw) -> Result<()> {
        let now = seconds(raw.parts.get("uptime").map_or("", String::as_str))?;
        let life = now - self.kept_at;
        let changes = raw.parts.get("changes").map_or("", String::as_str);
        if !(0.0..LIFE_SECONDS_MAX).contains(&life) || changes.contains("/var/lib/used") {
            bail!("{name}: the guest is not what was kept: {life} s later, {changes:.400}");
        }
        Ok(())
    }
}

/// Reads again what an earlier run kept.
pub fn kept(procedure: &Procedure, keep: &Path) -> Result<Raw> {
    let file = |ending: &str| -> PathBuf { keep.join(format!("{}.{ending}", procedure.test)) };
    let said = fs::read_to_string(file("said")).with_context(|| file("said").display().to_string())?;
    let parts = match fs::read(file("gz")) {
        Ok(packed) => parts(&packed)?,
        Err(_) => BTreeMap::new(),
    };
    Ok(Raw { said, parts })
}

fn seconds(uptime: &str) -> Result<f64> {
    uptime.split_whitespace().next().and_then(|word| word.parse().ok()).context("the guest's uptime")
}

fn payload(all: &[Procedure], rules: Option<&Path>) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let bin = folder.path().join("bin");
    fs::create_dir_all(&bin)?;
    for name in ["picket", "picket-agent", "picket-coordinator"] {
        let from = picket_tests::binary(name);
        fs::copy(&from, bin.join(name)).with_context(|| from.display().to_string())?;
    }
    let guest = folder.path().join("guest");
    fs::create_dir_all(&guest)?;
    for (name, text) in SCRIPTS {
        fs::write(guest.join(name), text)?;
    }
    procedures::lay_out(all, &folder.path().join("procedures"))?;
    if let Some(rules) = rules {
        let to = folder.path().join("rules");
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(rules).with_context(|| rules.display().to_string())? {
            let file = entry?.path();
            fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
        }
    }
    Ok(folder)
}

fn parts(packed: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut gunzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = gunzip.stdin.take().context("a pipe to gzip")?;
    let packed = packed.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&packed));
    let output = gunzip.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("writing to gzip"))??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts = BTreeMap::new();
    // At the beginning of a line only: events hold the text of the script that writes these words.
    for part in format!("\n{text}").split("\n=lab= ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
        parts.insert(name.to_owned(), rest.to_owned());
    }
    Ok(parts)
}
