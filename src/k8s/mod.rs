//! The Kubernetes client: connections, requests, discovery, permissions, Services.
//!
//! ```text
//!  connection   kubeconfig files, a Pod's service account, environment, flags  ─► ClusterClient
//!  login        tokens, passwords, certificates, login programs                ─► headers
//!  transport    address, login, proxy, TLS                                     ─► connections
//!  request      requests as data                                               ─► client
//!  client       requests with deadlines, pages, watches                        ─► Error
//!  discovery    the resources of a server: plural, scope, verbs
//!  mutation     changes as data: apply, confirm                                nothing else changes a cluster
//!  rbac         permissions: reviewed by the server, granted by roles
//!  service      Services as destinations of requests: resolved, forwarded to
//! ```
//!
//! It knows neither experiments nor trials.

mod answer;
mod client;
mod connection;
mod discovery;
mod error;
mod login;
mod metadata;
mod mutation;
pub mod rbac;
mod request;
mod resource;
mod secrets;
pub mod service;
mod transport;
mod warnings;

pub use client::ClusterClient;
pub use connection::{
    ConnectionFlags, ContextAllowlist, IgnoredSecrets, KubeconfigNames, KubeconfigSource, check_allowlist,
    connect, ignored_secrets, kubeconfigs,
};
pub use discovery::{DiscoveredKind, DiscoveredKinds, get_object, list_deletable_kinds, list_namespaces};
pub use error::{
    ApiError, Cause, ConfigError, ConnectFailure, DialError, DialErrorKind, Endpoint, Error, KubeconfigError,
    LoginError, Place, ProxyFailure, RefusedContext, ServiceError, SettingsProblem,
};
pub use metadata::{Metadata, PartialObject};
pub use mutation::{
    AppliedMutation, ErrorPolicy, ExpectedState, MutationPlan, MutationResponse, PlannedMutation,
};
pub use request::{ApiRequest, ObjectSelector, PatchFormat};
pub use resource::*;
pub use warnings::WarningHandler;
