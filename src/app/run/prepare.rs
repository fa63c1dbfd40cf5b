//! Reads and checks everything before a run starts.

use std::path::PathBuf;
use std::sync::Arc;

use super::rejected::RejectedRun;
use super::{RunRequest, journal_path};
use crate::app::journal_file::JournalFile;
use crate::app::notify::{Notifier, without_secrets};
use crate::app::run_context::{RunContext, is_invalid, show_diagnostics, show_inherited_warnings};
use crate::app::{AppContext, AppError, Outcome, new_run_id};
use crate::chaosk8s::is_module;
use crate::console::{ConsoleLine, LineLevel};
use crate::engine;
use crate::error_code::{Coded as _, ErrorCode, message_chain};
use crate::event::RunPlan;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::Document;
use crate::experiment::{Experiment, hash_experiment, variable_digests};
use crate::journal::{ClusterInfo, JournalHeader};
use crate::k8s;
use crate::sampling::{sampling_warnings, select_probes};
use crate::source;
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
    context: &AppContext,
    request: &RunRequest,
    run_context: &RunContext,
    index: usize,
) -> Result<PreparedRun, RejectedRun> {
    let document = read(request, run_context, index).await?;
    let notifier = Notifier::new(context, &run_context.settings);
    if notifier.has_channels() {
        notifier.send("run-started", "run", &without_secrets(&document.root.to_value()), None).await;
    }
    if request.is_validated {
        check(context, run_context, &request.sources[index], &document)?;
    }
    open_journal(context, request, run_context, index, document).await
}

/// Reads the experiment at an index.
pub(super) async fn read(
    request: &RunRequest,
    run_context: &RunContext,
    index: usize,
) -> Result<Document, RejectedRun> {
    let source = &request.sources[index];
    let document =
        source::read(source, &run_context.settings, &run_context.environment, request.verifies_tls);
    document.await.map_err(|diagnostic| {
        RejectedRun::invalid(source, "load", ErrorCode::ExperimentNotReadable, vec![diagnostic])
    })
}

/// Opens the journal of the experiment at an index, with everything that is known before the run.
pub(super) async fn open_journal(
    context: &AppContext,
    request: &RunRequest,
    run_context: &RunContext,
    index: usize,
    document: Document,
) -> Result<PreparedRun, RejectedRun> {
    let (reporter, settings) = (&context.reporter, &run_context.settings);
    let source = &request.sources[index];
    let experiment = Experiment::read(&document).map_err(|fault| {
        RejectedRun::invalid(source, "validation", ErrorCode::ExperimentInvalid, vec![fault])
    })?;
    drop(document);
    for message in undeclared_warnings(&experiment, &run_context.variables) {
        reporter.show(&ConsoleLine::note(LineLevel::Warning, message));
    }
    if request.is_strategy_misspelled {
        let text = "\n\"continously\" is an old misspelling: use --hypothesis-strategy=continuously";
        reporter.show(&ConsoleLine::new(LineLevel::Warning, text));
    }
    let plan = engine::resolve_strategies(&experiment, settings, &request.strategies)
        .map_err(|error| RejectedRun::new(source, "validation", error))?;
    let sampled = select_probes(&experiment, request.sampled_probes())
        .map_err(|error| RejectedRun::new(source, "validation", error))?;
    // a trial shows the warnings once for all its runs
    let is_trial = request.environment.is_some();
    if let Some(options) = request.sampling.as_ref().filter(|_| request.dry.is_none() && !is_trial) {
        for warning in sampling_warnings(&sampled, options) {
            reporter.show(&ConsoleLine::note(LineLevel::Warning, warning));
        }
    }
    let (namespace, cluster) = reach_cluster(context, run_context, source, &experiment).await?;
    let journal_path = journal_path(&request.journal_path, request.sources.len(), index, source);
    let header = JournalHeader {
        platform: platform(),
        node: node(),
        run_id: if index == 0 { context.run_id.clone() } else { new_run_id() },
        version: env!("CARGO_PKG_VERSION"),
        experiment_hash: hash_experiment(&experiment.document),
        hypothesis_strategy: plan.hypothesis,
        variables: variable_digests(&experiment.configuration, &run_context.variables.configuration),
        annotations: request
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect(),
        namespace,
        cluster,
        environment: request.environment.clone(),
    };
    // nothing was changed yet
    let journal = JournalFile::open(&journal_path, header).map_err(|error| {
        RejectedRun::new(source, "runtime", AppError::from(error).with_outcome(Outcome::Usage))
    })?;
    Ok(PreparedRun { source: source.clone(), experiment: Arc::new(experiment), plan, journal, journal_path })
}

