//! Owns: everyday acts that go on while the agent starts anew or the clock is set, and what of them was told, how often and when.
//! Never: disturbing the host; the caller does, in between.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Host;
use crate::eventually;

/// An agent under emulation needs most of a minute to let go of its programs and to load them anew.
const PATIENCE: Duration = Duration::from_secs(180);
/// A guest is asked over SSH, which under emulation takes a second by itself.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// The clock and the event's own time are read one after the other, on a machine that may do something else in between.
const SLACK_NS: u64 = 200_000_000;
/// A record is read this long after its act at most; whatever clock was in force then gave it its time.
const READ_NS: u64 = 3_000_000_000;
/// What is told at all is searchable after this.
const TOLD_NS: u64 = 1_000_000_000;
const STEP_NS: u64 = 1_000_000_000;

/// Nanoseconds since boot, and what the clock said then.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub boot: u64,
    pub wall: u64,
}

/// One act of `tests/generator/steady.c`.
#[derive(Clone, Debug)]
pub struct Act {
    pub kind: String,
    pub name: String,
    pub pid: String,
    pub before: Moment,
    pub after: Moment,
}

type Key = (String, String, String);

impl Act {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("did ")?.split(' ');
        let mut word = || words.next();
        let (kind, name, pid) = (word()?.to_owned(), word()?.to_owned(), word()?.to_owned());
        let mut moment = || Some(Moment { boot: word()?.parse().ok()?, wall: word()?.parse().ok()? });
        Some(Self { kind, name, pid, before: moment()?, after: moment()? })
    }

    fn key(&self) -> Key {
        (self.kind.clone(), self.name.clone(), self.pid.clone())
    }
}

/// From when to when (by the clock) an agent says it watched.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub from: u64,
    pub until: u64,
}

/// The acts under way.
pub struct Steady {
    dir: String,
    marker: String,
}

impl Steady {
    /// # Errors
    /// When the generator cannot be started.
    pub fn start(host: &dyn Host, generator: &str, dir: &str) -> Result<Self> {
        let marker = format!("steady{:x}", std::process::id());
        let steady = Self { dir: dir.to_owned(), marker };
        let out = steady.out();
        host.run(&format!(
            "rm -f {out} {dir}/*.end; nohup {generator} steady {dir} {} > {out} 2>&1 < /dev/null &",
            steady.marker
        ))?;
        Ok(steady)
    }

    fn out(&self) -> String {
        format!("{}/{}.out", self.dir, self.marker)
    }

    /// Waits until what is done from now on is told.
    ///
    /// # Errors
    /// When it is not, in time.
    pub fn caught_up(&self, host: &dyn Host) -> Result<()> {
        let last = host.run(&format!("grep -c '^did' {} || true", self.out()))?;
        let skip: usize = last.trim().parse().unwrap_or(0);
        let mut seen = None;
        let found = eventually(PATIENCE, || {
            std::thread::sleep(ASK_EVERY);
            let told = self.events(host, "memfd", 50).ok()?;
            seen = told.last().map(|event| event["activity"]["name"].to_string());
            let acts = self.acts(host).ok()?;
            let fresh = acts.iter().skip(skip).filter(|act| act.kind == "memfd");
            fresh
                .into_iter()
                .any(|act| told.iter().any(|event| event["activity"]["name"] == act.name.as_str()))
                .then_some(())
        });
        found.with_context(|| format!("nothing that was done after act {skip} is told; the last told is {seen:?}"))
    }

    /// Lets the acts end, and gives them once the last of them is told.
    ///
    /// # Errors
    /// When the generator failed, or the end of it is not told.
    pub fn end(self, host: &dyn Host) -> Result<Record> {
        host.run(&format!("touch {}/{}.end", self.dir, self.marker))?;
        let ended = format!("tail -n 1 {} | grep -x end", self.out());
        if eventually(PATIENCE, || host.run(&ended).ok()).is_none() {
            bail!("the generator did not end: {}", host.run(&format!("tail -n 3 {}", self.out()))?);
        }
        let acts = self.acts(host)?;
        let last = acts.last().context("nothing was done")?.clone();
        let found = eventually(PATIENCE, || {
            let told = self.told(host, &[last.kind.as_str()]).ok()?;
            told.contains_key(&last.key()).then_some(())
        });
        found.with_context(|| format!("the last act is not told: {last:?}"))?;
        Ok(Record { acts, told: self.told(host, &KINDS)? })
    }

    /// From when to when agents say they watched. One that was killed says no end: it is `killed`, in nanoseconds of the
    /// clock, less the second within which everything is told.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn lives(host: &dyn Host, killed: &[u64]) -> Result<Vec<Life>> {
        let events = host.picket(&["events", "--class", "agent", "--limit", "10000"])?;
        let mut lives: Vec<Life> = Vec::new();
        for event in events.as_array().context("no answer")? {
            let time = event["time"].as_u64().unwrap_or(0);
            match (event["activity"]["what"].as_str(), lives.last_mut()) {
                (Some("started"), _) => lives.push(Life { from: time, until: u64::MAX }),
                (Some("stopped"), Some(life)) => life.until = time,
                _ => {}
            }
        }
        let next: Vec<u64> = lives.iter().skip(1).map(|life| life.from).collect();
        for (life, next) in lives.iter_mut().zip(next) {
            let end = killed.iter().find(|time| **time > life.from && **time < next);
            life.until = life.until.min(end.map_or(next, |time| time.saturating_sub(TOLD_NS)));
        }
        Ok(lives)
    }

    fn acts(&self, host: &dyn Host) -> Result<Vec<Act>> {
        Ok(host.run(&format!("cat {}", self.out()))?.lines().filter_map(Act::parse).collect())
    }

    fn events(&self, host: &dyn Host, class: &str, limit: usize) -> Result<Vec<Value>> {
        let limit = limit.to_string();
        let answer = host.picket(&["events", "--class", class, "--text", &self.marker, "--limit", &limit])?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// The times of every event of these kinds, by the act they are of.
    fn told(&self, host: &dyn Host, kinds: &[&str]) -> Result<BTreeMap<Key, Vec<u64>>> {
        let mut all: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
        for kind in kinds {
            for event in self.events(host, kind, 10_000)? {
                let Some(name) = name_of(kind, &event, &self.marker) else { continue };
                let key = ((*kind).to_owned(), name, event["process"]["key"]["pid"].to_string());
                all.entry(key).or_default().push(event["time"].as_u64().unwrap_or(0));
            }
        }
        Ok(all)
    }
}

