//! Reads and checks everything before a run starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rejected::RejectedRun;
use crate::chaosk8s::is_module;
use crate::cli::duration::parse_duration;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitStatus;
use crate::cli::journal_file::JournalFile;
use crate::cli::notify::{Notifier, without_secrets};
use crate::cli::report_files::STANDARD_OUTPUT;
use crate::cli::run::args::{HypothesisStrategyArg, RunArgs};
use crate::cli::run_context::{RunContext, is_invalid, tell_faults, tell_inherited};
use crate::cli::shared_args::RollbackStrategyArg;
use crate::cli::{CommandContext, new_run_id};
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, StrategyOverrides};
use crate::error_code::{Coded as _, ErrorCode, message_chain};
use crate::event::RunPlan;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::Document;
use crate::experiment::resolve::{ResolvedActivity, resolve};
use crate::experiment::{
    Experiment, HypothesisStrategy, RollbackStrategy, hash_experiment, variable_digests,
};
use crate::http_client;
use crate::journal::{ClusterInfo, JournalHeader};
use crate::k8s;
use crate::sampling::{sampling_warnings, select_probes};
use crate::source;
use crate::substitution::Scope;
use crate::value::Map;

/// An experiment that was read and checked. Nothing was changed yet.
pub(super) struct PreparedRun {
    pub(super) source: String,
    pub(super) experiment: Arc<Experiment>,
    pub(super) plan: RunPlan,
    pub(super) journal: JournalFile,
    pub(super) journal_path: PathBuf,
}

/// Reads and checks the experiment at an index.
pub(super) async fn prepare(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    index: usize,
) -> Result<PreparedRun, RejectedRun> {
    let document = read(session, args, surroundings, index).await?;
    let notifier = Notifier::new(session, &surroundings.settings);
    if notifier.is_heard() {
        notifier.tell("run-started", "run", &without_secrets(&document.root.to_value()), None).await;
    }
    if !args.no_validation {
        check(session, surroundings, &document)?;
    }
    opened(session, args, surroundings, index, document).await
}

/// Reads the experiment at an index.
pub(super) async fn read(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    index: usize,
) -> Result<Document, RejectedRun> {
    let (source, settings) = (&args.sources[index], &surroundings.settings);
    source::read(source, settings, &surroundings.environment, !args.no_verify_tls).await.map_err(|fault| {
        let diagnostics = vec![with_hint(args, source, fault)];
        RejectedRun::invalid(&session.terminal, "load", ErrorCode::ExperimentNotReadable, diagnostics)
    })
}

/// Opens the journal of the experiment at an index, with everything that is known before the run.
pub(super) async fn opened(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    index: usize,
    document: Document,
) -> Result<PreparedRun, RejectedRun> {
    let (terminal, settings) = (&session.terminal, &surroundings.settings);
    let source = &args.sources[index];
    let experiment = Experiment::read(&document).map_err(|fault| {
        RejectedRun::invalid(terminal, "validation", ErrorCode::ExperimentInvalid, vec![fault])
    })?;
    drop(document);
    for message in undeclared_warnings(&experiment, &surroundings.variables) {
        terminal.say(&ConsoleLine::note(LineLevel::Warning, message));
    }
    if args.hypothesis_strategy == Some(HypothesisStrategyArg::Continously) {
        let text = "\n\"continously\" is an old misspelling: use --hypothesis-strategy=continuously";
        terminal.say(&ConsoleLine::new(LineLevel::Warning, text));
    }
    let plan = engine::resolve_strategies(&experiment, settings, &strategy_overrides(args))
        .map_err(|error| RejectedRun::new(terminal, "validation", error))?;
    let sampled = select_probes(&experiment, &args.sampling.sample_probes)
        .map_err(|error| RejectedRun::new(terminal, "validation", error))?;
    // a trial shows the warnings once for all its runs
    if let Some(options) = args.sampling.options().filter(|_| args.dry.is_none() && !args.silent) {
        for warning in sampling_warnings(&sampled, &options) {
            terminal.say(&ConsoleLine::note(LineLevel::Warning, warning));
        }
    }
    let (namespace, cluster) = reach(session, surroundings, &experiment).await?;
    let journal_path = journal_path(&args.journal_path, args.sources.len(), index, source);
    let header = JournalHeader {
        platform: platform(),
        node: node(),
        run_id: if index == 0 { session.run_id.clone() } else { new_run_id() },
        version: env!("CARGO_PKG_VERSION"),
        experiment_hash: hash_experiment(&experiment.document),
        hypothesis_strategy: plan.hypothesis,
        variables: variable_digests(&experiment.configuration, &surroundings.variables.configuration),
        annotations: args
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect(),
        namespace,
        cluster,
        environment: args.environment.clone(),
    };
    // nothing was changed yet
    let journal = JournalFile::open(&journal_path, header).map_err(|error| {
        RejectedRun::new(terminal, "runtime", CliError::from(error).with_status(ExitStatus::Usage))
    })?;
    Ok(PreparedRun { source: source.clone(), experiment: Arc::new(experiment), plan, journal, journal_path })
}

