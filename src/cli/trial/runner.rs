//! The runs of a trial, one after the other, and what is left when they are over: nothing. Floor 3.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use super::args::Trial;
use super::prepare::{
    ResolvedManifests, TrialRefusal, check_isolation, connect, read_inputs, resolve_manifests,
};
use super::state_file::{InPlaceState, TrialNamespace, TrialProgress, TrialStateContent, TrialStateFile};
use super::{NAMESPACE_VARIABLE, TrialJournal, signal_of};
use crate::cli::args::{RunArgs, RunOutputFormat};
use crate::cli::exit_code::ExitStatus;
use crate::cli::report_files::{ReportArgs, replace};
use crate::cli::run_context::RunContext;
use crate::cli::{CommandContext, new_run_id, run};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::message_chain;
use crate::event::Signal;
use crate::journal::{Environment, Keyword, Record};
use crate::k8s::{Metadata, Resource};
use crate::trial::Workload;
use crate::trial::{Arm, Backup, TrialCluster, order, replica_counts};

/// How long everything that was made may take to be gone after the last run.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);
/// The same when somebody wants the program to end.
const INTERRUPTED_DELETION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a change that was cut may take to have its answer, before what it did is cleaned up.
const INFLIGHT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often something is put back that others write, too.
const MAX_RESTORE_ATTEMPTS: u32 = 10;

/// So many first runs of an arm that did not become ready say that its others will not, either.
const MAX_NOT_READY_RUNS: usize = 2;

/// What a trial saw.
pub(super) struct TrialRuns {
    /// The journals, in the order of the runs.
    pub(super) records: Vec<TrialJournal>,
    /// How it ended, if not well.
    pub(super) exit: ExitStatus,
}

/// What ends a trial from outside.
type ShutdownRequest = Pin<Box<dyn Future<Output = Signal>>>;

/// A trial that is under way.
struct TrialRunner<'a> {
    session: &'a CommandContext,
    args: &'a Trial,
    kubeconfig: Option<&'a Path>,
    cluster: TrialCluster,
    manifests: ResolvedManifests,
    /// What stood there, of a trial in place.
    backup: Option<Backup>,
    state_file: TrialStateFile,
    /// The experiment, as every run reads it.
    experiment: PathBuf,
    records: Vec<TrialJournal>,
    /// Whether each run became ready, by the name of its arm.
    became_ready: BTreeMap<&'static str, Vec<bool>>,
}

/// What kept a run from beginning: that what it was to run on did not become ready.
type NotReady = Option<String>;

/// Conducts it. An error means that nothing was made.
pub(super) async fn execute(
    session: &CommandContext,
    args: &Trial,
    kubeconfig: Option<&Path>,
) -> Result<TrialRuns, TrialRefusal> {
    let ended =
        |signal: Signal| (ExitStatus::Signal(signal), format!("interrupted by {signal}: nothing was made"));
    let mut end: ShutdownRequest = Box::pin(
        session
            .signals
            .end()
            .map_err(|error| (ExitStatus::Usage, format!("signals cannot be heard: {error}")))?,
    );
    let trial = new_run_id()[..8].to_owned();
    // hexadecimal digits, drawn by chance
    let seed = session.connection.seed().or_else(|| u64::from_str_radix(&trial, 16).ok()).unwrap_or_default();
    let prepared = prepare(session, args, kubeconfig, &trial, seed);
    let mut under_way = tokio::select! {
        prepared = prepared => prepared?,
        signal = &mut end => return Err(ended(signal)),
    };
    let mut exit = match under_way.run_schedule(&mut end, seed).await {
        Ok(()) => ExitStatus::Fine,
        Err((exit, why)) => {
            session.terminal.say(&ConsoleLine::note(LineLevel::Error, sanitize(&why)));
            exit
        }
    };
    if let Err(why) = under_way.clean_up(matches!(exit, ExitStatus::Signal(_))).await {
        session.terminal.say(&ConsoleLine::note(LineLevel::Error, sanitize(&why)));
        exit = exit.worst(ExitStatus::RollbackIncomplete);
    }
    Ok(TrialRuns { records: under_way.records, exit })
}

