//! Experiments: parsing, validation, and the model that the engine runs.
//!
//! A text becomes a [`document::Document`], values with positions. [`validate()`] finds all its errors, and
//! [`Experiment::read`] builds the model. [`resolve`] substitutes the placeholders of one activity.

pub mod configuration;
pub mod document;
mod document_kind;
mod extension;
mod hash;
pub mod json;
mod model;
pub mod resolve;
mod strategy;
mod validate;
pub mod yaml;
mod yaml_scalar;

use document::{Document, SpannedKind, SpannedValue};
use model::{NameList, list_items, reference_name};

use crate::diagnostic::Diagnostic;
use crate::value::{Map, Value};

pub use document_kind::DocumentKind;
pub use extension::ExperimentExtension;
pub use hash::{hash_experiment, variable_digests};
pub use model::{
    Activity, ActivityKind, ControlDeclaration, ControlSide, DeclarationError, MethodStep, ProviderKind,
    SAFEGUARDS, Tolerance,
};
pub use strategy::{DryRun, HypothesisStrategy, RollbackStrategy};
pub use validate::{
    DeferredNames, ProviderPosition, ProviderUsage, ValidationFinding, ValidationRules, validate,
};

/// An experiment that is ready to run.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The document as written.
    pub document: Value,
    /// The title, with placeholders.
    pub title: Value,
    /// The configuration as declared.
    pub configuration: Map,
    /// The secrets as declared.
    pub secrets: Map,
    /// The controls of the whole experiment.
    pub controls: Vec<ControlDeclaration>,
    /// The steady-state hypothesis.
    pub hypothesis: Option<Hypothesis>,
    pub method: Vec<MethodStep>,
    pub rollbacks: Vec<MethodStep>,
    /// The settings of kubectl-chaos in the extensions.
    pub extension: ExperimentExtension,
    /// The strategies in the document.
    pub runtime: Runtime,
}

/// The steady-state hypothesis. Without probes it is ignored.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    pub title: String,
    /// The probes in order; the first that is not met ends the check.
    pub probes: Vec<MethodStep>,
    pub controls: Vec<ControlDeclaration>,
}

/// The `runtime` of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// Whether it is present: if so, it hides the settings completely.
    pub present: bool,
    pub hypothesis: Option<String>,
    pub rollbacks: Option<String>,
}

impl Experiment {
    /// Builds an experiment from a document.
    ///
    /// It is lenient: an error that the Chaos Toolkit only finds at runtime stays, and fails at runtime.
    pub fn read(document: &Document) -> Result<Self, Diagnostic> {
        let root = &document.root;
        let refuse = |node: &SpannedValue, message: &str| {
            Err(Diagnostic::for_file(&document.source, message).at(node.position))
        };
        if !matches!(root.kind, SpannedKind::Map(_)) {
            return refuse(root, "an experiment must be a mapping");
        }
        let Some(title) = root.get("title").filter(|title| title.is_truthy()) else {
            return refuse(root, "experiment requires a title");
        };
        for key in ["method", "rollbacks"] {
            if let Some(node) = root.get(key).filter(|node| !matches!(node.kind, SpannedKind::List(_))) {
                return refuse(node, &format!("{key} must be a list of activities"));
            }
        }
        let hypothesis = root.get("steady-state-hypothesis");
        if let Some(node) = hypothesis.filter(|node| !matches!(node.kind, SpannedKind::Map(_))) {
            return refuse(node, "a steady-state-hypothesis must be a mapping");
        }
        let document = root.to_value();
        let controls = ControlDeclaration::read_all(&document, "", &[]);
        let probes = hypothesis.map(|node| list_items(node, "probes")).unwrap_or_default();
        let (method, rollbacks) = (list_items(root, "method"), list_items(root, "rollbacks"));
        let mut names = NameList::default();
        // activities are parsed again for references, so only if there is one
        if probes.iter().chain(method).chain(rollbacks).any(|node| reference_name(node).is_some()) {
            names.add(method, "/method", &controls);
            names.add(probes, PROBES_POINTER, &controls);
        }
        let map = |key: &str| {
            root.get(key).map(SpannedValue::to_value).and_then(|v| v.as_map().cloned()).unwrap_or_default()
        };
        Ok(Self {
            title: title.to_value(),
            configuration: map("configuration"),
            secrets: map("secrets"),
            hypothesis: hypothesis.map(|node| Hypothesis::read(node, &names, &controls)),
            method: MethodStep::read_all(method, "/method", &names, &controls),
            rollbacks: MethodStep::read_all(rollbacks, "/rollbacks", &names, &controls),
            extension: ExperimentExtension::read(&document),
            runtime: Runtime::read(root.get("runtime")),
            controls,
            document,
        })
    }

    /// Returns the modules of the called functions, and whether each call passes secrets.
    pub fn functions(&self) -> impl Iterator<Item = (&str, bool)> {
        self.activities().filter_map(|activity| {
            let module = activity.arguments.get("module").and_then(Value::as_text)?;
            let groups = activity.arguments.get("secrets").is_some_and(Value::is_truthy);
            let keys = groups || activity.has_secrets_argument();
            (activity.provider == Some(ProviderKind::Python)).then_some((module, keys))
        })
    }

    /// Returns the URLs of the http activities as written.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let http = self.activities().filter(|activity| activity.provider == Some(ProviderKind::Http));
        http.filter_map(|activity| activity.arguments.get("url").and_then(Value::as_text))
    }

    /// Returns every valid activity: probes of the hypothesis, method, rollbacks.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        let probes = self.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
        let steps = probes.chain(&self.method).chain(&self.rollbacks);
        steps.filter_map(|step| step.activity.as_deref().ok())
    }

    /// Returns the hypothesis if it has probes.
    pub fn checked_hypothesis(&self) -> Option<&Hypothesis> {
        self.hypothesis.as_ref().filter(|hypothesis| !hypothesis.probes.is_empty())
    }
}

/// The JSON pointer of the probes of the hypothesis.
const PROBES_POINTER: &str = "/steady-state-hypothesis/probes";

impl Hypothesis {
    fn read(node: &SpannedValue, names: &NameList, controls: &[ControlDeclaration]) -> Self {
        Self {
            title: node
                .get("title")
                .map_or_else(|| "None".to_owned(), |t| t.to_value().python_text().into_owned()),
            probes: MethodStep::read_all(list_items(node, "probes"), PROBES_POINTER, names, controls),
            controls: ControlDeclaration::read_all(&node.to_value(), "/steady-state-hypothesis", controls),
        }
    }
}

impl Runtime {
    fn read(node: Option<&SpannedValue>) -> Self {
        let name = |part: &str| {
            let strategy = node?.get(part)?.get("strategy")?;
            Some(strategy.to_value().python_text().into_owned())
        };
        Self {
            present: node.is_some_and(SpannedValue::is_truthy),
            hypothesis: name("hypothesis"),
            rollbacks: name("rollbacks"),
        }
    }
}
