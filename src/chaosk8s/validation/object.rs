//! Labels and selectors within objects of the API, as the API server checks them.

use super::argument_fault::{ArgumentFault, explain, fault};
use super::syntax::{check_label_key, check_label_value, check_subdomain};
use crate::value::{Map, Value};

/// Operators of label selectors, and whether each has values.
const OPERATORS: [(&str, bool); 4] =
    [("In", true), ("NotIn", true), ("Exists", false), ("DoesNotExist", false)];

/// Checks the labels of an object of any type. Names of some types are no DNS subdomains.
pub(super) fn check_object_labels(object: &Value) -> Result<(), ArgumentFault> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
    labels.map_or(Ok(()), check_present_labels)
}

/// Checks name and labels of an object of a type of Kubernetes itself.
pub(super) fn check_metadata(metadata: &Value) -> Result<(), ArgumentFault> {
    if let Some(name) = metadata.get("name").and_then(Value::as_text) {
        explain(check_subdomain(name), name)?;
    }
    metadata.get("labels").map_or(Ok(()), check_present_labels)
}

/// Checks the labels and the selectors anywhere in an object of a type of Kubernetes itself.
///
/// In a JSON patch, the path of an operation says what its value is, so only mappings are checked.
pub(super) fn check_builtin(object: &Value) -> Result<(), ArgumentFault> {
    match object {
        Value::Map(entries) => {
            object.get("metadata").map_or(Ok(()), check_metadata)?;
            check_selector(entries)?;
            entries.values().try_for_each(check_builtin)
        }
        Value::List(items) => items.iter().try_for_each(check_builtin),
        _ => Ok(()),
    }
}

/// Checks a mapping of labels, or of annotations that a selector compares.
pub(super) fn check_labels(value: &Value) -> Result<(), ArgumentFault> {
    for (key, value) in value.as_map().into_iter().flatten() {
        explain(check_label_key(key), key)?;
        let Some(text) = value.as_text() else {
            let hint = Some(format!("write \"{key}\": \"{}\"", value.python_text()));
            return Err(ArgumentFault {
                hint,
                ..fault(format!("label {key} is {}", value.kind()), "labels with strings as values")
            });
        };
        explain(check_label_value(text), text)?;
    }
    Ok(())
}

/// Checks labels of which null removes one.
fn check_present_labels(labels: &Value) -> Result<(), ArgumentFault> {
    let Value::Map(entries) = labels else {
        return match labels {
            Value::Null => Ok(()),
            other => Err(fault(format!("labels are {}", other.kind()), "a mapping of labels")),
        };
    };
    let present = entries.iter().filter(|(_, value)| **value != Value::Null);
    check_labels(&Value::Map(present.map(|(key, value)| (key.clone(), value.clone())).collect()))
}

/// Checks the requirements of a label selector, if the mapping is one.
fn check_selector(entries: &Map) -> Result<(), ArgumentFault> {
    entries.get("matchLabels").map_or(Ok(()), check_present_labels)?;
    let Some(Value::List(expressions)) = entries.get("matchExpressions") else { return Ok(()) };
    expressions.iter().try_for_each(check_expression)
}

fn check_expression(expression: &Value) -> Result<(), ArgumentFault> {
    let text = |key: &str| expression.get(key).and_then(Value::as_text).unwrap_or_default();
    let (key, operator) = (text("key"), text("operator"));
    explain(check_label_key(key), key)?;
    let Some((_, has_values)) = OPERATORS.iter().find(|(name, _)| *name == operator) else {
        let expected = format!("one of {}", OPERATORS.map(|(name, _)| name).join(", "));
        return Err(fault(format!("unknown operator '{operator}' of key '{key}'"), expected));
    };
    let values = match expression.get("values") {
        Some(Value::List(values)) => values.as_slice(),
        _ => &[],
    };
    if values.is_empty() == *has_values {
        let expected = if *has_values { "a list of values" } else { "no values" };
        return Err(fault(format!("operator {operator} of key '{key}'"), expected));
    }
    values.iter().try_for_each(|value| match value.as_text() {
        Some(text) => explain(check_label_value(text), text),
        None => Err(fault(format!("a value of key '{key}' is {}", value.kind()), "a list of strings")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn labels_and_selectors_of_builtin_objects_are_checked() {
        let check = |object: Json, expected: Option<&str>| {
            let found = check_builtin(&object.clone().into()).err().map(|fault| fault.message);
            assert_eq!(found.as_deref(), expected, "{object}");
        };
        let policy =
            |selector: Json| json!({"metadata": {"name": "deny"}, "spec": {"podSelector": selector}});
        check(policy(json!({})), None);
        check(policy(json!({"matchLabels": {"example.com/app": "web", "tier": ""}})), None);
        check(policy(json!({"matchLabels": {"a b": "web"}})), Some("'a b'"));
        check(policy(json!({"matchLabels": {"app": "-web"}})), Some("'-web'"));
        check(policy(json!({"matchLabels": {"app": 5}})), Some("label app is a number"));
        check(policy(json!({"matchLabels": ["app"]})), Some("labels are a list"));
        let expression = |expression: Json| policy(json!({"matchExpressions": [expression]}));
        check(expression(json!({"key": "a", "operator": "In", "values": ["b"]})), None);
        check(expression(json!({"key": "a", "operator": "Exists"})), None);
        check(expression(json!({"key": "a", "operator": "In"})), Some("operator In of key 'a'"));
        check(
            expression(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            Some("operator Exists of key 'a'"),
        );
        check(
            expression(json!({"key": "a", "operator": "Equals", "values": ["b"]})),
            Some("unknown operator 'Equals' of key 'a'"),
        );
        check(expression(json!({"key": "a", "operator": "NotIn", "values": ["b c"]})), Some("'b c'"));
        check(expression(json!({"key": "/a", "operator": "Exists"})), Some("'/a'"));
        let peer =
            json!({"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"a": "b/c"}}}]}]}});
        check(peer, Some("'b/c'"));
        check(json!({"metadata": {"name": "Bad_Name"}}), Some("'Bad_Name'"));
        // null removes a label
        check(json!({"metadata": {"labels": {"app": null}}}), None);
        check(json!([{"op": "remove", "path": "/metadata/labels/a"}]), None);
    }

    #[test]
    fn selectors_of_custom_objects_are_not_checked() {
        let object: Value =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"matchLabels": {"a b": 1}}}).into();
        assert_eq!(check_object_labels(&object), Ok(()));
        let object: Value = json!({"metadata": {"labels": {"a b": "c"}}}).into();
        assert_eq!(check_object_labels(&object).unwrap_err().message, "'a b'");
    }
}
