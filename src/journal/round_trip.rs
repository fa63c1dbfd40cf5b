//! Property tests: a journal is read back as it was written, and so is its verdict.
//!
//! Exceptions, which the generator leaves out: JSON has no NaN and no infinities, and serde reads integers
//! beyond 64 bits as floats.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::keyword::Vocabulary;
use super::*;
use crate::event::{Interrupt, RunStatus, Signal};
use crate::series::{LatencyStats, PhaseStats, RawSample, SampleOutcome, SamplePhase, Series};
use crate::value::{Map, Value};

fn text() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\<\n]{0,6}"
}

/// A number that every JSON reader reads exactly.
fn number() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|number| f64::from(number) / 8.0)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(|number| Value::Int(number.into())),
        any::<u64>().prop_map(|number| Value::Int(number.into())),
        number().prop_map(Value::Float),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(text(), inner, 0..4).prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

fn keyword<T: Vocabulary + std::fmt::Debug>() -> impl Strategy<Value = Keyword<T>> {
    prop_oneof![
        8 => select(T::ALL).prop_map(Keyword::Known),
        1 => text().prop_map(|word| Keyword::Unknown(format!("new {word}"))),
    ]
}

fn activity(kind: &'static str) -> impl Strategy<Value = Value> {
    let activity = move |name: String| {
        let entries = [("type".to_owned(), kind.into()), ("name".to_owned(), name.into())];
        Value::Map(entries.into_iter().collect())
    };
    prop_oneof![8 => text().prop_map(activity), 1 => value()]
}

/// An entry of any form; most of them succeeded.
fn entry(kind: &'static str) -> impl Strategy<Value = JournalEntry> {
    let status = prop_oneof![
        6 => Just(Some(EntryStatus::Succeeded.into())),
        1 => option::of(keyword::<EntryStatus>()),
    ];
    let times = (option::of(text()), option::of(text()), option::of(number()));
    (
        activity(kind),
        value(),
        status,
        option::of(vec(text(), 0..3)),
        times,
        option::weighted(0.8, any::<bool>()),
    )
        .prop_map(|(activity, output, status, exception, (start, end, duration), tolerance_met)| {
            JournalEntry {
                activity: Arc::new(activity),
                output,
                start,
                status,
                exception,
                end,
                duration,
                tolerance_met,
            }
        })
}

fn check() -> impl Strategy<Value = HypothesisCheck> {
    let met = prop_oneof![6 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)];
    (met, vec(entry("probe"), 0..3))
        .prop_map(|(steady_state_met, probes)| HypothesisCheck { steady_state_met, probes })
}

fn action() -> impl Strategy<Value = ActionRecord> {
    let pointer = select(&["/run/0", "/run/1", "/rollbacks/0", "/steady_states/after/probes/0", "/x"][..]);
    let target = (text(), option::of(text()), text(), text(), option::of(any::<bool>()))
        .prop_map(|(kind, namespace, name, uid, done)| TargetRecord { kind, namespace, name, uid, done });
    let state = prop_oneof![6 => Just(EffectState::Confirmed.into()), 1 => keyword()];
    let effect = (state, option::of(text()), option::of(text()), text()).prop_map(
        |(state, asked_at, effective_at, detail)| EffectRecord { state, asked_at, effective_at, detail },
    );
    (pointer, keyword(), vec(target, 0..3), option::weighted(0.8, effect)).prop_map(
        |(pointer, phase, targets, effect)| ActionRecord { at: pointer.to_owned(), phase, targets, effect },
    )
}

