//! Results of the statistical functions for many inputs, to compare with `SciPy`.

use kubectl_chaos::rng::SeededRng;
use kubectl_chaos::statistics::{
    GroupSplits, OutcomeCounts, RankedRow, adjusted_p, boschloo, clopper_pearson, min_p_value, quantile,
    required_group_size, shift, shift_interval,
};
use serde_json::{Value, json};

/// Returns a document with a list of cases per function. Infinite values are null.
pub fn cases() -> Value {
    let mut lot = SeededRng::new(7);
    let groups: Vec<Value> = (0..300).map(|at| group(&mut lot, at)).collect();
    let families: Vec<Value> = (0..60).map(|at| family(&mut lot, at)).collect();
    let outcomes: Vec<Value> = (0..120).map(|at| outcome(&mut lot, at)).collect();
    let limits: Vec<Value> = (0..=40_u32)
        .flat_map(|valid| (0..=valid).map(move |failed| (failed, valid)))
        .map(|(failed, valid)| {
            json!({"failed": failed, "valid": valid, "interval": clopper_pearson::interval(failed, valid, 0.95),
                "upper": clopper_pearson::upper_limit(failed, valid, 0.95),
                "lower": clopper_pearson::lower_limit(failed, valid, 0.95)})
        })
        .collect();
    let quantiles: Vec<Value> = (0..200)
        .map(|_| {
            let count = 1 + lot.below(30);
            let values = values(&mut lot, count, 50, 0);
            let share = even(&mut lot);
            json!({"values": values, "share": share, "quantile": quantile(&values, share)})
        })
        .collect();
    let least: Vec<Value> = (1..=8).map(|size| json!({"size": size, "p": min_p_value(size, size)})).collect();
    let needed: Vec<Value> =
        (1..=30).map(|tests| json!({"tests": tests, "size": required_group_size(tests, 0.05)})).collect();
    json!({"groups": groups, "families": families, "outcomes": outcomes, "limits": limits, "quantile": quantiles,
        "least": least, "needed": needed})
}

/// Creates the failed and valid runs of two arms: small arms, equal and unequal, and some large ones.
fn outcome(lot: &mut SeededRng, at: usize) -> Value {
    let sizes = match at % 4 {
        0 => (3, 3),
        1 => (3 + lot.below(4), 3 + lot.below(8)),
        2 => (10, 10),
        _ => (5 + lot.below(26), 5 + lot.below(26)),
    };
    let mut arm = |valid: usize| {
        let failed = u32::try_from(lot.below(valid + 1)).unwrap_or(0);
        OutcomeCounts { valid: u32::try_from(valid).unwrap_or(0), failed }
    };
    let (before, after) = (arm(sizes.0), arm(sizes.1));
    json!({"before": [before.failed, before.valid], "after": [after.failed, after.valid],
        "p": boschloo(before, after).p})
}

/// Creates several rows of two small groups, with p of each row and adjusted p.
fn family(lot: &mut SeededRng, at: usize) -> Value {
    let (first, second) = [(3, 3), (4, 4), (5, 5), (3, 5), (6, 4), (2, 7)][at % 6];
    let splits = GroupSplits::new(first, second, 1);
    let below = [3, 20, 1_000_000][at % 3];
    let rows: Vec<Vec<f64>> = (0..=lot.below(5)).map(|_| values(lot, first + second, below, 0)).collect();
    let ranked: Vec<RankedRow> = rows.iter().map(|row| splits.rank(&row[..first], &row[first..])).collect();
    json!({"first": first, "rows": rows, "p": ranked.iter().map(RankedRow::p).collect::<Vec<_>>(),
        "adjusted": adjusted_p(&splits, &ranked.iter().collect::<Vec<_>>())})
}

/// Creates two groups: some with ties, some with infinite values, some so large that splits are sampled.
fn group(lot: &mut SeededRng, at: usize) -> Value {
    let (first, second) = if at % 10 == 9 {
        (9 + lot.below(12), 9 + lot.below(12))
    } else {
        (2 + lot.below(7), 2 + lot.below(7))
    };
    let steps = [5, 50, 1_000_000][at % 3];
    let infinite = if at.is_multiple_of(4) { 4 } else { 0 };
    let apart = if at % 5 < 3 { 0.0 } else { even(lot) * 1.5 };
    let first = values(lot, first, steps, infinite);
    #[allow(clippy::cast_precision_loss)]
    let second: Vec<f64> = values(lot, second, steps, infinite)
        .into_iter()
        .map(|value| (value + apart * steps as f64).round())
        .collect();
    let splits = GroupSplits::new(first.len(), second.len(), 1);
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    json!({
        "first": first, "second": second, "drawn": splits.are_sampled(), "p": splits.p_value(&first, &second),
        "shift": finite(shift(&first, &second)),
        "interval": shift_interval(&first, &second, &splits, 0.05),
    })
}

/// Creates integers below a bound; one in `infinite` of them is infinite.
fn values(lot: &mut SeededRng, count: usize, below: usize, infinite: usize) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let mut value = || {
        if infinite > 0 && lot.below(infinite) == 0 { f64::INFINITY } else { lot.below(below) as f64 }
    };
    (0..count).map(|_| value()).collect()
}

fn even(lot: &mut SeededRng) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let value = lot.below(1 << 40) as f64 / (1_u64 << 40) as f64;
    value
}
