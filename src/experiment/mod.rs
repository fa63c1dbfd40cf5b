//! The experiment: read from text, checked, and given its meaning. Floor 0.
//!
//! A text becomes a [`document::Document`] (values with places), [`validate`] finds all its faults, and
//! [`Experiment::read`] makes of it what the engine runs. [`resolve`] fills the placeholders of one activity.

mod activity;
pub mod configuration;
mod control;
pub mod document;
mod extension;
mod hash;
pub mod json;
pub mod resolve;
mod strategy;
mod tolerance;
mod validate;
pub mod yaml;
mod yaml_scalar;

use activity::{NameList, list_items, reference_name};
use document::{Document, SpannedKind, SpannedValue};

use crate::diagnostic::Diagnostic;
use crate::value::{Map, Value};

pub use activity::{Activity, ActivityKind, MethodStep, ProviderKind};
pub use control::{ControlDeclaration, ControlSide, SAFEGUARDS};
pub use extension::ExperimentExtension;
pub use hash::{hash_experiment, variable_digests};
pub use strategy::{DryRun, HypothesisStrategy, RollbackStrategy};
pub use tolerance::Tolerance;
pub use validate::{ProviderUsage, ValidationFinding, ValidationRules, validate};

/// An experiment, ready to run.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// As it was written.
    pub document: Value,
    /// Its title, to be filled.
    pub title: Value,
    /// Its configuration, as declared.
    pub configuration: Map,
    /// Its secrets, as declared.
    pub secrets: Map,
    /// The controls of the experiment as a whole.
    pub controls: Vec<ControlDeclaration>,
    /// What has to hold, when something has to.
    pub hypothesis: Option<Hypothesis>,
    /// What is done.
    pub method: Vec<MethodStep>,
    /// What is done to put things back.
    pub rollbacks: Vec<MethodStep>,
    /// What our own extension of the format says.
    pub extension: ExperimentExtension,
    /// The strategies that the file asks for.
    pub runtime: Runtime,
}

/// The steady-state hypothesis. One without probes counts as none.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    /// Its title.
    pub title: String,
    /// Its probes, in order; the first that is not met ends it.
    pub probes: Vec<MethodStep>,
    /// Its own controls.
    pub controls: Vec<ControlDeclaration>,
}

/// What stands under `runtime`.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// Whether there is anything: it hides what the settings say, even where it says nothing itself.
    pub present: bool,
    /// The hypothesis strategy, by name.
    pub hypothesis: Option<String>,
    /// The rollback strategy, by name.
    pub rollbacks: Option<String>,
}

impl Experiment {
    /// Makes an experiment of a document. It is lenient: what [`validate`] would refuse and the Chaos Toolkit
    /// only meets when it runs is kept, and fails when it runs. What cannot even start is refused.
    pub fn read(document: &Document) -> Result<Self, Diagnostic> {
        let root = &document.root;
        let refuse = |node: &SpannedValue, message: &str| {
            Err(Diagnostic::for_file(&document.source, message).at(node.position))
        };
        if !matches!(root.kind, SpannedKind::Map(_)) {
            return refuse(root, "an experiment is a mapping");
        }
        let Some(title) = root.get("title").filter(|title| title.is_truthy()) else {
            return refuse(root, "experiment requires a title");
        };
        for key in ["method", "rollbacks"] {
            if let Some(node) = root.get(key).filter(|node| !matches!(node.kind, SpannedKind::List(_))) {
                return refuse(node, &format!("{key} is a list of activities"));
            }
        }
        let hypothesis = root.get("steady-state-hypothesis");
        if let Some(node) = hypothesis.filter(|node| !matches!(node.kind, SpannedKind::Map(_))) {
            return refuse(node, "a steady-state-hypothesis is a mapping");
        }
        let document = root.to_value();
        let controls = ControlDeclaration::read_all(&document, "", &[]);
        let probes = hypothesis.map(|node| list_items(node, "probes")).unwrap_or_default();
        let (method, rollbacks) = (list_items(root, "method"), list_items(root, "rollbacks"));
        let mut names = NameList::default();
        // each is read once more for them, so only where one is asked for
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

    /// The modules of the functions that it calls, and whether secrets of their own go with each.
    pub fn functions(&self) -> impl Iterator<Item = (&str, bool)> {
        self.activities().filter_map(|activity| {
            let module = activity.arguments.get("module").and_then(Value::as_text)?;
            let keys = activity.arguments.get("secrets").is_some_and(Value::is_truthy);
            (activity.provider == Some(ProviderKind::Python)).then_some((module, keys))
        })
    }

    /// The addresses that it sends requests to, as written.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let http = self.activities().filter(|activity| activity.provider == Some(ProviderKind::Http));
        http.filter_map(|activity| activity.arguments.get("url").and_then(Value::as_text))
    }

    /// Every step that can be carried out: probes of the hypothesis, the method, the rollbacks.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        let probes = self.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
        let steps = probes.chain(&self.method).chain(&self.rollbacks);
        steps.filter_map(|step| step.activity.as_deref().ok())
    }

    /// The hypothesis, when it has anything to look at.
    pub fn checked_hypothesis(&self) -> Option<&Hypothesis> {
        self.hypothesis.as_ref().filter(|hypothesis| !hypothesis.probes.is_empty())
    }
}

/// Where the probes of the hypothesis stand.
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
