//! Owns: the certificate authority: its key on disk, the server's certificate, hosts' certificates.
//! Never: the key in memory of anything else.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use picket_model::{HostId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use super::IdentityError;

/// The name in the server's certificate; agents check it whatever address they dial.
pub const SERVER_NAME: &str = "coordinator.picket";
/// Hosts' certificates live a day: revocation by waiting is bounded, renewal is routine.
const HOST_LIFE_MS: u64 = 24 * 3_600_000;
/// The CA outlives any coordinator's hardware; replacing it means enrolling again.
const CA_LIFE_MS: u64 = 10 * 365 * 24 * 3_600_000;
/// Clocks of hosts may be this far behind.
const SKEW_MS: u64 = 300_000;
const HOST_URI: &str = "picket://host/";

pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate for a host.
#[derive(Clone, Debug)]
pub struct Issued {
    pub host: HostId,
    pub certificate_der: Vec<u8>,
    pub expires: Timestamp,
}

fn window(params: &mut CertificateParams, now: Timestamp, life_ms: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_millis(now.as_millis().saturating_sub(SKEW_MS));
    params.not_after = epoch + Duration::from_millis(now.plus_millis(life_ms).as_millis());
}

impl Ca {
    /// Opens the CA in `dir`, or makes one there; the key is readable by its owner only.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, IdentityError> {
        let (key_path, certificate_path) = (dir.join("ca.key"), dir.join("ca.der"));
        if !certificate_path.exists() {
            fs::create_dir_all(dir).map_err(|error| IdentityError::File { path: dir.to_path_buf(), error })?;
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "Picket CA");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            window(&mut params, now, CA_LIFE_MS);
            let certificate = params.self_signed(&key)?;
            // The certificate comes last: its presence says that the key is whole.
            write(&key_path, key.serialize_pem().as_bytes())?;
            write(&certificate_path, certificate.der())?;
        }
        let file = |path: &Path, error| IdentityError::File { path: path.to_path_buf(), error };
        let pem = fs::read_to_string(&key_path).map_err(|error| file(&key_path, error))?;
        let der = fs::read(&certificate_path).map_err(|error| file(&certificate_path, error))?;
        let certificate = CertificateDer::from(der);
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::from_pem(&pem)?)?;
        Ok(Self { issuer, certificate })
    }

    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What join tokens carry, so that an agent knows the true coordinator before it has any certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// A secret of this CA for one purpose, the same at every start; the key itself cannot be told from it.
    #[must_use]
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(self.issuer.key().serialize_der())
            .finalize()
            .into()
    }

    /// A fresh server key and its chain, made at each start.
    pub fn server(
        &self,
        now: Timestamp,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), IdentityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        window(&mut params, now, CA_LIFE_MS);
        // A host whose clock has lost its battery still gets in: the key is fresh at each start, dates protect nothing.
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        let leaf = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((vec![leaf.der().clone(), self.certificate.clone()], key))
    }

    /// Signs the key of a request for `host`. Nothing else of the request is taken over.
    pub fn sign(&self, host: HostId, csr_der: &[u8], now: Timestamp) -> Result<Issued, IdentityError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, host.to_string());
        params.subject_alt_names = vec![SanType::URI(format!("{HOST_URI}{host}").as_str().try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        window(&mut params, now, HOST_LIFE_MS);
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(Issued { host, certificate_der: certificate.der().to_vec(), expires: now.plus_millis(HOST_LIFE_MS) })
    }
}

/// The host that a certificate, already checked against the CA, speaks for, and when it runs out.
pub fn host_of(certificate_der: &[u8]) -> Result<(HostId, Timestamp), IdentityError> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let no_host = |why: &str| IdentityError::NoHost(why.to_owned());
    let (_, certificate) = X509Certificate::from_der(certificate_der).map_err(|error| no_host(&error.to_string()))?;
    let names = certificate.subject_alternative_name().map_err(|error| no_host(&error.to_string()))?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let [GeneralName::URI(uri)] = names else { return Err(no_host("it has not exactly one URI")) };
    let id = uri.strip_prefix(HOST_URI).ok_or_else(|| no_host(uri))?;
    let host = id.parse().map_err(|_| no_host(uri))?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Ok((host, Timestamp::from_millis(seconds.saturating_mul(1000))))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| IdentityError::File { path: path.to_path_buf(), error })
}
