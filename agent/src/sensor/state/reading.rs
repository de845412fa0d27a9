//! Owns: what the files of one place hold at this moment.
//! Never: what they held before.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use picket_model::JobKind;

use super::accounts;
use super::files::{Content, digest, look};
use super::item::{Item, Items, Unit};
use super::jobs::{self, Job, Table, crontab};
use super::places::{self, GSHADOW, Place, SHADOW, UNIT_FOLDERS, USER_UNITS, below};
use super::units::{UnitText, template};

/// 100,000 accounts; `useradd` itself becomes unusable before.
const ACCOUNTS_BYTES_MAX: u64 = 16 << 20;
/// Tables, scripts and units are read by people: longer ones are judged by their beginning.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Reads below one root.
pub struct Reader {
    root: PathBuf,
    /// With which passwords are digested.
    key: Vec<u8>,
}

/// What a look finds, and how many entries were too many to keep.
pub type Found = (Items, u64);

impl Reader {
    pub fn new(root: PathBuf, key: Vec<u8>) -> Self {
        Self { root, key }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// # Errors
    /// Where the file is there and cannot be read; for accounts and groups also where it is not there: then nobody
    /// can say what became of them.
    pub fn read(&self, subject: &str) -> io::Result<Found> {
        let Some(place) = places::place(subject) else { return Ok(Found::default()) };
        match place {
            Place::Accounts => self.accounts(subject),
            Place::Groups => self.groups(subject),
            Place::Unit => self.unit(subject),
            Place::Link => Ok(single(self.link(subject)?)),
            Place::At if !self.is_finished(subject) => Ok(Found::default()),
            _ => {
                let Content::Bytes(bytes) = self.look(subject, FILE_BYTES_MAX)? else { return Ok(Found::default()) };
                Ok(self.file(place, subject, &bytes))
            }
        }
    }

    fn look(&self, path: &str, bytes_max: u64) -> io::Result<Content> {
        look(&below(&self.root, path), bytes_max)
    }

    /// `at` makes its file executable when all of the job is in it; atd starts no other.
    fn is_finished(&self, path: &str) -> bool {
        fs::metadata(below(&self.root, path)).is_ok_and(|data| data.mode() & 0o100 != 0)
    }

    fn accounts(&self, path: &str) -> io::Result<Found> {
        let shadow = self.whole(SHADOW).ok();
        let (found, beyond) = accounts::accounts(&self.whole(path)?, shadow.as_deref(), &self.key);
        Ok((found.into_iter().map(|(name, account)| (name, Item::Account(account))).collect(), beyond))
    }

    fn groups(&self, path: &str) -> io::Result<Found> {
        let shadow = self.whole(GSHADOW).ok();
        let (found, beyond) = accounts::groups(&self.whole(path)?, shadow.as_deref(), &self.key);
        Ok((found.into_iter().map(|(name, group)| (name, Item::Group(group))).collect(), beyond))
    }

    fn whole(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.look(path, ACCOUNTS_BYTES_MAX)? {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Absent | Content::Special => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, place: Place<'_>, path: &str, bytes: &[u8]) -> Found {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        match place {
            Place::Crontab { user } => table(bytes, Table::Of(user), path),
            Place::SystemCrontab => table(bytes, Table::System, path),
            Place::Anacrontab => table(bytes, Table::Anacron, path),
            Place::Script { folder } => single(Some(Item::Job(jobs::script(bytes, folder, name, path)))),
            Place::At => single(jobs::at(bytes, name, path, |uid| self.user(uid)).map(Item::Job)),
            Place::InitScript => single(Some(Item::Unit(Unit {
                name: name.to_owned(),
                path: path.to_owned(),
                command: path.to_owned(),
                content: digest(&[bytes]),
            }))),
            Place::DropIn { unit } => {
                single(Some(Item::Override(Box::new(self.unit_item(unit, path, &UnitText::parse(bytes), bytes)))))
            }
            Place::Accounts | Place::Groups | Place::Unit | Place::Link => Found::default(),
        }
    }

    /// The login name of a uid, by the same file whose changes are told.
    fn user(&self, uid: u32) -> Option<String> {
        let passwd = self.whole(places::ACCOUNTS).ok()?;
        let (found, _) = accounts::accounts(&passwd, None, &self.key);
        found.into_values().find(|account| account.uid == uid).map(|account| account.name)
    }

    fn unit(&self, path: &str) -> io::Result<Found> {
        let file = below(&self.root, path);
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if let Ok(target) = fs::read_link(&file) {
            if target == Path::new("/dev/null") {
                return Ok(single(Some(Item::Masked(Unit {
                    name: name.to_owned(),
                    path: path.to_owned(),
                    command: String::new(),
                    content: 0,
                }))));
            }
            // An alias of a unit that has its own place; a link to elsewhere is the unit itself.
            let leads = target.parent().and_then(Path::to_str).unwrap_or_default();
            if leads.is_empty() || leads.starts_with("..") || places::is_unit_folder(leads) {
                return Ok(single(self.link(path)?));
            }
        }
        match self.look(path, FILE_BYTES_MAX)? {
            Content::Bytes(bytes) => Ok(single(Some(self.unit_item(name, path, &UnitText::parse(&bytes), &bytes)))),
            Content::Absent | Content::Special => Ok(Found::default()),
        }
    }

    fn unit_item(&self, name: &str, path: &str, text: &UnitText, bytes: &[u8]) -> Item {
        let content = digest(&[bytes]);
        if !name.ends_with(".timer") {
            let (name, path) = (name.to_owned(), path.to_owned());
            return Item::Unit(Unit { command: text.command(&name), name, path, content });
        }
        let service = text.starts(name);
        let started = self.find_unit(&service, path).map(|(_, text)| text);
        let user = started.as_ref().and_then(UnitText::user).unwrap_or_else(|| owner(path));
        // Where there is no such unit, at least its name.
        let command = started.map(|text| text.command(&service)).filter(|command| !command.is_empty());
        Item::Job(Job {
            kind: JobKind::Timer,
            name: name.to_owned(),
            schedule: text.schedule(),
            command: command.unwrap_or(service),
            user,
            path: path.to_owned(),
            content,
        })
    }

    /// The unit that a link stands for: under the link's own name in a folder of wants, else what it leads to.
    fn link(&self, path: &str) -> io::Result<Option<Item>> {
        let target = match fs::read_link(below(&self.root, path)) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A file where a link belongs does the same for systemd.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => PathBuf::from(path),
            Err(error) => return Err(error),
        };
        let own = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let leads = target.file_name().and_then(|name| name.to_str()).unwrap_or(own);
        let is_wanted = matches!(places::place(path), Some(Place::Link));
        let name = if is_wanted { own } else { leads };
        let (file, command) = match self.find_unit(name, path) {
            Some((file, text)) => (file, text.command(name)),
            None => (target.to_string_lossy().into_owned(), String::new()),
        };
        Ok(Some(Item::Enabled(Unit { name: name.to_owned(), path: file, command, content: 0 })))
    }

