//! Validates timeouts and pauses: invalid numbers of seconds abort a started run.

use std::time::Duration;

use super::Validator;
use crate::experiment::ProviderKind;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::value::Value;

/// Units that users append to a number, in seconds.
const UNITS: [(&str, f64); 8] = [
    ("ms", 1e-3),
    ("seconds", 1.0),
    ("sec", 1.0),
    ("s", 1.0),
    ("minutes", 60.0),
    ("min", 60.0),
    ("m", 60.0),
    ("h", 3600.0),
];

impl Validator<'_> {
    /// Checks the timeout of a provider. That of a request may have placeholders; functions have no timeout.
    pub(super) fn check_provider_timeout(&mut self, kind: ProviderKind, provider: &SpannedValue, at: &str) {
        let Some(timeout) = provider.get("timeout").filter(|timeout| !timeout.is_null()) else { return };
        let at = child_pointer(at, "timeout");
        match (kind, &timeout.kind) {
            (ProviderKind::Python, _) => {}
            (ProviderKind::Process, SpannedKind::Scalar(value)) => {
                match value.as_f64().filter(|seconds| !seconds.is_nan()) {
                    None => self.report_not_seconds(timeout, &at, "the timeout of a process"),
                    Some(seconds) if seconds <= 0.0 => {
                        let message =
                            "a timeout must be greater than 0 seconds: the process would end at once";
                        self.doubt(timeout, &at, message).expected = Some("a number of seconds".to_owned());
                    }
                    Some(_) => {}
                }
            }
            (ProviderKind::Process, _) => self.report_not_seconds(timeout, &at, "the timeout of a process"),
            (ProviderKind::Http, SpannedKind::List(parts)) if parts.len() == 2 => {
                for (index, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_null()) {
                    self.check_request_timeout(part, &child_pointer(&at, &index.to_string()));
                }
            }
            (ProviderKind::Http, SpannedKind::List(_)) => {
                let message = "a timeout list must be [connect, read]: this would abort the run";
                self.doubt(timeout, &at, message).expected = Some("two numbers of seconds".to_owned());
            }
            (ProviderKind::Http, _) => self.check_request_timeout(timeout, &at),
        }
    }

    fn check_request_timeout(&mut self, node: &SpannedValue, at: &str) {
        let SpannedKind::Scalar(value) = &node.kind else {
            self.report_not_seconds(node, at, "the timeout of a request");
            return;
        };
        match value.as_f64() {
            Some(seconds) if seconds > 0.0 => {}
            Some(_) => {
                let message = "a timeout must be greater than 0 seconds: this would abort the run";
                self.doubt(node, at, message).expected = Some("a number of seconds".to_owned());
            }
            // a placeholder may become a number
            None if value.as_text().is_some_and(|text| text.contains('$')) => {}
            None => self.report_not_seconds(node, at, "the timeout of a request"),
        }
    }

    /// Checks a pause, with its placeholders filled if their values are known.
    pub(super) fn check_pause_length(&mut self, node: &SpannedValue, at: &str, side: &str) {
        let Some(value) = self.declared.fill(&node.to_value()).filter(Value::is_truthy) else { return };
        let fault = match value.as_f64() {
            // an unknown placeholder has a message of its own
            None if value == node.to_value() => return,
            None => "must be a number",
            Some(seconds) if seconds.is_nan() || seconds < 0.0 => "must not be negative",
            Some(seconds) if Duration::try_from_secs_f64(seconds).is_err() => "is too long",
            Some(_) => return,
        };
        let message = format!("a pause {side} an activity {fault}: this would abort the run");
        self.doubt(node, at, message).expected = Some("a number of seconds, 0 or more".to_owned());
    }

    fn report_not_seconds(&mut self, node: &SpannedValue, at: &str, what: &str) {
        let message =
            format!("{what} must be a number of seconds, not {}: this would abort the run", node.kind_name());
        let meant = node.as_text().and_then(parse_seconds);
        let fault = self.doubt(node, at, message);
        fault.hint = Some(match meant {
            Some(seconds) => format!("write {seconds}"),
            None => "write a number, such as 3".to_owned(),
        });
    }
}

/// Parses a duration that a user wrote as text, in seconds.
fn parse_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = |number: &str| number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number = |number: &str| number.trim().parse::<f64>().ok().filter(|_| is_plain(number.trim()));
    let with_unit =
        UNITS.into_iter().find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?)? * factor));
    with_unit.or_else(|| number(text))
}
