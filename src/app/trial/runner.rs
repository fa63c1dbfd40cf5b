//! Executes the runs of a trial and cleans up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use super::inputs::{ResolvedManifests, check_isolation, connect, read_inputs, resolve_manifests};
use super::state_file::{InPlaceState, TrialNamespace, TrialProgress, TrialStateContent, TrialStateFile};
use super::{NAMESPACE_VARIABLE, TrialJournal, TrialRequest, interrupted, shutdown_signal};
use crate::app::atomic_file::replace;
use crate::app::run::{self, RejectedRun, RunRequest};
use crate::app::{AppContext, AppError, Outcome, RunContext, new_run_id};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::engine::StrategyOverrides;
use crate::error_code::{ErrorCode, message_chain};
use crate::event::Signal;
use crate::journal::{DesignKind, Environment, Keyword, Record, TrialDesign};
use crate::k8s::{Metadata, Resource};
use crate::trial::{self, Arm, Backup, TrialCluster, Workload, replica_counts, schedule_runs};

/// Time allowed until all namespaces are deleted after the last run.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);
/// Time allowed until all namespaces are deleted after a signal.
const INTERRUPTED_DELETION_TIMEOUT: Duration = Duration::from_secs(3);
/// Time allowed for requests in flight before cleanup.
const INFLIGHT_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts to restore objects that controllers change concurrently.
const MAX_RESTORE_ATTEMPTS: u32 = 10;

/// Number of first runs of an arm that are not ready before the trial stops.
const MAX_NOT_READY_RUNS: usize = 2;

/// Result of the runs.
pub(super) struct TrialRuns {
    /// Journals in the order of the runs.
    pub(super) records: Vec<TrialJournal>,
    /// Worst outcome of runs and cleanup.
    pub(super) outcome: Outcome,
}

/// Completes when a signal ends the program.
type ShutdownRequest = Pin<Box<dyn Future<Output = Signal>>>;

/// Trial in progress.
struct TrialRunner<'a> {
    context: &'a AppContext,
    request: &'a TrialRequest,
    cluster: TrialCluster,
    manifests: ResolvedManifests,
    /// Backup of a trial in place.
    backup: Option<Backup>,
    state_file: TrialStateFile,
    /// Copy of the experiment that every run reads.
    experiment: PathBuf,
    records: Vec<TrialJournal>,
    /// Readiness of each run, by arm.
    became_ready: BTreeMap<&'static str, Vec<bool>>,
}

/// Reason why the workloads of a run are not ready, if they are not.
type NotReady = Option<String>;

/// Runs the trial and cleans up. An error means that nothing was created.
pub(super) async fn execute(context: &AppContext, request: &TrialRequest) -> Result<TrialRuns, AppError> {
    let mut shutdown: ShutdownRequest = Box::pin(shutdown_signal(context)?);
    let trial = new_run_id()[..8].to_owned();
    // the ID is random and hexadecimal
    let seed = context.connection.seed.or_else(|| u64::from_str_radix(&trial, 16).ok()).unwrap_or_default();
    let prepared = prepare(context, request, &trial, seed);
    let mut runner = tokio::select! {
        prepared = prepared => prepared?,
        signal = &mut shutdown => {
            let mut error = interrupted(signal);
            error.message += "; nothing was created";
            return Err(error);
        }
    };
    let mut outcome = match Box::pin(runner.run_schedule(&mut shutdown, seed)).await {
        Ok(()) => Outcome::Success,
        Err(error) => {
            let outcome = error.outcome;
            context.reporter.show(&error.sanitized().line());
            outcome
        }
    };
    if let Err(error) = runner.clean_up(matches!(outcome, Outcome::Signal(_))).await {
        context.reporter.show(&error.sanitized().line());
        outcome = outcome.worst(Outcome::RollbackIncomplete);
    }
    Ok(TrialRuns { records: runner.records, outcome })
}

