//! Kubernetes: every action and probe of the Chaos Toolkit's package `chaosk8s`, under its own name. Floor 1.
//!
//! ```text
//!  connection   kubeconfig files, a Pod's service account, keys, flags  ─► Cluster
//!  catalogue    names, arguments, rights of every function
//!  arguments    a call's arguments, with defaults
//!  functions    prepare: looks, and says what will be done              ─► Work: a look, a Plan, commands, a drain
//!  select       which of the candidates are hit
//!  plan         changes as data: apply, confirm                         nothing else changes a cluster
//!  deploy       plans of a trial: namespaces that come and go, manifests
//!  discovery    what the server calls a kind in addresses
//!  rights       which ones calls need, whether somebody has them, roles that give them
//!  service      Services as destinations of requests: found, forwarded to
//!  cluster      requests with deadlines, pages, watches                 ─► Failure
//! ```

mod arguments;
pub mod catalogue;
mod cluster;
mod connection;
pub mod deploy;
mod discovery;
mod error;
mod functions;
mod mutation;
pub mod rbac;
mod resource;
pub mod service;
mod targets;

/// Whether a module is one of those that act on a cluster.
pub fn is_module(module: &str) -> bool {
    module.starts_with("chaosk8s.")
}

pub use arguments::{Arguments, to_json};
pub use cluster::{ApiRequest, ClusterClient};
pub use connection::{
    ConnectionFlags, ContextAllowlist, KubeconfigNames, KubeconfigSource, connect, kubeconfigs, permitted,
};
pub use discovery::{DiscoveredKind, DiscoveredKinds, namespaces};
pub use error::ClusterError;
pub use functions::{Drain, FunctionContext, PodExec, PreparedWork, prepare};
pub use mutation::{AppliedMutation, MutationPlan, MutationResponse, PlannedMutation};
pub use resource::{NAMESPACES, Resource};
pub use targets::Metadata;
