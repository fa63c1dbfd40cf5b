//! Errors of trials on a cluster.

use crate::error_code::{Coded, ErrorCode};
use crate::k8s;

/// Error of a step of a trial.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refuses a request, or does not answer.
    #[error("{}", .0.summary())]
    Cluster(k8s::Error),
    #[error("cannot {verb} {object}")]
    Object {
        verb: &'static str,
        object: String,
        #[source]
        source: Box<Error>,
    },
    #[error("{object}: already exists in the cluster and is cluster-scoped")]
    ClusterScopedExists { object: String },
    #[error("cannot replace more than {maximum} objects in place")]
    TooManyObjects { maximum: usize },
    #[error("cannot draw random numbers for the backup")]
    NoRandomNumbers,
    #[error("{kind} {name}: created by another user after the trial began; left unchanged")]
    ReplacedByOther { kind: String, name: String },
    /// The API server accepts the change, and the objects do not show it.
    #[error("change not observed: {reason}")]
    NotObserved { reason: String },
    #[error("change not observed within {seconds} s")]
    ObserveTimeout { seconds: u64 },
    #[error("change aborted: {reason}")]
    Aborted { reason: String },
    #[error("workloads are not ready after {seconds} s: {pending}")]
    NotReady { seconds: f64, pending: String },
    #[error("namespace still terminating after {seconds} s")]
    StillTerminating { seconds: u64 },
    #[error("a request is still in flight and may yet be applied")]
    InFlight,
    #[error("{}", join(.0))]
    Several(Vec<Error>),
}

impl Error {
    /// Adds the operation and its object.
    pub fn of_object(self, verb: &'static str, object: impl Into<String>) -> Self {
        Self::Object { verb, object: object.into(), source: Box::new(self) }
    }

    /// Whether another client changed the object at the same time.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Cluster(error) => {
                error.api().is_some_and(|answer| answer.code == http::StatusCode::CONFLICT.as_u16())
            }
            Self::Object { source, .. } => source.is_conflict(),
            _ => false,
        }
    }
}

fn join(errors: &[Error]) -> String {
    let messages: Vec<String> = errors.iter().map(|error| crate::error_code::message_chain(error)).collect();
    messages.join("; ")
}

impl From<k8s::Error> for Error {
    fn from(error: k8s::Error) -> Self {
        Self::Cluster(error)
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotReady { .. } => ErrorCode::TrialNotReady,
            Self::ClusterScopedExists { .. } | Self::TooManyObjects { .. } => ErrorCode::TrialManifest,
            Self::NoRandomNumbers => ErrorCode::InternalRuntime,
            Self::Object { source, .. } => source.code(),
            Self::Cluster(error) => error.code(),
            _ => ErrorCode::TrialCluster,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ClusterScopedExists { .. } => Some("remove it from --common".to_owned()),
            Self::Object { source, .. } => source.hint(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::message_chain;

    #[test]
    fn message_names_operation_object_and_cause() {
        let error = Error::ObserveTimeout { seconds: 15 }.of_object("create", "namespace a");
        assert_eq!(message_chain(&error), "cannot create namespace a: change not observed within 15 s");
        let several = Error::Several(vec![error, Error::InFlight]);
        assert_eq!(
            message_chain(&several),
            "cannot create namespace a: change not observed within 15 s; a request is still in flight and may yet be \
             applied"
        );
    }

    #[test]
    fn only_status_409_is_a_conflict() {
        assert!(!Error::Cluster(k8s::Error::Interrupted).is_conflict());
        assert!(!Error::InFlight.of_object("restore", "x").is_conflict());
    }
}
