//! Validates tolerances.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::placeholder::PlaceholderConsumer;
use super::{Validator, activity::ActivityPosition};
use crate::diagnostic::suggestion;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::TOLERANCE_TYPES;
use crate::experiment::model::child_pointer;
use crate::value::Value;

impl<'a> Validator<'a> {
    pub(super) fn check_tolerance(&mut self, node: &'a SpannedValue, at: &str) {
        match &node.kind {
            SpannedKind::Scalar(Value::Null | Value::Float(_)) => {
                self.error(
                    node,
                    at,
                    "hypothesis probe tolerance must either be an integer, a string, a boolean or a pair of values \
                     for boundaries. It can also be a dictionary which is a probe activity definition that takes an \
                     argument called `value` with the value of the probe itself to be validated",
                )
                .hint = Some("for a number with a fraction: {\"type\": \"range\", \"range\": [LOW, HIGH]}".to_owned());
            }
            SpannedKind::Scalar(_) => self.check_placeholders(node, at, PlaceholderConsumer::None),
            SpannedKind::List(_) => {}
            SpannedKind::Map(_) => self.check_structured_tolerance(node, at),
        }
    }

    fn check_structured_tolerance(&mut self, node: &'a SpannedValue, at: &str) {
        let kind = node.get("type").map_or(Value::Null, SpannedValue::to_value);
        let known: &[&str] = match kind.as_text() {
            Some("regex") => {
                self.check_pattern(node, at);
                &["type", "pattern", "target"]
            }
            Some("jsonpath") => {
                self.check_json_path(node, at);
                &["type", "path", "target", "count", "expect"]
            }
            Some("range") => {
                self.check_range(node, at);
                &["type", "range", "target"]
            }
            Some("probe") => {
                self.check_activity(node, at, ActivityPosition::Tolerance);
                self.check_judge(node, at);
                return;
            }
            _ => {
                let name = kind.python_text().into_owned();
                let message = format!("hypothesis probe tolerance type '{name}' is unsupported");
                let fault = self.error(node.get("type").unwrap_or(node), &child_pointer(at, "type"), message);
                fault.expected = Some(format!("one of {}", TOLERANCE_TYPES.join(", ")));
                fault.hint = suggestion(&name, TOLERANCE_TYPES);
                return;
            }
        };
        for key in ["pattern", "path", "expect"] {
            if let Some(part) = node.get(key).filter(|_| known.contains(&key)) {
                self.check_placeholders(part, &child_pointer(at, key), PlaceholderConsumer::None);
            }
        }
        self.warn_unknown_keys(node, at, known);
    }

    fn check_pattern(&mut self, node: &'a SpannedValue, at: &str) {
        let Some(pattern) = node.get("pattern") else {
            self.error(node, at, "hypothesis regex probe tolerance must have a `pattern` key");
            return;
        };
        let at = child_pointer(at, "pattern");
        match pattern.as_text() {
            None => {
                let text = pattern.to_value().python_text().into_owned();
                let message = format!("hypothesis probe tolerance pattern {text} has an invalid type");
                self.error(pattern, &at, message).expected = Some("a string".to_owned());
            }
            Some(text) => {
                if let Err(fault) = self.rules.regex(text) {
                    let message = format!("hypothesis probe tolerance pattern {text} seems invalid: {fault}");
                    self.error(pattern, &at, message).expected =
                        Some("a Python regular expression".to_owned());
                }
            }
        }
    }

    fn check_json_path(&mut self, node: &'a SpannedValue, at: &str) {
        let Some(path) = node.get("path") else {
            self.error(node, at, "hypothesis jsonpath probe tolerance must have a `path` key");
            return;
        };
        let at = child_pointer(at, "path");
        match path.as_text().map(str::trim) {
            None => {
                let text = path.to_value().python_text().into_owned();
                let message = format!("hypothesis probe tolerance JSON path {text} has an invalid type");
                self.error(path, &at, message).expected = Some("a string".to_owned());
            }
            Some("") => {
                self.error(path, &at, "hypothesis probe tolerance JSON path cannot be empty");
            }
            Some(text) => {
                if let Err(fault) = self.rules.json_path(text) {
                    let message = format!("hypothesis probe tolerance JSON path {text} is invalid");
                    self.error(path, &at, message).hint = Some(fault);
                }
            }
        }
    }

    fn check_range(&mut self, node: &'a SpannedValue, at: &str) {
        let Some(range) = node.get("range") else {
            self.error(node, at, "hypothesis range probe tolerance must have a `range` key");
            return;
        };
        let at = child_pointer(at, "range");
        let SpannedKind::List(bounds) = &range.kind else {
            self.error(range, &at, "hypothesis range must be a sequence").expected =
                Some("[LOW, HIGH]".to_owned());
            return;
        };
        if bounds.len() != 2 {
            self.error(range, &at, "hypothesis range sequence must be made of two values").expected =
                Some("[LOW, HIGH]".to_owned());
            return;
        }
        for (index, (bound, side)) in bounds.iter().zip(["lower", "upper"]).enumerate() {
            if !matches!(bound.kind, SpannedKind::Scalar(Value::Bool(_) | Value::Int(_) | Value::Float(_))) {
                let message = format!("hypothesis range {side} boundary must be a number");
                self.error(bound, &child_pointer(&at, &index.to_string()), message);
            }
        }
    }

    /// Checks a tolerance probe. It receives the value as an argument, and its result must be able to be false.
    fn check_judge(&mut self, node: &'a SpannedValue, at: &str) {
        let Some(provider) =
            node.get("provider").filter(|provider| matches!(provider.kind, SpannedKind::Map(_)))
        else {
            return;
        };
        if !matches!(provider.get("arguments").map(|a| &a.kind), Some(SpannedKind::Map(_))) {
            let message = "a tolerance probe needs a mapping of arguments, to which the value is added";
            self.error(provider, &child_pointer(&child_pointer(at, "provider"), "arguments"), message)
                .expected = Some("\"arguments\": {}".to_owned());
        }
        if matches!(provider.get("type").and_then(SpannedValue::as_text), Some("process" | "http")) {
            let message = "a process or http probe as a tolerance is always met";
            self.warning(node, at, message).hint = Some("use regex, jsonpath, range or a list".to_owned());
        }
    }
}
