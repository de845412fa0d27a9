//! Owns: reading a join token: where the coordinator is and how it proves itself.
//! Never: keeping its secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_model::Timestamp;
use serde::Deserialize;

use super::ReportError;

const PREFIX: &str = "pkt1.";
/// A real token is some 400 characters.
const TEXT_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    addr: String,
    ca_sha256: String,
    policy_key: String,
    secret: String,
    expires: u64,
}

pub(super) struct Token {
    pub address: String,
    pub ca_sha256: [u8; 32],
    pub policy_key: [u8; 32],
    pub secret: Vec<u8>,
    pub expires: Timestamp,
}

impl Token {
    pub fn parse(text: &str) -> Result<Self, ReportError> {
        let bad = ReportError::TokenText;
        if text.len() > TEXT_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        let body = text.trim().strip_prefix(PREFIX).ok_or_else(|| bad("it does not begin with pkt1."))?;
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| bad("characters are missing or wrong"))?;
        let text: Text = serde_json::from_slice(&json).map_err(|_| bad("its content is not a token's"))?;
        if text.addr.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
            return Err(bad("its address is not HOST:PORT"));
        }
        Ok(Self {
            address: text.addr,
            ca_sha256: key(&text.ca_sha256).ok_or_else(|| bad("its CA fingerprint is not 32 bytes"))?,
            policy_key: key(&text.policy_key).ok_or_else(|| bad("its policy key is not 32 bytes"))?,
            secret: hex::decode(&text.secret).map_err(|_| bad("its secret is not hexadecimal"))?,
            expires: Timestamp::from_millis(text.expires),
        })
    }
}

pub(super) fn key(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}
