//! Owns: how far a question has come on its path: whose turn it is, whose time is over, and the words for both.
//! Never: reading a clock, or what follows at the end; whoever asks knows.

use picket_model::{Asked, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Escalation, Then};
use crate::moment::Moment;

/// How long an answer is taken: a night shift hands over within a day, and the target is another by then.
pub const QUESTION_OPEN_MS: u64 = 24 * 3_600_000;

/// A path may be as long as a question is open, and its end is found out a little later.
const LATE_MS: u64 = 60_000;

/// A question between two of those who are asked, as whoever asks keeps it over restarts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// By the steady date of whoever asks.
    pub asked: Timestamp,
    /// When the time of each earlier stage was found to be over, by the same date: that of the next began then. Where
    /// whoever asks was not there to ask them, people have their time all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Timestamp>,
    /// Taken out once it has been gone by.
    pub escalation: Option<Escalation>,
}

/// Somebody's time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    NextStage,
    /// The last one on the path has let it go by.
    End(Escalation),
}

impl Waiting {
    #[must_use]
    pub const fn new(escalation: Option<Escalation>, asked: Timestamp) -> Self {
        Self { asked, passed: Vec::new(), escalation }
    }

    #[must_use]
    pub const fn is_open(&self, now: Timestamp) -> bool {
        now.millis_since(self.asked) < QUESTION_OPEN_MS
    }

    /// Whether nobody's answer is taken any more, and whoever asks was away when it should have been said: what it was about
    /// is another thing by then.
    #[must_use]
    pub const fn is_past(&self, now: Timestamp) -> bool {
        now.millis_since(self.asked) >= QUESTION_OPEN_MS + LATE_MS
    }

    /// The date is another one by so many nanoseconds.
    pub fn move_by(&mut self, by_ns: i64) {
        for time in std::iter::once(&mut self.asked).chain(&mut self.passed) {
            *time = time.moved(by_ns);
        }
    }

    /// Whether the time of whoever is asked now is over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let began = self.passed.last().copied().unwrap_or(self.asked);
        let stage = self.escalation.as_ref().and_then(|path| path.stages().nth(self.passed.len()));
        stage.is_some_and(|(_, within_ms)| now.millis_since(began) >= within_ms)
    }

    /// None where it goes on waiting; each due comes once.
    pub fn due(&mut self, now: Timestamp) -> Option<Due> {
        if !self.is_over(now) {
            return None;
        }
        if self.passed.len() < self.escalation.as_ref()?.then_ask.len() {
            self.passed.push(now);
            return Some(Due::NextStage);
        }
        self.escalation.take().map(Due::End)
    }

    /// Who has let it go by and who is asked now, in the words of the record.
    #[must_use]
    pub fn decided_by(&self) -> Vec<String> {
        let Some(path) = &self.escalation else { return Vec::new() };
        let now = path.asked(self.passed.len()).map(|asked| asked.to_string());
        path.gone_by().take(self.passed.len()).chain(now).collect()
    }

    /// `waits for the night shift until …; then the day shift is asked`
    #[must_use]
    pub fn said(&self, now: Timestamp) -> String {
        let stages = self.escalation.as_ref().map(|path| (path.stages().skip(self.passed.len()), path.then));
        let Some((mut stages, then)) = stages else { return "waits for a person".to_owned() };
        let Some((ask, within_ms)) = stages.next() else { return "waits for a person".to_owned() };
        let until = now.plus_millis(within_ms);
        match (stages.next(), then) {
            (Some((next, _)), _) => format!("waits for {ask} until {until}; then {next} is asked"),
            (None, Then::Wait) => format!("waits for {ask}, who should answer before {until}"),
            (None, Then::Act) => format!("waits for {ask} until {until}; then it is done"),
            (None, Then::Drop) => format!("waits for {ask} until {until}; then it is given up"),
        }
    }

    /// Of a path at whose end it goes on waiting.
    #[must_use]
    pub fn stays_open(&self, path: &Escalation, now: Moment) -> String {
        let left_ms = QUESTION_OPEN_MS.saturating_sub(now.steady.millis_since(self.asked));
        format!("{}; the question stays open until {}", path.nobody(), now.wall.plus_millis(left_ms))
    }
}

impl Escalation {
    fn asked(&self, passed: usize) -> Option<Asked> {
        let (who, within_ms) = self.stages().nth(passed)?;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (stage, stages) = (number(passed + 1), number(1 + self.then_ask.len()));
        Some(Asked { stage, stages, within_s: within_ms / 1000, who: who.to_owned() })
    }

    /// That each of them has let it go by, in the words of the record.
    pub fn gone_by(&self) -> impl Iterator<Item = String> {
        self.stages().map(|(who, within_ms)| Asked::gone_by(who, within_ms / 1000))
    }

    #[must_use]
    pub fn nobody(&self) -> String {
        format!("nobody answered within {} s", self.total_ms() / 1000)
    }

    #[must_use]
    pub fn given_up(&self) -> String {
        format!("given up: {}", self.nobody())
    }

    /// Of a path at whose end it should be done. `what`: `the host act`; `by`: what forbids it.
    #[must_use]
    pub fn not_done(&self, what: &str, by: &[String]) -> String {
        format!("waits for a person: {}, and policy does not let {what} ({})", self.nobody(), by.join(", "))
    }
}
