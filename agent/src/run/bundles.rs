//! Owns: the last good bundle on disk, and the checks that a new one must pass before it takes its place.
//! Never: a bundle that is not whole in force: signature, version, policies and rules are checked first.

mod back;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use picket_detect::{Detector, Gathering, IndicatorSource, RuleError, RuleSource};
use picket_model::{BundleVersion, FileActivity, Interest, Sha256, Timestamp};
use picket_policy::{Authority, Bundle, BundleError, Isolation, RuleText, Verified, VerifyingKey};

use self::back::OnDisk;
use super::lists::Lists;
use super::status::{BROKEN_LISTS, BROKEN_RULES};
use super::trials::{self, Trials};
use crate::report::WantedList;
use crate::whole::{Draft, Put};
use crate::worker::{self, YaraSet};

/// A bundle that was in force for so long has proved good.
const TRIAL: Duration = Duration::from_secs(600);

/// A bundle that passed every check, ready to take over.
pub struct Ready {
    pub authority: Authority,
    pub detector: Detector,
    /// Where the bundle has any; those of the kept one come later.
    pub yara: Option<Arc<YaraSet>>,
    /// Which files its rules and indicators can look at.
    pub interest: Interest,
}

impl Ready {
    fn new(verified: &Verified, authority: Authority, detector: Detector, yara: Option<Arc<YaraSet>>) -> Self {
        let mut interest = detector.interest();
        // Any file that is written may be one that they are about.
        if !verified.bundle.yara.is_empty() {
            interest.files.whole.insert(FileActivity::Write);
        }
        Self { authority, detector, yara, interest }
    }
}

/// What the kept bundle gives at the start.
pub struct Kept {
    pub ready: Ready,
    /// What of its rules and lists does not count, and why: another build may not know every word of them any more. The
    /// shipped pack takes the place of its rules.
    pub broken: Vec<(&'static str, String)>,
}

/// What came of a bundle that was looked at.
pub enum Offered {
    /// It passed every check.
    Ready(Box<Prepared>),
    /// It is good so far, and names lists of indicators that are not here.
    Wants {
        name: String,
        version: BundleVersion,
        lists: Vec<WantedList>,
    },
    /// It is in force already: sent again after a broken link.
    InForce(BundleVersion),
    Refused(Refused),
}

/// A bundle that does not count, and why.
#[derive(Debug)]
pub struct Refused {
    /// None where its bytes or signature do not tell.
    pub version: Option<BundleVersion>,
    pub why: String,
}

/// A bundle that may be kept and take over.
pub struct Prepared {
    /// Without its texts.
    bundle: Bundle,
    ready: Ready,
    sha256: Sha256,
    /// Its bytes, on disk beside those of the kept one.
    draft: Draft,
}

/// Checks, compiles and writes bundles, on whatever thread: that takes seconds for large ones.
#[derive(Clone)]
pub struct Checker {
    path: PathBuf,
    trusted: Vec<VerifyingKey>,
    lists: Lists,
    trials: Trials,
}

impl Checker {
    /// A bundle that is to follow `current`. From the first look at it on, an end of the agent is laid to it.
    pub fn offered(&self, bytes: &[u8], current: Option<BundleVersion>, now: Timestamp) -> Offered {
        if let Some(version) = current.filter(|_| std::fs::read(&self.path).is_ok_and(|kept| kept == bytes)) {
            return Offered::InForce(version);
        }
        let sha256 = trials::sum(bytes);
        if self.trials.left_behind(sha256) {
            let ended = self.trials.ended(sha256);
            let why = format!("{}, {ended} times; sign it anew, as a higher version", super::status::LEFT);
            return self.refused(bytes, why);
        }
        self.trials.begin(sha256);
        let offered = self.looked_at(bytes, picket_policy::accept(bytes, &self.trusted, current, now));
        match offered {
            Offered::Ready(_) | Offered::InForce(_) => {}
            Offered::Refused(_) => self.trials.over(sha256),
            Offered::Wants { .. } => self.trials.pause(),
        }
        offered
    }

    /// The kept bundle once more, now that its lists are here.
    pub fn kept(&self, bytes: &[u8]) -> Offered {
        self.looked_at(bytes, picket_policy::verify(bytes, &self.trusted))
    }

    fn refused(&self, bytes: &[u8], why: String) -> Offered {
        Offered::Refused(Refused { version: picket_policy::signed_version(bytes, &self.trusted), why })
    }