/// By which name an event of this kind names its act; `None` where it is no act's.
fn name_of(kind: &str, event: &Value, marker: &str) -> Option<String> {
    let activity = &event["activity"];
    match kind {
        "memfd" => activity["name"].as_str().map(str::to_owned),
        "connect" => Some(activity["flow"]["remote_port"].to_string()),
        "launch" | "exit" => {
            let named =
                |argument: &&Value| argument.as_str().is_some_and(|text| text.starts_with(&format!("{marker}-")));
            event["process"]["argv"].as_array()?.iter().find(named)?.as_str().map(str::to_owned)
        }
        "script" => activity["script"]["content"].as_str()?.strip_prefix(": ").map(str::to_owned),
        _ => activity["file"]["path"].as_str().map(str::to_owned),
    }
}

const KINDS: [&str; 9] = ["create", "set_mode", "write", "delete", "memfd", "connect", "launch", "exit", "script"];

/// What was done and what was told of it.
pub struct Record {
    pub acts: Vec<Act>,
    told: BTreeMap<Key, Vec<u64>>,
}

impl Record {
    fn times(&self, act: &Act) -> &[u64] {
        self.told.get(&act.key()).map_or(&[], Vec::as_slice)
    }

    /// Acts of which more than one event tells.
    #[must_use]
    pub fn twice(&self) -> Vec<String> {
        let twice = self.acts.iter().filter(|act| self.times(act).len() > 1);
        twice.map(|act| format!("told {} times: {act:?}", self.times(act).len())).collect()
    }

    /// Acts of which no event tells although an agent says that it watched from before to after them.
    #[must_use]
    pub fn lost(&self, lives: &[Life]) -> Vec<String> {
        let watched =
            |act: &&Act| lives.iter().any(|life| life.from <= act.before.wall && act.after.wall <= life.until);
        let lost = self.acts.iter().filter(watched).filter(|act| self.times(act).is_empty());
        lost.map(|act| format!("not told: {act:?}")).collect()
    }

    /// Events whose time is not that of the act, by the clock of then; next to a step either clock will do.
    #[must_use]
    pub fn out_of_time(&self) -> Vec<String> {
        let offsets = self.offsets();
        let sane = |act: &Act, time: u64| {
            let near = offsets.iter().filter(|(boot, _)| *boot >= act.before.boot && *boot <= act.after.boot + READ_NS);
            near.into_iter().any(|(_, offset)| {
                let (from, to) = (act.before.boot + offset, act.after.boot + offset);
                time + SLACK_NS >= from && time <= to + SLACK_NS
            })
        };
        let wrong = |act: &Act| self.times(act).iter().find(|time| !sane(act, **time)).copied();
        self.acts.iter().filter_map(|act| wrong(act).map(|time| format!("told at {time}: {act:?}"))).collect()
    }

    /// Events of one process that are not in the order of its acts.
    #[must_use]
    pub fn out_of_order(&self) -> Vec<String> {
        let far = |act: &Act| {
            !self.steps().iter().any(|step| act.before.boot <= *step && step.saturating_sub(READ_NS) <= act.after.boot)
        };
        let pairs = self.acts.iter().zip(self.acts.iter().skip(1)).filter(|(one, next)| one.pid == next.pid);
        let pairs = pairs.filter(|(one, next)| one.after.boot <= next.before.boot && far(one) && far(next));
        let wrong = pairs.filter(|(one, next)| {
            matches!((self.times(one).first(), self.times(next).first()), (Some(one), Some(next)) if one > next)
        });
        wrong.map(|(one, next)| format!("{next:?} is told before {one:?}")).collect()
    }

    /// How far the clock was ahead of the time since boot, and when.
    fn offsets(&self) -> Vec<(u64, u64)> {
        let moments = self.acts.iter().flat_map(|act| [act.before, act.after]);
        let mut offsets: Vec<_> =
            moments.map(|moment| (moment.boot, moment.wall.saturating_sub(moment.boot))).collect();
        // A launch and its exit are told as two acts of the same time.
        offsets.sort_unstable();
        offsets
    }

    /// When the clock was found set to something else, in nanoseconds since boot.
    #[must_use]
    pub fn steps(&self) -> Vec<u64> {
        let offsets = self.offsets();
        let pairs = offsets.iter().zip(offsets.iter().skip(1));
        pairs.filter(|(one, next)| one.1.abs_diff(next.1) > STEP_NS).map(|(_, next)| next.0).collect()
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        let told = self.acts.iter().filter(|act| !self.times(act).is_empty()).count();
        format!("{} acts, {told} of them told, {} steps of the clock", self.acts.len(), self.steps().len())
    }
}
