//! Connection settings: as for kubectl, and the Chaos Toolkit's own variables.
//!
//! Nothing else reads a kubeconfig. The first match wins:
//!
//! 1. kubeconfig files: `--kubeconfig`, else the list in `KUBECONFIG`, else `~/.kube/config`; the context is
//!    `--context`, else the variable `KUBERNETES_CONTEXT`, else the current one;
//! 2. in a Pod: its service account;
//! 3. the variables `KUBERNETES_HOST`, `KUBERNETES_API_KEY` and so on; or `--server`.
//!
//! Variables are read from the secrets of the activity, then from the environment.
//!
//! The context allowlist applies to every connection, including those that an experiment configures itself.

mod context_allowlist;
mod env_credentials;
mod kubeconfig;
mod kubeconfig_file;
mod proxy;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue, USER_AGENT};
use kube::Config;
use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use super::client::{ClusterClient, ConnectionInfo};
use super::error::{Cause, ConfigError, Error};
use crate::config::ProcessEnv;
use crate::value::{Map, Value};
pub use context_allowlist::ContextAllowlist;

pub use kubeconfig::{KubeconfigNames, KubeconfigSource, kubeconfigs};

/// Default request timeout.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection flags, with the names of kubectl.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFlags {
    /// Replaces all other kubeconfig files.
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    /// Replaces the cluster of the context.
    pub cluster: Option<String>,
    /// Replaces the user of the context.
    pub user: Option<String>,
    /// Replaces the namespace of the context.
    pub namespace: Option<String>,
    /// The user to impersonate.
    pub impersonate: Option<String>,
    pub impersonate_groups: Vec<String>,
    pub impersonate_uid: Option<String>,
    pub impersonate_extra: Vec<(String, String)>,
    /// Zero disables the timeout.
    pub request_timeout: Option<Duration>,
    pub server: Option<String>,
    pub token: Option<String>,
    /// Whether the server certificate is not verified.
    pub insecure: bool,
    pub certificate_authority: Option<PathBuf>,
    pub tls_server_name: Option<String>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// Restricts the clusters.
    pub guard: Option<ContextAllowlist>,
    /// Whether no user is present: credential plugins get no terminal.
    pub unattended: bool,
}

/// The Chaos Toolkit's `KUBERNETES_*` variables.
pub(super) struct EnvCredentials<'a> {
    secrets: &'a Map,
    environment: &'a ProcessEnv,
}

impl EnvCredentials<'_> {
    fn get(&self, name: &str) -> Option<String> {
        match self.secrets.get(name) {
            Some(Value::Null) | None => self.environment.get(name),
            Some(value) => Some(value.python_text().into_owned()),
        }
    }
}

/// Connection settings that were found.
struct ResolvedConnection {
    config: Config,
    /// Files and context, for messages.
    source: String,
    context: Option<String>,
    /// Whether the kubeconfig sets a proxy.
    own_proxy: bool,
    /// Whether it is the cluster of this Pod.
    inside: bool,
}

impl ResolvedConnection {
    /// Returns the names that the allowlist must contain.
    fn names<'a>(&'a self, flags: &'a ConnectionFlags) -> Vec<&'a str> {
        match &self.context {
            // --server replaces the address of the context
            _ if flags.server.is_some() => vec![context_allowlist::SERVER],
            Some(context) => std::iter::once(context.as_str()).chain(flags.cluster.as_deref()).collect(),
            None if self.inside => vec![context_allowlist::IN_CLUSTER],
            None => vec![context_allowlist::SERVER],
        }
    }
}

/// Checks that the allowlist contains the cluster. An unknown cluster passes: connecting to it fails.
pub async fn permitted(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
    secrets: &Map,
) -> Result<(), Error> {
    let Some(guard) = &flags.guard else { return Ok(()) };
    match find(flags, &EnvCredentials { secrets, environment }).await {
        Ok(found) => Ok(guard.check(&found.names(flags)).map_err(ConfigError::Refused)?),
        Err(_) => Ok(()),
    }
}

