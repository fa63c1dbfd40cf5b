//! Contradictions and gaps in the settings of a connection.

use std::io;
use std::path::PathBuf;

use super::Cause;
use crate::error_code::ErrorCode;
use crate::http_client::InvalidProxy;

/// Reason why a cluster and a user cannot be used. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SettingsProblem {
    #[error("the cluster has no server")]
    NoServer,
    #[error("invalid server '{0}': expected an http or https address")]
    InvalidServer(String),
    #[error("invalid tls-server-name '{0}': expected a host name or an address")]
    InvalidServerName(String),
    #[error("cannot read {}", path.display())]
    UnreadableFile { path: PathBuf, source: io::Error },
    #[error("token file {} is empty", path.display())]
    EmptyTokenFile { path: PathBuf },
    #[error("it has both {0} and {0}-data")]
    DataAndFile(&'static str),
    #[error("it has a certificate-authority, and insecure-skip-tls-verify, which ignores it")]
    AuthorityAndInsecure,
    #[error("invalid certificate-authority")]
    InvalidAuthority(#[source] Cause),
    #[error("certificate-authority has no certificates")]
    NoAuthority,
    #[error("the user has a client-certificate, and no client-key")]
    NoKey,
    #[error("invalid client-certificate or client-key")]
    InvalidIdentity(#[source] Cause),
    #[error("the user has {0} and {1}: only one is allowed")]
    TwoLogins(&'static str, &'static str),
    #[error("the {0} has characters that an HTTP header cannot have")]
    InvalidHeader(&'static str),
    /// Kubernetes removed these from kubectl.
    #[error("auth-provider '{name}' cannot be used{}", describe_provider(name))]
    AuthProvider { name: String },
    #[error("the login program of the user has no {0}")]
    IncompleteProgram(&'static str),
    #[error("the login program has the unknown apiVersion '{0}'")]
    ProgramVersion(String),
    #[error("invalid interactiveMode of the login program: expected Never, IfAvailable or Always")]
    InteractiveMode,
    #[error("the user has as-groups, as-uid or as-user-extra without as")]
    NoUserToImpersonate,
    #[error(transparent)]
    Proxy(InvalidProxy),
}

fn describe_provider(name: &str) -> &'static str {
    match name {
        "gcp" | "azure" => ": Kubernetes 1.26 removed it",
        "openstack" => ": Kubernetes 1.22 removed it",
        "oidc" => " without an id-token",
        _ => "",
    }
}

impl SettingsProblem {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Proxy(_) => ErrorCode::ClientProxy,
            _ => ErrorCode::KubeconfigInvalid,
        }
    }

    /// Returns what the user can do, in the imperative.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AuthProvider { name } => match name.as_str() {
                "gcp" => {
                    "install gke-gcloud-auth-plugin, and run `gcloud container clusters get-credentials` again"
                }
                "azure" => "install kubelogin, and run `kubelogin convert-kubeconfig`",
                "openstack" => "use client-keystone-auth as the login program (exec) of the user",
                _ => "use a login program (exec) for the user, such as kubelogin",
            },
            Self::ProgramVersion(_) => {
                "set apiVersion: client.authentication.k8s.io/v1; a newer version of the program may write it"
            }
            Self::IncompleteProgram("interactiveMode") => "set interactiveMode: IfAvailable",
            Self::AuthorityAndInsecure => "remove insecure-skip-tls-verify",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
