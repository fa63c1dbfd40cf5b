//! Runs in which every text is the same, for tests of how renderers treat untrusted text and numbers.

use serde_json::json;

use super::ReportSummary;
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
    let run = |id: &str, version: &str| {
        let action = json!({"type": "action", "name": text});
        let probe = json!({"activity": {"type": "probe", "name": text}, "status": "succeeded", "tolerance_met": true});
        let look = json!({"steady_state_met": true, "probes": [probe]});
        let journal = json!({"experiment": {"title": text, "method": [action]}, "status": "completed",
            "steady_states": {"before": look, "after": look, "during": []},
            "run": [{"activity": action, "status": "succeeded"}],
            "kubectl-chaos": {"schema": 1, "run_id": id, "finished": true, "verdict": "held",
                "cluster": {"version": format!("{version} {text}")}, "activities": [{"at": "/run/0", "phase": "method",
                "effect": {"state": "confirmed", "detail": "gone"}}]}});
        Record::read(id, journal.to_string()).unwrap()
    };
    let (before, after) = ([run("b", "v1.30")], [run("a", "v1.31")]);
    let comparison =
        crate::compare::compare(&before, &after, &crate::compare::CompareOptions::default()).unwrap();
    ReportSummary::from_records(&[before, after].concat(), Some(&comparison))
}
