//! Limits for untrusted journals: sizes, counts, ranges and order.
//!
//! The model limits types only. What it accepts and no run writes is refused here, so that reports of an
//! untrusted journal stay small and plausible.

use crate::clock::Timestamp;
use crate::journal::{
    ActionRecord, Environment, HypothesisCheck, Journal, JournalEntry, JournalExtension, Keyword,
};
use crate::series::{LatencyStats, PhaseStats, SampleOutcome, Series};

/// The longest name, in bytes.
const MAX_NAME: usize = 1_000;
/// The longest free text, in bytes.
const MAX_TEXT: usize = 100_000;
/// The most activities of one kind, checks during a method, targets of an action.
const MAX_ITEMS: usize = 10_000;
/// The most runs that overlap one run.
const MAX_OVERLAPS: usize = 1_000;
/// The most sampled probes.
const MAX_SERIES: usize = 50;
/// The most raw samples of one probe.
const MAX_RAW_SAMPLES: usize = 100_000;
/// The longest time, in seconds: a year.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;
/// The longest latency, in milliseconds.
const MAX_MILLISECONDS: f64 = MAX_SECONDS * 1e3;
/// The largest ratio of a rounded number to a rounded number that is not smaller.
const ROUNDING: f64 = 1.01;

/// Why no run can have written a journal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LimitError {
    #[error("{what} is {bytes} bytes long, more than {limit}")]
    TooLong { what: &'static str, bytes: usize, limit: usize },
    #[error("{count} {what}, more than {limit}")]
    TooMany { what: &'static str, count: usize, limit: usize },
    #[error("{what} is {value}, not between 0 and {limit}")]
    OutOfRange { what: &'static str, value: f64, limit: f64 },
    #[error("unknown status, expected completed, failed, interrupted or aborted")]
    UnknownStatus,
    #[error("missing key kubectl-chaos, which every run of this program writes")]
    NoExtension,
    #[error("invalid timestamp in {what}")]
    InvalidTimestamp { what: &'static str },
    #[error("{what} lasted {seconds} seconds")]
    InvalidPeriod { what: &'static str, seconds: f64 },
    #[error("a phase ends before it starts")]
    EndBeforeStart,
    #[error("{what} are not in order")]
    NotInOrder { what: &'static str },
    #[error("{due} due samples are more than a run can take")]
    TooManyDue { due: u64 },
    #[error("{counted} samples have an outcome or were missed, but only {due} were due")]
    MoreSamplesThanDue { counted: u64, due: u64 },
    #[error("{measured} latencies, but only {good} good samples")]
    MoreLatenciesThanSamples { measured: u64, good: u64 },
}

type Checked = Result<(), LimitError>;

/// Checks whether a run can have written the journal.
pub(in crate::journal) fn check_limits(journal: &Journal) -> Checked {
    name("the title", journal.experiment["title"].as_text().unwrap_or_default())?;
    if journal.status.known().is_none() {
        return Err(LimitError::UnknownStatus);
    }
    let declared = |section: &crate::value::Value| section.as_list().map_or(0, <[_]>::len);
    count("declared activities", declared(&journal.experiment["method"]), MAX_ITEMS)?;
    count("declared rollbacks", declared(&journal.experiment["rollbacks"]), MAX_ITEMS)?;
    let hypothesis = &journal.experiment["steady-state-hypothesis"];
    count("declared probes", declared(&hypothesis["probes"]), MAX_ITEMS)?;
    period("the run", journal.start.as_deref(), journal.end.as_deref())?;
    seconds("the duration", journal.duration)?;
    if let Some(interruption) = &journal.interruption {
        name("the kind of the interruption", &interruption.kind)?;
        name("the name of the interruption", &interruption.name)?;
        text("the reason of the interruption", &interruption.reason)?;
    }
    count("checks of the hypothesis", journal.steady_states.during.len(), MAX_ITEMS)?;
    journal.checks().try_for_each(|(check, _)| hypothesis_check(check))?;
    for entries in [&journal.run, &journal.rollbacks] {
        count("activities", entries.len(), MAX_ITEMS)?;
        entries.iter().try_for_each(entry)?;
    }
    // recompute replaces the verdict in the extension; without one, reports would judge leniently
    extension(journal.extension.as_ref().ok_or(LimitError::NoExtension)?)
}

fn count(what: &'static str, count: usize, limit: usize) -> Checked {
    if count <= limit { Ok(()) } else { Err(LimitError::TooMany { what, count, limit }) }
}

fn length(what: &'static str, bytes: usize, limit: usize) -> Checked {
    if bytes <= limit { Ok(()) } else { Err(LimitError::TooLong { what, bytes, limit }) }
}

fn name(what: &'static str, text: &str) -> Checked {
    length(what, text.len(), MAX_NAME)
}

fn optional_name(what: &'static str, text: Option<&String>) -> Checked {
    text.map_or(Ok(()), |text| name(what, text))
}

fn text(what: &'static str, text: &str) -> Checked {
    length(what, text.len(), MAX_TEXT)
}

fn number(what: &'static str, value: f64, limit: f64) -> Checked {
    if (0.0..=limit).contains(&value) { Ok(()) } else { Err(LimitError::OutOfRange { what, value, limit }) }
}

fn seconds(what: &'static str, value: Option<f64>) -> Checked {
    value.map_or(Ok(()), |value| number(what, value, MAX_SECONDS))
}

/// Checks the timestamps of a start and an end.
fn period(what: &'static str, start: Option<&str>, end: Option<&str>) -> Checked {
    let parse = |text: Option<&str>| {
        let parsed = text.map(|text| Timestamp::parse(text).ok_or(LimitError::InvalidTimestamp { what }));
        parsed.transpose()
    };
    if let (Some(start), Some(end)) = (parse(start)?, parse(end)?) {
        // a negative time is possible: clocks are adjusted
        let seconds = end.since(start);
        if seconds.abs() > MAX_SECONDS {
            return Err(LimitError::InvalidPeriod { what, seconds });
        }
    }
    Ok(())
}

fn hypothesis_check(check: &HypothesisCheck) -> Checked {
    count("probes in a check", check.probes.len(), MAX_ITEMS)?;
    check.probes.iter().try_for_each(entry)
}

fn entry(entry: &JournalEntry) -> Checked {
    name("the name of an activity", entry.name())?;
    name("the status of an activity", entry.status.as_ref().map_or("", Keyword::as_str))?;
    period("an activity", entry.start.as_deref(), entry.end.as_deref())?;
    seconds("the duration of an activity", entry.duration)?;
    let lines = entry.exception.as_deref().unwrap_or_default();
    count("lines of an error", lines.len(), MAX_ITEMS)?;
    lines.iter().try_for_each(|line| text("an error", line))
}

fn extension(extension: &JournalExtension) -> Checked {
    name("the version", &extension.version)?;
    name("the run ID", &extension.run_id)?;
    name("the experiment hash", &extension.experiment_hash)?;
    name("the verdict", extension.verdict.as_ref().map_or("", Keyword::as_str))?;
    optional_name("the namespace", extension.namespace.as_ref())?;
    text("the reason", extension.reason.as_deref().unwrap_or_default())?;
    if let Some(cluster) = &extension.cluster {
        optional_name("the context of the cluster", cluster.context.as_ref())?;
        optional_name("the UID of the cluster", cluster.uid.as_ref())?;
        optional_name("the version of the cluster", cluster.version.as_ref())?;
    }
    count("Services", extension.services.len(), MAX_ITEMS)?;
    for route in &extension.services {
        let parts = [&route.activity, &route.service, &route.access];
        parts.into_iter().try_for_each(|part| name("a Service", part))?;
    }
    count("annotations", extension.annotations.len(), MAX_ITEMS)?;
    extension.annotations.keys().try_for_each(|key| name("an annotation", key))?;
    count("records of actions", extension.activities.len(), MAX_ITEMS)?;
    extension.activities.iter().try_for_each(action)?;
    optional_name("the error code", extension.error_code.as_ref())?;
    count("tolerances of the method", extension.tolerances.len(), MAX_ITEMS)?;
    for tolerance in &extension.tolerances {
        name("the pointer to a probe", &tolerance.at)?;
        text("an expected value", tolerance.expected.as_deref().unwrap_or_default())?;
    }
    extension.environment.as_ref().map_or(Ok(()), environment)?;
    count("sampled probes", extension.samples.len(), MAX_SERIES)?;
    extension.samples.iter().try_for_each(series)
}

fn action(action: &ActionRecord) -> Checked {
    name("the pointer to an action", &action.at)?;
    count("targets", action.targets.len(), MAX_ITEMS)?;
    for target in &action.targets {
        optional_name("the namespace of a target", target.namespace.as_ref())?;
        let parts = [&target.kind, &target.name, &target.uid];
        parts.into_iter().try_for_each(|part| name("a target", part))?;
    }
    if let Some(effect) = &action.effect {
        name("the state of an effect", effect.state.as_str())?;
        text("the detail of an effect", &effect.detail)?;
        period("an effect", effect.asked_at.as_deref(), effect.effective_at.as_deref())?;
    }
    Ok(())
}

fn environment(environment: &Environment) -> Checked {
    optional_name("the arm", environment.arm.as_ref())?;
    number("the number of a run", environment.repeat.unwrap_or(1).into(), 1_000.0)?;
    optional_name("the trial", environment.trial.as_ref())?;
    number("the pair of a run", environment.pair.unwrap_or(1).into(), 1_000.0)?;
    if let Some(design) = &environment.design {
        name("the design of the trial", design.kind.as_str())?;
        number("the number of pairs", design.max_pairs.unwrap_or(1).into(), 1_000.0)?;
    }
    count("overlapping runs", environment.overlaps.len(), MAX_OVERLAPS)?;
    environment.overlaps.iter().try_for_each(|id| name("an overlapping run", id))?;
    number("the number of nodes", environment.nodes.unwrap_or(0).into(), 100_000.0)?;
    count("workloads", environment.replicas.len(), MAX_ITEMS)?;
    environment.replicas.iter().try_for_each(|(workload, replicas)| {
        name("a workload", workload)?;
        #[allow(clippy::cast_precision_loss)] // the limit is exact
        number("the number of replicas", *replicas as f64, 1_000_000.0)
    })
}

fn series(series: &Series) -> Checked {
    name("the name of a probe", &series.probe)?;
    name("the provider of a probe", &series.provider)?;
    optional_name("the route to a Service", series.route.as_ref())?;
    number("the sampling period", series.period, MAX_SECONDS)?;
    number("the deadline of a sample", series.deadline, MAX_SECONDS)?;
    seconds("the detection time", series.detected_after)?;
    seconds("the recovery time", series.recovered_after)?;
    number("the recovery window", series.recovery_watched, MAX_SECONDS)?;
    count("phases", series.phases.len(), 3)?;
    if series.phases.windows(2).any(|pair| pair[0].phase >= pair[1].phase) {
        return Err(LimitError::NotInOrder { what: "phases" });
    }
    series.phases.iter().try_for_each(phase)?;
    count("raw samples", series.raw.len(), MAX_RAW_SAMPLES)?;
    series.raw.iter().try_for_each(|sample| {
        number("the time of a sample", sample.0, MAX_SECONDS)?;
        number("the latency of a sample", sample.1.unwrap_or_default(), MAX_MILLISECONDS)
    })
}

fn phase(phase: &PhaseStats) -> Checked {
    number("the start of a phase", phase.from, MAX_SECONDS)?;
    number("the end of a phase", phase.to, MAX_SECONDS)?;
    if phase.to < phase.from {
        return Err(LimitError::EndBeforeStart);
    }
    // more than one sample per microsecond for a year
    if phase.due > 1 << 53 {
        return Err(LimitError::TooManyDue { due: phase.due });
    }
    let counted = phase.total().saturating_add(phase.missed);
    if counted > phase.due {
        return Err(LimitError::MoreSamplesThanDue { counted, due: phase.due });
    }
    phase.latency.iter().try_for_each(|stats| latency(stats, phase.count(SampleOutcome::Ok)))
}

fn latency(stats: &LatencyStats, good: u64) -> Checked {
    if stats.samples > good {
        return Err(LimitError::MoreLatenciesThanSamples { measured: stats.samples, good });
    }
    let quantiles = [stats.min, stats.p50, stats.p90, stats.p95, stats.p99, stats.max];
    quantiles.iter().try_for_each(|value| number("a latency", *value, MAX_MILLISECONDS))?;
    if quantiles.windows(2).any(|pair| pair[0] > pair[1] * ROUNDING) {
        return Err(LimitError::NotInOrder { what: "quantiles of the latency" });
    }
    count("steps of a histogram", stats.histogram.len(), MAX_ITEMS)?;
    stats.histogram.iter().try_for_each(|(upper, _)| number("a latency", *upper, MAX_MILLISECONDS))
}

#[cfg(test)]
mod tests {
    use crate::error_code::message_chain;
    use crate::journal::Record;
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
    fn implausible_journal_is_refused() {
        let check = |pointer: &str, value: Json, expected: &str| {
            let mut journal = journal();
            *journal.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
            let error = message_chain(&Record::untrusted("j.json", journal.to_string()).unwrap_err());
            assert!(error.starts_with("j.json: ") && error.contains(expected), "{pointer}: {error}");
            assert!(error.len() < 700, "{error}");
        };
        Record::untrusted("j.json", journal().to_string()).unwrap();
        let long = || json!("x".repeat(1_001));
        let series = "/kubectl-chaos/samples/0";
        let of = |part: &str| format!("{series}/{part}");
        check("/experiment/title", long(), "the title is 1001 bytes long");
        check("/kubectl-chaos", Json::Null, "missing key kubectl-chaos");
        for status in ["held", "", "Completed", "completed\nafter=x\n::error::x"] {
            check("/status", json!(status), "unknown status");
        }
        check(
            "/run/0/activity/name",
            json!("é".repeat(5_000_000)),
            "the name of an activity is 10000000 bytes",
        );
        check("/run/0/duration", json!(-1.0), "the duration of an activity is -1");
        check("/duration", json!(1e300), "the duration is 1000000");
        check("/start", json!("yesterday"), "invalid timestamp in the run");
        check("/run", json!(vec![json!({}); 10_001]), "10001 activities");
        check(
            "/kubectl-chaos/samples",
            json!(vec![journal().pointer(series).unwrap(); 51]),
            "51 sampled probes",
        );
        check("/kubectl-chaos/environment/repeat", json!(4_000_000_000_u32), "the number of a run is");
        let place = |change: Json| {
            let mut found = json!({"trial": "t", "pair": 1, "design": {"kind": "auto", "max_pairs": 10}});
            for (key, value) in change.as_object().unwrap() {
                found[key] = value.clone();
            }
            found
        };
        let mut trial = journal();
        trial["kubectl-chaos"]["environment"] = place(json!({}));
        Record::untrusted("j.json", trial.to_string()).unwrap();
        for (change, expected) in [
            (json!({"pair": 1_001}), "the pair of a run is 1001"),
            (json!({"trial": long()}), "the trial is 1001 bytes"),
            (json!({"design": {"kind": long()}}), "the design of the trial is 1001 bytes"),
            (json!({"design": {"max_pairs": 4_000_000_000_u32}}), "the number of pairs is"),
            (json!({"overlaps": vec![""; 1_001]}), "1001 overlapping runs"),
            (json!({"overlaps": [long()]}), "an overlapping run is 1001 bytes"),
        ] {
            check("/kubectl-chaos/environment", place(change), expected);
        }
        check("/kubectl-chaos/environment/replicas", json!({"x": -1}), "the number of replicas is -1");
        check("/kubectl-chaos/activities/0/targets/0/name", long(), "a target is 1001 bytes");
        check(&of("probe"), long(), "the name of a probe is 1001 bytes");
        check(&of("period"), json!(-0.1), "the sampling period is -0.1");
        check(&of("recovered_after"), json!(-5), "the recovery time is -5");
        check(&of("phases/1/to"), json!(0), "a phase ends before it starts");
        check(&of("phases/1/phase"), json!("baseline"), "phases are not in order");
        check(&of("phases/1/due"), json!(u64::MAX), "18446744073709551615 due samples");
        check(&of("phases/1/outcomes/ok"), json!(u64::MAX), "18446744073709551615 samples have an outcome");
        check(
            &of("phases/1/outcomes/ok"),
            json!(21),
            "37 samples have an outcome or were missed, but only 20 were due",
        );
        check(&of("phases/1/latency/samples"), json!(5), "5 latencies, but only 4 good samples");
        check(&of("phases/1/latency/p95"), json!(1e12), "a latency is");
        check(&of("phases/1/latency/p50"), json!(2.9e3), "quantiles of the latency are not in order");
        check(&of("phases/1/latency/histogram"), json!(vec![(1.0, 1); 10_001]), "10001 steps");
        check(&of("raw/0"), json!([-1, 1, "ok"]), "the time of a sample is -1");
        check(&of("raw/0"), json!([1, 1, "x".repeat(1_000_000)]), "unknown variant");
        check(&of("raw"), json!(vec![(1.0, 1.0, "ok"); 100_001]), "100001 raw samples");
    }
}
