//! Owns: the compiled set as a whole, and the way of one event through it.
//! Never: parsing; that is `compile`.

use std::sync::Arc;

use picket_model::{Event, Interest, LossCount};

use crate::compile::{Options, Set, Targets};
use crate::correlation::{Correlation, Side};
use crate::error::RuleError;
use crate::indicator::{IndicatorSource, Indicators};
use crate::rule::{Hit, Rule, RuleSource};
use crate::sigma::binding::Placeholders;
use crate::sigma::class::Class;
use crate::sigma::matcher::Matcher;
use crate::sigma::native::Native;
use crate::sigma::record::Record;
use crate::sigma::schema::Schema;
use crate::sigma::view::View;
use crate::source::foreign::Foreign;

/// Rules, correlations and indicators in force. It holds the correlations' state and nothing else that changes.
#[derive(Debug)]
pub struct Detector {
    rules: Vec<Arc<Rule>>,
    native: Native,
    foreign: Foreign,
    /// Each after all that feed it. The first is numbered after the last of `rules`.
    correlations: Vec<Correlation>,
    /// By number: whether a match is reported, or only feeds correlations.
    reported: Vec<bool>,
    indicators: Indicators,
    /// Rules that none of Picket's own events can match.
    not_live: Vec<RuleError>,
    /// Counts events.
    order: u64,
}

/// What became of rules of which some may be refused.
#[derive(Debug)]
pub struct Lenient {
    pub detector: Detector,
    /// Of each refused document its first error.
    pub refused: Vec<RuleError>,
    /// Documents that were read, the refused among them.
    pub documents: usize,
}

impl Detector {
    /// Compiles rules and indicators; on failure all errors at once. What cannot be honoured in full is an error, and
    /// so is a rule that can match no event of Picket's own.
    pub fn compile(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        Self::compile_with(rules, indicators, &Options::default())
    }

    /// As `compile`, for other targets and with placeholders; nothing loads unless everything does.
    pub fn compile_with(
        rules: &[RuleSource],
        indicators: &IndicatorSource,
        options: &Options,
    ) -> Result<Self, Vec<RuleError>> {
        let (set, mut errors) = crate::compile::compile(rules, options);
        match Indicators::compile(indicators) {
            Ok(indicators) if errors.is_empty() => Ok(Self::of(set, indicators)),
            indicators => {
                errors.extend(indicators.err().into_iter().flatten());
                Err(errors)
            }
        }
    }

    /// Compiles what can be honoured and says what was refused.
    #[must_use]
    pub fn compile_lenient(rules: &[RuleSource], placeholders: &Placeholders) -> Lenient {
        let options = Options { targets: Targets::Any, lenient: true, placeholders: placeholders.clone() };
        let (set, refused) = crate::compile::compile(rules, &options);
        let documents = set.documents;
        Lenient { detector: Self::of(set, Indicators::none()), refused, documents }
    }

    fn of(set: Set, indicators: Indicators) -> Self {
        Self {
            rules: set.rules,
            native: Native::new(set.native),
            foreign: Foreign::new(set.foreign, set.schema, set.sources),
            correlations: set.correlations,
            reported: set.reported,
            indicators,
            not_live: set.not_live,
            order: 0,
        }
    }

    /// The rules that no event of Picket's own can match, each with the first reason; they wait for events of others.
    #[must_use]
    pub fn not_live(&self) -> &[RuleError] {
        &self.not_live
    }

    /// Events of others of which nothing said where they come from, so that they met no rule.
    #[must_use]
    pub const fn unbound(&self) -> u64 {
        self.foreign.unbound()
    }

    /// The fields that rules look at in events of others; whoever reads such events numbers their fields by it.
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        self.foreign.schema()
    }

    /// Every rule and correlation, and the kinds of indicators in force.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter().map(AsRef::as_ref);
        let correlations = self.correlations.iter().map(|correlation| correlation.rule.as_ref());
        rules.chain(correlations).chain(self.indicators.rules())
    }

    /// Which files can matter to any rule, correlation or indicator in force.
    #[must_use]
    pub fn interest(&self) -> Interest {
        crate::interest::of(&self.native.matchers, &self.indicators)
    }

    /// What `event` matches or completes. Correlations remember it.
    pub fn observe(&mut self, event: &Event) -> Vec<Hit> {
        self.order += 1;
        if Class::of(&event.activity).is_empty() {
            // Forks and exits are most of what a busy host does, and neither rules nor indicators look at them.
            return Vec::new();
        }
        let view = View::new(event);
        let mut hits = self.evaluate(&view);
        hits.extend(self.indicators.observe(event));
        hits
    }

    fn evaluate(&mut self, view: &View<'_>) -> Vec<Hit> {
        let mut fired = Fired::default();
        for index in self.native.candidates(view) {
            fired.take(&self.native.matchers[index as usize], &self.reported, view);
        }
        self.correlate(view, Side::Native, fired)
    }

    /// What an event of others matches or completes. It meets the rules of its log source only.
    pub fn observe_foreign<R: Record>(&mut self, record: &R) -> Vec<Hit> {
        self.order += 1;
        let mut fired = Fired::default();
        let record = self.foreign.evaluate(record, |matcher, record| fired.take(matcher, &self.reported, record));
        self.correlate(&record, Side::Foreign, fired)
    }

    fn correlate<R: Record>(&mut self, record: &R, side: Side, fired: Fired) -> Vec<Hit> {
        let Fired { mut numbers, mut hits } = fired;
        if numbers.is_empty() {
            return hits;
        }
        for (index, correlation) in self.correlations.iter_mut().enumerate() {
            let number = self.rules.len() + index;
            let Some(evidence) = correlation.observe(record, side, &numbers, self.order) else { continue };
            numbers.push(number);
            if self.reported[number] {
                hits.push(Hit { rule: correlation.rule.clone(), evidence });
            }
        }
        hits
    }

    /// Takes over what the correlations of `previous` remember, so that a new bundle does not make an attack under
    /// way begin anew. A correlation that was changed begins anew.
    pub fn carry_over(&mut self, previous: Self) {
        self.order = self.order.max(previous.order);
        for old in previous.correlations {
            if let Some(own) = self.correlations.iter_mut().find(|own| own.is_same_as(&old)) {
                own.take_state(old);
            }
        }
    }

    /// What correlations had to give up since the last call, per correlation and cause; nothing where all is well.
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let mut losses = Vec::new();
        for correlation in &mut self.correlations {
            for (what, count) in correlation.take_losses() {
                if count > 0 {
                    losses.push(LossCount { place: format!("correlation.{}.{what}", correlation.rule.id), count });
                }
            }
        }
        losses
    }
}

/// The rules that matched an event.
#[derive(Default)]
struct Fired {
    numbers: Vec<usize>,
    hits: Vec<Hit>,
}

impl Fired {
    fn take<R: Record>(&mut self, matcher: &Matcher, reported: &[bool], record: &R) {
        if matcher.matches(record) {
            self.numbers.push(matcher.number);
            if reported[matcher.number] {
                self.hits.push(Hit { rule: matcher.rule.clone(), evidence: matcher.evidence(record) });
            }
        }
    }
}
