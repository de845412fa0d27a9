//! Owns: the compiled set as a whole, and the way of one event through it.
//! Never: parsing; that is `compile`.

use std::sync::Arc;

use picket_model::{Event, Interest, LossCount, Timestamp};

use crate::compile::{Options, Set, Targets};
use crate::correlation::{CorrelationLimits, Correlator, Done, LostWindows, Side, Told, event_bytes};
use crate::error::RuleError;
use crate::indicator::{Gathering, IndicatorSource, Indicators, ListKind};
use crate::rule::{EventHost, Exception, Hit, Rule, RuleSource, Scope, Subject};
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
    /// The first correlation is numbered after the last of `rules`.
    correlator: Correlator,
    /// By number: whether a match is reported, or only feeds correlations.
    reported: Vec<bool>,
    indicators: Indicators,
    /// Rules that none of Picket's own events can match.
    not_live: Vec<RuleError>,
    exceptions: Vec<Exception>,
    /// Events so far.
    observed: u64,
    /// Kept from event to event.
    candidates: Vec<u32>,
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
        let mut gathering = Gathering::default();
        let malformed = gathering.texts(indicators).err().unwrap_or_default();
        let mut compiled = Self::compile_gathered(rules, gathering, options);
        if !malformed.is_empty() {
            compiled = Err(compiled.err().into_iter().flatten().chain(malformed).collect());
        }
        compiled
    }

    /// As `compile_with`, with indicators that were gathered before.
    pub fn compile_gathered(
        rules: &[RuleSource],
        indicators: Gathering,
        options: &Options,
    ) -> Result<Self, Vec<RuleError>> {
        let (set, errors) = crate::compile::compile(rules, options);
        if errors.is_empty() { Ok(Self::of(set, indicators.finish())) } else { Err(errors) }
    }

    /// As a host runs them: without the correlations of the estate.
    pub fn of_host(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        Self::compile_with(rules, indicators, &Options { scope: Some(Scope::Host), ..Options::default() })
    }

    /// The same with indicators that were gathered before.
    pub fn of_host_gathered(rules: &[RuleSource], indicators: Gathering) -> Result<Self, Vec<RuleError>> {
        let options = Options { scope: Some(Scope::Host), ..Options::default() };
        Self::compile_gathered(rules, indicators, &options)
    }

    /// As the coordinator runs them over the events of all hosts: correlations of the estate, and nothing else.
    pub fn of_estate(rules: &[RuleSource]) -> Result<Self, Vec<RuleError>> {
        let options = Options { scope: Some(Scope::Estate), ..Options::default() };
        Self::compile_with(rules, &IndicatorSource::default(), &options)
    }

    /// Compiles what can be honoured and says what was refused.
    #[must_use]
    pub fn compile_lenient(rules: &[RuleSource], placeholders: &Placeholders) -> Lenient {
        let options = Options { targets: Targets::Any, lenient: true, scope: None, placeholders: placeholders.clone() };
        let (set, refused) = crate::compile::compile(rules, &options);
        let documents = set.documents;
        Lenient { detector: Self::of(set, Indicators::none()), refused, documents }
    }

    fn of(set: Set, indicators: Indicators) -> Self {
        Self {
            correlator: Correlator::new(set.correlations, set.rules.len(), CorrelationLimits::default()),
            rules: set.rules,
            native: Native::new(set.native),
            foreign: Foreign::new(set.foreign, set.schema, set.sources),
            reported: set.reported,
            indicators,
            not_live: set.not_live,
            exceptions: set.exceptions,
            observed: 0,
            candidates: Vec::new(),
        }
    }

    /// The rules that no event of Picket's own can match, each with the first reason; they wait for events of others.
    #[must_use]
    pub fn not_live(&self) -> &[RuleError] {
        &self.not_live
    }

    /// The rules and correlations that Picket's own events can match; of a correlation every rule that it names is one.
    pub fn live(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.native.matchers.iter().map(|matcher| matcher.rule.as_ref());
        let correlations = self.correlator.correlations().iter().filter(|correlation| correlation.is_native());
        rules.chain(correlations.map(|correlation| correlation.rule.as_ref()))
    }

    /// The correlations among the rules.
    pub fn correlations(&self) -> impl Iterator<Item = &Rule> {
        self.correlator.correlations().iter().map(|correlation| correlation.rule.as_ref())
    }

    /// Every filter in force, those that have ended among them.
    #[must_use]
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
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
        self.rules_with(&[])
    }

    /// With those of indicators that come as lists of these kinds.
    pub fn rules_with(&self, lists: &[ListKind]) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter().map(AsRef::as_ref);
        let correlations = self.correlator.correlations().iter().filter(|correlation| !correlation.idle);
        let correlations = correlations.map(|correlation| correlation.rule.as_ref());
        rules.chain(correlations).chain(self.indicators.rules(lists))
    }

    /// Which files can matter to any rule, correlation or indicator in force.
    #[must_use]
    pub fn interest(&self) -> Interest {
        crate::interest::of(&self.native.matchers, &self.indicators)
    }

    /// How long correlations wait for late events, and what they may hold.
    pub const fn limit_correlations(&mut self, limits: CorrelationLimits) {
        self.correlator.set_limits(limits);
    }

    /// Whether any rule or correlation (not an indicator) is for such an event.
    #[must_use]
    pub fn concerns(&self, event: &Event) -> bool {
        self.native.knows(Class::of(&event.activity))
    }

    /// What `event` matches, and which correlations are complete now: these wait until no earlier event can come, so
    /// their hits carry the event that completed them.
    pub fn observe(&mut self, event: &Event) -> Vec<Hit> {
        self.observe_on(EventHost::default(), event)
    }

    /// As `observe`, where the host is known that the event is of.
    pub fn observe_on(&mut self, host: EventHost<'_>, event: &Event) -> Vec<Hit> {
        let number = self.observed;
        self.observed += 1;
        if Class::of(&event.activity).is_empty() {
            // Forks and exits are most of what a busy host does, and neither rules nor indicators look at them.
            return Vec::new();
        }
        let view = View::on(host.name, event);
        let mut fired = Fired::default();
        self.candidates.clear();
        self.native.candidates(&view, &mut self.candidates);
        for index in &self.candidates {
            fired.take(&self.native.matchers[*index as usize], &self.reported, &view);
        }
        let Fired { numbers, mut hits } = fired;
        hits.extend(self.indicators.observe(event));
        let told = || Told {
            id: *event.id.as_bytes(),
            bytes: event_bytes(event),
            subject: Subject::Event { event: Arc::new(event.clone()), host: host.id, number },
        };
        let mut done = Vec::new();
        self.correlator.observe((&view, Side::Native), &numbers, told, &mut done);
        self.report(done, &mut hits);
        hits
    }

    /// What an event of others matches, and which correlations are complete now. It meets the rules of its log source
    /// only. Hits of correlations tell which event completed them by its number among all.
    pub fn observe_foreign<R: Record>(&mut self, record: &R) -> Vec<Hit> {
        let number = self.observed;
        self.observed += 1;
        let mut fired = Fired::default();
        let record = self.foreign.evaluate(record, |matcher, record| fired.take(matcher, &self.reported, record));
        let Fired { numbers, mut hits } = fired;
        // Without an id of its own none is a repetition, and events of one instant stand in the order in which they came.
        let own = if numbers.is_empty() { None } else { record.id() };
        let id = own.unwrap_or_else(|| u128::from(number).to_be_bytes());
        let told = || Told { id, bytes: 0, subject: Subject::Foreign { number, time: record.time() } };
        let mut done = Vec::new();
        self.correlator.observe((&record, Side::Foreign), &numbers, told, &mut done);
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

    /// Drops what correlations remember, as if no event had come yet.
    pub fn forget(&mut self) {
        self.correlator.forget();
        self.observed = 0;
    }

    /// From here on every match is reported, also of rules that only feed correlations. The rules that were before.
    pub(crate) fn report_all(&mut self) -> Vec<Arc<Rule>> {
        let correlations = self.correlator.correlations().iter().map(|correlation| &correlation.rule);
        let rules = self.rules.iter().chain(correlations).zip(&self.reported);
        let before = rules.filter(|(_, reported)| **reported).map(|(rule, _)| rule.clone()).collect();
        self.reported.fill(true);
        before
    }

    fn report(&self, done: Vec<Done>, hits: &mut Vec<Hit>) {
        for Done { correlation, entry, evidence } in done {
            let reported = self.reported.get(self.rules.len() + correlation);
            if let (Some(true), Some(correlation)) = (reported, self.correlator.correlations().get(correlation)) {
                let subject = Some(entry.subject.clone());
                hits.push(Hit { rule: correlation.rule.clone(), evidence, subject });
            }
        }
    }

    /// Takes over what the correlations of `previous` remember, so that a new bundle does not make an attack under
    /// way begin anew. A correlation that was changed begins anew.
    pub fn carry_over(&mut self, previous: &mut Self) {
        let nothing = Correlator::new(Vec::new(), 0, CorrelationLimits::default());
        self.correlator.carry_over(std::mem::replace(&mut previous.correlator, nothing));
    }

    /// What correlations had to give up since the last call, per correlation and cause, and of windows from when to
    /// when; nothing where all is well.
    pub fn take_losses(&mut self) -> (Vec<LossCount>, Vec<LostWindows>) {
        self.correlator.take_losses()
    }

    /// Whether a hit may be about an event that was observed before.
    #[must_use]
    pub fn correlates(&self) -> bool {
        !self.correlator.correlations().is_empty()
    }

    /// How many groups correlations remember, and in how many bytes.
    #[must_use]
    pub const fn correlation_state(&self) -> (usize, usize) {
        self.correlator.held()
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
                let evidence = matcher.evidence(record);
                self.hits.push(Hit { rule: matcher.rule.clone(), evidence, subject: None });
            }
        }
    }
}
