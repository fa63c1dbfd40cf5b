//! Whether a run can have written such a journal: how many of everything, how long, which numbers. Floor 0.
//!
//! The types say what may stand where. What they let through and no run writes is found here, so that nothing that
//! is made of a journal of an unknown hand grows without bounds, or says what cannot be.

use super::{Content, Look, Own, Played};
use crate::clock::Timestamp;
use crate::series::{LatencyStats, PhaseStats, SampleOutcome, Series};

/// The longest name, in bytes.
const NAME: usize = 1_000;
/// The longest text beside an activity, in bytes.
const TEXT: usize = 100_000;
/// The most activities of one kind, looks during a method, targets of an action.
const MANY: usize = 10_000;
/// The most probes that are sampled.
const SERIES: usize = 50;
/// The most samples of one probe, one by one.
const RAW: usize = 100_000;
/// The longest time, in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;
/// How far two numbers that are rounded may be apart.
const ROUNDING: f64 = 1.01;

/// How a run can end, as journals call it.
const STATUSES: [&str; 4] = ["completed", "failed", "interrupted", "aborted"];

type Checked = Result<(), String>;

/// Whether a run can have written it. An error says what it cannot have written.
pub(super) fn check(content: &Content) -> Checked {
    name("the title", content.experiment["title"].as_str().unwrap_or_default())?;
    if !STATUSES.contains(&content.status.as_str()) {
        return Err("its status is none of completed, failed, interrupted and aborted".to_owned());
    }
    for key in ["method", "rollbacks"] {
        let declared = content.experiment[key].as_array().map_or(0, Vec::len);
        count(&format!("activities of {key}"), declared, MANY)?;
    }
    let probes = content.experiment["steady-state-hypothesis"]["probes"].as_array().map_or(0, Vec::len);
    count("probes of the hypothesis", probes, MANY)?;
    moments(content.start.as_deref(), content.end.as_deref())?;
    seconds("the duration", content.duration)?;
    let looks = &content.steady_states;
    count("looks", looks.during.len(), MANY)?;
    looks.before.iter().chain(&looks.during).chain(&looks.after).try_for_each(look)?;
    for played in [&content.run, &content.rollbacks] {
        count("activities", played.len(), MANY)?;
        played.iter().try_for_each(activity)?;
    }
    // what a run came to stands there, worked out anew; without it the journal's own words would be taken
    let Some(part) = &content.own else {
        return Err("it has no key kubectl-chaos, which every run of this program writes".to_owned());
    };
    own(part)
}

fn count(what: &str, found: usize, most: usize) -> Checked {
    if found <= most { Ok(()) } else { Err(format!("it has {found} {what}")) }
}

fn name(what: &str, text: &str) -> Checked {
    if text.len() <= NAME { Ok(()) } else { Err(format!("{what} is {} bytes long", text.len())) }
}

fn text(what: &str, text: &str) -> Checked {
    if text.len() <= TEXT { Ok(()) } else { Err(format!("{what} is {} bytes long", text.len())) }
}

fn number(what: &str, value: f64, most: f64) -> Checked {
    if (0.0..=most).contains(&value) { Ok(()) } else { Err(format!("{what} is {value}")) }
}

fn seconds(what: &str, value: Option<f64>) -> Checked {
    value.map_or(Ok(()), |value| number(what, value, LONGEST))
}

/// Two moments in their order; one that is none is refused.
fn moments(begin: Option<&str>, end: Option<&str>) -> Checked {
    let moment = |text: Option<&str>| {
        text.map(|text| Timestamp::parse(text).ok_or_else(|| "a time is none".to_owned())).transpose()
    };
    match (moment(begin)?, moment(end)?) {
        // clocks are set, sometimes
        (Some(begin), Some(end)) if end.since(begin) < -LONGEST || end.since(begin) > LONGEST => {
            Err(format!("it took {} seconds", end.since(begin)))
        }
        _ => Ok(()),
    }
}

fn look(look: &Look) -> Checked {
    count("probes in a look", look.probes.len(), MANY)?;
    look.probes.iter().try_for_each(activity)
}

fn activity(played: &Played) -> Checked {
    name("the name of an activity", played.name())?;
    name("the status of an activity", played.status.as_deref().unwrap_or_default())?;
    moments(played.start.as_deref(), played.end.as_deref())?;
    seconds("the duration of an activity", played.duration)?;
    let lines = played.exception.as_deref().unwrap_or_default();
    count("lines of an error", lines.len(), MANY)?;
    lines.iter().try_for_each(|line| text("an error", line))
}

