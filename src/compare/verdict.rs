//! What it all comes to. Floor 1.

use super::wording::{quoted, several};
use super::{
    AfterState, ArmCount, Arms, ENOUGH_RUNS, Evidence, LEVEL, Needed, Outcome, Row, RunRow, Standing, Verdict,
};
use crate::statistics::{can_differ, groups_needed, wilson};

/// So many rows are named in a reason; of more, how many there are.
const NAMED: usize = 3;

/// The verdict, and what stands beside it.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    pub(super) after: AfterState,
    pub(super) evidence: Evidence,
    pub(super) needed: Option<Needed>,
}

/// How many runs came to what.
pub(super) fn count<'a>(runs: impl Iterator<Item = &'a RunRow>) -> ArmCount {
    let (mut held, mut failed, mut void) = (0, 0, 0);
    for run in runs {
        match run.outcome {
            Outcome::Held => held += 1,
            Outcome::Failed => failed += 1,
            Outcome::Void => void += 1,
        }
    }
    let valid = held + failed;
    ArmCount { runs: valid + void, valid, held, failed, void, held_interval: wilson(held, valid) }
}

/// How the runs of an arm ended.
fn state(arm: &ArmCount) -> AfterState {
    match (arm.held, arm.failed) {
        (0, 0) => AfterState::Unknown,
        (_, 0) => AfterState::Holds,
        (0, _) => AfterState::Fails,
        (_, _) => AfterState::Mixed,
    }
}

/// Judges by the counts and the rows.
pub(super) fn judge(arms: &Arms, rows: &[Row]) -> Judgement {
    let (before, after) = (state(&arms.before), state(&arms.after));
    let enough = arms.before.valid.min(arms.after.valid) >= ENOUGH_RUNS;
    let evidence = if enough { Evidence::Repeated } else { Evidence::Single };
    let of = |standing: Standing| rows.iter().filter(|row| row.standing == standing).collect::<Vec<_>>();
    let (better, worse) = (of(Standing::Better), of(Standing::Worse));
    let (verdict, reason) = match (before, after) {
        (AfterState::Unknown, _) | (_, AfterState::Unknown) => (Verdict::Inconclusive, without_runs(arms)),
        (AfterState::Mixed, _) | (_, AfterState::Mixed) => {
            let why = "outcomes within an arm are mixed";
            (Verdict::Inconclusive, format!("{}: {why}", outcomes(arms)))
        }
        (AfterState::Fails, AfterState::Holds) => (Verdict::Fixed, outcomes(arms)),
        (AfterState::Holds, AfterState::Fails) => (Verdict::Broken, outcomes(arms)),
        _ => match (better.is_empty(), worse.is_empty()) {
            (false, true) => (Verdict::Improved, format!("{}; better: {}", outcomes(arms), named(&better))),
            (true, false) => (Verdict::Regressed, format!("{}; worse: {}", outcomes(arms), named(&worse))),
            (false, false) => {
                let rows = format!("better: {}; worse: {}", named(&better), named(&worse));
                (Verdict::Inconclusive, format!("{}; {rows}", outcomes(arms)))
            }
            (true, true) if enough => {
                (Verdict::Unchanged, format!("{}; {}", outcomes(arms), no_row(arms, rows)))
            }
            (true, true) => {
                let least = format!("an answer takes {ENOUGH_RUNS} valid runs per arm");
                (Verdict::Inconclusive, format!("{}; {least}", outcomes(arms)))
            }
        },
    };
    let mixed = before == AfterState::Mixed || after == AfterState::Mixed;
    let needed = if mixed { None } else { needed(verdict, arms, rows) };
    Judgement { verdict, reason: sentence(&reason), after, evidence, needed }
}

