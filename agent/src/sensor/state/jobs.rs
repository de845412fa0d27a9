//! Owns: crontabs, anacrontab, scripts of run-parts and the spool of at to scheduled jobs.
//! Never: whether a job will run.

#[cfg(test)]
mod tests;

use picket_model::{JobKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::files::digest;

/// Lines of one crontab; cron itself stops at 10,000 where it stops at all.
pub const ENTRIES_MAX: usize = 10_000;
/// Cron refuses longer commands (`MAX_COMMAND` is 1000).
const TEXT_CHARS_MAX: usize = 2048;
/// What `at` writes between the environment and the job itself.
const AT_DIRECTORY: &str = "Execution directory inaccessible";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    pub kind: JobKind,
    pub name: String,
    pub schedule: String,
    pub command: String,
    pub user: String,
    pub path: String,
    /// Of a file that is one job: its content.
    pub content: u64,
}

/// How the lines of a table are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table<'a> {
    /// The file's owner runs all lines.
    Of(&'a str),
    /// Each line names a user after its schedule.
    System,
    Anacron,
}

/// The jobs of a crontab, and how many lines are beyond the limit.
pub fn crontab(bytes: &[u8], table: Table<'_>, path: &str) -> (Vec<Job>, u64) {
    let text = String::from_utf8_lossy(bytes);
    let mut jobs = text.lines().filter_map(|line| cron_line(line, table, path));
    let kept: Vec<Job> = jobs.by_ref().take(ENTRIES_MAX).collect();
    (kept, jobs.count() as u64)
}

fn cron_line(line: &str, table: Table<'_>, path: &str) -> Option<Job> {
    let line = line.trim();
    // cronie lets a minus stand before the schedule: the line is then not logged.
    let start = line.strip_prefix('-').unwrap_or(line);
    if start.is_empty() || start.starts_with('#') || is_assignment(start) {
        return None;
    }
    let fields = match table {
        _ if start.starts_with('@') && table == Table::Anacron => 2,
        _ if start.starts_with('@') => 1,
        Table::Anacron => 2,
        Table::Of(_) | Table::System => 5,
    };
    let (schedule, rest) = split_words(start, fields)?;
    let (user, command) = match table {
        Table::Of(user) => (user.to_owned(), rest),
        Table::System => split_words(rest, 1)?,
        Table::Anacron => ("root".to_owned(), split_words(rest, 1)?.1),
    };
    (!command.is_empty()).then(|| Job {
        kind: JobKind::Cron,
        name: cut(rest),
        schedule: cut(&schedule),
        command: cut(command),
        user: cut(&user),
        path: path.to_owned(),
        content: 0,
    })
}

/// `NAME = value`, as crontabs set their environment.
fn is_assignment(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim().trim_matches(['"', '\'']);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The first `count` words with single spaces, and what follows them as it stands.
fn split_words(line: &str, count: usize) -> Option<(String, &str)> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    for _ in 0..count {
        let end = rest.find(char::is_whitespace)?;
        words.push(rest.get(..end)?);
        rest = rest.get(end..)?.trim_start();
    }
    Some((words.join(" "), rest))
}

/// A script that `run-parts` runs; `folder` is `cron.daily` or one of its kind.
pub fn script(bytes: &[u8], folder: &str, name: &str, path: &str) -> Job {
    Job {
        kind: JobKind::Cron,
        name: name.to_owned(),
        schedule: format!("@{}", folder.strip_prefix("cron.").unwrap_or(folder)),
        command: path.to_owned(),
        user: "root".into(),
        path: path.to_owned(),
        content: digest(&[bytes]),
    }
}

/// A job of the spool of at; `None` for other files there. `user` gives the name of a user id.
pub fn at(bytes: &[u8], name: &str, path: &str, user: impl Fn(u32) -> Option<String>) -> Option<Job> {
    let (number, minutes) = at_name(name)?;
    let text = String::from_utf8_lossy(bytes);
    let uid = text.lines().find_map(|line| line.strip_prefix("# atrun uid=")?.split_whitespace().next()?.parse().ok());
    let user = uid.map(|uid| user(uid).unwrap_or_else(|| uid.to_string())).unwrap_or_default();
    Some(Job {
        kind: JobKind::At,
        name: number.to_string(),
        schedule: Timestamp::from_millis(minutes.saturating_mul(60_000)).to_string(),
        command: cut(at_command(&text)),
        user,
        path: path.to_owned(),
        content: digest(&[bytes]),
    })
}

/// A letter for the queue, five hexadecimal digits of the job's number, eight of the minute since 1970.
fn at_name(name: &str) -> Option<(u32, u64)> {
    let digits = name.strip_prefix(|c: char| c.is_ascii_alphabetic())?;
    if digits.len() != 13 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (number, minutes) = digits.split_at_checked(5)?;
    Some((u32::from_str_radix(number, 16).ok()?, u64::from_str_radix(minutes, 16).ok()?))
}

/// What stands after the environment and the change of directory, without Red Hat's wrapping.
fn at_command(text: &str) -> &str {
    let tail = text.split_once(AT_DIRECTORY).and_then(|(_, rest)| rest.split_once("\n}\n")).map(|(_, tail)| tail);
    let tail = tail.unwrap_or(text).trim();
    let Some((first, rest)) = tail.split_once('\n') else { return tail };
    match first.split_once("<< '").and_then(|(_, end)| end.strip_suffix('\'')) {
        Some(end) => rest.trim_end().strip_suffix(end).unwrap_or(rest).trim(),
        None => tail,
    }
}

pub fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
