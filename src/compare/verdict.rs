//! The verdict of a comparison.

use super::metric_tests::UntestedCause;
use super::{
    AfterOutcome, ArmCounts, Arms, Basis, ComparedRun, ComparisonVerdict, DesignKind, DetectableChange,
    MIN_RUNS_PER_ARM, MetricResult, MetricVerdict, OutcomeSignificance, Replication, RequiredRuns,
    RunOutcomeKind, SIGNIFICANCE_LEVEL, reason,
};
use crate::statistics::{
    OUTCOME_LEVEL, OutcomeCounts, OutcomeTest, StopReason, clopper_pearson, detectable_rate, required_runs,
};

/// The confidence of intervals and limits of failure rates.
const CONFIDENCE: f64 = 0.95;
/// The level of the metrics if the outcomes have their part of the error: together 5 %.
const SHARED_ROW_LEVEL: f64 = 0.005;
/// The most valid runs per arm for which the detectable change is computed; for more, the limits show it.
const MAX_RUNS_FOR_DETECTABLE: u32 = 60;

/// What decides the verdict.
pub(super) struct Evidence<'a> {
    pub(super) arms: &'a Arms,
    pub(super) rows: &'a [MetricResult],
    pub(super) design: DesignKind,
    /// The test of the failure rates, for a fixed number of runs.
    pub(super) test: OutcomeTest,
    /// Why an automatic trial ended; none if it ended early.
    pub(super) stop: Option<StopReason>,
    /// The pairs that count in an automatic trial.
    pub(super) pairs: u32,
    /// Why an automatic trial could not continue: a phrase.
    pub(super) obstacle: Option<String>,
    /// The difference of failure rates that is too small to matter.
    pub(super) near: f64,
    /// The valid runs per arm that are needed to test every metric; none if every one is tested.
    pub(super) required_for_rows: Option<u32>,
}

/// The verdict with its reason.
pub(super) struct VerdictDetails {
    pub(super) verdict: ComparisonVerdict,
    pub(super) basis: Option<Basis>,
    pub(super) reason: String,
    pub(super) after: AfterOutcome,
    pub(super) after_failure_limit: Option<f64>,
    pub(super) evidence: Replication,
    pub(super) outcome_test: OutcomeSignificance,
    pub(super) detectable: Option<DetectableChange>,
    pub(super) required_runs: Option<RequiredRuns>,
}

/// Counts runs by outcome.
pub(super) fn count_runs<'a>(runs: impl Iterator<Item = &'a ComparedRun>) -> ArmCounts {
    let (mut held, mut failed, mut void, mut surplus) = (0, 0, 0, 0);
    for run in runs {
        match run.outcome {
            RunOutcomeKind::Void => void += 1,
            _ if run.surplus => surplus += 1,
            RunOutcomeKind::Held => held += 1,
            RunOutcomeKind::Failed => failed += 1,
        }
    }
    let valid = held + failed;
    let failed_interval = clopper_pearson::interval(failed, valid, CONFIDENCE);
    ArmCounts { runs: valid + void + surplus, valid, held, failed, void, surplus, failed_interval }
}

/// Returns the level of all metrics together, or why they decide nothing.
///
/// Outcomes cannot differ significantly if at most one run ended otherwise than the rest; metrics then have the whole
/// error. An automatic trial ends with mixed outcomes because of the order of the runs, which no split of them keeps.
pub(super) fn row_level(design: DesignKind, arms: &Arms) -> Result<f64, UntestedCause> {
    let runs = arms.before.valid + arms.after.valid;
    let failed = arms.before.failed + arms.after.failed;
    let odd = failed.min(runs - failed);
    if fewest_valid(arms) < MIN_RUNS_PER_ARM {
        return Err(UntestedCause::TooFewRuns);
    }
    match (design, odd) {
        (DesignKind::Fixed, 0 | 1) | (DesignKind::Auto, 0) => Ok(SIGNIFICANCE_LEVEL),
        (DesignKind::Fixed, _) => Ok(SHARED_ROW_LEVEL),
        (DesignKind::Auto, _) => Err(UntestedCause::MixedOutcomes),
    }
}

fn fewest_valid(arms: &Arms) -> u32 {
    arms.before.valid.min(arms.after.valid)
}

/// Returns the counts for the tests of outcomes.
pub(super) fn outcome_counts(arm: &ArmCounts) -> OutcomeCounts {
    OutcomeCounts { valid: arm.valid, failed: arm.failed }
}

/// Returns the outcome of an arm.
fn arm_outcome(arm: &ArmCounts) -> AfterOutcome {
    match (arm.held, arm.failed) {
        (0, 0) => AfterOutcome::Unknown,
        (_, 0) => AfterOutcome::Holds,
        (0, _) => AfterOutcome::Fails,
        (_, _) => AfterOutcome::Mixed,
    }
}

/// The verdict, its basis, its reason, and whether the outcomes left it open.
struct Decision {
    verdict: ComparisonVerdict,
    basis: Option<Basis>,
    reason: String,
    is_open: bool,
}

