//! Summarizes a journal, of kubectl-chaos or of the Chaos Toolkit.

use super::{
    ProbeCheck, ProbeCheckState, ProbeRow, ReproductionInputs, RunSummary, Sentiment, StepStatus,
    SummaryStep, TimelineEvent, TimelineEventKind,
};
use crate::clock::Timestamp;
use crate::journal::Record;
use crate::journal::{
    EntryStatus, HypothesisCheck as Seen, JournalEntry, Keyword, RunVerdict, Strictness, TargetRecord, judge,
};
use crate::mutation::EffectState;
use crate::text::truncate;
use crate::value::Value;

/// The maximum length of a text, in characters.
const MAX_TEXT: usize = 240;
/// The maximum number of listed targets.
const MAX_TARGETS: usize = 50;
/// The mask of secrets.
const MASK: &str = "***";
/// The maximum number of events.
const MAX_EVENTS: usize = 500;

/// Summarizes one run.
pub(super) fn summarize_run(record: &Record) -> RunSummary {
    let content = &record.content;
    let extension = content.extension.as_ref();
    let (kind, verdict, reason) = verdict(record);
    let (timeline, omitted_events) = timeline_events(record);
    let environment = extension.and_then(|extension| extension.environment.as_ref());
    let arm = environment.and_then(|stood| Some((shorten(stood.arm.as_deref()?), stood.repeat.unwrap_or(1))));
    RunSummary {
        title: shorten(record.title()),
        source: record.source.clone(),
        is_trial_run: arm.is_some(),
        arm,
        sentiment: verdict_sentiment(&verdict),
        verdict,
        kind,
        reason,
        start: content.start.clone(),
        duration: content.duration,
        environment: run_environment(record),
        probes: probe_rows(record),
        method: summary_steps(record, &content.run, "/run", "method"),
        rollbacks: summary_steps(record, &content.rollbacks, "/rollbacks", "rollbacks"),
        timeline,
        omitted_events,
        samples: extension.map(|extension| extension.samples.clone()).unwrap_or_default(),
        reproduction: reproduction_inputs(record),
        journal: record.text.clone(),
    }
}

/// Collects the inputs of a reproduction. Unusual names are omitted: users paste the commands into a shell.
fn reproduction_inputs(record: &Record) -> ReproductionInputs {
    let experiment = &record.content.experiment;
    let is_plain = |name: &&String| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !name.is_empty() && name.len() <= 100 && name.chars().all(fits)
    };
    let entries = |section: &str| experiment[section].as_map().into_iter().flatten();
    let names = |names: Vec<&String>| -> Vec<String> {
        names.into_iter().filter(is_plain).take(MAX_TARGETS).cloned().collect()
    };
    let secrets = entries("secrets").flat_map(|(_, group)| {
        let inner = group.as_map().into_iter().flatten().map(|(_, entry)| entry);
        std::iter::once(group).chain(inner)
    });
    let of_environment =
        entries("configuration").map(|(_, entry)| entry).chain(secrets).filter_map(|entry| {
            match (&entry["type"], &entry["key"]) {
                (Value::Text(kind), Value::Text(key)) if kind == "env" => Some(key),
                _ => None,
            }
        });
    ReproductionInputs {
        configuration: names(entries("configuration").map(|(name, _)| name).collect()),
        environment: names(of_environment.collect()),
        masked: to_json(experiment).contains(MASK),
        dry: record.dry().map(shorten),
    }
}

/// Returns verdict and reason. A journal of the Chaos Toolkit has no verdict and is judged here.
fn verdict(record: &Record) -> (Option<RunVerdict>, String, String) {
    let Some(extension) = &record.content.extension else {
        let (verdict, reason) = judge(&record.content, Strictness::Lenient);
        return (Some(verdict), verdict.name().to_owned(), shorten(&reason));
    };
    match &extension.verdict {
        Some(verdict) => {
            let reason = shorten(extension.reason.as_deref().unwrap_or_default());
            (verdict.known(), shorten(verdict.as_str()), reason)
        }
        None => (None, "unfinished".to_owned(), "the run was killed, or is still running".to_owned()),
    }
}

fn verdict_sentiment(verdict: &str) -> Sentiment {
    match verdict {
        "held" => Sentiment::Good,
        "deviated" | "action-not-confirmed" | "rollback-incomplete" | "aborted" | "failed" => Sentiment::Bad,
        _ => Sentiment::Unclear,
    }
}

