//! Owns: what the kernel's own tracing says of one run: the programs executed, by whom, and the calls that change a host.
//! Never: the agent's word.

use std::collections::{BTreeMap, BTreeSet};

/// A program that was executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    pub pid: u32,
    pub parent: u32,
    pub file: String,
    /// The first words of its command line, as far as the kernel could read them.
    pub words: Vec<String>,
}

/// A call that succeeded, by name, or `connect` and `listen`, with the port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Call {
    pub pid: u32,
    pub name: String,
    pub port: u16,
}

#[derive(Default, Debug)]
pub struct Witness {
    /// The procedure's shell and all below it.
    pub tree: BTreeSet<u32>,
    pub execs: Vec<Exec>,
    pub calls: BTreeSet<Call>,
}

struct Line<'a> {
    pid: u32,
    event: &'a str,
    rest: &'a str,
}

/// Reads a trace: what was done by the procedure that the shell with the number `step` ran last.
#[must_use]
pub fn read(trace: &str, step: u32) -> Witness {
    let records = records(trace);
    let lines: Vec<Line<'_>> = records.iter().filter_map(|record| line(record)).collect();
    let mut witness = Witness::default();
    let mut parents: BTreeMap<u32, u32> = BTreeMap::new();
    let mut words: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut timeout = None;
    for line in &lines {
        match line.event {
            "sched_process_fork" => {
                let (Some(parent), Some(child)) = (number(line.rest, " pid="), number(line.rest, "child_pid=")) else {
                    continue;
                };
                parents.insert(child, parent);
                if witness.tree.contains(&parent) || Some(parent) == timeout {
                    witness.tree.insert(child);
                }
            }
            "execve" => drop(words.insert(line.pid, quoted(line.rest))),
            "sched_process_exec" => {
                let said = words.remove(&line.pid).unwrap_or_default();
                let file = between(line.rest, "filename=", " pid=").to_owned();
                let parent = parents.get(&line.pid).copied().unwrap_or_default();
                if parent == step && said.get(1).is_some_and(|word| word.ends_with("timeout")) {
                    timeout = Some(line.pid);
                    witness = Witness::default();
                }
                if witness.tree.contains(&line.pid) {
                    witness.execs.push(Exec { pid: line.pid, parent, file, words: said.into_iter().skip(1).collect() });
                }
            }
            name if witness.tree.contains(&line.pid) => witness.calls.extend(call(name, line)),
            _ => {}
        }
    }
    witness
}

fn call(name: &str, line: &Line<'_>) -> Option<Call> {
    if name == "inet_sock_set_state" {
        let (name, port) = match line.rest.rsplit("newstate=").next()?.trim() {
            "TCP_SYN_SENT" => ("connect", "dport="),
            "TCP_LISTEN" => ("listen", "sport="),
            _ => return None,
        };
        let port = number(line.rest, port)?.try_into().ok()?;
        return Some(Call { pid: line.pid, name: name.to_owned(), port });
    }
    let result = line.rest.rsplit("result=").next()?.trim().parse::<i64>().ok()?;
    (result >= 0).then(|| Call { pid: line.pid, name: name.to_owned(), port: 0 })
}

/// Lines of the trace; a word with a line break in it makes one record of several.
fn records(trace: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for text in trace.lines().filter(|text| !text.starts_with('#')) {
        match records.last_mut() {
            Some(last) if line(text).is_none() => {
                last.push('\n');
                last.push_str(text);
            }
            _ => records.push(text.to_owned()),
        }
    }
    records
}

/// `   name-PID   [CPU] flags  SECONDS: event: rest`
fn line(text: &str) -> Option<Line<'_>> {
    let cpu = text.find(" [0")?;
    let pid = text[..cpu].trim_end().rsplit('-').next()?.parse().ok()?;
    let (_, after) = text[cpu..].split_once("] ")?;
    let (stamp, rest) = after.split_once(": ")?;
    stamp.trim().rsplit(' ').next()?.parse::<f64>().ok()?;
    let (event, rest) = rest.split_once(": ")?;
    Some(Line { pid, event, rest })
}

/// The value of each `name="…"`, path first, until the first that could not be read.
fn quoted(rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = rest.find("path=").map_or("", |at| &rest[at + "path=".len()..]);
    for next in 0.. {
        let Some(text) = from.strip_prefix('"') else { break };
        let end = format!("\" a{next}=");
        match text.find(&end) {
            Some(at) => {
                found.push(text[..at].to_owned());
                from = &text[at + end.len()..];
            }
            None => {
                found.push(text.strip_suffix('"').unwrap_or(text).to_owned());
                break;
            }
        }
    }
    found
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let text = text.find(from).map_or("", |at| &text[at + from.len()..]);
    text.rfind(to).map_or(text, |at| &text[..at])
}

fn number(text: &str, name: &str) -> Option<u32> {
    let at = text.find(name)? + name.len();
    let digits = &text[at..];
    digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
}
