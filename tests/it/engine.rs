//! The engine with a provider that panics: the fault is rolled back, and the run is a failure of the program.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kubectl_chaos::engine::{
    Engine, EventBus, EventWatcher, RunOptions, StrategyOverrides, resolve_strategies,
};
use kubectl_chaos::error_code::ErrorCode;
use kubectl_chaos::event::{RunEvent, RunStatus};
use kubectl_chaos::experiment::resolve::ResolvedActivity;
use kubectl_chaos::experiment::{Experiment, ProviderKind, ProviderUsage, ValidationFinding, json};
use kubectl_chaos::journal::{
    Journal, JournalBuilder, JournalHeader, Keyword, RunVerdict, Strictness, judge,
};
use kubectl_chaos::mutation::{EffectState, ProgressCallback, Target};
use kubectl_chaos::provider::{ActivityError, EffectCheck, PreparedActivity, Provider, Providers};
use kubectl_chaos::sampling::{PhaseTracker, Sampling, SamplingOptions};
use kubectl_chaos::substitution::Scope;
use kubectl_chaos::value::{Map, Value, map};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

/// Provider whose activities do what their path says.
#[derive(Clone, Default)]
struct ScriptedProvider {
    /// The paths of the activities that were applied, in order.
    applied: Arc<Mutex<Vec<String>>>,
}

impl Provider for ScriptedProvider {
    fn check(&self, _usage: ProviderUsage<'_>, _provider: &Map) -> Vec<ValidationFinding> {
        Vec::new()
    }

    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>> {
        Box::pin(async move {
            let ResolvedActivity::Process(call) = call else { unreachable!("a process") };
            assert_ne!(call.path, "panic in prepare");
            let activity = ScriptedActivity { path: call.path, applied: Arc::clone(&self.applied) };
            Ok(Box::new(activity) as Box<dyn PreparedActivity>)
        })
    }
}

struct ScriptedActivity {
    path: String,
    applied: Arc<Mutex<Vec<String>>>,
}

impl PreparedActivity for ScriptedActivity {
    fn targets(&self) -> &[Target] {
        &[]
    }

    fn apply<'a>(
        &'a mut self,
        _told: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(async move {
            self.applied.lock().push(self.path.clone());
            tokio::task::yield_now().await;
            match self.path.as_str() {
                "panic in apply" => panic!("a token"),
                "panic in a task" => {
                    let task = tokio::spawn(async { panic!("a token") });
                    let ended: Result<(), _> = task.await;
                    Err(ActivityError::Failed(format!("the worker closed: {}", ended.is_err())))
                }
                "login fails" => {
                    let message = "the login program failed (client.login)".to_owned();
                    Err(ActivityError::Tool { code: ErrorCode::ClientLogin, message })
                }
                "fails" => Err(ActivityError::Failed("refused".to_owned())),
                "slow" => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    Ok(Value::Null)
                }
                _ => Ok(Value::Map(map([("status", Value::Int(0))]))),
            }
        })
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        assert_ne!(self.path, "panic in confirm");
        if self.path == "panic in observation" {
            return EffectCheck::Watched(Box::pin(async { panic!("a token") }));
        }
        match outcome {
            Ok(_) => EffectCheck::Known(EffectState::Confirmed, "done".to_owned()),
            Err(error) => EffectCheck::Known(EffectState::Mismatch, error.text().to_owned()),
        }
    }
}

/// The journal of a run, as an event watcher.
struct JournalWatcher(Arc<Mutex<JournalBuilder>>);

impl EventWatcher for JournalWatcher {
    fn watch(&mut self, event: &RunEvent) {
        self.0.lock().record(event);
    }
}

/// Watcher that panics at the end of one activity.
struct FragileWatcher;

impl EventWatcher for FragileWatcher {
    fn watch(&mut self, event: &RunEvent) {
        let RunEvent::ActivityFinished(finished) = event else { return };
        assert_ne!(finished.activity.name, "panic in a watcher", "a token");
    }
}

/// A finished run.
struct ScriptedRun {
    journal: Journal,
    applied: Vec<String>,
}

impl ScriptedRun {
    fn verdict(&self) -> RunVerdict {
        judge(&self.journal, Strictness::Strict).0
    }

    fn error_code(&self) -> Option<&str> {
        self.journal.extension.as_ref()?.error_code.as_deref()
    }
}