/// Creates a client for the configured cluster. Sends nothing.
pub async fn connect(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
    secrets: &Map,
) -> Result<ClusterClient, Error> {
    let keys = EnvCredentials { secrets, environment };
    let needs_user = !flags.impersonate_groups.is_empty()
        || flags.impersonate_uid.is_some()
        || !flags.impersonate_extra.is_empty();
    if flags.impersonate.is_none() && needs_user {
        return Err(ConfigError::NoUserToImpersonate.into());
    }
    let found = find(flags, &keys).await?;
    let names = found.names(flags);
    flags.guard.iter().try_for_each(|guard| guard.check(&names)).map_err(ConfigError::Refused)?;
    let ResolvedConnection { mut config, source, context, own_proxy, inside } = found;
    apply_flags(&mut config, flags)?;
    // the client panics on invalid schemes and tokens
    if !matches!(config.cluster_url.scheme_str(), Some("http" | "https")) {
        let server = config.cluster_url.to_string();
        return Err(ConfigError::InvalidScheme { origin: source, server }.into());
    }
    if let Some(token) = &flags.token {
        authorization("Bearer", token)?;
    }
    if !own_proxy {
        config.proxy_url = proxy::of(&config.cluster_url, environment);
    }
    // each request decides whether it can be repeated
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let agent = format!(
        "kubectl-chaos/{} ({}/{})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    config.headers.push((USER_AGENT, header(&agent)?));
    let address = config.cluster_url.to_string();
    let address = address.trim_end_matches('/').to_owned();
    let namespace = flags.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let timeout = match flags.request_timeout {
        None => Some(REQUEST_TIMEOUT),
        Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
    };
    let client = kube::Client::try_from(config).map_err(|error| ConfigError::unusable(&source, error))?;
    Ok(ClusterClient::new(client, ConnectionInfo { address, source, context, namespace, inside }, timeout))
}

async fn find(flags: &ConnectionFlags, keys: &EnvCredentials<'_>) -> Result<ResolvedConnection, Error> {
    if let Some(files) = kubeconfig::read(flags, keys.environment)? {
        let context = flags.context.clone().or_else(|| keys.get("KUBERNETES_CONTEXT"));
        return from_files(files, context, flags).await;
    }
    let in_pod = keys.environment.get("CHAOSTOOLKIT_IN_POD").as_deref() == Some("true");
    if in_pod || env_credentials::is_in_pod(keys.environment) {
        let mut config =
            Config::incluster_env().map_err(|error| ConfigError::NotInCluster(Cause::new(error)))?;
        if let Some(namespace) = keys.environment.get("POD_NAMESPACE") {
            config.default_namespace = namespace;
        }
        return Ok(ResolvedConnection {
            config,
            source: "the service account of this Pod".to_owned(),
            context: None,
            own_proxy: false,
            inside: true,
        });
    }
    if let Some(found) = env_credentials::from_keys(flags, keys).await? {
        return Ok(found);
    }
    let searched = kubeconfig::search_paths(flags, keys.environment);
    Err(ConfigError::NoCluster { searched }.into())
}

async fn from_files(
    files: kubeconfig::MergedKubeconfig,
    context: Option<String>,
    flags: &ConnectionFlags,
) -> Result<ResolvedConnection, Error> {
    let kubeconfig::MergedKubeconfig { mut kubeconfig, shown } = files;
    let wanted = context.or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    if !kubeconfig.contexts.iter().any(|known| known.name == wanted) {
        let known = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        return Err(if wanted.is_empty() {
            ConfigError::NoCurrentContext { files: shown, known }.into()
        } else {
            ConfigError::UnknownContext { files: shown, name: wanted, known }.into()
        });
    }
    let clusters: Vec<&str> = kubeconfig.clusters.iter().map(|one| one.name.as_str()).collect();
    let users: Vec<&str> = kubeconfig.auth_infos.iter().map(|one| one.name.as_str()).collect();
    for (flag, wanted, known) in [("cluster", &flags.cluster, &clusters), ("user", &flags.user, &users)] {
        if let Some(wanted) = wanted.as_deref().filter(|wanted| !known.contains(wanted)) {
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            let (files, name) = (shown, wanted.to_owned());
            return Err(ConfigError::UnknownEntry { files, flag, name, known }.into());
        }
    }
    kubeconfig::add_schemes(&mut kubeconfig);
    kubeconfig::withhold_variables(&mut kubeconfig);
    if flags.unattended {
        let users = kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut());
        for plugin in users.filter_map(|user| user.exec.as_mut()) {
            plugin.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    let named = named_cluster(&kubeconfig, &wanted, flags);
    let own_proxy = kubeconfig
        .clusters
        .iter()
        .filter(|cluster| Some(&cluster.name) == named.as_ref())
        .any(|cluster| cluster.cluster.as_ref().is_some_and(|cluster| cluster.proxy_url.is_some()));
    let options = KubeConfigOptions {
        context: Some(wanted.clone()),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
    };
    let source = format!("{shown}, context {wanted}");
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| ConfigError::unusable(&source, error))?;
    Ok(ResolvedConnection { config, source, context: Some(wanted), own_proxy, inside: false })
}

fn named_cluster(kubeconfig: &Kubeconfig, context: &str, flags: &ConnectionFlags) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|known| known.name == context)?;
    flags.cluster.clone().or_else(|| Some(context.context.as_ref()?.cluster.clone()))
}

