//! Owns: the last good bundle on disk, and the checks that a new one must pass before it takes its place.
//! Never: a bundle that is not whole in force: signature, version, policies and rules are checked first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use picket_detect::{Detector, IndicatorSource, RuleSource};
use picket_model::{BundleVersion, Timestamp};
use picket_policy::{Authority, Bundle, RuleText, Verified, VerifyingKey};

use super::status::{BROKEN_RULES, BROKEN_YARA};
use crate::worker::{self, YaraSet};

/// A bundle that passed every check, ready to take over.
pub struct Ready {
    pub authority: Authority,
    pub detector: Detector,
    /// Where the bundle has any.
    pub yara: Option<Arc<YaraSet>>,
}

/// What the kept bundle gives at the start.
pub struct Kept {
    pub ready: Ready,
    /// What of its rules does not count, and why: another build may not know every word of them any more. The shipped pack
    /// takes the place of its Sigma rules.
    pub broken: Vec<(&'static str, String)>,
}

pub struct Keeper {
    path: PathBuf,
    trusted: Vec<VerifyingKey>,
    current: Option<Verified>,
}

impl Keeper {
    /// Reads the last good bundle. One that no longer verifies is damage or tampering: it is said, kept aside, not used.
    pub fn open(state_dir: &Path, policy_key: [u8; 32]) -> anyhow::Result<Self> {
        let key = VerifyingKey::from_bytes(&policy_key)
            .context("the identity's policy key is no Ed25519 key; enrol this host again")?;
        let mut keeper = Self { path: state_dir.join("bundle"), trusted: vec![key], current: None };
        match std::fs::read(&keeper.path) {
            Ok(bytes) => match picket_policy::verify(&bytes, &keeper.trusted) {
                Ok(verified) => keeper.current = Some(verified),
                Err(error) => {
                    tracing::error!(%error, path = %keeper.path.display(), "the kept bundle does not verify and is set aside");
                    std::fs::rename(&keeper.path, keeper.path.with_extension("refused"))
                        .with_context(|| format!("cannot set {} aside", keeper.path.display()))?;
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", keeper.path.display())),
        }
        Ok(keeper)
    }

    pub fn version(&self) -> Option<BundleVersion> {
        self.current.as_ref().map(|verified| verified.bundle.version)
    }

    /// What the bundle wants watched, where it says.
    pub fn watch_read(&self) -> Option<Vec<String>> {
        let bundle = &self.current.as_ref()?.bundle;
        (!bundle.watch_read.is_empty()).then(|| bundle.watch_read.clone())
    }

    /// The kept bundle, compiled; `None` where there is none yet. Its power holds even where its rules do not compile:
    /// an agent that would not start protects nobody.
    pub fn ready(&self) -> anyhow::Result<Option<Kept>> {
        let Some(verified) = &self.current else { return Ok(None) };
        let authority = Authority::new(verified)?;
        let mut broken = Vec::new();
        let detector = match rules(verified) {
            Ok(detector) => detector,
            Err(why) => {
                broken.push((BROKEN_RULES, why));
                pack_only()?
            }
        };
        let yara = yara(verified).unwrap_or_else(|why| {
            broken.push((BROKEN_YARA, why));
            None
        });
        Ok(Some(Kept { ready: Ready { authority, detector, yara }, broken }))
    }

    /// Checks a new bundle and keeps it; an error leaves everything as it was and says why.
    pub fn accept(&mut self, bytes: &[u8], now: Timestamp) -> Result<Ready, String> {
        let verified = picket_policy::accept(bytes, &self.trusted, self.version(), now).map_err(|e| e.to_string())?;
        let ready = compile(&verified)?;
        crate::whole::write(&self.path, bytes)
            .map_err(|e| format!("cannot keep it at {}: {e}", self.path.display()))?;
        self.current = Some(verified);
        Ok(ready)
    }
}

/// The rules that count while there is no bundle: the pack that came with this build, and no power to act.
pub fn pack_only() -> anyhow::Result<Detector> {
    detector(&picket_detect::pack(), &IndicatorSource::default()).map_err(|why| anyhow::anyhow!(why))
}

fn compile(verified: &Verified) -> Result<Ready, String> {
    let authority = Authority::new(verified).map_err(|e| e.to_string())?;
    Ok(Ready { authority, detector: rules(verified)?, yara: yara(verified)? })
}

/// Compiled by a process that can do nothing else: what a rule makes of the compiler is not made of the agent.
fn yara(verified: &Verified) -> Result<Option<Arc<YaraSet>>, String> {
    if verified.bundle.yara.is_empty() {
        return Ok(None);
    }
    let sources = sources(&verified.bundle.yara);
    let set = worker::compile(worker::OWN_PROGRAM.as_ref(), &sources, worker::COMPILE_WITHIN);
    set.map(|set| Some(Arc::new(set))).map_err(|error| error.to_string())
}

fn sources(texts: &[RuleText]) -> Vec<RuleSource> {
    texts.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect()
}

fn rules(verified: &Verified) -> Result<Detector, String> {
    let Bundle { rules, indicators, .. } = &verified.bundle;
    let indicators = IndicatorSource {
        sha256: indicators.sha256.clone(),
        md5: indicators.md5.clone(),
        addresses: indicators.addresses.clone(),
        domains: indicators.domains.clone(),
        urls: indicators.urls.clone(),
        file_names: indicators.file_names.clone(),
    };
    detector(&sources(rules), &indicators)
}

fn detector(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Detector, String> {
    Detector::compile(rules, indicators).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("{} of its rules do not compile:\n{}", errors.len(), lines.join("\n"))
    })
}

#[cfg(test)]
mod tests;
