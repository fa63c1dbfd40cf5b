//! The journal of a run that does not start, because its workloads did not become ready.

use std::sync::Arc;
use std::time::Duration;

use super::prepare::PreparedRun;
use super::rejected::RejectedRun;
use super::trial_part::{NotReady, TrialPart};
use super::{FinishedRun, configure_scope};
use crate::app::AppContext;
use crate::app::run_context::RunContext;
use crate::clock::Timestamp;
use crate::engine::EventBus;
use crate::event::{Interrupt, RunEvent, RunPhase, RunStarted, RunStatus};
use crate::experiment::configuration::is_dynamic;
use crate::substitution::Redactor;
use crate::value::Value;

/// Writes the journal of a run without activities, with the reason.
pub(super) async fn finish(
    context: &AppContext,
    run_context: &RunContext,
    ready: PreparedRun,
    trial: Option<TrialPart<'_>>,
    NotReady(reason): NotReady,
) -> Result<FinishedRun, RejectedRun> {
    let source = &ready.source;
    let bus = EventBus::new(vec![Box::new(ready.journal.watcher())]);
    // dynamic configuration would run probes: keep it as declared
    let mut experiment = (*ready.experiment).clone();
    experiment.configuration.retain(|_, declared| !is_dynamic(declared));
    let redacted = AppContext { has_plain_outputs: false, ..context.clone() };
    let scope = configure_scope(&redacted, run_context, &experiment, &bus).await;
    let scope = scope.map_err(|error| RejectedRun::new(source, "runtime", error))?;
    let redactor = Redactor::of_experiment(&scope, &ready.experiment.document);
    let title = scope.fill(&experiment.title);
    let mut document = ready.experiment.document.clone();
    if let Value::Map(entries) = &mut document {
        entries.insert("title".to_owned(), title.clone());
        entries.insert("dry".to_owned(), Value::Null);
    }
    let time = Timestamp::now();
    bus.emit(&RunEvent::RunStarted(Box::new(RunStarted {
        experiment: Arc::new(redactor.redact_owned(document)),
        title: redactor.redact_text(&title.python_text()).into_owned(),
        plan: ready.plan.clone(),
        dry: None,
        at: time,
    })));
    bus.emit(&RunEvent::Interrupted { phase: RunPhase::Before, interrupt: Interrupt::not_ready(reason) });
    bus.emit(&RunEvent::RunFinished { status: RunStatus::Interrupted, deviated: false, at: time });
    if let Some(trial) = trial {
        ready.journal.complete_environment(|environment| trial.complete(environment, Duration::ZERO));
    }
    Ok(super::finish(context, ready, None, None))
}
