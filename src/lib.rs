//! kubectl-chaos: Chaos Toolkit experiments, run natively.

pub mod diagnostic;
pub mod substitution;
pub mod value;
