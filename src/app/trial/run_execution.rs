//! One run of a trial: deploys its workloads, runs the experiment, and reads the journal.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::run_reporter::RunReporter;
use super::runner::{TrialRunner, read_journal, refused, run_namespace};
use super::state_file::{TrialNamespace, TrialRunState};
use super::{NAMESPACE_VARIABLE, RunEnd, TrialJournal, interrupted, progress};
use crate::app::run::{self, NotReady, RejectedRun, RunRequest, TrialPart};
use crate::app::{AppContext, AppError, Outcome, new_run_id};
use crate::compare::{RunOutcomeKind, run_outcome};
use crate::engine::StrategyOverrides;
use crate::error_code::{ErrorCode, message_chain};
use crate::journal::{DesignKind, Environment, Keyword, Record, TrialDesign};
use crate::sampling::SamplingOptions;
use crate::trial::{
    Arm, Concurrency, Repetition, RunResult, ScheduledRun, TrialCluster, Workload, replica_counts,
    workload_images,
};

impl TrialRunner<'_> {
    /// Executes one run.
    pub(super) async fn execute_run(&self, run: ScheduledRun) -> RunEnd {
        let run_id = new_run_id();
        let namespace = match &self.backup {
            Some(backup) => backup.namespace().to_owned(),
            None => run_namespace(&self.trial, run.arm, run.repeat),
        };
        self.overlaps.begin(&run_id);
        let (journal, result) = self.deploy_and_run(run, &run_id, &namespace).await;
        // the run has not taken it out if it did not start
        self.overlaps.end(&run_id);
        RunEnd { run, namespace: self.backup.is_none().then_some(namespace), journal, result }
    }

    async fn deploy_and_run(
        &self,
        run: ScheduledRun,
        run_id: &str,
        namespace: &str,
    ) -> (Option<TrialJournal>, Result<RunResult, AppError>) {
        let begun = Instant::now();
        let place =
            if self.backup.is_some() { "in place".to_owned() } else { format!("in namespace {namespace}") };
        self.log(&format!("pair {} of {}: {}, {place}", run.pair, self.max_pairs_text(), run.arm.name()));
        // these are gone before the run measures anything
        let leaving = self.removing.borrow().clone();
        if let Err(error) = self.or_interrupted(self.deploy(run, namespace, &leaving)).await {
            return (None, Err(error));
        }
        let path = self.request.output_dir.join(run.arm.name()).join(format!("journal-{}.json", run.repeat));
        let context = self.run_context(run, run_id, namespace);
        let request = self.run_request(&path, self.environment(run).await);
        let readiness = Box::pin(async {
            let ready = self.wait_until_ready(namespace, run.arm).await;
            self.wait_until_removed(&leaving).await;
            ready
        });
        let part = TrialPart::new(begun, readiness, |environment: &mut Environment| {
            environment.overlaps = self.overlaps.end(run_id);
        });
        let outcome = Box::pin(run::run_in_trial(&context, &request, part)).await;
        show_rejected(&context, outcome.rejected.as_ref());
        match outcome.worst() {
            Outcome::Signal(signal) => {
                // an interrupted run is one of the runs, even if its journal cannot be read
                let record = path.exists().then(|| read_journal(&path));
                let record = record.and_then(|record| record.map_err(|error| self.warn(&error.message)).ok());
                (record.map(|record| self.note_run(run, run_id, record).0), Err(interrupted(signal)))
            }
            // the same error would stop every other run
            outcome @ (Outcome::Usage | Outcome::Invalid | Outcome::Unreachable) => {
                let message = format!("run in namespace {namespace} did not start");
                (None, Err(AppError::new(ErrorCode::TrialCluster, message).with_outcome(outcome)))
            }
            _ => match read_journal(&path) {
                Ok(record) => {
                    let (journal, result) = self.note_run(run, run_id, record);
                    (Some(journal), result)
                }
                Err(error) => (None, Err(error)),
            },
        }
    }

    fn max_pairs_text(&self) -> String {
        match self.repetition {
            Repetition::Fixed(pairs) => pairs.to_string(),
            Repetition::Auto { max_pairs } => format!("at most {max_pairs}"),
        }
    }

    /// Creates everything that the run needs. The workloads may not be ready yet.
    async fn deploy(
        &self,
        run: ScheduledRun,
        namespace: &str,
        leaving: &BTreeSet<String>,
    ) -> Result<(), AppError> {
        if self.backup.is_some() {
            return self.deploy_in_place(run.arm).await;
        }
        if self.is_exclusive {
            self.wait_until_removed(leaving).await;
        }
        self.save_state(|content| {
            content.namespaces.push(TrialNamespace {
                name: namespace.to_owned(),
                arm: run.arm.name(),
                repeat: run.repeat,
                pair: run.pair,
                removed: false,
            });
        })?;
        let created = self.cluster.apply(self.cluster.namespace_plan(namespace, run.arm.name())).await;
        created.map_err(refused("create", format!("namespace {namespace}")))?;
        let objects = TrialCluster::application_plan(&self.manifests.for_arm(run.arm), namespace);
        let applied = self.cluster.apply(objects).await;
        applied.map_err(refused("apply", format!("the manifests of {}", run.arm.name())))
    }

    /// Waits until everything in a namespace is ready; in place, until the workloads of the arm are.
    async fn wait_until_ready(&self, namespace: &str, arm: Arm) -> Result<(), NotReady> {
        let own: Option<BTreeSet<Workload>> = self.backup.as_ref().map(|_| self.manifests.workloads(arm));
        let ready = self.cluster.wait_until_ready(namespace, own.as_ref(), self.request.ready_timeout).await;
        ready.map_err(|error| NotReady(format!("{}: {}", arm.name(), message_chain(&error))))
    }

    /// Waits until these namespaces of earlier runs are removed, so that the run is independent of them.
    async fn wait_until_removed(&self, names: &BTreeSet<String>) {
        let mut removing = self.removing.subscribe();
        // the sender lives as long as the trial
        let _ = removing.wait_for(|removing| removing.is_disjoint(names)).await;
    }

    /// Returns the context of a run: its own namespace, identifier, environment and console lines.
    fn run_context(&self, run: ScheduledRun, run_id: &str, namespace: &str) -> AppContext {
        let reporter = self.context.reporter.quieter();
        let reporter = match self.concurrency {
            Concurrency::Sequential => reporter,
            Concurrency::Pairs(_) => {
                Arc::new(RunReporter::new(reporter, format!("{} {}: ", run.arm.name(), run.repeat)))
            }
        };
        let mut context = AppContext {
            connection: self.context.connection.within(namespace),
            run_id: run_id.to_owned(),
            reporter,
            ..self.context.clone()
        };
        context.environment.set(NAMESPACE_VARIABLE, namespace);
        context
    }

    /// Returns what the journal of a run says about the trial and the cluster.
    async fn environment(&self, run: ScheduledRun) -> Environment {
        let manifests = self.manifests.for_arm(run.arm);
        let objects = || manifests.iter().map(|one| &one.manifest.object);
        let kind = match self.repetition {
            Repetition::Fixed(_) => DesignKind::Fixed,
            Repetition::Auto { .. } => DesignKind::Auto,
        };
        Environment {
            arm: Some(run.arm.name().to_owned()),
            repeat: Some(run.repeat),
            trial: Some(self.trial.clone()),
            pair: Some(run.pair),
            design: Some(TrialDesign { kind: kind.into(), max_pairs: Some(self.repetition.max_pairs()) }),
            overlaps: Vec::new(),
            nodes: self.cluster.count_nodes().await,
            replicas: replica_counts(objects()),
            images: workload_images(objects()),
            phases: None,
        }
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
            sampling: Some(SamplingOptions { is_compared: true, ..request.sampling.clone() }),
            environment: Some(environment),
            ..RunRequest::default()
        }
    }

    /// Shows and records how a run ended.
    fn note_run(
        &self,
        run: ScheduledRun,
        run_id: &str,
        record: Record,
    ) -> (TrialJournal, Result<RunResult, AppError>) {
        let result = match run_outcome(&record) {
            Ok(RunOutcomeKind::Failed) => RunResult::Failed,
            Ok(_) => RunResult::Held,
            Err(cause) => RunResult::Void(cause),
        };
        let extension = record.content.extension.as_ref();
        let verdict = extension.and_then(|extension| extension.verdict.as_ref()).map(Keyword::as_str);
        let reason = extension.and_then(|extension| extension.reason.as_deref());
        let phases = extension
            .and_then(|extension| extension.environment.as_ref())
            .and_then(|environment| environment.phases);
        let name = format!("{} {}", run.arm.name(), run.repeat);
        self.log(&format!("  {name}: {}: {}", verdict.unwrap_or_default(), reason.unwrap_or_default()));
        if let Some(phases) = phases {
            self.log(&format!("  {name}: {}", progress::describe_phases(&phases.parts())));
        }
        let outcome = match result {
            RunResult::Held => "held",
            RunResult::Failed => "failed",
            RunResult::Void(_) => "void",
        };
        let saved = self.save_state(|content| {
            content.runs.push(TrialRunState {
                arm: run.arm.name(),
                pair: run.pair,
                repeat: run.repeat,
                run_id: run_id.to_owned(),
                outcome,
                phases,
                removal: None,
            });
        });
        let journal = TrialJournal { arm: run.arm, order: (run.pair, run.repeat), record };
        (journal, saved.map(|()| result))
    }
}

/// Shows why a run did not start.
fn show_rejected(context: &AppContext, rejected: Option<&RejectedRun>) {
    if let Some(rejected) = rejected {
        rejected.show(&*context.reporter);
    }
}
