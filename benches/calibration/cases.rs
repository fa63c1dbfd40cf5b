//! Results of the statistical functions for many inputs, to compare with `SciPy`.

use kubectl_chaos::rng::SeededRng;
use kubectl_chaos::statistics::{
    GroupSplits, holm_adjust, min_p_value, quantile, required_group_size, shift, shift_interval,
    wilson_interval,
};
use serde_json::{Value, json};

/// Returns a document with a list of cases per function. Infinite values are null.
pub fn cases() -> Value {
    let mut lot = SeededRng::new(7);
    let groups: Vec<Value> = (0..300).map(|at| group(&mut lot, at)).collect();
    let holms: Vec<Value> = (0..100)
        .map(|_| {
            let count = 1 + lot.below(12);
            let ps = values(&mut lot, count, 1000, 0).into_iter().map(|p| p / 1000.0).collect::<Vec<_>>();
            json!({"ps": ps, "adjusted": holm_adjust(&ps)})
        })
        .collect();
    let wilsons: Vec<Value> = (0..=40_u32)
        .flat_map(|all| (0..=all).map(move |counted| (counted, all)))
        .map(|(counted, all)| json!({"counted": counted, "all": all, "interval": wilson_interval(counted, all)}))
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
    json!({"groups": groups, "holm": holms, "wilson": wilsons, "quantile": quantiles, "least": least, "needed": needed})
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
