//! Checks the call of a function before the run: names, types, values and selection of targets.

mod argument_fault;
mod chaos_mesh;
mod misplaced;
mod object;
mod rules;
mod selection;
mod syntax;

use crate::chaosk8s::catalogue::{Argument, ArgumentDefault, Function, FunctionKind, LookupError, lookup};
use crate::diagnostic::suggestion;
use crate::experiment::{ActivityKind, DeferredNames, ProviderPosition, ProviderUsage, ValidationFinding};
use crate::value::{Map, Value};

/// Finds what is wrong with a call. The placeholders whose values are known are filled.
pub fn find_faults(usage: ProviderUsage<'_>, provider: &Map, allow_all: bool) -> Vec<ValidationFinding> {
    let text = |key: &str| provider.get(key).and_then(Value::as_text).unwrap_or_default();
    let (module, name) = (text("module"), text("func"));
    if module.is_empty() || name.is_empty() {
        return Vec::new();
    }
    let function = match lookup(module, name) {
        Ok(function) => function,
        Err(error) => return vec![unknown_function(usage.activity, module, name, error)],
    };
    let mut findings = misplaced::find_arguments(&function, provider);
    findings.extend(check_arguments(&function, usage, provider, allow_all));
    findings.extend(check_kind(&function, usage));
    findings
}

fn unknown_function(activity: &str, module: &str, name: &str, error: LookupError) -> ValidationFinding {
    match error {
        LookupError::Module { suggestion } => {
            let message = format!("could not find Python module '{module}' in activity '{activity}'");
            ValidationFinding::at("module", message).hint(suggestion)
        }
        LookupError::Function { suggestion } => {
            let message = format!(
                "The python module '{module}' does not expose a function called '{name}' in activity '{activity}'"
            );
            let finding = ValidationFinding::at("func", message);
            finding.hint(
                suggestion.unwrap_or_else(|| "`kubectl chaos discover` lists every function".to_owned()),
            )
        }
    }
}

/// Checks that the function fits the activity and is not deprecated.
fn check_kind(function: &Function, usage: ProviderUsage<'_>) -> Vec<ValidationFinding> {
    let finding_at = |message: &str| ValidationFinding::at("func", format!("{} {message}", function.name));
    let mut findings = Vec::new();
    match usage.kind {
        Some(ActivityKind::Probe) if function.is_action => {
            let finding = finding_at("changes the cluster, so it cannot be a probe");
            findings.push(finding.hint("make the activity an action of the method").doubtful());
        }
        Some(ActivityKind::Action) if !function.is_action => {
            let finding = finding_at("only reads, so this action changes nothing");
            findings.push(finding.hint("make the activity a probe").warning());
        }
        _ => {}
    }
    if usage.position == ProviderPosition::Tolerance
        && !function.arguments.iter().any(|argument| argument.name == "value")
    {
        let finding = finding_at("cannot be a tolerance: it has no argument 'value'");
        findings.push(finding.hint("use should_be_found_in_logs, or a tolerance without a probe").doubtful());
    }
    if let Some(other) = function.deprecated_for {
        findings.push(finding_at("is deprecated").hint(format!("use {other}")).warning());
    }
    findings
}

/// Warns about files that do not exist: an earlier activity may still create them.
fn check_missing_files(function: &Function, given: &Map, deferred: &DeferredNames) -> Vec<ValidationFinding> {
    let mut findings = Vec::new();
    for name in ["spec_path", "resource_as_yaml_file"] {
        let Some(value) = given.get(name).filter(|value| !deferred.affect(value)) else { continue };
        let takes = function.arguments.iter().any(|argument| argument.name == name);
        let Some(path) = value.as_text().filter(|path| takes && !path.is_empty()) else { continue };
        if !std::path::Path::new(path).exists() {
            let message = format!("argument '{name}': there is no file {path} yet");
            let hint = "correct the path, which is relative to the current directory";
            findings.push(at_argument(name, message).hint(hint).warning());
        }
    }
    findings
}

/// Creates a finding at an argument.
fn at_argument(name: &str, message: String) -> ValidationFinding {
    ValidationFinding { at: vec!["arguments".into(), name.into()], message, ..ValidationFinding::default() }
}

