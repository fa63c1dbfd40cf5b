//! The command `discover`: lists the built-in functions.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::table::{Table, TableArgs, TableFormat, TableRow};
use crate::app::new_run_id;
use crate::chaosk8s::catalogue::{Argument, Function, functions};
use crate::chaosk8s::to_json;
use crate::clock::Timestamp;
use crate::diagnostic::suggestion;
use crate::error_code::{Coded, ErrorCode};

/// The Chaos Toolkit package whose functions are built in, and its version.
const PACKAGE: (&str, &str) = ("chaostoolkit-kubernetes", "0.39.0");
const MODULE_PREFIX: &str = "chaosk8s.";

/// `discover`.
#[derive(Args, Clone, Debug)]
pub(super) struct DiscoverArgs {
    /// Function, module, or package; only the package chaostoolkit-kubernetes is built in
    #[arg(value_name = "FUNCTION", default_value = PACKAGE.0)]
    what: String,
    #[command(flatten)]
    list: TableArgs,
}

/// Why no function was found.
#[derive(Debug, thiserror::Error)]
enum DiscoverError {
    #[error("cannot list the functions of package {0}: only the package {package} is built in", package = PACKAGE.0)]
    Package(String),
    #[error("unknown function or module \"{what}\"")]
    Unknown { what: String, similar: Option<String> },
}

impl Coded for DiscoverError {
    fn code(&self) -> ErrorCode {
        ErrorCode::UsageInvalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Package(_) => {
                Some("Python packages cannot be loaded; use process or http providers".to_owned())
            }
            Self::Unknown { similar: Some(similar), .. } => Some(similar.clone()),
            Self::Unknown { .. } => Some("run `kubectl chaos discover` to list all functions".to_owned()),
        }
    }
}

/// Lists functions, or describes a single one. Returns the exit code.
pub(super) fn discover(session: &CommandContext, args: &DiscoverArgs) -> u8 {
    let matches = match find_functions(&args.what) {
        Ok(matches) => matches,
        Err(error) => return session.fail(error),
    };
    let text = match matches.as_slice() {
        [only] if args.list.output == TableFormat::Table && args.what != PACKAGE.0 => describe(only),
        _ => args.list.write(to_table(&matches), || to_document(&matches)),
    };
    session.answer(&text)
}

/// Returns the names of functions and modules, with descriptions.
pub(super) fn names() -> impl Iterator<Item = (String, String)> {
    let listed = || functions().filter(|function| function.listed);
    let mut seen = std::collections::BTreeSet::new();
    let names = listed().map(|function| (function.name.to_owned(), function.about.to_owned()));
    let modules = listed().map(|function| (function.module.to_owned(), "module".to_owned()));
    let mut all: Vec<_> = names.chain(modules).collect();
    all.retain(|(word, _)| seen.insert(word.clone()));
    all.into_iter()
}

/// Finds functions by package, full name, name, or module prefix.
fn find_functions(what: &str) -> Result<Vec<Function>, DiscoverError> {
    let listed = || functions().filter(|function| function.listed);
    if what == PACKAGE.0 {
        return Ok(listed().collect());
    }
    let whole = |function: &Function| format!("{}.{}", function.module, function.name);
    if let Some(only) = functions().find(|function| whole(function) == what) {
        return Ok(vec![only]);
    }
    let below = |module: &str, above: &str| {
        module.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let matches: Vec<Function> = listed()
        .filter(|function| {
            let short = function.module.strip_prefix(MODULE_PREFIX).unwrap_or(function.module);
            function.name == what || below(function.module, what) || below(short, what)
        })
        .collect();
    if !matches.is_empty() {
        return Ok(matches);
    }
    // unlisted functions exist only for old experiments
    if let Some(old) = functions().find(|function| function.name == what) {
        return Ok(vec![old]);
    }
    let words: Vec<String> = names().map(|(word, _)| word).collect();
    let is_package = what.starts_with("chaostoolkit");
    let similar = suggestion(what, words.iter().map(String::as_str));
    Err(match similar {
        _ if is_package => DiscoverError::Package(what.to_owned()),
        similar => DiscoverError::Unknown { what: what.to_owned(), similar },
    })
}

/// Returns the functions as a table.
fn to_table(matches: &[Function]) -> Table {
    let line = |function: &Function| TableRow {
        name: format!("{}.{}", function.module, function.name),
        cells: vec![type_name(function).to_owned(), function.name.to_owned(), function.module.to_owned()],
        wide_cells: vec![format_arguments(function), function.permissions().join(", ")],
    };
    Table {
        heads: &["TYPE", "NAME", "MODULE"],
        wide_heads: &["ARGUMENTS", "PERMISSIONS"],
        lines: matches.iter().map(line).collect(),
    }
}

fn type_name(function: &Function) -> &'static str {
    if function.is_action { "action" } else { "probe" }
}

