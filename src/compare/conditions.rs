//! Conditions of the error bound that the runs may not meet: when and how the runs were made.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arm, ComparedRun, Confounder, ConfounderKind, Design};
use crate::clock::Timestamp;
use crate::journal::{Environment, Record};

/// A run that counts, with its journal.
pub(super) struct CountedRun<'a> {
    pub(super) run: &'a ComparedRun,
    pub(super) record: &'a Record,
}

/// Finds the conditions that the runs of both arms do not meet, or may not meet.
pub(super) fn find_conditions(design: &Design, runs: &[CountedRun]) -> Vec<Confounder> {
    let label = |kind: ConfounderKind, text: String| Confounder { kind, text };
    let time = ran_at_different_times(runs).then(|| {
        label(
            ConfounderKind::Time,
            "arms at different times: the 5 % does not cover drift between them".to_owned(),
        )
    });
    let overlap = describe_overlap(runs).map(|text| label(ConfounderKind::Overlap, text));
    let unstated = (!design.stated).then(|| {
        label(
            ConfounderKind::Design,
            "5 % holds if the number of runs was not chosen by looking at them".to_owned(),
        )
    });
    [time, overlap, unstated].into_iter().flatten().collect()
}

fn environment<'a>(run: &CountedRun<'a>) -> Option<&'a Environment> {
    run.record.content.extension.as_ref()?.environment.as_ref()
}

fn runs_of<'a>(runs: &'a [CountedRun<'a>], arm: Arm) -> impl Iterator<Item = &'a CountedRun<'a>> {
    runs.iter().filter(move |run| run.run.arm == arm)
}

/// Returns whether one arm started its last run before the other started its first one.
///
/// The runs of one trial alternate: within its pairs, both arms meet the same drift.
fn ran_at_different_times(runs: &[CountedRun]) -> bool {
    let trials: BTreeSet<Option<&str>> = runs
        .iter()
        .map(|run| environment(run).and_then(|environment| environment.trial.as_deref()))
        .collect();
    if trials.len() == 1 && trials.first().is_some_and(Option::is_some) {
        return false;
    }
    let span = |arm: Arm| {
        let starts = runs_of(runs, arm).filter_map(|run| Timestamp::parse(run.run.start.as_deref()?));
        let starts: BTreeSet<Timestamp> = starts.collect();
        Some((*starts.first()?, *starts.last()?))
    };
    match (span(Arm::Before), span(Arm::After)) {
        (Some(before), Some(after)) => before.1 < after.0 || after.1 < before.0,
        _ => false,
    }
}

/// Describes runs that ran at the same time as others.
fn describe_overlap(runs: &[CountedRun]) -> Option<String> {
    let overlapped = |arm: Arm| runs_of(runs, arm).filter(|run| run.run.overlapped).count();
    let (before, after) = (overlapped(Arm::Before), overlapped(Arm::After));
    if before + after == 0 {
        return None;
    }
    let pairs: BTreeMap<&str, Option<u32>> =
        runs.iter().filter_map(|run| Some((run.run.run_id.as_deref()?, run.run.pair))).collect();
    let is_within_pair = |run: &CountedRun| {
        let overlaps = environment(run).map_or(&[][..], |environment| &environment.overlaps);
        run.run.pair.is_some()
            && overlaps.iter().all(|other| pairs.get(other.as_str()) == Some(&run.run.pair))
    };
    if before + after == runs.len() && runs.iter().all(is_within_pair) {
        return Some("the two runs of each pair ran at the same time".to_owned());
    }
    let count = |arm: Arm| runs_of(runs, arm).count();
    Some(format!(
        "{before} of {} runs before and {after} of {} after ran at the same time as other runs",
        count(Arm::Before),
        count(Arm::After)
    ))
}
