//! One table: what stands in a journal, and what it comes to.

use super::*;
use crate::clock::Timestamp;
use crate::event::Interrupt;
use crate::journal::{ActionRecord, JournalBuilder, JournalHeader};
use crate::mutation::Effect;
use serde_json::json;
use std::sync::Arc;

/// A completed run of nothing.
fn journal() -> Journal {
    let mut journal = JournalBuilder::new(JournalHeader::default()).finish(RunVerdict::Held, None, 0);
    journal.status = Some(RunStatus::Completed);
    let experiment = json!({"title": "t", "rollbacks": [{"name": "r1"}, {"name": "r2"}]});
    journal.experiment = Arc::new(experiment.into());
    journal
}

fn entry(kind: &str, status: Option<&'static str>) -> JournalEntry {
    JournalEntry {
        activity: Arc::new(json!({"type": kind, "name": "x"}).into()),
        status,
        ..JournalEntry::default()
    }
}

fn state(met: bool, status: &'static str) -> HypothesisCheck {
    HypothesisCheck { met: Some(met), probes: vec![entry("probe", Some(status))] }
}

fn effect(phase: RunPhase, state: EffectState) -> ActionRecord {
    let now = Timestamp::from_micros(0);
    let effect = Effect { state, asked_at: now, effective_at: None, detail: "d".to_owned() };
    ActionRecord {
        at: "/run/0".to_owned(),
        name: "x".to_owned(),
        phase,
        targets: Vec::new(),
        effect: Some(effect),
    }
}

fn check(change: impl FnOnce(&mut Journal), strict: bool, expected: RunVerdict, reason: &str) {
    let mut journal = journal();
    change(&mut journal);
    let (verdict, why) = judge(&journal, strict);
    assert_eq!((verdict, why.unwrap_or_default().as_str()), (expected, reason));
}

#[test]
fn the_most_serious_counts() {
    use RunVerdict::{
        Aborted, ActionNotConfirmed, BaselineNotMet, Deviated, Dry, Explored, Held, Interrupted,
        RollbackIncomplete, Stopped,
    };
    let explored = "there was no steady state to judge";
    check(|_| {}, true, Explored, explored);
    check(
        |j| j.steady_states.after = Some(state(true, "succeeded")),
        true,
        Held,
        "the steady state was met at every look",
    );
    check(
        |j| j.steady_states.after = Some(state(false, "succeeded")),
        true,
        Deviated,
        "probe 'x' was not within its tolerance after the method",
    );
    check(
        |j| j.steady_states.after = Some(state(false, "failed")),
        true,
        Deviated,
        "probe 'x' could not be measured after the method",
    );
    check(
        |j| {
            j.steady_states.during = vec![state(true, "succeeded"), state(false, "succeeded")];
            j.steady_states.after = Some(state(true, "succeeded"));
        },
        true,
        Deviated,
        "probe 'x' was not within its tolerance during the method",
    );
    check(
        |j| j.steady_states.before = Some(state(false, "succeeded")),
        true,
        BaselineNotMet,
        "probe 'x' was not within its tolerance before the method",
    );
    check(
        |j| {
            j.status = Some(RunStatus::Failed);
            j.steady_states.before = Some(state(false, "failed"));
        },
        true,
        BaselineNotMet,
        "probe 'x' could not be measured before the method",
    );
    check(
        |j| j.experiment = Arc::new(json!({"dry": "actions"}).into()),
        true,
        Dry,
        "what was left out was not tried",
    );
    check(|j| j.experiment = Arc::new(json!({"dry": "pause"}).into()), true, Explored, explored);
    check(|j| j.run = vec![entry("action", Some("failed"))], true, ActionNotConfirmed, "action 'x' failed");
    check(|j| j.run = vec![entry("action", Some("failed"))], false, Explored, explored);
    check(|j| j.run = vec![entry("probe", Some("failed"))], true, Explored, explored);
    check(|j| j.run = vec![entry("action", None)], true, ActionNotConfirmed, "action 'x' failed");
    check(
        |j| j.extension.activities = vec![effect(RunPhase::Method, EffectState::Mismatch)],
        true,
        ActionNotConfirmed,
        "action 'x' did not take effect: d",
    );
    check(
        |j| {
            j.extension.activities = vec![effect(RunPhase::Method, EffectState::Unknown)];
            j.steady_states.after = Some(state(false, "succeeded"));
        },
        true,
        ActionNotConfirmed,
        "action 'x' was not seen to take effect: d",
    );
    check(
        |j| j.extension.activities = vec![effect(RunPhase::Method, EffectState::Mismatch)],
        false,
        Explored,
        explored,
    );
    check(
        |j| j.extension.activities = vec![effect(RunPhase::Method, EffectState::Confirmed)],
        true,
        Explored,
        explored,
    );
    check(|j| j.status = Some(RunStatus::Aborted), true, Aborted, "an unexpected error ended the run");
    check(
        |j| {
            j.status = Some(RunStatus::Aborted);
            j.abortion = Some("probe 'x': it broke".to_owned());
        },
        true,
        Aborted,
        "an unexpected error ended the run: probe 'x': it broke",
    );
    let interrupted = |interrupt: Interrupt| {
        move |j: &mut Journal| {
            j.status = Some(RunStatus::Interrupted);
            j.interruption = Some(interrupt);
            j.run = vec![entry("action", None)];
        }
    };
    check(
        interrupted(Interrupt::signal(Signal::Int, true)),
        true,
        Interrupted(Signal::Int),
        "received SIGINT",
    );
    check(
        interrupted(Interrupt::signal(Signal::Usr2, true)),
        true,
        Interrupted(Signal::Usr2),
        "received SIGUSR2",
    );
    check(interrupted(Interrupt::control("guard", "too hot")), true, Stopped, "too hot");
    check(interrupted(Interrupt::timeout(5.0)), true, Stopped, "the run took longer than 5 seconds");
    let failing = |j: &mut Journal| {
        j.rollbacks = vec![entry("action", Some("succeeded")), entry("action", Some("failed"))];
    };
    check(failing, true, RollbackIncomplete, "rollback 'x' was not carried out");
    check(failing, false, RollbackIncomplete, "rollback 'x' was not carried out");
    check(
        |j| {
            interrupted(Interrupt::signal(Signal::Int, true))(j);
            j.rollbacks = vec![entry("action", Some("succeeded"))];
        },
        true,
        RollbackIncomplete,
        "only 1 of 2 rollbacks were played",
    );
    check(
        |j| j.extension.activities = vec![effect(RunPhase::Rollbacks, EffectState::Mismatch)],
        false,
        RollbackIncomplete,
        "action 'x' did not take effect: d",
    );
    check(
        |j| j.extension.rollbacks_begun = true,
        true,
        RollbackIncomplete,
        "only 0 of 2 rollbacks were played",
    );
}
