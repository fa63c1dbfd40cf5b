//! Connections described by the Chaos Toolkit's keys, or by flags alone. Floor 1.

use std::path::Path;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::super::error::Error;
use super::{ConfigError, ConnectionFlags, EnvCredentials, ResolvedConnection, authorization};
use crate::config::ProcessEnv;

/// The token of a Pod's service account.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Whether this runs in a Pod that may speak to its API server.
pub(super) fn is_in_pod(environment: &ProcessEnv) -> bool {
    environment.get("KUBERNETES_SERVICE_HOST").is_some()
        && environment.get("KUBERNETES_SERVICE_PORT").is_some()
        && Path::new(TOKEN_FILE).exists()
}

/// The connection that the keys describe, if there is a host among them, or `--server`.
pub(super) async fn from_keys(
    flags: &ConnectionFlags,
    keys: &EnvCredentials<'_>,
) -> Result<Option<ResolvedConnection>, Error> {
    let Some(host) = keys.get("KUBERNETES_HOST").or_else(|| flags.server.clone()) else { return Ok(None) };
    // as in the Chaos Toolkit: certificates are only checked when that is asked for; "false" asks for it there,
    // which nobody can have meant
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
    super::kubeconfig::give_schemes(&mut kubeconfig);
    let by_flag = keys.get("KUBERNETES_HOST").is_none();
    let source = if by_flag { "--server" } else { "the keys KUBERNETES_HOST and its like" }.to_owned();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| ConfigError::unusable(&source, error))?;
    if let Some(key) = key.filter(|_| prefix != "Bearer") {
        config.headers.push(authorization(&prefix, &key)?);
    }
    Ok(Some(ResolvedConnection { config, source, context: None, own_proxy: false, inside: false }))
}