fn series() -> impl Strategy<Value = Series> {
    let outcomes = btree_map(select(&SampleOutcome::ALL[..]), any::<u64>(), 0..3);
    let latency = (any::<u64>(), number(), vec((number(), any::<u64>()), 0..3)).prop_map(
        |(samples, time, histogram)| LatencyStats {
            samples,
            min: time,
            p50: time,
            p90: time,
            p95: time,
            p99: time,
            max: time,
            histogram,
        },
    );
    let phase = (select(&SamplePhase::ALL[..]), number(), any::<u64>(), outcomes, option::of(latency))
        .prop_map(|(phase, time, count, outcomes, latency)| PhaseStats {
            phase,
            from: time,
            to: time,
            due: count,
            missed: count,
            outcomes,
            latency,
        });
    let raw = (number(), option::of(number()), select(&SampleOutcome::ALL[..]))
        .prop_map(|(due, latency, outcome)| RawSample(due, latency, outcome));
    let texts = (text(), text(), option::of(text()), option::of(text()));
    (texts, number(), any::<bool>(), vec(phase, 0..3), option::of(number()), vec(raw, 0..3)).prop_map(
        |((probe, provider, began, route), time, settled, phases, after, raw)| Series {
            probe,
            provider,
            period: time,
            deadline: time,
            began,
            route,
            settled,
            phases,
            detected_after: after,
            recovered_after: after,
            recovery_watched: time,
            raw,
            raw_dropped: 1,
        },
    )
}

fn experiment() -> impl Strategy<Value = Value> {
    let dry = prop_oneof![
        4 => Just(Value::Null),
        1 => select(&["probes", "pause", "activities"][..]).prop_map(Value::from),
        1 => value(),
    ];
    let rollbacks = prop_oneof![
        2 => (0_usize..3).prop_map(|count| Value::List(vec![Value::Null; count])),
        1 => value(),
    ];
    (text(), dry, vec(activity("action"), 0..3), rollbacks).prop_map(|(title, dry, method, rollbacks)| {
        let entries = [
            ("title", title.into()),
            ("dry", dry),
            ("method", Value::List(method)),
            ("rollbacks", rollbacks),
        ];
        Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map>())
    })
}

fn interrupt() -> impl Strategy<Value = Option<Interrupt>> {
    (0_u8..6, text()).prop_map(|(kind, text)| match kind {
        0 => None,
        1 => Some(Interrupt::control(&text, &text)),
        2 => Some(Interrupt::safeguard(&text, &text)),
        3 => Some(Interrupt::timeout(1.5)),
        4 => Some(Interrupt::signal(Signal::Usr1, true)),
        _ => Some(Interrupt::signal(Signal::Int, false)),
    })
}

fn extension() -> impl Strategy<Value = JournalExtension> {
    let cluster = (option::of(text()), option::of(text()), option::of(text()))
        .prop_map(|(context, uid, version)| ClusterInfo { context, uid, version });
    let route = (text(), text(), text()).prop_map(|(activity, service, access)| ActivityRoute {
        activity,
        service,
        access,
    });
    let replicas = btree_map(text(), any::<i64>(), 0..3);
    let design =
        (keyword(), option::of(any::<u32>())).prop_map(|(kind, max_pairs)| TrialDesign { kind, max_pairs });
    let place = (option::of(text()), option::of(any::<u32>()), option::of(text()), option::of(any::<u32>()));
    let phases = option::of(vec(0.0..1e6, 6)).prop_map(|times| {
        times.map(|times: Vec<f64>| {
            let [deploy, settle, baseline, experiment, pauses, recovery] = times.try_into().unwrap();
            RunPhaseTimes { deploy, settle, baseline, experiment, pauses, recovery }
        })
    });
    let cluster_state = (option::of(any::<u32>()), replicas, btree_map(text(), text(), 0..3), phases);
    let environment = (place, option::of(design), vec(text(), 0..3), cluster_state).prop_map(
        |((arm, repeat, trial, pair), design, overlaps, (nodes, replicas, images, phases))| Environment {
            arm,
            repeat,
            trial,
            pair,
            design,
            overlaps,
            nodes,
            replicas,
            images,
            phases,
        },
    );
    let annotations =
        btree_map(text(), value(), 0..3).prop_map(|entries| entries.into_iter().collect::<Map>());
    let texts = (text(), text(), text(), option::of(text()), option::of(any::<u8>()));
    let lists = (vec(route, 0..3), vec(action(), 0..3), vec(series(), 0..2), annotations);
    let variables = option::of(btree_map(text(), text(), 0..3));
    (texts, option::of(cluster), lists, option::of(keyword()), variables, option::of(environment)).prop_map(
        |(texts, cluster, lists, hypothesis_strategy, variables, environment)| {
            let (version, run_id, experiment_hash, namespace, exit_code) = texts;
            let (services, activities, samples, annotations) = lists;
            JournalExtension {
                schema: SCHEMA,
                version,
                run_id,
                finished: true,
                reason: None,
                verdict: None,
                exit_code,
                namespace,
                cluster,
                services,
                experiment_hash,
                hypothesis_strategy,
                variables,
                annotations,
                environment,
                error_code: None,
                tolerances: Vec::new(),
                activities,
                samples,
            }
        },
    )
}

