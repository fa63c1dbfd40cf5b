//! The command `discover`: the functions that are built in. Floor 3.

use serde_json::{Value as Json, json};

use super::args::{Discover, Output};
use super::exit_code::Exit;
use super::{Session, new_run_id};
use crate::clock::Timestamp;
use crate::kubernetes::catalogue::{Argument, Function, functions};
use crate::kubernetes::to_json;

/// The package whose functions are built in, and the release that they are those of.
const PACKAGE: (&str, &str) = ("chaostoolkit-kubernetes", "0.39.0");

/// Lists the functions. Gives the exit code.
pub(super) fn discover(session: &Session, args: &Discover) -> u8 {
    if args.package != PACKAGE.0 {
        let message = format!(
            "functions of the package {} cannot be listed: no Python runs here, and nothing is installed with pip; \
             {} is built in",
            args.package, PACKAGE.0
        );
        return session.refuse(Exit::Usage, message);
    }
    let text = match args.output {
        Output::Text => {
            functions().filter(|function| function.listed).map(|function| line(&function)).collect()
        }
        Output::Json | Output::Agent => serde_json::to_string_pretty(&document()).unwrap_or_default() + "\n",
        Output::Yaml => serde_yaml::to_string(&document()).unwrap_or_default(),
    };
    match session.terminal.result(&text) {
        Ok(()) => session.code(Exit::Fine),
        Err(error) => session.refuse(Exit::NotWritten, format!("the list cannot be written: {error}")),
    }
}

/// A function for people: its name and what it takes, what it does, the rights that it needs.
fn line(function: &Function) -> String {
    let argument = |argument: &Argument| match argument.default.value() {
        None => argument.name.to_owned(),
        Some(default) => format!("{}={}", argument.name, to_json(&default)),
    };
    let arguments: Vec<String> = function.arguments.iter().map(argument).collect();
    let kind = if function.is_action { "action" } else { "probe" };
    let mut text = format!(
        "{kind:<7} {}.{}({})\n        {}\n",
        function.module,
        function.name,
        arguments.join(", "),
        function.about
    );
    if let Some(other) = function.deprecated_for {
        text += &format!("        deprecated: use {other}\n");
    }
    if !function.needs.is_empty() {
        text += &format!("        needs: {}\n", function.needs.join(", "));
    }
    text
}

/// The list in the shape that the Chaos Toolkit writes, with the rights beside.
fn document() -> Json {
    let activities: Vec<Json> =
        functions().filter(|function| function.listed).map(|f| activity(&f)).collect();
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

fn activity(function: &Function) -> Json {
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
        "type": if function.is_action { "action" } else { "probe" },
        "name": function.name,
        "mod": function.module,
        "doc": function.about,
        "arguments": arguments,
        "rights": function.needs,
    });
    if let Some(kind) = function.gives {
        entry["return_type"] = kind.portable().into();
    }
    entry
}
