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

const NO_TARGET: &str = "the fault had no target";
const NO_PROBES: &str = "the hypothesis has no probes";

/// The outcome of a run, with its reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClassifiedRun {
    pub(super) outcome: RunOutcomeKind,
    /// A phrase that may name activities. Untrusted.
    pub(super) reason: String,
    /// The name of the probe that decided. Untrusted.
    pub(super) probe: Option<String>,
    /// Why a void run is likely to be void again.
    pub(super) lasting_cause: Option<LastingCause>,
}

/// A cause of void runs that another run hardly changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastingCause {
    /// The workloads did not become ready.
    NotReady,
    /// The fault had no target.
    NoTarget,
    /// The hypothesis has no probes.
    NoProbes,
}

impl LastingCause {
    /// Returns the cause as a phrase.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotReady => "the workloads did not become ready",
            Self::NoTarget => NO_TARGET,
            Self::NoProbes => NO_PROBES,
        }
    }
}

impl ClassifiedRun {
    fn new(outcome: RunOutcomeKind, reason: String) -> Self {
        Self { outcome, reason, probe: None, lasting_cause: None }
    }

    fn void(reason: impl Into<String>) -> Self {
        Self::new(RunOutcomeKind::Void, reason.into())
    }

    fn lasting(cause: LastingCause, reason: impl Into<String>) -> Self {
        Self { lasting_cause: Some(cause), ..Self::void(reason) }
    }

    fn with_probe(self, name: Option<&str>) -> Self {
        Self { probe: name.map(str::to_owned), ..self }
    }
}

/// Returns whether a run held or failed; an error is the lasting cause of a void run, if it has one.
pub fn run_outcome(record: &Record) -> Result<RunOutcomeKind, Option<LastingCause>> {
    let run = classify_run(record);
    if run.outcome == RunOutcomeKind::Void { Err(run.lasting_cause) } else { Ok(run.outcome) }
}

/// Classifies a run as held, failed or void.
pub(super) fn classify_run(record: &Record) -> ClassifiedRun {
    let void = ended_early(record)
        .or_else(|| missing_baseline(record.content.steady_states.before.as_ref()))
        .or_else(|| missing_fault(record))
        .or_else(|| unsettled_probe(record).map(ClassifiedRun::void));
    if let Some(void) = void {
        return void;
    }
    let failed = |check: &HypothesisCheck, when: &str| {
        let reason = format!("{} {when} the method", describe_unmet_probe(check));
        ClassifiedRun::new(RunOutcomeKind::Failed, reason).with_probe(unmet_probe(check))
    };
    let checks = &record.content.steady_states;
    if let Some(check) = checks.during.iter().find(|check| check.steady_state_met == Some(false)) {
        return failed(check, "during");
    }
    if let Some((name, what)) = record.content.unmet_method_probe() {
        let reason = format!("probe {} {what} in the method", quote(name));
        return ClassifiedRun::new(RunOutcomeKind::Failed, reason).with_probe(Some(name));
    }
    match &checks.after {
        Some(check) if check.steady_state_met == Some(false) => failed(check, "after"),
        Some(check) if check.steady_state_met == Some(true) => match missing_actions(record) {
            Some(reason) => ClassifiedRun::void(reason),
            None => {
                let reason = "the hypothesis was met before and after the method";
                ClassifiedRun::new(RunOutcomeKind::Held, reason.to_owned())
            }
        },
        _ => ClassifiedRun::void("the hypothesis was not checked after the method"),
    }
}

