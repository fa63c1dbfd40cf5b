//! kubectl-chaos: Chaos Toolkit experiments, run natively.

pub mod value;