    fn looked_at(&self, bytes: &[u8], verified: Result<Verified, BundleError>) -> Offered {
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => return self.refused(bytes, error.to_string()),
        };
        let Bundle { name, version, indicator_lists, .. } = &verified.bundle;
        match self.lists.missing(indicator_lists) {
            Err(error) => return self.refused(bytes, format!("its lists of indicators cannot be kept: {error}")),
            Ok(lists) if !lists.is_empty() => return Offered::Wants { name: name.clone(), version: *version, lists },
            Ok(_) => {}
        }
        let prepared = self.compile(&verified).and_then(|ready| {
            let draft = Draft::write(&self.path, &verified.bytes);
            draft.map(|draft| (ready, draft)).map_err(|error| cannot_keep(&self.path, &error))
        });
        match prepared {
            Ok((ready, draft)) => {
                let (bundle, sha256) = (verified.bundle.without_texts(), trials::sum(&verified.bytes));
                Offered::Ready(Box::new(Prepared { bundle, ready, sha256, draft }))
            }
            Err(why) => self.refused(bytes, why),
        }
    }

    fn compile(&self, verified: &Verified) -> Result<Ready, String> {
        let authority = Authority::new(verified).map_err(|e| e.to_string())?;
        let mut indicators = Gathering::default();
        self.lists.gather(&verified.bundle.indicator_lists, &mut indicators)?;
        let detector = rules(verified, indicators)?;
        Ok(Ready::new(verified, authority, detector, yara(&sources(&verified.bundle.yara))?))
    }
}

fn cannot_keep(path: &Path, error: &std::io::Error) -> String {
    format!("cannot keep it at {}: {error}", path.display())
}

pub struct Keeper {
    checker: Checker,
    /// In force, without its texts.
    current: Option<Bundle>,
    /// The one that was kept, at the start and until it is compiled.
    found: Option<Verified>,
    /// The one in force is new, since when.
    new: Option<(Sha256, Instant)>,
    /// What was left behind or found damaged at the start, in words.
    left: Option<String>,
}

impl Keeper {
    /// Reads the last good bundle. One that no longer verifies is damage or tampering: it is said, kept aside, not used.
    pub fn open(state_dir: &Path, policy_key: [u8; 32]) -> anyhow::Result<Self> {
        let key = VerifyingKey::from_bytes(&policy_key)
            .context("the identity's policy key is no Ed25519 key; enrol this host again")?;
        let path = state_dir.join("bundle");
        let trials = Trials::open(state_dir);
        let checker = Checker { path: path.clone(), trusted: vec![key], lists: Lists::new(state_dir), trials };
        let mut keeper = Self { checker, current: None, found: None, new: None, left: None };
        match keeper.read(&path) {
            OnDisk::Good(verified) => {
                let sha256 = trials::sum(&verified.bytes);
                if keeper.checker.trials.left_behind(sha256) {
                    keeper.leave_behind(&verified.bundle)?;
                } else {
                    keeper.take(*verified);
                    if keeper.checker.trials.is_known(sha256) {
                        keeper.checker.trials.begin(sha256);
                        keeper.new = Some((sha256, Instant::now()));
                    }
                }
            }
            OnDisk::Damaged(why) => keeper.do_without(&why),
            OnDisk::Nothing => keeper.miss(),
        }
        Ok(keeper)
    }

    fn take(&mut self, verified: Verified) {
        self.current = Some(verified.bundle.without_texts());
        self.found = Some(verified);
    }

    /// What was left behind or found damaged at the start, in words.
    pub fn left(&self) -> Option<&str> {
        self.left.as_deref()
    }

    /// The bundle in force has proved good, where it has been there for long enough.
    pub fn settle(&mut self) {
        if let Some((sha256, since)) = self.new
            && since.elapsed() >= TRIAL
        {
            self.checker.trials.over(sha256);
            self.new = None;
        }
    }

    /// Somebody killed the agent's last life: that is laid to no bundle.
    pub fn forgive(&self) {
        self.checker.trials.forgive();
    }

    /// The agent was asked to end: that is laid to no bundle.
    pub fn pause(&self) {
        self.checker.trials.pause();
    }

    pub fn version(&self) -> Option<BundleVersion> {
        self.current.as_ref().map(|bundle| bundle.version)
    }

    /// What an isolated host may still reach.
    pub fn isolation(&self) -> Isolation {
        self.current.as_ref().map(|bundle| bundle.isolation.clone()).unwrap_or_default()
    }

    /// What the bundle wants watched, where it says.
    pub fn watch_read(&self) -> Option<Vec<String>> {
        let bundle = self.current.as_ref()?;
        (!bundle.watch_read.is_empty()).then(|| bundle.watch_read.clone())
    }

