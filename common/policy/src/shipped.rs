//! Owns: the five bundles that come with Picket, and reading a bundle from settings and Cedar text as they are written.
//! Never: rules; whoever signs puts them in.

use std::collections::BTreeMap;

use picket_model::{BundleVersion, Timestamp};
use serde::Deserialize;

use crate::autonomy::Autonomy;
use crate::bundle::{Bundle, Conservative, IndicatorTexts, Isolation, Protected};
use crate::error::{BundleError, position};
use crate::group_budget::GroupBudget;
use crate::guards::with_guards;
use crate::quorum::Group;
use crate::windows::WindowSettings;

/// From the one that never acts to the one that acts most.
pub const SHIPPED: [&str; 5] = ["watch", "regulated", "careful", "standard", "strict"];

/// The settings file beside a Cedar file; version, instant and rules come when the bundle is signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    lease_ms: u64,
    conservative: Conservative,
    #[serde(default)]
    budgets: BTreeMap<String, u32>,
    #[serde(default)]
    account_budget: Option<u32>,
    #[serde(default)]
    group_budgets: Vec<GroupBudget>,
    #[serde(default)]
    lease_action_ms: BTreeMap<String, u64>,
    /// Whoever leaves it out protects what every host needs; whoever writes it replaces that.
    #[serde(default = "Protected::usual")]
    protected: Protected,
    #[serde(default)]
    isolation: Isolation,
    #[serde(default)]
    autonomy: Autonomy,
    #[serde(default)]
    quorum: Vec<Group>,
    #[serde(default)]
    windows: Vec<WindowSettings>,
    #[serde(default)]
    indicators: IndicatorTexts,
    #[serde(default)]
    watch_read: Vec<String>,
}

macro_rules! texts {
    ($name:literal) => {
        (include_str!(concat!("../bundles/", $name, ".toml")), include_str!(concat!("../bundles/", $name, ".cedar")))
    };
}

/// Version 0, issued at 0, without rules: the caller fills these in before signing.
#[must_use]
pub fn shipped(name: &str) -> Option<Bundle> {
    let (settings, policies) = match name {
        "watch" => texts!("watch"),
        "regulated" => texts!("regulated"),
        "careful" => texts!("careful"),
        "standard" => texts!("standard"),
        "strict" => texts!("strict"),
        _ => return None,
    };
    // A test reads all of them, so what is shipped parses.
    Bundle::from_texts(settings, policies).ok()
}

impl Bundle {
    /// A bundle from its settings (TOML) and policies (Cedar), with the guards beneath them; they are checked when it is
    /// verified.
    pub fn from_texts(settings: &str, policies: &str) -> Result<Self, BundleError> {
        let settings_text = settings;
        let settings: Settings = toml::from_str(settings).map_err(|error| {
            let (line, column) = position(settings_text, error.span().map_or(0, |span| span.start));
            BundleError::Malformed { line, column, reason: error.message().to_owned() }
        })?;
        Ok(Self {
            name: settings.name,
            version: BundleVersion(0),
            issued: Timestamp(0),
            lease_ms: settings.lease_ms,
            conservative: settings.conservative,
            policies: with_guards(policies, settings.conservative, &settings.autonomy),
            rules: Vec::new(),
            yara: Vec::new(),
            indicators: settings.indicators,
            indicator_lists: Vec::new(),
            budgets: settings.budgets,
            account_budget: settings.account_budget,
            group_budgets: settings.group_budgets,
            lease_action_ms: settings.lease_action_ms,
            protected: settings.protected,
            isolation: settings.isolation,
            autonomy: settings.autonomy,
            quorum: settings.quorum,
            windows: settings.windows.into_iter().map(WindowSettings::window).collect::<Result<_, _>>()?,
            watch_read: settings.watch_read,
        })
    }
}

#[cfg(test)]
mod tests;
