//! Errors of the connection settings.

use std::io;
use std::path::PathBuf;

use super::settings::SettingsProblem;
use crate::error_code::ErrorCode;

/// Error of a kubeconfig, a flag or a variable that describes the connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Invalid { path: PathBuf, source: KubeconfigError },
    #[error("{files} has no current context")]
    NoCurrentContext { files: String, known: Vec<String> },
    /// Verbatim: the Python client of Kubernetes.
    #[error("Invalid kube-config file. Expected object with name {name} in {files}/contexts list")]
    UnknownContext { files: String, name: String, known: Vec<String> },
    #[error("--{flag} {name}: {files} has no such {flag}")]
    UnknownEntry { files: String, flag: &'static str, name: String, known: Vec<String> },
    #[error("no cluster configured: {}", describe_search(searched))]
    NoCluster { searched: Vec<PathBuf> },
    /// Verbatim: the Python client of Kubernetes.
    #[error("Service host/port is not set.")]
    NotInCluster,
    #[error("{flag} {}: cannot read the file", path.display())]
    UnreadableFlag { flag: &'static str, path: PathBuf, source: io::Error },
    #[error("invalid --server '{server}': expected https://HOST:PORT")]
    InvalidServer { server: String },
    /// The context names a cluster that no file describes.
    #[error("{files}, context {context}: {}", describe_missing(cluster.as_deref()))]
    MissingCluster { files: String, context: String, cluster: Option<String> },
    #[error("--as-group, --as-uid and --as-user-extra need --as")]
    NoUserToImpersonate,
    /// The settings are read, but no client can be made of them.
    #[error("invalid {origin}")]
    Unusable { origin: String, source: Box<SettingsProblem> },
    #[error(transparent)]
    Refused(#[from] RefusedContext),
}

/// Place in a file, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Why a kubeconfig file cannot be used. It has the place, and no text of the file: the file contains credentials.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the file is not UTF-8 or UTF-16 text")]
    Encoding,
    #[error("line {}, column {}: {reason}", at.line, at.column)]
    Syntax { at: Place, reason: &'static str },
    #[error("line {}, column {}: {}expected {expected}", at.line, at.column, prefix(path))]
    Field {
        /// The path of the field: `users[0].user.token`; empty for the whole document.
        path: String,
        at: Place,
        expected: &'static str,
    },
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn describe_missing(cluster: Option<&str>) -> String {
    match cluster {
        Some(name) => format!("there is no cluster '{name}'"),
        None => "it has no cluster".to_owned(),
    }
}

/// Cluster that the allowlist does not name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; allowed: {}", describe_cluster(cluster), allowed.join(", "))]
pub struct RefusedContext {
    pub(in crate::k8s) cluster: RefusedCluster,
    pub(in crate::k8s) allowed: Vec<String>,
    pub(in crate::k8s) hint: String,
}

/// Name of a refused cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::k8s) enum RefusedCluster {
    InCluster,
    Server,
    Context(String),
}

fn describe_cluster(cluster: &RefusedCluster) -> String {
    match cluster {
        RefusedCluster::InCluster => "the cluster of this Pod is not allowed".to_owned(),
        RefusedCluster::Server => {
            "a cluster given by its address has no context name and is not allowed".to_owned()
        }
        RefusedCluster::Context(name) => format!("context '{name}' is not allowed"),
    }
}

fn describe_search(searched: &[PathBuf]) -> String {
    if searched.is_empty() {
        return "no home directory to search".to_owned();
    }
    let paths: Vec<String> = searched.iter().map(|path| path.display().to_string()).collect();
    format!("no kubeconfig at {}", paths.join(", "))
}

impl ConfigError {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(_) => ErrorCode::CiContextRefused,
            Self::Unusable { source, .. } => source.code(),
            Self::NoUserToImpersonate | Self::UnreadableFlag { .. } | Self::InvalidServer { .. } => {
                ErrorCode::UsageInvalid
            }
            _ => ErrorCode::KubeconfigInvalid,
        }
    }

    /// Returns what the user can do, in the imperative.
    pub(super) fn hint(&self) -> Option<String> {
        let choose = |flag: &str, known: &[String]| {
            Some(if known.is_empty() {
                "check that the file is a kubeconfig: it has no entries".to_owned()
            } else {
                format!("choose {flag} from: {}", known.join(", "))
            })
        };
        match self {
            Self::NoCurrentContext { known, .. } | Self::UnknownContext { known, .. } => {
                choose("--context", known)
            }
            Self::UnknownEntry { flag, known, .. } => choose(&format!("--{flag}"), known),
            Self::NoCluster { .. } => Some("name a kubeconfig with --kubeconfig or KUBECONFIG".to_owned()),
            Self::Refused(refused) => Some(refused.hint.clone()),
            Self::Unusable { source, .. } => source.hint(),
            _ => None,
        }
    }
}
