//! Everything about a run that is read and checked before it begins. Floor 3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rejected::RejectedRun;
use crate::cli::args::{HypothesisStrategyArg, RollbackStrategyArg, RunArgs};
use crate::cli::duration::parse_duration;
use crate::cli::exit_code::ExitStatus;
use crate::cli::journal_file::JournalFile;
use crate::cli::notify::{Notifier, without_secrets};
use crate::cli::run_context::{RunContext, is_invalid, tell_faults, tell_inherited};
use crate::cli::{CommandContext, new_run_id};
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, StrategyOverrides};
use crate::event::RunPlan;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::Document;
use crate::experiment::resolve::{ResolvedActivity, resolve};
use crate::experiment::{
    Experiment, HypothesisStrategy, RollbackStrategy, hash_experiment, variable_digests,
};
use crate::http_client;
use crate::journal::{ClusterInfo, JournalHeader};
use crate::kubernetes;
use crate::sampling::{doubts, sampled};
use crate::source;
use crate::substitution::Scope;
use crate::value::Map;

/// An experiment that can be run: everything about it was read and checked, and nothing was touched.
pub(super) struct PreparedRun {
    pub(super) source: String,
    pub(super) experiment: Arc<Experiment>,
    pub(super) plan: RunPlan,
    pub(super) journal: JournalFile,
    pub(super) journal_path: PathBuf,
}

/// Reads and checks the experiment with that number.
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

/// Reads the experiment with that number.
pub(super) async fn read(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    index: usize,
) -> Result<Document, RejectedRun> {
    let (source, settings) = (&args.sources[index], &surroundings.settings);
    source::read(source, settings, &surroundings.environment, !args.no_verify_tls).await.map_err(|fault| {
        RejectedRun::invalid(&session.terminal, "load", vec![with_hint(args, source, fault)])
    })
}

/// Opens the journal of the experiment with that number, with everything in it that is known before anything happens.
pub(super) async fn opened(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    index: usize,
    document: Document,
) -> Result<PreparedRun, RejectedRun> {
    let (terminal, settings) = (&session.terminal, &surroundings.settings);
    let source = &args.sources[index];
    let experiment = Experiment::read(&document)
        .map_err(|fault| RejectedRun::invalid(terminal, "validation", vec![fault]))?;
    drop(document);
    for message in undeclared_warnings(&experiment, &surroundings.variables) {
        terminal.say(&ConsoleLine::note(LineLevel::Warning, message));
    }
    if args.hypothesis_strategy == Some(HypothesisStrategyArg::Continously) {
        let text = "\n\"continously\" is an old misspelling: say --hypothesis-strategy=continuously";
        terminal.say(&ConsoleLine::new(LineLevel::Warning, text));
    }
    let plan = engine::plan(&experiment, settings, &asked(args))
        .map_err(|error| RejectedRun::new(terminal, ExitStatus::Invalid, "validation", error))?;
    let sampled = sampled(&experiment, &args.sampling.sample_probes)
        .map_err(|error| RejectedRun::new(terminal, ExitStatus::Usage, "validation", error))?;
    // of the runs of a trial it is said once
    if let Some(options) = args.sampling.options().filter(|_| args.dry.is_none() && !args.silent) {
        for doubt in doubts(&sampled, &options) {
            terminal.say(&ConsoleLine::note(LineLevel::Warning, doubt));
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
    let journal = JournalFile::open(&journal_path, header)
        .map_err(|error| RejectedRun::new(terminal, ExitStatus::Usage, "runtime", error))?;
    Ok(PreparedRun { source: source.clone(), experiment: Arc::new(experiment), plan, journal, journal_path })
}

/// What cannot be read may be the period of a flag before it.
fn with_hint(args: &RunArgs, source: &str, fault: Diagnostic) -> Diagnostic {
    let is_period = args.sampling.sample == Some(None) && parse_duration(source).is_ok();
    if is_period { fault.hint(format!("a period is written --sample={source}")) } else { fault }
}

/// Reaches the cluster that the experiment acts on, if it does: one that cannot be reached is better known before
/// anything runs. Lenient runs find out when they get there.
async fn reach(
    session: &CommandContext,
    surroundings: &RunContext,
    experiment: &Experiment,
) -> Result<(Option<String>, Option<ClusterInfo>), RejectedRun> {
    // activities with keys of their own may mean another cluster, which is known when secrets are
    let acts = experiment.functions().any(|(module, keys)| kubernetes::is_module(module) && !keys);
    let asks = || experiment.addresses().any(|address| surroundings.services.has(address));
    if !acts && !asks() {
        return Ok((None, None));
    }
    // no leniency lets anybody past a guard
    surroundings.kubernetes.permits(&Map::new()).await.map_err(|failure| refused(session, &failure))?;
    let mut place = String::new();
    let reached = async {
        let cluster = surroundings.kubernetes.cluster(&Map::new()).await?;
        place = format!(" at {} ({})", cluster.address, cluster.source);
        let version = cluster.version().await?;
        Ok::<_, kubernetes::ClusterError>((cluster, version))
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
        Err(failure) => Err(refused_at(session, &place, &failure)),
    }
}

fn refused(session: &CommandContext, failure: &kubernetes::ClusterError) -> RejectedRun {
    refused_at(session, "", failure)
}

/// The same of a cluster that is known.
fn refused_at(session: &CommandContext, place: &str, failure: &kubernetes::ClusterError) -> RejectedRun {
    // of one that cannot be reached it is said where it is
    let place = if failure.code().is_some() { place } else { "" };
    let message = format!("the cluster{place} cannot be used: {}", failure.words().trim_end());
    RejectedRun::new(&session.terminal, ExitStatus::Unreachable, "runtime", message)
}

/// Refuses clusters that activities mean by keys of their own, and that may not be touched: they are known when
/// secrets are, and nothing has been done yet.
pub(super) async fn check_keys(
    session: &CommandContext,
    surroundings: &RunContext,
    experiment: &Experiment,
    scope: &Scope,
) -> Result<(), RejectedRun> {
    for activity in experiment.activities().filter(|_| session.connection.is_guarded()) {
        // what cannot be filled fails when its turn comes
        let Ok(ResolvedActivity::Python(call)) = resolve(activity, scope) else { continue };
        if kubernetes::is_module(&call.module) {
            let permitted = surroundings.kubernetes.permits(&call.secrets).await;
            permitted.map_err(|failure| refused(session, &failure))?;
        }
    }
    Ok(())
}

/// Validates, and tells what was found.
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
        return Err(RejectedRun::invalid(terminal, "validation", faults));
    }
    terminal.say(&ConsoleLine::new(LineLevel::Info, "Experiment looks valid"));
    tell_faults(terminal, &faults);
    Ok(())
}

fn asked(args: &RunArgs) -> StrategyOverrides {
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

/// Where the journals of all experiments go.
pub(in crate::cli) fn journal_paths(args: &RunArgs) -> Vec<PathBuf> {
    let path = |(index, source): (usize, &String)| {
        journal_path(&args.journal_path, args.sources.len(), index, source)
    };
    args.sources.iter().enumerate().map(path).collect()
}

/// The journal of one experiment among several: its number and its own name are put before the extension.
fn journal_path(path: &Path, experiments: usize, index: usize, source: &str) -> PathBuf {
    if experiments == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let source = http_client::shown(source);
    let name = Path::new(&source).file_stem().unwrap_or_default().to_string_lossy();
    let fit = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(fit).collect();
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
    fn several_experiments_have_journals_of_their_own() {
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