fn run_environment(record: &Record) -> Vec<(&'static str, String)> {
    let content = &record.content;
    let mut pairs: Vec<(&'static str, String)> = Vec::new();
    let mut add = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            pairs.push((name, shorten(value)));
        }
    };
    let extension = content.extension.as_ref();
    let cluster = extension.and_then(|extension| extension.cluster.as_ref());
    add("context", cluster.and_then(|cluster| cluster.context.as_deref()));
    add("Kubernetes", cluster.and_then(|cluster| cluster.version.as_deref()));
    add("namespace", extension.and_then(|extension| extension.namespace.as_deref()));
    let stood = extension.and_then(|extension| extension.environment.as_ref());
    add("nodes", stood.and_then(|stood| stood.nodes).map(|nodes| nodes.to_string()).as_deref());
    for way in extension.iter().flat_map(|extension| &extension.services).take(MAX_TARGETS) {
        add("service", Some(&format!("{} via {}", way.service, way.access)));
    }
    for (name, value) in extension.iter().flat_map(|extension| &extension.annotations).take(MAX_TARGETS) {
        let value = value.as_text().map_or_else(|| to_json(value), str::to_owned);
        add("annotation", Some(&format!("{name}: {value}")));
    }
    add("kubectl-chaos", extension.map(|extension| extension.version.as_str()));
    add("chaostoolkit-lib", content.chaoslib_version.as_deref().filter(|_| extension.is_none()));
    add("experiment", extension.map(|extension| extension.experiment_hash.as_str()));
    add("run", extension.map(|extension| extension.run_id.as_str()));
    pairs
}

/// Returns the declared activities of a list, including references: name, whether it is an action, tolerance.
fn declared_activities(experiment: &Value) -> Vec<(String, bool, String)> {
    let entry = |one: &Value| {
        let name = one["name"].as_text().or(one["ref"].as_text()).unwrap_or("(no name)");
        let tolerated =
            if one["tolerance"] == Value::Null { String::new() } else { compact_json(&one["tolerance"]) };
        (shorten(name), one["type"].as_text() == Some("action"), tolerated)
    };
    experiment.as_list().into_iter().flatten().map(entry).collect()
}

fn is_skipped_by_dry_run(record: &Record, is_action: bool) -> bool {
    match record.dry() {
        Some("activities") => true,
        Some("actions") => is_action,
        Some("probes") => !is_action,
        _ => false,
    }
}

fn probe_rows(record: &Record) -> Vec<ProbeRow> {
    let checks = &record.content.steady_states;
    let declared = declared_activities(&record.content.experiment["steady-state-hypothesis"]["probes"]);
    let dry = is_skipped_by_dry_run(record, false);
    let row = |(at, (name, _, tolerated)): (usize, (String, bool, String))| {
        let one = |found: Option<&Seen>| probe_check(found.and_then(|found| found.probes.get(at)), dry);
        let during: Vec<ProbeCheck> = checks.during.iter().map(|found| one(Some(found))).collect();
        ProbeRow {
            before: one(checks.before.as_ref()),
            during: worst_check(during),
            after: one(checks.after.as_ref()),
            tolerated,
            name,
        }
    };
    declared.into_iter().enumerate().map(row).collect()
}

/// Returns the first failed check, or else the last that was reached.
fn worst_check(checks: Vec<ProbeCheck>) -> Option<ProbeCheck> {
    let unmet = checks.iter().filter(|check| check.state.sentiment() == Sentiment::Bad).count();
    let found = checks.iter().filter(|check| check.state != ProbeCheckState::NotReached).count();
    let first = checks.iter().position(|check| check.state.sentiment() == Sentiment::Bad);
    let last = checks.iter().rposition(|check| check.state != ProbeCheckState::NotReached);
    let chosen = first.or(last).or(checks.len().checked_sub(1))?;
    let mut check = checks.into_iter().nth(chosen)?;
    check.checks = (found, unmet);
    Some(check)
}

