//! Finds all errors of an experiment before it runs.
//!
//! The order is that of the Chaos Toolkit: its first and only error is also the first here. Its messages are kept,
//! because users search for them. [`ValidationRules`] answers what the document alone cannot: environment, patterns,
//! programs, functions.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

mod activity;
mod configuration;
mod control;
mod extension;
mod placeholder;
mod provider;
mod runtime;
mod seconds;
mod tolerance;

use std::collections::{BTreeSet, HashSet};

use super::configuration::Variables;
use super::document::{Document, SpannedKind, SpannedValue};
use super::model::{Activity, ActivityKind, child_pointer, list_items, reference_name};
use super::{DocumentKind, PROBES_POINTER, ProviderKind};
use crate::diagnostic::{Diagnostic, Position, Severity, suggestion};
use crate::value::{Map, Value};
use placeholder::{DeclaredNames, PlaceholderConsumer};

pub use placeholder::DeferredNames;

/// Answers questions of the validation that need more than the document.
pub trait ValidationRules {
    /// Returns the value of an environment variable.
    fn environment(&self, key: &str) -> Option<String>;
    /// Returns the given variables.
    fn variables(&self) -> &Variables;
    /// Checks a regular expression.
    fn regex(&self, pattern: &str) -> Result<(), String>;
    /// Checks a JSON path.
    fn json_path(&self, path: &str) -> Result<(), String>;
    /// Checks the keys of a provider, beyond their types.
    fn provider(
        &self,
        kind: ProviderKind,
        usage: ProviderUsage<'_>,
        provider: &Map,
    ) -> Vec<ValidationFinding>;
    /// Returns whether a control module is supported.
    fn control(&self, module: &str) -> bool;
    /// Returns whether a feature that would be silently ignored is an error instead of a warning.
    fn strict(&self) -> bool;
}

/// The activity that uses a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderUsage<'a> {
    /// The name of the activity.
    pub activity: &'a str,
    /// The kind of the activity, if it is valid.
    pub kind: Option<ActivityKind>,
    /// What the output is for.
    pub position: ProviderPosition,
    /// The placeholders that are left in the keys, because their value is unknown before the run.
    pub deferred: &'a DeferredNames,
}

/// What the output of a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderPosition {
    /// An activity, or a value of the configuration.
    Activity,
    /// A tolerance, which adds the checked value to the arguments.
    Tolerance,
}

/// An error in a part of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationFinding {
    /// The path from the part to the value, key by key.
    pub at: Vec<String>,
    pub message: String,
    /// The expected value.
    pub expected: Option<String>,
    /// What the user can do.
    pub hint: Option<String>,
    pub weight: FindingWeight,
}

/// The weight of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FindingWeight {
    /// Prevents the run.
    #[default]
    Fault,
    /// Prevents the run with `--strict` only: the Chaos Toolkit finds it at runtime.
    Doubt,
    /// Does not prevent the run.
    Warning,
}

impl ValidationFinding {
    /// Creates a finding at an entry of the part.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        Self { at: vec![key.to_owned()], message: message.into(), ..Self::default() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Changes the weight: the Chaos Toolkit finds it at runtime.
    #[must_use]
    pub fn doubtful(self) -> Self {
        Self { weight: FindingWeight::Doubt, ..self }
    }

    /// Changes the weight to a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { weight: FindingWeight::Warning, ..self }
    }
}

/// Returns all diagnostics of a document in order, starting with those of the parser.
pub fn validate(document: &Document, rules: &dyn ValidationRules) -> Vec<Diagnostic> {
    let declared = DeclaredNames::from_root(&document.root, rules);
    let found = document.warnings.clone();
    let mut validator = Validator {
        document,
        rules,
        declared,
        diagnostics: found,
        deferred: Vec::new(),
        reported: HashSet::new(),
    };
    validator.check_experiment();
    validator.diagnostics
}

struct Validator<'a> {
    document: &'a Document,
    rules: &'a dyn ValidationRules,
    /// The names that placeholders can refer to.
    declared: DeclaredNames,
    diagnostics: Vec<Diagnostic>,
    /// Warnings that follow all others except those of the controls.
    deferred: Vec<Diagnostic>,
    /// The places of the diagnostics, and their parents.
    reported: HashSet<String>,
}