/// Adds a hint to a source that may be the period of `--sample`.
fn with_hint(args: &RunArgs, source: &str, fault: Diagnostic) -> Diagnostic {
    let is_period = args.sampling.sample == Some(None) && parse_duration(source).is_ok();
    if is_period { fault.hint(format!("write the period as --sample={source}")) } else { fault }
}

/// Reaches the cluster that the experiment uses, if any, so that an unreachable one is reported before the run.
///
/// Runs with `--strict=false` fail only when they use the cluster.
async fn reach(
    session: &CommandContext,
    surroundings: &RunContext,
    experiment: &Experiment,
) -> Result<(Option<String>, Option<ClusterInfo>), RejectedRun> {
    // activities with credentials of their own may use another cluster, known only after secrets are resolved
    let calls_functions =
        experiment.functions().any(|(module, has_credentials)| is_module(module) && !has_credentials);
    let calls_services = || experiment.addresses().any(|address| surroundings.services.has(address));
    if !calls_functions && !calls_services() {
        return Ok((None, None));
    }
    // --strict=false does not disable the context allowlist
    surroundings.kubernetes.permits(&Map::new()).await.map_err(|error| rejected(session, "", &error))?;
    let mut place = String::new();
    let reached = async {
        let cluster = surroundings.kubernetes.cluster(&Map::new()).await?;
        place = format!(" at {} ({})", cluster.address, cluster.source);
        let version = cluster.version().await?;
        Ok::<_, k8s::Error>((cluster, version))
    };
    match reached.await {
        Ok((cluster, version)) => {
            let shown =
                format!("cluster: {} ({}), namespace {}", cluster.address, cluster.source, cluster.namespace);
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, shown));
            let uid = cluster.identity().await;
            let identity = ClusterInfo { context: cluster.context.clone(), uid, version: Some(version) };
            Ok((Some(cluster.namespace.clone()), Some(identity)))
        }
        Err(_) if !session.global.strict => Ok((None, None)),
        Err(error) => Err(rejected(session, &place, &error)),
    }
}

fn rejected(session: &CommandContext, place: &str, error: &k8s::Error) -> RejectedRun {
    // an unreachable cluster is named in the error itself
    let place = if error.status().is_some() { place } else { "" };
    let message = format!("cannot use the cluster{place}: {}", message_chain(error));
    let mut rejection = CliError::new(error.code(), message).with_status(ExitStatus::Unreachable);
    rejection.hint = error.hint();
    RejectedRun::new(&session.terminal, "runtime", rejection)
}