/// Returns why a run is void that was dry or did not complete.
fn ended_early(record: &Record) -> Option<ClassifiedRun> {
    if let Some(what) = record.dry() {
        return Some(ClassifiedRun::void(format!("dry run: {} skipped", quote(what))));
    }
    let content = &record.content;
    if content.extension.as_ref().is_some_and(|extension| !extension.finished) {
        return Some(ClassifiedRun::void("the run is unfinished: it was killed, or is still running"));
    }
    match &content.status {
        Keyword::Known(RunStatus::Completed | RunStatus::Failed) => None,
        Keyword::Known(RunStatus::Aborted) => Some(ClassifiedRun::void("an unexpected error ended the run")),
        Keyword::Known(RunStatus::Interrupted) => {
            if let Some(cut) = content.interruption.as_ref().filter(|cut| cut.kind == NOT_READY) {
                return Some(ClassifiedRun::lasting(LastingCause::NotReady, shorten(&cut.reason)));
            }
            let reason = content.interruption.as_ref().map(|cut| cut.reason.as_str());
            let reason = reason
                .or_else(|| content.extension.as_ref()?.reason.as_deref())
                .filter(|reason| !reason.is_empty());
            let reason = reason.map(|reason| format!(": {}", shorten(reason))).unwrap_or_default();
            Some(ClassifiedRun::void(format!("the run was interrupted{reason}")))
        }
        Keyword::Unknown(other) => Some(ClassifiedRun::void(format!("unknown status {}", quote(other)))),
    }
}

fn missing_baseline(before: Option<&HypothesisCheck>) -> Option<ClassifiedRun> {
    let Some(check) = before else {
        return Some(ClassifiedRun::void("the hypothesis was not checked before the method"));
    };
    match check.steady_state_met {
        Some(true) if check.probes.is_empty() => {
            Some(ClassifiedRun::lasting(LastingCause::NoProbes, NO_PROBES))
        }
        Some(true) => None,
        Some(false) => {
            let reason = format!("{} before the method", describe_unmet_probe(check));
            Some(ClassifiedRun::void(reason).with_probe(unmet_probe(check)))
        }
        None => Some(ClassifiedRun::void("the check of the hypothesis before the method is incomplete")),
    }
}

/// Returns why the fault does not count: its effect was not confirmed, or it changed nothing.
fn missing_fault(record: &Record) -> Option<ClassifiedRun> {
    let Some(extension) = &record.content.extension else {
        let reason = "not a journal of kubectl-chaos: it does not state whether actions took effect";
        return Some(ClassifiedRun::void(reason));
    };
    let records_by_pointer: HashMap<&str, &ActionRecord> =
        extension.activities.iter().map(|recorded| (recorded.at.as_str(), recorded)).collect();
    let (mut begun, mut hit, mut helped, mut missed) = (false, false, false, false);
    for (place, action) in record.content.run.iter().enumerate().filter(|(_, played)| played.is_action()) {
        let recorded = records_by_pointer.get(format!("/run/{place}").as_str()).copied();
        let effect = match recorded.and_then(|recorded| recorded.effect.as_ref()) {
            _ if !action.succeeded() => return Some(ClassifiedRun::void(describe_failure(action))),
            Some(effect) if effect.state.is(EffectState::Confirmed) => effect,
            effect => {
                let reason = describe_unconfirmed(action, effect);
                let is_unmet = effect.is_some_and(|effect| effect.state.is(EffectState::Mismatch));
                // every function records its targets before it changes them
                let is_function = action.activity["provider"]["type"].as_text() == Some("python");
                let has_no_target =
                    is_function && recorded.is_some_and(|recorded| recorded.targets.is_empty());
                return Some(if is_unmet && has_no_target {
                    ClassifiedRun::lasting(LastingCause::NoTarget, reason)
                } else {
                    ClassifiedRun::void(reason)
                });
            }
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
    Some(match (begun, missed) {
        (false, _) => ClassifiedRun::void("no fault: no action of the method started"),
        (true, true) => ClassifiedRun::lasting(LastingCause::NoTarget, NO_TARGET),
        (true, false) => ClassifiedRun::void("no fault: the method only reads"),
    })
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

/// Returns the name of the probe that decided: the last one, as a check ends with the first probe that is not met.
fn unmet_probe(check: &HypothesisCheck) -> Option<&str> {
    check.probes.last().map(JournalEntry::name)
}

/// Describes the probe that decided.
fn describe_unmet_probe(check: &HypothesisCheck) -> String {
    let Some(probe) = check.probes.last() else { return "the hypothesis was not met".to_owned() };
    let what = if probe.succeeded() { "was not within its tolerance" } else { "could not be measured" };
    format!("probe {} {what}", quote(probe.name()))
}