fn probe_check(played: Option<&JournalEntry>, dry: bool) -> ProbeCheck {
    let Some(played) = played else {
        return ProbeCheck {
            state: ProbeCheckState::NotReached,
            observed: String::new(),
            duration: None,
            checks: (0, 0),
        };
    };
    let state = match (played.succeeded(), played.tolerance_met) {
        _ if dry => ProbeCheckState::Dry,
        (true, Some(true)) => ProbeCheckState::Met,
        (true, _) => ProbeCheckState::Unmet,
        (false, _) => ProbeCheckState::Failed,
    };
    let observed = match played.error() {
        Some(error) if !played.succeeded() => shorten(error),
        _ => format_output(&played.output),
    };
    let unmet = usize::from(state.sentiment() == Sentiment::Bad);
    ProbeCheck { state, observed, duration: played.duration, checks: (1, unmet) }
}

fn summary_steps(record: &Record, played: &[JournalEntry], at: &str, key: &str) -> Vec<SummaryStep> {
    let mut missing = declared_activities(&record.content.experiment[key]);
    let mut found = Vec::new();
    for (index, one) in played.iter().enumerate() {
        let name = shorten(one.name());
        if let Some(at) = missing.iter().position(|(declared, ..)| *declared == name) {
            missing.remove(at);
        }
        found.push(summary_step(record, one, name, &format!("{at}/{index}")));
    }
    // also rollbacks that the strategy skipped
    for (name, is_action, _) in missing {
        found.push(SummaryStep {
            name,
            is_action,
            is_judged: false,
            state: StepStatus::NotReached,
            detail: String::new(),
            targets: Vec::new(),
            duration: None,
        });
    }
    found
}

fn summary_step(record: &Record, played: &JournalEntry, name: String, at: &str) -> SummaryStep {
    let acted = record.action(at);
    let is_action = played.is_action();
    let effect = acted.and_then(|acted| acted.effect.as_ref());
    let tolerance = record.content.method_tolerances().iter().find(|tolerance| tolerance.at == at);
    let state = match (played.status.as_ref().and_then(Keyword::known), effect) {
        _ if is_skipped_by_dry_run(record, is_action) => StepStatus::Dry,
        (Some(EntryStatus::Succeeded), Some(effect)) if effect.state.is(EffectState::Confirmed) => {
            StepStatus::TookEffect
        }
        (Some(EntryStatus::Succeeded), Some(_)) => StepStatus::Unconfirmed,
        (Some(EntryStatus::Succeeded), None) if !is_action => match tolerance {
            Some(tolerance) if tolerance.met => StepStatus::Met,
            Some(_) => StepStatus::Unmet,
            None => StepStatus::Done,
        },
        (Some(EntryStatus::Succeeded), None) => StepStatus::NotKnown,
        (Some(EntryStatus::Failed), _) => StepStatus::Failed,
        _ => StepStatus::Cut,
    };
    let detail = match (played.error(), effect) {
        (Some(error), _) if !played.succeeded() => shorten(error),
        (_, Some(effect)) => shorten(&effect.detail),
        _ if is_action => String::new(),
        _ => format_output(&played.output),
    };
    let targets = acted.map(|acted| format_targets(&acted.targets)).unwrap_or_default();
    let is_judged = tolerance.is_some();
    SummaryStep { name, is_action, is_judged, state, detail, targets, duration: played.duration }
}

fn format_targets(hits: &[TargetRecord]) -> Vec<(String, Option<bool>)> {
    let shown = |hit: &TargetRecord| {
        let place = hit.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        (shorten(&format!("{} {place}{}", hit.kind, hit.name)), hit.done)
    };
    let mut found: Vec<_> = hits.iter().take(MAX_TARGETS).map(shown).collect();
    if hits.len() > MAX_TARGETS {
        found.push((format!("and {} more", hits.len() - MAX_TARGETS), None));
    }
    found
}

