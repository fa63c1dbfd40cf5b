//! Flags of the cluster connection: kubectl's own, with kubectl's names.

use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::duration::{RequestTimeout, parse_request_timeout};
use super::parse::{integer_in, parse_key_value};
use crate::app::ConnectionOptions;
use crate::k8s::service::ServiceAlias;
use crate::k8s::{ConnectionFlags, WarningHandler};
use crate::provider::ServiceAccess;

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
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_request_timeout, allow_hyphen_values = true)]
    request_timeout: Option<RequestTimeout>,
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
    pub(super) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// Converts the flags.
    pub(super) fn into_options(self) -> ConnectionOptions {
        ConnectionOptions {
            flags: ConnectionFlags {
                kubeconfig: self.kubeconfig,
                context: self.context,
                cluster: self.cluster,
                user: self.user,
                namespace: self.namespace,
                impersonate: self.impersonate,
                impersonate_groups: self.impersonate_groups,
                impersonate_uid: self.impersonate_uid,
                impersonate_extra: self.impersonate_extra,
                request_timeout: self.request_timeout.and_then(|timeout| timeout.0),
                server: self.server,
                token: self.token,
                insecure: self.insecure_skip_tls_verify,
                certificate_authority: self.certificate_authority,
                tls_server_name: self.tls_server_name,
                client_certificate: self.client_certificate,
                client_key: self.client_key,
                guard: None,
                unattended: false,
                warnings: WarningHandler::default(),
            },
            allow_all: self.allow_all,
            service_access: match self.service_access {
                ServiceAccessArg::Auto => ServiceAccess::Auto,
                ServiceAccessArg::Proxy => ServiceAccess::Proxy,
                ServiceAccessArg::PortForward => ServiceAccess::PortForward,
                ServiceAccessArg::Direct => ServiceAccess::Direct,
            },
            service_aliases: self.connect_to,
            seed: self.seed,
        }
    }
}
