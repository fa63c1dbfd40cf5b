//! Runs in which every text is the same, for tests of how renderers treat untrusted text and numbers; and comparisons
//! with a given verdict.

use serde_json::json;

use super::ReportSummary;
use crate::compare::{
    AfterOutcome, Arm, ArmCounts, ArmStats, Arms, Basis, CensoredValue, ComparedRun, ComparisonVerdict,
    Design, DesignKind, EffectScale, Margin, Metric, MetricResult, MetricVerdict, OutcomeSignificance,
    Replication, RunComparison, RunOutcomeKind,
};
use crate::journal::Record;

/// Creates a run that deviated, with `text` in every place for text.
pub(super) fn summary_with_text(text: &str) -> ReportSummary {
    summary_with_numbers(text, 0.1, [3.0, 5.0], 1.5)
}

/// Creates the same with a period, the start and end of the fault in seconds, and a latency in milliseconds.
pub(super) fn summary_with_numbers(text: &str, period: f64, fault: [f64; 2], latency: f64) -> ReportSummary {
    let probe = json!({"activity": {"type": "probe", "name": text}, "status": "succeeded", "tolerance_met": false,
        "output": {"status": 500, "headers": {}, "body": text}});
    let action = json!({"activity": {"type": "action", "name": text}, "status": "succeeded",
        "start": "2026-01-01T00:00:01"});
    let target = json!({"kind": text, "namespace": text, "name": text, "uid": text});
    let [from, to] = fault;
    let taken = json!({"samples": 1, "min": latency, "p50": latency, "p90": latency, "p95": latency, "p99": latency,
        "max": latency, "histogram": [[latency, 1], [latency * 3.0, 4]]});
    let samples = json!([{"probe": text, "provider": "http", "period": period, "deadline": 2, "route": null,
        "settled": false, "phases": [{"phase": "fault", "from": from, "to": to, "due": 2, "missed": 1,
        "outcomes": {"ok": 1, "refused": 1}, "latency": taken}], "detected_after": 0.1, "recovered_after": null,
        "recovery_watched": 10, "raw": [[from, latency, "ok"], [to, null, "refused"]], "raw_dropped": 1}]);
    let journal = json!({"experiment": {"title": text, "method": [],
            "steady-state-hypothesis": {"probes": [{"name": text, "tolerance": text}]}},
        "status": "completed", "deviated": true, "start": "2026-01-01T00:00:00",
        "steady_states": {"before": null, "during": [], "after": {"steady_state_met": false, "probes": [probe]}},
        "run": [action], "kubectl-chaos": {"schema": 1, "verdict": text, "reason": text, "namespace": text,
            "annotations": {text: text}, "activities": [{"at": "/run/0", "phase": "method", "targets": [target],
            "effect": {"state": "confirmed", "detail": text, "effective_at": "2026-01-01T00:00:02"}}],
            "samples": samples}});
    ReportSummary::from_records(&[Record::read(text, journal.to_string()).unwrap()], None)
}

/// Creates a comparison whose arms differ in a confounder only, with `text` in every place for text.
pub(super) fn comparison_with_confounder(text: &str) -> ReportSummary {
    let run = |arm: &str, version: &str| {
        let action = json!({"type": "action", "name": text});
        let probe = json!({"activity": {"type": "probe", "name": text}, "status": "succeeded", "tolerance_met": true});
        let look = json!({"steady_state_met": true, "probes": [probe]});
        let journal = json!({"experiment": {"title": text, "method": [action]}, "status": "completed",
            "steady_states": {"before": look, "after": look, "during": []},
            "run": [{"activity": action, "status": "succeeded"}],
            "kubectl-chaos": {"schema": 1, "run_id": arm, "finished": true, "verdict": "held",
                "cluster": {"version": format!("{version} {text}")},
            "environment": {"arm": arm, "repeat": 1, "trial": "t", "pair": 1,
                "design": {"kind": "fixed", "max_pairs": 1}}, "activities": [{"at": "/run/0", "phase": "method",
                "effect": {"state": "confirmed", "detail": "gone"}}]}});
        Record::read(arm, journal.to_string()).unwrap()
    };
    let (before, after) = ([run("before", "v1.30")], [run("after", "v1.31")]);
    let comparison =
        crate::compare::compare(&before, &after, &crate::compare::CompareOptions::default()).unwrap();
    ReportSummary::from_records(&[before, after].concat(), Some(&comparison))
}

