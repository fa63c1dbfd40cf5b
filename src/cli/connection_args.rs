//! How the cluster is reached: kubectl's own flags, under their own names. Floor 3.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::args::whole;
use super::duration::parse_duration;
use crate::k8s::service::ServiceAlias;
use crate::k8s::{ConnectionFlags, ContextAllowlist};
use crate::provider::{FunctionOptions, ServiceAccess};

/// Flags of kubectl.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster options")]
pub(super) struct ConnectionArgs {
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The cluster of the kubeconfig, in place of the context's
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// The user of the kubeconfig, in place of the context's
    #[arg(long, global = true, value_name = "NAME")]
    user: Option<String>,
    /// The namespace where an activity names none, in place of the context's
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// Whom to act as
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,
    /// In which group to act; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    impersonate_groups: Vec<String>,
    /// With which UID to act
    #[arg(long = "as-uid", global = true, value_name = "UID")]
    impersonate_uid: Option<String>,
    /// With what else to act; may be repeated
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE", value_parser = parse_extra)]
    impersonate_extra: Vec<(String, String)>,
    /// How long one request may take; 0 for ever
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: Option<Duration>,
    /// The address of the API server
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,
    /// A bearer token for the API server
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Do not check the certificate of the API server
    #[arg(long, global = true)]
    insecure_skip_tls_verify: bool,
    /// The certificates that the API server's is checked against
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "insecure_skip_tls_verify")]
    certificate_authority: Option<PathBuf>,
    /// The name that the certificate of the API server has to have
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// A client certificate for the API server
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// The key of the client certificate
    #[arg(long, global = true, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Accepted for kubectl's sake: nothing of a cluster is kept on disk
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    cache_dir: Option<PathBuf>,
    /// Accepted for kubectl's sake: compressed answers are never asked for
    #[arg(long, global = true, hide = true)]
    disable_compression: bool,
    /// Let an action hit whatever there is where it selects nothing
    #[arg(long, global = true)]
    allow_all: bool,
    /// How HTTP requests to a Service, such as web.shop.svc, reach it
    #[arg(long, global = true, value_enum, value_name = "WAY", default_value_t = ServiceAccessArg::Auto)]
    service_access: ServiceAccessArg,
    /// Send requests for HOST:PORT to the Service NAME[.NAMESPACE].svc[:PORT]; may be repeated
    #[arg(long, global = true, value_name = "HOST:PORT=SERVICE")]
    connect_to: Vec<ServiceAlias>,
    /// Where random choices begin, to have the same ones again
    #[arg(long, global = true, value_name = "NUMBER", value_parser = whole(0..=u64::MAX))]
    seed: Option<u64>,
    /// Which clusters may be touched, where not every one may.
    #[arg(skip)]
    guard: Option<ContextAllowlist>,
}

/// How Services are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ServiceAccessArg {
    /// Directly inside the cluster; from outside by proxy where that does, else by port-forward.
    #[default]
    Auto,
    /// Through the API server, which passes on plain GETs.
    Proxy,
    /// To a ready Pod, another one for each connection.
    PortForward,
    /// By its name, like any other server.
    Direct,
}

impl ConnectionArgs {
    /// The way to Services, and what else stands for one.
    pub(super) fn services(&self) -> (ServiceAccess, Vec<ServiceAlias>) {
        let access = match self.service_access {
            ServiceAccessArg::Auto => ServiceAccess::Auto,
            ServiceAccessArg::Proxy => ServiceAccess::Proxy,
            ServiceAccessArg::PortForward => ServiceAccess::PortForward,
            ServiceAccessArg::Direct => ServiceAccess::Direct,
        };
        (access, self.connect_to.clone())
    }

    /// Where random choices begin.
    pub(super) fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The kubeconfig file that was named.
    pub(super) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }

    /// The namespace that was named.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The context that was named.
    pub(super) fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The same for that context.
    pub(super) fn of_context(&self, context: &str) -> Self {
        Self { context: Some(context.to_owned()), ..self.clone() }
    }

    /// Whether not every cluster may be touched.
    pub(super) fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// The same with somebody at the door.
    pub(super) fn guarded(&self, guard: ContextAllowlist) -> Self {
        Self { guard: Some(guard), ..self.clone() }
    }

    /// The same in that namespace.
    pub(super) fn within(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// The same for another cluster than the one that is meant otherwise, whatever the environment says.
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

    /// What they come to. Lenient runs hit what the Chaos Toolkit would hit.
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
            },
            allow_all: given.allow_all || !strict,
            seed: given.seed,
        }
    }
}

fn parse_extra(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is KEY=VALUE".to_owned()),
    }
}
