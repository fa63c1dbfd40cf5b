//! Errors of the evaluation of a tolerance.
//!
//! Verbatim: Python 3.12

use super::jsonpath::JsonPathError;
use super::python_regex::PatternError;
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::DeclarationError;
use crate::value::Incomparable;

/// A tolerance that can be evaluated for no value: the experiment is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ToleranceError {
    #[error("first argument must be string or compiled pattern")]
    PatternNotText,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("a JSON path must be a string")]
    PathNotText,
    #[error(transparent)]
    Path(#[from] JsonPathError),
    #[error("list index out of range")]
    MissingBound,
    #[error("conversion from {0} to Decimal is not supported")]
    BoundNotANumber(&'static str),
    #[error("comparison involving NaN")]
    BoundIsNan,
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("'{0}' object does not support item assignment")]
    ArgumentsNotMapping(&'static str),
    #[error("'arguments'")]
    MissingArguments,
}

impl Coded for ToleranceError {
    fn code(&self) -> ErrorCode {
        ErrorCode::ExperimentInvalid
    }
}

/// A value that a tolerance cannot compare. A type is its name in Python.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnsuitableValue {
    /// The tolerance selects an entry of a value that has none.
    #[error("'{0}' object has no attribute 'get'")]
    NoEntries(&'static str),
    #[error(transparent)]
    Unordered(#[from] Incomparable),
    #[error("expected string or bytes-like object, got '{0}'")]
    NotText(&'static str),
    #[error(transparent)]
    Search(PatternError),
    #[error(transparent)]
    Selection(#[from] JsonPathError),
    #[error("conversion from {0} to Decimal is not supported")]
    NotANumber(&'static str),
    #[error("comparison involving NaN")]
    IsNan,
}

/// Why a tolerance cannot be evaluated for a value.
#[derive(Debug)]
pub(super) enum Unevaluable {
    /// The tolerance itself is invalid.
    Tolerance(ToleranceError),
    /// The tolerance is not met.
    Value(UnsuitableValue),
}

impl From<ToleranceError> for Unevaluable {
    fn from(error: ToleranceError) -> Self {
        Self::Tolerance(error)
    }
}

impl From<UnsuitableValue> for Unevaluable {
    fn from(error: UnsuitableValue) -> Self {
        Self::Value(error)
    }
}
