//! Owns: taking one module out of the kernel so that nothing loads it by its name, and giving it back as it was.
//! Never: a module that is in use, or loading one itself: the service manager runs the kernel's tools at its word.

mod kernel;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use kernel::{Known, Loaded};

/// Of all folders of modprobe's configuration the one that is gone with the next start of the host.
const DENIALS: &str = "run/modprobe.d";
/// As modprobe itself looks for them; a file counts in the first that has one of its name.
const CONFIGURATION: [&str; 5] =
    ["etc/modprobe.d", DENIALS, "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"];
/// As modprobe shows a denial.
const DENIED: &str = "install /bin/false";
const MODPROBE: &str = "/sbin/modprobe";
const RMMOD: &str = "/sbin/rmmod";
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
/// What loads or unloads is ended after so many seconds; one that hangs in the kernel is reported.
const PATIENCE: [&str; 2] = ["--property=RuntimeMaxSec=4", "--property=TimeoutStopSec=1"];
/// The kernel's own bound, with the end of a C string.
const NAME_BYTES_MAX: usize = 55;

/// Of a denial that is still being written; modprobe reads `.conf` alone.
const PART: &str = "part";

#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("{module:?} is no name of a kernel module; give it as `lsmod` does")]
    Name { module: String },
    #[error("kernel module {module} is not disabled: {why}")]
    Guarded { module: String, why: String },
    #[error("there is no kernel module {module} on this host, loaded or to be loaded; nothing was done")]
    Unknown { module: String },
    #[error("cannot {doing} kernel module {module}: {source}")]
    System { doing: &'static str, module: String, source: io::Error },
    #[error("kernel module {module} was not {done}: {message}")]
    Tool { done: &'static str, module: String, message: String },
    #[error(
        "modprobe would still load {module}, by {instead:?}; take away what orders that below /etc/modprobe.d, then try again"
    )]
    Overruled { module: String, instead: String },
    #[error("kernel module {module} is loaded again after the act; nothing is left of the act")]
    LoadedAgain { module: String },
}

type Result<T> = std::result::Result<T, ModuleError>;

/// How it was before.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub loaded: bool,
    /// By name, as the kernel shows them.
    pub parameters: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Plan {
    module: String,
    pub before: State,
}

/// Nothing is done yet. `root`: where the host's file system begins.
pub fn plan(root: &Path, module: &str) -> Result<Plan> {
    let module = named(module)?;
    let guarded = |why: String| ModuleError::Guarded { module: module.clone(), why };
    if is_begun(root, &module) {
        return Err(guarded("it is disabled already".to_owned()));
    }
    let look = |source| ModuleError::System { doing: "look at", module: module.clone(), source };
    let known = kernel::known(root, &module).map_err(look)?;
    let before = match kernel::loaded(root, &module).map_err(look)? {
        Some(Loaded { held: Some(why) }) => return Err(guarded(why)),
        Some(Loaded { held: None }) => {
            if let Some(interface) = kernel::drives(root, &module) {
                return Err(guarded(format!("it drives the network interface {interface}")));
            }
            State { loaded: true, parameters: kernel::parameters(root, &module) }
        }
        None if known == Known::BuiltIn => return Err(guarded("it is built into the kernel".to_owned())),
        None if known == Known::No => return Err(ModuleError::Unknown { module }),
        None => State::default(),
    };
    Ok(Plan { module, before })
}

/// Denies and unloads it; gives what was done in words. On an error it is as it was.
pub fn apply(root: &Path, Plan { module, before }: &Plan) -> Result<String> {
    match begin(root, module) {
        Ok(()) if before.loaded => Ok(format!("unloaded kernel module {module}, and nothing loads it by its name")),
        Ok(()) => Ok(format!("nothing loads kernel module {module} by its name; it was not loaded")),
        Err(error) => {
            undo(root, module, before)?;
            Err(error)
        }
    }
}

/// Whether it is not loaded, and modprobe would refuse to load it.
pub fn verify(root: &Path, module: &str) -> Result<bool> {
    let module = named(module)?;
    Ok(is_begun(root, &module) && !is_loaded(root, &module)? && refused(root, &module)?.is_ok())
}

/// Denied and unloaded again after a start of the agent or the host, or after somebody loaded it.
pub fn hold(root: &Path, module: &str) -> Result<()> {
    let module = named(module)?;
    if verify(root, &module)? { Ok(()) } else { begin(root, &module) }
}

/// Allows it, and loads what was loaded; gives what was done in words.
pub fn undo(root: &Path, module: &str, before: &State) -> Result<String> {
    let module = named(module)?;
    allow(root, &module)?;
    if !before.loaded || is_loaded(root, &module)? {
        return Ok(format!("kernel module {module} may be loaded again"));
    }
    if may_be_known(root, &module)? != Known::Yes {
        return Ok(format!(
            "kernel module {module} may be loaded again; it did not come from the kernel's own folder, so that is for insmod to do"
        ));
    }
    let (given, left) = kernel::arguments(&before.parameters);
    let failed = match load(&module, &given) {
        Ok(()) => left,
        // A kernel that was updated meanwhile may know other parameters.
        Err(_) => match load(&module, &[]) {
            Ok(()) => before.parameters.keys().cloned().collect(),
            Err(error) => {
                deny(root, &module)?;
                return Err(error);
            }
        },
    };
    let without =
        if failed.is_empty() { String::new() } else { format!(", without what it was told for {}", failed.join(", ")) };
    Ok(format!("kernel module {module} is loaded again{without}"))
}

