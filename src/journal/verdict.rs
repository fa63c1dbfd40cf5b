//! Judges a run by its entries.

use super::{ActionRecord, HypothesisCheck, Journal, JournalEntry, Keyword, RunVerdict};
use crate::event::{RunPhase, RunStatus};
use crate::mutation::EffectState;
use crate::value::Value;

/// How a run is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Ignores failed and unconfirmed actions, like the Chaos Toolkit.
    Lenient,
    /// Requires that every action succeeds and is not seen to miss its effect.
    Strict,
    /// Also requires an entry for everything that the experiment declares: for untrusted journals, whose author may
    /// have left out what speaks against the run.
    Complete,
}

/// Judges a run by its entries, and says why. The first rule that applies counts, from the most serious on.
pub fn judge(journal: &Journal, strictness: Strictness) -> (RunVerdict, String) {
    if let Some(reason) = incomplete_rollback(journal).filter(|_| !changed_nothing(journal)) {
        return (RunVerdict::RollbackIncomplete, reason);
    }
    match &journal.status {
        Keyword::Known(RunStatus::Interrupted) => return interruption(journal),
        Keyword::Known(RunStatus::Aborted) => {
            let cause = journal.unwritten.abortion.as_ref().map(|error| format!(": {error}"));
            let cause = cause.unwrap_or_default();
            return (RunVerdict::Aborted, format!("an unexpected error ended the run{cause}"));
        }
        Keyword::Known(RunStatus::Completed | RunStatus::Failed) => {}
        Keyword::Unknown(word) => return (RunVerdict::Undecided, format!("unknown status '{word}'")),
    }
    if let Some(reason) = unconfirmed_action(journal, strictness) {
        return (RunVerdict::ActionNotConfirmed, reason);
    }
    if let Some((check, phase)) = journal.checks().find(|(check, _)| check.is_unmet()) {
        let reason = format!("{} {} the method", deciding_probe(check), phase.name());
        let is_baseline = phase == RunPhase::Before;
        return (if is_baseline { RunVerdict::BaselineNotMet } else { RunVerdict::Deviated }, reason);
    }
    if let Some((name, what)) = journal.unmet_method_probe().filter(|_| strictness != Strictness::Lenient) {
        return (RunVerdict::Deviated, format!("probe '{name}' {what} in the method"));
    }
    if journal.deviated {
        return (RunVerdict::Deviated, "the steady state was not met after the method".to_owned());
    }
    if journal.dry().is_some_and(|dry| dry != "pause") {
        return (RunVerdict::Dry, "the run was dry and skipped activities".to_owned());
    }
    if let Some(reason) = unexplained_end(journal, strictness) {
        return (RunVerdict::Undecided, reason);
    }
    if journal.checks().next().is_none() {
        return (RunVerdict::Explored, "the run did not check a steady state".to_owned());
    }
    if let Some(reason) = incomplete_checks(journal, strictness) {
        return (RunVerdict::Undecided, reason.to_owned());
    }
    let reason = if journal.extension.is_some() {
        "every check met the steady state"
    } else {
        "every check met the steady state; the journal does not record the effects of actions"
    };
    (RunVerdict::Held, reason.to_owned())
}

/// Tells a signal from other interruptions. Journals leave out SIGUSR1 and SIGUSR2, as the Chaos Toolkit does.
fn interruption(journal: &Journal) -> (RunVerdict, String) {
    let interruption = journal.interruption.as_ref();
    let is_signal = interruption.is_none_or(|interruption| interruption.kind == "signal");
    let verdict = if is_signal { RunVerdict::Interrupted } else { RunVerdict::Stopped };
    let raised = journal.unwritten.interrupt.as_ref().map(|interrupt| &interrupt.reason);
    let reason = raised.or_else(|| interruption.map(|interruption| &interruption.reason));
    let reason = reason.filter(|reason| !reason.is_empty()).cloned();
    (verdict, reason.unwrap_or_else(|| "the run was interrupted".to_owned()))
}

/// Returns why a run without an unmet check is not a success.
fn unexplained_end(journal: &Journal, strictness: Strictness) -> Option<String> {
    if !journal.status.is(RunStatus::Completed) {
        return Some("the run failed, and its entries do not show why".to_owned());
    }
    if strictness != Strictness::Complete {
        return None;
    }
    let method = journal.experiment["method"].as_list().unwrap_or_default();
    let declared = method.iter().filter(|activity| activity["type"].as_text() == Some("action")).count();
    let started = journal.run.iter().filter(|entry| entry.is_action()).count();
    if started < declared {
        return Some(format!("only {started} of {declared} actions were started"));
    }
    let is_judged = |activity: &&Value| {
        activity["type"].as_text() == Some("probe") && activity["tolerance"] != Value::Null
    };
    let declared = method.iter().filter(is_judged).count();
    let judged = journal.method_tolerances().len();
    let is_dry = matches!(journal.dry(), Some("probes" | "activities"));
    (judged < declared && !is_dry)
        .then(|| format!("only {judged} of {declared} tolerances in the method were checked"))
}

