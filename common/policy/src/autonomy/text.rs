//! Owns: the Cedar policies that a bundle's autonomy comes to. They only forbid, so the lowest of all that is said counts.
//! Never: what an author writes.

use std::fmt::Write;

use picket_model::ActionKind;

use super::{Autonomy, Escalation, Level, Then, Tier};

impl Autonomy {
    /// Nothing where nothing is set.
    pub(crate) fn policies(&self) -> String {
        let mut text = String::new();
        if !self.is_empty() {
            text.push_str("\n// ---- What the settings say of autonomy.\n");
        }
        if self.approve_everything {
            text.push_str(
                "\n@id(\"autonomy.approve-everything\")\n@verdict(\"ask\")\nforbid (principal, action, resource)\n\
                 when { !(principal is Picket::Analyst) };\n",
            );
        }
        if !self.out_of_scope.is_empty() {
            text.push_str(
                "\n@id(\"autonomy.out-of-scope\")\nforbid (principal, action, resource)\nwhen { context.out_of_scope };\n",
            );
        }
        for tier in &self.tiers {
            for level in Level::ALL {
                tier_at(&mut text, tier, level);
            }
        }
        text
    }
}

/// All actions that have this level on the tier's hosts, in one policy. `act` forbids nothing.
fn tier_at(text: &mut String, tier: &Tier, level: Level) {
    let words: Vec<String> = ActionKind::ALL
        .iter()
        .filter(|nature| tier.level(nature.word) == level)
        .map(|nature| format!("Picket::Action::\"{}\"", nature.word))
        .collect();
    let escalation = tier.escalation.as_ref();
    let (verdict, further) = match level {
        Level::Act => return,
        Level::Observe | Level::Suggest => ("", String::new()),
        Level::Approve => {
            let then = escalation.filter(|escalation| escalation.then == Then::Act);
            (
                "@verdict(\"ask\")\n",
                then.map_or_else(String::new, |it| format!(" && context.waited_ms < {}", it.total_ms())),
            )
        }
        Level::ActAndEscalate => {
            let within = escalation.map_or(0, Escalation::total_ms);
            ("@verdict(\"ask\")\n", format!(" && context.undoable && context.lease_ms > {within}"))
        }
    };
    if words.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n@id(\"autonomy.{name}.{level}\")\n{verdict}forbid (principal, action in [{words}], resource)\n\
         when {{ context.tier == {name:?} && !(principal is Picket::Analyst){further} }};\n",
        name = tier.name,
        level = level.word(),
        words = words.join(", "),
    );
}
