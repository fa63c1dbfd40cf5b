//! Finds every fault of an experiment before anything runs. Floor 0.
//!
//! The faults come in the order in which the Chaos Toolkit would meet them, so that its first and only
//! complaint is also ours; where it has words for a fault, the words are kept, because people look for them.
//! What needs more than the document (the environment, patterns, programs, functions) is asked of [`Rules`].

mod activity;
mod configuration;
mod control;
mod extension;
mod placeholder;
mod runtime;
mod seconds;
mod tolerance;

use std::collections::BTreeSet;

use super::activity::{Activity, ActivityKind, child_pointer, list_items, reference_name};
use super::configuration::Variables;
use super::document::{Document, SpannedKind, SpannedValue};
use super::{PROBES_POINTER, ProviderKind};
use crate::diagnostic::{Diagnostic, Position, Severity, suggestion};
use crate::value::{Map, Value};
use placeholder::{DeclaredNames, PlaceholderConsumer};

/// What validation has to ask others.
pub trait ValidationRules {
    /// The value of an environment variable.
    fn environment(&self, key: &str) -> Option<String>;
    /// What was given beside the experiment.
    fn variables(&self) -> &Variables;
    /// Whether a pattern compiles; else what is wrong with it.
    fn regex(&self, pattern: &str) -> Result<(), String>;
    /// Whether a JSON path can be read; else what is wrong with it.
    fn json_path(&self, path: &str) -> Result<(), String>;
    /// What is wrong with a provider's keys, beyond their shape.
    fn provider(
        &self,
        kind: ProviderKind,
        usage: ProviderUsage<'_>,
        provider: &Map,
    ) -> Vec<ValidationFinding>;
    /// Whether a control of that module can be applied.
    fn control(&self, module: &str) -> bool;
    /// Whether what would quietly not happen is an error; a warning otherwise.
    fn strict(&self) -> bool;
}

/// What uses a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderUsage<'a> {
    /// The name of the activity.
    pub activity: &'a str,
    /// Whether it looks or acts, where it says so.
    pub kind: Option<ActivityKind>,
}

/// A fault in part of a document, as one who sees only that part reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationFinding {
    /// The way from the part to the place, key by key.
    pub at: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// How much it weighs.
    pub weight: FindingWeight,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FindingWeight {
    /// It keeps the experiment from running.
    #[default]
    Fault,
    /// The Chaos Toolkit lets it pass until it runs: it keeps it from running only where we are strict.
    Doubt,
    /// It keeps nothing from running.
    Warning,
}

impl ValidationFinding {
    /// A finding at an entry of the part.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        Self { at: vec![key.to_owned()], message: message.into(), ..Self::default() }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, as a fault that the Chaos Toolkit lets pass until it runs.
    #[must_use]
    pub fn doubtful(self) -> Self {
        Self { weight: FindingWeight::Doubt, ..self }
    }

    /// The same, as something to know.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { weight: FindingWeight::Warning, ..self }
    }
}

/// Every fault and doubt of a document, in order; those of reading it first.
pub fn validate(document: &Document, rules: &dyn ValidationRules) -> Vec<Diagnostic> {
    let declared = DeclaredNames::from_root(&document.root, rules.variables());
    let found = document.warnings.clone();
    let mut validator = Validator { document, rules, declared, diagnostics: found, deferred: Vec::new() };
    validator.check_experiment();
    validator.diagnostics
}

struct Validator<'a> {
    document: &'a Document,
    rules: &'a dyn ValidationRules,
    /// What placeholders can name.
    declared: DeclaredNames,
    diagnostics: Vec<Diagnostic>,
    /// Warnings that come after everything but the controls was looked at.
    deferred: Vec<Diagnostic>,
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

impl<'a> Validator<'a> {
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

    /// A fault that the Chaos Toolkit passes over in silence.
    fn doubt(&mut self, node: &SpannedValue, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        let severity = if self.rules.strict() { Severity::Error } else { Severity::Warning };
        self.report(severity, node.position, path, message)
    }

    fn report_wrong_shape(&mut self, node: &SpannedValue, path: &str, what: &str, expected: &str) {
        self.error(node, path, format!("{what} cannot be {}", node.kind_name())).expected =
            Some(expected.to_owned());
    }

