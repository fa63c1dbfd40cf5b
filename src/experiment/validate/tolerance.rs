//! Validates tolerances.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use std::cmp::Ordering;

use super::placeholder::PlaceholderConsumer;
use super::{Validator, activity::ActivityPosition};
use crate::diagnostic::{Severity, suggestion};
use crate::experiment::ProviderKind;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::TOLERANCE_TYPES;
use crate::experiment::model::child_pointer;
use crate::value::Value;

/// The entries of the output of a provider.
#[derive(Clone, Copy)]
struct OutputShape {
    provider: &'static str,
    /// An example of a tolerance for the status.
    status: &'static str,
    entries: [&'static str; 3],
    /// The entries that can be text.
    texts: &'static [&'static str],
    /// The entries that can be numbers.
    numbers: &'static [&'static str],
}

const PROCESS_OUTPUT: OutputShape = OutputShape {
    provider: "process",
    status: "0",
    entries: ["status", "stdout", "stderr"],
    texts: &["stdout", "stderr"],
    numbers: &["status", "stdout", "stderr"],
};
const HTTP_OUTPUT: OutputShape = OutputShape {
    provider: "http",
    status: "200",
    entries: ["status", "headers", "body"],
    texts: &["body"],
    numbers: &["status", "body"],
};

impl OutputShape {
    /// Returns the shape of a provider's output; `None` if it depends on the function.
    fn of(provider: Option<ProviderKind>) -> Option<Self> {
        match provider {
            Some(ProviderKind::Process) => Some(PROCESS_OUTPUT),
            Some(ProviderKind::Http) => Some(HTTP_OUTPUT),
            Some(ProviderKind::Python) | None => None,
        }
    }
}

