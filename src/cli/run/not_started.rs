//! The journal of a run that never begins, because what it was to run on did not become ready. Floor 3.

use std::path::Path;
use std::sync::Arc;

use super::prepare::{opened, read};
use super::{configured, finish};
use crate::cli::CommandContext;
use crate::cli::args::RunArgs;
use crate::cli::run_context::RunContext;
use crate::clock::Timestamp;
use crate::engine::EventBus;
use crate::event::{Interrupt, RunEvent, RunPhase, RunStarted, RunStatus};
use crate::experiment::configuration::is_dynamic;
use crate::substitution::Redactor;
use crate::value::Value;

/// Writes it: nothing was done and nothing was looked at, and why. The error was told, and is an exit code.
pub(in crate::cli) async fn not_begun(
    session: &CommandContext,
    args: &RunArgs,
    there: Option<&Path>,
    why: String,
) -> Result<(), u8> {
    let surroundings = RunContext::read(session, &args.variables, there)?;
    let code = |refused: super::RejectedRun| session.code(refused.exit);
    let document = read(session, args, &surroundings, 0).await.map_err(code)?;
    let ready = opened(session, args, &surroundings, 0, document).await.map_err(code)?;
    let bus = EventBus::new(vec![Box::new(ready.journal.watcher())]);
    // what would have to be run to be known stays as it was declared
    let mut experiment = (*ready.experiment).clone();
    experiment.configuration.retain(|_, declared| !is_dynamic(declared));
    let scope = configured(session, &surroundings, &experiment, &bus, false).await;
    let scope = scope.map_err(|error| session.refuse(crate::cli::exit_code::ExitStatus::Invalid, error))?;
    let redactor = Redactor::new(&scope);
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
    bus.emit(&RunEvent::Interrupted { phase: RunPhase::Before, interrupt: Interrupt::not_ready(why) });
    bus.emit(&RunEvent::RunFinished { status: RunStatus::Interrupted, deviated: false, at });
    finish(session, ready, None, None);
    Ok(())
}
