//! Owns: which files let an account in without its password: its keys where sshd looks for them, its Kerberos tickets.
//! Never: opening one, or a setting of sshd that is not told by its own files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where sshd looks if nothing else is set; both are looked at even if something is.
const KEYS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];
const SETTINGS: &str = "etc/ssh/sshd_config";
/// sshd's own bound on files that include others.
const INCLUDES_DEEP_MAX: usize = 16;
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;
const SETTINGS_FILES_MAX: usize = 256;
/// Entries of a folder that everybody may write.
const ENTRIES_MAX: usize = 65_536;

/// What there may be, by its path; whether it is there the caller finds out.
#[derive(Default, Debug)]
pub struct Found {
    pub files: BTreeSet<PathBuf>,
    /// What else lets the account in and cannot be taken away for it alone, in words.
    pub left: Vec<String>,
}

/// `home`: as the list of accounts has it.
pub fn all(root: &Path, user: &str, uid: u32, home: &str) -> io::Result<Found> {
    let mut found = Found::default();
    let account = Account { user, uid, home };
    // What leads to a home is root's to make; from there on no link is followed.
    let home = match root.join(home.trim_start_matches('/')).canonicalize() {
        Ok(home) if !account.home.is_empty() => Some(home),
        _ => None,
    };
    let mut settings = Settings::default();
    settings.read(root, &root.join(SETTINGS), 0);
    let patterns = KEYS.iter().map(|&pattern| pattern.to_owned()).chain(settings.keys);
    for pattern in patterns {
        match account.place(&pattern) {
            Ok(Place::Below(path)) => found.files.extend(home.as_ref().map(|home| home.join(path))),
            Ok(Place::At(path)) => drop(found.files.insert(root.canonicalize()?.join(path))),
            Err(why) => found.left.push(format!("AuthorizedKeysFile {pattern:?} {why}")),
        }
    }
    found.left.extend(settings.elsewhere);
    found.tickets(root, uid);
    Ok(found)
}

impl Found {
    fn tickets(&mut self, root: &Path, uid: u32) {
        let named = |name: &str| {
            name.strip_prefix(&format!("krb5cc_{uid}")).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let (everybody, own) = (root.join("tmp"), root.join(format!("run/user/{uid}")));
        self.files.extend(names(&everybody).filter(|name| named(name)).filter_map(|name| below(&everybody, &name)));
        for path in names(&own).filter(|name| name.starts_with("krb5cc")).filter_map(|name| below(&own, &name)) {
            if path.symlink_metadata().is_ok_and(|seen| seen.is_dir()) {
                // A collection: one file for each ticket, and one that names the first.
                self.files.extend(names(&path).map(|name| path.join(name)));
            } else {
                self.files.insert(path);
            }
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX);
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.canonicalize().ok()?.join(name))
}

struct Account<'a> {
    user: &'a str,
    uid: u32,
    home: &'a str,
}

#[derive(PartialEq, Eq, Debug)]
enum Place {
    /// Of the account's home.
    Below(PathBuf),
    /// Of the host's root.
    At(PathBuf),
}

impl Account<'_> {
    /// Where sshd looks by a pattern for this account.
    fn place(&self, pattern: &str) -> Result<Place, &'static str> {
        let pattern = pattern.strip_prefix("%h/").unwrap_or(pattern);
        let (mut path, mut letters, mut own) = (String::new(), pattern.chars(), false);
        while let Some(letter) = letters.next() {
            if letter != '%' {
                path.push(letter);
                continue;
            }
            let sign = letters.next();
            own |= sign != Some('%');
            match sign {
                Some('%') => path.push('%'),
                Some('u') if !self.user.contains('/') => path += self.user,
                Some('U') => path += &self.uid.to_string(),
                Some('h') => path += self.home,
                _ => return Err("has a sign that is not known here"),
            }
        }
        match path.strip_prefix('/') {
            None => Ok(Place::Below(path.into())),
            Some(_) if !own => Err("serves all accounts"),
            Some(rest) => Ok(Place::At(rest.trim_start_matches('/').into())),
        }
    }
}

/// Of sshd's settings those that say who may come in without a password, in whatever block they stand.
#[derive(Default)]
struct Settings {
    keys: Vec<String>,
    elsewhere: Vec<String>,
    files: usize,
}

impl Settings {
    fn read(&mut self, root: &Path, path: &Path, deep: usize) {
        self.files += 1;
        if deep > INCLUDES_DEEP_MAX || self.files > SETTINGS_FILES_MAX {
            return;
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(SETTINGS_BYTES_MAX).read_to_end(&mut bytes));
        if read.is_err() {
            return;
        }
        for line in String::from_utf8_lossy(&bytes).lines() {
            let (word, values) = setting(line);
            match word.as_str() {
                "authorizedkeysfile" => self.keys.extend(values.into_iter().filter(|value| value != "none")),
                "authorizedkeyscommand" | "trustedusercakeys" => {
                    let set = values.first().filter(|value| *value != "none");
                    self.elsewhere.extend(set.map(|value| format!("keys by {word} {value}")));
                }
                "include" => {
                    for path in values.iter().flat_map(|pattern| included(root, pattern)) {
                        self.read(root, &path, deep + 1);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The word in small letters, and what follows it, which may be quoted.
fn setting(line: &str) -> (String, Vec<String>) {
    let line = line.trim();
    let end = line.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let rest = rest.trim_start().trim_start_matches('=');
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    for letter in rest.chars().chain([' ']) {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted && value.is_empty() => break,
            letter if letter.is_whitespace() && !quoted => {
                if !value.is_empty() {
                    values.push(std::mem::take(&mut value));
                }
            }
            letter => value.push(letter),
        }
    }
    (word.to_ascii_lowercase(), values)
}

/// The files of a pattern whose last part may have one `*`, in their order.
fn included(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let whole = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
    let (folder, last) = whole.rsplit_once('/').unwrap_or_default();
    let folder = root.join(folder.trim_start_matches('/'));
    let Some((head, tail)) = last.split_once('*') else { return vec![folder.join(last)] };
    let fits = |name: &String| name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail);
    let mut paths: Vec<PathBuf> = names(&folder).filter(fits).map(|name| folder.join(name)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
