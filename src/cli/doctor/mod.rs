//! `kubectl chaos doctor`: checks the installation, the cluster and the permissions, and suggests fixes.
//!
//! ```text
//!  programs      PATH: this program, programs of the same name, kubectl, completion
//!  cluster       kubeconfig files, the context, the connection, the server version
//!  permissions   what experiments or a trial need, and what is missing
//!  check_result  the result of each check                                   ─► a table, an exit code
//! ```

mod check_result;
mod cluster;
mod permissions;
mod programs;

use std::time::Duration;

use clap::Args;

use super::CommandContext;
use super::path_conflicts::PathSet;
use super::shared_args::VariableArgs;
use super::table::{TableArgs, TableFormat};
use crate::app::Outcome;
use crate::app::run_context::{RunContext, is_invalid, show_diagnostics};
use crate::chaosk8s::is_module;
use crate::console::{ConsoleLine, LineLevel};
use crate::experiment::Experiment;
use crate::k8s::rbac::{roles, who};
use crate::k8s::{ConnectionFlags, connect};
use crate::source;
use crate::value::Map;
use check_result::CheckResult;

const EXIT_CODES: &str = "\
Exit codes:
  0  no check failed
  1  a check failed
  2  the command line is invalid
  3  an experiment is invalid or cannot be read
  4  the only failure: the cluster is unreachable or rejects the connection";

/// The default time limit for requests to the cluster.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Runs all checks. Returns the exit code.
pub(super) fn doctor(session: &CommandContext, args: &DoctorArgs) -> u8 {
    session.to_its_end(run_checks(session, args)).unwrap_or_else(|code| code)
}

async fn run_checks(session: &CommandContext, args: &DoctorArgs) -> u8 {
    let run_context = match RunContext::read(&session.app, &args.variables.inputs()) {
        Ok(run_context) => run_context,
        Err(error) => return session.fail(error),
    };
    let experiments = match read_experiments(session, args, &run_context).await {
        Ok(experiments) => experiments,
        Err(code) => return code,
    };
    let flags = session.app.connection.flags.clone();
    let flags = ConnectionFlags { request_timeout: flags.request_timeout.or(Some(CLUSTER_TIMEOUT)), ..flags };
    if args.role {
        return write_role(session, &run_context, &experiments, &flags).await;
    }
    let findings = collect_results(session, &run_context, &experiments, &flags).await;
    let mut text = args.list.write(check_result::to_table(&findings), || check_result::to_json(&findings));
    if args.list.output == TableFormat::Table {
        text += &check_result::format_hints(&findings);
    }
    match session.terminal.result(&text) {
        Ok(()) => session.code(check_result::exit_status(&findings)),
        Err(error) => session.fail(error),
    }
}

/// Reads the experiments; shows the errors of the first invalid one.
async fn read_experiments(
    session: &CommandContext,
    args: &DoctorArgs,
    run_context: &RunContext,
) -> Result<Vec<Experiment>, u8> {
    let mut experiments = Vec::new();
    for source in &args.sources {
        let refuse = |faults: &[crate::diagnostic::Diagnostic]| {
            show_diagnostics(&*session.terminal, faults);
            session.code(Outcome::Invalid)
        };
        let document = source::read(source, &run_context.settings, &run_context.environment, true).await;
        let document = document.map_err(|fault| refuse(&[fault]))?;
        let faults = run_context.faults(&document, session.global.strict);
        if is_invalid(&faults) {
            return Err(refuse(&faults));
        }
        experiments.push(Experiment::read(&document).map_err(|fault| refuse(&[fault]))?);
    }
    Ok(experiments)
}

async fn collect_results(
    session: &CommandContext,
    run_context: &RunContext,
    experiments: &[Experiment],
    flags: &ConnectionFlags,
) -> Vec<CheckResult> {
    let mut findings = programs::check_programs(session).await;
    let (results, cluster) = cluster::check_cluster(flags, &run_context.environment).await;
    findings.extend(results);
    let Some(cluster) = cluster else {
        if !experiments.is_empty() && !experiments.iter().any(|one| needs_cluster(run_context, one)) {
            findings.iter_mut().for_each(CheckResult::downgrade);
        }
        return findings;
    };
    if experiments.is_empty() {
        findings.push(permissions::check_trial(&cluster).await);
    } else {
        let place = (cluster.namespace.as_str(), cluster.inside);
        let needed = permissions::collect_needed(session, run_context, experiments, place);
        findings.extend(permissions::check_needed(&cluster, &needed).await);
    }
    findings
}

fn needs_cluster(run_context: &RunContext, experiment: &Experiment) -> bool {
    experiment.functions().any(|(module, _)| is_module(module))
        || experiment.addresses().any(|address| run_context.services.has(address))
}

/// Writes RBAC roles. The cluster is only asked for the current user, and need not answer.
async fn write_role(
    session: &CommandContext,
    run_context: &RunContext,
    experiments: &[Experiment],
    flags: &ConnectionFlags,
) -> u8 {
    let cluster = connect(flags, &run_context.environment, &Map::new()).await.ok();
    let place = cluster.as_ref().map(|cluster| (cluster.namespace.clone(), cluster.inside));
    let (namespace, inside) =
        place.unwrap_or_else(|| (flags.namespace.clone().unwrap_or_else(|| "default".to_owned()), false));
    let needed = permissions::collect_needed(session, run_context, experiments, (&namespace, inside));
    let warn = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    for what in &needed.unknown {
        warn(format!("the role lacks permissions: {what}"));
    }
    let user = match (&flags.impersonate, &cluster) {
        (Some(user), _) => Some(user.clone()),
        (None, Some(cluster)) => who(cluster).await,
        (None, None) => None,
    };
    if user.is_none() {
        warn("current user is unknown; pass --as USER to generate a RoleBinding".to_owned());
    }
    let documents = roles(&needed.permissions, user.as_deref());
    if documents.is_empty() {
        warn("no permissions are needed".to_owned());
    }
    let written: Vec<String> =
        documents.iter().map(|document| serde_yaml::to_string(document).unwrap_or_default()).collect();
    session.answer(&written.join("---\n"))
}
