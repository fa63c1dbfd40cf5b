//! Errors of JSON paths.

use super::call::PathFunction;

/// An error of a JSON path: in its syntax, or in its evaluation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathError {
    #[error("unexpected {character:?} at character {position}{hint}")]
    UnexpectedCharacter { character: char, position: usize, hint: &'static str },
    /// An unexpected token, quoted; or the end of the path.
    #[error("unexpected {found}: expected {expected}")]
    Unexpected { found: String, expected: String },
    #[error("{error}; a path starts with $, as in $.{path}")]
    WithoutRoot { error: Box<Self>, path: String },
    #[error("nested more than {0} deep")]
    TooDeep(usize),
    #[error("unknown function {0}(): expected one of {functions}", functions = PathFunction::ALL.map(PathFunction::name).join(", "))]
    UnknownFunction(String),
    #[error("the path selects too many nodes")]
    TooManyNodes,
    // Python's message
    #[error("range() arg 3 must not be zero")]
    ZeroStep,
    #[error("{0}")]
    NotJson(String),
    #[error("{0}")]
    Standard(String),
}