/// Runs an experiment with the scripted provider; samples its hypothesis on request.
async fn run(experiment: &Json, sampled: bool) -> ScriptedRun {
    let document = json::read(&experiment.to_string(), "experiment.json").unwrap();
    let experiment = Arc::new(Experiment::read(&document).unwrap());
    let settings = kubectl_chaos::config::Settings::default();
    let plan = resolve_strategies(&experiment, &settings, &StrategyOverrides::default()).unwrap();
    let options = RunOptions {
        plan,
        dry: None,
        frequency: 0.01,
        fail_fast: false,
        effect_timeout: Duration::from_secs(60),
        timeout: None,
        controls: Vec::new(),
        strict: true,
        plain: false,
        record: None,
    };
    let provider = ScriptedProvider::default();
    let providers = Providers::default().with(ProviderKind::Process, provider.clone());
    let builder = Arc::new(Mutex::new(JournalBuilder::new(JournalHeader::default())));
    let phases = PhaseTracker::default();
    let watchers: Vec<Box<dyn EventWatcher>> = vec![
        Box::new(JournalWatcher(Arc::clone(&builder))),
        Box::new(phases.clone()),
        Box::new(FragileWatcher),
    ];
    let bus = Arc::new(EventBus::new(watchers));
    let engine = Engine::new(Arc::clone(&experiment), options, Scope::default(), providers.clone(), bus);
    let sampling = sampled.then(|| {
        let options = SamplingOptions {
            period: Some(Duration::from_millis(5)),
            settle: Duration::from_millis(1),
            recovery: None,
            probes: vec!["look".to_owned()],
            is_compared: false,
        };
        Sampling::start(&experiment, &Scope::default(), &providers, phases, &engine.handle(), options)
            .unwrap()
    });
    let state = engine.run().await;
    if let Some(sampling) = sampling {
        sampling.finish(std::future::ready(())).await;
    }
    let journal = builder.lock().journal().clone();
    assert_eq!(journal.status, Keyword::Known(state.status.unwrap_or(RunStatus::Completed)));
    let applied = provider.applied.lock().clone();
    ScriptedRun { journal, applied }
}

fn activity(kind: &str, path: &str) -> Json {
    let name = if kind == "probe" { "look" } else { path };
    json!({"type": kind, "name": name, "tolerance": 0, "provider": {"type": "process", "path": path}})
}

fn experiment(probe: &Json, method: &Json) -> Json {
    json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [probe]},
        "method": method, "rollbacks": [activity("action", "undo"), activity("action", "undo more")]})
}

#[tokio::test]
async fn panic_in_any_activity_is_recorded_and_rolled_back() {
    let fine = || activity("probe", "fine");
    let act = || activity("action", "act");
    let panics = ["panic in prepare", "panic in apply", "panic in a task"];
    let mut cases: Vec<(String, Json)> = Vec::new();
    for panic in panics {
        let broken = activity("probe", panic);
        let mut background = activity("action", panic);
        background["background"] = json!(true);
        let mut judged = fine();
        judged["tolerance"] = activity("probe", panic);
        judged["tolerance"]["provider"]["arguments"] = json!({});
        let guard = |more: Json| {
            let mut guarded = experiment(&fine(), &json!([act(), activity("action", "slow")]));
            let mut probe = activity("probe", panic);
            probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            guarded["controls"] = json!([{"name": "safe", "provider": {"type": "python",
                "module": "chaosaddons.controls.safeguards", "arguments": {"probes": [probe]}}}]);
            guarded
        };
        let mut continuous = experiment(&broken, &json!([activity("action", "slow")]));
        continuous["runtime"] = json!({"hypothesis": {"strategy": "during-method-only"}});
        let mut after = experiment(&broken, &json!([act()]));
        after["runtime"] = json!({"hypothesis": {"strategy": "after-method-only"}});
        cases.extend([
            (format!("action: {panic}"), experiment(&fine(), &json!([activity("action", panic), act()]))),
            (format!("probe: {panic}"), experiment(&fine(), &json!([act(), broken, act()]))),
            (
                format!("background: {panic}"),
                experiment(&fine(), &json!([background, activity("action", "slow")])),
            ),
            (format!("hypothesis before: {panic}"), experiment(&broken, &json!([act()]))),
            (format!("hypothesis during: {panic}"), continuous),
            (format!("hypothesis after: {panic}"), after),
            (format!("judge: {panic}"), experiment(&judged, &json!([act()]))),
            (format!("safeguard: {panic}"), guard(json!({}))),
            (format!("safeguard in the background: {panic}"), guard(json!({"background": true}))),
            (format!("repeated safeguard: {panic}"), guard(json!({"frequency": 0.01}))),
        ]);
    }
    for panic in ["panic in confirm", "panic in observation"] {
        let method = json!([activity("action", panic), act()]);
        cases.push((format!("effect: {panic}"), experiment(&fine(), &method)));
    }
    println!("{} places of a panic", cases.len());
    for (name, experiment) in cases {
        let finished = tokio::time::timeout(Duration::from_secs(30), run(&experiment, false)).await;
        let run = finished.unwrap_or_else(|_| panic!("{name}: the run does not end"));
        assert_eq!(run.verdict(), RunVerdict::Aborted, "{name}: {}", run.journal.to_json());
        assert_eq!(run.error_code(), Some("internal.panic"), "{name}");
        assert!(
            run.applied.ends_with(&["undo".to_owned(), "undo more".to_owned()]),
            "{name}: {:?}",
            run.applied
        );
        let text = run.journal.to_json();
        assert!(!text.contains("a token"), "{name}: {text}");
        assert!(run.journal.extension.as_ref().unwrap().finished, "{name}");
        let failed = |entry: &kubectl_chaos::journal::JournalEntry| {
            entry.failed() && entry.error().is_some_and(|error| error.contains("(internal.panic)"))
        };
        let is_step =
            ["action", "probe", "background"].iter().any(|kind| name.starts_with(&format!("{kind}: ")));
        assert_eq!(run.journal.run.iter().any(failed), is_step, "{name}: {text}");
    }
}

