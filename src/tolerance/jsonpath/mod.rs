//! JSON paths in the dialect of `jsonpath2`, which the Chaos Toolkit uses; where that cannot read a path,
//! RFC 9535 is tried. Floor 0.
//!
//! The dialect differs from the standard where it matters: a filter looks at the very node it is applied to
//! (`$.items[*][?(@.state = "up")]`), equality is a single `=`, names stand in double quotes, and there are
//! functions such as `length()`.

mod call;
mod evaluate;
mod lexer;
mod parser;

use jsonpath_rust::JsonPath as _;

use crate::value::Value;

/// A path that was read.
#[derive(Debug)]
pub(super) enum JsonPath {
    /// In the dialect of `jsonpath2`.
    Own(Vec<PathStep>),
    /// A standard path, kept as text: `jsonpath-rust` has evaluated it once already, so it can be read.
    Standard(String),
}

/// One step from a node to others.
#[derive(Debug)]
pub(super) enum PathStep {
    /// `.name`, `[…]`: the children that the subscripts select.
    Child(Vec<Subscript>),
    /// `..name`, `..[…]`: the same at the node and everything below it.
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
    /// `[@.a]`: what the inner path selects is the index or the name.
    Path(InnerPath),
    Call(call::Function, Vec<Operand>),
}

/// A path inside another: from the root or from the current node.
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
    /// There is something; a literal is judged by Python's truth.
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
    /// Reads a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fault = match parser::parse(text) {
            Ok(steps) => return Ok(Self::Own(steps)),
            Err(fault) => fault,
        };
        match jsonpath_rust::parser::parse_json_path(text.trim()) {
            Ok(_) => Ok(Self::Standard(text.trim().to_owned())),
            Err(_) if !text.trim_start().starts_with('$') => {
                Err(format!("{fault}; a path begins with $, as in $.{}", text.trim()))
            }
            Err(_) => Err(fault),
        }
    }

    /// What the path selects, in order.
    pub(super) fn select(&self, value: &Value) -> Result<Vec<Value>, String> {
        match self {
            Self::Own(steps) => evaluate::select(steps, value),
            Self::Standard(text) => {
                let json = serde_json::to_value(value).map_err(|error| error.to_string())?;
                let found = json.query(text).map_err(|error| error.to_string())?;
                Ok(found.into_iter().map(|match_| Value::from(match_.clone())).collect())
            }
        }
    }

    /// The names that the path asks for, wherever they stand in it.
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
