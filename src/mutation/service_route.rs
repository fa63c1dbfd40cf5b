//! Route of a request to a Service.

use serde::Serialize;

/// Service that received a request, and the route to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServiceRoute {
    /// `NAMESPACE/NAME:PORT`.
    pub service: String,
    /// `proxy`, `port-forward` or `direct`.
    pub access: &'static str,
    /// The Pod, if one was chosen.
    #[serde(skip)]
    pub pod: Option<String>,
}
