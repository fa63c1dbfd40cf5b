//! Recognizes what a file is, by its content, if it is not what a command expects.
//!
//! Other programs' files are recognized by their keys. A text that is not one document can still be several manifests, a
//! template, or the events of a run.

use std::fmt;

use super::document::{SpannedKind, SpannedValue};
use super::{json, yaml};

/// Keys of which a file of Helm values usually has several.
const VALUES_KEYS: [&str; 12] = [
    "affinity",
    "autoscaling",
    "fullnameOverride",
    "image",
    "imagePullSecrets",
    "ingress",
    "nameOverride",
    "nodeSelector",
    "podAnnotations",
    "replicaCount",
    "serviceAccount",
    "tolerations",
];
/// How many of these keys make a file one of Helm values.
const MIN_VALUES_KEYS: usize = 2;
/// Keys of a kustomization, which needs neither apiVersion nor kind.
const KUSTOMIZATION_KEYS: [&str; 7] = [
    "bases",
    "configMapGenerator",
    "namePrefix",
    "patches",
    "patchesStrategicMerge",
    "resources",
    "secretGenerator",
];
/// The name of the schemas of this program's documents.
const SCHEMA_PREFIX: &str = "kubectl-chaos/";

/// Kind of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Experiment,
    /// Several experiments in one file.
    Experiments(usize),
    /// An experiment in one file with other documents.
    ExperimentAmong(usize),
    Journal,
    /// Events of a run, one on each line.
    Events,
    /// Comparison of two sets of runs.
    Comparison,
    /// Another document of this program, with the name of its schema.
    Output(String),
    /// HTML or XML.
    Markup,
    Workflow,
    VariableFile,
    /// Manifest with its kind.
    Manifest(String),
    /// Several manifests in one file.
    Manifests(usize),
    /// `ConfigMap` with an experiment, by its key.
    ConfigMapWithExperiment(String),
    /// Object of `LitmusChaos` with its kind.
    LitmusChaos(String),
    /// Object of Chaos Mesh with its kind.
    ChaosMesh(String),
    Kustomization,
    HelmChart,
    HelmValues,
    /// Template, mostly of Helm.
    Template,
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Experiment => f.write_str("an experiment"),
            Self::Experiments(count) => write!(f, "a file with {count} experiments"),
            Self::ExperimentAmong(count) => {
                write!(f, "a file with {count} documents, one of them an experiment")
            }
            Self::Journal => f.write_str("a journal"),
            Self::Events => f.write_str("an events file"),
            Self::Comparison => f.write_str("a comparison of kubectl-chaos"),
            Self::Output(schema) => write!(f, "a document of kubectl-chaos ({schema})"),
            Self::Markup => f.write_str("an HTML or XML file"),
            Self::Workflow => f.write_str("a GitHub workflow"),
            Self::VariableFile => f.write_str("a variable file"),
            Self::Manifest(kind) => write!(f, "a Kubernetes manifest of kind {kind}"),
            Self::Manifests(count) => write!(f, "a file with {count} Kubernetes manifests"),
            Self::ConfigMapWithExperiment(_) => f.write_str("a ConfigMap that contains an experiment"),
            Self::LitmusChaos(kind) => write!(f, "a {kind} of LitmusChaos"),
            Self::ChaosMesh(kind) => write!(f, "a {kind} of Chaos Mesh"),
            Self::Kustomization => f.write_str("a kustomization"),
            Self::HelmChart => f.write_str("a Helm chart"),
            Self::HelmValues => f.write_str("a file of Helm values"),
            Self::Template => f.write_str("a template"),
        }
    }
}

