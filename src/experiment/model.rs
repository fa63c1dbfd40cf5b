//! The model of activities, their controls and their tolerances.
//!
//! The three are mutually recursive: an activity has controls, and a tolerance can be a probe. Placeholders are not
//! substituted here; [`super::resolve`] does that.
//!
//! Verbatim: chaostoolkit-lib 1.45 (message about references)

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::document::{SpannedKind, SpannedValue, pointer_token};
use crate::value::{Map, Value};

/// Whether an activity reads or changes the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// Changes the system.
    Action,
    /// Reads the system.
    Probe,
}

impl ActivityKind {
    /// Returns the kind with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Action, Self::Probe].into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Probe => "probe",
        }
    }
}

/// Formats the kind for the console.
impl fmt::Display for ActivityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Action => "Action",
            Self::Probe => "Probe",
        })
    }
}

/// The provider that executes an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// A process on this machine.
    Process,
    /// An HTTP request.
    Http,
    /// A built-in function with the name of a Python function.
    Python,
}

impl ProviderKind {
    pub const ALL: [Self; 3] = [Self::Python, Self::Process, Self::Http];

    /// Returns the kind with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Http => "http",
            Self::Python => "python",
        }
    }
}

/// Error of the declaration of an activity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    #[error("could not find referenced activity '{0}'")]
    UnknownReference(String),
    #[error("a reference is not an activity")]
    IsReference,
    #[error("the activity at {at} has no type")]
    MissingType { at: String },
    #[error("pauses must be a mapping, not {kind}")]
    InvalidPauses { kind: &'static str },
}

/// An activity as declared, with placeholders.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The document as written, for the journal.
    pub document: Arc<Value>,
    /// The JSON pointer in the experiment.
    pub at: String,
    pub kind: ActivityKind,
    pub name: String,
    /// The provider; `None` if it is unknown and validation was skipped.
    pub provider: Option<ProviderKind>,
    /// The keys of the provider as written.
    pub arguments: Map,
    /// The pauses as written; an error if they are not a mapping.
    pub pauses: Result<Option<Map>, DeclarationError>,
    pub background: bool,
    /// Whether it has a `dry` key, which excludes it from every dry run.
    pub ignores_dry: bool,
    /// Whether it has a `tolerance` key with any value.
    pub has_tolerance: bool,
    pub controls: Vec<ControlDeclaration>,
}

/// A step of a sequence of activities: an activity, or a reference to one.
#[derive(Clone, Debug)]
pub struct MethodStep {
    /// The JSON pointer in the experiment.
    pub at: String,
    /// The name at this place; a reference has none.
    pub name: Option<String>,
    /// Whether this place sets `background`.
    pub background: bool,
    /// The tolerance at this place, not that of a referenced activity.
    pub tolerance: Tolerance,
    /// The activity, or the error.
    pub activity: Result<Arc<Activity>, DeclarationError>,
}

/// The activities that references can name: those of the method and the hypothesis; the latter take precedence.
#[derive(Default)]
pub(super) struct NameList(HashMap<String, Arc<Activity>>);

impl NameList {
    pub(super) fn add(&mut self, nodes: &[SpannedValue], pointer: &str, controls: &[ControlDeclaration]) {
        for (index, node) in nodes.iter().enumerate() {
            if let Ok(activity) = Activity::read(node, &format!("{pointer}/{index}"), controls) {
                self.0.insert(activity.name.clone(), Arc::new(activity));
            }
        }
    }
}

impl MethodStep {
    pub(super) fn read_all(
        nodes: &[SpannedValue],
        pointer: &str,
        names: &NameList,
        controls: &[ControlDeclaration],
    ) -> Vec<Self> {
        let read = |(index, node)| Self::read(node, format!("{pointer}/{index}"), names, controls);
        nodes.iter().enumerate().map(read).collect()
    }

    fn read(node: &SpannedValue, pointer: String, names: &NameList, controls: &[ControlDeclaration]) -> Self {
        let activity = match reference_name(node) {
            Some(name) => {
                names.0.get(name).cloned().ok_or_else(|| DeclarationError::UnknownReference(name.to_owned()))
            }
            None => Activity::read(node, &pointer, controls).map(|read| {
                // share the object that references use
                match names.0.get(&read.name) {
                    Some(declared) if declared.at == pointer => Arc::clone(declared),
                    _ => Arc::new(read),
                }
            }),
        };
        Self {
            name: node.get("name").map(|name| name.to_value().python_text().into_owned()),
            background: node.get("background").is_some_and(SpannedValue::is_truthy),
            tolerance: node.get("tolerance").map_or(Tolerance::Absent, |t| {
                Tolerance::read(&t.to_value(), &format!("{pointer}/tolerance"))
            }),
            activity,
            at: pointer,
        }
    }
}

