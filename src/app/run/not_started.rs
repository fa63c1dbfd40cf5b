//! The journal of a run that does not start, because its workloads did not become ready.

use std::sync::Arc;

use super::prepare::{open_journal, read};
use super::rejected::RejectedRun;
use super::{RunRequest, configure_scope, finish};
use crate::app::AppContext;
use crate::app::run_context::RunContext;
use crate::clock::Timestamp;
use crate::engine::EventBus;
use crate::event::{Interrupt, RunEvent, RunPhase, RunStarted, RunStatus};
use crate::experiment::configuration::is_dynamic;
use crate::substitution::Redactor;
use crate::value::Value;

/// Writes the journal of the first experiment, without activities, with the reason.
pub(crate) async fn record_not_started(
    context: &AppContext,
    request: &RunRequest,
    reason: String,
) -> Result<(), RejectedRun> {
    let source = &request.sources[0];
    let run_context = RunContext::read(context, &request.variables);
    let run_context = run_context.map_err(|error| RejectedRun::new(source, "load", error))?;
    let document = read(request, &run_context, 0).await?;
    let ready = open_journal(context, request, &run_context, 0, document).await?;
    let bus = EventBus::new(vec![Box::new(ready.journal.watcher())]);
    // dynamic configuration would run probes: keep it as declared
    let mut experiment = (*ready.experiment).clone();
    experiment.configuration.retain(|_, declared| !is_dynamic(declared));
    let redacted = AppContext { has_plain_outputs: false, ..context.clone() };
    let scope = configure_scope(&redacted, &run_context, &experiment, &bus).await;
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
    finish(context, ready, None, None);
    Ok(())
}