impl DocumentKind {
    /// Recognizes a document. A document with a method is an experiment.
    pub fn recognize(root: &SpannedValue) -> Option<Self> {
        let SpannedKind::Map(entries) = &root.kind else { return None };
        let text = |key: &str| root.get(key).and_then(SpannedValue::as_text);
        let has = |key: &str| root.get(key).is_some();
        let count = |keys: &[&str]| keys.iter().filter(|key| has(key)).count();
        if has("method") {
            return Some(Self::Experiment);
        }
        if let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) {
            return Some(Self::of_object(root, api_version, kind));
        }
        if let Some(schema) = text("schema").and_then(|schema| schema.strip_prefix(SCHEMA_PREFIX)) {
            let is_comparison = schema.starts_with("comparison/");
            return Some(if is_comparison { Self::Comparison } else { Self::Output(schema.to_owned()) });
        }
        if has("chaoslib-version") || has("experiment") && has("run") {
            return Some(Self::Journal);
        }
        if is_event(root) {
            return Some(Self::Events);
        }
        if has("steady-state-hypothesis") {
            return Some(Self::Experiment);
        }
        if has("jobs") && (has("on") || has("true")) {
            return Some(Self::Workflow);
        }
        if !entries.is_empty()
            && entries.keys().all(|key| matches!(key.as_str(), "configuration" | "secrets"))
        {
            return Some(Self::VariableFile);
        }
        if has("apiVersion") && has("name") && has("version") {
            return Some(Self::HelmChart);
        }
        let has_list =
            |key: &&str| root.get(key).is_some_and(|node| matches!(node.kind, SpannedKind::List(_)));
        if !has("title") && KUSTOMIZATION_KEYS.iter().any(has_list) {
            return Some(Self::Kustomization);
        }
        (!has("title") && count(&VALUES_KEYS) >= MIN_VALUES_KEYS).then_some(Self::HelmValues)
    }

    fn of_object(root: &SpannedValue, api_version: &str, kind: &str) -> Self {
        match (api_version.split('/').next().unwrap_or_default(), kind) {
            ("litmuschaos.io", _) => Self::LitmusChaos(kind.to_owned()),
            ("chaos-mesh.org", _) => Self::ChaosMesh(kind.to_owned()),
            ("kustomize.config.k8s.io", _) => Self::Kustomization,
            (_, "ConfigMap") => match experiment_key(root) {
                Some(key) => Self::ConfigMapWithExperiment(key.to_owned()),
                None => Self::Manifest(kind.to_owned()),
            },
            _ => Self::Manifest(kind.to_owned()),
        }
    }

    fn is_manifest(&self) -> bool {
        matches!(
            self,
            Self::Manifest(_)
                | Self::ConfigMapWithExperiment(_)
                | Self::LitmusChaos(_)
                | Self::ChaosMesh(_)
                | Self::Kustomization
        )
    }

    /// Recognizes a text in any format.
    pub fn recognize_text(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('<') {
            return Some(Self::Markup);
        }
        let document = if text.starts_with('{') { json::read(text, "") } else { yaml::read(text, "") };
        if let Ok(document) = document {
            return Self::recognize(&document.root);
        }
        if are_events(text) {
            return Some(Self::Events);
        }
        let parts = split_documents(text);
        let read = |part: &String| Some(Self::recognize(&yaml::read(part, "").ok()?.root));
        match parts.iter().map(read).collect::<Option<Vec<_>>>() {
            Some(kinds) if kinds.len() > 1 => Self::of_several(&kinds),
            _ => is_template(text).then_some(Self::Template),
        }
    }

    fn of_several(kinds: &[Option<Self>]) -> Option<Self> {
        let experiments = kinds.iter().filter(|kind| **kind == Some(Self::Experiment)).count();
        if experiments == kinds.len() {
            return Some(Self::Experiments(experiments));
        }
        if experiments == 1 {
            return Some(Self::ExperimentAmong(kinds.len()));
        }
        let are_manifests = kinds.iter().all(|kind| kind.as_ref().is_some_and(Self::is_manifest));
        are_manifests.then_some(Self::Manifests(kinds.len()))
    }

    /// Returns what to do if an experiment is expected.
    pub fn hint_for_experiment(&self) -> String {
        let hint = match self {
            Self::Experiment => "pass it alone",
            Self::Experiments(_) => "save each experiment as a file of its own, and pass all of them",
            Self::ExperimentAmong(_) => "save the experiment as a file of its own",
            Self::Journal => "pass it to `kubectl chaos report`, or pass the experiment itself",
            Self::Comparison | Self::Output(_) | Self::Events | Self::Markup => "pass the experiment itself",
            Self::Workflow => "pass the experiment that the workflow runs",
            Self::VariableFile => "pass it with --var-file, beside an experiment",
            Self::Manifest(_) | Self::Manifests(_) => {
                "apply it with kubectl; `kubectl chaos init` writes an experiment"
            }
            Self::ConfigMapWithExperiment(key) => {
                return format!("save its entry '{key}' as a file, and pass that");
            }
            Self::LitmusChaos(_) => "write the fault as an experiment: `kubectl chaos init`",
            Self::ChaosMesh(_) => {
                "create it in an experiment, with chaosk8s.crd.actions.create_custom_object"
            }
            Self::Kustomization => {
                "apply it with kubectl apply -k; `kubectl chaos init` writes an experiment"
            }
            Self::HelmChart | Self::HelmValues | Self::Template => {
                "install it with helm; `kubectl chaos init` writes an experiment"
            }
        };
        hint.to_owned()
    }

    /// Returns what to do if a journal is expected.
    pub fn hint_for_journal(&self) -> &'static str {
        match self {
            Self::Experiment | Self::Experiments(_) | Self::ExperimentAmong(_) => {
                "run it with `kubectl chaos run`, and pass the journal.json that it writes"
            }
            Self::Comparison => "pass the journals of the runs that it compares",
            _ => "pass the journal of a run, which is journal.json by default",
        }
    }
}

