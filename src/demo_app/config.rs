//! The configuration of the demo application.

use std::net::SocketAddr;
use std::time::Duration;

use super::circuit_breaker::BreakerSettings;

/// The environment variable of the provider URL.
pub const PROVIDER_ENV: &str = "PROVIDER_URL";
/// The default provider URL.
pub const DEFAULT_PROVIDER: &str = "http://my-provider-service:8080/";

/// The part of the application to run, with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemoAppConfig {
    Provider {
        address: SocketAddr,
    },
    Consumer {
        address: SocketAddr,
        /// The timeout of calls to the provider.
        timeout: Duration,
        /// No circuit breaker if nothing.
        breaker: Option<BreakerSettings>,
    },
}

impl DemoAppConfig {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Provider { address } | Self::Consumer { address, .. } => *address,
        }
    }
}
