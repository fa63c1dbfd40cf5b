//! The runs of a trial, one after the other, and what is left when they are over: nothing. Floor 3.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use super::args::Trial;
use super::prepare::{ResolvedManifests, TrialRefusal, check_bounds, reach, read, resolve};
use super::state_file::{InPlaceState, TrialNamespace, TrialProgress, TrialStateContent, TrialStateFile};
use super::{NAMESPACE_VARIABLE, TrialJournal, signal_of};
use crate::cli::error::error_text;
use crate::cli::exit_code::ExitStatus;
use crate::cli::report_files::{ReportArgs, replace};
use crate::cli::run::args::RunArgs;
use crate::cli::run_context::RunContext;
use crate::cli::shared_args::RunOutputFormat;
use crate::cli::{CommandContext, new_run_id, run};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::message_chain;
use crate::event::Signal;
use crate::journal::{Environment, Keyword, Record};
use crate::k8s::{Metadata, Resource};
use crate::trial::Workload;
use crate::trial::{Arm, Backup, TrialCluster, order, replicas};

/// How long everything that was made may take to be gone after the last run.
const GONE: Duration = Duration::from_secs(120);
/// The same when somebody wants the program to end.
const GONE_IN_HASTE: Duration = Duration::from_secs(3);
/// How long a change that was cut may take to have its answer, before what it did is cleaned up.
const LAST_CHANGE: Duration = Duration::from_secs(3);

/// How often something is put back that others write, too.
const TRIES: u32 = 10;

/// So many first runs of an arm that did not become ready say that its others will not, either.
const HOPELESS: usize = 2;

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
    stage: TrialCluster,
    deployed: ResolvedManifests,
    /// What stood there, of a trial in place.
    standing: Option<Backup>,
    file: TrialStateFile,
    /// The experiment, as every run reads it.
    experiment: PathBuf,
    records: Vec<TrialJournal>,
    /// Whether each run became ready, by the name of its arm.
    became_ready: BTreeMap<&'static str, Vec<bool>>,
}

/// What kept a run from beginning: that what it was to run on did not become ready.
type NotReady = Option<String>;

/// Conducts it. An error means that nothing was made.
pub(super) async fn conduct(
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
    let mut exit = match under_way.all(&mut end, seed).await {
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
    let surroundings = RunContext::read(session, &args.variables, kubeconfig);
    let surroundings = surroundings.map_err(|error| (error.status, error.message))?;
    let read = read(session, args, &surroundings).await?;
    let cluster = reach(&surroundings).await?;
    let within = if args.in_place { cluster.namespace.clone() } else { namespace(trial, Arm::Before, 1) };
    check_bounds(session, args, &surroundings, &read, &within)?;
    let note = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    note(format!("cluster: {} ({})", cluster.address, cluster.source));
    let stage = TrialCluster::new(cluster.clone(), trial.to_owned());
    let deployed = resolve(&stage, &read.manifests).await?;
    let standing = if args.in_place {
        let all = [deployed.of(Arm::Before), deployed.of(Arm::After)].concat();
        let standing = stage.standing(&within, &all).await;
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
            secret: standing.name(),
            digest: standing.digest().to_owned(),
            changes: standing.shown(),
        }),
    };
    let file =
        TrialStateFile::create(&args.output_dir, content).map_err(|error| (ExitStatus::Usage, error))?;
    // every run reads the same one, whatever becomes of the source
    let experiment = args.output_dir.join("experiment.json");
    let text = serde_json::to_string_pretty(&read.experiment.document).unwrap_or_default() + "\n";
    replace(&experiment, text.as_bytes()).map_err(|error| (ExitStatus::Usage, error_text(error)))?;
    let (records, became_ready) = (Vec::new(), BTreeMap::new());
    let under_way = TrialRunner {
        session,
        args,
        kubeconfig,
        stage,
        deployed,
        standing,
        file,
        experiment,
        records,
        became_ready,
    };
    Ok(under_way)
}

