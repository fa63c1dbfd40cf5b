//! Controls as declared: what watches, and may stop, a run. Floor 0.

use super::activity::child_pointer;
use crate::value::{Map, Value};

/// The module of the safeguards, whose arguments are probes.
pub const SAFEGUARDS: &str = "chaosaddons.controls.safeguards";

/// On which side of its level a control is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlSide {
    /// Before.
    Before,
    /// After.
    After,
}

/// One declared control.
#[derive(Clone, Debug)]
pub struct ControlDeclaration {
    /// Where in the experiment: a JSON pointer; in the settings or a control file, its name.
    pub at: String,
    /// Its name.
    pub name: String,
    /// The one side it is applied on; both without.
    pub scope: Option<ControlSide>,
    /// Whether one of the experiment applies to all levels below.
    pub automatic: bool,
    /// The Python module that implements it, when it has one.
    pub module: Option<String>,
    /// Its arguments, to be filled.
    pub arguments: Map,
}

impl ControlDeclaration {
    /// The controls of a list under `controls`; references are replaced by what they refer to in `known`.
    pub(super) fn read_all(parent: &Value, at: &str, known: &[ControlDeclaration]) -> Vec<Self> {
        let declared = parent.get("controls").and_then(Value::as_list).unwrap_or_default();
        let read = |(index, value): (usize, &Value)| match value.get("ref").and_then(Value::as_text) {
            Some(name) => known.iter().find(|control| control.name == name).cloned(),
            None => {
                Some(Self::read(value, child_pointer(&child_pointer(at, "controls"), &index.to_string())))
            }
        };
        declared.iter().enumerate().filter_map(read).collect()
    }

    /// Controls of a mapping by name, as settings and control files have them.
    pub fn read_named(controls: &Map) -> Vec<Self> {
        let read =
            |(name, value): (&String, &Value)| Self { name: name.clone(), ..Self::read(value, name.clone()) };
        controls.iter().map(read).collect()
    }

    fn read(value: &Value, at: String) -> Self {
        let provider = value.get("provider");
        let text = |key: &str| provider.and_then(|p| p.get(key)).and_then(Value::as_text);
        Self {
            at,
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
