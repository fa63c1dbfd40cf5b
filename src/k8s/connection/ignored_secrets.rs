//! Secrets that name a cluster beside a kubeconfig, which comes first.

use url::Url;

use super::settings::server_url;
use super::{ConnectionFlags, EnvCredentials, find, not_empty};
use crate::config::ProcessEnv;
use crate::value::{Map, Value};

/// The keys that count only without a kubeconfig and outside a Pod.
const KEYS: [&str; 5] = [
    "KUBERNETES_HOST",
    "KUBERNETES_API_KEY",
    "KUBERNETES_CERT_FILE",
    "KUBERNETES_KEY_FILE",
    "KUBERNETES_CA_CERT_FILE",
];

/// Secrets that name a cluster, and do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredSecrets {
    pub keys: Vec<&'static str>,
    /// What counts instead: a file and a context, or the service account of this Pod.
    pub used: String,
    /// Whether `KUBERNETES_HOST` names another cluster than the one that is used.
    pub is_other_cluster: bool,
    /// Whether a flag selects the cluster that is used.
    pub by_flag: bool,
}

/// Returns the secrets that name a cluster, and do not count; `None` if they count, or name none.
pub fn ignored_secrets(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
    secrets: &Map,
) -> Option<IgnoredSecrets> {
    let credentials = EnvCredentials { secrets, environment };
    let given = |name: &str| {
        let is_secret = secrets.get(name).is_some_and(|value| *value != Value::Null);
        credentials.get(name).filter(|value| is_secret && !value.is_empty())
    };
    let keys: Vec<&'static str> = KEYS.into_iter().filter(|name| given(name).is_some()).collect();
    if keys.is_empty() {
        return None;
    }
    let found = find(flags, &credentials).ok().filter(|found| found.context.is_some() || found.in_cluster)?;
    let place = |url: Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    let used = not_empty(flags.server.as_deref()).or(found.cluster.server.as_deref()).unwrap_or_default();
    let used = server_url(used, "http").map(place);
    // a context among the secrets says which cluster of the kubeconfig is meant
    let host = given("KUBERNETES_HOST").filter(|_| given("KUBERNETES_CONTEXT").is_none());
    let is_other_cluster = host.is_some_and(|host| server_url(&host, "https").map(place) != used);
    let is_set = |flag: &Option<String>| not_empty(flag.as_deref()).is_some();
    let by_flag = flags.kubeconfig.as_deref().is_some_and(|path| !path.as_os_str().is_empty())
        || [&flags.context, &flags.cluster, &flags.server].into_iter().any(is_set);
    Some(IgnoredSecrets { keys, used: found.source, is_other_cluster, by_flag })
}