impl Validator<'_> {
    /// Checks a tolerance for the output of a provider.
    pub(super) fn check_tolerance(&mut self, node: &SpannedValue, at: &str, provider: Option<ProviderKind>) {
        let output = OutputShape::of(provider);
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
            SpannedKind::Scalar(value @ (Value::Text(_) | Value::Bool(_))) => {
                self.check_placeholders(node, at, PlaceholderConsumer::None);
                match self.declared.fill(value) {
                    Some(filled) if filled != *value && filled.as_text().is_none() => {
                        self.check_filled_tolerance(filled, node, at, provider);
                    }
                    None => {}
                    Some(_) => self.check_output_is_scalar(node, at, output),
                }
            }
            SpannedKind::Scalar(_) => {}
            SpannedKind::List(items) => self.check_set(node, items, at, output),
            SpannedKind::Map(_) => self.check_structured_tolerance(node, at, output),
        }
    }

    /// Checks the value of a placeholder that is a whole tolerance. The Chaos Toolkit does not.
    fn check_filled_tolerance(
        &mut self,
        filled: Value,
        node: &SpannedValue,
        at: &str,
        provider: Option<ProviderKind>,
    ) {
        let before = self.diagnostics.len();
        let filled = SpannedValue::with_position(filled, node.position);
        self.check_tolerance(&filled, at, provider);
        for diagnostic in &mut self.diagnostics[before..] {
            at.clone_into(&mut diagnostic.path);
            diagnostic.message = self.declared.redact(&diagnostic.message);
            if !self.rules.strict() {
                diagnostic.severity = Severity::Warning;
            }
        }
    }

    /// Reports a text or a boolean, which the output of a process or a request never equals.
    fn check_output_is_scalar(&mut self, node: &SpannedValue, at: &str, output: Option<OutputShape>) {
        let Some(OutputShape { provider, status, entries: [_, _, text], .. }) = output else { return };
        let message =
            format!("{} is never met by a {provider} probe: its output is a mapping", node.kind_name());
        let hint = match node.as_text() {
            None => Some(format!("compare the status: write {status}")),
            // the warning about an unknown placeholder has the hint
            Some(_) if self.is_reported(at) => None,
            Some(_) => {
                let text = if provider == PROCESS_OUTPUT.provider { "stdout" } else { text };
                Some(format!(
                    "use a pattern: {{\"type\": \"regex\", \"pattern\": …, \"target\": \"{text}\"}}"
                ))
            }
        };
        self.doubt(node, at, message).hint = hint;
    }

    /// Checks a list: a set of statuses for processes and requests, else a range or a set of values.
    fn check_set(
        &mut self,
        node: &SpannedValue,
        items: &[SpannedValue],
        at: &str,
        output: Option<OutputShape>,
    ) {
        let is_number = |item: &SpannedValue| item.to_value().as_f64().is_some();
        match output {
            None if items.len() == 2 && !is_pair(items) => {
                let message = "a pair of values must be [LOW, HIGH]: two numbers or two strings, in order";
                self.doubt(node, at, message).expected = Some("[LOW, HIGH]".to_owned());
            }
            _ if items.is_empty() => {
                self.doubt(node, at, "an empty list is never met").expected =
                    Some("at least one value".to_owned());
            }
            Some(OutputShape { provider, status, .. }) if !items.iter().any(is_number) => {
                let message = format!(
                    "a list without numbers is never met by a {provider} probe: it is compared with the status"
                );
                self.doubt(node, at, message).hint = Some(format!("list statuses, as in [{status}]"));
            }
            _ => {}
        }
    }

    /// Checks the target, which selects an entry of the output.
    fn check_target(&mut self, node: &SpannedValue, at: &str, kind: &str, output: Option<OutputShape>) {
        let target = node.get("target").filter(|target| target.is_truthy());
        let target_at = child_pointer(at, "target");
        let accepted: Option<&[&str]> = output.as_ref().map(|output| match kind {
            "regex" => output.texts,
            "range" => output.numbers,
            _ => &output.entries[..],
        });
        let Some(target) = target else {
            if let (Some(accepted), Some(output)) = (accepted.filter(|_| kind != "jsonpath"), output) {
                let message = format!("a {kind} tolerance of a {} probe needs a target", output.provider);
                self.doubt(node, at, message).expected =
                    Some(format!("\"target\": one of {}", accepted.join(", ")));
            }
            return;
        };
        match (target.as_text(), accepted) {
            (None, _) => {
                let message =
                    format!("the target of a tolerance must be a string, not {}", target.kind_name());
                self.doubt(target, &target_at, message).expected =
                    accepted.map(|accepted| format!("one of {}", accepted.join(", ")));
            }
            (Some(name), Some(accepted)) if !accepted.contains(&name) => {
                let message = format!("a {kind} tolerance cannot check '{name}'");
                let fault = self.doubt(target, &target_at, message);
                fault.expected = Some(format!("one of {}", accepted.join(", ")));
                fault.hint = suggestion(name, accepted.iter().copied());
            }
            _ => {}
        }
    }

    fn check_structured_tolerance(&mut self, node: &SpannedValue, at: &str, output: Option<OutputShape>) {
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
        self.check_target(node, at, kind.as_text().unwrap_or_default(), output);
        for key in ["pattern", "path", "expect"] {
            if let Some(part) = node.get(key).filter(|_| known.contains(&key)) {
                self.check_placeholders(part, &child_pointer(at, key), PlaceholderConsumer::None);
            }
        }
        self.warn_unknown_keys(node, at, known);
    }

    fn check_pattern(&mut self, node: &SpannedValue, at: &str) {
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
                } else if let Some(filled) = self.fill_differing(pattern) {
                    let fault = match filled.as_text() {
                        Some(text) => {
                            self.rules.regex(text).err().map(|fault| format!("seems invalid: {fault}"))
                        }
                        None => Some(format!("is {}", filled.kind())),
                    };
                    if let Some(fault) = fault {
                        let message = self
                            .declared
                            .redact(&format!("pattern {text}, with its placeholders filled, {fault}"));
                        self.doubt(pattern, &at, message).expected =
                            Some("a Python regular expression".to_owned());
                    }
                }
            }
        }
    }

    /// Returns the text of a node with its placeholders filled, if that is known and differs.
    fn fill_differing(&self, node: &SpannedValue) -> Option<Value> {
        let written = node.to_value();
        self.declared.fill(&written).filter(|filled| *filled != written)
    }

    fn check_json_path(&mut self, node: &SpannedValue, at: &str) {
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
                } else if let Some(filled) = self.fill_differing(path) {
                    let fault = match filled.as_text() {
                        Some(text) => self.rules.json_path(text).err(),
                        None => Some(format!("it is {}", filled.kind())),
                    };
                    if let Some(fault) = fault {
                        let message =
                            format!("JSON path {text}, with its placeholders filled, is invalid: {fault}");
                        let message = self.declared.redact(&message);
                        self.doubt(path, &at, message);
                    }
                }
            }
        }
        self.check_count(node, &at);
    }

    /// Checks the expected number of matches, which is compared as it is written.
    fn check_count(&mut self, node: &SpannedValue, path: &str) {
        let Some(count) = node.get("count").filter(|count| !count.is_null()) else { return };
        let number = count.to_value().as_f64();
        if number.is_none_or(|number| number < 0.0 || number.fract() != 0.0) {
            let at = child_pointer(path.trim_end_matches("/path"), "count");
            self.doubt(
                count,
                &at,
                "the count of matches must be an integer, 0 or more: it would never be met",
            )
            .expected = Some("an integer".to_owned());
        }
    }

    fn check_range(&mut self, node: &SpannedValue, at: &str) {
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
        let numbers: Vec<f64> = bounds.iter().filter_map(|bound| bound.to_value().as_f64()).collect();
        if let [low, high] = numbers[..]
            && !matches!(low.partial_cmp(&high), Some(Ordering::Less | Ordering::Equal))
        {
            let message =
                "the lower bound of the range must not be greater than the upper one: it would never be met";
            self.doubt(range, &at, message).expected = Some("[LOW, HIGH]".to_owned());
        }
    }

    /// Checks a tolerance probe. It receives the value as an argument, and its result must be able to be false.
    fn check_judge(&mut self, node: &SpannedValue, at: &str) {
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

/// Whether two values are the bounds of a range.
fn is_pair(items: &[SpannedValue]) -> bool {
    let values: Vec<Value> = items.iter().map(SpannedValue::to_value).collect();
    let [low, high] = values.as_slice() else { return false };
    match (low.as_f64(), high.as_f64(), low.as_text(), high.as_text()) {
        (Some(low), Some(high), ..) => low <= high,
        (_, _, Some(low), Some(high)) => low <= high,
        _ => false,
    }
}