/// A journal that is not judged yet.
fn journal() -> impl Strategy<Value = Journal> {
    let status = prop_oneof![6 => Just(RunStatus::Completed.into()), 2 => keyword()];
    let states = (option::of(check()), option::of(check()), vec(check(), 0..2));
    let entries = (vec(entry("action"), 0..3), vec(entry("action"), 0..3));
    let unwritten = (interrupt(), option::of(text()), any::<bool>());
    let times = (option::of(text()), option::of(text()), option::of(number()));
    let rest = (times, any::<bool>(), extension());
    (experiment(), status, states, entries, unwritten, rest).prop_map(
        |(
            experiment,
            status,
            states,
            (run, rollbacks),
            unwritten,
            ((start, end, duration), unmet, extension),
        )| {
            let (before, after, during) = states;
            let (interrupt, abortion, rollbacks_begun) = unwritten;
            let deviated = unmet && after.as_ref().is_some_and(HypothesisCheck::is_unmet);
            Journal {
                chaoslib_version: Some(CHAOSLIB_VERSION.to_owned()),
                platform: None,
                node: start.clone(),
                experiment: Arc::new(experiment),
                start,
                status,
                deviated,
                steady_states: SteadyStates { before, after, during },
                run,
                rollbacks,
                end,
                duration,
                interruption: interrupt.as_ref().and_then(Interruption::written),
                extension: Some(extension),
                unwritten: UnwrittenFacts { interrupt, abortion, rollbacks_begun },
            }
        },
    )
}

proptest! {
    #[test]
    fn journal_written_is_read_back_with_its_verdict(mut journal in journal(), is_strict in any::<bool>()) {
        let strictness = if is_strict { Strictness::Strict } else { Strictness::Lenient };
        let (verdict, reason) = judge(&journal, strictness);
        let extension = journal.extension.as_mut().unwrap();
        extension.verdict = Some(verdict.into());
        extension.reason = Some(reason);
        let actual = Record::read("journal", journal.to_json()).unwrap().content;
        prop_assert_eq!(judge(&actual, strictness).0, verdict);
        // what is not written is inferred or lost
        journal.unwritten = actual.unwritten.clone();
        prop_assert_eq!(&actual, &journal);
        prop_assert_eq!(actual.to_json(), journal.to_json());
    }

    #[test]
    fn success_of_complete_judgement_is_success_of_strict(journal in journal()) {
        let (verdict, _) = judge(&journal, Strictness::Complete);
        if verdict == RunVerdict::Held {
            prop_assert_eq!(judge(&journal, Strictness::Strict).0, RunVerdict::Held);
        }
        let (strict, _) = judge(&journal, Strictness::Strict);
        if strict == RunVerdict::Held {
            prop_assert_eq!(judge(&journal, Strictness::Lenient).0, RunVerdict::Held);
        }
    }
}
