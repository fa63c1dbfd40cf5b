//! Scales and ticks of charts.

use crate::report::summary::format_seconds;

/// A linear scale. Values outside are clamped to its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// The values at the ends.
    pub(super) from: f64,
    pub(super) to: f64,
    /// The coordinates of the ends.
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Axis {
    /// Returns the coordinate of a value.
    pub(super) fn position(&self, value: f64) -> f64 {
        let span = self.to - self.from;
        let share = if span > 0.0 { ((value - self.from) / span).clamp(0.0, 1.0) } else { 0.0 };
        self.start + share * (self.end - self.start)
    }

    /// Returns round values within the scale, at most `most` + 1.
    pub(super) fn ticks(&self, most: u32) -> Vec<f64> {
        let step = tick_step((self.to - self.from) / f64::from(most.max(1)));
        if !step.is_finite() || step <= 0.0 {
            return Vec::new();
        }
        let first = (self.from / step).ceil();
        let ticks = (0..=most).map(|number| (first + f64::from(number)) * step);
        ticks.take_while(|tick| tick.is_finite() && *tick <= self.to + step * 1e-6).collect()
    }
}

/// Returns the smallest 1, 2 or 5 times a power of ten that is at least `least`.
fn tick_step(least: f64) -> f64 {
    if !least.is_finite() || least <= 0.0 {
        return f64::NAN;
    }
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Returns a round end for a scale that starts at 0 and covers the greatest value.
pub(super) fn round_up_scale(greatest: f64) -> f64 {
    if !greatest.is_finite() || greatest <= 0.0 {
        return 1.0;
    }
    let step = tick_step(greatest / 4.0);
    ((greatest / step).ceil() * step).min(f64::MAX)
}

/// Formats a time at an axis: `-5 s`, `0 s`, `10 s`; positive ones start with `later`.
pub(super) fn format_moment(seconds: f64, later: &str) -> String {
    let sign = match seconds {
        s if s.abs() < 1e-9 => "",
        s if s < 0.0 => "-",
        _ => later,
    };
    format!("{sign}{}", format_seconds(seconds.abs()))
}

/// Formats a coordinate for SVG, with at most one decimal.
pub(super) fn format_coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let check = |from: f64, to: f64, most: u32, expected: &[f64]| {
            let ticks = Axis { from, to, start: 0.0, end: 1.0 }.ticks(most);
            assert_eq!(ticks.len(), expected.len(), "{ticks:?}");
            assert!(ticks.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{ticks:?}");
        };
        check(0.0, 10.0, 5, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        check(-3.2, 9.9, 7, &[-2.0, 0.0, 2.0, 4.0, 6.0, 8.0]);
        check(0.0, 0.3, 3, &[0.0, 0.1, 0.2, 0.3]);
        check(0.0, 0.0, 3, &[]);
        check(0.0, f64::INFINITY, 3, &[]);
        check(f64::NAN, 1.0, 3, &[]);
    }

    #[test]
    fn scale_end_is_round_and_covers_maximum() {
        let check =
            |greatest: f64, expected: f64| assert!((round_up_scale(greatest) - expected).abs() < 1e-9);
        check(0.0, 1.0);
        check(7.3, 8.0);
        check(12.0, 15.0);
        check(100.0, 100.0);
        check(f64::NAN, 1.0);
    }

    #[test]
    fn moments_have_a_sign() {
        assert_eq!([-5.0, 0.0, 2.5].map(|at| format_moment(at, "+")), ["-5 s", "0 s", "+2.5 s"]);
        assert_eq!(format_moment(180.0, ""), "3 min 0 s");
    }

    #[test]
    fn values_outside_the_scale_are_clamped() {
        let axis = Axis { from: 0.0, to: 10.0, start: 100.0, end: 200.0 };
        assert_eq!(
            [axis.position(-5.0), axis.position(5.0), axis.position(50.0)].map(format_coordinate),
            ["100", "150", "200"]
        );
        assert_eq!(format_coordinate(Axis { from: 1.0, to: 1.0, start: 3.0, end: 4.0 }.position(1.0)), "3");
        assert_eq!(format_coordinate(1.25), "1.2");
    }
}