/// Applies the flags, which override the kubeconfig.
fn apply_flags(config: &mut Config, flags: &ConnectionFlags) -> Result<(), ConfigError> {
    let files = [
        ("--certificate-authority", &flags.certificate_authority),
        ("--client-certificate", &flags.client_certificate),
        ("--client-key", &flags.client_key),
    ];
    for (flag, file) in files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_ref()?))) {
        std::fs::read(file).map_err(|source| ConfigError::UnreadableFlag {
            flag,
            path: file.clone(),
            source,
        })?;
    }
    if let Some(server) = &flags.server {
        config.cluster_url =
            server.parse().map_err(|source| ConfigError::InvalidServer { server: server.clone(), source })?;
        config.tls_server_name = None;
    }
    if let Some(file) = &flags.certificate_authority {
        config.root_cert = None;
        config.root_cert_file = Some(file.clone());
        config.accept_invalid_certs = false;
    }
    if flags.insecure {
        config.accept_invalid_certs = true;
        config.root_cert = None;
        config.root_cert_file = None;
    }
    if let Some(name) = &flags.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    let user = &mut config.auth_info;
    if let Some(token) = &flags.token {
        // a token replaces all other credentials
        *user = AuthInfo { token: Some(token.clone().into()), ..keep_certificate(user) };
    }
    if let (Some(certificate), Some(key)) = (&flags.client_certificate, &flags.client_key) {
        user.client_certificate = Some(certificate.display().to_string());
        user.client_certificate_data = None;
        user.client_key = Some(key.display().to_string());
        user.client_key_data = None;
    }
    if let Some(name) = &flags.impersonate {
        user.impersonate = Some(name.clone());
        user.impersonate_groups = Some(flags.impersonate_groups.clone()).filter(|groups| !groups.is_empty());
        user.impersonate_uid.clone_from(&flags.impersonate_uid);
        let mut extra: HashMap<String, Vec<String>> = HashMap::new();
        for (key, value) in &flags.impersonate_extra {
            extra.entry(key.clone()).or_default().push(value.clone());
        }
        user.impersonate_user_extra = Some(extra).filter(|extra| !extra.is_empty());
    }
    Ok(())
}

fn keep_certificate(user: &AuthInfo) -> AuthInfo {
    AuthInfo {
        client_certificate: user.client_certificate.clone(),
        client_certificate_data: user.client_certificate_data.clone(),
        client_key: user.client_key.clone(),
        client_key_data: user.client_key_data.clone(),
        impersonate: user.impersonate.clone(),
        impersonate_groups: user.impersonate_groups.clone(),
        impersonate_uid: user.impersonate_uid.clone(),
        impersonate_user_extra: user.impersonate_user_extra.clone(),
        ..AuthInfo::default()
    }
}

fn header(text: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::from_str(text).map_err(|_| ConfigError::InvalidHeader)
}

fn authorization(prefix: &str, key: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let mut value = header(&format!("{prefix} {key}"))?;
    value.set_sensitive(true);
    Ok((http::header::AUTHORIZATION, value))
}