    /// The kept bundle, compiled; `None` where there is none yet. Its power holds even where its rules do not compile:
    /// an agent that would not start protects nobody.
    pub fn ready(&self) -> anyhow::Result<Option<Kept>> {
        let Some(verified) = &self.found else { return Ok(None) };
        let authority = Authority::new(verified)?;
        let mut broken = Vec::new();
        let mut indicators = Gathering::default();
        if let Err(why) = self.checker.lists.gather(&verified.bundle.indicator_lists, &mut indicators) {
            broken.push((BROKEN_LISTS, why));
            indicators = Gathering::default();
        }
        let detector = match rules(verified, indicators) {
            Ok(detector) => detector,
            Err(why) => {
                broken.push((BROKEN_RULES, why));
                pack_only()?
            }
        };
        Ok(Some(Kept { ready: Ready::new(verified, authority, detector, None), broken }))
    }

    /// The kept bundle's YARA rules, where it has any. The largest set takes ten seconds to compile, longer than a host
    /// should go unwatched: that is done beside.
    pub fn take_yara(&mut self) -> Option<(BundleVersion, Vec<RuleSource>)> {
        let bundle = self.found.take()?.bundle;
        (!bundle.yara.is_empty()).then(|| (bundle.version, sources(&bundle.yara)))
    }

    /// The kept bundle's bytes and the lists that it wants and this host has not: lost, or changed on disk.
    pub fn wanting(&self) -> Option<(Vec<u8>, Vec<WantedList>)> {
        let lists = self.checker.lists.missing(&self.current.as_ref()?.indicator_lists).ok()?;
        if lists.is_empty() { None } else { Some((std::fs::read(&self.checker.path).ok()?, lists)) }
    }

    /// For another thread.
    pub fn checker(&self) -> Checker {
        self.checker.clone()
    }

    /// Keeps a bundle that was checked; an error leaves everything as it was and says why. Until it has settled, a crash
    /// may bring the one before back, and the coordinator sends this one again.
    pub fn keep(&mut self, prepared: Prepared) -> Result<(Ready, Put), Refused> {
        let Prepared { bundle, ready, sha256, draft } = prepared;
        // Another may have been kept while this one was compiled; the kept one itself may come again with its lists.
        let offered = bundle.version;
        let refused = |why| Refused { version: Some(offered), why };
        if let Some(have) = self.version().filter(|have| offered < *have) {
            return Err(refused(BundleError::Older { have, offered }.to_string()));
        }
        let cannot = |error: std::io::Error| refused(cannot_keep(&self.checker.path, &error));
        // One that has not proved good itself is nothing to come back to.
        if self.new.is_none() && self.version().is_some_and(|have| have != offered) {
            self.keep_before().map_err(cannot)?;
        }
        let put = draft.put().map_err(cannot)?;
        self.new = self.checker.trials.is_known(sha256).then(|| (sha256, Instant::now()));
        self.checker.lists.keep_only(&bundle.indicator_lists);
        self.current = Some(bundle);
        Ok((ready, put))
    }
}

/// The rules that count while there is no bundle: the pack that came with this build, and no power to act.
pub fn pack_only() -> anyhow::Result<Detector> {
    detector(&picket_detect::pack(), Gathering::default()).map_err(|why| anyhow::anyhow!(why))
}

/// Compiled by a process that can do nothing else: what a rule makes of the compiler is not made of the agent.
pub fn yara(sources: &[RuleSource]) -> Result<Option<Arc<YaraSet>>, String> {
    if sources.is_empty() {
        return Ok(None);
    }
    let set = worker::compile(worker::OWN_PROGRAM.as_ref(), sources, worker::COMPILE_WITHIN);
    set.map(|set| Some(Arc::new(set))).map_err(|error| error.to_string())
}

fn sources(texts: &[RuleText]) -> Vec<RuleSource> {
    texts.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect()
}

fn rules(verified: &Verified, mut gathered: Gathering) -> Result<Detector, String> {
    let Bundle { rules, indicators, .. } = &verified.bundle;
    let indicators = IndicatorSource {
        sha256: indicators.sha256.clone(),
        md5: indicators.md5.clone(),
        addresses: indicators.addresses.clone(),
        domains: indicators.domains.clone(),
        urls: indicators.urls.clone(),
        file_names: indicators.file_names.clone(),
    };
    gathered.texts(&indicators).map_err(|errors| told(&errors))?;
    detector(&sources(rules), gathered)
}

fn detector(rules: &[RuleSource], indicators: Gathering) -> Result<Detector, String> {
    Detector::of_host_gathered(rules, indicators).map_err(|errors| told(&errors))
}

fn told(errors: &[RuleError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("{} of its rules do not compile:\n{}", errors.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests;
