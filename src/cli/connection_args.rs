//! Flags of the cluster connection: kubectl's own, with kubectl's names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::duration::parse_duration;
use super::parse::{integer_in, parse_key_value};
use crate::k8s::service::ServiceAlias;
use crate::k8s::{ConnectionFlags, ContextAllowlist, WarningHandler};
use crate::provider::{FunctionOptions, ServiceAccess};

/// Flags of the cluster connection.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster options")]
pub(super) struct ConnectionArgs {
    /// Path to the kubeconfig file
    #[arg(long, global = true, value_name = "FILE", value_parser = any_path())]
    kubeconfig: Option<PathBuf>,
    /// Kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Kubeconfig cluster to use instead of the one of the context
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// Kubeconfig user to use instead of the one of the context
    #[arg(long, global = true, value_name = "NAME")]
    user: Option<String>,
    /// Namespace of activities that name none [default: the context's namespace]
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// Username to impersonate: a user or a service account
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,
    /// Group to impersonate. Repeatable
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    impersonate_groups: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", global = true, value_name = "UID")]
    impersonate_uid: Option<String>,
    /// Extra impersonation attributes. Repeatable, also for the same key
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    impersonate_extra: Vec<(String, String)>,
    /// Time to wait before giving up on a single server request; 0 means no timeout
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: Option<Duration>,
    /// Address and port of the Kubernetes API server
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Do not verify the certificate of the API server; makes HTTPS connections insecure
    #[arg(long, global = true)]
    insecure_skip_tls_verify: bool,
    /// Path to a cert file for the certificate authority
    #[arg(long, global = true, value_name = "FILE", value_parser = any_path(), conflicts_with = "insecure_skip_tls_verify")]
    certificate_authority: Option<PathBuf>,
    /// Server name for validation of the server certificate [default: the host name of the server]
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Path to a client certificate file for TLS
    #[arg(long, global = true, value_name = "FILE", value_parser = any_path(), requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Path to a client key file for TLS
    #[arg(long, global = true, value_name = "FILE", value_parser = any_path(), requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Accepted for compatibility with kubectl: there is no cache on disk
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    cache_dir: Option<PathBuf>,
    /// Accepted for compatibility with kubectl: responses are never compressed
    #[arg(long, global = true, hide = true)]
    disable_compression: bool,
    /// Allow actions without a selector to target everything
    #[arg(long, global = true)]
    allow_all: bool,
    /// How HTTP requests reach a Service (such as web.shop.svc)
    #[arg(long, global = true, value_enum, value_name = "ROUTE", default_value_t = ServiceAccessArg::Auto)]
    service_access: ServiceAccessArg,
    /// Send requests for HOST:PORT to the Service NAME[.NAMESPACE].svc[:PORT]. Repeatable
    #[arg(long, global = true, value_name = "HOST:PORT=SERVICE")]
    connect_to: Vec<ServiceAlias>,
    /// Seed for random choices, to repeat a run
    #[arg(long, global = true, value_name = "NUMBER", value_parser = integer_in(0..=u64::MAX))]
    seed: Option<u64>,
    /// Allowed contexts, if they are restricted.
    #[arg(skip)]
    guard: Option<ContextAllowlist>,
}

/// Parses a path that may be empty: an empty flag is the same as an absent one, as in kubectl.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Route to Services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ServiceAccessArg {
    /// Direct inside the cluster; from outside proxy if possible, else port-forward.
    #[default]
    Auto,
    /// The proxy of the API server: plain GET requests only.
    Proxy,
    /// A ready Pod, another one for each connection.
    PortForward,
    /// The Service name, resolved by DNS.
    Direct,
}

impl ConnectionArgs {
    /// Returns the route to Services, and the aliases of Services.
    pub(super) fn services(&self) -> (ServiceAccess, Vec<ServiceAlias>) {
        let access = match self.service_access {
            ServiceAccessArg::Auto => ServiceAccess::Auto,
            ServiceAccessArg::Proxy => ServiceAccess::Proxy,
            ServiceAccessArg::PortForward => ServiceAccess::PortForward,
            ServiceAccessArg::Direct => ServiceAccess::Direct,
        };
        (access, self.connect_to.clone())
    }

    pub(super) fn seed(&self) -> Option<u64> {
        self.seed
    }

    pub(super) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|name| !name.is_empty())
    }

    pub(super) fn context(&self) -> Option<&str> {
        self.context.as_deref().filter(|name| !name.is_empty())
    }

    /// Returns a copy for another context.
    pub(super) fn of_context(&self, context: &str) -> Self {
        Self { context: Some(context.to_owned()), ..self.clone() }
    }

    /// Returns whether contexts are restricted.
    pub(super) fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Returns a copy restricted by an allowlist.
    pub(super) fn guarded(&self, guard: ContextAllowlist) -> Self {
        Self { guard: Some(guard), ..self.clone() }
    }

    /// Returns a copy for another namespace.
    pub(super) fn within(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// Returns a copy for the embedded cluster, whatever flags and environment say.
    pub(super) fn to(&self, kubeconfig: PathBuf) -> Self {
        let given = self.clone();
        Self {
            kubeconfig: Some(kubeconfig),
            context: Some(crate::embedded::NAME.to_owned()),
            namespace: given.namespace,
            request_timeout: given.request_timeout,
            allow_all: given.allow_all,
            service_access: given.service_access,
            connect_to: given.connect_to,
            seed: given.seed,
            guard: given.guard,
            ..Self::default()
        }
    }

    /// Returns the options of functions. Without `strict`, actions without a selector are allowed, as in the
    /// Chaos Toolkit.
    pub(super) fn options(&self, strict: bool) -> FunctionOptions {
        let given = self.clone();
        FunctionOptions {
            flags: ConnectionFlags {
                kubeconfig: given.kubeconfig,
                context: given.context,
                cluster: given.cluster,
                user: given.user,
                namespace: given.namespace,
                impersonate: given.impersonate,
                impersonate_groups: given.impersonate_groups,
                impersonate_uid: given.impersonate_uid,
                impersonate_extra: given.impersonate_extra,
                request_timeout: given.request_timeout,
                server: given.server,
                token: given.token,
                insecure: given.insecure_skip_tls_verify,
                certificate_authority: given.certificate_authority,
                tls_server_name: given.tls_server_name,
                client_certificate: given.client_certificate,
                client_key: given.client_key,
                guard: given.guard,
                unattended: false,
                warnings: WarningHandler::default(),
            },
            allow_all: given.allow_all || !strict,
            seed: given.seed,
        }
    }
}
