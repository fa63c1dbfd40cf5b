//! `kubectl chaos doctor`: shows the results of all checks, or writes RBAC roles.

use std::collections::BTreeSet;

use clap::{Args, Command};
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::completion::HELPER_PREFIX;
use super::path_conflicts::PathSet;
use super::shared_args::VariableArgs;
use super::table::{Table, TableArgs, TableFormat, TableRow};
use super::version::VERSION;
use crate::app::doctor::{CheckResult, CheckState, DoctorFailure, DoctorOutcome, DoctorRequest, PluginInfo};
use crate::app::run_context::show_diagnostics;
use crate::app::{self, AppError, Outcome};
use crate::console::sanitize;
use crate::diagnostic::Severity;

const SCHEMA: &str = "kubectl-chaos/doctor/v1";

const EXIT_CODES: &str = "\
Exit codes:
  0  no check failed
  1  a check failed
  2  the command line is invalid
  3  an experiment is invalid or cannot be read
  4  the only failure: the cluster is unreachable or rejects the connection";

/// `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct DoctorArgs {
    /// Check the permissions that these experiments need [default: those of a trial]
    #[arg(value_name = "EXPERIMENT")]
    sources: Vec<String>,
    /// Write RBAC roles with the permissions that the experiments need; skip all checks
    #[arg(long, requires = "sources", conflicts_with = "output")]
    role: bool,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    list: TableArgs,
}

impl DoctorArgs {
    /// Returns the files that the command reads.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the experiment", &self.sources).variables(&self.variables.inputs())
    }
}

/// Runs all checks, or writes roles. Returns the exit code. The commands below `root` must not be shadowed.
pub(super) fn doctor(session: &CommandContext, args: &DoctorArgs, root: &Command) -> u8 {
    let request = DoctorRequest {
        plugin: plugin_info(session, root),
        sources: args.sources.clone(),
        variables: args.variables.inputs(),
    };
    match session.block_on(check_or_write_roles(session, args, &request)) {
        Err(code) | Ok(Ok(code)) => code,
        Ok(Err(DoctorFailure::Error(error))) => session.fail(error),
        Ok(Err(DoctorFailure::InvalidExperiment { code, diagnostics })) => {
            show_diagnostics(&*session.terminal, &diagnostics);
            let first = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
            if let Some(first) = first {
                session.write_error_document(&AppError::from_diagnostic(code, first));
            }
            session.code(Outcome::Invalid)
        }
    }
}

async fn check_or_write_roles(
    session: &CommandContext,
    args: &DoctorArgs,
    request: &DoctorRequest,
) -> Result<u8, DoctorFailure> {
    if args.role {
        let documents = app::doctor::needed_roles(&session.app, request).await?;
        return Ok(session.write_result(&to_yaml(&documents)));
    }
    Ok(show(session, &args.list, &app::doctor::check(&session.app, request).await?))
}

fn plugin_info(session: &CommandContext, root: &Command) -> PluginInfo {
    let mut commands = BTreeSet::new();
    collect_commands(root, "", &mut commands);
    PluginInfo {
        shown: session.shown.clone(),
        program: session.program(),
        completion_helper: format!("{HELPER_PREFIX}{}", session.plugin()),
        version: VERSION.as_str().to_owned(),
        commands,
    }
}

/// Collects the commands below a command, with their aliases.
fn collect_commands(command: &Command, prefix: &str, commands: &mut BTreeSet<String>) {
    for inner in command.get_subcommands() {
        for name in std::iter::once(inner.get_name()).chain(inner.get_all_aliases()) {
            let name = format!("{prefix}{name}");
            collect_commands(inner, &format!("{name} "), commands);
            commands.insert(name);
        }
    }
}

/// Shows the results. Returns the exit code.
fn show(session: &CommandContext, list: &TableArgs, checked: &DoctorOutcome) -> u8 {
    let findings = &checked.findings;
    let mut text = list.write(to_table(findings), || to_json(findings));
    if list.output == TableFormat::Table {
        text += &format_hints(findings);
    }
    match session.terminal.write_result(&text) {
        Ok(()) => session.code(checked.outcome()),
        Err(error) => session.fail(error),
    }
}

fn to_yaml(documents: &[Json]) -> String {
    let written: Vec<String> =
        documents.iter().map(|document| serde_yaml::to_string(document).unwrap_or_default()).collect();
    written.join("---\n")
}

/// Returns the results as a table.
fn to_table(findings: &[CheckResult]) -> Table {
    let line = |finding: &CheckResult| TableRow {
        name: finding.check.to_owned(),
        cells: vec![finding.check.to_owned(), finding.state.name().to_owned(), finding.message.clone()],
        wide_cells: vec![finding.hint.clone().unwrap_or_default()],
    };
    Table {
        heads: &["CHECK", "STATE", "MESSAGE"],
        wide_heads: &["HINT"],
        lines: findings.iter().map(line).collect(),
    }
}

/// Formats the hints, one line each.
fn format_hints(findings: &[CheckResult]) -> String {
    let line = |finding: &CheckResult| {
        let hint = finding.hint.as_ref()?;
        Some(format!("{} ({}): {hint}", finding.check, finding.state.name()))
    };
    let mut lines: Vec<String> = findings.iter().filter_map(line).collect();
    // show a hint once if several results share it
    lines.dedup();
    if lines.is_empty() {
        return String::new();
    }
    let all = lines.iter().map(|line| sanitize(line) + "\n");
    std::iter::once("\n".to_owned()).chain(all).collect()
}

/// Returns the results as JSON.
fn to_json(findings: &[CheckResult]) -> Json {
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(CheckState::Ok);
    json!({"schema": SCHEMA, "state": worst, "findings": findings})
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::command::Cli;

    #[test]
    fn nested_commands_are_collected_with_their_path() {
        let mut commands = BTreeSet::new();
        collect_commands(&Cli::command(), "", &mut commands);
        for command in ["run", "embedded", "embedded serve", "sample-app", "completion install"] {
            assert!(commands.contains(command), "{command} is not in {commands:?}");
        }
        assert!(!commands.contains("serve"), "{commands:?}");
    }

    #[test]
    fn hints_are_listed_below_the_table() {
        let error = |message: &str| CheckResult::error("b", message, "fix\u{1b} it");
        let findings = [CheckResult::ok("a", "fine"), error("bad"), error("bad, too")];
        assert_eq!(format_hints(&findings), "\nb (error): fix^[ it\n");
        assert_eq!(format_hints(&findings[..1]), "");
        let document = to_json(&findings);
        assert_eq!((&document["state"], &document["findings"][0]["hint"]), (&json!("error"), &json!(null)));
    }
}