async fn prepare<'a>(
    context: &'a AppContext,
    request: &'a TrialRequest,
    trial: &str,
    seed: u64,
) -> Result<TrialRunner<'a>, AppError> {
    let run_context = RunContext::read(context, &request.variables)?;
    let inputs = read_inputs(context, request, &run_context).await?;
    let client = connect(&run_context).await?;
    let namespace =
        if request.in_place { client.namespace.clone() } else { run_namespace(trial, Arm::Before, 1) };
    check_isolation(context, request, &run_context, &inputs, &namespace)?;
    let log = |text: String| context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
    log(format!("cluster: {} ({})", client.address, client.source));
    let cluster = TrialCluster::new(client.clone(), trial.to_owned());
    let manifests = resolve_manifests(context, request, &cluster, &inputs.manifests).await?;
    let backup = if request.in_place {
        let all = [manifests.for_arm(Arm::Before), manifests.for_arm(Arm::After)].concat();
        let backup = cluster.capture_backup(&namespace, &all).await;
        Some(backup.map_err(|error| AppError::from(error).with_outcome(Outcome::Unreachable))?)
    } else {
        None
    };
    let content = TrialStateContent {
        schema: "kubectl-chaos/trial/v1",
        trial: trial.to_owned(),
        experiment_hash: inputs.hash,
        cluster: client.address.clone(),
        context: client.context.clone(),
        embedded: request.embedded,
        seed,
        state: TrialProgress::Running,
        common: Vec::new(),
        namespaces: Vec::new(),
        in_place: backup.as_ref().map(|backup| InPlaceState {
            namespace: backup.namespace().to_owned(),
            secret: backup.secret_name(),
            digest: backup.digest().to_owned(),
            changes: backup.describe_changes(),
        }),
    };
    let usage = |error: AppError| error.with_outcome(Outcome::Usage);
    let state_file =
        TrialStateFile::create(&request.output_dir, content).map_err(|error| usage(error.into()))?;
    // every run reads this copy, so later changes of the source have no effect
    let experiment = request.output_dir.join("experiment.json");
    let text = serde_json::to_string_pretty(&inputs.experiment.document).unwrap_or_default() + "\n";
    replace(&experiment, text.as_bytes()).map_err(|error| usage(error.into()))?;
    let (records, became_ready) = (Vec::new(), BTreeMap::new());
    let runner = TrialRunner {
        context,
        request,
        cluster,
        manifests,
        backup,
        state_file,
        experiment,
        records,
        became_ready,
    };
    Ok(runner)
}

/// Returns the name of the namespace of a run.
fn run_namespace(trial: &str, arm: Arm, repeat: u32) -> String {
    format!("chaos-trial-{trial}-{}-{repeat}", arm.name())
}

/// Adds the operation and its object to an error of the cluster. The exit status says that the cluster refuses.
fn refused(verb: &'static str, object: impl Into<String>) -> impl FnOnce(trial::Error) -> AppError {
    move |error| AppError::from(error.of_object(verb, object)).with_outcome(Outcome::Unreachable)
}

