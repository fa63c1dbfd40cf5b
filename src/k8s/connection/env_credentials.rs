//! Connections from the Chaos Toolkit's `KUBERNETES_*` variables, or from `--server` alone.

use std::path::Path;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::super::error::Error;
use super::{ConfigError, ConnectionFlags, EnvCredentials, ResolvedConnection, authorization};
use crate::config::ProcessEnv;

/// The token of a Pod's service account.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Whether this program runs in a Pod with a service account token.
pub(super) fn is_in_pod(environment: &ProcessEnv) -> bool {
    environment.get("KUBERNETES_SERVICE_HOST").is_some()
        && environment.get("KUBERNETES_SERVICE_PORT").is_some()
        && Path::new(TOKEN_FILE).exists()
}

/// Returns the connection of the variables, if they or `--server` name a host.
pub(super) async fn from_keys(
    flags: &ConnectionFlags,
    keys: &EnvCredentials<'_>,
) -> Result<Option<ResolvedConnection>, Error> {
    let Some(host) = keys.get("KUBERNETES_HOST").or_else(|| flags.server.clone()) else { return Ok(None) };
    // as in the Chaos Toolkit, certificates are verified only on request; there "false" requests it, too
    let verify = keys
        .get("KUBERNETES_VERIFY_SSL")
        .is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0" | "no" | "off"));
    let authority = keys.get("KUBERNETES_CA_CERT_FILE").filter(|_| verify);
    let key = keys.get("KUBERNETES_API_KEY");
    let prefix = keys.get("KUBERNETES_API_KEY_PREFIX").unwrap_or_else(|| "Bearer".to_owned());
    let certificate = keys.get("KUBERNETES_CERT_FILE").filter(|_| key.is_none());
    let described = json!({
        "clusters": [{"name": "keys", "cluster": {
            "server": host,
            "insecure-skip-tls-verify": !verify,
            "certificate-authority": authority,
        }}],
        "users": [{"name": "keys", "user": {
            "token": key.as_ref().filter(|_| prefix == "Bearer"),
            "client-certificate": certificate,
            "client-key": certificate.as_ref().and(keys.get("KUBERNETES_KEY_FILE")),
        }}],
        "contexts": [{"name": "keys", "context": {"cluster": "keys", "user": "keys"}}],
        "current-context": "keys",
    });
    let mut kubeconfig: Kubeconfig = serde_json::from_value(described).map_err(Error::InvalidAnswer)?;
    super::kubeconfig::add_schemes(&mut kubeconfig);
    let by_flag = keys.get("KUBERNETES_HOST").is_none();
    let source = if by_flag { "--server" } else { "the KUBERNETES_* variables" }.to_owned();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| ConfigError::unusable(&source, error))?;
    if let Some(key) = key.filter(|_| prefix != "Bearer") {
        config.headers.push(authorization(&prefix, &key)?);
    }
    Ok(Some(ResolvedConnection { config, source, context: None, own_proxy: false, inside: false }))
}
