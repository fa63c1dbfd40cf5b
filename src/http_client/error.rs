//! Errors of the settings of an HTTP client.

use std::path::PathBuf;

/// Error of another library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Error of the settings of an HTTP client. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read certificates from {}: the file does not exist", .0.display())]
    MissingFile(PathBuf),
    #[error("invalid certificates in {}", path.display())]
    InvalidFile { path: PathBuf, source: BoxError },
    #[error("no certificates in {}", .0.display())]
    NoCertificates(PathBuf),
    #[error("cannot configure TLS")]
    Tls(#[from] rustls::Error),
    #[error("cannot create an HTTP client")]
    Client(#[from] reqwest::Error),
}