/// The namespace of a run.
fn namespace(trial: &str, arm: Arm, repeat: u32) -> String {
    format!("chaos-trial-{trial}-{}-{repeat}", arm.name())
}

impl TrialRunner<'_> {
    fn note(&self, text: &str) {
        self.session.terminal.say(&ConsoleLine::note(LineLevel::Info, sanitize(text)));
    }

    fn write(&self) -> Result<(), TrialRefusal> {
        self.file.write().map_err(|error| (ExitStatus::NotWritten, error))
    }

    /// Every run. An error says why no more of them make sense.
    async fn all(&mut self, end: &mut ShutdownRequest, seed: u64) -> Result<(), TrialRefusal> {
        let runs = order(self.args.repeat, seed);
        self.note(&format!(
            "trial {}: {} runs, {} of each arm, seed {seed}; everything goes to {}",
            self.file.content.trial,
            runs.len(),
            self.args.repeat,
            self.args.output_dir.display()
        ));
        self.common(end).await?;
        self.keep(end).await?;
        let count = runs.len();
        for (number, (arm, repeat)) in runs.into_iter().enumerate() {
            if let Some(standing) = &self.standing {
                let name = standing.namespace().to_owned();
                self.note(&format!("run {} of {count}: {}, in place", number + 1, arm.name()));
                let unready = unless(end, self.replace(&name, arm)).await?;
                self.run(end, &name, (arm, repeat), unready).await?;
                if self.is_hopeless(arm) {
                    break;
                }
                continue;
            }
            let name = namespace(&self.file.content.trial, arm, repeat);
            self.note(&format!("run {} of {count}: {}, in the namespace {name}", number + 1, arm.name()));
            let place = TrialNamespace { name: name.clone(), arm: arm.name(), repeat, removed: false };
            self.file.content.namespaces.push(place);
            self.write()?;
            let unready = unless(end, self.fill(&name, arm)).await?;
            self.run(end, &name, (arm, repeat), unready).await?;
            unless(end, self.empty()).await?;
            if self.is_hopeless(arm) {
                break;
            }
        }
        Ok(())
    }

    /// Whether no more runs make sense, as this arm does not become ready.
    fn is_hopeless(&self, arm: Arm) -> bool {
        let ready = self.became_ready.get(arm.name()).map(Vec::as_slice).unwrap_or_default();
        let is_so = ready.len() >= HOPELESS && ready[..HOPELESS].iter().all(|ready| !ready);
        let left = (2 * self.args.repeat as usize).saturating_sub(self.records.len());
        if is_so && left > 0 {
            let arm = arm.name();
            let runs =
                if left == 1 { "the last run is".to_owned() } else { format!("the other {left} runs are") };
            let text = format!("{arm} did not become ready in its first {HOPELESS} runs: {runs} left out");
            self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
        }
        is_so
    }

    /// Things of the whole cluster, which both arms share.
    async fn common(&mut self, end: &mut ShutdownRequest) -> Result<(), TrialRefusal> {
        let refused = |error: String| (ExitStatus::Unreachable, error);
        let all: Vec<_> = self.deployed.of_the_cluster.iter().collect();
        let intent = unless(end, async { self.stage.of_the_cluster(&all).await.map_err(refused) }).await?;
        let told = |target: crate::mutation::Target| format!("{} {}", target.kind, target.name);
        self.file.content.common = intent.targets().into_iter().map(told).collect();
        self.write()?;
        unless(end, async { self.stage.make(intent).await.map_err(refused) }).await
    }

    /// Keeps what stands where a trial in place puts its own, before anything of it is touched.
    async fn keep(&self, end: &mut ShutdownRequest) -> Result<(), TrialRefusal> {
        let Some(standing) = &self.standing else { return Ok(()) };
        self.note(&format!(
            "in the namespace {} it {}, and puts back what stands there",
            standing.namespace(),
            standing.shown().join(", ")
        ));
        unless(end, async {
            let kept = self.stage.make(standing.keep()).await;
            kept.map_err(|error| {
                (ExitStatus::Unreachable, format!("what stands there could not be kept: {error}"))
            })
        })
        .await
    }

    /// Puts an arm where something stands: what belongs to the other arm alone becomes what it was.
    async fn replace(&self, name: &str, arm: Arm) -> Result<NotReady, TrialRefusal> {
        let Some(standing) = &self.standing else { return Ok(None) };
        let refused = |error: String| (ExitStatus::Unreachable, error);
        let objects = self.deployed.of(arm);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let own: BTreeSet<Workload> = objects
            .iter()
            .map(|one| (one.known.resource.kind.to_string(), text(&one.manifest.object["metadata"]["name"])))
            .collect();
        restore(&self.stage, standing, &own).await.map_err(refused)?;
        let applied = self.stage.make(standing.objects(&objects)).await;
        applied.map_err(|error| {
            refused(format!("the manifests of {} could not be applied: {error}", arm.name()))
        })?;
        Ok(self.unready(name, arm, Some(&own)).await)
    }

    /// Waits until everything in a namespace, or these workloads, are complete.
    async fn unready(&self, name: &str, arm: Arm, only: Option<&BTreeSet<Workload>>) -> NotReady {
        let ready = self.stage.ready(name, only, self.args.ready_timeout).await;
        ready.err().map(|error| format!("{} did not become ready: {error}", arm.name()))
    }

    /// Makes the namespace of a run and what is in it, and waits until that is complete.
    async fn fill(&self, name: &str, arm: Arm) -> Result<NotReady, TrialRefusal> {
        let refused = |what: &str, error: String| (ExitStatus::Unreachable, format!("{what}: {error}"));
        let made = self.stage.make(self.stage.namespace(name, arm.name())).await;
        made.map_err(|error| refused(&format!("the namespace {name} could not be made"), error))?;
        let objects = TrialCluster::objects(&self.deployed.of(arm), name);
        let applied = self.stage.make(objects).await;
        applied.map_err(|error| {
            refused(&format!("the manifests of {} could not be applied", arm.name()), error)
        })?;
        Ok(self.unready(name, arm, None).await)
    }

    /// One run, and its journal; the journal alone where it cannot begin.
    async fn run(
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
        let objects = self.deployed.of(arm);
        let environment = Environment {
            arm: Some(arm.name().to_owned()),
            repeat: Some(repeat),
            nodes: self.stage.nodes().await,
            replicas: replicas(objects.iter().map(|one| &one.manifest.object)),
        };
        let args = self.arguments(&path, environment);
        self.became_ready.entry(arm.name()).or_default().push(unready.is_none());
        let code = match unready {
            None => run::run_all(&session, &args, self.kubeconfig).await,
            Some(why) => {
                let written = Box::pin(run::not_begun(&session, &args, self.kubeconfig, why));
                unless(end, async { Ok(written.await.err().unwrap_or(0)) }).await?
            }
        };
        if let Some(signal) = signal_of(code) {
            // where it began it is one of the runs, whatever is wrong with its journal
            if path.exists()
                && let Err((_, why)) = self.take(&path, arm)
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
        self.take(&path, arm)
    }

    /// Takes in the journal of a run.
    fn take(&mut self, path: &Path, arm: Arm) -> Result<(), TrialRefusal> {
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
        self.note(&format!("  {verdict}: {reason}"));
        self.records.push(TrialJournal { arm, record });
        Ok(())
    }

    /// What `run` would be given on the command line.
    fn arguments(&self, journal: &Path, environment: Environment) -> RunArgs {
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
    async fn empty(&mut self) -> Result<(), TrialRefusal> {
        self.remove().await.map_err(|error| (ExitStatus::RollbackIncomplete, error))?;
        if !self.stage.gone(GONE).await {
            let text = format!(
                "a namespace is still on its way out after {} s; the next run begins",
                GONE.as_secs()
            );
            self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
        }
        Ok(())
    }

    /// Asks for the removal of the namespaces that are there.
    async fn remove(&mut self) -> Result<(), String> {
        let there: Vec<Metadata> = self.stage.namespaces().await?;
        self.stage.make(TrialCluster::removal_of(&there)).await?;
        for place in &mut self.file.content.namespaces {
            place.removed |= there.iter().any(|one| one.name == place.name);
        }
        self.file.write()
    }

    /// Removes everything that the trial made.
    async fn clean_up(&mut self, in_haste: bool) -> Result<(), String> {
        let settled = self.stage.settle(LAST_CHANGE).await;
        let removed = self.remove_all(in_haste, settled).await.and_then(|()| {
            let open = "a change that was asked for has no answer, and may come about yet".to_owned();
            if settled { Ok(()) } else { Err(open) }
        });
        self.file.content.state = if removed.is_ok() { TrialProgress::Finished } else { TrialProgress::Left };
        let written = self.file.write();
        let trial = &self.file.content.trial;
        removed.map_err(|why| {
            format!(
                "not everything is gone: {why}; `kubectl chaos recover {trial}` finds and removes the rest"
            )
        })?;
        written
    }

    /// Removes the things of the whole cluster that both arms shared.
    async fn remove_common(&self) -> Result<(), String> {
        let kinds: Vec<_> = self.deployed.of_the_cluster.iter().map(|one| one.known.clone()).collect();
        let common: Vec<(Resource, Metadata)> = self.stage.marked(&kinds).await?;
        self.stage.make(TrialCluster::removal(&common)).await
    }

    async fn remove_all(&mut self, in_haste: bool, settled: bool) -> Result<(), String> {
        let first = match &self.standing {
            Some(standing) => put_back(&self.stage, standing, settled).await,
            None => self.remove().await,
        };
        // what does not go well there keeps nothing else from going
        let common = self.remove_common().await;
        let failed: Vec<String> = [first, common].into_iter().filter_map(Result::err).collect();
        if !failed.is_empty() || self.standing.is_some() {
            return if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) };
        }
        // a signal that ended the trial counts as much as one that comes now
        let hurried =
            self.session.signals.end().map_err(|error| format!("signals cannot be heard: {error}"))?;
        let (gone, limit) = tokio::select! {
            biased;
            () = async { if !in_haste { hurried.await; } } => (self.stage.gone(GONE_IN_HASTE).await, GONE_IN_HASTE),
            gone = self.stage.gone(GONE) => (gone, GONE),
        };
        if gone {
            return Ok(());
        }
        // whoever wants the program to end need not wait for what the cluster finishes by itself
        let left = self.stage.namespaces().await?;
        if limit == GONE_IN_HASTE && left.iter().all(|one| one.deletion_timestamp.is_some()) {
            self.note("what was deployed is on its way out: the cluster removes it by itself");
            return Ok(());
        }
        Err(format!("a namespace is still on its way out after {} s", limit.as_secs()))
    }
}

/// Puts back what stood there, but for some of it.
pub(super) async fn restore(
    stage: &TrialCluster,
    standing: &Backup,
    but: &BTreeSet<Workload>,
) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        match stage.make(standing.put_back(but).await?).await {
            // its controller wrote at the same moment
            Err(error) if error.contains("(409)") && tries < TRIES => {}
            made => return made,
        }
    }
}

/// Puts back what stood there, and forgets it if that will do.
async fn put_back(stage: &TrialCluster, standing: &Backup, forget: bool) -> Result<(), String> {
    restore(stage, standing, &BTreeSet::new()).await?;
    if forget { stage.make(standing.forget().await?).await } else { Ok(()) }
}

/// Does something, unless somebody wants the program to end.
async fn unless<T>(
    end: &mut ShutdownRequest,
    done: impl Future<Output = Result<T, TrialRefusal>>,
) -> Result<T, TrialRefusal> {
    tokio::select! {
        biased;
        signal = end => Err((ExitStatus::Signal(signal), format!("interrupted by {signal}"))),
        done = done => done,
    }
}