/// Returns the key of a `ConfigMap` whose text looks like an experiment.
fn experiment_key(root: &SpannedValue) -> Option<&str> {
    let SpannedKind::Map(entries) = &root.get("data")?.kind else { return None };
    let is_experiment = |node: &SpannedValue| {
        node.as_text().is_some_and(|text| text.contains("method") && text.contains("provider"))
    };
    entries.iter().find(|(_, entry)| is_experiment(&entry.value)).map(|(key, _)| key.as_str())
}

fn is_event(root: &SpannedValue) -> bool {
    let text = |key: &str| root.get(key).and_then(SpannedValue::as_text).is_some();
    text("type") && text("timestamp")
}

/// Whether the first lines of a text are events.
fn are_events(text: &str) -> bool {
    const CHECKED: usize = 2;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(CHECKED).peekable();
    lines.peek().is_some()
        && lines.all(|line| json::read(line, "").is_ok_and(|document| is_event(&document.root)))
}

/// Splits a text at the lines that begin a YAML document, and leaves out empty ones.
fn split_documents(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let rest = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let Some(rest) = rest {
            parts.push(rest.to_owned());
        } else if let Some(last) = parts.last_mut() {
            last.push_str(line);
        }
        if let Some(last) = parts.last_mut() {
            last.push('\n');
        }
    }
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    parts.retain(|part| !part.lines().all(is_blank));
    parts
}

/// Whether a text has expressions of a template, and words of a manifest.
fn is_template(text: &str) -> bool {
    let has_expression = text.split("{{").skip(1).any(|rest| rest.contains("}}"));
    has_expression && ["apiVersion:", "kind:", ".Values.", ".Release."].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_recognized() {
        let check = |text: &str, expected: Option<DocumentKind>| {
            assert_eq!(DocumentKind::recognize_text(text), expected, "{text}");
        };
        let pod = "apiVersion: v1\nkind: Pod\n";
        let experiment = "title: t\nmethod: []\n";
        let event = "{\"type\": \"run-started\", \"timestamp\": \"2026-01-01T00:00:00\"}\n";
        check(experiment, Some(DocumentKind::Experiment));
        check("title: t\nsteady-state-hypothesis: {}\n", Some(DocumentKind::Experiment));
        check(&format!("{experiment}---\n{experiment}"), Some(DocumentKind::Experiments(2)));
        check(&format!("---\n{pod}---\n{experiment}"), Some(DocumentKind::ExperimentAmong(2)));
        check(pod, Some(DocumentKind::Manifest("Pod".to_owned())));
        check(&format!("# shop\n---\n{pod}--- # second\n{pod}---\n"), Some(DocumentKind::Manifests(2)));
        check(&format!("{pod}---\na: 1\n"), None);
        check(&format!("{pod}---\na: [\n"), None);
        check("{\"experiment\": {}, \"run\": []}", Some(DocumentKind::Journal));
        check(event, Some(DocumentKind::Events));
        check(&event.repeat(3), Some(DocumentKind::Events));
        check("{\"schema\": \"kubectl-chaos/comparison/v1\"}", Some(DocumentKind::Comparison));
        check("schema: kubectl-chaos/trial/v1", Some(DocumentKind::Output("trial/v1".to_owned())));
        check("<!DOCTYPE html>\n<html>", Some(DocumentKind::Markup));
        check("on: push\njobs: {}\n", Some(DocumentKind::Workflow));
        check("configuration: {a: 1}\n", Some(DocumentKind::VariableFile));
        check(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
            Some(DocumentKind::Kustomization),
        );
        check("resources:\n- a.yaml\n", Some(DocumentKind::Kustomization));
        check("apiVersion: v2\nname: shop\nversion: 0.1.0\n", Some(DocumentKind::HelmChart));
        check("replicaCount: 1\nimage: {}\nresources: {}\n", Some(DocumentKind::HelmValues));
        check(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n",
            Some(DocumentKind::Template),
        );
        check("{{- if .Values.enabled }}\nkind: Pod\n{{- end }}\n", Some(DocumentKind::Template));
        for text in ["", "{", "a: [", "title: t\n", "{}", "[1]", "title: {{ x }}", "image: web\n"] {
            check(text, None);
        }
    }
}
