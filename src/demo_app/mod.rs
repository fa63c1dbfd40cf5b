//! The demo application of the examples: a provider that returns a greeting, and a consumer that calls it.
//!
//! The examples improve the consumer. Without a circuit breaker, it responds with an error when the provider is down;
//! with one, it responds with a fallback text.

mod circuit_breaker;
mod config;
mod consumer;
mod provider;
mod server;

pub use circuit_breaker::{BreakerSettings, BreakerState, CircuitBreaker};
pub use config::{DEFAULT_PROVIDER, DemoAppConfig, PROVIDER_ENV};
pub use consumer::{DemoAppError, DemoConsumer, FALLBACK};
pub use provider::{DemoProvider, GREETING};
pub use server::{Application, DemoResponse, DemoServer};