async fn prepare<'a>(
    session: &'a CommandContext,
    args: &'a Trial,
    kubeconfig: Option<&'a Path>,
    trial: &str,
    seed: u64,
) -> Result<TrialRunner<'a>, TrialRefusal> {
    let said = |code: u8| {
        (if code == 2 { ExitStatus::Usage } else { ExitStatus::Invalid }, "nothing was made".to_owned())
    };
    let surroundings = RunContext::read(session, &args.variables, kubeconfig).map_err(said)?;
    let read = read_inputs(session, args, &surroundings).await?;
    let cluster = connect(&surroundings).await?;
    let within = if args.in_place { cluster.namespace.clone() } else { run_namespace(trial, Arm::Before, 1) };
    check_isolation(session, args, &surroundings, &read, &within)?;
    let note = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    note(format!("cluster: {} ({})", cluster.address, cluster.source));
    let stage = TrialCluster::new(cluster.clone(), trial.to_owned());
    let deployed = resolve_manifests(&stage, &read.manifests).await?;
    let standing = if args.in_place {
        let all = [deployed.for_arm(Arm::Before), deployed.for_arm(Arm::After)].concat();
        let standing = stage.capture_backup(&within, &all).await;
        Some(standing.map_err(|error| (ExitStatus::Unreachable, error))?)
    } else {
        None
    };
    let content = TrialStateContent {
        schema: "kubectl-chaos/trial/v1",
        trial: trial.to_owned(),
        experiment_hash: read.hash,
        cluster: cluster.address.clone(),
        context: cluster.context.clone(),
        embedded: args.embedded,
        seed,
        state: TrialProgress::Running,
        common: Vec::new(),
        namespaces: Vec::new(),
        in_place: standing.as_ref().map(|standing| InPlaceState {
            namespace: standing.namespace().to_owned(),
            secret: standing.secret_name(),
            digest: standing.digest().to_owned(),
            changes: standing.describe_changes(),
        }),
    };
    let file =
        TrialStateFile::create(&args.output_dir, content).map_err(|error| (ExitStatus::Usage, error))?;
    // every run reads the same one, whatever becomes of the source
    let experiment = args.output_dir.join("experiment.json");
    let text = serde_json::to_string_pretty(&read.experiment.document).unwrap_or_default() + "\n";
    replace(&experiment, text.as_bytes()).map_err(|error| (ExitStatus::Usage, error))?;
    let (records, became_ready) = (Vec::new(), BTreeMap::new());
    let under_way = TrialRunner {
        session,
        args,
        kubeconfig,
        cluster: stage,
        manifests: deployed,
        backup: standing,
        state_file: file,
        experiment,
        records,
        became_ready,
    };
    Ok(under_way)
}

/// The namespace of a run.
fn run_namespace(trial: &str, arm: Arm, repeat: u32) -> String {
    format!("chaos-trial-{trial}-{}-{repeat}", arm.name())
}