    /// Path and text of a unit, or of its template; `near` is a file of the same manager.
    pub fn find_unit(&self, name: &str, near: &str) -> Option<(String, UnitText)> {
        if name.contains('/') {
            return None;
        }
        let of_user = near.find(USER_UNITS).and_then(|at| near.get(..at + USER_UNITS.len()));
        let names = [Some(name.to_owned()), template(name)];
        for name in names.iter().flatten() {
            for folder in of_user.iter().chain(UNIT_FOLDERS.iter()) {
                let path = format!("{folder}/{name}");
                if let Ok(Content::Bytes(bytes)) = self.look(&path, FILE_BYTES_MAX) {
                    return Some((path, UnitText::parse(&bytes)));
                }
            }
        }
        None
    }
}

fn single(item: Option<Item>) -> Found {
    (item.map(|item| (String::new(), item)).into_iter().collect(), 0)
}

/// A line that stands twice is two jobs.
fn table(bytes: &[u8], table: Table<'_>, path: &str) -> Found {
    let (jobs, beyond) = crontab(bytes, table, path);
    let (mut items, mut seen) = (Items::new(), BTreeMap::<String, usize>::new());
    for job in jobs {
        let count = seen.entry(job.name.clone()).or_default();
        *count += 1;
        items.insert(format!("{count} {}", job.name), Item::Job(job));
    }
    (items, beyond)
}

/// As whom a manager runs its units: the system's as root, a user's as the one whose home it is in.
fn owner(path: &str) -> String {
    let home = path.find(USER_UNITS).and_then(|at| path.get(..at));
    home.map_or("root", |home| home.rsplit_once('/').map_or(home, |(_, name)| name)).to_owned()
}
