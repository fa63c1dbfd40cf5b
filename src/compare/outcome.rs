//! What became of a run, by its journal alone. Floor 1.
//!
//! A run counts only where the fault was seen to take effect in that very run, on something that was fine before.

use std::collections::HashMap;

use super::RunOutcomeKind;
use super::format::{clipped, quoted};
use crate::journal::{
    ActionRecord, EffectRecord, HypothesisCheck, JournalEntry, Keyword, NOT_READY, Record, RunStatus,
};
use crate::mutation::{EffectState, NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};

/// Held, failed, or void; and why: part of a sentence.
pub(super) fn outcome(record: &Record) -> (RunOutcomeKind, String) {
    let void = cut(record)
        .or_else(|| no_baseline(record.content.steady_states.before.as_ref()))
        .or_else(|| no_fault(record))
        .or_else(|| not_settled(record));
    if let Some(reason) = void {
        return (RunOutcomeKind::Void, reason);
    }
    let looks = &record.content.steady_states;
    if let Some(look) = looks.during.iter().find(|look| look.steady_state_met == Some(false)) {
        return (RunOutcomeKind::Failed, format!("{} during the method", unmet(look)));
    }
    match &looks.after {
        Some(look) if look.steady_state_met == Some(false) => {
            (RunOutcomeKind::Failed, format!("{} after the method", unmet(look)))
        }
        Some(look) if look.steady_state_met == Some(true) => match not_all_begun(record) {
            Some(reason) => (RunOutcomeKind::Void, reason),
            None => (RunOutcomeKind::Held, "the hypothesis was met before and after the method".to_owned()),
        },
        _ => (RunOutcomeKind::Void, "the hypothesis was not looked at after the method".to_owned()),
    }
}

/// A run that was dry, or did not come to its end by itself.
fn cut(record: &Record) -> Option<String> {
    if let Some(what) = record.dry() {
        return Some(format!("the run was dry: {} left out", quoted(what)));
    }
    let content = &record.content;
    if content.extension.as_ref().is_some_and(|own| !own.finished) {
        return Some("the run was ended before it was over, or still goes on".to_owned());
    }
    match &content.status {
        Keyword::Known(RunStatus::Completed | RunStatus::Failed) => None,
        Keyword::Known(RunStatus::Aborted) => Some("an unexpected error ended the run".to_owned()),
        Keyword::Known(RunStatus::Interrupted) => {
            if let Some(cut) = content.interruption.as_ref().filter(|cut| cut.kind == NOT_READY) {
                return Some(clipped(&cut.reason));
            }
            let why = content.interruption.as_ref().map(|cut| cut.reason.as_str());
            let why =
                why.or_else(|| content.extension.as_ref()?.reason.as_deref()).filter(|why| !why.is_empty());
            let why = why.map(|why| format!(": {}", clipped(why))).unwrap_or_default();
            Some(format!("the run was interrupted{why}"))
        }
        Keyword::Unknown(other) => Some(format!("nobody knows what the status {} means", quoted(other))),
    }
}

fn no_baseline(before: Option<&HypothesisCheck>) -> Option<String> {
    let Some(look) = before else {
        return Some("the hypothesis was not looked at before the method".to_owned());
    };
    match look.steady_state_met {
        Some(true) if look.probes.is_empty() => {
            Some("the hypothesis has no probes: nothing was looked at".to_owned())
        }
        Some(true) => None,
        Some(false) => Some(format!("{} to begin with", unmet(look))),
        None => Some("the hypothesis was not looked at to its end before the method".to_owned()),
    }
}

/// A fault that was not seen to take effect, or did nothing.
fn no_fault(record: &Record) -> Option<String> {
    let Some(own) = &record.content.extension else {
        return Some(
            "the journal is not one of kubectl-chaos, and does not say whether actions took effect"
                .to_owned(),
        );
    };
    let known: HashMap<&str, &ActionRecord> =
        own.activities.iter().map(|acted| (acted.at.as_str(), acted)).collect();
    let (mut begun, mut hit, mut helped, mut missed) = (false, false, false, false);
    for (place, action) in record.content.run.iter().enumerate().filter(|(_, played)| played.is_action()) {
        let acted = known.get(format!("/run/{place}").as_str()).copied();
        let effect = match acted.and_then(|acted| acted.effect.as_ref()) {
            _ if !action.succeeded() => return Some(failed(action)),
            Some(effect) if effect.state.is(EffectState::Confirmed) => effect,
            effect => return Some(unconfirmed(action, effect)),
        };
        begun = true;
        match effect.detail.as_str() {
            NOTHING_MATCHED | NOTHING_CHANGED => missed = true,
            ONLY_LOOKED => {}
            _ if acted.is_some_and(|acted| !acted.targets.is_empty()) => hit = true,
            _ => helped = true,
        }
    }
    // a command or a request may be the fault; beside one that hit nothing it may as well have been a wait
    if hit || helped && !missed {
        return None;
    }
    Some(match (begun, missed) {
        (false, _) => "the method has no action that was begun, so that there was no fault".to_owned(),
        (true, true) => "the fault found nothing to hit".to_owned(),
        (true, false) => "the method only looked, so that there was no fault".to_owned(),
    })
}

fn failed(action: &JournalEntry) -> String {
    let why = action.error().map(|why| format!(": {}", clipped(why))).unwrap_or_default();
    format!("action {} failed{why}", quoted(action.name()))
}

fn unconfirmed(action: &JournalEntry, effect: Option<&EffectRecord>) -> String {
    let name = quoted(action.name());
    match effect {
        Some(effect) if effect.state.is(EffectState::Mismatch) => {
            format!("action {name} did not take effect: {}", clipped(&effect.detail))
        }
        Some(effect) => format!("action {name} was not seen to take effect: {}", clipped(&effect.detail)),
        None => format!("whether action {name} took effect is not known"),
    }
}

/// Where sampling looked and the steady state did not become steady.
fn not_settled(record: &Record) -> Option<String> {
    let samples = &record.content.extension.as_ref()?.samples;
    let series = samples.iter().find(|series| !series.settled)?;
    Some(format!("probe {} did not settle before the method", quoted(&series.probe)))
}

/// Actions that the run never came to.
fn not_all_begun(record: &Record) -> Option<String> {
    let declared = record.content.experiment["method"].as_list()?;
    let declared = declared.iter().filter(|activity| activity["type"].as_text() == Some("action")).count();
    let begun = record.content.run.iter().filter(|played| played.is_action()).count();
    (begun < declared).then(|| format!("only {begun} of {declared} actions were begun"))
}

/// Which probe decided.
fn unmet(look: &HypothesisCheck) -> String {
    let Some(probe) = look.probes.last() else { return "the hypothesis was not met".to_owned() };
    let what = if probe.succeeded() { "was not within its tolerance" } else { "could not be measured" };
    format!("probe {} {what}", quoted(probe.name()))
}