/// The number of runs of an arm that held, failed and were void.
pub(super) type Outcomes = [u32; 3];

/// Creates a comparison with a verdict, and nothing but outcomes. Probe `p` decides every failed run.
pub(super) fn comparison(verdict: ComparisonVerdict, before: Outcomes, after: Outcomes) -> RunComparison {
    let counts = |[held, failed, void]: Outcomes| ArmCounts {
        runs: held + failed + void,
        valid: held + failed,
        held,
        failed,
        void,
        surplus: 0,
        failed_interval: None,
    };
    let run = |arm: Arm, repeat: u32, outcome: RunOutcomeKind| ComparedRun {
        arm,
        repeat,
        pair: Some(repeat),
        source: format!("{}-{repeat}.json", arm.name()),
        run_id: None,
        start: None,
        outcome,
        probe: (outcome == RunOutcomeKind::Failed).then(|| "p".to_owned()),
        reason: if outcome == RunOutcomeKind::Void {
            "the fault had no target".to_owned()
        } else {
            String::new()
        },
        surplus: false,
        overlapped: false,
    };
    let runs_of = |arm: Arm, [held, failed, void]: Outcomes| {
        let kinds =
            [(RunOutcomeKind::Failed, failed), (RunOutcomeKind::Held, held), (RunOutcomeKind::Void, void)];
        let outcomes = kinds.into_iter().flat_map(|(kind, count)| (0..count).map(move |_| kind));
        (1..).zip(outcomes).map(|(repeat, outcome)| run(arm, repeat, outcome)).collect::<Vec<_>>()
    };
    let arms = Arms { before: counts(before), after: counts(after) };
    let is_repeated = arms.before.valid.min(arms.after.valid) >= crate::compare::MIN_RUNS_PER_ARM;
    let is_outcome = matches!(verdict, ComparisonVerdict::Fixed | ComparisonVerdict::Broken);
    RunComparison {
        schema: crate::compare::SCHEMA,
        verdict,
        basis: is_outcome.then_some(Basis::Outcome),
        reason: String::new(),
        after: match after {
            [0, 0, _] => AfterOutcome::Unknown,
            [_, 0, _] => AfterOutcome::Holds,
            [0, ..] => AfterOutcome::Fails,
            _ => AfterOutcome::Mixed,
        },
        after_failure_limit: Some(0.63),
        evidence: if is_repeated { Replication::Repeated } else { Replication::Single },
        design: Design { kind: DesignKind::Fixed, max_pairs: None, pairs: None, stated: true, stop: None },
        outcome_test: OutcomeSignificance { p: None, significant: is_outcome && is_repeated, limit: None },
        detectable: None,
        required_runs: None,
        confounders: Vec::new(),
        title: "title".to_owned(),
        experiment_hash: String::new(),
        runs: [runs_of(Arm::Before, before), runs_of(Arm::After, after)].concat(),
        arms,
        metrics: Vec::new(),
        primary: None,
        level: crate::compare::SIGNIFICANCE_LEVEL,
        row_level: None,
        seed: 1,
        margin: Margin::default(),
    }
}

/// Creates a metric of a probe with the same value in every run of an arm.
pub(super) fn metric(probe: &str, metric: Metric, values: [f64; 2], result: MetricVerdict) -> MetricResult {
    let stats = |value: f64| {
        let value = CensoredValue::exact(value);
        ArmStats { values: vec![value; 3], median: value }
    };
    MetricResult {
        probe: probe.to_owned(),
        metric,
        unit: metric.unit(),
        before: stats(values[0]),
        after: stats(values[1]),
        effect: EffectScale::Difference,
        estimate: None,
        interval: None,
        interval_note: None,
        margin: None,
        min_difference: None,
        p: None,
        p_adjusted: None,
        tested: true,
        result,
        reason: None,
    }
}