/// Whether nothing of the act is left, and what was loaded and can be is loaded.
pub fn verify_undone(root: &Path, module: &str, before: &State) -> Result<bool> {
    let module = named(module)?;
    let there = !before.loaded || is_loaded(root, &module)? || may_be_known(root, &module)? != Known::Yes;
    Ok(!is_begun(root, &module) && there)
}

/// Takes away what a crash has left of an act that had not begun.
pub fn clean(root: &Path, module: &str) -> Result<()> {
    let module = named(module)?;
    removed(&denial(root, &module).with_extension(PART), &module)
}

/// Whether our denial is there, with or without the rest of the act.
pub fn is_begun(root: &Path, module: &str) -> bool {
    named(module).is_ok_and(|module| denial(root, &module).symlink_metadata().is_ok())
}

/// Whether it is not loaded now.
pub fn is_off(root: &Path, module: &str) -> Result<bool> {
    Ok(!is_loaded(root, &named(module)?)?)
}

fn begin(root: &Path, module: &str) -> Result<()> {
    deny(root, module)?;
    if let Err(instead) = refused(root, module)? {
        return Err(ModuleError::Overruled { module: module.to_owned(), instead });
    }
    if is_loaded(root, module)? {
        asked("unloaded", module, &[RMMOD, module])?;
    }
    if is_loaded(root, module)? { Err(ModuleError::LoadedAgain { module: module.to_owned() }) } else { Ok(()) }
}

/// `blacklist` alone would keep it from being found by what it drives, and not by its name.
fn deny(root: &Path, module: &str) -> Result<()> {
    let path = denial(root, module);
    let text = format!(
        "# Picket keeps this module out; `picket undo` takes this away.\nblacklist {module}\ninstall {module} /bin/false\n"
    );
    let whole = path.with_extension(PART);
    std::fs::create_dir_all(root.join(DENIALS))
        .and_then(|()| std::fs::write(&whole, text))
        .and_then(|()| std::fs::rename(&whole, &path))
        .map_err(|source| ModuleError::System { doing: "deny", module: module.to_owned(), source })
}

fn allow(root: &Path, module: &str) -> Result<()> {
    let path = denial(root, module);
    removed(&path.with_extension(PART), module)?;
    removed(&path, module)
}

fn removed(path: &Path, module: &str) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ModuleError::System { doing: "allow", module: module.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The first name that orders something for a module is the one that counts.
fn denial(root: &Path, module: &str) -> PathBuf {
    root.join(DENIALS).join(format!("00-picket-{module}.conf"))
}

/// What modprobe would do instead, if not refuse; of a module that is loaded a dry run would say nothing.
fn refused(root: &Path, module: &str) -> Result<std::result::Result<(), String>> {
    let mut command = Command::new(MODPROBE);
    for folder in CONFIGURATION {
        command.arg("--config").arg(root.join(folder));
    }
    command.arg("--dirname").arg(root).args(["--show-depends", "--", module]).stdin(Stdio::null());
    let output = command.output();
    let output = output.map_err(|source| ModuleError::System {
        doing: "ask modprobe for",
        module: module.to_owned(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    // What it needs comes first, itself last.
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let error = String::from_utf8_lossy(&output.stderr);
    Ok(match last {
        line if denies(line) => Ok(()),
        "" => Err(error.trim().to_owned()),
        other => Err(other.to_owned()),
    })
}

/// What the module would be told stands behind it; nothing that a shell takes for another command.
fn denies(line: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.,:=/+".contains(letter);
    let told = |rest: &str| rest.is_empty() || rest.starts_with(' ') && rest.chars().all(|at| at == ' ' || plain(at));
    line.strip_prefix(DENIED).is_some_and(told)
}

fn load(module: &str, parameters: &[String]) -> Result<()> {
    let mut arguments = vec![MODPROBE, "--", module];
    arguments.extend(parameters.iter().map(String::as_str));
    asked("loaded", module, &arguments).map(drop)
}

fn is_loaded(root: &Path, module: &str) -> Result<bool> {
    let loaded = kernel::loaded(root, module);
    let loaded =
        loaded.map_err(|source| ModuleError::System { doing: "look at", module: module.to_owned(), source })?;
    Ok(loaded.is_some())
}

fn may_be_known(root: &Path, module: &str) -> Result<Known> {
    kernel::known(root, module).map_err(|source| ModuleError::System {
        doing: "look for",
        module: module.to_owned(),
        source,
    })
}

/// The agent has given up the right to load and unload, and the calls for it.
fn asked(done: &'static str, module: &str, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(SYSTEMD_RUN);
    command.args(["--quiet", "--wait", "--pipe", "--collect"]).args(PATIENCE).arg("--").args(words);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| ModuleError::System {
        doing: "ask the service manager for",
        module: module.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(ModuleError::Tool { done, module: module.to_owned(), message })
}

/// As the kernel names it, which takes `-` for `_`.
fn named(module: &str) -> Result<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if !module.is_empty() && module.len() <= NAME_BYTES_MAX && !module.starts_with('-') && module.chars().all(plain) {
        return Ok(module.replace('-', "_"));
    }
    Err(ModuleError::Name { module: module.to_owned() })
}

#[cfg(test)]
mod tests;