const EXPERIMENT_KEYS: [&str; 14] = [
    "version",
    "title",
    "description",
    "tags",
    "contributions",
    "extensions",
    "configuration",
    "secrets",
    "controls",
    "steady-state-hypothesis",
    "method",
    "rollbacks",
    "runtime",
    "dry",
];

impl Validator<'_> {
    fn report(
        &mut self,
        severity: Severity,
        at: Position,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::for_file(&self.document.source, message).at(at);
        diagnostic.severity = severity;
        path.clone_into(&mut diagnostic.path);
        self.reported.insert(path.to_owned());
        self.reported.extend(path.rsplit_once('/').map(|(parent, _)| parent.to_owned()));
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    fn error(&mut self, node: &SpannedValue, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Severity::Error, node.position, path, message)
    }

    fn warning(&mut self, node: &SpannedValue, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Severity::Warning, node.position, path, message)
    }

    /// Reports a problem that the Chaos Toolkit silently ignores.
    fn doubt(&mut self, node: &SpannedValue, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        let severity = if self.rules.strict() { Severity::Error } else { Severity::Warning };
        self.report(severity, node.position, path, message)
    }

    fn report_wrong_shape(&mut self, node: &SpannedValue, path: &str, what: &str, expected: &str) {
        self.error(node, path, format!("{what} cannot be {}", node.kind_name())).expected =
            Some(expected.to_owned());
    }

    /// Returns whether there is a diagnostic at a place, or at one of its entries.
    fn is_reported(&self, path: &str) -> bool {
        self.reported.contains(path)
    }

    /// Warns about unknown keys. Keys that start with `x-` are reserved for users.
    fn warn_unknown_keys(&mut self, node: &SpannedValue, path: &str, known: &[&str]) {
        let SpannedKind::Map(entries) = &node.kind else { return };
        for (key, entry) in entries.iter().filter(|(key, _)| !key.starts_with("x-")) {
            let at = child_pointer(path, key);
            if !known.contains(&key.as_str()) && !self.is_reported(&at) {
                let hint = suggestion(key, known.iter().copied());
                self.report(Severity::Warning, entry.key, &at, format!("unknown key \"{key}\" is ignored"))
                    .hint = hint;
            }
        }
    }

    fn check_experiment(&mut self) {
        let root = &self.document.root;
        if !matches!(root.kind, SpannedKind::Map(_)) {
            if root.is_truthy() {
                self.report_wrong_shape(
                    root,
                    "",
                    "an experiment",
                    "a mapping with a title, a description and a method",
                );
            } else {
                self.error(root, "", "an empty experiment is not an experiment");
            }
            return;
        }
        if !root.is_truthy() {
            self.error(root, "", "an empty experiment is not an experiment").expected =
                Some("a title, a description and a method".to_owned());
            return;
        }
        if let Some(kind) = DocumentKind::recognize(root).filter(|kind| *kind != DocumentKind::Experiment) {
            let message = format!("this is {kind}, not an experiment");
            self.error(root, "", message).hint = Some(kind.hint_for_experiment());
            return;
        }
        self.check_texts(root);
        self.check_tags(root);
        self.check_extensions(root);
        self.check_own_extension(root);
        self.check_configuration(root);
        self.check_secrets(root);
        let names = referable_names(root);
        self.check_hypothesis(root, &names);
        self.check_method(root, &names);
        self.check_rollbacks(root, &names);
        self.diagnostics.append(&mut self.deferred);
        self.check_controls(root);
        self.check_runtime(root);
        self.warn_unknown_keys(root, "", &EXPERIMENT_KEYS);
    }

    fn check_texts(&mut self, root: &SpannedValue) {
        for key in ["title", "description"] {
            if !root.get(key).is_some_and(SpannedValue::is_truthy) {
                let position = root.get(key).unwrap_or(root);
                self.error(position, &format!("/{key}"), format!("experiment requires a {key}")).expected =
                    Some("a non-empty string".to_owned());
            }
        }
        if let Some(title) = root.get("title") {
            self.check_placeholders(title, "/title", PlaceholderConsumer::None);
        }
    }

    fn check_tags(&mut self, root: &SpannedValue) {
        let Some(tags) = root.get("tags").filter(|tags| tags.is_truthy()) else { return };
        match &tags.kind {
            SpannedKind::List(items) => {
                for (index, tag) in items.iter().enumerate() {
                    if tag.as_text().is_none_or(str::is_empty) {
                        self.error(
                            tag,
                            &format!("/tags/{index}"),
                            "experiment tags must be a non-empty string",
                        )
                        .expected = Some(
                            "a string; in YAML, words such as yes, no, on and off need quotes".to_owned(),
                        );
                    }
                }
            }
            // the Chaos Toolkit iterates over a string, or the keys of a mapping
            SpannedKind::Map(_) | SpannedKind::Scalar(Value::Text(_)) => {
                self.warning(tags, "/tags", "tags must be a list").expected =
                    Some("a list of strings".to_owned());
            }
            SpannedKind::Scalar(_) => self.report_wrong_shape(tags, "/tags", "tags", "a list of strings"),
        }
    }

    fn check_extensions(&mut self, root: &SpannedValue) {
        let Some(extensions) = root.get("extensions").filter(|node| node.is_truthy()) else { return };
        let SpannedKind::List(items) = &extensions.kind else {
            self.report_wrong_shape(
                extensions,
                "/extensions",
                "extensions",
                "a list of mappings, each with a name",
            );
            return;
        };
        for (index, item) in items.iter().enumerate() {
            if item.get("name").and_then(SpannedValue::as_text).is_none_or(|name| name.trim().is_empty()) {
                self.error(
                    item,
                    &format!("/extensions/{index}"),
                    "All extensions require a non-empty name",
                )
                .expected = Some("an entry \"name\"".to_owned());
            }
        }
    }

    fn check_hypothesis(&mut self, root: &SpannedValue, names: &BTreeSet<String>) {
        const AT: &str = "/steady-state-hypothesis";
        let Some(hypothesis) = root.get("steady-state-hypothesis") else { return };
        if !matches!(hypothesis.kind, SpannedKind::Map(_)) {
            self.report_wrong_shape(
                hypothesis,
                AT,
                "a steady-state-hypothesis",
                "a mapping with a title and probes; omit it for none",
            );
            return;
        }
        if !hypothesis.get("title").is_some_and(SpannedValue::is_truthy) {
            self.error(hypothesis, AT, "hypothesis requires a title").expected =
                Some("an entry \"title\"".to_owned());
        }
        self.warn_unknown_keys(hypothesis, AT, &["title", "probes", "controls"]);
        let Some(probes) = hypothesis.get("probes") else { return };
        if !probes.is_truthy() {
            if !matches!(probes.kind, SpannedKind::Scalar(Value::Null) | SpannedKind::List(_)) {
                let message =
                    format!("probes cannot be {}: the hypothesis would be ignored", probes.kind_name());
                self.doubt(probes, PROBES_POINTER, message).expected = Some("a list of probes".to_owned());
            }
            return;
        }
        let SpannedKind::List(probes) = &probes.kind else {
            self.report_wrong_shape(probes, PROBES_POINTER, "probes", "a list of probes");
            return;
        };
        for (index, probe) in probes.iter().enumerate() {
            let at = format!("{PROBES_POINTER}/{index}");
            self.check_step(probe, &at, activity::ActivityPosition::Hypothesis, names);
            if matches!(probe.kind, SpannedKind::Map(_)) && probe.is_truthy() {
                match probe.get("tolerance") {
                    None => {
                        self.error(probe, &at, "hypothesis probe must have a tolerance entry").expected =
                            Some("\"tolerance\": the value that holds, or a mapping with a type".to_owned());
                    }
                    Some(tolerance) => {
                        let provider = self.find_provider_kind(probe);
                        self.check_tolerance(tolerance, &child_pointer(&at, "tolerance"), provider);
                    }
                }
            }
        }
    }

    fn check_method(&mut self, root: &SpannedValue, names: &BTreeSet<String>) {
        match root.get("method").filter(|method| !method.is_null()) {
            None => {
                // the Chaos Toolkit's message ends with a space
                let message = "an experiment requires a method, \
                     which can be empty for only checking steady state hypothesis ";
                self.error(root.get("method").unwrap_or(root), "/method", message).expected =
                    Some("a list of activities".to_owned());
            }
            Some(method) => match &method.kind {
                SpannedKind::List(steps) => {
                    for (index, step) in steps.iter().enumerate() {
                        let at = format!("/method/{index}");
                        self.check_step(step, &at, activity::ActivityPosition::Method, names);
                        self.check_method_tolerance(step, &at);
                    }
                }
                _ => self.report_wrong_shape(method, "/method", "a method", "a list of activities"),
            },
        }
    }

    /// Checks the tolerance of a probe in the method. The Chaos Toolkit ignores it.
    fn check_method_tolerance(&mut self, step: &SpannedValue, at: &str) {
        let is_probe = step.get("type").and_then(SpannedValue::as_text) == Some("probe");
        if let Some(tolerance) = step.get("tolerance").filter(|tolerance| !tolerance.is_null())
            && is_probe
            && self.rules.strict()
        {
            self.check_tolerance(tolerance, &child_pointer(at, "tolerance"), provider_kind(step));
        }
    }

    /// Returns the provider of an activity, or of the activity that it refers to.
    fn find_provider_kind(&self, step: &SpannedValue) -> Option<ProviderKind> {
        let Some(name) = reference_name(step) else { return provider_kind(step) };
        let root = &self.document.root;
        let probes = root.get("steady-state-hypothesis").map(|hypothesis| list_items(hypothesis, "probes"));
        // a probe of the hypothesis takes precedence
        let mut candidates =
            probes.unwrap_or_default().iter().rev().chain(list_items(root, "method").iter().rev());
        candidates.find(|node| Activity::name_of(node).as_deref() == Some(name)).and_then(provider_kind)
    }

    fn check_rollbacks(&mut self, root: &SpannedValue, names: &BTreeSet<String>) {
        let Some(rollbacks) = root.get("rollbacks") else { return };
        let SpannedKind::List(steps) = &rollbacks.kind else {
            self.report_wrong_shape(
                rollbacks,
                "/rollbacks",
                "rollbacks",
                "a list of activities; omit them for none",
            );
            return;
        };
        for (index, step) in steps.iter().enumerate() {
            self.check_step(
                step,
                &format!("/rollbacks/{index}"),
                activity::ActivityPosition::Rollbacks,
                names,
            );
        }
    }

    fn check_step(
        &mut self,
        node: &SpannedValue,
        at: &str,
        place: activity::ActivityPosition,
        names: &BTreeSet<String>,
    ) {
        self.check_activity(node, at, place);
        if let Some(name) = reference_name(node).filter(|name| !names.contains(*name)) {
            let hint = suggestion(name, names.iter().map(String::as_str)).unwrap_or_else(|| {
                "references can name activities of the method and probes of the hypothesis".to_owned()
            });
            let target = node.get("ref").unwrap_or(node);
            self.error(
                target,
                &child_pointer(at, "ref"),
                format!("referenced activity '{name}' could not be found in the experiment"),
            )
            .hint = Some(hint);
        }
    }

    /// Defers the last diagnostic.
    fn defer_last(&mut self) {
        self.deferred.extend(self.diagnostics.pop());
    }

    /// Adds findings of a part, with their positions in the document.
    fn add_findings(&mut self, part: &SpannedValue, at: &str, findings: Vec<ValidationFinding>) {
        for finding in findings {
            let mut node = part;
            let mut path = at.to_owned();
            for key in &finding.at {
                path = child_pointer(&path, key);
                node = node.get(key).unwrap_or(node);
            }
            let severity = match finding.weight {
                FindingWeight::Warning => Severity::Warning,
                FindingWeight::Doubt if !self.rules.strict() => Severity::Warning,
                FindingWeight::Doubt | FindingWeight::Fault => Severity::Error,
            };
            let fault = self.report(severity, node.position, &path, finding.message);
            fault.expected = finding.expected;
            fault.hint = finding.hint;
        }
    }
}

/// Returns the provider of an activity.
fn provider_kind(activity: &SpannedValue) -> Option<ProviderKind> {
    activity.get("provider")?.get("type")?.as_text().and_then(ProviderKind::from_name)
}

/// Returns the names of activities that references can name.
fn referable_names(root: &SpannedValue) -> BTreeSet<String> {
    let probes = root.get("steady-state-hypothesis").map(|hypothesis| list_items(hypothesis, "probes"));
    list_items(root, "method")
        .iter()
        .chain(probes.unwrap_or_default())
        .filter_map(Activity::name_of)
        .collect()
}

#[cfg(test)]
mod tests;