impl Decision {
    fn new(verdict: ComparisonVerdict, basis: Option<Basis>, reason: String) -> Self {
        Self { verdict, basis, reason, is_open: false }
    }

    fn inconclusive(reason: String) -> Self {
        Self::new(ComparisonVerdict::Inconclusive, None, reason)
    }
}

/// Decides the verdict.
pub(super) fn decide_verdict(evidence: &Evidence) -> VerdictDetails {
    let Evidence { arms, .. } = evidence;
    let significant = evidence.is_significant();
    let decision = evidence.decide(significant);
    let limit = evidence.stop.and_then(StopReason::limit);
    let is_fixed = evidence.design == DesignKind::Fixed;
    let has_runs = fewest_valid(arms) > 0;
    let required = evidence.required_runs(&decision);
    let hopeless = decision.is_open && required.is_none();
    let reason = if hopeless {
        format!("{}; more runs would hardly show a difference", decision.reason)
    } else {
        decision.reason
    };
    VerdictDetails {
        verdict: decision.verdict,
        basis: decision.basis,
        reason: crate::text::to_sentence(&reason),
        after: arm_outcome(&arms.after),
        after_failure_limit: clopper_pearson::upper_limit(arms.after.failed, arms.after.valid, CONFIDENCE),
        evidence: if fewest_valid(arms) >= MIN_RUNS_PER_ARM {
            Replication::Repeated
        } else {
            Replication::Single
        },
        outcome_test: OutcomeSignificance {
            p: Some(evidence.test.p).filter(|_| is_fixed && has_runs),
            significant,
            limit: limit.map(|limit| reason::describe_limit(limit, evidence.pairs)),
        },
        detectable: (decision.verdict == ComparisonVerdict::NoDifference)
            .then(|| detectable_change(arms))
            .flatten(),
        required_runs: required,
    }
}