fn format_arguments(function: &Function) -> String {
    let argument = |argument: &Argument| match argument.default.value() {
        None => argument.name.to_owned(),
        Some(default) => format!("{}={}", argument.name, to_json(&default)),
    };
    function.arguments.iter().map(argument).collect::<Vec<_>>().join(", ")
}

/// Describes a function: signature, purpose, permissions.
fn describe(function: &Function) -> String {
    let Function { module, name, about, .. } = function;
    let mut text = format!("{:<7} {module}.{name}({})\n", type_name(function), format_arguments(function));
    text += &format!("        {about}\n");
    if let Some(other) = function.deprecated_for {
        text += &format!("        deprecated: use {other}\n");
    }
    let permissions = function.permissions();
    if !permissions.is_empty() {
        text += &format!("        permissions: {}\n", permissions.join(", "));
    }
    text
}

/// Returns the document that the Chaos Toolkit writes, with permissions added.
fn to_document(matches: &[Function]) -> Json {
    let activities: Vec<Json> = matches.iter().map(activity_document).collect();
    json!({
        "chaoslib_version": crate::journal::CHAOSLIB_VERSION,
        "id": new_run_id(),
        "target": "kubernetes",
        "date": Timestamp::now().iso(),
        "platform": {"system": std::env::consts::OS, "machine": std::env::consts::ARCH},
        "extension": {"name": PACKAGE.0, "version": PACKAGE.1},
        "activities": activities,
        "system": null,
    })
}

fn activity_document(function: &Function) -> Json {
    let argument = |argument: &Argument| {
        let mut entry = json!({"name": argument.name, "type": argument.kind.portable()});
        if let Some(default) = argument.default.value() {
            entry["default"] = to_json(&default);
        }
        entry
    };
    let secrets = json!({"name": "secrets", "type": "mapping", "default": null});
    let arguments: Vec<Json> = function.arguments.iter().map(argument).chain([secrets]).collect();
    let mut entry = json!({
        "type": type_name(function),
        "name": function.name,
        "mod": function.module,
        "doc": function.about,
        "arguments": arguments,
        "permissions": function.permissions(),
    });
    if let Some(kind) = function.gives {
        entry["return_type"] = kind.portable().into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name_and_module() {
        let check = |what: &str, count: usize, first: &str| {
            let matches = find_functions(what).unwrap();
            let name = format!("{}.{}", matches[0].module, matches[0].name);
            assert_eq!((matches.len(), name.as_str()), (count, first), "{what}");
        };
        let kill = "chaosk8s.pod.actions.terminate_pods";
        check("terminate_pods", 1, kill);
        check(kill, 1, kill);
        check("chaosk8s.pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("secret", 3, "chaosk8s.secret.actions.create_secret");
        check("all_pods_healthy", 1, "chaosk8s.pod.probes.all_pods_healthy");
        // the replacement of a deprecated function is found by its name
        assert!(names().any(|(word, _)| word == "all_pods_healthy"));
        check("chaosk8s.service.probes.read_pod_logs", 1, "chaosk8s.service.probes.read_pod_logs");
        assert!(find_functions(PACKAGE.0).unwrap().len() > 90);
    }

    #[test]
    fn unknown_function_error_suggests_names() {
        let check = |what: &str, text: &str| {
            let error = find_functions(what).unwrap_err();
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains(text), "{error}: {hint}");
        };
        check("terminate-pod", "did you mean \"terminate_pods\"?");
        check("chaosk8s.pod.action", "did you mean \"chaosk8s.pod.actions\"?");
        check("chaostoolkit-aws", "Python packages cannot be loaded");
        check("po", "`kubectl chaos discover`");
    }
}
