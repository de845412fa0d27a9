//! Owns: how the coordinator proves itself: by the CA kept at enrolment, or by the fingerprint in the join token.
//! Never: trust in anything else, the system's certificates included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use super::ReportError;

/// The name in the coordinator's certificate, whatever address is dialled.
pub(super) const SERVER_NAME: &str = "coordinator.picket";
const ALPN: &[u8] = b"picket/1";

fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    // The hybrid first: recorded traffic stays closed to a later quantum computer.
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519];
    Arc::new(provider)
}

/// For an enrolled host: our CA on their side, our certificate on ours.
pub(super) fn enrolled(
    ca: &[u8],
    certificate: &[u8],
    key: PrivateKeyDer<'static>,
) -> Result<QuicClientConfig, ReportError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.to_vec()))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![CertificateDer::from(certificate.to_vec())], key)?;
    finish(config)
}

/// For enrolment: whoever shows a chain with the CA of this fingerprint. The flag says that the chain had another.
pub(super) fn pinned(ca_sha256: [u8; 32]) -> Result<(QuicClientConfig, Arc<AtomicBool>), ReportError> {
    let (foreign, provider) = (Arc::new(AtomicBool::new(false)), provider());
    let pin = CaPin { ca_sha256, provider: Arc::clone(&provider), foreign: Arc::clone(&foreign) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pin))
        .with_no_client_auth();
    Ok((finish(config)?, foreign))
}

fn finish(mut config: ClientConfig) -> Result<QuicClientConfig, ReportError> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection is a full handshake: nothing to replay, both certificates shown again.
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_early_data = false;
    QuicClientConfig::try_from(config).map_err(|error| ReportError::Start(error.to_string()))
}

#[derive(Debug)]
struct CaPin {
    ca_sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
    foreign: Arc<AtomicBool>,
}

impl ServerCertVerifier for CaPin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = |der: &&CertificateDer<'_>| Sha256::digest(der).as_slice() == self.ca_sha256;
        let Some(ca) = intermediates.iter().find(pinned) else {
            self.foreign.store(true, Ordering::Release);
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        // The fingerprint names the CA; from there on the chain is checked as ever.
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
