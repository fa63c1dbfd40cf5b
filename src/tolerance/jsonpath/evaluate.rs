//! Selects the nodes of a path.

use std::borrow::Cow;

use super::call::as_whole_number;
use super::{ComparisonOperator, Expression, InnerPath, JsonPathError, Operand, PathStep, Subscript};
use crate::value::Value;

/// The maximum number of visited nodes: `$..*..*..*` can select too many.
const MAX_VISITS: usize = 2_000_000;

/// Selects the nodes of the steps from the root, depth first.
pub(super) fn select(steps: &[PathStep], root: &Value) -> Result<Vec<Value>, JsonPathError> {
    let mut walk = PathWalk { root, visits: 0 };
    let mut nodes = Vec::new();
    walk.follow(steps, &Cow::Borrowed(root), &mut nodes)?;
    Ok(nodes.into_iter().map(Cow::into_owned).collect())
}

struct PathWalk<'v> {
    root: &'v Value,
    visits: usize,
}

/// A node of the document, or the result of a function.
type PathNode<'v> = Cow<'v, Value>;

impl<'v> PathWalk<'v> {
    fn count_visit(&mut self) -> Result<(), JsonPathError> {
        self.visits += 1;
        if self.visits > MAX_VISITS { Err(JsonPathError::TooManyNodes) } else { Ok(()) }
    }

    fn follow(
        &mut self,
        steps: &[PathStep],
        node: &PathNode<'v>,
        found: &mut Vec<PathNode<'v>>,
    ) -> Result<(), JsonPathError> {
        self.count_visit()?;
        let Some((step, rest)) = steps.split_first() else {
            found.push(node.clone());
            return Ok(());
        };
        let (PathStep::Child(subscripts) | PathStep::Descend(subscripts)) = step;
        for subscript in subscripts {
            for next in self.apply(subscript, node)? {
                self.follow(rest, &next, found)?;
            }
        }
        if matches!(step, PathStep::Descend(_)) {
            for child in children(node) {
                self.follow(steps, &child, found)?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        subscript: &Subscript,
        node: &PathNode<'v>,
    ) -> Result<Vec<PathNode<'v>>, JsonPathError> {
        Ok(match subscript {
            Subscript::Name(name) => child_by_name(node, name).into_iter().collect(),
            Subscript::Index(index) => child_by_index(node, *index).into_iter().collect(),
            Subscript::Slice { start, end, step } => match &**node {
                Value::List(list) => {
                    let indexes = slice_indexes(list.len() as i128, *start, *end, step.unwrap_or(1))?;
                    indexes.into_iter().filter_map(|index| child_by_index(node, index)).collect()
                }
                _ => Vec::new(),
            },
            Subscript::Wildcard => children(node),
            Subscript::Filter(filter) => {
                if self.matches_filter(filter, node)? {
                    vec![node.clone()]
                } else {
                    Vec::new()
                }
            }
            Subscript::Path(inner) => {
                let keys = self.select_inner(inner, node)?;
                let child = |key: PathNode<'v>| match &*key {
                    Value::Text(name) => child_by_name(node, name),
                    other => as_whole_number(other).and_then(|index| child_by_index(node, index)),
                };
                keys.into_iter().filter_map(child).collect()
            }
            Subscript::Call(function, arguments) => {
                let mut combinations: Vec<Vec<Value>> = vec![Vec::new()];
                for argument in arguments {
                    let values = self.operand_values(argument, node)?;
                    let mut longer = Vec::new();
                    for combination in &combinations {
                        for value in &values {
                            self.count_visit()?;
                            longer.push(
                                combination.iter().cloned().chain([value.clone().into_owned()]).collect(),
                            );
                        }
                    }
                    combinations = longer;
                }
                combinations.iter().filter_map(|given| function.call(node, given)).map(Cow::Owned).collect()
            }
        })
    }

