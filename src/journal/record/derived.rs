//! What a run came to, by the entries of its journal and not by what it says of itself. Floor 0.
//!
//! The same rules as those by which a run is judged when it ends, and where an entry is missing the stricter ones.

use serde_json::Value as Json;

use super::{Acted, Content, Look, Played};
use crate::experiment::hash_experiment;

/// Puts what follows from the entries in the place of what was said.
pub(super) fn derive(content: &mut Content) {
    let declared = declared(&content.experiment["steady-state-hypothesis"], "probes");
    let looks = &mut content.steady_states;
    let all = looks.before.iter_mut().chain(&mut looks.during).chain(looks.after.iter_mut());
    for look in all {
        look.steady_state_met = met(look, declared);
    }
    let unmet = |look: &&Look| look.steady_state_met == Some(false);
    content.deviated = looks.during.iter().chain(&looks.after).any(|look| unmet(&look));
    let (verdict, reason) = verdict(content);
    if let Some(own) = &mut content.own {
        own.experiment_hash = hash_experiment(&content.experiment.clone().into());
        own.verdict = Some(verdict.to_owned()).filter(|_| own.finished);
        own.reason = Some(reason);
    }
}

fn declared(part: &Json, key: &str) -> usize {
    part[key].as_array().map_or(0, Vec::len)
}

/// Whether the hypothesis was met: by every probe that it has. One without probes shows nothing.
fn met(look: &Look, declared: usize) -> Option<bool> {
    look.steady_state_met?;
    if look.probes.is_empty() {
        return None;
    }
    let held = |probe: &Played| probe.succeeded() && probe.tolerance_met == Some(true);
    if look.probes.iter().all(held) { (look.probes.len() >= declared).then_some(true) } else { Some(false) }
}

/// The one word, and why: the first that holds.
fn verdict(content: &Content) -> (&'static str, String) {
    if let Some(reason) = incomplete_rollback(content) {
        return ("rollback-incomplete", reason);
    }
    match content.status.as_str() {
        "interrupted" => {
            let stopped = content.interruption.as_ref().is_some_and(|cut| cut.kind != "signal");
            return (if stopped { "stopped" } else { "interrupted" }, "the run was cut short".to_owned());
        }
        "aborted" => return ("aborted", "an unexpected error ended the run".to_owned()),
        _ => {}
    }
    if let Some(reason) = unconfirmed_action(content) {
        return ("action-not-confirmed", reason);
    }
    let looks = &content.steady_states;
    if let Some(before) = looks.before.as_ref().filter(|look| look.steady_state_met == Some(false)) {
        return ("baseline-not-met", format!("{} before the method", deviation(before)));
    }
    let later = looks.during.iter().map(|look| (look, "during"));
    for (look, when) in later.chain(looks.after.iter().map(|look| (look, "after"))) {
        if look.steady_state_met == Some(false) {
            return ("deviated", format!("{} {when} the method", deviation(look)));
        }
    }
    if content.experiment["dry"].as_str().is_some_and(|dry| dry != "pause") {
        return ("dry", "what was left out was not tried".to_owned());
    }
    if let Some(reason) = unsupported(content) {
        return ("undecided", reason);
    }
    let mut all = looks.before.iter().chain(&looks.during).chain(&looks.after).peekable();
    if all.peek().is_none() {
        return ("explored", "there was no steady state to judge".to_owned());
    }
    if !all.all(|look| look.steady_state_met == Some(true)) {
        return ("undecided", "the steady state was not looked at to its end".to_owned());
    }
    if looks.after.is_none() {
        return ("undecided", "the steady state was not looked at after the method".to_owned());
    }
    ("held", "the steady state was met at every look".to_owned())
}

