//! Owns: the compiled set as a whole, and the way of one event through it.
//! Never: parsing; that is `compile`.

use picket_model::{Event, Interest, LossCount, Timestamp};

use crate::correlation::{CorrelationLimits, Correlator, Done, LostWindows};
use crate::error::RuleError;
use crate::indicator::{IndicatorSource, Indicators};
use crate::rule::{Hit, Rule, RuleSource, Subject};
use crate::sigma::class::Class;
use crate::sigma::matcher::Matcher;
use crate::sigma::prefilter::Prefilter;
use crate::sigma::view::View;

/// Rules, correlations and indicators in force. It holds the correlations' state and nothing else that changes.
#[derive(Debug)]
pub struct Detector {
    matchers: Vec<Matcher>,
    prefilter: Prefilter,
    /// The first correlation is numbered after the last of `matchers`.
    correlator: Correlator,
    /// By number: whether a match is reported, or only feeds correlations.
    reported: Vec<bool>,
    indicators: Indicators,
}

impl Detector {
    /// Compiles rules and indicators; on failure all errors at once. What cannot be honoured in full is an error.
    pub fn compile(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        let compiled = crate::compile::compile(rules);
        let indicators = Indicators::compile(indicators);
        match (compiled, indicators) {
            (Ok(set), Ok(indicators)) => Ok(Self {
                prefilter: Prefilter::new(&set.matchers),
                correlator: Correlator::new(set.correlations, set.matchers.len(), CorrelationLimits::default()),
                matchers: set.matchers,
                reported: set.reported,
                indicators,
            }),
            (rules, indicators) => Err(rules.err().into_iter().chain(indicators.err()).flatten().collect()),
        }
    }

    /// Every rule and correlation, and the kinds of indicators in force.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.matchers.iter().map(|matcher| matcher.rule.as_ref());
        let correlations = self.correlator.correlations().iter().map(|correlation| correlation.rule.as_ref());
        rules.chain(correlations).chain(self.indicators.rules())
    }

    /// Which files can matter to any rule, correlation or indicator in force.
    #[must_use]
    pub fn interest(&self) -> Interest {
        crate::interest::of(&self.matchers, &self.indicators)
    }

    /// How long correlations wait for late events, and what they may hold.
    pub const fn limit_correlations(&mut self, limits: CorrelationLimits) {
        self.correlator.set_limits(limits);
    }

    /// What `event` matches, and which correlations are complete now: these wait until no earlier event can come, so
    /// their hits carry the event that completed them.
    pub fn observe(&mut self, event: &Event) -> Vec<Hit> {
        if Class::of(&event.activity).is_empty() {
            // Forks and exits are most of what a busy host does, and neither rules nor indicators look at them.
            return Vec::new();
        }
        let view = View::new(event);
        let mut fired = Vec::new();
        let mut hits = Vec::new();
        for index in self.prefilter.candidates(&view) {
            let matcher = &self.matchers[index];
            if matcher.matches(&view) {
                fired.push(index);
                if self.reported[index] {
                    hits.push(Hit { rule: matcher.rule.clone(), evidence: matcher.evidence(&view), subject: None });
                }
            }
        }
        hits.extend(self.indicators.observe(event));
        let mut done = Vec::new();
        self.correlator.observe(&view, &fired, &mut done);
        self.report(done, &mut hits);
        hits
    }

    /// What time alone completes. A caller with a clock says often what it shows; from the first time on it is this
    /// clock, and no event, that says which events are too late.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Hit> {
        let (mut done, mut hits) = (Vec::new(), Vec::new());
        self.correlator.advance(now, &mut done);
        self.report(done, &mut hits);
        hits
    }

    /// What is complete when no event follows. Later ones are too late.
    pub fn finish(&mut self) -> Vec<Hit> {
        let (mut done, mut hits) = (Vec::new(), Vec::new());
        self.correlator.finish(&mut done);
        self.report(done, &mut hits);
        hits
    }

    fn report(&self, done: Vec<Done>, hits: &mut Vec<Hit>) {
        for Done { correlation, entry, evidence } in done {
            let reported = self.reported.get(self.matchers.len() + correlation);
            if let (Some(true), Some(correlation)) = (reported, self.correlator.correlations().get(correlation)) {
                let Subject::Event(event) = &entry.subject;
                let subject = Some(Subject::Event(event.clone()));
                hits.push(Hit { rule: correlation.rule.clone(), evidence, subject });
            }
        }
    }

    /// Takes over what the correlations of `previous` remember, so that a new bundle does not make an attack under
    /// way begin anew. A correlation that was changed begins anew.
    pub fn carry_over(&mut self, previous: Self) {
        self.correlator.carry_over(previous.correlator);
    }

    /// What correlations had to give up since the last call, per correlation and cause, and of windows from when to
    /// when; nothing where all is well.
    pub fn take_losses(&mut self) -> (Vec<LossCount>, Vec<LostWindows>) {
        self.correlator.take_losses()
    }

    /// How many groups correlations remember, and in how many bytes.
    #[must_use]
    pub const fn correlation_state(&self) -> (usize, usize) {
        self.correlator.held()
    }
}