/// Returns why checks without an unmet one are not a success.
fn incomplete_checks(journal: &Journal, strictness: Strictness) -> Option<&'static str> {
    if journal.checks().any(|(check, _)| !check.is_met()) {
        return Some("a check of the steady state is incomplete");
    }
    (strictness == Strictness::Complete && journal.steady_states.after.is_none())
        .then_some("the steady state was not checked after the method")
}

/// Names the probe that decided a check: `probe 'p' was not within its tolerance`.
fn deciding_probe(check: &HypothesisCheck) -> String {
    let Some(probe) = check.probes.last() else { return "the hypothesis was not met".to_owned() };
    let finding = if probe.succeeded() { "was not within its tolerance" } else { "could not be measured" };
    format!("probe '{}' {finding}", probe.name())
}

/// Returns why rollbacks that began are incomplete. Whether they begin is the choice of the strategy.
fn incomplete_rollback(journal: &Journal) -> Option<String> {
    let rollbacks = &journal.rollbacks;
    if let Some(entry) = rollbacks.iter().find(|entry| !entry.succeeded()) {
        return Some(format!("rollback '{}' failed", entry.name()));
    }
    let mut actions = journal.actions().iter().filter(|action| action.is_rollback());
    if let Some(reason) = actions.find_map(|action| missing_effect(journal, action)) {
        return Some(reason);
    }
    let declared = journal.experiment["rollbacks"].as_list().map_or(0, <[_]>::len);
    let began = !rollbacks.is_empty() || journal.unwritten.rollbacks_begun;
    (began && rollbacks.len() < declared)
        .then(|| format!("only {} of {declared} rollbacks were started", rollbacks.len()))
}

/// Whether the method ran actions, and none of them changed anything: then nothing is left to restore.
///
/// Commands and requests may have changed something that the journal does not know.
fn changed_nothing(journal: &Journal) -> bool {
    let mut actions = journal.actions().iter().filter(|action| !action.is_rollback()).peekable();
    actions.peek().is_some()
        && actions.all(|action| {
            let is_function = journal.provider_of(action) == Some("python");
            let is_mismatch =
                action.effect.as_ref().is_some_and(|effect| effect.state.is(EffectState::Mismatch));
            is_function && is_mismatch && action.targets.iter().all(|target| target.done == Some(false))
        })
}

/// Returns why an action counts as failed.
fn unconfirmed_action(journal: &Journal, strictness: Strictness) -> Option<String> {
    if strictness == Strictness::Lenient {
        return None;
    }
    let mut actions = journal.run.iter().enumerate().filter(|(_, entry)| entry.is_action());
    if let Some((_, action)) = actions.clone().find(|(_, entry)| !entry.succeeded()) {
        return Some(format!("action '{}' failed", action.name()));
    }
    let mut recorded = journal.actions().iter().filter(|action| !action.is_rollback());
    if let Some(reason) = recorded.find_map(|action| missing_effect(journal, action)) {
        return Some(reason);
    }
    // skipped actions have no effect
    if strictness != Strictness::Complete || matches!(journal.dry(), Some("actions" | "activities")) {
        return None;
    }
    let is_recorded =
        |index: usize| journal.action(&format!("/run/{index}")).is_some_and(|action| action.effect.is_some());
    let (_, action) = actions.find(|(index, _)| !is_recorded(*index))?;
    Some(format!("the effect of action '{}' is unknown", JournalEntry::name(action)))
}

/// Returns why the effect of an action was not observed.
fn missing_effect(journal: &Journal, action: &ActionRecord) -> Option<String> {
    let effect = action.effect.as_ref().filter(|effect| !effect.state.is(EffectState::Confirmed))?;
    let name = journal.action_name(action);
    let failure = match effect.state.known() {
        Some(EffectState::Mismatch) => format!("action '{name}' did not take effect"),
        _ => format!("the effect of action '{name}' was not observed"),
    };
    let detail = if effect.detail.is_empty() { String::new() } else { format!(": {}", effect.detail) };
    Some(format!("{failure}{detail}"))
}

#[cfg(test)]
mod tests;
