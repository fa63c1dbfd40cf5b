//! `kubectl chaos doctor`: what would be in the way, and what to do about it. Floor 3.
//!
//! ```text
//!  programs   PATH: this program, those of its name, kubectl, completion
//!  cluster    kubeconfig files, the context, whether the cluster answers, how old it is
//!  rights     what experiments need, or a trial does, and what is missing
//!  finding    what all of them come to                                     ─► a table, an exit code
//! ```

mod check_result;
mod cluster;
mod permissions;
mod programs;

use std::time::Duration;

use clap::Args;

use super::CommandContext;
use super::args::VariableArgs;
use super::exit_code::ExitStatus;
use super::path_conflicts::PathSet;
use super::run_context::{RunContext, is_invalid, tell_faults};
use super::table::{TableArgs, TableFormat};
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
  0  nothing is wrong
  1  something is
  2  the command line is wrong
  3  the experiment is invalid, or cannot be read
  4  only the cluster cannot be reached, or refuses";

/// How long the cluster may take to answer, unless somebody says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct DoctorArgs {
    /// Look for the rights that these experiments need; else for those of a trial
    #[arg(value_name = "EXPERIMENT")]
    sources: Vec<String>,
    /// Write roles that give the experiments the rights that they need, and look for nothing
    #[arg(long, requires = "sources", conflicts_with = "output")]
    role: bool,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    list: TableArgs,
}

impl DoctorArgs {
    /// The files that it names.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the experiment", &self.sources).variables(&self.variables)
    }
}

/// Looks, and tells what was found. Gives the exit code.
pub(super) fn doctor(session: &CommandContext, args: &DoctorArgs) -> u8 {
    session.to_its_end(look(session, args)).unwrap_or_else(|code| code)
}

async fn look(session: &CommandContext, args: &DoctorArgs) -> u8 {
    let surroundings = match RunContext::read(session, &args.variables, None) {
        Ok(surroundings) => surroundings,
        Err(code) => return code,
    };
    let experiments = match read(session, args, &surroundings).await {
        Ok(experiments) => experiments,
        Err(code) => return code,
    };
    let flags = session.connection.options(session.global.strict).flags;
    let flags = ConnectionFlags { request_timeout: flags.request_timeout.or(Some(PATIENCE)), ..flags };
    if args.role {
        return role(session, &surroundings, &experiments, &flags).await;
    }
    let findings = examine(session, &surroundings, &experiments, &flags).await;
    let mut text = args.list.write(check_result::list(&findings), || check_result::document(&findings));
    if args.list.output == TableFormat::Table {
        text += &check_result::advice(&findings);
    }
    match session.terminal.result(&text) {
        Ok(()) => session.code(check_result::exit(&findings)),
        Err(error) => {
            session.refuse(ExitStatus::NotWritten, format!("the answer cannot be written: {error}"))
        }
    }
}

/// The experiments. Of the first that cannot be read it is told why.
async fn read(
    session: &CommandContext,
    args: &DoctorArgs,
    surroundings: &RunContext,
) -> Result<Vec<Experiment>, u8> {
    let mut found = Vec::new();
    for source in &args.sources {
        let refuse = |faults: &[crate::diagnostic::Diagnostic]| {
            tell_faults(&session.terminal, faults);
            session.code(ExitStatus::Invalid)
        };
        let document = source::read(source, &surroundings.settings, &surroundings.environment, true).await;
        let document = document.map_err(|fault| refuse(&[fault]))?;
        let faults = surroundings.faults(&document, session.global.strict);
        if is_invalid(&faults) {
            return Err(refuse(&faults));
        }
        found.push(Experiment::read(&document).map_err(|fault| refuse(&[fault]))?);
    }
    Ok(found)
}

async fn examine(
    session: &CommandContext,
    surroundings: &RunContext,
    experiments: &[Experiment],
    flags: &ConnectionFlags,
) -> Vec<CheckResult> {
    let mut findings = programs::look(session).await;
    let (found, cluster) = cluster::look(flags, &surroundings.environment).await;
    findings.extend(found);
    let Some(cluster) = cluster else {
        if !experiments.is_empty() && !experiments.iter().any(|one| needs_a_cluster(surroundings, one)) {
            findings.iter_mut().for_each(CheckResult::forgive);
        }
        return findings;
    };
    if experiments.is_empty() {
        findings.push(permissions::of_a_trial(&cluster).await);
    } else {
        let place = (cluster.namespace.as_str(), cluster.inside);
        let needed = permissions::of_experiments(session, surroundings, experiments, place);
        findings.extend(permissions::of(&cluster, &needed).await);
    }
    findings
}

fn needs_a_cluster(surroundings: &RunContext, experiment: &Experiment) -> bool {
    experiment.functions().any(|(module, _)| is_module(module))
        || experiment.addresses().any(|address| surroundings.services.has(address))
}

/// Writes roles. The cluster is only asked who one is, and need not answer.
async fn role(
    session: &CommandContext,
    surroundings: &RunContext,
    experiments: &[Experiment],
    flags: &ConnectionFlags,
) -> u8 {
    let cluster = connect(flags, &surroundings.environment, &Map::new()).await.ok();
    let meant = cluster.as_ref().map(|cluster| (cluster.namespace.clone(), cluster.inside));
    let (namespace, inside) =
        meant.unwrap_or_else(|| (flags.namespace.clone().unwrap_or_else(|| "default".to_owned()), false));
    let needed = permissions::of_experiments(session, surroundings, experiments, (&namespace, inside));
    let warn = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    for what in &needed.unknown {
        warn(format!("not known beforehand, and not in the role: {what}"));
    }
    let user = match (&flags.impersonate, &cluster) {
        (Some(user), _) => Some(user.clone()),
        (None, Some(cluster)) => who(cluster).await,
        (None, None) => None,
    };
    if user.is_none() {
        warn("the server does not say who you are: --as USER has the role bound to somebody".to_owned());
    }
    let documents = roles(&needed.rights, user.as_deref());
    if documents.is_empty() {
        warn("no rights are needed".to_owned());
    }
    let written: Vec<String> =
        documents.iter().map(|document| serde_yaml::to_string(document).unwrap_or_default()).collect();
    session.answer(&written.join("---\n"))
}
