//! Certificate verifiers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error_code::message_chain;

/// Certificates that a client trusts.
#[derive(Clone, Debug)]
pub enum TrustedCertificates {
    /// Those of the machine.
    Machine,
    File(PathBuf),
    /// Certificates that were read already.
    Given(Vec<CertificateDer<'static>>),
    /// Any: certificates are not verified.
    Any,
}

/// Creates the verifier of a client. A missing file is an error; other files are read once a server presents a
/// certificate.
pub fn server_verifier(trusted: TrustedCertificates) -> Result<Arc<dyn ServerCertVerifier>, super::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    match trusted {
        TrustedCertificates::Any => Ok(Arc::new(NoVerification::new(&provider))),
        TrustedCertificates::File(path) if !path.exists() => Err(super::Error::MissingFile(path)),
        trusted => Ok(Arc::new(LazyVerifier { provider, trusted, read: RwLock::new(None) })),
    }
}

/// Certificates of the machine, where a file or a directory holds them.
///
/// Elsewhere the system verifies certificates itself, also those that a user trusts one by one.
fn machine_certificates() -> Vec<CertificateDer<'static>> {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    return rustls_native_certs::load_native_certs().certs;
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    Vec::new()
}

/// Verifier that reads the trusted certificates once a server presents one, and again after a failure.
///
/// Most requests are plain HTTP, and reading takes longer than a request. The file of a Pod's service account is
/// replaced when the certificate authority of the cluster changes.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    trusted: TrustedCertificates,
    read: RwLock<Option<Arc<ReadVerifier>>>,
}

/// Verifier with the certificates that it trusts.
#[derive(Debug)]
struct ReadVerifier {
    /// Empty for the verifier of the machine, which reads them itself.
    certificates: Vec<CertificateDer<'static>>,
    chain: Arc<dyn ServerCertVerifier>,
}

impl LazyVerifier {
    fn current(&self) -> Result<Arc<ReadVerifier>, Error> {
        if let Some(current) = self.read.read().as_ref() {
            return Ok(Arc::clone(current));
        }
        let current = Arc::new(self.read_now()?);
        *self.read.write() = Some(Arc::clone(&current));
        Ok(current)
    }

    fn read_now(&self) -> Result<ReadVerifier, Error> {
        let provider = Arc::clone(&self.provider);
        let certificates = match &self.trusted {
            TrustedCertificates::Machine | TrustedCertificates::Any => {
                let chain = Arc::new(Verifier::new(provider)?);
                return Ok(ReadVerifier { certificates: Vec::new(), chain });
            }
            TrustedCertificates::File(path) => {
                read_certificates(path).map_err(|error| Error::General(message_chain(&error)))?
            }
            TrustedCertificates::Given(certificates) => certificates.clone(),
        };
        let roots = Arc::new(roots(&certificates)?);
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let chain = chain.map_err(|error| Error::General(error.to_string()))?;
        Ok(ReadVerifier { certificates, chain })
    }

    /// Reads a file again; `None` if its certificates are the same.
    fn read_changed(&self, before: &ReadVerifier) -> Option<Arc<ReadVerifier>> {
        if !matches!(self.trusted, TrustedCertificates::File(_)) {
            return None;
        }
        let updated = self.read_now().ok().filter(|updated| updated.certificates != before.certificates)?;
        let updated = Arc::new(updated);
        *self.read.write() = Some(Arc::clone(&updated));
        Some(updated)
    }

    fn verify(
        &self,
        read: &ReadVerifier,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = read.chain.verify_server_cert(end_entity, intermediates, server_name, &[], now);
        let Err(error) = verified else { return verified };
        let Some(obstacle) = ChainObstacle::from_error(&error) else { return Err(error) };
        let is_trusted = match self.trusted {
            TrustedCertificates::Machine => machine_certificates().contains(end_entity),
            _ => read.certificates.contains(end_entity),
        };
        match obstacle {
            // the certificate of an untrusted authority has no issuer that is trusted
            _ if !is_trusted => return Err(CertificateError::UnknownIssuer.into()),
            ChainObstacle::IsAuthority if !serves(end_entity) => {
                return Err(CertificateError::InvalidPurpose.into());
            }
            ChainObstacle::IsAuthority | ChainObstacle::UnknownIssuer => {}
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }
}

/// Reason why no chain leads to a certificate that may be trusted itself.
///
/// Go and OpenSSL accept a server certificate that is itself among the trusted ones, even if it is a certificate
/// authority or its issuer is unknown. The validity period was checked before each of these errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChainObstacle {
    UnknownIssuer,
    /// The certificate is that of an authority, which ends the check before its purposes.
    IsAuthority,
}

impl ChainObstacle {
    fn from_error(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(Self::UnknownIssuer),
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                let is_authority = other.0.downcast_ref::<webpki::Error>();
                matches!(is_authority, Some(webpki::Error::CaUsedAsEndEntity)).then_some(Self::IsAuthority)
            }
            _ => None,
        }
    }
}

/// Whether a certificate may be used by a server: its extended key usage is absent, or includes it (RFC 5280,
/// section 4.2.1.12).
fn serves(certificate: &[u8]) -> bool {
    // the object identifiers, with their DER headers
    const EXTENSION: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x25];
    const SERVER: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    const ANY: [u8; 6] = [0x06, 0x04, 0x55, 0x1d, 0x25, 0x00];
    let Some(start) = certificate.windows(EXTENSION.len()).position(|bytes| bytes == EXTENSION) else {
        return true;
    };
    let mut rest = &certificate[start + EXTENSION.len()..];
    // the mark of a critical extension
    rest = rest.strip_prefix(&[0x01, 0x01, 0xff]).unwrap_or(rest);
    // lists of purposes are shorter than 128 bytes, which is the short form of a length
    let [0x04, length, purposes @ ..] = rest else { return false };
    let purposes = purposes.get(..usize::from(*length)).unwrap_or_default();
    let has = |purpose: &[u8]| purposes.windows(purpose.len()).any(|bytes| bytes == purpose);
    has(&SERVER) || has(&ANY)
}

/// Reads the certificates of a file.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, super::Error> {
    let text = std::fs::read(path)
        .map_err(|source| super::Error::InvalidFile { path: path.to_owned(), source: source.into() })?;
    match parse_certificates(&text) {
        Ok(certificates) if certificates.is_empty() => Err(super::Error::NoCertificates(path.to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(super::Error::InvalidFile { path: path.to_owned(), source }),
    }
}

/// Parses the certificates of a PEM text, and ignores its other sections.
pub fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, super::BoxError> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate?;
        roots(std::slice::from_ref(&certificate))?;
        certificates.push(certificate);
    }
    Ok(certificates)
}

/// Returns the certificates as anchors of chains.
fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    certificates.iter().try_for_each(|certificate| roots.add(certificate.clone()))?;
    Ok(roots)
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let current = self.current()?;
        let verified = self.verify(&current, end_entity, intermediates, server_name, now);
        match verified.is_err().then(|| self.read_changed(&current)).flatten() {
            Some(changed) => self.verify(&changed, end_entity, intermediates, server_name, now),
            None => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifier for `verify_tls: false`: accepts any certificate whose key the server holds.
#[derive(Debug)]
struct NoVerification {
    algorithms: WebPkiSupportedAlgorithms,
}

impl NoVerification {
    fn new(provider: &CryptoProvider) -> Self {
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
