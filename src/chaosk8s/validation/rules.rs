//! Rules for the values of arguments: what the function, or the API server, would refuse.

use super::argument_fault::{ArgumentFault, check_items, explain, fault};
use super::chaos_mesh;
use super::object::{self, check_labels};
use super::syntax::{
    check_field_selector, check_label, check_label_key, check_label_selector, check_label_value,
    check_subdomain,
};
use crate::chaosk8s::arguments::{fill_name, python_int};
use crate::chaosk8s::catalogue::{Argument, ArgumentDefault, Function, FunctionId};
use crate::chaosk8s::functions::is_log_time;
use crate::diagnostic::suggestion;
use crate::experiment::{json, yaml};
use crate::tolerance::check_regex;
use crate::value::{Map, Value};

/// Phases of a Pod.
const PHASES: &[&str] = &["Pending", "Running", "Succeeded", "Failed", "Unknown"];

/// Rule for the value of an argument.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArgumentRule {
    /// Text that is one of a few words.
    OneOf(&'static [&'static str]),
    /// An integer in a range.
    Between(i64, i64),
    /// Text that is not empty.
    NotEmpty,
    /// DNS label of a namespace, a Service or a container.
    DnsLabel,
    /// DNS subdomain of an object.
    DnsSubdomain,
    /// Name of a custom object, which is a part of the path of a request.
    PathSegment,
    /// Value of a label.
    LabelValue,
    /// Label selector; `{name}` is filled if the function does.
    LabelSelector {
        is_formatted: bool,
    },
    FieldSelector,
    /// Python regular expression.
    Regex,
    /// `key=value` pairs as text, or a mapping.
    Pairs,
    /// Labels as a mapping of texts.
    Labels,
    /// List of Pod conditions, each with type and status.
    Conditions,
    /// Command that is not empty, and whose quotes are closed.
    Command,
    /// Duration or date that selects lines of a log.
    LogTime,
    /// Path whose extension selects a format.
    ManifestPath {
        /// Whether a file that is called `json` or `yaml` is accepted, too.
        by_suffix: bool,
    },
    /// Object of the API, or a JSON patch.
    ApiObject,
    /// Object of a type of Kubernetes itself, with all its labels and selectors.
    BuiltinObject,
    /// Metadata of an object of a type of Kubernetes itself.
    ObjectMetadata,
    /// JSON or YAML text of an object.
    ObjectText {
        is_json: bool,
    },
    /// Duration of Go, such as `100ms`.
    GoDuration,
    /// Number between 0 and 100 as text.
    Percentage,
    /// DNS labels: a list, or text with commas.
    DnsLabels,
    /// Argument of a fault of Chaos Mesh.
    Fault(chaos_mesh::FaultRule),
}

/// Returns the rule of an argument of a function.
pub(super) fn rule_of(function: &Function, argument: &Argument) -> Option<ArgumentRule> {
    use ArgumentRule as R;
    use FunctionId as F;
    let id = function.id;
    let selects_pods = matches!(id, F::TerminatePods | F::ExecInPods);
    let is_custom = function.module.starts_with("chaosk8s.crd.");
    let is_fault = function.module.starts_with("chaosk8s.chaosmesh.");
    Some(match argument.name {
        "label_selector" => R::LabelSelector {
            is_formatted: matches!(argument.default, ArgumentDefault::Text(_))
                || function.name.ends_with("fully_available"),
        },
        "pod_label_selector" => R::LabelSelector { is_formatted: false },
        "field_selector" => R::FieldSelector,
        "ns" | "pod_namespace" | "container_name" | "version" | "plural" => R::DnsLabel,
        "name" => match id {
            F::DeletePods => R::Regex,
            F::DeleteNamespace
            | F::CreateNamespace
            | F::NamespaceExists
            | F::DeleteService
            | F::ServiceIsInitialized => R::DnsLabel,
            F::PodIsNotAvailable | F::ReadPodLogs => R::LabelValue,
            _ if is_custom => R::PathSegment,
            _ => R::DnsSubdomain,
        },
        "name_pattern" | "pattern" => R::Regex,
        "workers" => R::Between(1, chaos_mesh::MAX_WORKERS),
        "buffer" | "limit" if is_fault => R::Between(1, i64::from(u32::MAX)),
        "minburst" => R::Between(0, i64::from(u32::MAX)),
        "peakrate" | "gap" => R::Between(0, i64::MAX),
        "oom_score" => R::Between(-1000, 1000),
        "qty" | "count" | "timeout" | "limit" => R::Between(1, i64::MAX),
        "replicas" | "grace_period_seconds" => R::Between(0, i64::from(i32::MAX)),
        "load" => R::Between(0, 100),
        "mode" if selects_pods => R::OneOf(&["fixed", "percentage"]),
        "mode" | "target_mode" => R::OneOf(&["one", "all", "fixed", "fixed-percent", "random-max-percent"]),
        "direction" => R::OneOf(&["to", "from", "both"]),
        "order" => R::OneOf(&["alphabetic", "oldest"]),
        "phase" => R::OneOf(PHASES),
        "condition_value" => R::OneOf(&["True", "False", "Unknown"]),
        "conditions" => R::Conditions,
        "cmd" => R::Command,
        "last" => R::LogTime,
        "spec_path" => R::ManifestPath { by_suffix: id == F::CreateIngress },
        "group" => R::DnsSubdomain,
        "resource" => match id {
            F::ApplyFromJson => R::ObjectText { is_json: true },
            F::ApplyFromYaml => R::ObjectText { is_json: false },
            _ => R::ApiObject,
        },
        "meta" => R::ObjectMetadata,
        "spec" => R::BuiltinObject,
        "latency" | "jitter" | "duration" => R::GoDuration,
        "loss" | "correlation" | "corrupt" | "duplicate" | "reorder" => R::Percentage,
        "label_selectors" if !is_fault => R::Labels,
        "label_selectors"
        | "annotations_selectors"
        | "target_label_selectors"
        | "target_annotations_selectors" => R::Pairs,
        "namespaces_selectors" | "target_namespaces_selectors" | "container_names" => R::DnsLabels,
        "mode_value" | "target_mode_value" => R::Fault(chaos_mesh::FaultRule::ModeValue),
        "external_targets" => R::Fault(chaos_mesh::FaultRule::ExternalTargets),
        "rate" => R::Fault(chaos_mesh::FaultRule::Rate),
        "size" => R::Fault(chaos_mesh::FaultRule::Size),
        "time_to_get_to_size" => R::Fault(chaos_mesh::FaultRule::GrowthTime),
        "condition_type" => R::NotEmpty,
        _ => return None,
    })
}

