//! Activities: what the method, the rollbacks and the hypothesis are made of. Floor 0.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::control::ControlDeclaration;
use super::document::{SpannedKind, SpannedValue, pointer_token};
use super::tolerance::Tolerance;
use crate::value::{Map, Value};

/// Whether an activity looks or acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// It changes something.
    Action,
    /// It looks at something.
    Probe,
}

impl ActivityKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Action, Self::Probe].into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Probe => "probe",
        }
    }
}

/// As the console shows it.
impl fmt::Display for ActivityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Action => "Action",
            Self::Probe => "Probe",
        })
    }
}

/// How an activity is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// A process on this machine.
    Process,
    /// An HTTP request.
    Http,
    /// A function of a Python module; here, one that is built in under the same name.
    Python,
}

impl ProviderKind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Python, Self::Process, Self::Http];

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Http => "http",
            Self::Python => "python",
        }
    }
}

/// An activity as declared; placeholders in it are not filled yet.
#[derive(Clone, Debug)]
pub struct Activity {
    /// As it was written; the journal shows it so.
    pub document: Arc<Value>,
    /// Where in the experiment: a JSON pointer.
    pub at: String,
    /// Whether it looks or acts.
    pub kind: ActivityKind,
    /// Its name.
    pub name: String,
    /// How it is carried out; `None` when the file names no provider that exists (validation was off).
    pub provider: Option<ProviderKind>,
    /// The provider's keys, as written.
    pub arguments: Map,
    /// The pauses, as written; `Ok(None)` when there are none, an error when they are no mapping.
    pub pauses: Result<Option<Map>, String>,
    /// Whether it says that it runs in the background.
    pub background: bool,
    /// Whether it has a `dry` key of its own, which takes it out of every dry run.
    pub ignores_dry: bool,
    /// Whether it has a `tolerance` key, whatever its value.
    pub has_tolerance: bool,
    /// Its own controls.
    pub controls: Vec<ControlDeclaration>,
}

/// One place in a sequence of activities: an activity, or a reference to one.
#[derive(Clone, Debug)]
pub struct MethodStep {
    /// Where in the experiment: a JSON pointer.
    pub at: String,
    /// The name written here; a reference has none.
    pub name: Option<String>,
    /// Whether what is written here asks for the background.
    pub background: bool,
    /// The tolerance written here, not the one of a referred activity.
    pub tolerance: Tolerance,
    /// What to do, or why nothing can be done.
    pub activity: Result<Arc<Activity>, String>,
}

/// The activities that references can name: those of the method, then the hypothesis's, which win.
#[derive(Default)]
pub(super) struct NameList(HashMap<String, Arc<Activity>>);

impl NameList {
    pub(super) fn add(&mut self, nodes: &[SpannedValue], at: &str, controls: &[ControlDeclaration]) {
        for (index, node) in nodes.iter().enumerate() {
            if let Ok(activity) = Activity::read(node, &format!("{at}/{index}"), controls) {
                self.0.insert(activity.name.clone(), Arc::new(activity));
            }
        }
    }
}

impl MethodStep {
    pub(super) fn read_all(
        nodes: &[SpannedValue],
        at: &str,
        names: &NameList,
        controls: &[ControlDeclaration],
    ) -> Vec<Self> {
        let read = |(index, node)| Self::read(node, format!("{at}/{index}"), names, controls);
        nodes.iter().enumerate().map(read).collect()
    }

    fn read(node: &SpannedValue, at: String, names: &NameList, controls: &[ControlDeclaration]) -> Self {
        let activity = match reference_name(node) {
            Some(name) => names
                .0
                .get(name)
                .cloned()
                .ok_or_else(|| format!("could not find referenced activity '{name}'")),
            None => Activity::read(node, &at, controls).map(|read| {
                // the same object that references lead to, where it is the one they lead to
                match names.0.get(&read.name) {
                    Some(known) if known.at == at => Arc::clone(known),
                    _ => Arc::new(read),
                }
            }),
        };
        Self {
            name: node.get("name").map(|name| name.to_value().python_text().into_owned()),
            background: node.get("background").is_some_and(SpannedValue::is_truthy),
            tolerance: node
                .get("tolerance")
                .map_or(Tolerance::Absent, |t| Tolerance::read(&t.to_value(), &format!("{at}/tolerance"))),
            activity,
            at,
        }
    }
}

/// The name that an object refers to, if it refers at all.
pub(super) fn reference_name(node: &SpannedValue) -> Option<&str> {
    node.get("ref").and_then(SpannedValue::as_text).filter(|name| !name.is_empty())
}

impl Activity {
    /// Reads a first-class activity, leniently: what is wrong with its provider shows when it runs.
    fn read(node: &SpannedValue, at: &str, controls: &[ControlDeclaration]) -> Result<Self, String> {
        if reference_name(node).is_some() {
            return Err("a reference is no activity of its own".to_owned());
        }
        Self::from_document(Arc::new(node.to_value()), at, controls)
    }

    /// The name that references find a first-class activity by.
    pub(super) fn name_of(node: &SpannedValue) -> Option<String> {
        let known = matches!(node.get("type").and_then(SpannedValue::as_text), Some("action" | "probe"));
        let name = || {
            node.get("name").map_or_else(|| "None".to_owned(), |n| n.to_value().python_text().into_owned())
        };
        (known && reference_name(node).is_none()).then(name)
    }

    /// The same from a plain value, such as a tolerance or a dynamic configuration that is an activity.
    pub(crate) fn from_value(
        document: &Value,
        at: &str,
        controls: &[ControlDeclaration],
    ) -> Result<Self, String> {
        Self::from_document(Arc::new(document.clone()), at, controls)
    }

    fn from_document(
        document: Arc<Value>,
        at: &str,
        controls: &[ControlDeclaration],
    ) -> Result<Self, String> {
        let kind = match document.get("type").and_then(Value::as_text) {
            Some("action") => ActivityKind::Action,
            Some("probe") => ActivityKind::Probe,
            _ => return Err(format!("the activity at {at} has no type")),
        };
        let provider = document.get("provider");
        let kind_name = provider.and_then(|p| p.get("type")).and_then(Value::as_text);
        Ok(Self {
            at: at.to_owned(),
            kind,
            name: document.get("name").map_or_else(|| "None".to_owned(), |n| n.python_text().into_owned()),
            provider: kind_name.and_then(ProviderKind::from_name),
            arguments: provider.and_then(Value::as_map).cloned().unwrap_or_default(),
            pauses: match document.get("pauses") {
                None => Ok(None),
                Some(Value::Map(pauses)) => Ok(Some(pauses.clone())),
                Some(other) => Err(format!("pauses are a mapping, not {}", other.kind())),
            },
            background: document.get("background").is_some_and(Value::is_truthy),
            ignores_dry: document.get("dry").is_some(),
            has_tolerance: document.get("tolerance").is_some(),
            controls: ControlDeclaration::read_all(&document, at, controls),
            document,
        })
    }
}

/// The items of a list under `key`, and none for anything else.
pub(super) fn list_items<'a>(node: &'a SpannedValue, key: &str) -> &'a [SpannedValue] {
    match node.get(key).map(|n| &n.kind) {
        Some(SpannedKind::List(items)) => items,
        _ => &[],
    }
}

/// The pointer of an entry.
pub(super) fn child_pointer(at: &str, key: &str) -> String {
    format!("{at}/{}", pointer_token(key))
}