    fn select_inner(
        &mut self,
        inner: &InnerPath,
        node: &PathNode<'v>,
    ) -> Result<Vec<PathNode<'v>>, JsonPathError> {
        let mut nodes = Vec::new();
        let from = if inner.from_root { &Cow::Borrowed(self.root) } else { node };
        self.follow(&inner.steps, from, &mut nodes)?;
        Ok(nodes)
    }

    fn operand_values(
        &mut self,
        operand: &Operand,
        node: &PathNode<'v>,
    ) -> Result<Vec<PathNode<'v>>, JsonPathError> {
        match operand {
            Operand::Path(inner) => self.select_inner(inner, node),
            Operand::Literal(value) => Ok(vec![Cow::Owned(value.clone())]),
        }
    }

    fn matches_filter(
        &mut self,
        expression: &Expression,
        node: &PathNode<'v>,
    ) -> Result<bool, JsonPathError> {
        Ok(match expression {
            Expression::And(left, right) => {
                self.matches_filter(left, node)? && self.matches_filter(right, node)?
            }
            Expression::Or(left, right) => {
                self.matches_filter(left, node)? || self.matches_filter(right, node)?
            }
            Expression::Not(inner) => !self.matches_filter(inner, node)?,
            Expression::Exists(Operand::Literal(value)) => value.is_truthy(),
            Expression::Exists(Operand::Path(inner)) => !self.select_inner(inner, node)?.is_empty(),
            Expression::Compare(comparison, left, right) => {
                let (left, right) = (self.operand_values(left, node)?, self.operand_values(right, node)?);
                left.iter().any(|left| right.iter().any(|right| compare(*comparison, left, right)))
            }
        })
    }
}

fn child_by_name<'v>(node: &PathNode<'v>, name: &str) -> Option<PathNode<'v>> {
    match node {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
        Cow::Owned(value) => value.get(name).cloned().map(Cow::Owned),
    }
}

fn child_by_index<'v>(node: &PathNode<'v>, index: i128) -> Option<PathNode<'v>> {
    let list = node.as_list()?;
    let index = if index < 0 { index + list.len() as i128 } else { index };
    let index = usize::try_from(index).ok()?;
    match node {
        Cow::Borrowed(value) => value.as_list()?.get(index).map(Cow::Borrowed),
        Cow::Owned(_) => list.get(index).cloned().map(Cow::Owned),
    }
}

fn children<'v>(node: &PathNode<'v>) -> Vec<PathNode<'v>> {
    fn parts(value: &Value) -> Vec<&Value> {
        match value {
            Value::List(list) => list.iter().collect(),
            Value::Map(map) => map.values().collect(),
            _ => Vec::new(),
        }
    }
    match node {
        Cow::Borrowed(value) => parts(value).into_iter().map(Cow::Borrowed).collect(),
        Cow::Owned(value) => parts(value).into_iter().cloned().map(Cow::Owned).collect(),
    }
}

/// Returns the indexes of a slice, like `jsonpath2`.
///
/// Unlike in Python, a negative step does not swap the defaults. A bound before the start stays negative and counts
/// from the end again.
fn slice_indexes(
    length: i128,
    start: Option<i128>,
    end: Option<i128>,
    step: i128,
) -> Result<Vec<i128>, JsonPathError> {
    if step == 0 {
        return Err(JsonPathError::ZeroStep);
    }
    let mut at = match start {
        None => 0,
        Some(start) if start < 0 => start + if -start < length { length } else { -start },
        Some(start) => start,
    };
    let end = match end {
        None => length,
        Some(end) if end < 0 => end + length,
        Some(end) => end,
    };
    if step < 0 && at >= length {
        // start at the first step below the end
        at -= (at - length - step) / -step * -step;
    }
    let mut indexes = Vec::new();
    while (step > 0 && at < end.min(length)) || (step < 0 && at > end.max(-length - 1)) {
        indexes.push(at);
        at += step;
    }
    Ok(indexes)
}

/// Compares two values; only numbers have an order.
fn compare(comparison: ComparisonOperator, left: &Value, right: &Value) -> bool {
    let number = |value: &Value| matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    let at_most = |a: &Value, b: &Value| number(a) && number(b) && a.at_most(b) == Ok(true);
    match comparison {
        ComparisonOperator::Equal => left.equals(right),
        ComparisonOperator::NotEqual => !left.equals(right),
        ComparisonOperator::AtMost => at_most(left, right),
        ComparisonOperator::AtLeast => at_most(right, left),
        ComparisonOperator::Less => at_most(left, right) && !left.equals(right),
        ComparisonOperator::Greater => at_most(right, left) && !left.equals(right),
    }
}