/// `all 3 valid runs before failed, and all 3 after held`.
fn outcomes(arms: &Arms) -> String {
    let (before, after) = (&arms.before, &arms.after);
    let some = |arm: &ArmCount, what: &str, runs: &str| match (arm.held, arm.failed) {
        (1, 0) | (0, 1) => format!("the one {runs}{what}"),
        (_, 0) | (0, _) => format!("all {} {runs}{what}", arm.valid),
        _ => format!("{} of {} {runs}{what}", arm.held, arm.valid),
    };
    let did = |arm: &ArmCount| if arm.held > 0 { "held" } else { "failed" };
    let valid = |arm: &ArmCount| if arm.valid == 1 { "valid run " } else { "valid runs " };
    format!(
        "{} {}, and {} {}",
        some(before, "before", valid(before)),
        did(before),
        some(after, "after", ""),
        did(after)
    )
}

fn without_runs(arms: &Arms) -> String {
    let valid = |arm: &ArmCount| format!("{} of {}", arm.valid, several(arm.runs as usize, "run"));
    format!(
        "{} before and {} after are valid, and both arms need one",
        valid(&arms.before),
        valid(&arms.after)
    )
}

/// `success ratio of 'p' (+12 points)`, for the first few.
fn named(rows: &[&Row]) -> String {
    let one = |row: &&Row| {
        let difference = row.difference.map(|_| format!(" ({})", row.shown_difference())).unwrap_or_default();
        format!("{} of {}{difference}", row.measure.shown(), quoted(&row.probe))
    };
    let mut text = rows.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
    if rows.len() > NAMED {
        text += &format!(" and {} more", rows.len() - NAMED);
    }
    text
}

fn compared(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.p.is_some()).count()
}

/// From how many runs per arm on one of the rows can be told apart; none where these runs can do that, or no rows.
fn runs_for_rows(arms: &Arms, rows: &[Row]) -> Option<u32> {
    let compared = compared(rows);
    let (before, after) = (arms.before.valid as usize, arms.after.valid as usize);
    let least = groups_needed(compared, LEVEL);
    let too_few = !can_differ(before, after, compared, LEVEL) && before.min(after) < least;
    u32::try_from(least).ok().filter(|_| compared > 0 && too_few)
}

fn no_row(arms: &Arms, rows: &[Row]) -> String {
    if rows.is_empty() {
        "nothing was sampled".to_owned()
    } else if compared(rows) == 0 {
        "nothing that was sampled could be compared".to_owned()
    } else if runs_for_rows(arms, rows).is_some() {
        "so few runs cannot show whether what was sampled differs".to_owned()
    } else {
        "nothing that was sampled is better or worse".to_owned()
    }
}

fn needed(verdict: Verdict, arms: &Arms, rows: &[Row]) -> Option<Needed> {
    let enough = arms.before.valid.min(arms.after.valid) >= ENOUGH_RUNS;
    let for_rows =
        runs_for_rows(arms, rows).filter(|_| matches!(verdict, Verdict::Inconclusive | Verdict::Unchanged));
    let rows = for_rows.map(|least| format!("from {least} on, what was sampled can be told apart"));
    if enough {
        let repeats = for_rows?;
        return Some(Needed {
            repeats,
            reason: sentence(&rows.map(|why| format!("of valid runs per arm, {why}"))?),
        });
    }
    let why = match verdict {
        // how often two arms are split that cleanly by chance is known of outcomes, and of nothing else
        Verdict::Fixed | Verdict::Broken => format!(
            "from {ENOUGH_RUNS} valid runs per arm on, chance alone gives as much in at most 3.1 % of comparisons"
        ),
        Verdict::Improved | Verdict::Regressed => {
            format!("from {ENOUGH_RUNS} valid runs per arm on, no arm stands for itself by one run or two")
        }
        Verdict::Unchanged | Verdict::Inconclusive => {
            format!("an answer takes {ENOUGH_RUNS} valid runs per arm")
        }
    };
    let reason = rows.map_or_else(|| why.clone(), |rows| format!("{why}; {rows}"));
    Some(Needed { repeats: ENOUGH_RUNS, reason: sentence(&reason) })
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}
