//! Credentials of requests: tokens, passwords, client certificates, login programs.

mod program;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use http::header::HeaderValue;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::LoginError;
use super::secrets::ConnectionSecrets;
use crate::http_client::BoxError;
pub(super) use program::LoginProgram;

/// How long the content of a token file is used.
const FILE_LIFETIME: Duration = Duration::from_secs(60);
/// How long before its end a credential counts as expired.
const LEEWAY: Duration = Duration::from_secs(10);

/// Client certificate with its key.
pub(super) type ClientIdentity = Arc<CertifiedKey>;

/// How requests are authenticated.
#[derive(Clone)]
pub(super) enum LoginMethod {
    None,
    /// The header is always the same.
    Fixed(HeaderValue),
    /// The token is in a file, which is replaced now and then.
    File {
        path: PathBuf,
        /// The header to use while the file is missing or empty.
        fallback: Option<HeaderValue>,
    },
    Program(Box<LoginProgram>),
}

/// Credentials of a connection. Without `Debug`: it holds secrets.
pub(super) struct Login {
    method: LoginMethod,
    /// Limit for a login program without a terminal.
    limit: Option<Duration>,
    secrets: Arc<ConnectionSecrets>,
    /// The lock also ensures that the program runs once at a time.
    current: tokio::sync::Mutex<Option<Credential>>,
    identity: parking_lot::RwLock<Option<ClientIdentity>>,
}

/// Result of a login.
#[derive(Clone)]
struct Credential {
    authorization: Option<HeaderValue>,
    identity: Option<ClientIdentity>,
    expires: Option<SystemTime>,
}

impl Credential {
    fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| SystemTime::now() + LEEWAY >= end)
    }
}

impl Login {
    pub(super) fn new(method: LoginMethod, limit: Option<Duration>, secrets: Arc<ConnectionSecrets>) -> Self {
        let (current, identity) = (tokio::sync::Mutex::default(), parking_lot::RwLock::default());
        Self { method, limit, secrets, current, identity }
    }

    /// Returns the header of a request. Logs in if the credential is missing or expired.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, LoginError> {
        match &self.method {
            LoginMethod::None => return Ok(None),
            LoginMethod::Fixed(header) => return Ok(Some(header.clone())),
            LoginMethod::File { .. } | LoginMethod::Program(_) => {}
        }
        let mut current = self.current.lock().await;
        if let Some(credential) = current.as_ref().filter(|credential| !credential.is_expired()) {
            return Ok(credential.authorization.clone());
        }
        let credential = match self.log_in().await {
            Ok(credential) => credential,
            // a file that was read once may be removed, to limit its exposure (kubernetes/kubernetes#68164)
            Err(LoginError::TokenFile { .. }) if current.is_some() => return Ok(reuse(&mut current)),
            Err(error) => return Err(error),
        };
        self.identity.write().clone_from(&credential.identity);
        let authorization = credential.authorization.clone();
        *current = Some(credential);
        Ok(authorization)
    }

    /// Discards the credential of a login program: the server did not accept it.
    pub(super) async fn reject(&self) {
        if matches!(self.method, LoginMethod::Program(_)) {
            *self.current.lock().await = None;
        }
    }

    async fn log_in(&self) -> Result<Credential, LoginError> {
        match &self.method {
            LoginMethod::None => Ok(Credential { authorization: None, identity: None, expires: None }),
            LoginMethod::Fixed(header) => {
                Ok(Credential { authorization: Some(header.clone()), identity: None, expires: None })
            }
            LoginMethod::File { path, fallback } => {
                let unreadable = |source| LoginError::TokenFile { path: path.clone(), source };
                let token = match tokio::fs::read_to_string(path).await {
                    Ok(token) if !token.trim().is_empty() => Ok(token),
                    Ok(_) => Err(unreadable(std::io::Error::other("the file is empty"))),
                    Err(error) => Err(unreadable(error)),
                };
                let authorization = match (token, fallback) {
                    (Ok(token), _) => {
                        self.secrets.add([token.clone()]);
                        bearer(&token).ok_or(LoginError::InvalidToken)?
                    }
                    (Err(_), Some(header)) => header.clone(),
                    (Err(error), None) => return Err(error),
                };
                let expires = Some(SystemTime::now() + FILE_LIFETIME + LEEWAY);
                Ok(Credential { authorization: Some(authorization), identity: None, expires })
            }
            // boxed: the process makes the future large, and it is part of every request
            LoginMethod::Program(program) => Box::pin(program.run(self.limit, &self.secrets)).await,
        }
    }
}

/// Extends the life of a credential that cannot be read again.
fn reuse(current: &mut Option<Credential>) -> Option<HeaderValue> {
    let credential = current.as_mut()?;
    credential.expires = Some(SystemTime::now() + FILE_LIFETIME + LEEWAY);
    credential.authorization.clone()
}

/// Creates the header of a token. White space around the token is left out.
fn bearer(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Creates the header of a password.
pub(super) fn basic_authorization(name: &str, password: &str) -> Option<HeaderValue> {
    let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{name}:{password}"));
    let mut header = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Reads a client certificate and its key, and checks that they belong together.
pub(super) fn load_identity(certificate: &[u8], key: &[u8]) -> Result<ClientIdentity, BoxError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err("there is no certificate in it".into());
    }
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let provider = rustls::crypto::ring::default_provider();
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
}

/// Presents the certificate of the kubeconfig, else that of the login program.
pub(super) struct IdentityResolver {
    pub(super) fixed: Option<ClientIdentity>,
    pub(super) login: Arc<Login>,
}

impl std::fmt::Debug for IdentityResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityResolver")
    }
}

impl ResolvesClientCert for IdentityResolver {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.fixed.clone().or_else(|| self.login.identity.read().clone())
    }

    fn has_certs(&self) -> bool {
        self.fixed.is_some() || self.login.identity.read().is_some()
    }
}