/// Why nothing good follows from the entries: the run did not come to its end, or not to all of its actions.
fn unsupported(content: &Content) -> Option<String> {
    if content.status != "completed" {
        return Some("the run failed, and its entries do not say why".to_owned());
    }
    let is_action = |activity: &&Json| activity["type"] == "action";
    let method = content.experiment["method"].as_array();
    let declared = method.map_or(0, |method| method.iter().filter(is_action).count());
    let begun = content.run.iter().filter(|played| played.is_action()).count();
    (begun < declared).then(|| format!("only {begun} of {declared} actions were begun"))
}

/// `probe 'p' was not within its tolerance`, of the probe that decided.
fn deviation(look: &Look) -> String {
    let Some(probe) = look.probes.last() else { return "the hypothesis was not met".to_owned() };
    let what = if probe.succeeded() { "was not within its tolerance" } else { "could not be measured" };
    format!("probe '{}' {what}", probe.name())
}

/// Rollbacks that began and did not all succeed.
fn incomplete_rollback(content: &Content) -> Option<String> {
    let played = &content.rollbacks;
    if let Some(one) = played.iter().find(|one| !one.succeeded()) {
        return Some(format!("rollback '{}' was not carried out", one.name()));
    }
    let mut acted = acted(content).filter(|acted| acted.at.starts_with("/rollbacks/"));
    if let Some(reason) = acted.find_map(|acted| unconfirmed(content, acted)) {
        return Some(reason);
    }
    let declared = declared(&content.experiment, "rollbacks");
    (!played.is_empty() && played.len() < declared)
        .then(|| format!("only {} of {declared} rollbacks were played", played.len()))
}

fn acted(content: &Content) -> impl Iterator<Item = &Acted> {
    content.own.iter().flat_map(|own| &own.activities)
}

fn unconfirmed_action(content: &Content) -> Option<String> {
    let mut actions = content.run.iter().enumerate().filter(|(_, played)| played.is_action());
    if let Some((_, action)) = actions.clone().find(|(_, played)| !played.succeeded()) {
        return Some(format!("action '{}' failed", action.name()));
    }
    let mut others = acted(content).filter(|acted| !acted.at.starts_with("/rollbacks/"));
    if let Some(reason) = others.find_map(|acted| unconfirmed(content, acted)) {
        return Some(reason);
    }
    // a journal of the Chaos Toolkit has nothing on effects, and one of an action that was left out neither
    let own = content.own.as_ref()?;
    let is_dry =
        content.experiment["dry"].as_str().is_some_and(|dry| matches!(dry, "actions" | "activities"));
    let known = |at: usize| {
        let at = format!("/run/{at}");
        own.activities.iter().any(|acted| acted.at == at && acted.effect.is_some())
    };
    let (_, action) = actions.find(|(at, _)| !is_dry && !known(*at))?;
    Some(format!("whether action '{}' took effect is not known", action.name()))
}

fn unconfirmed(content: &Content, acted: &Acted) -> Option<String> {
    let effect = acted.effect.as_ref().filter(|effect| effect.state != "confirmed")?;
    let name = played(content, &acted.at).map_or("(no name)", Played::name);
    let what = if effect.state == "mismatch" { "did not take effect" } else { "was not seen to take effect" };
    Some(format!("action '{name}' {what}: {}", effect.detail))
}