#[tokio::test]
async fn panic_in_event_watcher_aborts_the_run() {
    let method = json!([activity("action", "panic in a watcher"), activity("action", "slow")]);
    let run = run(&experiment(&activity("probe", "fine"), &method), false).await;
    assert_eq!((run.verdict(), run.error_code()), (RunVerdict::Aborted, Some("internal.panic")));
    assert_eq!(run.applied.last().map(String::as_str), Some("undo more"));
}

#[tokio::test]
async fn panic_in_rollback_does_not_prevent_the_others() {
    let mut experiment = experiment(&activity("probe", "fine"), &json!([activity("action", "act")]));
    experiment["rollbacks"] = json!([activity("action", "panic in apply"), activity("action", "undo")]);
    let run = run(&experiment, false).await;
    assert_eq!(run.verdict(), RunVerdict::RollbackIncomplete);
    assert_eq!(run.error_code(), Some("internal.panic"));
    assert_eq!(run.applied.last().map(String::as_str), Some("undo"));
}

#[tokio::test]
async fn panic_in_sampled_probe_aborts_the_run() {
    let panics = ["panic in prepare", "panic in apply", "panic in a task"];
    for panic in panics {
        let mut experiment = experiment(&activity("probe", panic), &json!([activity("action", "slow")]));
        experiment["runtime"] = json!({"hypothesis": {"strategy": "after-method-only"}});
        let finished = tokio::time::timeout(Duration::from_secs(30), run(&experiment, true)).await;
        let run = finished.unwrap_or_else(|_| panic!("{panic}: the run does not end"));
        assert_eq!(
            (run.verdict(), run.error_code()),
            (RunVerdict::Aborted, Some("internal.panic")),
            "{panic}"
        );
        // sampling goes on until the run is over
        assert!(run.applied.contains(&"undo more".to_owned()), "{panic}: {:?}", run.applied);
    }
}

#[tokio::test]
async fn failure_of_the_client_aborts_the_run() {
    let probe = activity("probe", "login fails");
    let run = run(&experiment(&probe, &json!([activity("action", "act")])), false).await;
    assert_eq!((run.verdict(), run.error_code()), (RunVerdict::Aborted, Some("client.login")));
    assert_eq!(run.applied.last().map(String::as_str), Some("undo more"));
    // a failure of the system under test is a finding
    let probe = activity("probe", "fails");
    let run = self::run(&experiment(&probe, &json!([activity("action", "act")])), false).await;
    assert_eq!((run.verdict(), run.error_code()), (RunVerdict::BaselineNotMet, None));
}

#[tokio::test]
async fn pauses_after_failed_action_are_skipped() {
    let mut failing = activity("action", "fails");
    failing["pauses"] = json!({"after": 60});
    let mut next = activity("probe", "fine");
    next["pauses"] = json!({"before": 60});
    let experiment = experiment(&activity("probe", "fine"), &json!([failing, next]));
    let finished = tokio::time::timeout(Duration::from_secs(30), run(&experiment, false)).await;
    let run = finished.expect("the pauses are skipped");
    assert_eq!(run.verdict(), RunVerdict::ActionNotConfirmed);
    assert_eq!(run.journal.run.len(), 2, "the method continues");
}
