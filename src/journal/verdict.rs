//! What a run came to, in one word. Floor 0.

use super::{HypothesisCheck, Journal, JournalEntry};
use crate::event::{InterruptPriority, RunPhase, RunStatus, Signal};
use crate::mutation::EffectState;
use crate::value::Value;

/// The one word. The exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunVerdict {
    /// The hypothesis was met wherever it was looked at, and every action took effect.
    Held,
    /// There was no hypothesis to hold or not; every action took effect.
    Explored,
    /// Activities were left out, so nothing was learnt; what did run went well.
    Dry,
    /// The hypothesis was not met during or after the method.
    Deviated,
    /// The hypothesis was not met, or could not be measured, before anything was done: nothing was learnt.
    BaselineNotMet,
    /// An action failed, or was not seen to take effect.
    ActionNotConfirmed,
    /// An unexpected error ended the run.
    Aborted,
    /// A control, a safeguard or the end of its time stopped the run.
    Stopped,
    /// A signal ended the run.
    Interrupted(Signal),
    /// Rollbacks were begun and not all of them were carried out.
    RollbackIncomplete,
}

impl RunVerdict {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Explored => "explored",
            Self::Dry => "dry",
            Self::Deviated => "deviated",
            Self::BaselineNotMet => "baseline-not-met",
            Self::ActionNotConfirmed => "action-not-confirmed",
            Self::Aborted => "aborted",
            Self::Stopped => "stopped",
            Self::Interrupted(_) => "interrupted",
            Self::RollbackIncomplete => "rollback-incomplete",
        }
    }
}

/// What a finished run came to, and why: the first that holds, from the most serious on. Lenient runs forgive
/// actions that failed.
pub fn judge(journal: &Journal, strict: bool) -> (RunVerdict, Option<String>) {
    if let Some(reason) = incomplete_rollback(journal) {
        return (RunVerdict::RollbackIncomplete, Some(reason));
    }
    if journal.status == Some(RunStatus::Interrupted) {
        let interrupt = journal.interruption.as_ref();
        let reason = interrupt.map(|interrupt| interrupt.reason.clone());
        return match interrupt.map(|interrupt| (interrupt.urgency, interrupt.signal)) {
            Some((InterruptPriority::Signal | InterruptPriority::SecondSignal, Some(signal))) => {
                (RunVerdict::Interrupted(signal), reason)
            }
            _ => (RunVerdict::Stopped, reason),
        };
    }
    if journal.status == Some(RunStatus::Aborted) {
        let cause = journal.abortion.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        return (RunVerdict::Aborted, Some(format!("an unexpected error ended the run{cause}")));
    }
    if let Some(reason) = unconfirmed_action(journal).filter(|_| strict) {
        return (RunVerdict::ActionNotConfirmed, Some(reason));
    }
    let states = &journal.steady_states;
    if let Some(before) = states.before.as_ref().filter(|state| state.met == Some(false)) {
        let what = format!("{} before the method", deviation(before));
        return (RunVerdict::BaselineNotMet, Some(what));
    }
    let looks = states
        .during
        .iter()
        .map(|state| (state, "during"))
        .chain(states.after.iter().map(|state| (state, "after")));
    for (state, when) in looks {
        if state.met == Some(false) {
            return (RunVerdict::Deviated, Some(format!("{} {when} the method", deviation(state))));
        }
    }
    if journal
        .experiment
        .get("dry")
        .is_some_and(|dry| matches!(dry.as_text(), Some("probes" | "actions" | "activities")))
    {
        return (RunVerdict::Dry, Some("what was left out was not tried".to_owned()));
    }
    let looked = states.before.is_some() || states.after.is_some() || !states.during.is_empty();
    let (verdict, reason) = if looked {
        (RunVerdict::Held, "the steady state was met at every look")
    } else {
        (RunVerdict::Explored, "there was no steady state to judge")
    };
    (verdict, Some(reason.to_owned()))
}

/// `probe 'p' was not met`, of the probe that decided.
fn deviation(state: &HypothesisCheck) -> String {
    let Some(probe) = state.probes.last() else { return "the hypothesis was not met".to_owned() };
    let what = if probe.status == Some("succeeded") {
        "was not within its tolerance"
    } else {
        "could not be measured"
    };
    format!("probe '{}' {what}", name(probe))
}

fn name(entry: &JournalEntry) -> String {
    entry.activity.get("name").map(Value::python_text).unwrap_or_default().into_owned()
}

/// Rollbacks that began and did not all succeed. Those that were never begun are the strategy's choice.
fn incomplete_rollback(journal: &Journal) -> Option<String> {
    let played = &journal.rollbacks;
    if let Some(entry) = played.iter().find(|entry| entry.status != Some("succeeded")) {
        return Some(format!("rollback '{}' was not carried out", name(entry)));
    }
    if let Some(reason) = unconfirmed(journal, |phase| phase == RunPhase::Rollbacks) {
        return Some(reason);
    }
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let begun = !played.is_empty() || journal.extension.rollbacks_begun;
    (begun && played.len() < declared)
        .then(|| format!("only {} of {declared} rollbacks were played", played.len()))
}

fn unconfirmed_action(journal: &Journal) -> Option<String> {
    let failed = |entry: &&JournalEntry| {
        entry.activity.get("type").and_then(Value::as_text) == Some("action")
            && entry.status != Some("succeeded")
    };
    let entry = journal.run.iter().find(failed).map(|entry| format!("action '{}' failed", name(entry)));
    entry.or_else(|| unconfirmed(journal, |phase| phase != RunPhase::Rollbacks))
}

/// An action that was not seen to take effect, in the phases asked for.
fn unconfirmed(journal: &Journal, asked: impl Fn(RunPhase) -> bool) -> Option<String> {
    let mut records = journal.extension.activities.iter().filter(|record| asked(record.phase));
    records.find_map(|record| {
        let effect = record.effect.as_ref()?;
        match effect.state {
            EffectState::Confirmed => None,
            EffectState::Mismatch => {
                Some(format!("action '{}' did not take effect: {}", record.name, effect.detail))
            }
            EffectState::Unknown => {
                Some(format!("action '{}' was not seen to take effect: {}", record.name, effect.detail))
            }
        }
    })
}

#[cfg(test)]
mod tests;