impl ArgumentRule {
    /// Checks a value of the right type.
    ///
    /// `name` is the argument, which other arguments in `given` may qualify.
    pub(super) fn check(self, name: &str, value: &Value, given: &Map) -> Result<(), ArgumentFault> {
        let text = value.as_text();
        // null, and mostly empty text, mean "not given"
        let is_absent = *value == Value::Null || text == Some("") && !self.needs_text();
        if is_absent { Ok(()) } else { self.check_present(name, value, text, given) }
    }

    /// Whether empty text is invalid.
    fn needs_text(self) -> bool {
        matches!(
            self,
            // Python reads no number from empty text
            Self::Between(..)
                | Self::OneOf(_)
                | Self::NotEmpty
                | Self::PathSegment
                | Self::Command
                | Self::ManifestPath { .. }
        )
    }

    fn check_present(
        self,
        name: &str,
        value: &Value,
        text: Option<&str>,
        given: &Map,
    ) -> Result<(), ArgumentFault> {
        match (self, text) {
            (Self::OneOf(words), Some(text)) if !words.contains(&text) => {
                let hint = suggestion(text, words.iter().copied());
                Err(ArgumentFault {
                    hint,
                    ..fault(format!("unknown word '{text}'"), format!("one of {}", words.join(", ")))
                })
            }
            (Self::Between(low, high), _) => check_number(value, low, high),
            (Self::NotEmpty, Some("")) => Err(fault("it is empty", "a string that is not empty")),
            (Self::DnsLabel, Some(text)) => explain(check_label(text), text),
            (Self::DnsSubdomain, Some(text)) => explain(check_subdomain(text), text),
            (Self::PathSegment, Some(text))
                if text.is_empty() || matches!(text, "." | "..") || text.contains(['/', '%']) =>
            {
                Err(fault(format!("'{text}' cannot be a name"), "a name without / and %"))
            }
            (Self::LabelValue, Some(text)) => explain(check_label_value(text), text),
            (Self::LabelSelector { is_formatted }, Some(text)) => check_selector(text, is_formatted, given),
            (Self::FieldSelector, Some(text)) => explain(check_field_selector(text), text),
            (Self::Regex, Some(text)) => check_regex(text)
                .map_err(|error| fault(format!("'{text}': {error}"), "a Python regular expression")),
            (Self::Pairs, Some(text)) => check_pairs(text),
            (Self::Labels | Self::Pairs, None) => check_labels(value),
            (Self::DnsLabels, _) => check_items(value, check_label),
            (Self::Conditions, _) => check_conditions(value),
            (Self::Command, _) => check_command(value, text),
            (Self::LogTime, Some(text)) if !is_log_time(text) => Err(fault(
                format!("'{text}'"),
                "a duration such as 90s or 10 minutes, or a date such as 2026-01-31T12:00:00Z",
            )),
            (Self::ManifestPath { by_suffix }, Some(text)) => check_manifest_path(text, by_suffix),
            (Self::ApiObject, _) if !matches!(value, Value::Map(_) | Value::List(_)) => {
                Err(fault(format!("it is {}", value.kind()), "a mapping, or a list of JSON patch operations"))
            }
            (Self::ApiObject, _) => object::check_object_labels(value),
            (Self::ObjectMetadata, _) => object::check_metadata(value),
            (Self::BuiltinObject, _) => object::check_builtin(value),
            (Self::ObjectText { is_json }, _) => check_object(value, text, is_json),
            (Self::Fault(rule), _) => rule.check(name, value, given),
            (Self::GoDuration, Some(text)) if !is_go_duration(text) => {
                Err(fault(format!("'{text}'"), "a duration such as 100ms or 30s"))
            }
            (Self::Percentage, Some(text))
                if !text.parse().is_ok_and(|number: f64| (0.0..=100.0).contains(&number)) =>
            {
                Err(fault(format!("'{text}'"), "a number between 0 and 100 as a string"))
            }
            _ => Ok(()),
        }
    }
}

