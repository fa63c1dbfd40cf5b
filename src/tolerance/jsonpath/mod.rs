//! JSON paths in the dialect of `jsonpath2`, which the Chaos Toolkit uses, with RFC 9535 as fallback.
//!
//! The dialect differs from the standard: a filter applies to the node itself (`$.items[*][?(@.state = "up")]`),
//! equality is `=`, names need double quotes, and there are functions such as `length()`.

mod call;
mod correction;
mod error;
mod evaluate;
mod lexer;
mod parser;

use jsonpath_rust::JsonPath as _;

use crate::value::Value;

pub(super) use correction::correct;
pub use error::JsonPathError;

/// A parsed path.
#[derive(Debug)]
pub(super) enum JsonPath {
    /// A path in the dialect of `jsonpath2`.
    Own(Vec<PathStep>),
    /// A standard path as text, which `jsonpath-rust` can parse.
    Standard(String),
}

/// A step from a node to others.
#[derive(Debug)]
pub(super) enum PathStep {
    /// `.name`, `[…]`: selected children.
    Child(Vec<Subscript>),
    /// `..name`, `..[…]`: selected children of the node and of all its descendants.
    Descend(Vec<Subscript>),
}

#[derive(Debug)]
pub(super) enum Subscript {
    Name(String),
    Index(i128),
    Slice {
        start: Option<i128>,
        end: Option<i128>,
        step: Option<i128>,
    },
    Wildcard,
    Filter(Expression),
    /// `[@.a]`: the inner path selects the index or name.
    Path(InnerPath),
    Call(call::PathFunction, Vec<Operand>),
}

/// A path within another, from the root or the current node.
#[derive(Debug)]
pub(super) struct InnerPath {
    from_root: bool,
    steps: Vec<PathStep>,
}

#[derive(Debug)]
pub(super) enum Operand {
    Path(InnerPath),
    Literal(Value),
}

#[derive(Debug)]
pub(super) enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Compare(ComparisonOperator, Operand, Operand),
    /// The operand selects a node, or is a true literal.
    Exists(Operand),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ComparisonOperator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Subscript {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

impl JsonPath {
    /// Parses a path.
    pub(super) fn parse(text: &str) -> Result<Self, JsonPathError> {
        let error = match parser::parse(text) {
            Ok(steps) => return Ok(Self::Own(steps)),
            Err(error) => error,
        };
        match jsonpath_rust::parser::parse_json_path(text.trim()) {
            Ok(_) => Ok(Self::Standard(text.trim().to_owned())),
            Err(_) if !text.trim_start().starts_with('$') => {
                Err(JsonPathError::WithoutRoot { error: Box::new(error), path: text.trim().to_owned() })
            }
            Err(_) => Err(error),
        }
    }

    /// Returns the selected nodes in order.
    pub(super) fn select(&self, value: &Value) -> Result<Vec<Value>, JsonPathError> {
        match self {
            Self::Own(steps) => evaluate::select(steps, value),
            Self::Standard(text) => {
                let json =
                    serde_json::to_value(value).map_err(|error| JsonPathError::NotJson(error.to_string()))?;
                let nodes = json.query(text).map_err(|error| JsonPathError::Standard(error.to_string()))?;
                Ok(nodes.into_iter().map(|match_| Value::from(match_.clone())).collect())
            }
        }
    }

    /// Returns the names in the path.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Own(steps) => {
                let subscripts = steps.iter().flat_map(|step| match step {
                    PathStep::Child(subscripts) | PathStep::Descend(subscripts) => subscripts,
                });
                subscripts.filter_map(Subscript::name).collect()
            }
            Self::Standard(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