impl TrialRunner<'_> {
    fn log(&self, text: &str) {
        self.context.reporter.show(&ConsoleLine::note(LineLevel::Info, sanitize(text)));
    }

    fn warn(&self, text: &str) {
        self.context.reporter.show(&ConsoleLine::note(LineLevel::Warning, sanitize(text)));
    }

    fn save_state(&self) -> Result<(), AppError> {
        self.state_file.write().map_err(|error| AppError::from(error).with_outcome(Outcome::NotWritten))
    }

    /// Executes all runs. An error stops the trial.
    async fn run_schedule(&mut self, shutdown: &mut ShutdownRequest, seed: u64) -> Result<(), AppError> {
        let runs = schedule_runs(self.request.repeat, seed);
        self.log(&format!(
            "trial {}: {} runs, {} per arm, seed {seed}; output directory {}",
            self.state_file.content.trial,
            runs.len(),
            self.request.repeat,
            self.request.output_dir.display()
        ));
        self.create_cluster_scoped(shutdown).await?;
        self.save_backup(shutdown).await?;
        let count = runs.len();
        for (number, (arm, repeat)) in runs.into_iter().enumerate() {
            if let Some(backup) = &self.backup {
                let name = backup.namespace().to_owned();
                self.log(&format!("run {} of {count}: {}, in place", number + 1, arm.name()));
                let not_ready = or_interrupted(shutdown, self.deploy_in_place(&name, arm)).await?;
                self.execute_run(shutdown, &name, (arm, repeat), not_ready).await?;
                if self.should_abandon(arm) {
                    break;
                }
                continue;
            }
            let name = run_namespace(&self.state_file.content.trial, arm, repeat);
            self.log(&format!("run {} of {count}: {}, in namespace {name}", number + 1, arm.name()));
            let namespace = TrialNamespace { name: name.clone(), arm: arm.name(), repeat, removed: false };
            self.state_file.content.namespaces.push(namespace);
            self.save_state()?;
            let not_ready = or_interrupted(shutdown, self.deploy_namespace(&name, arm)).await?;
            self.execute_run(shutdown, &name, (arm, repeat), not_ready).await?;
            or_interrupted(shutdown, self.delete_run_namespaces()).await?;
            if self.should_abandon(arm) {
                break;
            }
        }
        Ok(())
    }

    /// Whether the trial stops because the first runs of this arm were not ready.
    fn should_abandon(&self, arm: Arm) -> bool {
        let ready = self.became_ready.get(arm.name()).map(Vec::as_slice).unwrap_or_default();
        let abandon =
            ready.len() >= MAX_NOT_READY_RUNS && ready[..MAX_NOT_READY_RUNS].iter().all(|ready| !ready);
        let left = (2 * self.request.repeat as usize).saturating_sub(self.records.len());
        if abandon && left > 0 {
            let runs = if left == 1 { "run" } else { "runs" };
            self.warn(&format!(
                "{} was not ready in its first {MAX_NOT_READY_RUNS} runs; skipping the remaining {left} {runs}",
                arm.name()
            ));
        }
        abandon
    }

    /// Creates the cluster-scoped objects that both arms share.
    async fn create_cluster_scoped(&mut self, shutdown: &mut ShutdownRequest) -> Result<(), AppError> {
        let unreachable = |error: trial::Error| AppError::from(error).with_outcome(Outcome::Unreachable);
        let all: Vec<_> = self.manifests.cluster_scoped.iter().collect();
        let planned = self.cluster.cluster_scoped_plan(&all);
        let plan = or_interrupted(shutdown, async { planned.await.map_err(unreachable) }).await?;
        let object = |target: crate::mutation::Target| format!("{} {}", target.kind, target.name);
        self.state_file.content.common = plan.targets().into_iter().map(object).collect();
        self.save_state()?;
        or_interrupted(shutdown, async { self.cluster.apply(plan).await.map_err(unreachable) }).await
    }

    /// Saves the originals of a trial in place before it changes them.
    async fn save_backup(&self, shutdown: &mut ShutdownRequest) -> Result<(), AppError> {
        let Some(backup) = &self.backup else { return Ok(()) };
        self.log(&format!(
            "in namespace {}: {}; originals will be restored",
            backup.namespace(),
            backup.describe_changes().join(", ")
        ));
        let saved = self.cluster.apply(backup.creation_plan());
        let name = format!("backup Secret {}", backup.secret_name());
        or_interrupted(shutdown, async { saved.await.map_err(refused("create", name)) }).await
    }

    /// Deploys an arm in place, after it restores the objects that only the other arm changes.
    async fn deploy_in_place(&self, name: &str, arm: Arm) -> Result<NotReady, AppError> {
        let Some(backup) = &self.backup else { return Ok(None) };
        let manifests = self.manifests.for_arm(arm);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let own: BTreeSet<Workload> = manifests
            .iter()
            .map(|one| (one.kind.resource.kind.to_string(), text(&one.manifest.object["metadata"]["name"])))
            .collect();
        restore_with_retry(&self.cluster, backup, &own).await.map_err(refused("restore", "the originals"))?;
        let applied = self.cluster.apply(backup.application_plan(&manifests)).await;
        applied.map_err(refused("apply", format!("the manifests of {}", arm.name())))?;
        Ok(self.wait_until_ready(name, arm, Some(&own)).await)
    }

    /// Waits until everything in a namespace, or these workloads, are ready.
    async fn wait_until_ready(&self, name: &str, arm: Arm, only: Option<&BTreeSet<Workload>>) -> NotReady {
        let ready = self.cluster.wait_until_ready(name, only, self.request.ready_timeout).await;
        ready.err().map(|error| format!("{}: {}", arm.name(), message_chain(&error)))
    }

    /// Creates the namespace of a run with its objects, and waits until they are ready.
    async fn deploy_namespace(&self, name: &str, arm: Arm) -> Result<NotReady, AppError> {
        let created = self.cluster.apply(self.cluster.namespace_plan(name, arm.name())).await;
        created.map_err(refused("create", format!("namespace {name}")))?;
        let objects = TrialCluster::application_plan(&self.manifests.for_arm(arm), name);
        let applied = self.cluster.apply(objects).await;
        applied.map_err(refused("apply", format!("the manifests of {}", arm.name())))?;
        Ok(self.wait_until_ready(name, arm, None).await)
    }

    /// Executes one run; writes only a journal if its workloads are not ready.
    async fn execute_run(
        &mut self,
        shutdown: &mut ShutdownRequest,
        name: &str,
        (arm, repeat): (Arm, u32),
        not_ready: NotReady,
    ) -> Result<(), AppError> {
        let path = self.request.output_dir.join(arm.name()).join(format!("journal-{repeat}.json"));
        let mut context = AppContext {
            connection: self.context.connection.within(name),
            run_id: new_run_id(),
            reporter: self.context.reporter.quieter(),
            ..self.context.clone()
        };
        context.environment.set(NAMESPACE_VARIABLE, name);
        let manifests = self.manifests.for_arm(arm);
        let environment = Environment {
            arm: Some(arm.name().to_owned()),
            repeat: Some(repeat),
            trial: Some(self.state_file.content.trial.clone()),
            pair: Some(repeat),
            design: Some(TrialDesign {
                kind: DesignKind::Fixed.into(),
                max_pairs: Some(self.request.repeat),
            }),
            overlaps: Vec::new(),
            nodes: self.cluster.count_nodes().await,
            replicas: replica_counts(manifests.iter().map(|one| &one.manifest.object)),
        };
        let request = self.run_request(&path, environment);
        self.became_ready.entry(arm.name()).or_default().push(not_ready.is_none());
        let outcome = match not_ready {
            None => {
                let outcome = run::run(&context, &request).await;
                show_rejected(&context, outcome.rejected.as_ref());
                outcome.worst()
            }
            Some(reason) => {
                let recorded = Box::pin(run::record_not_started(&context, &request, reason));
                let rejected = or_interrupted(shutdown, async { Ok(recorded.await.err()) }).await?;
                show_rejected(&context, rejected.as_ref());
                rejected.map_or(Outcome::Success, |rejected| rejected.error.outcome)
            }
        };
        match outcome {
            Outcome::Signal(signal) => {
                // an interrupted run is one of the runs, even if its journal cannot be read
                if path.exists()
                    && let Err(error) = self.read_journal(&path, arm)
                {
                    self.warn(&error.message);
                }
                return Err(interrupted(signal));
            }
            // the same error would stop every other run
            Outcome::Usage | Outcome::Invalid | Outcome::Unreachable => {
                let message = format!("run in namespace {name} did not start");
                return Err(AppError::new(ErrorCode::TrialCluster, message).with_outcome(outcome));
            }
            _ => {}
        }
        self.read_journal(&path, arm)
    }

    /// Reads the journal of a run.
    fn read_journal(&mut self, path: &Path, arm: Arm) -> Result<(), AppError> {
        let unreadable = |message: String| {
            AppError::new(ErrorCode::JournalInvalid, message).with_outcome(Outcome::NotWritten)
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| unreadable(format!("cannot read {}: {error}", path.display())))?;
        let record = Record::read(&path.display().to_string(), text)
            .map_err(|error| unreadable(message_chain(&error)))?;
        let own = record.content.extension.as_ref();
        let text = |of: Option<&str>| of.unwrap_or_default().to_owned();
        let (verdict, reason) = (
            text(own.and_then(|own| own.verdict.as_ref().map(Keyword::as_str))),
            text(own.and_then(|own| own.reason.as_deref())),
        );
        self.log(&format!("  {verdict}: {reason}"));
        self.records.push(TrialJournal { arm, record });
        Ok(())
    }

    /// Returns the request for one run.
    fn run_request(&self, journal: &Path, environment: Environment) -> RunRequest {
        let request = self.request;
        RunRequest {
            sources: vec![self.experiment.display().to_string()],
            journal_path: journal.to_owned(),
            variables: request.variables.clone(),
            control_files: request.control_files.clone(),
            strategies: StrategyOverrides { hypothesis: None, rollbacks: request.rollback_strategy.clone() },
            timeout: request.timeout,
            effect_timeout: request.effect_timeout,
            sampling: Some(request.sampling.clone()),
            environment: Some(environment),
            ..RunRequest::default()
        }
    }

    /// Deletes the namespaces of earlier runs and waits, so that the next run is independent of them.
    async fn delete_run_namespaces(&mut self) -> Result<(), AppError> {
        self.delete_namespaces().await.map_err(cleanup_incomplete)?;
        self.save_state()?;
        if !self.cluster.wait_until_deleted(DELETION_TIMEOUT).await {
            let seconds = DELETION_TIMEOUT.as_secs();
            self.warn(&format!("namespace still terminating after {seconds} s; continuing"));
        }
        Ok(())
    }

    /// Requests the deletion of all namespaces of the trial.
    async fn delete_namespaces(&mut self) -> Result<(), trial::Error> {
        let existing: Vec<Metadata> = self.cluster.list_namespaces().await?;
        self.cluster.apply(TrialCluster::namespace_deletion_plan(&existing)).await?;
        for namespace in &mut self.state_file.content.namespaces {
            namespace.removed |= existing.iter().any(|one| one.name == namespace.name);
        }
        Ok(())
    }

    /// Deletes or restores everything that the trial changed.
    async fn clean_up(&mut self, is_interrupted: bool) -> Result<(), AppError> {
        let settled = self.cluster.wait_for_inflight(INFLIGHT_TIMEOUT).await;
        let cleaned = self.delete_all(is_interrupted, settled).await;
        let cleaned =
            cleaned.and_then(|()| if settled { Ok(()) } else { Err(trial::Error::InFlight.into()) });
        self.state_file.content.state =
            if cleaned.is_ok() { TrialProgress::Finished } else { TrialProgress::CleanupIncomplete };
        let saved = self.save_state();
        let trial = &self.state_file.content.trial;
        cleaned.map_err(|error| {
            AppError::new(ErrorCode::TrialCleanup, format!("cleanup incomplete: {}", error.message))
                .with_hint(format!("run `kubectl chaos recover {trial}`"))
        })?;
        saved
    }

    /// Deletes the cluster-scoped objects that both arms share.
    async fn delete_cluster_scoped(&self) -> Result<(), trial::Error> {
        let kinds: Vec<_> = self.manifests.cluster_scoped.iter().map(|one| one.kind.clone()).collect();
        let objects: Vec<(Resource, Metadata)> = self.cluster.list_cluster_scoped(&kinds).await?;
        self.cluster.apply(TrialCluster::deletion_plan(&objects)).await
    }

    async fn delete_all(&mut self, is_interrupted: bool, settled: bool) -> Result<(), AppError> {
        let first = match &self.backup {
            Some(backup) => restore_backup(&self.cluster, backup, settled).await,
            None => self.delete_namespaces().await,
        };
        // a failure must not prevent the remaining cleanup
        let common = self.delete_cluster_scoped().await;
        let mut failed: Vec<trial::Error> = [first, common].into_iter().filter_map(Result::err).collect();
        match failed.len() {
            0 => {}
            1 => return Err(failed.remove(0).into()),
            _ => return Err(trial::Error::Several(failed).into()),
        }
        if self.backup.is_some() {
            return Ok(());
        }
        // a signal that already ended the trial counts as much as a new one
        let shutdown = shutdown_signal(self.context)?;
        let (deleted, limit) = tokio::select! {
            biased;
            () = async { if !is_interrupted { shutdown.await; } } => {
                let limit = INTERRUPTED_DELETION_TIMEOUT;
                (self.cluster.wait_until_deleted(limit).await, limit)
            }
            deleted = self.cluster.wait_until_deleted(DELETION_TIMEOUT) => (deleted, DELETION_TIMEOUT),
        };
        if deleted {
            return Ok(());
        }
        // interrupted: do not wait for namespaces that are already terminating
        let left = self.cluster.list_namespaces().await?;
        let is_terminating = left.iter().all(|one| one.deletion_timestamp.is_some());
        if limit == INTERRUPTED_DELETION_TIMEOUT && is_terminating {
            self.log("namespaces are terminating; the cluster finishes the deletion");
            return Ok(());
        }
        Err(trial::Error::StillTerminating { seconds: limit.as_secs() }.into())
    }
}

