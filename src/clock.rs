//! Timestamps in the formats of the journal and the console.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Point in time, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Returns the current time. It never goes back, even if the system clock does.
    pub fn now() -> Self {
        static START: OnceLock<ClockStart> = OnceLock::new();
        let start = START.get_or_init(|| ClockStart {
            system: jiff::Timestamp::now().as_microsecond(),
            monotonic: Instant::now(),
        });
        start.after(start.monotonic.elapsed())
    }

    /// Converts microseconds since 1970-01-01 UTC; out of range becomes that day.
    pub fn from_micros(micros: i64) -> Self {
        Self(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Parses a timestamp of a journal: ISO 8601, in UTC without a zone.
    pub fn parse(text: &str) -> Option<Self> {
        let zoned = text.parse::<jiff::Timestamp>();
        let parsed = zoned.or_else(|_| {
            let civil = text.parse::<jiff::civil::DateTime>()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
        });
        parsed.ok().map(|moment| Self::from_micros(moment.as_microsecond()))
    }

    /// Returns seconds since 1970-01-01 UTC.
    #[allow(clippy::cast_precision_loss)] // exact for the next 280 years
    pub fn as_seconds(self) -> f64 {
        self.0.as_microsecond() as f64 / 1e6
    }

    /// Returns the seconds from an earlier time to this one.
    #[allow(clippy::cast_precision_loss)] // exact for 280 years
    pub fn since(self, earlier: Self) -> f64 {
        (self.0.as_microsecond() - earlier.0.as_microsecond()) as f64 / 1e6
    }

    /// Formats for the journal: `2026-11-23T06:31:52.211695+00:00`; omits a zero fraction.
    pub fn iso(self) -> String {
        let format = if self.0.subsec_microsecond() == 0 && self.0.subsec_millisecond() == 0 {
            "%Y-%m-%dT%H:%M:%S+00:00"
        } else {
            "%Y-%m-%dT%H:%M:%S.%6f+00:00"
        };
        self.0.strftime(format).to_string()
    }

    /// Formats for the console, in local time: `2026-11-23 06:31:52`.
    pub fn local(self) -> String {
        self.0.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Formats for the console's JSON, with milliseconds: `2026-11-23 06:31:52,211`.
    pub fn local_millis(self) -> String {
        let millis = self.0.as_microsecond().rem_euclid(1_000_000) / 1000;
        format!("{},{millis:03}", self.local())
    }
}

/// Readings of both clocks at the first use.
///
/// Later times follow the monotonic clock: the durations of a run are differences of timestamps, and must not depend on
/// a system clock that is set during the run.
struct ClockStart {
    /// The system clock, in microseconds since 1970-01-01 UTC.
    system: i64,
    monotonic: Instant,
}

impl ClockStart {
    fn after(&self, elapsed: Duration) -> Timestamp {
        let elapsed = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.system.saturating_add(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_follows_the_monotonic_clock() {
        let start = ClockStart { system: 1_000_000, monotonic: Instant::now() };
        let later = start.after(Duration::from_millis(1500));
        assert_eq!(later, Timestamp::from_micros(2_500_000));
        let times: Vec<Timestamp> = (0..1000).map(|_| Timestamp::now()).collect();
        assert!(times.is_sorted());
        let system = Timestamp::from_micros(jiff::Timestamp::now().as_microsecond());
        assert!(system.since(times[0]).abs() < 60.0, "it starts at the system clock");
    }

    #[test]
    fn timestamp_is_written_as_in_python() {
        let check = |micros: i64, expected: &str| assert_eq!(Timestamp::from_micros(micros).iso(), expected);
        check(1_795_415_512_211_695, "2026-11-23T06:31:52.211695+00:00");
        check(1_795_415_512_000_000, "2026-11-23T06:31:52+00:00");
        check(1_795_415_512_000_007, "2026-11-23T06:31:52.000007+00:00");
        check(1_795_415_512_500_000, "2026-11-23T06:31:52.500000+00:00");
        check(0, "1970-01-01T00:00:00+00:00");
        check(i64::MAX, "1970-01-01T00:00:00+00:00");
    }

    #[test]
    fn timestamp_is_read_with_and_without_a_zone() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Timestamp::parse(text).map(Timestamp::iso).as_deref(), expected, "{text}");
        };
        check("2026-11-23T06:31:52.211695+00:00", Some("2026-11-23T06:31:52.211695+00:00"));
        check("2026-11-23T06:31:52.211695", Some("2026-11-23T06:31:52.211695+00:00"));
        check("2026-11-23T07:31:52+01:00", Some("2026-11-23T06:31:52+00:00"));
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn durations_are_in_seconds() {
        let (a, b) = (Timestamp::from_micros(1_000_000), Timestamp::from_micros(3_500_000));
        assert!((b.since(a) - 2.5).abs() < 1e-9);
        assert!((a.since(b) + 2.5).abs() < 1e-9);
    }
}
