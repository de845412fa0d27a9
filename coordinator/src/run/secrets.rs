//! Owns: what the first start makes: the API token, the policy key where none is kept elsewhere, the first bundle.
//! Never: making anything twice, or printing a secret.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_model::{BundleVersion, Timestamp};
use picket_policy::{Bundle, RuleText, SigningKey, VerifyingKey, keys};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::store::{Change, StateStore, Table};

/// The file that `picket policy` signs with unless it is told of another.
const POLICY_KEY: &str = "policy.key";
const API_TOKEN: &str = "api-token";
/// The analyst behind the token that the first start makes.
const FIRST_ANALYST: &str = "admin";
/// What a new estate starts with: it watches everything and asks before anything disruptive.
const FIRST_BUNDLE: &str = "careful";

/// With what bundles must be signed, and with what they can be, where the private key lies here.
pub struct PolicyKey {
    pub public: VerifyingKey,
    pub private: Option<SigningKey>,
}

pub fn policy_key(config: &Config) -> anyhow::Result<PolicyKey> {
    if let Some(text) = &config.policy_key {
        let bytes: [u8; 32] = hex::decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .context("policy_key in the configuration is not 64 hexadecimal digits")?;
        let public = VerifyingKey::from_bytes(&bytes)
            .context("policy_key in the configuration is no Ed25519 public key; `picket policy keygen` prints it")?;
        return Ok(PolicyKey { public, private: None });
    }
    let path = config.state_dir.join(POLICY_KEY);
    let private = match std::fs::read_to_string(&path) {
        Ok(pem) => keys::private_from_pem(&pem).with_context(|| format!("{} is no Ed25519 key", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = keys::generate(random()?);
            write_new(&path, keys::private_to_pem(&key)?.as_bytes())?;
            tracing::info!(path = %path.display(), "made the policy key; move it off this machine for production");
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Ok(PolicyKey { public: private.verifying_key(), private: Some(private) })
}

/// Makes the first analyst's token where there is no analyst yet.
pub fn api_token(config: &Config, store: &dyn StateStore) -> anyhow::Result<()> {
    if !store.scan(Table::Users, &[], 1)?.is_empty() {
        return Ok(());
    }
    let path = config.state_dir.join(API_TOKEN);
    let token = URL_SAFE_NO_PAD.encode(random()?);
    // The row first: a file without a row would be a token that never works.
    let row = serde_json::json!({"name": FIRST_ANALYST}).to_string().into_bytes();
    let _ = std::fs::remove_file(&path);
    write_new(&path, format!("{token}\n").as_bytes())?;
    let key = token_key(&token);
    store.write(&[Change { table: Table::Users, key, expected: Some(None), value: Some(row) }])?;
    Ok(())
}

/// Under which a token is kept: a stolen store gives no way in.
pub fn token_key(token: &str) -> Vec<u8> {
    Sha256::digest(token.trim().as_bytes()).to_vec()
}

/// The bundle of a new estate, signed here where the key is here.
pub fn first_bundle(key: &PolicyKey, now: Timestamp) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(private) = &key.private else {
        tracing::warn!(
            "no bundle yet and the policy key is elsewhere: `picket policy sign`, then `picket policy apply`"
        );
        return Ok(None);
    };
    let Some(bundle) = picket_policy::shipped(FIRST_BUNDLE) else { bail!("this build has no bundle {FIRST_BUNDLE}") };
    let rules = picket_detect::pack().into_iter().map(|rule| RuleText { file: rule.file, text: rule.text }).collect();
    let bundle = Bundle { version: BundleVersion(1), issued: now, rules, ..bundle };
    Ok(Some(bundle.sign(private)))
}

pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness from the kernel: {error}"))?;
    Ok(bytes)
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
    .with_context(|| format!("cannot write {}", path.display()))
}
