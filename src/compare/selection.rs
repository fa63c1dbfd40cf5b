//! Selects the runs that count: all valid runs, or those of an automatic trial up to its stop.

use std::collections::BTreeSet;

use super::outcome::ClassifiedRun;
use super::{Arm, ComparedRun, Design, RunOutcomeKind, StopRule};
use crate::journal::{DesignKind, Record};
use crate::statistics::{MAX_PAIRS, Race, StopReason};

/// The void runs of an arm in a row, with the same lasting cause, that end an automatic trial.
const MAX_SAME_VOID_RUNS: usize = 2;

/// The runs that count, as places in the list of all runs, and why an automatic trial ended.
pub(super) struct SelectedRuns {
    pub(super) before: Vec<usize>,
    pub(super) after: Vec<usize>,
    pub(super) stop: Option<StopReason>,
}

/// What the journals of an arm agree on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct StatedDesign<'a> {
    trial: &'a str,
    kind: DesignKind,
    max_pairs: u32,
    /// The pairs that have a journal: 1 to this number.
    pairs: u32,
}

impl<'a> StatedDesign<'a> {
    /// Reads the design of an arm; none unless its journals are those of the first pairs of one trial.
    fn read(records: &'a [Record]) -> Option<Self> {
        let mut pairs = BTreeSet::new();
        let mut stated: Option<Self> = None;
        for record in records {
            let environment = record.content.extension.as_ref()?.environment.as_ref()?;
            let design = environment.design.as_ref()?;
            let one = Self {
                trial: environment.trial.as_deref().filter(|trial| !trial.is_empty())?,
                kind: design.kind.known()?,
                max_pairs: design.max_pairs.filter(|pairs| *pairs > 0)?,
                pairs: 0,
            };
            if stated.is_some_and(|stated| stated != one) {
                return None;
            }
            stated = Some(one);
            pairs.insert(environment.pair?);
        }
        let count = u32::try_from(pairs.len()).ok()?;
        let are_first = pairs.first() == Some(&1) && pairs.last() == Some(&count);
        stated.filter(|_| are_first).map(|stated| Self { pairs: count, ..stated })
    }

    /// Returns whether all planned pairs have a journal.
    fn is_complete(&self) -> bool {
        self.pairs == self.max_pairs
    }
}

/// Reads how the number of runs was decided.
///
/// Unless the journals state it, it is unknown whether the user ended the runs because of their outcomes.
pub(super) fn read_design(before: &[Record], after: &[Record]) -> Design {
    let unstated =
        Design { kind: DesignKind::Fixed, max_pairs: None, pairs: None, stated: false, stop: None };
    let (Some(first), Some(second)) = (StatedDesign::read(before), StatedDesign::read(after)) else {
        return unstated;
    };
    let is_one_trial =
        (first.trial, first.kind, first.max_pairs) == (second.trial, second.kind, second.max_pairs);
    let stated = |kind: DesignKind| Design {
        kind,
        max_pairs: Some(second.max_pairs),
        stated: true,
        ..unstated.clone()
    };
    match second.kind {
        DesignKind::Auto if is_one_trial && second.max_pairs <= MAX_PAIRS => stated(DesignKind::Auto),
        DesignKind::Fixed if is_one_trial && first.is_complete() && second.is_complete() => {
            stated(DesignKind::Fixed)
        }
        // the runs before are the baseline of an earlier trial, and their number was known
        DesignKind::Fixed if first.trial != second.trial && second.is_complete() => stated(DesignKind::Fixed),
        DesignKind::Auto | DesignKind::Fixed => unstated,
    }
}

/// Selects the runs that count. Marks the surplus runs, and completes the design of an automatic trial.
pub(super) fn select_runs(design: &mut Design, runs: &mut [ComparedRun]) -> SelectedRuns {
    let valid = |arm: Arm| {
        let runs = runs.iter().enumerate();
        runs.filter(|(_, run)| run.arm == arm && run.outcome != RunOutcomeKind::Void)
            .map(|(place, _)| place)
            .collect::<Vec<_>>()
    };
    let (mut before, mut after) = (valid(Arm::Before), valid(Arm::After));
    let (DesignKind::Auto, Some(max_pairs)) = (design.kind, design.max_pairs) else {
        return SelectedRuns { before, after, stop: None };
    };
    before.sort_by_key(|place| runs[*place].pair);
    after.sort_by_key(|place| runs[*place].pair);
    let race = Race::new(max_pairs);
    let (mut pairs, mut failed_before, mut failed_after, mut stop) = (0, 0, 0, None);
    let failed = |place: usize| u32::from(runs[place].outcome == RunOutcomeKind::Failed);
    for (before, after) in before.iter().zip(&after) {
        pairs += 1;
        failed_before += failed(*before);
        failed_after += failed(*after);
        stop = race.stop(pairs, failed_before, failed_after);
        if stop.is_some() {
            break;
        }
    }
    for place in before.drain(pairs as usize..).chain(after.drain(pairs as usize..)) {
        runs[place].surplus = true;
    }
    design.pairs = Some(pairs);
    design.stop = stop.map(StopRule::from);
    SelectedRuns { before, after, stop }
}

/// Describes why an automatic trial could not continue: the last two runs of an arm were void for the same reason.
pub(super) fn find_obstacle(
    design: &Design,
    runs: &[ComparedRun],
    classified: &[ClassifiedRun],
) -> Option<String> {
    if design.kind != DesignKind::Auto || design.stop.is_some() {
        return None;
    }
    [Arm::Before, Arm::After].into_iter().find_map(|arm| {
        let mut places: Vec<usize> = (0..runs.len()).filter(|place| runs[*place].arm == arm).collect();
        places.sort_by_key(|place| runs[*place].pair);
        let last = &places[places.len().saturating_sub(MAX_SAME_VOID_RUNS)..];
        let cause = classified[*last.first()?].lasting_cause?;
        let same = last.iter().all(|place| classified[*place].lasting_cause == Some(cause));
        (same && last.len() == MAX_SAME_VOID_RUNS).then(|| {
            format!("{MAX_SAME_VOID_RUNS} runs {} in a row were void: {}", arm.name(), cause.describe())
        })
    })
}

impl From<StopReason> for StopRule {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::CleanSplit => Self::CleanSplit,
            StopReason::Lead(_) => Self::Lead,
            StopReason::SameOutcome => Self::SameOutcome,
            StopReason::Unlikely => Self::Unlikely,
            StopReason::MaxPairs => Self::MaxPairs,
        }
    }
}