/// Rejects clusters of activities with credentials of their own that the context allowlist does not contain.
///
/// They are known once secrets are resolved, before anything was changed.
pub(super) async fn check_credentials(
    session: &CommandContext,
    surroundings: &RunContext,
    experiment: &Experiment,
    scope: &Scope,
) -> Result<(), RejectedRun> {
    for activity in experiment.activities().filter(|_| session.connection.is_guarded()) {
        // an activity that cannot be resolved fails when it runs
        let Ok(ResolvedActivity::Python(call)) = resolve(activity, scope) else { continue };
        if is_module(&call.module) {
            let permitted = surroundings.kubernetes.permits(&call.secrets).await;
            permitted.map_err(|error| rejected(session, "", &error))?;
        }
    }
    Ok(())
}

/// Validates the experiment and shows the diagnostics.
fn check(
    session: &CommandContext,
    surroundings: &RunContext,
    document: &Document,
) -> Result<(), RejectedRun> {
    let terminal = &session.terminal;
    terminal.say(&ConsoleLine::new(LineLevel::Info, "Validating the experiment's syntax"));
    let faults = surroundings.faults(document, session.global.strict);
    tell_inherited(terminal, &faults);
    if is_invalid(&faults) {
        return Err(RejectedRun::invalid(terminal, "validation", ErrorCode::ExperimentInvalid, faults));
    }
    terminal.say(&ConsoleLine::new(LineLevel::Info, "Experiment looks valid"));
    tell_faults(terminal, &faults);
    Ok(())
}

fn strategy_overrides(args: &RunArgs) -> StrategyOverrides {
    StrategyOverrides {
        hypothesis: args.hypothesis_strategy.map(|strategy| match strategy {
            HypothesisStrategyArg::Default => HypothesisStrategy::Default,
            HypothesisStrategyArg::BeforeMethodOnly => HypothesisStrategy::BeforeMethodOnly,
            HypothesisStrategyArg::AfterMethodOnly => HypothesisStrategy::AfterMethodOnly,
            HypothesisStrategyArg::DuringMethodOnly => HypothesisStrategy::DuringMethodOnly,
            HypothesisStrategyArg::Continuously | HypothesisStrategyArg::Continously => {
                HypothesisStrategy::Continuously
            }
        }),
        rollbacks: args.rollback_strategy.map(|strategy| match strategy {
            RollbackStrategyArg::Default => RollbackStrategy::Default,
            RollbackStrategyArg::Always => RollbackStrategy::Always,
            RollbackStrategyArg::Never => RollbackStrategy::Never,
            RollbackStrategyArg::Deviated => RollbackStrategy::Deviated,
        }),
    }
}

/// Returns the journal paths of all experiments.
pub(in crate::cli) fn journal_paths(args: &RunArgs) -> Vec<PathBuf> {
    let path = |(index, source): (usize, &String)| {
        journal_path(&args.journal_path, args.sources.len(), index, source)
    };
    args.sources.iter().enumerate().map(path).collect()
}

/// Returns the journal path of one experiment: among several, number and name precede the extension.
fn journal_path(path: &Path, experiments: usize, index: usize, source: &str) -> PathBuf {
    if experiments == 1 || path == Path::new(STANDARD_OUTPUT) {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let source = http_client::shown(source);
    let name = Path::new(&source).file_stem().unwrap_or_default().to_string_lossy();
    let replace = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(replace).collect();
    path.with_file_name(format!("{stem}-{}-{name}{extension}", index + 1))
}

#[cfg(unix)]
fn platform() -> String {
    let system = rustix::system::uname();
    let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{}-{}-{}", part(system.sysname()), part(system.release()), part(system.machine()))
}

#[cfg(not(unix))]
fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(unix)]
fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn node() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_path_of_several_experiments_has_number_and_name() {
        let check = |experiments: usize, index: usize, source: &str, expected: &str| {
            assert_eq!(
                journal_path(Path::new("out/journal.json"), experiments, index, source),
                Path::new(expected)
            );
        };
        check(1, 0, "a.json", "out/journal.json");
        check(2, 0, "dir/a b.json", "out/journal-1-a-b.json");
        check(2, 1, "http://h/x.yaml?y=1", "out/journal-2-x.json");
    }
}
