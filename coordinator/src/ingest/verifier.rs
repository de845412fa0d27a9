//! Owns: which client certificates TLS lets in: none at all, or one of our CA, even one that has run out.
//! Never: what the host may then do; the session decides that.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::IngestError;
use crate::identity::host_of;

#[derive(Debug)]
pub(super) struct HostVerifier {
    chain: Arc<dyn ClientCertVerifier>,
}

impl HostVerifier {
    pub fn new(ca: &CertificateDer<'static>, provider: &Arc<CryptoProvider>) -> Result<Self, IngestError> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone())?;
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| IngestError::Quic(error.to_string()))?;
        Ok(Self { chain })
    }
}

impl ClientCertVerifier for HostVerifier {
    fn client_auth_mandatory(&self) -> bool {
        // Enrolment has no certificate yet.
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.chain.verify_client_cert(end_entity, intermediates, now) {
            // A host long away comes back by itself: everything but the date must hold, and the session lets it
            // do nothing but renew.
            Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                let (_, expires) = host_of(end_entity)
                    .map_err(|_| Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
                let then = UnixTime::since_unix_epoch(Duration::from_secs(expires.as_secs().saturating_sub(1)));
                self.chain.verify_client_cert(end_entity, intermediates, then)
            }
            other => other,
        }
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
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
