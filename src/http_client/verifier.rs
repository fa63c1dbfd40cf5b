//! Certificate verifiers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error_code::message_chain;

/// Source of trusted certificates.
#[derive(Debug)]
pub(super) enum TrustedCertificates {
    Machine,
    File(PathBuf),
}

/// Verifier that reads the trusted certificates once a server presents one.
///
/// Most requests are plain HTTP, and reading takes longer than a request.
#[derive(Debug)]
pub(super) struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    trusted: TrustedCertificates,
    verifier: OnceLock<Result<Arc<dyn ServerCertVerifier>, Error>>,
}

impl LazyVerifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, trusted: TrustedCertificates) -> Self {
        Self { provider, trusted, verifier: OnceLock::new() }
    }

    fn verifier(&self) -> Result<&dyn ServerCertVerifier, Error> {
        let made = self.verifier.get_or_init(|| self.read());
        made.as_ref().map(AsRef::as_ref).map_err(Clone::clone)
    }

    fn read(&self) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let provider = Arc::clone(&self.provider);
        match &self.trusted {
            TrustedCertificates::Machine => Ok(Arc::new(Verifier::new(provider)?)),
            TrustedCertificates::File(path) => {
                let roots = Arc::new(roots(path).map_err(|error| Error::General(message_chain(&error)))?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
                Ok(verifier.map_err(|error| Error::General(error.to_string()))?)
            }
        }
    }
}

/// Reads the certificates of a file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, super::Error> {
    let invalid = |source: Box<dyn std::error::Error + Send + Sync>| super::Error::InvalidFile {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| invalid(error.into()))? {
        let certificate = certificate.map_err(|error| invalid(error.into()))?;
        roots.add(certificate).map_err(|error| invalid(error.into()))?;
    }
    if roots.is_empty() { Err(super::Error::NoCertificates(path.to_owned())) } else { Ok(roots) }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifier for `verify_tls: false`: accepts any certificate whose key the server holds.
#[derive(Debug)]
pub(super) struct NoVerification {
    algorithms: WebPkiSupportedAlgorithms,
}

impl NoVerification {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
