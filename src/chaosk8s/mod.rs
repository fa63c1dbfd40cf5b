//! Every action and probe of the Chaos Toolkit's package `chaosk8s`, under its own name.
//!
//! ```text
//!  catalogue    names, arguments and permissions of every function
//!  arguments    a call's arguments, with defaults
//!  permissions  what a call needs
//!  functions    prepare: reads the cluster, and plans                ─► PreparedWork: a read, a plan, commands, a drain
//!  targets      which of the candidates are hit
//!  validation   what is wrong with a call, before the run
//! ```

mod arguments;
pub mod catalogue;
mod compat;
mod error;
mod functions;
mod permissions;
mod targets;
mod validation;

/// Whether a module is one of those that act on a cluster.
pub fn is_module(module: &str) -> bool {
    module.starts_with("chaosk8s.")
}

pub use arguments::{Arguments, to_json};
pub use compat::python_exception;
pub use error::{Error, PythonException};
pub use functions::{Drain, FunctionContext, PodExec, PreparedWork, prepare};
pub use permissions::{UnknownPermissions, needed_permissions};
pub use validation::find_faults;
