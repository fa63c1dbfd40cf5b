//! kubectl-chaos: Chaos Toolkit experiments, run natively.
pub mod diagnostic;
pub mod experiment;
pub mod substitution;
pub mod tolerance;
pub mod value;
