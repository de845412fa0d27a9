//! Owns: who this host is: key, certificate, CA, coordinator and policy key, in one directory that appears whole.
//! Never: a key off this host.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use picket_model::{Domain, HostId, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::token::key as hex32;

const DIRECTORY: &str = "identity";
/// The address under which the coordinator answered last.
const ANSWERED: &str = "answered";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    host: HostId,
    coordinator: String,
    /// Hexadecimal Ed25519 public key.
    policy_key: String,
}

pub struct Identity {
    dir: PathBuf,
    host: HostId,
    coordinator: String,
    policy_key: [u8; 32],
    key: KeyPair,
    certificate: Vec<u8>,
    ca: Vec<u8>,
    begins: Timestamp,
    expires: Timestamp,
}

/// What enrolment has brought together.
pub(super) struct Joined {
    pub host: HostId,
    pub coordinator: String,
    pub policy_key: [u8; 32],
    pub key: KeyPair,
    pub certificate: Vec<u8>,
    pub ca: Vec<u8>,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ReportError + '_ {
    move |error| ReportError::Io { path: path.to_path_buf(), error }
}

pub(super) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join(DIRECTORY)
}

impl Identity {
    pub fn load(state_dir: &Path) -> Result<Self, ReportError> {
        let dir = directory(state_dir);
        if !dir.exists() {
            return Err(ReportError::NotEnrolled { path: dir });
        }
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map_err(at(&path))
        };
        let bad = |name: &str, reason: String| ReportError::BadIdentity { path: dir.join(name), reason };
        let about: About =
            serde_json::from_slice(&read("identity.json")?).map_err(|error| bad("identity.json", error.to_string()))?;
        let policy_key = hex32(&about.policy_key)
            .ok_or_else(|| bad("identity.json", "the policy key is not 32 hexadecimal bytes".into()))?;
        let pem = String::from_utf8(read("key.pem")?).map_err(|error| bad("key.pem", error.to_string()))?;
        let key = KeyPair::from_pem(&pem).map_err(|error| bad("key.pem", error.to_string()))?;
        let (certificate, ca) = (read("cert.der")?, read("ca.der")?);
        let (begins, expires) = life(&certificate).map_err(|reason| bad("cert.der", reason))?;
        let About { host, coordinator, .. } = about;
        Ok(Self { dir, host, coordinator, policy_key, key, certificate, ca, begins, expires })
    }

    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// The coordinator's addresses as they resolve now; those that answered last where the name does not resolve, as on
    /// a host whose isolation leaves no way to a name server.
    #[must_use]
    pub fn coordinators(&self) -> Vec<SocketAddr> {
        let resolved: Vec<_> = self.coordinator.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        if resolved.is_empty() { self.answered().into_iter().collect() } else { resolved }
    }

    /// The name by which the coordinator is found; none where it is given by its address.
    #[must_use]
    pub fn coordinator_name(&self) -> Option<Domain> {
        self.coordinator.rsplit_once(':').and_then(|(name, _)| name.parse().ok())
    }

    /// The address that answered last.
    pub(super) fn answered(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.dir.join(ANSWERED)).ok()?.parse().ok()
    }

    /// Remembers the address that answered. A hint: what cannot be written is resolved again.
    pub(super) fn remember(&self, address: SocketAddr) {
        if self.answered() != Some(address)
            && let Err(error) = fs::write(self.dir.join(ANSWERED), address.to_string())
        {
            tracing::warn!(%error, "the coordinator's address could not be remembered");
        }
    }

    #[must_use]
    pub const fn policy_key(&self) -> [u8; 32] {
        self.policy_key
    }

    /// When the certificate runs out; it renews itself long before.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    pub(super) const fn begins(&self) -> Timestamp {
        self.begins
    }

    pub(super) fn coordinator(&self) -> &str {
        &self.coordinator
    }

    pub(super) fn tls(&self) -> Result<quinn::crypto::rustls::QuicClientConfig, ReportError> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        super::tls::enrolled(&self.ca, &self.certificate, key)
    }

    /// Milliseconds until a third of the certificate's life is left.
    pub(super) const fn renew_in_ms(&self, now: Timestamp) -> u64 {
        let life_ms = self.expires.millis_since(self.begins);
        self.begins.plus_millis(life_ms / 3 * 2).millis_since(now)
    }

    pub(super) fn request(&self) -> Result<Vec<u8>, ReportError> {
        request(&self.key)
    }

    /// Keeps a renewed certificate. The key stays: so key and certificate fit whenever the power fails.
    pub(super) fn renew(&mut self, certificate: Vec<u8>) -> Result<(), ReportError> {
        let path = self.dir.join("cert.der");
        let bad = |reason| ReportError::BadIdentity { path: path.clone(), reason };
        let (begins, expires) = life(&certificate).map_err(bad)?;
        let draft = self.dir.join("cert.der.new");
        write(&draft, &certificate)?;
        fs::rename(&draft, &path).map_err(at(&path))?;
        sync(&self.dir)?;
        (self.certificate, self.begins, self.expires) = (certificate, begins, expires);
        Ok(())
    }
}

/// A signing request: only its key counts, the coordinator knows who asks.
pub(super) fn request(key: &KeyPair) -> Result<Vec<u8>, ReportError> {
    Ok(CertificateParams::default().serialize_request(key)?.der().to_vec())
}

/// Writes the whole directory beside its place and renames it there: it is complete or not there.
pub(super) fn save(state_dir: &Path, joined: &Joined) -> Result<(), ReportError> {
    let (draft, place) = (state_dir.join("identity.new"), directory(state_dir));
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&draft)(error)),
        _ => {}
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&draft).map_err(at(&draft))?;
    let about = About {
        host: joined.host,
        coordinator: joined.coordinator.clone(),
        policy_key: hex::encode(joined.policy_key),
    };
    let about = serde_json::to_vec_pretty(&about).map_err(|error| at(&draft)(error.into()))?;
    write(&draft.join("key.pem"), joined.key.serialize_pem().as_bytes())?;
    write(&draft.join("cert.der"), &joined.certificate)?;
    write(&draft.join("ca.der"), &joined.ca)?;
    write(&draft.join("identity.json"), &about)?;
    sync(&draft)?;
    fs::rename(&draft, &place).map_err(at(&place))?;
    sync(state_dir)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(at(path))
}

fn sync(dir: &Path) -> Result<(), ReportError> {
    fs::File::open(dir).and_then(|file| file.sync_all()).map_err(at(dir))
}

/// From when to when a certificate holds.
fn life(certificate: &[u8]) -> Result<(Timestamp, Timestamp), String> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let at = |seconds: i64| Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let validity = certificate.validity();
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}
