//! kubectl-chaos: Chaos Toolkit experiments, run natively.
pub mod cli;
pub mod clock;
pub mod console;
pub mod diagnostic;
pub mod effect;
pub mod engine;
pub mod event;
pub mod experiment;
pub mod http_client;
pub mod journal;
pub mod provider;
pub mod settings;
pub mod source;
pub mod substitution;
pub mod tolerance;
pub mod value;
