//! Owns: the compiled set as a whole, and the way of one event through it.
//! Never: parsing; that is `compile`.

use picket_model::{Event, Interest, LossCount};

use crate::correlation::Correlation;
use crate::error::RuleError;
use crate::indicator::{IndicatorSource, Indicators};
use crate::rule::{Hit, Rule, RuleSource};
use crate::sigma::class::Class;
use crate::sigma::matcher::Matcher;
use crate::sigma::prefilter::Prefilter;
use crate::sigma::view::View;

/// Rules, correlations and indicators in force. It holds the correlations' state and nothing else that changes.
#[derive(Debug)]
pub struct Detector {
    matchers: Vec<Matcher>,
    prefilter: Prefilter,
    /// Each after all that feed it. The first is numbered after the last of `matchers`.
    correlations: Vec<Correlation>,
    /// By number: whether a match is reported, or only feeds correlations.
    reported: Vec<bool>,
    indicators: Indicators,
    /// Counts events.
    order: u64,
}

impl Detector {
    /// Compiles rules and indicators; on failure all errors at once. What cannot be honoured in full is an error.
    pub fn compile(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Self, Vec<RuleError>> {
        let compiled = crate::compile::compile(rules);
        let indicators = Indicators::compile(indicators);
        match (compiled, indicators) {
            (Ok(set), Ok(indicators)) => Ok(Self {
                prefilter: Prefilter::new(&set.matchers),
                matchers: set.matchers,
                correlations: set.correlations,
                reported: set.reported,
                indicators,
                order: 0,
            }),
            (rules, indicators) => Err(rules.err().into_iter().chain(indicators.err()).flatten().collect()),
        }
    }

    /// Every rule and correlation, and the kinds of indicators in force.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.matchers.iter().map(|matcher| matcher.rule.as_ref());
        let correlations = self.correlations.iter().map(|correlation| correlation.rule.as_ref());
        rules.chain(correlations).chain(self.indicators.rules())
    }

    /// Which files can matter to any rule, correlation or indicator in force.
    #[must_use]
    pub fn interest(&self) -> Interest {
        crate::interest::of(&self.matchers, &self.indicators)
    }

    /// What `event` matches or completes. Correlations remember it.
    pub fn observe(&mut self, event: &Event) -> Vec<Hit> {
        self.order += 1;
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
                    hits.push(Hit { rule: matcher.rule.clone(), evidence: matcher.evidence(&view) });
                }
            }
        }
        if !fired.is_empty() {
            self.correlate(&view, &mut fired, &mut hits);
        }
        hits.extend(self.indicators.observe(event));
        hits
    }

    fn correlate(&mut self, view: &View<'_>, fired: &mut Vec<usize>, hits: &mut Vec<Hit>) {
        for (index, correlation) in self.correlations.iter_mut().enumerate() {
            let number = self.matchers.len() + index;
            let Some(evidence) = correlation.observe(view, fired, self.order) else { continue };
            fired.push(number);
            if self.reported[number] {
                hits.push(Hit { rule: correlation.rule.clone(), evidence });
            }
        }
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