/// Checks the arguments that contain no unknown placeholders.
fn check_arguments(
    function: &Function,
    usage: ProviderUsage<'_>,
    provider: &Map,
    allow_all: bool,
) -> Vec<ValidationFinding> {
    const NONE: &Value = &Value::Null;
    let mut given = match provider.get("arguments").unwrap_or(NONE) {
        Value::Map(given) => given.clone(),
        Value::Null => Map::new(),
        value if usage.deferred.affect(value) => return Vec::new(),
        other => {
            let message = format!("arguments cannot be {}", other.kind());
            return vec![
                ValidationFinding::at("arguments", message).hint("use a mapping of names and values"),
            ];
        }
    };
    for argument in function.arguments {
        // a misplaced argument has a finding of its own
        if let Some(value) = provider.get(argument.name) {
            given.entry(argument.name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let mut findings = Vec::new();
    for argument in function.arguments {
        match given.get(argument.name) {
            None if argument.default == ArgumentDefault::Required => {
                let message = format!(
                    "required argument '{}' is missing from activity '{}'",
                    argument.name, function.name
                );
                let hint = format!("expected {}", argument.kind.words());
                findings.push(ValidationFinding::at("arguments", message).hint(hint));
            }
            Some(value) if !usage.deferred.affect(value) => {
                findings.extend(check_value(function, argument, value, &given));
            }
            _ => {}
        }
    }
    findings.extend(given.iter().filter_map(|(name, value)| check_name(function, name, value)));
    findings.extend(selection::check_needed(function, &given));
    findings.extend(selection::check_ineffective(function, &given));
    findings.extend(chaos_mesh::check_combinations(function, &given, usage.deferred));
    let missing = check_missing_files(function, &given, usage.deferred);
    let is_new = |finding: &ValidationFinding| !findings.iter().any(|known| known.at == finding.at);
    let missing: Vec<_> = missing.into_iter().filter(is_new).collect();
    findings.extend(missing);
    findings.extend(selection::check_selector(function, &given, usage.deferred).filter(|_| !allow_all));
    findings
}

/// Checks the type and the value of an argument.
fn check_value(
    function: &Function,
    argument: &Argument,
    value: &Value,
    given: &Map,
) -> Option<ValidationFinding> {
    if *value == Value::Null && !accepts_null(argument) {
        let message = format!("argument '{}' is {}, not null", argument.name, argument.kind.words());
        return Some(at_argument(argument.name, message).hint("remove it, or set it").doubtful());
    }
    if !argument.kind.holds(value) {
        let message =
            format!("argument '{}' is {}, not {}", argument.name, argument.kind.words(), value.kind());
        return Some(at_argument(argument.name, message).doubtful());
    }
    let is_required = argument.default == ArgumentDefault::Required && argument.name != "label_selector";
    if value.as_text() == Some("") && (is_required || argument.name == "ns") {
        let message = format!("argument '{}' is empty", argument.name);
        return Some(at_argument(argument.name, message).hint("set it").doubtful());
    }
    let fault = rules::rule_of(function, argument)?.check(argument.name, value, given).err()?;
    let message = format!("invalid argument '{}': {}", argument.name, fault.message);
    let finding = at_argument(argument.name, message).doubtful();
    Some(ValidationFinding { expected: Some(fault.expected), hint: fault.hint, ..finding })
}

/// Whether null means "not given". For other arguments the function fails.
fn accepts_null(argument: &Argument) -> bool {
    argument.default == ArgumentDefault::Null
        || argument.kind == FunctionKind::Boolean
        || argument.name == "phase"
        || argument.name == "label_selector" && argument.default == ArgumentDefault::Required
}

/// Checks that the function has an argument of this name.
fn check_name(function: &Function, name: &str, value: &Value) -> Option<ValidationFinding> {
    if name == "secrets" {
        let message = format!("argument 'secrets' is a mapping, not {}", value.kind());
        let hint = "move the groups into the provider: \"provider\": {…, \"secrets\": […]}";
        let is_valid = matches!(value, Value::Null | Value::Map(_));
        return (!is_valid).then(|| at_argument(name, message).hint(hint).doubtful());
    }
    let names = || function.arguments.iter().map(|argument| argument.name);
    if names().any(|argument| argument == name) {
        return None;
    }
    let message =
        format!("argument '{name}' is not part of the function signature in activity '{}'", function.name);
    let hint = misplaced::renamed_argument(function, name, value)
        .or_else(|| suggestion(name, names()))
        .unwrap_or_else(|| match names().collect::<Vec<_>>() {
            names if names.is_empty() => "remove it: the function has no arguments".to_owned(),
            names => format!("expected one of {}", names.join(", ")),
        });
    Some(at_argument(name, message).hint(hint))
}

#[cfg(test)]
mod tests;