/// Returns the name in a reference; none if the object is not a reference.
pub(super) fn reference_name(node: &SpannedValue) -> Option<&str> {
    node.get("ref").and_then(SpannedValue::as_text).filter(|name| !name.is_empty())
}

impl Activity {
    /// Reads an activity leniently: errors of its provider occur at runtime.
    fn read(
        node: &SpannedValue,
        pointer: &str,
        controls: &[ControlDeclaration],
    ) -> Result<Self, DeclarationError> {
        if reference_name(node).is_some() {
            return Err(DeclarationError::IsReference);
        }
        Self::from_document(Arc::new(node.to_value()), pointer, controls)
    }

    /// Returns the name by which references find an activity.
    pub(super) fn name_of(node: &SpannedValue) -> Option<String> {
        let is_activity =
            matches!(node.get("type").and_then(SpannedValue::as_text), Some("action" | "probe"));
        let name = || {
            node.get("name").map_or_else(|| "None".to_owned(), |n| n.to_value().python_text().into_owned())
        };
        (is_activity && reference_name(node).is_none()).then(name)
    }

    /// Returns whether the arguments of a function have secrets, which it takes like those of a group.
    pub fn has_secrets_argument(&self) -> bool {
        let secrets = self.arguments.get("arguments").and_then(|arguments| arguments.get("secrets"));
        // the value of a placeholder may have them
        let is_filled =
            self.arguments.get("arguments").is_some_and(|arguments| arguments.as_text().is_some());
        is_filled || secrets.is_some_and(Value::is_truthy)
    }

    /// Reads an activity from a value, such as a tolerance or a dynamic configuration.
    pub(crate) fn from_value(
        document: &Value,
        pointer: &str,
        controls: &[ControlDeclaration],
    ) -> Result<Self, DeclarationError> {
        Self::from_document(Arc::new(document.clone()), pointer, controls)
    }

    fn from_document(
        document: Arc<Value>,
        pointer: &str,
        controls: &[ControlDeclaration],
    ) -> Result<Self, DeclarationError> {
        let kind = match document.get("type").and_then(Value::as_text) {
            Some("action") => ActivityKind::Action,
            Some("probe") => ActivityKind::Probe,
            _ => return Err(DeclarationError::MissingType { at: pointer.to_owned() }),
        };
        let provider = document.get("provider");
        let kind_name = provider.and_then(|p| p.get("type")).and_then(Value::as_text);
        Ok(Self {
            at: pointer.to_owned(),
            kind,
            name: document.get("name").map_or_else(|| "None".to_owned(), |n| n.python_text().into_owned()),
            provider: kind_name.and_then(ProviderKind::from_name),
            arguments: provider.and_then(Value::as_map).cloned().unwrap_or_default(),
            pauses: match document.get("pauses") {
                None => Ok(None),
                Some(Value::Map(pauses)) => Ok(Some(pauses.clone())),
                Some(other) => Err(DeclarationError::InvalidPauses { kind: other.kind() }),
            },
            background: document.get("background").is_some_and(Value::is_truthy),
            ignores_dry: document.get("dry").is_some(),
            has_tolerance: document.get("tolerance").is_some(),
            controls: ControlDeclaration::read_all(&document, pointer, controls),
            document,
        })
    }
}

/// Returns the items of the list at `key`; empty for another type.
pub(super) fn list_items<'a>(node: &'a SpannedValue, key: &str) -> &'a [SpannedValue] {
    match node.get(key).map(|n| &n.kind) {
        Some(SpannedKind::List(items)) => items,
        _ => &[],
    }
}

/// Appends a key to a JSON pointer.
pub(super) fn child_pointer(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", pointer_token(key))
}

/// The module of the safeguards; its arguments are probes.
pub const SAFEGUARDS: &str = "chaosaddons.controls.safeguards";

/// When a control applies, relative to its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlSide {
    Before,
    After,
}

/// A declared control.
#[derive(Clone, Debug)]
pub struct ControlDeclaration {
    /// The JSON pointer in the experiment; in the settings or a control file, the name.
    pub at: String,
    pub name: String,
    /// When it applies; before and after if none.
    pub scope: Option<ControlSide>,
    /// Whether a control of the experiment also applies to its activities.
    pub automatic: bool,
    /// The Python module that implements it.
    pub module: Option<String>,
    /// The arguments, with placeholders.
    pub arguments: Map,
}