/// Returns the events in order of time, and the number of later ones that are left out.
fn timeline_events(record: &Record) -> (Vec<TimelineEvent>, usize) {
    let content = &record.content;
    let Some(begin) = content.start.as_deref().and_then(Timestamp::parse) else {
        return (Vec::new(), 0);
    };
    let mut moments = Vec::new();
    let mut add = |when: Option<&str>, kind: TimelineEventKind, tone: Sentiment, what: String| {
        if let Some(at) = when.and_then(Timestamp::parse) {
            moments.push(TimelineEvent {
                at: at.since(begin).max(0.0),
                description: what,
                kind,
                sentiment: tone,
            });
        }
    };
    let done = |played: &JournalEntry| if played.succeeded() { Sentiment::Unclear } else { Sentiment::Bad };
    let checks = &content.steady_states;
    let all = checks.before.iter().map(|check| (check, "before"));
    let all = all.chain(checks.during.iter().map(|check| (check, "during")));
    for (check, when) in all.chain(checks.after.iter().map(|check| (check, "after"))) {
        let (tone, met) = match check.steady_state_met {
            Some(true) => (Sentiment::Good, "met"),
            Some(false) => (Sentiment::Bad, "not met"),
            None => (Sentiment::Unclear, "not decided"),
        };
        let at = check.probes.first().and_then(|probe| probe.start.as_deref());
        add(at, TimelineEventKind::HypothesisCheck, tone, format!("steady state {when} the method: {met}"));
    }
    for (index, played) in content.run.iter().enumerate() {
        let kind = if played.is_action() { TimelineEventKind::Action } else { TimelineEventKind::Probe };
        add(played.start.as_deref(), kind, done(played), shorten(played.name()));
        let effect = record.action(&format!("/run/{index}")).and_then(|acted| acted.effect.as_ref());
        if let Some(effect) = effect.filter(|effect| effect.state.is(EffectState::Confirmed)) {
            let what = format!("{} took effect: {}", shorten(played.name()), shorten(&effect.detail));
            add(effect.effective_at.as_deref(), TimelineEventKind::Effect, Sentiment::Good, what);
        }
    }
    for played in &content.rollbacks {
        add(played.start.as_deref(), TimelineEventKind::Rollback, done(played), shorten(played.name()));
    }
    add(content.end.as_deref(), TimelineEventKind::End, Sentiment::Unclear, "the run ended".to_owned());
    moments.sort_by(|a, b| a.at.total_cmp(&b.at));
    let omitted = moments.len().saturating_sub(MAX_EVENTS);
    moments.truncate(MAX_EVENTS);
    (moments, omitted)
}

/// Formats an output: the status of a response or a process, and the start of its text.
fn format_output(output: &Value) -> String {
    let show = |value: &Value| value.as_text().map_or_else(|| compact_json(value), shorten);
    let Value::Int(status) = &output["status"] else {
        return if *output == Value::Null { String::new() } else { show(output) };
    };
    let parts = if output.get("headers").is_some() {
        [format!("status {status}"), show(&output["body"])]
    } else {
        let text = |key: &str| output[key].as_text().map(str::trim).filter(|text| !text.is_empty());
        let output_text = text("stderr").or(text("stdout")).map(shorten).unwrap_or_default();
        [format!("exit code {status}"), output_text]
    };
    parts.into_iter().filter(|part| !part.is_empty() && part != "null").collect::<Vec<_>>().join(": ")
}

/// Formats a value as JSON on one line, truncated.
fn compact_json(value: &Value) -> String {
    shorten(&to_json(&shorten_json(value, 4)))
}

