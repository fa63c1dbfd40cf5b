//! When a request is sent again, and how long is waited before: decided by the answer. Floor 1, pure.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::clock::Timestamp;

/// How often a request is sent in all.
const MAX_ATTEMPTS: u32 = 4;
/// How long everything together may wait.
const MAX_WAIT: Duration = Duration::from_secs(150);
/// How long is waited before the second try; before every further one twice as long.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
/// How long is waited where there were too many requests and it is not said for how long.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// What to do after an answer that is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Wait so long, and send it again.
    Wait(Duration),
    /// Nothing.
    GiveUp,
}

/// How long is waited for GitHub, in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryBudget {
    until: Instant,
}

impl RetryBudget {
    /// From that moment on.
    pub(super) fn new(begin: Instant) -> Self {
        Self { until: begin + MAX_WAIT }
    }

    /// How long to wait after so many tries; nothing where there is no point in one more.
    pub(super) fn backoff(self, tried: u32) -> Option<Duration> {
        let pause = INITIAL_BACKOFF * 2_u32.pow(tried.clamp(1, MAX_ATTEMPTS) - 1);
        (tried < MAX_ATTEMPTS).then_some(pause).filter(|pause| self.allows(*pause))
    }

    /// What to do after an error. Only where it is known that nothing was done, or that doing it again does nothing
    /// more, a request is sent again.
    pub(super) fn decide(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        said: &str,
        tried: u32,
        again: bool,
    ) -> RetryDecision {
        let asked = retry_after(headers);
        let pause = if is_rate_limited(status, headers, said) {
            asked.or_else(|| until_reset(headers)).or(Some(RATE_LIMIT_WAIT)).filter(|_| tried < MAX_ATTEMPTS)
        } else if status.is_server_error() && again {
            let pause = self.backoff(tried);
            pause.map(|pause| asked.map_or(pause, |asked| asked.max(pause)))
        } else {
            None
        };
        pause.filter(|pause| self.allows(*pause)).map_or(RetryDecision::GiveUp, RetryDecision::Wait)
    }

    fn allows(self, pause: Duration) -> bool {
        Instant::now().checked_add(pause).is_some_and(|end| end <= self.until)
    }
}

/// Whether there were too many requests. A plain 403 is a refusal.
pub(super) fn is_rate_limited(status: StatusCode, headers: &HeaderMap, said: &str) -> bool {
    let spent = headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => {
            spent || headers.contains_key(RETRY_AFTER) || said.to_lowercase().contains("rate limit")
        }
        _ => false,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// How long it takes until there may be requests again.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    let moment: f64 = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64((moment - Timestamp::now().as_seconds()).max(1.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn requests_are_sent_again_where_that_is_of_use() {
        let patience = RetryBudget::new(Instant::now());
        let check = |status: u16,
                     pairs: &[(&'static str, &str)],
                     said: &str,
                     tried: u32,
                     again: bool,
                     millis: u64| {
            let next =
                patience.decide(StatusCode::from_u16(status).unwrap(), &headers(pairs), said, tried, again);
            let expected = if millis == 0 {
                RetryDecision::GiveUp
            } else {
                RetryDecision::Wait(Duration::from_millis(millis))
            };
            assert_eq!(next, expected, "{status} {pairs:?} {said} {tried} {again}");
        };
        check(502, &[], "", 1, true, 500);
        check(502, &[], "", 3, true, 2_000);
        check(502, &[], "", 4, true, 0);
        check(502, &[], "", 1, false, 0);
        check(503, &[("retry-after", "3")], "", 1, true, 3_000);
        check(429, &[("retry-after", "3")], "", 1, false, 3_000);
        check(429, &[], "", 1, false, 60_000);
        check(429, &[("retry-after", "3")], "", 4, false, 0);
        check(429, &[("retry-after", "3600")], "", 1, true, 0);
        check(429, &[("retry-after", "18446744073709551615")], "", 1, true, 0);
        check(403, &[("retry-after", "1")], "", 1, true, 1_000);
        check(403, &[("x-ratelimit-remaining", "0")], "", 1, true, 60_000);
        check(403, &[], "You have exceeded a secondary rate limit", 1, true, 60_000);
        check(403, &[("x-ratelimit-remaining", "99")], "Resource not accessible by integration", 1, true, 0);
        check(404, &[], "", 1, true, 0);
        check(422, &[("retry-after", "1")], "", 1, true, 0);
        let spent = RetryBudget { until: Instant::now() };
        assert_eq!(
            spent.decide(StatusCode::BAD_GATEWAY, &HeaderMap::new(), "", 1, true),
            RetryDecision::GiveUp
        );
    }

    #[test]
    fn a_reset_is_a_moment() {
        let moment = Timestamp::now().as_seconds() + 30.0;
        let wait = until_reset(&headers(&[("x-ratelimit-reset", &moment.to_string())])).unwrap();
        assert!((28.0..=30.0).contains(&wait.as_secs_f64()), "{wait:?}");
        assert_eq!(until_reset(&headers(&[("x-ratelimit-reset", "0")])), Some(Duration::from_secs(1)));
        assert_eq!(until_reset(&headers(&[("x-ratelimit-reset", "inf")])), None);
    }
}
