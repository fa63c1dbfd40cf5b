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
mod ignored_secrets;
mod kubeconfig;
mod kubeconfig_file;
mod settings;
mod yaml_node;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::kubeconfig_file::{Cluster, DataSource, KubeconfigUser};
use super::client::{ClusterClient, ConnectionInfo};
use super::error::{ConfigError, Endpoint, Error, SettingsProblem};
use super::login::Login;
use super::secrets::ConnectionSecrets;
use super::transport::{ApiTransport, TransportOptions};
use super::warnings::WarningHandler;
use crate::config::ProcessEnv;
use crate::value::{Map, Value};
pub use context_allowlist::ContextAllowlist;
pub use ignored_secrets::{IgnoredSecrets, ignored_secrets};

pub use kubeconfig::{KubeconfigNames, KubeconfigSource, kubeconfigs};

/// Default request timeout.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection flags, with the names of kubectl. An empty text is the same as an absent flag, as in kubectl.
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
    /// Receives the warnings of the API server.
    pub warnings: WarningHandler,
}

/// Returns a text that is not empty.
fn not_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
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

/// Cluster and user that were found.
#[derive(Default)]
struct FoundConnection {
    cluster: Cluster,
    user: KubeconfigUser,
    /// The namespace of the context.
    namespace: Option<String>,
    /// The scheme of the token, if it is not `Bearer`.
    token_scheme: Option<String>,
    /// Files and context, for messages.
    source: String,
    context: Option<String>,
    /// Whether it is the cluster of this Pod.
    in_cluster: bool,
    /// Whether the Chaos Toolkit's variables name host and credentials. As there, an http address then gets them, too.
    has_variables: bool,
}

impl FoundConnection {
    /// Returns the names that the allowlist must contain.
    fn names<'a>(&'a self, flags: &'a ConnectionFlags) -> Vec<&'a str> {
        match &self.context {
            // --server replaces the address of the context
            _ if not_empty(flags.server.as_deref()).is_some() => vec![context_allowlist::SERVER],
            Some(context) => {
                std::iter::once(context.as_str()).chain(not_empty(flags.cluster.as_deref())).collect()
            }
            None if self.in_cluster => vec![context_allowlist::IN_CLUSTER],
            None => vec![context_allowlist::SERVER],
        }
    }
}

/// Checks that the allowlist contains the cluster. An unknown cluster passes: connecting to it fails.
#[allow(clippy::unused_async, reason = "connecting is part of asynchronous steps, and needs their runtime")]
pub async fn check_allowlist(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
    secrets: &Map,
) -> Result<(), Error> {
    let Some(guard) = &flags.guard else { return Ok(()) };
    match find(flags, &EnvCredentials { secrets, environment }) {
        Ok(connection) => Ok(guard.check(&connection.names(flags)).map_err(ConfigError::Refused)?),
        Err(_) => Ok(()),
    }
}

/// Creates a client for the configured cluster. Sends nothing, and starts no login program.
#[allow(clippy::unused_async, reason = "connecting is part of asynchronous steps, and needs their runtime")]
pub async fn connect(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
    secrets: &Map,
) -> Result<ClusterClient, Error> {
    let keys = EnvCredentials { secrets, environment };
    let needs_user = !flags.impersonate_groups.is_empty()
        || not_empty(flags.impersonate_uid.as_deref()).is_some()
        || !flags.impersonate_extra.is_empty();
    if not_empty(flags.impersonate.as_deref()).is_none() && needs_user {
        return Err(ConfigError::NoUserToImpersonate.into());
    }
    let mut connection = find(flags, &keys)?;
    flags
        .guard
        .iter()
        .try_for_each(|guard| guard.check(&connection.names(flags)))
        .map_err(ConfigError::Refused)?;
    apply_flags(&mut connection, flags)?;
    let known_secrets = Arc::new(ConnectionSecrets::default());
    let settings =
        settings::check(&connection, environment, flags.unattended, &known_secrets).map_err(|problem| {
            match &flags.server {
                Some(server)
                    if matches!(problem, SettingsProblem::InvalidServer(_)) && !server.is_empty() =>
                {
                    ConfigError::InvalidServer { server: crate::http_client::display_url(server) }
                }
                _ => ConfigError::Unusable { origin: connection.source.clone(), source: Box::new(problem) },
            }
        })?;
    let address = settings.server.to_string().trim_end_matches('/').to_owned();
    let namespace = not_empty(flags.namespace.as_deref()).map(str::to_owned).or(connection.namespace);
    let timeout = match flags.request_timeout {
        None => Some(REQUEST_TIMEOUT),
        Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
    };
    let endpoint = Endpoint { address: address.clone(), origin: connection.source.clone() };
    let login = Arc::new(Login::new(settings.login.clone(), timeout, Arc::clone(&known_secrets)));
    let options = TransportOptions {
        endpoint,
        login: Arc::clone(&login),
        secrets: Arc::clone(&known_secrets),
        warnings: flags.warnings.clone(),
        connect_timeout: CONNECT_TIMEOUT,
    };
    let origin = connection.source.clone();
    let withholds_credentials = settings.withholds_credentials;
    let transport = ApiTransport::new(settings, options)
        .map_err(|source| ConfigError::Unusable { origin, source: Box::new(source) })?;
    let info = ConnectionInfo {
        address,
        source: connection.source,
        context: connection.context,
        namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        in_cluster: connection.in_cluster,
        withholds_credentials,
    };
    Ok(ClusterClient::new(transport, login, known_secrets, info, timeout))
}