impl Evidence<'_> {
    /// Returns whether one arm fails more often.
    fn is_significant(&self) -> bool {
        match self.design {
            DesignKind::Fixed => self.test.p <= OUTCOME_LEVEL && fewest_valid(self.arms) >= MIN_RUNS_PER_ARM,
            DesignKind::Auto => self.stop.is_some_and(StopReason::is_significant),
        }
    }

    /// Returns the rows with this result.
    fn rows_with(&self, result: MetricVerdict) -> Vec<&MetricResult> {
        self.rows.iter().filter(|row| row.result == result).collect()
    }

    /// Decides by the first rule that applies.
    fn decide(&self, significant: bool) -> Decision {
        let Arms { before, after } = self.arms;
        if fewest_valid(self.arms) == 0 {
            return Decision::inconclusive(reason::describe_missing_runs(self.arms));
        }
        if significant {
            return self.decide_by_outcome();
        }
        let outcomes = reason::describe_outcomes(self.arms);
        if let Some(obstacle) = &self.obstacle {
            return Decision::inconclusive(format!("{outcomes}: the trial ended because {obstacle}"));
        }
        if fewest_valid(self.arms) < MIN_RUNS_PER_ARM {
            let verdict = match (arm_outcome(before), arm_outcome(after)) {
                (AfterOutcome::Fails, AfterOutcome::Holds) => ComparisonVerdict::Fixed,
                (AfterOutcome::Holds, AfterOutcome::Fails) => ComparisonVerdict::Broken,
                _ => {
                    return Decision::inconclusive(format!("{outcomes}: too few runs to compare"));
                }
            };
            let reason = format!("{outcomes}: seen once ({})", reason::describe_p(self.test.p));
            return Decision::new(verdict, Some(Basis::Outcome), reason);
        }
        self.decide_by_rows(&outcomes).unwrap_or_else(|| self.decide_without_difference(&outcomes))
    }

    fn decide_by_outcome(&self) -> Decision {
        let Arms { before, after } = self.arms;
        let is_better = match self.design {
            DesignKind::Fixed => self.test.p_greater < self.test.p_less,
            DesignKind::Auto => before.failed > after.failed,
        };
        let (verdict, change) = match (is_better, after.failed, before.failed) {
            (true, 0, _) => (ComparisonVerdict::Fixed, "the failure rate is lower"),
            (true, _, _) => (ComparisonVerdict::Improved, "the failure rate is lower, but not 0"),
            (false, _, 0) => (ComparisonVerdict::Broken, "the failure rate is higher"),
            (false, _, _) => (ComparisonVerdict::Regressed, "the failure rate is higher, and was not 0"),
        };
        let outcomes = reason::describe_outcomes(self.arms);
        let limit = self.stop.and_then(StopReason::limit);
        let basis = match (self.design, limit) {
            (DesignKind::Auto, Some(limit)) => reason::describe_limit(limit, self.pairs),
            _ => reason::describe_p(self.test.p),
        };
        let mut text = format!("{outcomes}: {change} ({basis})");
        let (opposite, word) = if is_better {
            (self.rows_with(MetricVerdict::Worse), "worse")
        } else {
            (self.rows_with(MetricVerdict::Better), "better")
        };
        if !opposite.is_empty() {
            text += &format!("; but {word}: {}", reason::list_metrics(&opposite));
        }
        Decision::new(verdict, Some(Basis::Outcome), text)
    }

    /// Decides by the metrics; none if no metric is better or worse.
    fn decide_by_rows(&self, outcomes: &str) -> Option<Decision> {
        let Arms { before, after } = self.arms;
        let (better, worse) = (self.rows_with(MetricVerdict::Better), self.rows_with(MetricVerdict::Worse));
        let list = |word: &str, rows: &[&MetricResult]| format!("{word}: {}", reason::list_metrics(rows));
        // x_a/n_a > x_b/n_b, in integers
        let fails_more = u64::from(after.failed) * u64::from(before.valid)
            > u64::from(before.failed) * u64::from(after.valid);
        Some(match (better.is_empty(), worse.is_empty()) {
            (true, true) => return None,
            (false, false) => Decision::inconclusive(format!(
                "{outcomes}; {}; {}",
                list("better", &better),
                list("worse", &worse)
            )),
            (false, true) if fails_more => Decision::inconclusive(format!(
                "{outcomes}; {}; but more runs after failed, which may be chance",
                list("better", &better)
            )),
            (false, true) => {
                let reason = format!("{outcomes}; {}", list("better", &better));
                Decision::new(ComparisonVerdict::Improved, Some(Basis::Rows), reason)
            }
            (true, false) => {
                let reason = format!("{outcomes}; {}", list("worse", &worse));
                Decision::new(ComparisonVerdict::Regressed, Some(Basis::Rows), reason)
            }
        })
    }

    fn decide_without_difference(&self, outcomes: &str) -> Decision {
        let Arms { before, after } = self.arms;
        let compared = || self.rows.iter().filter(|row| row.result != MetricVerdict::NotCompared);
        let are_near = self.are_failure_rates_near();
        let near = reason::describe_near(self.near);
        if are_near && compared().count() > 0 && compared().all(|row| row.result == MetricVerdict::Equivalent)
        {
            let reason = format!("{outcomes}: {near}, and every compared metric lies within its margin");
            return Decision::new(ComparisonVerdict::Equivalent, None, reason);
        }
        let failed = before.failed + after.failed;
        let same = failed == 0 || failed == before.valid + after.valid;
        let metrics = reason::describe_metrics(self.rows);
        if same {
            let reason = format!("{outcomes}: no difference seen; {metrics}");
            return Decision::new(ComparisonVerdict::NoDifference, None, reason);
        }
        if are_near {
            let reason = format!("{outcomes}: no difference seen, and {near}; {metrics}");
            return Decision::new(ComparisonVerdict::NoDifference, None, reason);
        }
        let open = match (self.design, self.stop) {
            (DesignKind::Fixed, _) => {
                format!("a difference may be chance ({})", reason::describe_p(self.test.p))
            }
            (DesignKind::Auto, None) => "the trial ended before its answer was known".to_owned(),
            (DesignKind::Auto, Some(StopReason::Unlikely)) => {
                "a difference may be chance, and more pairs were unlikely to show it".to_owned()
            }
            (DesignKind::Auto, Some(_)) => {
                format!("a difference may be chance: no limit was reached in {} pairs", self.pairs)
            }
        };
        Decision { is_open: true, ..Decision::inconclusive(format!("{outcomes}: {open}")) }
    }

    /// Returns whether the failure rates differ by less than the margin, whichever of them is higher.
    fn are_failure_rates_near(&self) -> bool {
        let Arms { before, after } = self.arms;
        match (before.failed_interval, after.failed_interval) {
            (Some((low_before, high_before)), Some((low_after, high_after))) => {
                high_after - low_before < self.near && high_before - low_after < self.near
            }
            _ => false,
        }
    }

    fn required_runs(&self, decision: &Decision) -> Option<RequiredRuns> {
        if decision.is_open {
            let Arms { before, after } = self.arms;
            let repeats = required_runs(outcome_counts(before), outcome_counts(after))?;
            let reason = format!(
                "with {repeats} valid runs per arm, failure rates like these would differ in 8 of 10 comparisons"
            );
            return Some(RequiredRuns { repeats, reason: crate::text::to_sentence(&reason) });
        }
        reason::required_runs(decision.verdict, self.arms, self.required_for_rows)
    }
}

/// Returns the change of the failure rate that as many runs show, from the rate that both arms have.
fn detectable_change(arms: &Arms) -> Option<DetectableChange> {
    let Arms { before, after } = arms;
    let (runs, failed) = (before.valid + after.valid, before.failed + after.failed);
    if before.valid.max(after.valid) > MAX_RUNS_FOR_DETECTABLE {
        return None;
    }
    let rate = f64::from(failed) / f64::from(runs);
    // a rate above one half can only fall as far: the test treats failed and held runs alike
    if rate <= 0.5 {
        let to = detectable_rate(before.valid, after.valid, rate)?;
        Some(DetectableChange { from: rate, to })
    } else {
        let to = 1.0 - detectable_rate(before.valid, after.valid, 1.0 - rate)?;
        Some(DetectableChange { from: rate, to })
    }
}