impl TrialRunner<'_> {
    fn log(&self, text: &str) {
        self.session.terminal.say(&ConsoleLine::note(LineLevel::Info, sanitize(text)));
    }

    fn save_state(&self) -> Result<(), TrialRefusal> {
        self.state_file.write().map_err(|error| (ExitStatus::NotWritten, error))
    }

    /// Every run. An error says why no more of them make sense.
    async fn run_schedule(&mut self, end: &mut ShutdownRequest, seed: u64) -> Result<(), TrialRefusal> {
        let runs = schedule_runs(self.args.repeat, seed);
        self.log(&format!(
            "trial {}: {} runs, {} of each arm, seed {seed}; everything goes to {}",
            self.state_file.content.trial,
            runs.len(),
            self.args.repeat,
            self.args.output_dir.display()
        ));
        self.create_cluster_scoped(end).await?;
        self.save_backup(end).await?;
        let count = runs.len();
        for (number, (arm, repeat)) in runs.into_iter().enumerate() {
            if let Some(standing) = &self.backup {
                let name = standing.namespace().to_owned();
                self.log(&format!("run {} of {count}: {}, in place", number + 1, arm.name()));
                let unready = or_interrupted(end, self.deploy_in_place(&name, arm)).await?;
                self.execute_run(end, &name, (arm, repeat), unready).await?;
                if self.should_abandon(arm) {
                    break;
                }
                continue;
            }
            let name = run_namespace(&self.state_file.content.trial, arm, repeat);
            self.log(&format!("run {} of {count}: {}, in the namespace {name}", number + 1, arm.name()));
            let place = TrialNamespace { name: name.clone(), arm: arm.name(), repeat, removed: false };
            self.state_file.content.namespaces.push(place);
            self.save_state()?;
            let unready = or_interrupted(end, self.deploy_namespace(&name, arm)).await?;
            self.execute_run(end, &name, (arm, repeat), unready).await?;
            or_interrupted(end, self.delete_run_namespaces()).await?;
            if self.should_abandon(arm) {
                break;
            }
        }
        Ok(())
    }

    /// Whether no more runs make sense, as this arm does not become ready.
    fn should_abandon(&self, arm: Arm) -> bool {
        let ready = self.became_ready.get(arm.name()).map(Vec::as_slice).unwrap_or_default();
        let is_so =
            ready.len() >= MAX_NOT_READY_RUNS && ready[..MAX_NOT_READY_RUNS].iter().all(|ready| !ready);
        let left = (2 * self.args.repeat as usize).saturating_sub(self.records.len());
        if is_so && left > 0 {
            let arm = arm.name();
            let runs =
                if left == 1 { "the last run is".to_owned() } else { format!("the other {left} runs are") };
            let text =
                format!("{arm} did not become ready in its first {MAX_NOT_READY_RUNS} runs: {runs} left out");
            self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
        }
        is_so
    }

    /// Things of the whole cluster, which both arms share.
    async fn create_cluster_scoped(&mut self, end: &mut ShutdownRequest) -> Result<(), TrialRefusal> {
        let refused = |error: String| (ExitStatus::Unreachable, error);
        let all: Vec<_> = self.manifests.cluster_scoped.iter().collect();
        let intent =
            or_interrupted(end, async { self.cluster.cluster_scoped_plan(&all).await.map_err(refused) })
                .await?;
        let told = |target: crate::mutation::Target| format!("{} {}", target.kind, target.name);
        self.state_file.content.common = intent.targets().into_iter().map(told).collect();
        self.save_state()?;
        or_interrupted(end, async { self.cluster.apply(intent).await.map_err(refused) }).await
    }

    /// Keeps what stands where a trial in place puts its own, before anything of it is touched.
    async fn save_backup(&self, end: &mut ShutdownRequest) -> Result<(), TrialRefusal> {
        let Some(standing) = &self.backup else { return Ok(()) };
        self.log(&format!(
            "in the namespace {} it {}, and puts back what stands there",
            standing.namespace(),
            standing.describe_changes().join(", ")
        ));
        or_interrupted(end, async {
            let kept = self.cluster.apply(standing.creation_plan()).await;
            kept.map_err(|error| {
                (ExitStatus::Unreachable, format!("what stands there could not be kept: {error}"))
            })
        })
        .await
    }

    /// Puts an arm where something stands: what belongs to the other arm alone becomes what it was.
    async fn deploy_in_place(&self, name: &str, arm: Arm) -> Result<NotReady, TrialRefusal> {
        let Some(standing) = &self.backup else { return Ok(None) };
        let refused = |error: String| (ExitStatus::Unreachable, error);
        let objects = self.manifests.for_arm(arm);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let own: BTreeSet<Workload> = objects
            .iter()
            .map(|one| (one.kind.resource.kind.to_string(), text(&one.manifest.object["metadata"]["name"])))
            .collect();
        restore_with_retry(&self.cluster, standing, &own).await.map_err(refused)?;
        let applied = self.cluster.apply(standing.application_plan(&objects)).await;
        applied.map_err(|error| {
            refused(format!("the manifests of {} could not be applied: {error}", arm.name()))
        })?;
        Ok(self.wait_until_ready(name, arm, Some(&own)).await)
    }

    /// Waits until everything in a namespace, or these workloads, are complete.
    async fn wait_until_ready(&self, name: &str, arm: Arm, only: Option<&BTreeSet<Workload>>) -> NotReady {
        let ready = self.cluster.wait_until_ready(name, only, self.args.ready_timeout).await;
        ready.err().map(|error| format!("{} did not become ready: {error}", arm.name()))
    }

    /// Makes the namespace of a run and what is in it, and waits until that is complete.
    async fn deploy_namespace(&self, name: &str, arm: Arm) -> Result<NotReady, TrialRefusal> {
        let refused = |what: &str, error: String| (ExitStatus::Unreachable, format!("{what}: {error}"));
        let made = self.cluster.apply(self.cluster.namespace_plan(name, arm.name())).await;
        made.map_err(|error| refused(&format!("the namespace {name} could not be made"), error))?;
        let objects = TrialCluster::application_plan(&self.manifests.for_arm(arm), name);
        let applied = self.cluster.apply(objects).await;
        applied.map_err(|error| {
            refused(&format!("the manifests of {} could not be applied", arm.name()), error)
        })?;
        Ok(self.wait_until_ready(name, arm, None).await)
    }

    /// One run, and its journal; the journal alone where it cannot begin.
    async fn execute_run(
        &mut self,
        end: &mut ShutdownRequest,
        name: &str,
        (arm, repeat): (Arm, u32),
        unready: NotReady,
    ) -> Result<(), TrialRefusal> {
        let path = self.args.output_dir.join(arm.name()).join(format!("journal-{repeat}.json"));
        let mut session = self.session.clone();
        session.connection = session.connection.within(name);
        session.environment.set(NAMESPACE_VARIABLE, name);
        session.run_id = new_run_id();
        session.terminal = session.terminal.quieter();
        let objects = self.manifests.for_arm(arm);
        let environment = Environment {
            arm: Some(arm.name().to_owned()),
            repeat: Some(repeat),
            nodes: self.cluster.count_nodes().await,
            replicas: replica_counts(objects.iter().map(|one| &one.manifest.object)),
        };
        let args = self.run_args(&path, environment);
        self.became_ready.entry(arm.name()).or_default().push(unready.is_none());
        let code = match unready {
            None => run::run_all(&session, &args, self.kubeconfig).await,
            Some(why) => {
                let written = Box::pin(run::not_begun(&session, &args, self.kubeconfig, why));
                or_interrupted(end, async { Ok(written.await.err().unwrap_or(0)) }).await?
            }
        };
        if let Some(signal) = signal_of(code) {
            // where it began it is one of the runs, whatever is wrong with its journal
            if path.exists()
                && let Err((_, why)) = self.read_journal(&path, arm)
            {
                self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, sanitize(&why)));
            }
            return Err((ExitStatus::Signal(signal), format!("interrupted by {signal}")));
        }
        // one that did not begin says the same of all that would follow
        let ended = [ExitStatus::Usage, ExitStatus::Invalid, ExitStatus::Unreachable]
            .into_iter()
            .find(|exit| exit.code() == code);
        if let Some(exit) = ended {
            return Err((exit, format!("the run in {name} could not begin")));
        }
        self.read_journal(&path, arm)
    }

    /// Takes in the journal of a run.
    fn read_journal(&mut self, path: &Path, arm: Arm) -> Result<(), TrialRefusal> {
        let unread = |error: String| (ExitStatus::NotWritten, error);
        let text = std::fs::read_to_string(path)
            .map_err(|error| unread(format!("{} cannot be read: {error}", path.display())))?;
        let record =
            Record::read(&path.display().to_string(), text).map_err(|error| unread(message_chain(&error)))?;
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

    /// What `run` would be given on the command line.
    fn run_args(&self, journal: &Path, environment: Environment) -> RunArgs {
        let args = self.args;
        let mut sampling = args.sampling.clone();
        sampling.sample.get_or_insert(None);
        RunArgs {
            sources: vec![self.experiment.display().to_string()],
            journal_path: journal.to_owned(),
            embedded: false,
            apply: Vec::new(),
            dry: None,
            no_validation: false,
            no_verify_tls: false,
            variables: args.variables.clone(),
            control_files: args.control_files.clone(),
            hypothesis_strategy: None,
            hypothesis_frequency: 1.0,
            fail_fast: false,
            rollback_strategy: args.rollback_strategy,
            timeout: args.timeout,
            effect_timeout: args.effect_timeout,
            events_file: None,
            annotations: Vec::new(),
            output: RunOutputFormat::Text,
            sampling,
            reports: ReportArgs::default(),
            silent: true,
            environment: Some(environment),
        }
    }

    /// Removes what runs have left, and waits until it is gone: the next run is to meet nothing of it.
    async fn delete_run_namespaces(&mut self) -> Result<(), TrialRefusal> {
        self.delete_namespaces().await.map_err(|error| (ExitStatus::RollbackIncomplete, error))?;
        if !self.cluster.wait_until_deleted(DELETION_TIMEOUT).await {
            let text = format!(
                "a namespace is still on its way out after {} s; the next run begins",
                DELETION_TIMEOUT.as_secs()
            );
            self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
        }
        Ok(())
    }

    /// Asks for the removal of the namespaces that are there.
    async fn delete_namespaces(&mut self) -> Result<(), String> {
        let there: Vec<Metadata> = self.cluster.list_namespaces().await?;
        self.cluster.apply(TrialCluster::namespace_deletion_plan(&there)).await?;
        for place in &mut self.state_file.content.namespaces {
            place.removed |= there.iter().any(|one| one.name == place.name);
        }
        self.state_file.write()
    }

    /// Removes everything that the trial made.
    async fn clean_up(&mut self, in_haste: bool) -> Result<(), String> {
        let settled = self.cluster.wait_for_inflight(INFLIGHT_TIMEOUT).await;
        let removed = self.delete_all(in_haste, settled).await.and_then(|()| {
            let open = "a change that was asked for has no answer, and may come about yet".to_owned();
            if settled { Ok(()) } else { Err(open) }
        });
        self.state_file.content.state =
            if removed.is_ok() { TrialProgress::Finished } else { TrialProgress::CleanupIncomplete };
        let written = self.state_file.write();
        let trial = &self.state_file.content.trial;
        removed.map_err(|why| {
            format!(
                "not everything is gone: {why}; `kubectl chaos recover {trial}` finds and removes the rest"
            )
        })?;
        written
    }

    /// Removes the things of the whole cluster that both arms shared.
    async fn delete_cluster_scoped(&self) -> Result<(), String> {
        let kinds: Vec<_> = self.manifests.cluster_scoped.iter().map(|one| one.kind.clone()).collect();
        let common: Vec<(Resource, Metadata)> = self.cluster.list_cluster_scoped(&kinds).await?;
        self.cluster.apply(TrialCluster::deletion_plan(&common)).await
    }

    async fn delete_all(&mut self, in_haste: bool, settled: bool) -> Result<(), String> {
        let first = match &self.backup {
            Some(standing) => restore_backup(&self.cluster, standing, settled).await,
            None => self.delete_namespaces().await,
        };
        // what does not go well there keeps nothing else from going
        let common = self.delete_cluster_scoped().await;
        let failed: Vec<String> = [first, common].into_iter().filter_map(Result::err).collect();
        if !failed.is_empty() || self.backup.is_some() {
            return if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) };
        }
        // a signal that ended the trial counts as much as one that comes now
        let hurried =
            self.session.signals.end().map_err(|error| format!("signals cannot be heard: {error}"))?;
        let (gone, limit) = tokio::select! {
            biased;
            () = async { if !in_haste { hurried.await; } } => (self.cluster.wait_until_deleted(INTERRUPTED_DELETION_TIMEOUT).await, INTERRUPTED_DELETION_TIMEOUT),
            gone = self.cluster.wait_until_deleted(DELETION_TIMEOUT) => (gone, DELETION_TIMEOUT),
        };
        if gone {
            return Ok(());
        }
        // whoever wants the program to end need not wait for what the cluster finishes by itself
        let left = self.cluster.list_namespaces().await?;
        if limit == INTERRUPTED_DELETION_TIMEOUT && left.iter().all(|one| one.deletion_timestamp.is_some()) {
            self.log("what was deployed is on its way out: the cluster removes it by itself");
            return Ok(());
        }
        Err(format!("a namespace is still on its way out after {} s", limit.as_secs()))
    }
}

/// Puts back what stood there, but for some of it.
pub(super) async fn restore_with_retry(
    stage: &TrialCluster,
    standing: &Backup,
    but: &BTreeSet<Workload>,
) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        match stage.apply(standing.restoration_plan(but).await?).await {
            // its controller wrote at the same moment
            Err(error) if error.contains("(409)") && tries < MAX_RESTORE_ATTEMPTS => {}
            made => return made,
        }
    }
}

/// Puts back what stood there, and forgets it if that will do.
async fn restore_backup(stage: &TrialCluster, standing: &Backup, forget: bool) -> Result<(), String> {
    restore_with_retry(stage, standing, &BTreeSet::new()).await?;
    if forget { stage.apply(standing.deletion_plan().await?).await } else { Ok(()) }
}

/// Does something, unless somebody wants the program to end.
async fn or_interrupted<T>(
    end: &mut ShutdownRequest,
    done: impl Future<Output = Result<T, TrialRefusal>>,
) -> Result<T, TrialRefusal> {
    tokio::select! {
        biased;
        signal = end => Err((ExitStatus::Signal(signal), format!("interrupted by {signal}"))),
        done = done => done,
    }
}