fn find(flags: &ConnectionFlags, keys: &EnvCredentials<'_>) -> Result<FoundConnection, ConfigError> {
    if let Some(files) = kubeconfig::read(flags, keys.environment)? {
        return from_files(&files, keys.get("KUBERNETES_CONTEXT"), flags);
    }
    let in_pod = keys.environment.get("CHAOSTOOLKIT_IN_POD").as_deref() == Some("true");
    if in_pod || env_credentials::is_in_pod(keys.environment) {
        return env_credentials::from_pod(keys.environment);
    }
    env_credentials::from_keys(flags, keys)
        .ok_or_else(|| ConfigError::NoCluster { searched: kubeconfig::search_paths(flags, keys.environment) })
}

fn from_files(
    files: &kubeconfig::MergedKubeconfig,
    variable: Option<String>,
    flags: &ConnectionFlags,
) -> Result<FoundConnection, ConfigError> {
    fn entry<T: Clone>(entries: &[(String, T)], name: &str) -> Option<T> {
        entries.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
    fn names<T>(entries: &[(String, T)]) -> Vec<String> {
        entries.iter().map(|(name, _)| name.clone()).collect()
    }
    let context_name = kubeconfig::select_context(files, flags, variable)?;
    let kubeconfig = &files.kubeconfig;
    let context = entry(&kubeconfig.contexts, &context_name).unwrap_or_default();
    let unknown = |flag: &'static str, name: &str, known: Vec<String>| ConfigError::UnknownEntry {
        files: files.shown.clone(),
        flag,
        name: name.to_owned(),
        known,
    };
    let cluster = match not_empty(flags.cluster.as_deref()) {
        Some(name) => entry(&kubeconfig.clusters, name)
            .ok_or_else(|| unknown("cluster", name, names(&kubeconfig.clusters)))?,
        None => {
            let found = context.cluster.as_deref().and_then(|name| entry(&kubeconfig.clusters, name));
            // --server alone is enough, as for kubectl
            let is_needed = not_empty(flags.server.as_deref()).is_none();
            match found {
                None if is_needed => {
                    return Err(ConfigError::MissingCluster {
                        files: files.shown.clone(),
                        context: context_name,
                        cluster: context.cluster,
                    });
                }
                found => found.unwrap_or_default(),
            }
        }
    };
    let user = match not_empty(flags.user.as_deref()) {
        Some(name) => {
            entry(&kubeconfig.users, name).ok_or_else(|| unknown("user", name, names(&kubeconfig.users)))?
        }
        // as kubectl: a context without a known user is anonymous
        None => context.user.and_then(|name| entry(&kubeconfig.users, &name)).unwrap_or_default(),
    };
    let source = format!("{}, context {context_name}", files.shown);
    let namespace = context.namespace;
    Ok(FoundConnection {
        cluster,
        user,
        namespace,
        source,
        context: Some(context_name),
        ..FoundConnection::default()
    })
}

/// Applies the flags, which override the kubeconfig.
fn apply_flags(found: &mut FoundConnection, flags: &ConnectionFlags) -> Result<(), ConfigError> {
    fn path(path: Option<&PathBuf>) -> Option<&Path> {
        path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
    }
    let authority = path(flags.certificate_authority.as_ref());
    let identity = path(flags.client_certificate.as_ref()).zip(path(flags.client_key.as_ref()));
    let files = [
        ("--certificate-authority", authority),
        ("--client-certificate", identity.map(|(certificate, _)| certificate)),
        ("--client-key", identity.map(|(_, key)| key)),
    ];
    for (flag, file) in files.into_iter().filter_map(|(flag, file)| Some((flag, file?))) {
        let unreadable = |source| ConfigError::UnreadableFlag { flag, path: file.to_owned(), source };
        std::fs::read(file).map_err(unreadable)?;
    }
    let FoundConnection { cluster, user, .. } = found;
    let name = not_empty(flags.tls_server_name.as_deref());
    if let Some(server) = not_empty(flags.server.as_deref()) {
        cluster.server = Some(server.to_owned());
        cluster.tls_server_name = None;
        found.has_variables = false;
    }
    if let Some(name) = name {
        cluster.tls_server_name = Some(name.to_owned());
    }
    let of_file = |file: &Path| DataSource { data: None, file: Some(file.to_owned()) };
    if authority.is_some() || flags.insecure {
        cluster.authority = authority.map(of_file).unwrap_or_default();
        cluster.insecure = flags.insecure;
    }
    if let Some(token) = not_empty(flags.token.as_deref()) {
        // a token replaces all other credentials but the certificate
        user.token = Some(token.to_owned());
        found.has_variables = false;
        (user.token_file, user.username, user.password) = (None, None, None);
        (user.auth_provider, user.exec) = (None, None);
        found.token_scheme = None;
    }
    if let Some((certificate, key)) = identity {
        user.certificate = of_file(certificate);
        user.key = of_file(key);
    }
    if let Some(name) = not_empty(flags.impersonate.as_deref()) {
        user.impersonate = Some(name.to_owned());
        user.impersonate_uid = not_empty(flags.impersonate_uid.as_deref()).map(str::to_owned);
        user.impersonate_groups.clone_from(&flags.impersonate_groups);
        user.impersonate_extra.clone_from(&flags.impersonate_extra);
    }
    Ok(())
}