impl ControlDeclaration {
    /// Reads the list at `controls`; references are replaced by the controls in `known`.
    pub(super) fn read_all(parent: &Value, pointer: &str, known: &[ControlDeclaration]) -> Vec<Self> {
        let declared = parent.get("controls").and_then(Value::as_list).unwrap_or_default();
        let read = |(index, value): (usize, &Value)| match value.get("ref").and_then(Value::as_text) {
            Some(name) => known.iter().find(|control| control.name == name).cloned(),
            None => Some(Self::read(
                value,
                child_pointer(&child_pointer(pointer, "controls"), &index.to_string()),
            )),
        };
        declared.iter().enumerate().filter_map(read).collect()
    }

    /// Reads a mapping of controls by name, as in settings and control files.
    pub fn read_named(controls: &Map) -> Vec<Self> {
        let read =
            |(name, value): (&String, &Value)| Self { name: name.clone(), ..Self::read(value, name.clone()) };
        controls.iter().map(read).collect()
    }

    fn read(value: &Value, pointer: String) -> Self {
        let provider = value.get("provider");
        let text = |key: &str| provider.and_then(|p| p.get(key)).and_then(Value::as_text);
        Self {
            at: pointer,
            name: value.get("name").map(|n| n.python_text().into_owned()).unwrap_or_default(),
            scope: match value.get("scope").and_then(Value::as_text) {
                Some("before") => Some(ControlSide::Before),
                Some("after") => Some(ControlSide::After),
                _ => None,
            },
            automatic: value.get("automatic").is_none_or(Value::is_truthy),
            module: text("type").filter(|t| *t == "python").and(text("module")).map(str::to_owned),
            arguments: provider
                .and_then(|p| p.get("arguments"))
                .and_then(Value::as_map)
                .cloned()
                .unwrap_or_default(),
        }
    }
}

/// The types of tolerances that are mappings.
pub(super) const TOLERANCE_TYPES: [&str; 4] = ["probe", "regex", "jsonpath", "range"];

/// A tolerance as written.
#[derive(Clone, Debug)]
pub enum Tolerance {
    /// No tolerance: no value satisfies it.
    Absent,
    /// An unsupported form: no value satisfies it.
    Unsupported,
    /// The value itself.
    Bool(bool),
    /// The value itself, or the status of a process or a response.
    Int(i128),
    /// The value itself. Placeholders are substituted first; the result decides the kind of tolerance.
    Text(String),
    /// A range of two values, or a set; for a status always a set.
    List(Vec<Value>),
    /// A pattern that the value, or one of its entries, contains.
    Regex {
        /// The pattern, with placeholders.
        pattern: Value,
        /// The entry to check.
        target: Option<String>,
    },
    /// A path that selects nodes of the value, or of one of its entries.
    JsonPath {
        /// The path, with placeholders.
        path: Value,
        /// The entry to check.
        target: Option<String>,
        /// The expected number of matches.
        count: Option<Value>,
        /// The expected matches, with placeholders; takes precedence over the count.
        expect: Option<Value>,
    },
    /// An inclusive range of numbers for the value, or for one of its entries.
    Range {
        bounds: Vec<Value>,
        /// The entry to check.
        target: Option<String>,
    },
    /// A probe that checks the value.
    Probe(Result<Box<Activity>, DeclarationError>),
}

impl Tolerance {
    /// Reads the value of `tolerance`.
    pub fn read(value: &Value, pointer: &str) -> Self {
        match value {
            Value::Null | Value::Float(_) => Self::Unsupported,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::Int(*i),
            Value::Text(t) => Self::Text(t.clone()),
            Value::List(l) => Self::List(l.clone()),
            Value::Map(entries) => {
                let target = entries.get("target").and_then(Value::as_text).map(str::to_owned);
                let entry = |key: &str| entries.get(key).cloned();
                match entries.get("type").and_then(Value::as_text) {
                    Some("regex") => Self::Regex { pattern: entry("pattern").unwrap_or_default(), target },
                    Some("jsonpath") => Self::JsonPath {
                        path: entry("path").unwrap_or_default(),
                        target,
                        count: entry("count").filter(|count| *count != Value::Null),
                        expect: entry("expect"),
                    },
                    Some("range") => Self::Range {
                        bounds: entry("range")
                            .and_then(|r| r.as_list().map(<[_]>::to_vec))
                            .unwrap_or_default(),
                        target,
                    },
                    Some("probe") => Self::Probe(Activity::from_value(value, pointer, &[]).map(Box::new)),
                    _ => Self::Unsupported,
                }
            }
        }
    }
}