/// Shows why a run did not start.
fn show_rejected(context: &AppContext, rejected: Option<&RejectedRun>) {
    if let Some(rejected) = rejected {
        rejected.show(&*context.reporter);
    }
}

fn cleanup_incomplete(error: trial::Error) -> AppError {
    AppError::new(ErrorCode::TrialCleanup, message_chain(&error))
}

/// Restores the originals, except those of these workloads. Repeats on conflicts.
pub(crate) async fn restore_with_retry(
    cluster: &TrialCluster,
    backup: &Backup,
    except: &BTreeSet<Workload>,
) -> Result<(), trial::Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match cluster.apply(backup.restoration_plan(except).await?).await {
            // a controller changed the object at the same time
            Err(error) if error.is_conflict() && attempts < MAX_RESTORE_ATTEMPTS => {}
            applied => return applied,
        }
    }
}

/// Restores the originals and, if `delete` is set, deletes the backup.
async fn restore_backup(cluster: &TrialCluster, backup: &Backup, delete: bool) -> Result<(), trial::Error> {
    restore_with_retry(cluster, backup, &BTreeSet::new()).await?;
    if delete { cluster.apply(backup.deletion_plan().await?).await } else { Ok(()) }
}

/// Awaits the work, or stops with an error when a signal arrives.
async fn or_interrupted<T>(
    shutdown: &mut ShutdownRequest,
    work: impl Future<Output = Result<T, AppError>>,
) -> Result<T, AppError> {
    tokio::select! {
        biased;
        signal = shutdown => Err(interrupted(signal)),
        result = work => result,
    }
}
