//! The journal of a run that does not start, because its workloads did not become ready.

use std::path::Path;
use std::sync::Arc;

use super::prepare::{opened, read};
use super::rejected::RejectedRun;
use super::{configured, finish};
use crate::cli::CommandContext;
use crate::cli::run::args::RunArgs;
use crate::cli::run_context::RunContext;
use crate::clock::Timestamp;
use crate::engine::EventBus;
use crate::event::{Interrupt, RunEvent, RunPhase, RunStarted, RunStatus};
use crate::experiment::configuration::is_dynamic;
use crate::substitution::Redactor;
use crate::value::Value;

/// Writes the journal, without activities, with the reason. An error is an exit code, and already shown.
pub(in crate::cli) async fn not_begun(
    session: &CommandContext,
    args: &RunArgs,
    kubeconfig: Option<&Path>,
    reason: String,
) -> Result<(), u8> {
    let surroundings = RunContext::read(session, &args.variables, kubeconfig);
    let surroundings = surroundings.map_err(|error| session.show_error(&error))?;
    let code = |refused: RejectedRun| session.code(refused.error.status);
    let document = read(session, args, &surroundings, 0).await.map_err(code)?;
    let ready = opened(session, args, &surroundings, 0, document).await.map_err(code)?;
    let bus = EventBus::new(vec![Box::new(ready.journal.watcher())]);
    // dynamic configuration would run probes: keep it as declared
    let mut experiment = (*ready.experiment).clone();
    experiment.configuration.retain(|_, declared| !is_dynamic(declared));
    let scope = configured(session, &surroundings, &experiment, &bus, false).await;
    let scope = scope.map_err(|error| session.show_error(&error))?;
    let redactor = Redactor::of_experiment(&scope, &ready.experiment.document);
    let title = scope.fill(&experiment.title);
    let mut document = ready.experiment.document.clone();
    if let Value::Map(entries) = &mut document {
        entries.insert("title".to_owned(), title.clone());
        entries.insert("dry".to_owned(), Value::Null);
    }
    let at = Timestamp::now();
    bus.emit(&RunEvent::RunStarted(Box::new(RunStarted {
        experiment: Arc::new(redactor.redact_owned(document)),
        title: redactor.redact_text(&title.python_text()).into_owned(),
        plan: ready.plan.clone(),
        dry: None,
        at,
    })));
    bus.emit(&RunEvent::Interrupted { phase: RunPhase::Before, interrupt: Interrupt::not_ready(reason) });
    bus.emit(&RunEvent::RunFinished { status: RunStatus::Interrupted, deviated: false, at });
    finish(session, ready, None, None);
    Ok(())
}
