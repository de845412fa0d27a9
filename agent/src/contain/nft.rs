//! Owns: asking `nft` in the host's network or in a named network namespace.
//! Never: which rules.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use picket_model::action::IsolationScope;

use crate::sys::netns;

const NFT: &str = "/usr/sbin/nft";

#[derive(Debug, thiserror::Error)]
pub enum NftError {
    #[error("network namespace name `{name}` is not one plain file name; give it as `ip netns list` shows it")]
    Name { name: String },
    #[error("cannot run {NFT}: {source}; install nftables and check that the namespace exists")]
    Run { source: io::Error },
    #[error("{NFT} refused: {message}")]
    Refused { message: String },
}

/// Carries the text out in one transaction: all of it or nothing.
pub fn run(scope: &IsolationScope, text: &str) -> Result<(), NftError> {
    accepted(nft(scope, &["-f", "-"], text)?).map(drop)
}

/// What is in a table of the family `inet`, as `nft -j` has it. `None` where there is no such table.
pub fn listed(scope: &IsolationScope, table: &str) -> Result<Option<Vec<serde_json::Value>>, NftError> {
    // A namespace that is gone took its tables along.
    if is_gone(scope)? {
        return Ok(None);
    }
    let output = nft(scope, &["-j", "list", "table", "inet", table], "")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("No such file or directory") {
        return Ok(None);
    }
    let output = accepted(output)?;
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| NftError::Refused { message: format!("its list is no JSON: {error}") })?;
    Ok(Some(listed["nftables"].as_array().cloned().unwrap_or_default()))
}

/// Takes the table away; true where there was one.
pub fn delete(scope: &IsolationScope, table: &str) -> Result<bool, NftError> {
    if listed(scope, table)?.is_none() {
        return Ok(false);
    }
    accepted(nft(scope, &["delete", "table", "inet", table], "")?)?;
    Ok(true)
}

fn is_gone(scope: &IsolationScope) -> Result<bool, NftError> {
    Ok(match scope {
        IsolationScope::Host => false,
        IsolationScope::Namespace { name } => !namespace_path(name)?.exists(),
    })
}

fn accepted(output: Output) -> Result<Output, NftError> {
    if output.status.success() {
        return Ok(output);
    }
    Err(NftError::Refused { message: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

fn nft(scope: &IsolationScope, arguments: &[&str], input: &str) -> Result<Output, NftError> {
    let run = || {
        let mut child = Command::new(NFT)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    match scope {
        IsolationScope::Host => run(),
        IsolationScope::Namespace { name } => netns::inside(&namespace_path(name)?, run),
    }
    .map_err(|source| NftError::Run { source })
}

/// Where `ip netns` keeps it.
pub fn namespace_path(name: &str) -> Result<PathBuf, NftError> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    if plain { Ok(Path::new("/run/netns").join(name)) } else { Err(NftError::Name { name: name.to_owned() }) }
}
