//! The outcome of a run, from its journal alone.
//!
//! A run counts only if its steady state was met before the fault, and the effect of the fault was confirmed.

use std::collections::HashMap;

use super::RunOutcomeKind;
use crate::journal::{
    ActionRecord, EffectRecord, HypothesisCheck, JournalEntry, Keyword, NOT_READY, Record, RunStatus,
};
use crate::mutation::{EffectState, NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};
use crate::text::{quote, shorten};

/// Cause of a void run, as far as a trial acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidCause {
    /// The workloads were not ready.
    NotReady,
    /// The fault had no target.
    NoTarget,
    /// The hypothesis has no probes.
    NoProbes,
    Other,
}

/// Returns whether a run held or failed; an error is the cause of a void run.
pub fn run_outcome(record: &Record) -> Result<RunOutcomeKind, VoidCause> {
    match classify_run(record) {
        (RunOutcomeKind::Void, _) => Err(find_void(record).map_or(VoidCause::Other, |(cause, _)| cause)),
        (outcome, _) => Ok(outcome),
    }
}

/// Returns why a run is void, unless only its end decides.
fn find_void(record: &Record) -> Option<(VoidCause, String)> {
    ended_early(record)
        .or_else(|| missing_baseline(record.content.steady_states.before.as_ref()))
        .or_else(|| missing_fault(record))
        .or_else(|| unsettled_probe(record).map(|reason| (VoidCause::Other, reason)))
}

/// Classifies a run as held, failed or void, with the reason as a phrase.
pub(super) fn classify_run(record: &Record) -> (RunOutcomeKind, String) {
    if let Some((_, reason)) = find_void(record) {
        return (RunOutcomeKind::Void, reason);
    }
    let checks = &record.content.steady_states;
    if let Some(check) = checks.during.iter().find(|check| check.steady_state_met == Some(false)) {
        return (RunOutcomeKind::Failed, format!("{} during the method", describe_unmet_probe(check)));
    }
    if let Some((name, what)) = record.content.unmet_method_probe() {
        return (RunOutcomeKind::Failed, format!("probe {} {what} in the method", quote(name)));
    }
    match &checks.after {
        Some(check) if check.steady_state_met == Some(false) => {
            (RunOutcomeKind::Failed, format!("{} after the method", describe_unmet_probe(check)))
        }
        Some(check) if check.steady_state_met == Some(true) => match missing_actions(record) {
            Some(reason) => (RunOutcomeKind::Void, reason),
            None => (RunOutcomeKind::Held, "the hypothesis was met before and after the method".to_owned()),
        },
        _ => (RunOutcomeKind::Void, "the hypothesis was not checked after the method".to_owned()),
    }
}

/// Returns why a run is void that was dry or did not complete.
fn ended_early(record: &Record) -> Option<(VoidCause, String)> {
    let other = |reason: String| Some((VoidCause::Other, reason));
    if let Some(what) = record.dry() {
        return other(format!("dry run: {} skipped", quote(what)));
    }
    let content = &record.content;
    if content.extension.as_ref().is_some_and(|extension| !extension.finished) {
        return other("the run is unfinished: it was killed, or is still running".to_owned());
    }
    match &content.status {
        Keyword::Known(RunStatus::Completed | RunStatus::Failed) => None,
        Keyword::Known(RunStatus::Aborted) => other("an unexpected error ended the run".to_owned()),
        Keyword::Known(RunStatus::Interrupted) => {
            if let Some(cut) = content.interruption.as_ref().filter(|cut| cut.kind == NOT_READY) {
                return Some((VoidCause::NotReady, shorten(&cut.reason)));
            }
            let reason = content.interruption.as_ref().map(|cut| cut.reason.as_str());
            let reason = reason
                .or_else(|| content.extension.as_ref()?.reason.as_deref())
                .filter(|reason| !reason.is_empty());
            let reason = reason.map(|reason| format!(": {}", shorten(reason))).unwrap_or_default();
            other(format!("the run was interrupted{reason}"))
        }
        Keyword::Unknown(status) => other(format!("unknown status {}", quote(status))),
    }
}