/// Reaches the cluster that the experiment uses, if any, so that an unreachable one is reported before the run.
///
/// Runs with `--strict=false` fail only when they use the cluster.
async fn reach_cluster(
    context: &AppContext,
    run_context: &RunContext,
    source: &str,
    experiment: &Experiment,
) -> Result<(Option<String>, Option<ClusterInfo>), RejectedRun> {
    // activities with credentials of their own may use another cluster, known only after secrets are resolved
    let calls_functions =
        experiment.functions().any(|(module, has_credentials)| is_module(module) && !has_credentials);
    let calls_services = || experiment.addresses().any(|address| run_context.services.has(address));
    if !calls_functions && !calls_services() {
        return Ok((None, None));
    }
    // --strict=false does not disable the context allowlist
    run_context
        .kubernetes
        .check_allowlist(&Map::new())
        .await
        .map_err(|error| unreachable(source, "", &error))?;
    let mut location = String::new();
    let reached = async {
        let cluster = run_context.kubernetes.cluster(&Map::new()).await?;
        location = format!(" at {} ({})", cluster.address, cluster.source);
        let version = cluster.version().await?;
        Ok::<_, k8s::Error>((cluster, version))
    };
    match reached.await {
        Ok((cluster, version)) => {
            let text =
                format!("cluster: {} ({}), namespace {}", cluster.address, cluster.source, cluster.namespace);
            context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
            let uid = cluster.identity().await;
            let identity = ClusterInfo { context: cluster.context.clone(), uid, version: Some(version) };
            Ok((Some(cluster.namespace.clone()), Some(identity)))
        }
        Err(_) if !context.is_strict() => Ok((None, None)),
        Err(error) => Err(unreachable(source, &location, &error)),
    }
}

pub(super) fn unreachable(source: &str, location: &str, error: &k8s::Error) -> RejectedRun {
    // an unreachable cluster is named in the error itself
    let location = if error.status().is_some() { location } else { "" };
    let message = format!("cannot use the cluster{location}: {}", message_chain(error));
    let mut rejection = AppError::new(error.code(), message).with_outcome(Outcome::Unreachable);
    rejection.hint = error.hint();
    RejectedRun::new(source, "runtime", rejection)
}

/// Validates the experiment and shows the diagnostics.
fn check(
    context: &AppContext,
    run_context: &RunContext,
    source: &str,
    document: &Document,
) -> Result<(), RejectedRun> {
    let reporter = &*context.reporter;
    reporter.show(&ConsoleLine::new(LineLevel::Info, "Validating the experiment's syntax"));
    let faults = run_context.faults(document, context.is_strict());
    show_inherited_warnings(reporter, &faults);
    if is_invalid(&faults) {
        return Err(RejectedRun::invalid(source, "validation", ErrorCode::ExperimentInvalid, faults));
    }
    reporter.show(&ConsoleLine::new(LineLevel::Info, "Experiment looks valid"));
    show_diagnostics(reporter, &faults);
    Ok(())
}

#[cfg(unix)]
fn platform() -> String {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    format!("{}-{}-{}", text(system.sysname()), text(system.release()), text(system.machine()))
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