/// The entry that a record belongs to; those of the steps alone are looked for.
fn played<'a>(content: &'a Content, at: &str) -> Option<&'a Played> {
    let (list, index) = at.strip_prefix('/')?.split_once('/')?;
    let list = match list {
        "run" => &content.run,
        "rollbacks" => &content.rollbacks,
        _ => return None,
    };
    list.get(index.parse::<usize>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use serde_json::{Value as Json, json};

    fn probe(met: bool) -> Json {
        json!({"activity": {"type": "probe", "name": "p"}, "status": "succeeded", "tolerance_met": met})
    }

    fn look(claimed: Json, probes: &[Json]) -> Json {
        json!({"steady_state_met": claimed, "probes": probes})
    }

    /// A run that held, as its journal says and as its entries do.
    fn journal() -> Json {
        let fine = look(json!(true), &[probe(true)]);
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
    fn the_experiment_is_the_one_that_stands_in_it() {
        let hash = |change: &dyn Fn(&mut Json)| {
            let mut journal = journal();
            change(&mut journal);
            let own = Record::untrusted("j.json", journal.to_string()).unwrap().content.own.unwrap();
            own.experiment_hash
        };
        let ours = hash(&|_| {});
        assert!(ours.starts_with("sha256:"), "{ours}");
        assert_eq!(hash(&|j| j["kubectl-chaos"]["experiment_hash"] = json!("sha256:another")), ours);
        assert_ne!(hash(&|j| j["experiment"]["method"][0]["name"] = json!("b")), ours);
    }

    #[test]
    fn what_it_says_of_itself_does_not_count() {
        let check = |change: &dyn Fn(&mut Json), verdict: Option<&str>, reason: &str| {
            let mut journal = journal();
            change(&mut journal);
            let record = Record::untrusted("j.json", journal.to_string()).unwrap();
            let own = record.content.own.unwrap();
            assert_eq!(own.verdict.as_deref(), verdict, "{journal}");
            let said = own.reason.unwrap();
            assert!(said.contains(reason), "{said}");
        };
        let unmet = look(json!(true), &[probe(false)]);
        check(&|_| {}, Some("held"), "met at every look");
        check(&|j| j["kubectl-chaos"]["verdict"] = json!("deviated"), Some("held"), "met at every look");
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
        check(&|j| j["steady_states"]["after"]["probes"] = json!([]), Some("undecided"), "to its end");
        check(&|j| j["run"][0]["status"] = json!("failed"), Some("action-not-confirmed"), "'a' failed");
        check(
            &|j| j["kubectl-chaos"]["activities"][0]["effect"]["state"] = json!("mismatch"),
            Some("action-not-confirmed"),
            "'a' did not take effect: seen",
        );
        check(
            &|j| j["kubectl-chaos"]["activities"] = json!([]),
            Some("action-not-confirmed"),
            "is not known",
        );
        check(
            &|j| j["kubectl-chaos"]["activities"][1]["effect"]["state"] = json!("unknown"),
            Some("rollback-incomplete"),
            "'a' was not seen to take effect",
        );
        check(
            &|j| j["rollbacks"][0]["status"] = json!("failed"),
            Some("rollback-incomplete"),
            "not carried out",
        );
        check(&|j| j["status"] = json!("interrupted"), Some("interrupted"), "cut short");
        check(&|j| j["status"] = json!("aborted"), Some("aborted"), "unexpected error");
        check(&|j| j["experiment"]["dry"] = json!("activities"), Some("dry"), "left out");
        check(&|j| j["kubectl-chaos"]["finished"] = json!(false), None, "met at every look");
        check(&|j| j["steady_states"] = json!({}), Some("explored"), "no steady state");
        check(&|j| j["steady_states"]["after"] = Json::Null, Some("undecided"), "not looked at after");
        check(
            &|j| {
                j["experiment"]["steady-state-hypothesis"]["probes"] = json!([]);
                j["steady_states"]["before"]["probes"] = json!([]);
                j["steady_states"]["after"]["probes"] = json!([]);
            },
            Some("undecided"),
            "to its end",
        );
        check(&|j| j["status"] = json!("failed"), Some("undecided"), "the run failed");
        check(
            &|j| {
                let action = j["experiment"]["method"][0].clone();
                j["experiment"]["method"] = json!([action, action, action]);
            },
            Some("undecided"),
            "only 1 of 3 actions were begun",
        );
        check(
            &|j| {
                j["run"] = json!([]);
                j["kubectl-chaos"]["activities"] = json!([]);
                j["steady_states"]["after"] = Json::Null;
            },
            Some("undecided"),
            "only 0 of 1 actions were begun",
        );
    }
}
