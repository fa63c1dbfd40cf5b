//! Errors of the functions.

use crate::error_code::{Coded, ErrorCode};
use crate::k8s;

/// Error of a function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] k8s::Error),
    /// The function itself fails, as the Chaos Toolkit's package does.
    #[error("{message}")]
    Raised { exception: PythonException, message: String },
}

/// Result of a function.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// Python exception that the function of the Chaos Toolkit's package raises in the same case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonException {
    ActivityFailed,
    ApiValueError,
    AttributeError,
    FileNotFoundError,
    ImportError,
    KeyError,
    RegexError,
    TypeError,
    ValueError,
}

impl Error {
    /// Creates an error as the Chaos Toolkit's `ActivityFailed`.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::raise(PythonException::ActivityFailed, message)
    }

    /// Creates an error as another Python exception.
    pub fn raise(exception: PythonException, message: impl Into<String>) -> Self {
        Self::Raised { exception, message: message.into() }
    }

    /// Whether the cluster may have carried out the request: it was sent, and no answer came.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_ambiguous())
    }

    /// Returns the code of a failure of this machine or its way to the API server.
    pub fn tool_failure(&self) -> Option<ErrorCode> {
        match self {
            Self::Cluster(error) => error.tool_failure(),
            Self::Raised { .. } => None,
        }
    }

    /// Returns the HTTP status code of the API server, if it answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Cluster(error) => error.status(),
            Self::Raised { .. } => None,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Cluster(error) => error.code(),
            Self::Raised { .. } => ErrorCode::FunctionFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.hint(),
            Self::Raised { .. } => None,
        }
    }
}