fn missing_baseline(before: Option<&HypothesisCheck>) -> Option<(VoidCause, String)> {
    let other = |reason: String| Some((VoidCause::Other, reason));
    let Some(check) = before else {
        return other("the hypothesis was not checked before the method".to_owned());
    };
    match check.steady_state_met {
        Some(true) if check.probes.is_empty() => {
            Some((VoidCause::NoProbes, "the hypothesis has no probes".to_owned()))
        }
        Some(true) => None,
        Some(false) => other(format!("{} before the method", describe_unmet_probe(check))),
        None => other("the check of the hypothesis before the method is incomplete".to_owned()),
    }
}

/// Returns why the fault does not count: its effect was not confirmed, or it changed nothing.
fn missing_fault(record: &Record) -> Option<(VoidCause, String)> {
    let other = |reason: String| Some((VoidCause::Other, reason));
    let Some(extension) = &record.content.extension else {
        return other(
            "not a journal of kubectl-chaos: it does not state whether actions took effect".to_owned(),
        );
    };
    let records_by_pointer: HashMap<&str, &ActionRecord> =
        extension.activities.iter().map(|recorded| (recorded.at.as_str(), recorded)).collect();
    let (mut begun, mut hit, mut helped, mut missed) = (false, false, false, false);
    for (place, action) in record.content.run.iter().enumerate().filter(|(_, played)| played.is_action()) {
        let recorded = records_by_pointer.get(format!("/run/{place}").as_str()).copied();
        let effect = match recorded.and_then(|recorded| recorded.effect.as_ref()) {
            _ if !action.succeeded() => return other(describe_failure(action)),
            Some(effect) if effect.state.is(EffectState::Confirmed) => effect,
            effect => return other(describe_unconfirmed(action, effect)),
        };
        begun = true;
        match effect.detail.as_str() {
            NOTHING_MATCHED | NOTHING_CHANGED => missed = true,
            ONLY_LOOKED => {}
            _ if recorded.is_some_and(|recorded| !recorded.targets.is_empty()) => hit = true,
            _ => helped = true,
        }
    }
    // a command or request may be the fault; next to an action without targets it may be only a wait
    if hit || helped && !missed {
        return None;
    }
    let (cause, reason) = match (begun, missed) {
        (false, _) => (VoidCause::Other, "no fault: no action of the method started"),
        (true, true) => (VoidCause::NoTarget, "the fault had no target"),
        (true, false) => (VoidCause::Other, "no fault: the method only reads"),
    };
    Some((cause, reason.to_owned()))
}

fn describe_failure(action: &JournalEntry) -> String {
    let reason = action.error().map(|reason| format!(": {}", shorten(reason))).unwrap_or_default();
    format!("action {} failed{reason}", quote(action.name()))
}

fn describe_unconfirmed(action: &JournalEntry, effect: Option<&EffectRecord>) -> String {
    let name = quote(action.name());
    match effect {
        Some(effect) if effect.state.is(EffectState::Mismatch) => {
            format!("action {name} did not take effect: {}", shorten(&effect.detail))
        }
        Some(effect) => format!("the effect of action {name} was not observed: {}", shorten(&effect.detail)),
        None => format!("unknown whether action {name} took effect"),
    }
}

/// Returns the sampled probe that did not settle.
fn unsettled_probe(record: &Record) -> Option<String> {
    let samples = &record.content.extension.as_ref()?.samples;
    let series = samples.iter().find(|series| !series.settled)?;
    Some(format!("probe {} did not settle before the method", quote(&series.probe)))
}

/// Returns how many actions did not start.
fn missing_actions(record: &Record) -> Option<String> {
    let declared = record.content.experiment["method"].as_list()?;
    let declared = declared.iter().filter(|activity| activity["type"].as_text() == Some("action")).count();
    let begun = record.content.run.iter().filter(|played| played.is_action()).count();
    (begun < declared).then(|| format!("only {begun} of {declared} actions started"))
}

/// Describes the probe that decided.
fn describe_unmet_probe(check: &HypothesisCheck) -> String {
    let Some(probe) = check.probes.last() else { return "the hypothesis was not met".to_owned() };
    let what = if probe.succeeded() { "was not within its tolerance" } else { "could not be measured" };
    format!("probe {} {what}", quote(probe.name()))
}
