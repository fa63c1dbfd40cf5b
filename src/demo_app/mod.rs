//! The application of the examples: a provider that says hello, and a consumer that asks it. Floor 1.
//!
//! The consumer is the one that the examples improve: without a circuit breaker it answers with an error when the
//! provider is gone, with one it falls back to a text.

mod circuit_breaker;
mod consumer;
mod provider;
mod server;

pub use circuit_breaker::{BreakerSettings, BreakerState, CircuitBreaker};
pub use consumer::{DemoConsumer, FALLBACK};
pub use provider::{DemoProvider, GREETING};
pub use server::{Application, DemoResponse, DemoServer};
