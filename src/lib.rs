//! kubectl-chaos: Chaos Toolkit experiments, run natively.
pub mod clock;
pub mod diagnostic;
pub mod effect;
pub mod engine;
pub mod event;
pub mod experiment;
pub mod http_client;
pub mod journal;
pub mod provider;
pub mod settings;
pub mod substitution;
pub mod tolerance;
pub mod value;
