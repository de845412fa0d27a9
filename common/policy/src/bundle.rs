//! Owns: what a policy bundle holds, and signing it.
//! Never: trusting one; that is `envelope`, and judging under one is `judge`.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use picket_model::{ActionKind, BundleVersion, Sha256, Timestamp};
use serde::{Deserialize, Serialize};

use crate::autonomy::Autonomy;
use crate::cedar::Policies;
use crate::error::BundleError;
use crate::group_budget::GroupBudget;
use crate::quorum::Group;
use crate::windows::Window;
use crate::{envelope, limits};

/// What counts once the bundle's lease has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conservative {
    /// The bundle goes on as it is.
    Unchanged,
    /// Nothing is done alone any more; what would have been is asked for.
    Ask,
    /// Nothing is done and nothing is asked, at whoever's word.
    Watch,
}

/// One Sigma document, or one file of YARA rules, with the name by which its errors are reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    pub file: String,
    pub text: String,
}

/// A list of indicators that travels beside the bundle: the host fetches it, and what does not have this digest is not it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRef {
    /// One of the names of [`IndicatorTexts::lists`].
    pub kind: String,
    pub sha256: Sha256,
    pub bytes: u64,
    pub entries: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndicatorTexts {
    pub sha256: Vec<String>,
    pub md5: Vec<String>,
    /// Addresses or networks in CIDR notation.
    pub addresses: Vec<String>,
    pub domains: Vec<String>,
    pub urls: Vec<String>,
    /// Whole paths, or names in whatever folder.
    pub file_names: Vec<String>,
}

impl IndicatorTexts {
    /// Every list with its name.
    #[must_use]
    pub fn lists(&self) -> [(&'static str, &Vec<String>); 6] {
        let Self { sha256, md5, addresses, domains, urls, file_names } = self;
        [
            ("sha256", sha256),
            ("md5", md5),
            ("addresses", addresses),
            ("domains", domains),
            ("urls", urls),
            ("file_names", file_names),
        ]
    }
}

/// What no action may touch, at whoever's word.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protected {
    /// Executables, exactly as the host names them: their processes are not killed, they are not moved or denied.
    pub executables: Vec<String>,
    /// Files and folders: what lies below is not moved or denied. Processes of such files may still be killed.
    pub paths: Vec<String>,
    /// Units of the service manager, by their whole names or as `name@.service`: they are not disabled, their control
    /// groups are not frozen.
    #[serde(default = "crate::protect::usual_units")]
    pub units: Vec<String>,
    /// Accounts, by name: they are not locked, and what they run is not ended.
    #[serde(default = "crate::protect::usual_accounts")]
    pub accounts: Vec<String>,
    /// Addresses and networks: they are not blocked, and connections to them are not cut.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Domains: neither they nor what lies below them are blocked, nor what they lie below. Left out where there is none:
    /// agents that do not know of it yet take such a bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
}

/// What an isolated host may still reach, and be reached from, beside its coordinators.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// Addresses and networks, both ways and on all ports.
    #[serde(default)]
    pub allow: Vec<String>,
    /// The servers that the host asks for names, as it names them when it is cut off. Names can carry anything out.
    #[serde(default)]
    pub dns: bool,
}

impl Isolation {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub name: String,
    pub version: BundleVersion,
    pub issued: Timestamp,
    /// How long after `issued` the bundle is in force.
    pub lease_ms: u64,
    pub conservative: Conservative,
    /// Cedar text.
    pub policies: String,
    #[serde(default)]
    pub rules: Vec<RuleText>,
    /// Files of YARA rules. Left out where there is none: agents that do not know of them yet take such a bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yara: Vec<RuleText>,
    #[serde(default)]
    pub indicators: IndicatorTexts,
    /// Indicators beyond what fits in here. The bundle is in force once they are there. Left out where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indicator_lists: Vec<ListRef>,
    /// Action word to how many autonomous acts of it one host may see in an hour; absent means [`BUDGET_DEFAULT`].
    #[serde(default)]
    pub budgets: BTreeMap<String, u32>,
    /// How many autonomous acts of any kind the processes of one account may set off on one host in an hour; absent means
    /// that accounts are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_budget: Option<u32>,
    /// How many of them groups of hosts may see, beneath that. Left out where there is none: agents that do not know of
    /// it yet take such a bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_budgets: Vec<GroupBudget>,
    /// Action word to the longest lease of an autonomous act of it; absent means [`lease_action_ms_default`].
    #[serde(default)]
    pub lease_action_ms: BTreeMap<String, u64>,
    pub protected: Protected,
    /// Left out where there is nothing: agents that do not know of it yet take such a bundle.
    #[serde(default, skip_serializing_if = "Isolation::is_usual")]
    pub isolation: Isolation,
    /// How far Picket goes by itself on which hosts. The policies that this comes to are among `policies`.
    #[serde(default, skip_serializing_if = "Autonomy::is_empty")]
    pub autonomy: Autonomy,
    /// Groups of hosts of which some are never cut off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Group>,
    /// When Picket asks for everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Files whose reading is reported; empty means what the sensor watches by default.
    #[serde(default)]
    pub watch_read: Vec<String>,
}

/// Autonomous acts of a kind without a budget of its own, on one host in an hour: enough for one intrusion.
pub const BUDGET_DEFAULT: u32 = 10;

/// How long an act holds where the bundle does not say: long enough for a person to look, over a weekend for a
/// file, over a night for a network, a shift for what hangs meanwhile, a day for an account, an
/// address, a domain or a service. What has no inverse has no lease.
#[must_use]
pub fn lease_action_ms_default(word: &str) -> u64 {
    const HOUR_MS: u64 = 3_600_000;
    match word {
        "kill_tree" | "end_sessions" | "cut_connection" => 0,
        "isolate_host" => 12 * HOUR_MS,
        "suspend_process" | "freeze_group" => 4 * HOUR_MS,
        "deny_execution" | "deny_path" | "lock_account" | "block_address" | "disable_unit" | "block_domain"
        | "disable_module" | "expire_credentials" => 24 * HOUR_MS,
        _ => 7 * 24 * HOUR_MS,
    }
}

impl Bundle {
    /// The signed bundle as bytes: a JSON envelope around the exact text that was signed.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        envelope::sign(self, key)
    }

    /// What stays of it while it is in force: megabytes of text are compiled once and then of no use.
    #[must_use]
    pub fn without_texts(&self) -> Self {
        Self {
            policies: String::new(),
            rules: Vec::new(),
            yara: Vec::new(),
            indicators: IndicatorTexts::default(),
            ..self.clone()
        }
    }

    /// Everything a host checks beside signature, version and lease.
    pub fn check(&self) -> Result<(), BundleError> {
        limits::check(self)?;
        Policies::compile(&self.policies).map_err(BundleError::Policies).map(|_| ())
    }

    /// The instant at which the conservative mode begins.
    #[must_use]
    pub const fn lease_expires(&self) -> Timestamp {
        self.issued.plus_millis(self.lease_ms)
    }

    /// How many autonomous acts of this word one host may see in an hour.
    #[must_use]
    pub fn budget(&self, word: &str) -> u32 {
        self.budgets.get(word).copied().unwrap_or(BUDGET_DEFAULT)
    }

    /// The lease an autonomous act of this kind is asked for with, and the longest it may have.
    #[must_use]
    pub fn action_lease_ms(&self, kind: &ActionKind) -> u64 {
        let word = kind.word();
        self.lease_action_ms.get(word).copied().unwrap_or_else(|| lease_action_ms_default(word))
    }
}