    /// Warns of keys that mean nothing. Keys that begin with `x-` are the writer's own.
    fn warn_unknown_keys(&mut self, node: &SpannedValue, path: &str, known: &[&str]) {
        let SpannedKind::Map(entries) = &node.kind else { return };
        for (key, entry) in entries.iter().filter(|(key, _)| !key.starts_with("x-")) {
            if !known.contains(&key.as_str()) {
                let hint = suggestion(key, known.iter().copied());
                let at = child_pointer(path, key);
                self.report(
                    Severity::Warning,
                    entry.key,
                    &at,
                    format!("unknown key \"{key}\", which is ignored"),
                )
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

    fn check_texts(&mut self, root: &'a SpannedValue) {
        for key in ["title", "description"] {
            if !root.get(key).is_some_and(SpannedValue::is_truthy) {
                let position = root.get(key).unwrap_or(root);
                self.error(position, &format!("/{key}"), format!("experiment requires a {key}")).expected =
                    Some("a text that is not empty".to_owned());
            }
        }
        if let Some(title) = root.get("title") {
            self.check_placeholders(title, "/title", PlaceholderConsumer::None);
        }
    }

    fn check_tags(&mut self, root: &'a SpannedValue) {
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
                        .expected =
                            Some("a text; in YAML, words such as yes, no, on and off need quotes".to_owned());
                    }
                }
            }
            // the Chaos Toolkit takes a text, or the keys of a mapping, for the list of its parts
            SpannedKind::Map(_) | SpannedKind::Scalar(Value::Text(_)) => {
                self.warning(tags, "/tags", "tags are a list, not one thing").expected =
                    Some("a list of texts".to_owned());
            }
            SpannedKind::Scalar(_) => self.report_wrong_shape(tags, "/tags", "tags", "a list of texts"),
        }
    }

    fn check_extensions(&mut self, root: &'a SpannedValue) {
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

    fn check_hypothesis(&mut self, root: &'a SpannedValue, names: &BTreeSet<String>) {
        const AT: &str = "/steady-state-hypothesis";
        let Some(hypothesis) = root.get("steady-state-hypothesis") else { return };
        if !matches!(hypothesis.kind, SpannedKind::Map(_)) {
            self.report_wrong_shape(
                hypothesis,
                AT,
                "a steady-state-hypothesis",
                "a mapping with a title and probes; leave it out for none",
            );
            return;
        }
        if !hypothesis.get("title").is_some_and(SpannedValue::is_truthy) {
            self.error(hypothesis, AT, "hypothesis requires a title").expected =
                Some("an entry \"title\"".to_owned());
        }
        self.warn_unknown_keys(hypothesis, AT, &["title", "probes", "controls"]);
        let Some(probes) = hypothesis.get("probes").filter(|probes| probes.is_truthy()) else { return };
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
                    Some(tolerance) => self.check_tolerance(tolerance, &child_pointer(&at, "tolerance")),
                }
            }
        }
    }

    fn check_method(&mut self, root: &'a SpannedValue, names: &BTreeSet<String>) {
        match root.get("method").filter(|method| !method.is_null()) {
            None => {
                // with the blank at its end, which the Chaos Toolkit's text has
                let message = "an experiment requires a method, \
                     which can be empty for only checking steady state hypothesis ";
                self.error(root.get("method").unwrap_or(root), "/method", message).expected =
                    Some("a list of activities".to_owned());
            }
            Some(method) => match &method.kind {
                SpannedKind::List(steps) => {
                    for (index, step) in steps.iter().enumerate() {
                        self.check_step(
                            step,
                            &format!("/method/{index}"),
                            activity::ActivityPosition::Method,
                            names,
                        );
                    }
                }
                _ => self.report_wrong_shape(method, "/method", "a method", "a list of activities"),
            },
        }
    }

    fn check_rollbacks(&mut self, root: &'a SpannedValue, names: &BTreeSet<String>) {
        let Some(rollbacks) = root.get("rollbacks") else { return };
        let SpannedKind::List(steps) = &rollbacks.kind else {
            self.report_wrong_shape(
                rollbacks,
                "/rollbacks",
                "rollbacks",
                "a list of activities; leave them out for none",
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
        node: &'a SpannedValue,
        at: &str,
        place: activity::ActivityPosition,
        names: &BTreeSet<String>,
    ) {
        self.check_activity(node, at, place);
        if let Some(name) = reference_name(node).filter(|name| !names.contains(*name)) {
            let hint = suggestion(name, names.iter().map(String::as_str)).unwrap_or_else(|| {
                "references name activities of the method or probes of the hypothesis".to_owned()
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

    /// Moves the last finding to where it belongs in the order.
    fn defer_last(&mut self) {
        self.deferred.extend(self.diagnostics.pop());
    }

    /// Puts findings about a part where they belong in the whole.
    fn add_findings(&mut self, part: &'a SpannedValue, at: &str, findings: Vec<ValidationFinding>) {
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

/// The names of the activities that references can name.
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
