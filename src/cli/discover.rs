//! The command `discover`: lists the built-in functions.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::table::{Table, TableArgs, TableFormat, TableRow};
use crate::app::discover::{PACKAGE, find_functions};
use crate::app::new_run_id;
use crate::chaosk8s::catalogue::{Argument, Function};
use crate::chaosk8s::to_json;
use crate::clock::Timestamp;

/// The version of the package whose functions are built in.
const PACKAGE_VERSION: &str = "0.39.0";

/// `discover`.
#[derive(Args, Clone, Debug)]
pub(super) struct DiscoverArgs {
    /// Function, module, or package; only the package chaostoolkit-kubernetes is built in
    #[arg(value_name = "FUNCTION", default_value = PACKAGE)]
    what: String,
    #[command(flatten)]
    list: TableArgs,
}

/// Lists functions, or describes a single one. Returns the exit code.
pub(super) fn discover(session: &CommandContext, args: &DiscoverArgs) -> u8 {
    let matches = match find_functions(&args.what) {
        Ok(matches) => matches,
        Err(error) => return session.fail(error),
    };
    let text = match matches.as_slice() {
        [only] if args.list.output == TableFormat::Table && args.what != PACKAGE => describe(only),
        _ => args.list.write(to_table(&matches), || to_document(&matches)),
    };
    session.write_result(&text)
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
        "extension": {"name": PACKAGE, "version": PACKAGE_VERSION},
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
    if let Some(kind) = function.returns {
        entry["return_type"] = kind.portable().into();
    }
    entry
}
