//! Owns: the last good bundle on disk, and the checks that a new one must pass before it takes its place.
//! Never: a bundle that is not whole in force: signature, version, policies and rules are checked first.

use std::path::{Path, PathBuf};

use anyhow::Context;
use picket_detect::{Detector, IndicatorSource, RuleSource};
use picket_model::{BundleVersion, Timestamp};
use picket_policy::{Authority, Bundle, Verified, VerifyingKey};

/// A bundle that passed every check, ready to take over.
pub struct Ready {
    pub authority: Authority,
    pub detector: Detector,
}

/// What the kept bundle gives at the start.
pub struct Kept {
    pub ready: Ready,
    /// Why its rules do not count and the shipped pack does: another build may not know every word of them any more.
    pub broken_rules: Option<String>,
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
        Ok(Some(match rules(verified) {
            Ok(detector) => Kept { ready: Ready { authority, detector }, broken_rules: None },
            Err(why) => Kept { ready: Ready { authority, detector: pack_only()? }, broken_rules: Some(why) },
        }))
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
    Ok(Ready { authority, detector: rules(verified)? })
}

fn rules(verified: &Verified) -> Result<Detector, String> {
    let Bundle { rules, indicators, .. } = &verified.bundle;
    let rules: Vec<_> =
        rules.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect();
    let indicators = IndicatorSource {
        sha256: indicators.sha256.clone(),
        md5: indicators.md5.clone(),
        addresses: indicators.addresses.clone(),
        domains: indicators.domains.clone(),
        urls: indicators.urls.clone(),
        file_names: indicators.file_names.clone(),
    };
    detector(&rules, &indicators)
}

fn detector(rules: &[RuleSource], indicators: &IndicatorSource) -> Result<Detector, String> {
    Detector::of_host(rules, indicators).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("{} of its rules do not compile:\n{}", errors.len(), lines.join("\n"))
    })
}

#[cfg(test)]
mod tests;
