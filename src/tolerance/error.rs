//! Errors of the evaluation of a tolerance.
//!
//! Verbatim: Python 3.12

use super::jsonpath::JsonPathError;
use super::python_regex::PatternError;
use crate::experiment::DeclarationError;
use crate::value::Incomparable;

/// Error of the evaluation of a tolerance. It aborts the run, as in the Chaos Toolkit.
#[derive(Debug, thiserror::Error)]
pub enum ToleranceError {
    /// The tolerance selects an entry of a value that has none.
    #[error("'{0}' object has no attribute 'get'")]
    NoEntries(&'static str),
    #[error(transparent)]
    Unordered(#[from] Incomparable),
    #[error("first argument must be string or compiled pattern")]
    PatternNotText,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("expected string or bytes-like object, got '{0}'")]
    ValueNotText(&'static str),
    #[error("a JSON path must be a string")]
    PathNotText,
    #[error(transparent)]
    Path(#[from] JsonPathError),
    #[error("list index out of range")]
    MissingBound,
    #[error("conversion from {0} to Decimal is not supported")]
    NotANumber(&'static str),
    #[error("comparison involving NaN")]
    ComparisonWithNan,
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("'{0}' object does not support item assignment")]
    ArgumentsNotMapping(&'static str),
    #[error("'arguments'")]
    MissingArguments,
}
