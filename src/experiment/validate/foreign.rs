//! Recognizes documents that are not experiments.

use crate::experiment::document::{SpannedKind, SpannedValue};

/// A document of another kind.
pub(super) struct ForeignDocument {
    /// What it is.
    pub name: String,
    pub hint: String,
}

/// Recognizes a document of another kind. A document with a method is an experiment.
pub(super) fn recognize(root: &SpannedValue) -> Option<ForeignDocument> {
    if root.get("method").is_some() {
        return None;
    }
    let text = |key: &str| root.get(key).and_then(SpannedValue::as_text);
    let has = |key: &str| root.get(key).is_some();
    let document =
        |name: &str, hint: &str| Some(ForeignDocument { name: name.to_owned(), hint: hint.to_owned() });
    if let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) {
        return Some(manifest(root, api_version, kind));
    }
    if let Some(name) = text("schema").and_then(|schema| schema.strip_prefix("kubectl-chaos/")) {
        let name = format!("a document of kubectl-chaos ({name})");
        return document(&name, "pass the experiment itself");
    }
    if has("chaoslib-version") || has("experiment") && has("run") {
        return document("a journal", "pass it to `kubectl chaos report`, or pass the experiment itself");
    }
    if has("jobs") && (has("on") || has("true")) {
        return document("a GitHub workflow", "pass the experiment that the workflow runs");
    }
    let SpannedKind::Map(entries) = &root.kind else { return None };
    let is_variables = entries.keys().all(|key| matches!(key.as_str(), "configuration" | "secrets"));
    if is_variables {
        return document("a variable file", "pass it with --var-file, beside an experiment");
    }
    None
}

fn manifest(root: &SpannedValue, api_version: &str, kind: &str) -> ForeignDocument {
    let group = api_version.split('/').next().unwrap_or_default();
    let (name, hint) = match (group, kind) {
        ("litmuschaos.io", _) => (
            format!("a {kind} of LitmusChaos"),
            "write the fault as an experiment: `kubectl chaos init`".to_owned(),
        ),
        ("chaos-mesh.org", _) => (
            format!("a {kind} of Chaos Mesh"),
            "create it in an experiment, with chaosk8s.crd.actions.create_custom_object".to_owned(),
        ),
        (_, "ConfigMap") if experiment_key(root).is_some() => (
            "a ConfigMap that contains an experiment".to_owned(),
            format!("save its entry '{}' as a file, and pass that", experiment_key(root).unwrap_or_default()),
        ),
        (_, kind) => (
            format!("a Kubernetes manifest of kind {kind}"),
            "apply it with kubectl; `kubectl chaos init` writes an experiment".to_owned(),
        ),
    };
    ForeignDocument { name, hint }
}

/// Returns the key of a `ConfigMap` whose text looks like an experiment.
fn experiment_key(root: &SpannedValue) -> Option<&str> {
    let SpannedKind::Map(entries) = &root.get("data")?.kind else { return None };
    let is_experiment = |node: &SpannedValue| {
        node.as_text().is_some_and(|text| text.contains("method") && text.contains("provider"))
    };
    entries.iter().find(|(_, entry)| is_experiment(&entry.value)).map(|(key, _)| key.as_str())
}
