//! What is wrong with the value of an argument.

use crate::value::Value;

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ArgumentFault {
    pub message: String,
    pub expected: String,
    pub hint: Option<String>,
}

/// Creates a fault without a hint.
pub(super) fn fault(message: impl Into<String>, expected: impl Into<String>) -> ArgumentFault {
    ArgumentFault { message: message.into(), expected: expected.into(), hint: None }
}

/// Adds the text to a fault of its syntax.
pub(super) fn explain(checked: Result<(), &'static str>, text: &str) -> Result<(), ArgumentFault> {
    checked.map_err(|expected| fault(format!("'{text}'"), expected))
}

/// Checks every item of a list, or of text with commas.
pub(super) fn check_items(
    value: &Value,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<(), ArgumentFault> {
    match value {
        Value::Text(text) => text.split(',').try_for_each(|item| explain(check(item), item)),
        Value::List(items) => items.iter().try_for_each(|item| match item.as_text() {
            Some(text) => explain(check(text), text),
            None => Err(fault(format!("an item is {}", item.kind()), "a list of strings")),
        }),
        _ => Ok(()),
    }
}
