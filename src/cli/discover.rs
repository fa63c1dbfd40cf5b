//! The command `discover`: the functions that are built in. Floor 3.

use clap::Args;
use serde_json::{Value as Json, json};

use super::exit_code::ExitStatus;
use super::table::{Table, TableArgs, TableFormat, TableRow};
use super::{CommandContext, new_run_id};
use crate::chaosk8s::catalogue::{Argument, Function, functions};
use crate::chaosk8s::to_json;
use crate::clock::Timestamp;
use crate::diagnostic::suggestion;

/// The package whose functions are built in, and the release that they are those of.
const PACKAGE: (&str, &str) = ("chaostoolkit-kubernetes", "0.39.0");
/// What every module's name begins with.
const ROOT: &str = "chaosk8s.";

/// `discover`.
#[derive(Args, Clone, Debug)]
pub(super) struct DiscoverArgs {
    /// A function, a module, or the Chaos Toolkit's package, of which only chaostoolkit-kubernetes is built in
    #[arg(value_name = "FUNCTION", default_value = PACKAGE.0)]
    what: String,
    #[command(flatten)]
    list: TableArgs,
}

/// Lists functions; one alone is told with everything about it. Gives the exit code.
pub(super) fn discover(session: &CommandContext, args: &DiscoverArgs) -> u8 {
    let found = match select(&args.what) {
        Ok(found) => found,
        Err(why) => return session.refuse(ExitStatus::Usage, why),
    };
    let text = match found.as_slice() {
        [only] if args.list.output == TableFormat::Table && args.what != PACKAGE.0 => explained(only),
        _ => args.list.write(list(&found), || document(&found)),
    };
    session.answer(&text)
}

/// The words that select functions: their names, alone and with their modules, and modules.
pub(super) fn words() -> impl Iterator<Item = (String, String)> {
    let listed = || functions().filter(|function| function.listed);
    let mut seen = std::collections::BTreeSet::new();
    let names = listed().map(|function| (function.name.to_owned(), function.about.to_owned()));
    let modules = listed().map(|function| (function.module.to_owned(), "a module".to_owned()));
    let mut all: Vec<_> = names.chain(modules).collect();
    all.retain(|(word, _)| seen.insert(word.clone()));
    all.into_iter()
}

/// The functions that are meant: all of them, one, those of that name, or those of a module or below it.
fn select(what: &str) -> Result<Vec<Function>, String> {
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
    let found: Vec<Function> = listed()
        .filter(|function| {
            let short = function.module.strip_prefix(ROOT).unwrap_or(function.module);
            function.name == what || below(function.module, what) || below(short, what)
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    // some are only there for experiments of old
    if let Some(old) = functions().find(|function| function.name == what) {
        return Ok(vec![old]);
    }
    let known: Vec<String> = words().map(|(word, _)| word).collect();
    let of_a_package = what.starts_with("chaostoolkit");
    let meant = suggestion(what, known.iter().map(String::as_str)).filter(|_| !of_a_package);
    Err(match meant {
        Some(meant) => format!("there is no function and no module \"{what}\": {meant}"),
        None if of_a_package => format!(
            "functions of the package {what} cannot be listed: no Python runs here, and nothing is installed with \
             pip; {} is built in",
            PACKAGE.0
        ),
        None => format!(
            "there is no function and no module \"{what}\"; `kubectl chaos discover` lists those that there are"
        ),
    })
}

/// Functions as lines of a table.
fn list(found: &[Function]) -> Table {
    let line = |function: &Function| TableRow {
        name: format!("{}.{}", function.module, function.name),
        cells: vec![kind(function).to_owned(), function.name.to_owned(), function.module.to_owned()],
        wide_cells: vec![arguments(function), function.rights().join(", ")],
    };
    Table {
        heads: &["TYPE", "NAME", "MODULE"],
        wide_heads: &["ARGUMENTS", "RIGHTS"],
        lines: found.iter().map(line).collect(),
    }
}

fn kind(function: &Function) -> &'static str {
    if function.is_action { "action" } else { "probe" }
}

fn arguments(function: &Function) -> String {
    let argument = |argument: &Argument| match argument.default.value() {
        None => argument.name.to_owned(),
        Some(default) => format!("{}={}", argument.name, to_json(&default)),
    };
    function.arguments.iter().map(argument).collect::<Vec<_>>().join(", ")
}

/// A function for people: its name and what it takes, what it does, the rights that it needs.
fn explained(function: &Function) -> String {
    let Function { module, name, about, .. } = function;
    let mut text = format!("{:<7} {module}.{name}({})\n", kind(function), arguments(function));
    text += &format!("        {about}\n");
    if let Some(other) = function.deprecated_for {
        text += &format!("        deprecated: use {other}\n");
    }
    let rights = function.rights();
    if !rights.is_empty() {
        text += &format!("        needs: {}\n", rights.join(", "));
    }
    text
}

/// The list in the shape that the Chaos Toolkit writes, with the rights beside.
fn document(found: &[Function]) -> Json {
    let activities: Vec<Json> = found.iter().map(activity).collect();
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
        "type": kind(function),
        "name": function.name,
        "mod": function.module,
        "doc": function.about,
        "arguments": arguments,
        "rights": function.rights(),
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
    fn functions_are_found_by_name_and_by_module() {
        let check = |what: &str, count: usize, first: &str| {
            let found = select(what).unwrap();
            let name = format!("{}.{}", found[0].module, found[0].name);
            assert_eq!((found.len(), name.as_str()), (count, first), "{what}");
        };
        let kill = "chaosk8s.pod.actions.terminate_pods";
        check("terminate_pods", 1, kill);
        check(kill, 1, kill);
        check("chaosk8s.pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("secret", 3, "chaosk8s.secret.actions.create_secret");
        check("all_pods_healthy", 1, "chaosk8s.pod.probes.all_pods_healthy");
        // what a deprecated one points to is to be found where that is
        assert!(words().any(|(word, _)| word == "all_pods_healthy"));
        check("chaosk8s.service.probes.read_pod_logs", 1, "chaosk8s.service.probes.read_pod_logs");
        assert!(select(PACKAGE.0).unwrap().len() > 90);
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let check = |what: &str, text: &str| {
            let why = select(what).unwrap_err();
            assert!(why.contains(text), "{why}");
        };
        check("terminate-pod", "did you mean \"terminate_pods\"?");
        check("chaosk8s.pod.action", "did you mean \"chaosk8s.pod.actions\"?");
        check("chaostoolkit-aws", "no Python runs here");
        check("po", "`kubectl chaos discover` lists");
    }
}
