//! HTTP client of the program.
//!
//! HTTP/1.1 with rustls on ring, the proxies of the environment, and a new connection for every request: a reused
//! connection would hide that new ones fail, which is what many probes check.

mod connection_count;
mod error;
mod proxy;
mod verifier;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::client::Resumption;
use url::Url;

use crate::experiment::resolve::Verification;
use crate::substitution::mask_userinfo;

pub use connection_count::ConnectionCount;
pub use error::{BoxError, Error};
pub use proxy::{InvalidProxy, ProxyAddress, proxy_for};
pub use verifier::{TrustedCertificates, parse_certificates, server_verifier};

pub const USER_AGENT: &str = concat!("kubectl-chaos/", env!("CARGO_PKG_VERSION"));
/// Limit for redirects.
pub const MAX_REDIRECTS: usize = 30;

/// Options of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Limit for one connection attempt.
    pub connect_timeout: Option<Duration>,
    /// Limit for the whole request.
    pub timeout: Option<Duration>,
    /// Whether redirects are not followed.
    pub stay: bool,
    /// Replaces the proxies of the environment.
    pub proxy: Option<reqwest::Proxy>,
}

/// Returns the default verification: by the CA bundle of the environment, as Python's `requests` and curl do, else
/// by the certificates of the machine.
pub fn trust(environment: impl Fn(&str) -> Option<String>) -> Verification {
    let named = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].into_iter().find_map(environment);
    match named.filter(|path| !path.is_empty() && Path::new(path).is_file()) {
        Some(path) => Verification::File(path),
        None => Verification::Full,
    }
}

/// Builds a client. Errors are about the certificates.
pub fn build(verification: &Verification, options: ClientOptions) -> Result<reqwest::Client, Error> {
    let redirects = if options.stay { Policy::none() } else { Policy::limited(MAX_REDIRECTS) };
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .http1_only()
        .pool_max_idle_per_host(0)
        .redirect(redirects);
    if let Some(timeout) = options.connect_timeout {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(timeout) = options.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(proxy);
    }
    let builder = builder
        .connector_layer(connection_count::CountingLayer)
        .tls_backend_preconfigured(tls(verification)?);
    Ok(builder.build()?)
}

/// Checks that a file contains certificates.
pub fn check_bundle(path: &str) -> Result<(), Error> {
    verifier::read_certificates(Path::new(path)).map(drop)
}

/// Creates the TLS configuration. Certificates are read once a server presents one.
fn tls(verification: &Verification) -> Result<rustls::ClientConfig, Error> {
    let trusted = match verification {
        Verification::None => TrustedCertificates::Any,
        Verification::Full => TrustedCertificates::Machine,
        Verification::File(path) => TrustedCertificates::File(path.into()),
    };
    let verifier = server_verifier(trusted)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // a resumed session is not verified again, which would hide an invalid certificate
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Iterates over an error and its causes.
///
/// What an I/O error wraps is not among its sources: those are the sources of what it wraps.
pub fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn std::error::Error + 'static)).or_else(|| error.source())
    })
}

/// Whether an error is that a name has no address.
///
/// The connector has no public type for it, only this text.
pub fn is_dns_error(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string().starts_with("dns error"))
}

/// Joins the messages of an error and its causes, without repetitions.
pub fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
        next = error.source();
    }
    text
}

/// Removes user and password from an address. In a text that is not an address they are masked.
pub fn display_url(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        Ok(_) => address.to_owned(),
        Err(_) => mask_userinfo(address).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_credentials() {
        assert_eq!(display_url("http://me:pw@h:81/x"), "http://h:81/x");
        assert_eq!(display_url("ftp://me@h"), "ftp://h/");
        for other in ["http://h", "experiment.json", "-", "C:\\x"] {
            assert_eq!(display_url(other), other);
        }
        assert_eq!(display_url("http://me:pw@h:port/"), "http://***@h:port/");
    }
}