fn to_json(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Shortens a value before it is formatted: a body may be large.
fn shorten_json(value: &Value, depth: usize) -> Value {
    match value {
        Value::Text(text) => shorten(text).into(),
        Value::List(_) | Value::Map(_) if depth == 0 => "…".into(),
        Value::List(items) => {
            Value::List(items.iter().take(MAX_TEXT).map(|item| shorten_json(item, depth - 1)).collect())
        }
        Value::Map(entries) => {
            let entry = |(key, value): (&String, &Value)| (shorten(key), shorten_json(value, depth - 1));
            Value::Map(entries.iter().take(MAX_TEXT).map(entry).collect())
        }
        other => other.clone(),
    }
}

/// Shortens a text of a journal.
pub fn shorten(text: &str) -> String {
    truncate(text, MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn of(journal: Json) -> RunSummary {
        summarize_run(&Record::read("j.json", journal.to_string()).unwrap())
    }

    fn probe(name: &str, status: &str, met: bool, output: Json) -> Json {
        json!({"activity": {"type": "probe", "name": name}, "status": status, "tolerance_met": met,
            "output": output, "start": "2026-01-01T00:00:01", "duration": 0.5,
            "exception": ["Traceback\n", "chaoslib.exceptions.ActivityFailed: no way\n"]})
    }

    #[test]
    fn probe_rows_show_observed_and_tolerated_values() {
        let hypothesis = json!({"probes": [{"name": "a", "tolerance": 200}, {"ref": "b"}]});
        let busy = json!({"status": 503, "headers": {}, "body": "busy"});
        let found = of(
            json!({"experiment": {"title": "t", "steady-state-hypothesis": hypothesis, "method": [],
                "rollbacks": []}, "status": "completed", "deviated": true, "start": "2026-01-01T00:00:00+00:00",
            "steady_states": {
                "before": {"steady_state_met": true, "probes": [probe("a", "succeeded", true, json!(200)),
                    probe("b", "succeeded", true, json!({"status": 0, "stdout": "fine\n", "stderr": ""}))]},
                "during": [], "after": {"steady_state_met": false, "probes": [probe("a", "succeeded", false, busy)]}}}),
        );
        assert_eq!((found.verdict.as_str(), found.sentiment), ("deviated", Sentiment::Bad));
        let [a, b] = found.probes.as_slice() else { panic!("{:?}", found.probes) };
        assert_eq!((a.tolerated.as_str(), a.after.observed.as_str()), ("200", "status 503: busy"));
        assert_eq!((a.before.state, a.after.state), (ProbeCheckState::Met, ProbeCheckState::Unmet));
        assert_eq!(
            (b.before.observed.as_str(), b.after.state),
            ("exit code 0: fine", ProbeCheckState::NotReached)
        );
        assert!(a.during.is_none());
        assert_eq!(found.timeline.len(), 2);
        assert!((found.timeline[0].at - 1.0).abs() < 1e-9);
    }

    #[test]
    fn steps_show_whether_they_took_effect() {
        let action = |name: &str, status: &str| {
            json!({"activity": {"type": "action", "name": name}, "status": status,
                "exception": ["chaoslib.exceptions.ActivityFailed: refused\n"]})
        };
        let declared = json!([{"name": "a", "type": "action"}, {"name": "b", "type": "action"}, {"name": "c", "type": "action"},
            {"name": "d", "type": "action"}]);
        let acted = |at: usize, state: &str| {
            json!({"at": format!("/run/{at}"), "phase": "method", "effect": {"state": state, "detail": "seen"},
                "targets": [{"kind": "Pod", "namespace": "shop", "name": "p", "uid": "u", "done": true}]})
        };
        let found = of(json!({"experiment": {"title": "t", "method": declared}, "status": "completed",
            "run": [action("a", "succeeded"), action("b", "succeeded"), action("c", "failed")],
            "kubectl-chaos": {"schema": 1, "verdict": "action-not-confirmed", "reason": "r",
                "activities": [acted(0, "confirmed"), acted(1, "mismatch")]}}));
        let states: Vec<_> = found.method.iter().map(|step| step.state).collect();
        assert_eq!(
            states,
            [StepStatus::TookEffect, StepStatus::Unconfirmed, StepStatus::Failed, StepStatus::NotReached]
        );
        assert_eq!(found.method[0].targets, [("Pod shop/p".to_owned(), Some(true))]);
        assert_eq!(found.method[2].detail, "refused");
    }

    #[test]
    fn untrusted_text_is_truncated() {
        let long = "é".repeat(1_000_000);
        let found = of(json!({"experiment": {"title": long}, "status": long, "run": [
            {"activity": {"name": long, "type": "probe"}, "output": {"status": 1, "stdout": long}, "status": "succeeded"}]}));
        assert!(found.title.chars().count() <= MAX_TEXT + 1 && found.verdict.chars().count() <= MAX_TEXT + 1);
        assert!(found.method[0].detail.chars().count() < MAX_TEXT + 20);
    }

    #[test]
    fn reproduction_lists_variables_and_environment() {
        let extension = json!({"schema": 1, "version": "0", "run_id": "r", "finished": true, "namespace": "shop",
            "cluster": {"context": "embedded", "version": "1"}, "activities": [], "samples": []});
        let env = |key: &str| json!({"type": "env", "key": key});
        let experiment = json!({"title": "t", "dry": "pause", "method": [],
            "configuration": {"a": 1, "b": env("B"), "c\n; rm -rf": env("$(rm)")},
            "secrets": {"g": {"k": env("K"), "other": "***"}}});
        let lines = of(json!({"experiment": experiment, "status": "completed", "kubectl-chaos": extension}))
            .reproduction_commands();
        assert_eq!(
            lines[1..],
            [
                "# *** masks secrets: restore them, or run the original file",
                "# pass the original --var for: a, b",
                "# set in the environment: B, K",
                "kubectl chaos run again.json --journal-path again-journal.json -n shop --embedded --apply MANIFESTS --dry \
                 pause",
            ]
        );
        assert!(lines[0].ends_with(" > again.json"), "{lines:?}");
    }
}