fn check_number(value: &Value, low: i64, high: i64) -> Result<(), ArgumentFault> {
    let number = python_int(value).ok().flatten();
    if number.is_some_and(|number| (low..=high).contains(&number)) {
        return Ok(());
    }
    let expected = if high <= i64::from(u32::MAX) && high != i64::from(i32::MAX) {
        format!("an integer between {low} and {high}")
    } else {
        format!("an integer, {low} or more")
    };
    Err(fault(value.python_text(), expected))
}

fn check_selector(text: &str, is_formatted: bool, given: &Map) -> Result<(), ArgumentFault> {
    let filled = if is_formatted {
        let name = given.get("name").and_then(Value::as_text).unwrap_or("None");
        fill_name(text, name)
            .map_err(|error| fault(error.to_string(), "a label selector, with {name} for the name"))?
    } else {
        text.to_owned()
    };
    check_label_selector(&filled).map_err(|error| {
        fault(format!("'{text}': {error}"), "a label selector such as app=web,tier in (a, b)")
    })
}

/// Checks `key=value` pairs, separated by commas.
fn check_pairs(text: &str) -> Result<(), ArgumentFault> {
    for item in text.split(',') {
        let pair = item.split_once('=').filter(|(key, _)| !key.is_empty());
        let Some((key, value)) = pair else {
            return Err(fault(format!("'{text}'"), "KEY=VALUE pairs, separated by commas"));
        };
        explain(check_label_key(key), key)?;
        explain(check_label_value(value), value)?;
    }
    Ok(())
}

fn check_manifest_path(text: &str, by_suffix: bool) -> Result<(), ArgumentFault> {
    let extension = std::path::Path::new(text).extension().and_then(std::ffi::OsStr::to_str);
    let format = if by_suffix { text.rsplit('.').next() } else { extension };
    if matches!(format, Some("json" | "yaml" | "yml")) {
        Ok(())
    } else {
        Err(fault(format!("cannot process {text}"), "the path of a .json, .yaml or .yml file"))
    }
}

fn check_conditions(value: &Value) -> Result<(), ArgumentFault> {
    let is_condition = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_text).is_some();
        text("type") && text("status") && item.as_map().is_some_and(|entries| entries.len() == 2)
    };
    match value {
        Value::List(items) if items.iter().all(is_condition) => Ok(()),
        _ => Err(fault(
            "a condition would never match",
            "a list such as [{\"type\": \"Ready\", \"status\": \"True\"}]",
        )),
    }
}

fn check_command(value: &Value, text: Option<&str>) -> Result<(), ArgumentFault> {
    if !value.is_truthy() {
        return Err(fault("it is empty", "a command"));
    }
    match text.map(shlex::split) {
        Some(None) => Err(fault("a quotation is not closed", "a command as in a shell")),
        Some(Some(words)) if words.is_empty() => Err(fault("it is empty", "a command")),
        _ => Ok(()),
    }
}

fn check_object(value: &Value, text: Option<&str>, is_json: bool) -> Result<(), ArgumentFault> {
    let parsed = match text {
        None => value.clone(),
        Some(text) => {
            let read = if is_json { json::read(text, "resource") } else { yaml::read(text, "resource") };
            let expected = if is_json { "an object as JSON" } else { "an object as YAML" };
            read.map_err(|error| fault(error.message, expected))?.root.to_value()
        }
    };
    for key in ["apiVersion", "kind"] {
        if parsed.get(key).and_then(Value::as_text).is_none() {
            return Err(fault(format!("missing {key} in resource"), "an object with apiVersion and kind"));
        }
    }
    object::check_object_labels(&parsed)
}

/// Whether a text is a duration of Go that is not negative: numbers with a unit, in sequence.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let Some(unit) =
            ["ns", "us", "µs", "ms", "s", "m", "h"].into_iter().find(|unit| rest[digits..].starts_with(unit))
        else {
            return false;
        };
        if rest[..digits].parse::<f64>().is_err() {
            return false;
        }
        rest = &rest[digits + unit.len()..];
        parts += 1;
    }
    parts > 0
}
