//! Parses the grammar of a path.

use super::call::PathFunction;
use super::lexer::{PathToken, tokens};
use super::{ComparisonOperator, Expression, InnerPath, JsonPathError, Operand, PathStep, Subscript};
use crate::value::{Map, Value};

/// The maximum nesting of brackets and expressions.
const MAX_DEPTH: usize = 60;

/// Parses a whole path, which starts with `$`.
pub(super) fn parse(text: &str) -> Result<Vec<PathStep>, JsonPathError> {
    let mut parser = PathParser { tokens: tokens(text)?, at: 0, depth: 0 };
    parser.expect("$")?;
    let steps = parser.steps()?;
    match parser.peek() {
        None => Ok(steps),
        Some(_) => Err(parser.unexpected("a step such as .name or [0]")),
    }
}

struct PathParser {
    tokens: Vec<PathToken>,
    at: usize,
    depth: usize,
}

impl PathParser {
    fn peek(&self) -> Option<&PathToken> {
        self.tokens.get(self.at)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(PathToken::Sign(s)) if *s == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is_next = self.is(sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), JsonPathError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign:?}"))) }
    }

    fn unexpected(&self, expected: &str) -> JsonPathError {
        let found = match self.peek() {
            None => "end of path".to_owned(),
            Some(PathToken::Sign(sign)) => format!("{sign:?}"),
            Some(PathToken::Name(text) | PathToken::Number(text)) => format!("{text:?}"),
            Some(PathToken::Text(text)) => format!("\"{text}\""),
        };
        JsonPathError::Unexpected { found, expected: expected.to_owned() }
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, JsonPathError>,
    ) -> Result<T, JsonPathError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonPathError::TooDeep(MAX_DEPTH));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn steps(&mut self) -> Result<Vec<PathStep>, JsonPathError> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                let subscripts = if self.is("[") { self.brackets()? } else { vec![self.bare()?] };
                steps.push(PathStep::Descend(subscripts));
            } else if self.eat(".") {
                steps.push(PathStep::Child(vec![self.bare()?]));
            } else if self.is("[") {
                steps.push(PathStep::Child(self.brackets()?));
            } else {
                return Ok(steps);
            }
        }
    }

    /// Parses the part after a dot.
    fn bare(&mut self) -> Result<Subscript, JsonPathError> {
        if self.eat("*") {
            return Ok(Subscript::Wildcard);
        }
        let Some(PathToken::Name(name)) = self.peek().cloned() else {
            return Err(self.unexpected("a name or *"));
        };
        self.at += 1;
        if self.is("(") { self.call(&name) } else { Ok(Subscript::Name(name)) }
    }

    fn call(&mut self, name: &str) -> Result<Subscript, JsonPathError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.eat(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.operand()?);
        }
        let function =
            PathFunction::from_name(name).ok_or_else(|| JsonPathError::UnknownFunction(name.to_owned()))?;
        Ok(Subscript::Call(function, arguments))
    }

    fn brackets(&mut self) -> Result<Vec<Subscript>, JsonPathError> {
        self.expect("[")?;
        self.deeper(|parser| {
            let mut subscripts = vec![parser.subscript()?];
            while parser.eat(",") {
                subscripts.push(parser.subscript()?);
            }
            parser.expect("]")?;
            Ok(subscripts)
        })
    }

    fn subscript(&mut self) -> Result<Subscript, JsonPathError> {
        match self.peek().cloned() {
            Some(PathToken::Text(name)) => {
                self.at += 1;
                Ok(Subscript::Name(name))
            }
            Some(PathToken::Number(_)) => {
                let index = self.integer()?;
                if self.is(":") { self.slice(Some(index)) } else { Ok(Subscript::Index(index)) }
            }
            Some(PathToken::Sign(":")) => self.slice(None),
            Some(PathToken::Sign("*")) => {
                self.at += 1;
                Ok(Subscript::Wildcard)
            }
            Some(PathToken::Sign("?")) => {
                self.at += 1;
                self.expect("(")?;
                let filter = self.expression()?;
                self.expect(")")?;
                Ok(Subscript::Filter(filter))
            }
            Some(PathToken::Sign("$" | "@")) => self.inner_path().map(Subscript::Path),
            Some(PathToken::Name(name)) => {
                self.at += 1;
                self.call(&name)
            }
            _ => Err(self.unexpected("a name in double quotes, an index, a slice, * or ?(…)")),
        }
    }

    fn integer(&mut self) -> Result<i128, JsonPathError> {
        match self.peek() {
            Some(PathToken::Number(digits)) => match digits.parse() {
                Ok(number) => {
                    self.at += 1;
                    Ok(number)
                }
                Err(_) => Err(self.unexpected("an integer")),
            },
            _ => Err(self.unexpected("an integer")),
        }
    }

    fn slice(&mut self, start: Option<i128>) -> Result<Subscript, JsonPathError> {
        self.expect(":")?;
        let number = |parser: &mut Self| match parser.peek() {
            Some(PathToken::Number(_)) => parser.integer().map(Some),
            _ => Ok(None),
        };
        let end = number(self)?;
        let step = if self.eat(":") { number(self)? } else { None };
        Ok(Subscript::Slice { start, end, step })
    }

    fn inner_path(&mut self) -> Result<InnerPath, JsonPathError> {
        let from_root = self.eat("$");
        if !from_root {
            self.expect("@")?;
        }
        let steps = self.deeper(Self::steps)?;
        Ok(InnerPath { from_root, steps })
    }

    /// Parses an expression; `and` has lower precedence than `or` in this dialect.
    fn expression(&mut self) -> Result<Expression, JsonPathError> {
        self.deeper(|parser| {
            let left = parser.either()?;
            if !parser.eat("and") {
                return Ok(left);
            }
            let right = parser.expression()?;
            Ok(Expression::And(Box::new(left), Box::new(right)))
        })
    }

    fn either(&mut self) -> Result<Expression, JsonPathError> {
        self.deeper(|parser| {
            let left = parser.negation()?;
            if !parser.eat("or") {
                return Ok(left);
            }
            let right = parser.either()?;
            Ok(Expression::Or(Box::new(left), Box::new(right)))
        })
    }

    fn negation(&mut self) -> Result<Expression, JsonPathError> {
        if self.eat("not") {
            return self.deeper(Self::negation).map(|inner| Expression::Not(Box::new(inner)));
        }
        if self.eat("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        let comparisons = [
            ("=", ComparisonOperator::Equal),
            ("!=", ComparisonOperator::NotEqual),
            ("<", ComparisonOperator::Less),
            ("<=", ComparisonOperator::AtMost),
            (">", ComparisonOperator::Greater),
            (">=", ComparisonOperator::AtLeast),
        ];
        let Some((_, comparison)) = comparisons.into_iter().find(|(sign, _)| self.eat(sign)) else {
            return Ok(Expression::Exists(left));
        };
        Ok(Expression::Compare(comparison, left, self.operand()?))
    }

    fn operand(&mut self) -> Result<Operand, JsonPathError> {
        if self.is("$") || self.is("@") {
            self.inner_path().map(Operand::Path)
        } else {
            self.literal().map(Operand::Literal)
        }
    }

    fn literal(&mut self) -> Result<Value, JsonPathError> {
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected("a value")) };
        self.at += 1;
        match token {
            PathToken::Text(text) => Ok(Value::Text(text)),
            PathToken::Number(digits) => {
                let whole =
                    if digits.contains(['.', 'e', 'E']) { None } else { digits.parse().ok().map(Value::Int) };
                Ok(whole.unwrap_or_else(|| Value::Float(digits.parse().unwrap_or(f64::NAN))))
            }
            PathToken::Sign("true") => Ok(Value::Bool(true)),
            PathToken::Sign("false") => Ok(Value::Bool(false)),
            PathToken::Sign("null") => Ok(Value::Null),
            PathToken::Sign("[") => self.deeper(|parser| {
                let mut items = Vec::new();
                while !parser.eat("]") {
                    if !items.is_empty() {
                        parser.expect(",")?;
                    }
                    items.push(parser.literal()?);
                }
                Ok(Value::List(items))
            }),
            PathToken::Sign("{") => self.deeper(|parser| {
                let mut entries = Map::new();
                let mut first = true;
                while !parser.eat("}") {
                    if !first {
                        parser.expect(",")?;
                    }
                    first = false;
                    let Some(PathToken::Text(key)) = parser.peek().cloned() else {
                        return Err(parser.unexpected("a key in double quotes"));
                    };
                    parser.at += 1;
                    parser.expect(":")?;
                    let value = parser.literal()?;
                    entries.insert(key, value);
                }
                Ok(Value::Map(entries))
            }),
            _ => {
                self.at -= 1;
                Err(self.unexpected("a value, $ or @"))
            }
        }
    }
}