fn own(own: &Own) -> Checked {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    name("the version", &own.version)?;
    name("the identity of the run", &own.run_id)?;
    name("the identity of the experiment", &own.experiment_hash)?;
    name("the verdict", &of(&own.verdict))?;
    name("the namespace", &of(&own.namespace))?;
    text("the reason", &of(&own.reason))?;
    if let Some(cluster) = &own.cluster {
        for part in [&cluster.context, &cluster.uid, &cluster.version] {
            name("what it says of the cluster", &of(part))?;
        }
    }
    count("Services", own.services.len(), MANY)?;
    for way in &own.services {
        [&way.activity, &way.service, &way.access]
            .into_iter()
            .try_for_each(|part| name("a Service", part))?;
    }
    count("annotations", own.annotations.len(), MANY)?;
    own.annotations.keys().try_for_each(|key| name("an annotation", key))?;
    count("records of actions", own.activities.len(), MANY)?;
    for acted in &own.activities {
        name("the place of an action", &acted.at)?;
        count("targets", acted.targets.len(), MANY)?;
        for hit in &acted.targets {
            let namespace = of(&hit.namespace);
            [&hit.kind, &namespace, &hit.name, &hit.uid]
                .into_iter()
                .try_for_each(|part| name("a target", part))?;
        }
        if let Some(effect) = &acted.effect {
            name("the state of an effect", &effect.state)?;
            text("what is said of an effect", &effect.detail)?;
            moments(effect.asked_at.as_deref(), effect.effective_at.as_deref())?;
        }
    }
    if let Some(environment) = &own.environment {
        name("the arm", &of(&environment.arm))?;
        number("the number of a run", environment.repeat.unwrap_or(1).into(), 1_000.0)?;
        number("the number of nodes", environment.nodes.unwrap_or(0).into(), 100_000.0)?;
        count("workloads", environment.replicas.len(), MANY)?;
        for (workload, replicas) in &environment.replicas {
            name("a workload", workload)?;
            if !(0..=1_000_000).contains(replicas) {
                return Err(format!("a workload has {replicas} replicas"));
            }
        }
    }
    count("sampled probes", own.samples.len(), SERIES)?;
    own.samples.iter().try_for_each(series)
}

fn series(series: &Series) -> Checked {
    name("the name of a probe", &series.probe)?;
    name("the provider of a probe", &series.provider)?;
    name("the route to a Service", series.route.as_deref().unwrap_or_default())?;
    number("the period of sampling", series.period, LONGEST)?;
    number("the deadline of a sample", series.deadline, LONGEST)?;
    seconds("the time to notice a fault", series.detected_after)?;
    seconds("the time to recover", series.recovered_after)?;
    number("the time that recovery was watched", series.recovery_watched, LONGEST)?;
    count("phases", series.phases.len(), 3)?;
    if series.phases.windows(2).any(|two| two[0].phase >= two[1].phase) {
        return Err("the phases are not in their order".to_owned());
    }
    series.phases.iter().try_for_each(seen)?;
    count("samples", series.raw.len(), RAW)?;
    for sample in &series.raw {
        number("the time of a sample", sample.0, LONGEST)?;
        number("the latency of a sample", sample.1.unwrap_or_default(), LONGEST * 1e3)?;
    }
    Ok(())
}

fn seen(seen: &PhaseStats) -> Checked {
    number("the begin of a phase", seen.from, LONGEST)?;
    number("the end of a phase", seen.to, LONGEST)?;
    if seen.to < seen.from {
        return Err("a phase ends before it begins".to_owned());
    }
    // one sample a microsecond, all year long, would be fewer
    if seen.due > 1 << 53 {
        return Err(format!("{} samples were due", seen.due));
    }
    let total = seen.total().saturating_add(seen.missed);
    if total > seen.due {
        return Err(format!("of {} samples {total} were missed or have an outcome", seen.due));
    }
    seen.latency.iter().try_for_each(|latency| latencies(latency, seen.count(SampleOutcome::Ok)))
}

