//! Connections of a Pod's service account, of the Chaos Toolkit's `KUBERNETES_*` variables, and of `--server` alone.

use std::path::{Path, PathBuf};

use super::kubeconfig_file::{Cluster, DataSource, KubeconfigUser};
use super::{ConfigError, ConnectionFlags, EnvCredentials, FoundConnection, not_empty};
use crate::config::ProcessEnv;

/// Files of a Pod's service account.
const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn file(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether this program runs in a Pod with a service account token.
pub(super) fn is_in_pod(environment: &ProcessEnv) -> bool {
    environment.get("KUBERNETES_SERVICE_HOST").is_some()
        && environment.get("KUBERNETES_SERVICE_PORT").is_some()
        && file("token").exists()
}

/// Returns the connection of the service account of this Pod.
pub(super) fn from_pod(environment: &ProcessEnv) -> Result<FoundConnection, ConfigError> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
    else {
        return Err(ConfigError::NotInCluster);
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let readable = |name: &str| {
        let path = file(name);
        std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path, source })
    };
    let namespace = readable("namespace")?;
    readable("token")?;
    Ok(FoundConnection {
        cluster: Cluster {
            server: Some(format!("https://{host}:{port}")),
            authority: DataSource { data: None, file: Some(file("ca.crt")) },
            ..Cluster::default()
        },
        user: KubeconfigUser { token_file: Some(file("token")), ..KubeconfigUser::default() },
        namespace: Some(variable("POD_NAMESPACE").unwrap_or_else(|| namespace.trim().to_owned())),
        source: "the service account of this Pod".to_owned(),
        in_cluster: true,
        ..FoundConnection::default()
    })
}

/// Returns the connection of the variables, if they or `--server` name a host.
pub(super) fn from_keys(flags: &ConnectionFlags, keys: &EnvCredentials<'_>) -> Option<FoundConnection> {
    let key = |name: &str| keys.get(name).filter(|value| !value.is_empty());
    let host = key("KUBERNETES_HOST");
    let by_flag = host.is_none();
    let server = host.or_else(|| not_empty(flags.server.as_deref()).map(str::to_owned))?;
    // as in the Chaos Toolkit, certificates are verified only on request; there "false" requests it, too
    let verify = key("KUBERNETES_VERIFY_SSL")
        .is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0" | "no" | "off"));
    let path = |name: &str| DataSource { data: None, file: key(name).map(PathBuf::from) };
    let token = key("KUBERNETES_API_KEY");
    let has_certificate = token.is_none() && key("KUBERNETES_CERT_FILE").is_some();
    let source = |name: &str| if has_certificate { path(name) } else { DataSource::default() };
    Some(FoundConnection {
        cluster: Cluster {
            server: Some(server),
            insecure: !verify,
            authority: if verify { path("KUBERNETES_CA_CERT_FILE") } else { DataSource::default() },
            ..Cluster::default()
        },
        user: KubeconfigUser {
            token,
            certificate: source("KUBERNETES_CERT_FILE"),
            key: source("KUBERNETES_KEY_FILE"),
            ..KubeconfigUser::default()
        },
        token_scheme: key("KUBERNETES_API_KEY_PREFIX"),
        has_variables: !by_flag,
        source: if by_flag { "--server" } else { "the KUBERNETES_* variables" }.to_owned(),
        ..FoundConnection::default()
    })
}
