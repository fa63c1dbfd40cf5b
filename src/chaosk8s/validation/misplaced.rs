//! Arguments under another name, or at another place.

use crate::chaosk8s::catalogue::Function;
use crate::experiment::ValidationFinding;
use crate::value::{Map, Value};

/// Names that users write, and the names of the arguments.
const RENAMED: &[(&str, &str)] = &[
    ("name", "name_pattern"),
    ("namespace", "ns"),
    ("label", "label_selector"),
    ("labels", "label_selector"),
    ("selector", "label_selector"),
    ("label_selector", "label_selectors"),
    ("quantity", "qty"),
    ("count", "qty"),
    ("qty", "count"),
    ("number", "qty"),
    ("command", "cmd"),
    ("container", "container_name"),
    ("count", "replicas"),
    ("replica_count", "replicas"),
    ("deployment", "name"),
    ("deployment_name", "name"),
    ("node", "name"),
    ("node_name", "name"),
    ("service_name", "name"),
];

/// Returns the hint for an argument that has another name in this function.
pub(super) fn renamed_argument(function: &Function, name: &str, value: &Value) -> Option<String> {
    let takes = |name: &str| function.arguments.iter().any(|argument| argument.name == name);
    let (_, other) = RENAMED.iter().find(|(from, to)| *from == name && takes(to))?;
    match (*other, value.as_text()) {
        ("name_pattern", Some(value)) => Some(format!("use \"name_pattern\": \"^{}$\"", escape(value))),
        (other, _) => Some(format!("use \"{other}\"")),
    }
}

/// Escapes the characters of a name that are special in a pattern.
fn escape(name: &str) -> String {
    name.replace('.', "\\\\.")
}

/// Finds arguments of a function beside `arguments`, where they have no effect.
pub(super) fn find_arguments(function: &Function, provider: &Map) -> Vec<ValidationFinding> {
    let arguments = function.arguments.iter().map(|argument| argument.name);
    let misplaced = arguments.filter(|name| provider.contains_key(*name));
    misplaced
        .map(|name| {
            let message = format!("argument \"{name}\" has no effect outside \"arguments\"");
            let hint = format!("move it into the arguments: \"arguments\": {{…, \"{name}\": …}}");
            ValidationFinding::at(name, message).hint(hint).doubtful()
        })
        .collect()
}