fn latencies(latency: &LatencyStats, good: u64) -> Checked {
    if latency.samples > good {
        return Err(format!("of {good} good samples {} have a latency", latency.samples));
    }
    let steps = [latency.min, latency.p50, latency.p90, latency.p95, latency.p99, latency.max];
    steps.iter().try_for_each(|value| number("a latency", *value, LONGEST * 1e3))?;
    if steps.windows(2).any(|two| two[0] > two[1] * ROUNDING) {
        return Err("its latencies are not in their order".to_owned());
    }
    count("steps of a histogram", latency.histogram.len(), MANY)?;
    latency.histogram.iter().try_for_each(|(upto, _)| number("a latency", *upto, LONGEST * 1e3))
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use serde_json::{Value as Json, json};

    fn journal() -> Json {
        json!({"experiment": {"title": "t"}, "status": "completed", "start": "2026-01-01T00:00:00", "duration": 1.0,
            "run": [{"activity": {"name": "a", "type": "action"}, "status": "succeeded", "duration": 0.5}],
            "kubectl-chaos": {"schema": 1, "finished": true, "environment": {"arm": "after", "repeat": 1,
                    "replicas": {"Deployment web": 2}},
                "activities": [{"at": "/run/0", "targets": [{"kind": "Pod", "name": "p"}],
                    "effect": {"state": "confirmed"}}],
                "samples": [{"probe": "p", "provider": "http", "period": 0.1, "deadline": 2, "route": null,
                    "settled": true, "phases": [
                        {"phase": "baseline", "from": 0, "to": 1, "due": 10, "missed": 0, "outcomes": {"ok": 10}, "latency": null},
                        {"phase": "fault", "from": 1, "to": 5, "due": 20, "missed": 1, "outcomes": {"ok": 4, "refused": 15},
                        "latency": {"samples": 4, "min": 1, "p50": 2, "p90": 3, "p95": 3, "p99": 3, "max": 3,
                            "histogram": [[1.0, 2]]}}],
                    "detected_after": 0.1, "recovered_after": null, "recovery_watched": 10,
                    "raw": [[3.0, 1.5, "ok"], [3.1, null, "saturated"]], "raw_dropped": 17}]}})
    }

    #[test]
    fn what_no_run_writes_is_refused() {
        let check = |pointer: &str, value: Json, expected: &str| {
            let mut journal = journal();
            *journal.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
            let error = Record::untrusted("j.json", journal.to_string()).unwrap_err();
            assert!(error.starts_with("j.json: ") && error.contains(expected), "{pointer}: {error}");
            assert!(error.len() < 700, "{error}");
        };
        Record::untrusted("j.json", journal().to_string()).unwrap();
        let long = || json!("x".repeat(1_001));
        let series = "/kubectl-chaos/samples/0";
        let of = |part: &str| format!("{series}/{part}");
        check("/experiment/title", long(), "the title is 1001 bytes long");
        check("/kubectl-chaos", Json::Null, "it has no key kubectl-chaos");
        for status in ["held", "", "Completed", "completed\nafter=x\n::error::x"] {
            check("/status", json!(status), "its status is none of");
        }
        check(
            "/run/0/activity/name",
            json!("é".repeat(5_000_000)),
            "the name of an activity is 10000000 bytes",
        );
        check("/run/0/duration", json!(-1.0), "the duration of an activity is -1");
        check("/duration", json!(1e300), "the duration is 1000000");
        check("/start", json!("yesterday"), "a time is none");
        check("/run", json!(vec![json!({}); 10_001]), "it has 10001 activities");
        check(
            "/kubectl-chaos/samples",
            json!(vec![journal().pointer(series).unwrap(); 51]),
            "51 sampled probes",
        );
        check("/kubectl-chaos/environment/repeat", json!(4_000_000_000_u32), "the number of a run is");
        check("/kubectl-chaos/environment/replicas", json!({"x": -1}), "-1 replicas");
        check("/kubectl-chaos/activities/0/targets/0/name", long(), "a target is 1001 bytes");
        check(&of("probe"), long(), "the name of a probe is 1001 bytes");
        check(&of("period"), json!(-0.1), "the period of sampling is -0.1");
        check(&of("recovered_after"), json!(-5), "the time to recover is -5");
        check(&of("phases/1/to"), json!(0), "a phase ends before it begins");
        check(&of("phases/1/phase"), json!("baseline"), "not in their order");
        check(&of("phases/1/due"), json!(u64::MAX), "18446744073709551615 samples were due");
        check(
            &of("phases/1/outcomes/ok"),
            json!(u64::MAX),
            "of 20 samples 18446744073709551615 were missed or have",
        );
        check(&of("phases/1/outcomes/ok"), json!(21), "of 20 samples 37 were missed or have an outcome");
        check(&of("phases/1/latency/samples"), json!(5), "of 4 good samples 5 have a latency");
        check(&of("phases/1/latency/p95"), json!(1e12), "a latency is");
        check(&of("phases/1/latency/p50"), json!(2.9e3), "not in their order");
        check(&of("phases/1/latency/histogram"), json!(vec![(1.0, 1); 10_001]), "10001 steps");
        check(&of("raw/0"), json!([-1, 1, "ok"]), "the time of a sample is -1");
        check(&of("raw/0"), json!([1, 1, "x".repeat(1_000_000)]), "unknown variant");
        check(&of("raw"), json!(vec![(1.0, 1.0, "ok"); 100_001]), "100001 samples");
    }
}
