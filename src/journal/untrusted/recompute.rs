//! Recomputes the results of an untrusted journal from its entries, whatever it claims.

use crate::experiment::hash_experiment;
use crate::journal::{HypothesisCheck, Journal, JournalEntry, Strictness, judge};

/// Replaces every result that follows from the entries: checks, deviation, experiment hash, verdict and reason.
pub(in crate::journal) fn recompute(journal: &mut Journal) {
    let hypothesis = &journal.experiment["steady-state-hypothesis"];
    let declared = hypothesis["probes"].as_list().map_or(0, <[_]>::len);
    let states = &mut journal.steady_states;
    for check in states.before.iter_mut().chain(&mut states.during).chain(states.after.iter_mut()) {
        check.steady_state_met = is_met(check, declared);
    }
    journal.deviated = states.during.iter().chain(&states.after).any(HypothesisCheck::is_unmet);
    let (verdict, reason) = judge(journal, Strictness::Complete);
    if let Some(extension) = &mut journal.extension {
        extension.experiment_hash = hash_experiment(&journal.experiment);
        extension.verdict = extension.finished.then_some(verdict.into());
        extension.reason = Some(reason);
    }
}

/// Whether every declared probe met its tolerance; unknown if a probe is missing.
fn is_met(check: &HypothesisCheck, declared: usize) -> Option<bool> {
    check.steady_state_met?;
    if check.probes.is_empty() {
        return None;
    }
    let is_tolerated = |probe: &JournalEntry| probe.succeeded() && probe.tolerance_met == Some(true);
    if check.probes.iter().all(is_tolerated) {
        (check.probes.len() >= declared).then_some(true)
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::{Keyword, Record};
    use serde_json::{Value as Json, json};

    fn probe(met: bool) -> Json {
        json!({"activity": {"type": "probe", "name": "p"}, "status": "succeeded", "tolerance_met": met})
    }

    fn check_of(claimed: Json, probes: &[Json]) -> Json {
        json!({"steady_state_met": claimed, "probes": probes})
    }

    /// A run that held, as its journal says and as its entries do.
    fn journal() -> Json {
        let fine = check_of(json!(true), &[probe(true)]);
        let action = json!({"type": "action", "name": "a"});
        json!({"experiment": {"title": "t", "method": [action], "rollbacks": [action],
                "steady-state-hypothesis": {"probes": [{"name": "p"}]}},
            "status": "completed", "deviated": false, "steady_states": {"before": fine, "during": [], "after": fine},
            "run": [{"activity": action, "status": "succeeded"}],
            "rollbacks": [{"activity": action, "status": "succeeded"}],
            "kubectl-chaos": {"schema": 1, "finished": true, "verdict": "held", "reason": "so it says", "activities": [
                {"at": "/run/0", "phase": "method", "effect": {"state": "confirmed", "detail": "seen"}},
                {"at": "/rollbacks/0", "phase": "rollbacks", "effect": {"state": "confirmed", "detail": "seen"}}]}})
    }

    #[test]
    fn experiment_hash_claimed_is_recomputed() {
        let hash = |change: &dyn Fn(&mut Json)| {
            let mut journal = journal();
            change(&mut journal);
            let extension =
                Record::untrusted("j.json", journal.to_string()).unwrap().content.extension.unwrap();
            extension.experiment_hash
        };
        let original = hash(&|_| {});
        assert!(original.starts_with("sha256:"), "{original}");
        assert_eq!(hash(&|j| j["kubectl-chaos"]["experiment_hash"] = json!("sha256:another")), original);
        assert_ne!(hash(&|j| j["experiment"]["method"][0]["name"] = json!("b")), original);
    }

    #[test]
    fn verdict_claimed_is_recomputed() {
        let check = |change: &dyn Fn(&mut Json), verdict: Option<&str>, reason: &str| {
            let mut journal = journal();
            change(&mut journal);
            let record = Record::untrusted("j.json", journal.to_string()).unwrap();
            let extension = record.content.extension.unwrap();
            assert_eq!(extension.verdict.as_ref().map(Keyword::as_str), verdict, "{journal}");
            let recomputed = extension.reason.unwrap();
            assert!(recomputed.contains(reason), "{recomputed}");
        };
        let unmet = check_of(json!(true), &[probe(false)]);
        check(&|_| {}, Some("held"), "every check met");
        check(&|j| j["kubectl-chaos"]["verdict"] = json!("deviated"), Some("held"), "every check met");
        check(
            &|j| j["steady_states"]["after"] = unmet.clone(),
            Some("deviated"),
            "'p' was not within its tolerance after",
        );
        check(
            &|j| j["steady_states"]["during"] = json!([unmet.clone()]),
            Some("deviated"),
            "during the method",
        );
        check(
            &|j| j["steady_states"]["before"] = unmet.clone(),
            Some("baseline-not-met"),
            "before the method",
        );
        check(&|j| j["steady_states"]["after"]["probes"] = json!([]), Some("undecided"), "is incomplete");
        check(&|j| j["run"][0]["status"] = json!("failed"), Some("action-not-confirmed"), "'a' failed");
        check(
            &|j| j["kubectl-chaos"]["activities"][0]["effect"]["state"] = json!("mismatch"),
            Some("action-not-confirmed"),
            "'a' did not take effect: seen",
        );
        check(
            &|j| j["kubectl-chaos"]["activities"] = json!([]),
            Some("action-not-confirmed"),
            "the effect of action 'a' is unknown",
        );
        check(
            &|j| j["kubectl-chaos"]["activities"][1]["effect"]["state"] = json!("unknown"),
            Some("rollback-incomplete"),
            "the effect of action 'a' was not observed",
        );
        check(
            &|j| j["rollbacks"][0]["status"] = json!("failed"),
            Some("rollback-incomplete"),
            "rollback 'a' failed",
        );
        check(&|j| j["status"] = json!("interrupted"), Some("interrupted"), "was interrupted");
        check(&|j| j["status"] = json!("aborted"), Some("aborted"), "unexpected error");
        check(&|j| j["experiment"]["dry"] = json!("activities"), Some("dry"), "skipped activities");
        check(&|j| j["kubectl-chaos"]["finished"] = json!(false), None, "every check met");
        check(&|j| j["steady_states"] = json!({}), Some("explored"), "did not check a steady state");
        check(&|j| j["steady_states"]["after"] = Json::Null, Some("undecided"), "not checked after");
        check(
            &|j| {
                j["experiment"]["steady-state-hypothesis"]["probes"] = json!([]);
                j["steady_states"]["before"]["probes"] = json!([]);
                j["steady_states"]["after"]["probes"] = json!([]);
            },
            Some("undecided"),
            "is incomplete",
        );
        check(&|j| j["status"] = json!("failed"), Some("undecided"), "the run failed");
        check(
            &|j| {
                let action = j["experiment"]["method"][0].clone();
                j["experiment"]["method"] = json!([action, action, action]);
            },
            Some("undecided"),
            "only 1 of 3 actions were started",
        );
        check(
            &|j| {
                j["run"] = json!([]);
                j["kubectl-chaos"]["activities"] = json!([]);
                j["steady_states"]["after"] = Json::Null;
            },
            Some("undecided"),
            "only 0 of 1 actions were started",
        );
    }
}
