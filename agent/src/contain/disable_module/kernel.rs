//! Owns: what the kernel says of one module: loaded, held by whom, with which parameters, built in or in its folder.
//! Never: changing anything, or a name that was not checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Of a list of modules: distributions' have some 500 KiB.
const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Parameters of one module, and bytes of one value: they are journalled.
const PARAMETERS_MAX: usize = 128;
const VALUE_BYTES_MAX: u64 = 4096;
/// Devices of one driver that are looked at.
const DEVICES_MAX: usize = 256;

/// Whether the kernel's tools could load it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    Yes,
    BuiltIn,
    No,
}

#[derive(PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Why it cannot be unloaded, if so.
    pub held: Option<String>,
}

/// `None` where it is not loaded. One that has taken itself off the list may still show in /sys.
pub fn loaded(root: &Path, module: &str) -> io::Result<Option<Loaded>> {
    let list = match text(&root.join("proc/modules"), LIST_BYTES_MAX) {
        // A kernel without modules has no list.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let hidden = || root.join("sys/module").join(module).join("initstate").exists();
    Ok(of_list(&list, module).or_else(|| hidden().then_some(Loaded { held: None })))
}

/// A line is name, size, count of uses, who uses it, state, address, taints.
fn of_list(list: &str, module: &str) -> Option<Loaded> {
    let line = list.lines().find(|line| line.split(' ').next() == Some(module))?;
    let mut fields = line.split(' ').skip(2);
    let count = fields.next().unwrap_or_default();
    let users: Vec<&str> =
        fields.next().unwrap_or_default().split(',').filter(|user| !["", "-"].contains(user)).collect();
    let (permanent, users): (Vec<&str>, Vec<&str>) = users.into_iter().partition(|user| *user == "[permanent]");
    let held = if !permanent.is_empty() {
        Some("the kernel cannot unload it: it has no way out".to_owned())
    } else if !users.is_empty() {
        Some(format!("{} stand on it; disable those first", users.join(", ")))
    } else if count != "0" {
        Some(format!("it is in use ({count}): end the processes, mounts or links that use it first"))
    } else {
        None
    };
    Some(Loaded { held })
}

/// By the lists of the kernel that runs.
pub fn known(root: &Path, module: &str) -> io::Result<Known> {
    let release = text(&root.join("proc/sys/kernel/osrelease"), VALUE_BYTES_MAX)?;
    let folder = root.join("lib/modules").join(release.trim());
    let has = |name: &str| match text(&folder.join(name), LIST_BYTES_MAX) {
        Ok(list) => Ok(list.lines().any(|line| is_file_of(line, module))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    if has("modules.dep")? {
        return Ok(Known::Yes);
    }
    Ok(if has("modules.builtin")? { Known::BuiltIn } else { Known::No })
}

/// `kernel/drivers/net/dummy.ko.xz: what/it/needs.ko.xz`.
fn is_file_of(line: &str, module: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == module)
}

/// The network interface of a device that it drives: unloading takes that away though nothing uses the module.
pub fn drives(root: &Path, module: &str) -> Option<String> {
    let drivers = std::fs::read_dir(root.join("sys/module").join(module).join("drivers")).ok()?;
    let devices = drivers.flatten().filter_map(|driver| std::fs::read_dir(driver.path()).ok());
    let interfaces = devices.flat_map(|devices| devices.flatten().take(DEVICES_MAX));
    interfaces
        .filter_map(|device| std::fs::read_dir(device.path().join("net")).ok()?.flatten().next())
        .map(|interface| interface.file_name().to_string_lossy().into_owned())
        .next()
}

/// Those that can be read, as they are now.
pub fn parameters(root: &Path, module: &str) -> BTreeMap<String, String> {
    let Ok(folder) = std::fs::read_dir(root.join("sys/module").join(module).join("parameters")) else {
        return BTreeMap::new();
    };
    let one = |entry: std::fs::DirEntry| {
        let value = text(&entry.path(), VALUE_BYTES_MAX).ok()?;
        Some((entry.file_name().into_string().ok()?, value.trim_end_matches('\n').to_owned()))
    };
    folder.flatten().take(PARAMETERS_MAX).filter_map(one).collect()
}

/// What modprobe is given, and the names of what it cannot be given: the kernel shows an unset text as `(null)`, and takes
/// a blank or a quote for more than a letter.
pub fn arguments(parameters: &BTreeMap<String, String>) -> (Vec<String>, Vec<String>) {
    let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_graphic() && !"\"'\\$`".contains(letter));
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let (mut given, mut left) = (Vec::new(), Vec::new());
    for (name, value) in parameters {
        match value.as_str() {
            "" | "(null)" => {}
            value if word(name) && plain(value) => given.push(format!("{name}={value}")),
            _ => left.push(name.clone()),
        }
    }
    (given, left)
}

fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
