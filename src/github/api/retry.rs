//! Decides whether a request is retried, and when. Pure.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::clock::Timestamp;
use crate::github::RequestErrorKind;

const MAX_ATTEMPTS: u32 = 4;
/// Total waiting time of a client.
const MAX_WAIT: Duration = Duration::from_secs(150);
/// Wait before the second attempt; it doubles with every further one.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
/// Wait after a rate limit without a stated time, as GitHub recommends.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Wait, then send the request again.
    Wait(Duration),
    GiveUp,
}

/// Deadline for all retries of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryBudget {
    deadline: Instant,
}

impl RetryBudget {
    pub(super) fn new(begin: Instant) -> Self {
        Self { deadline: begin + MAX_WAIT }
    }

    /// Returns the wait after an attempt; `None` if no other attempt is allowed.
    pub(super) fn backoff(self, attempts: u32) -> Option<Duration> {
        let pause = INITIAL_BACKOFF * 2_u32.pow(attempts.clamp(1, MAX_ATTEMPTS) - 1);
        (attempts < MAX_ATTEMPTS).then_some(pause).filter(|pause| self.allows(*pause))
    }

    /// Decides after an error response. A request is retried only if it had no effect, or if repeating it has no
    /// further effect.
    pub(super) fn decide(
        self,
        kind: RequestErrorKind,
        headers: &HeaderMap,
        attempts: u32,
        is_idempotent: bool,
    ) -> RetryDecision {
        let requested = retry_after(headers);
        let wait = match kind {
            RequestErrorKind::RateLimited => requested
                .or_else(|| until_reset(headers))
                .or(Some(RATE_LIMIT_WAIT))
                .filter(|_| attempts < MAX_ATTEMPTS),
            RequestErrorKind::Status(status) if status >= 500 && is_idempotent => {
                let backoff = self.backoff(attempts);
                backoff.map(|backoff| requested.map_or(backoff, |requested| requested.max(backoff)))
            }
            _ => None,
        };
        wait.filter(|wait| self.allows(*wait)).map_or(RetryDecision::GiveUp, RetryDecision::Wait)
    }

    fn allows(self, pause: Duration) -> bool {
        Instant::now().checked_add(pause).is_some_and(|end| end <= self.deadline)
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the time until the rate limit resets.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    let reset_time: f64 = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64((reset_time - Timestamp::now().as_seconds()).max(1.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_decision_depends_on_kind_and_headers() {
        let budget = RetryBudget::new(Instant::now());
        let check = |kind: RequestErrorKind,
                     pairs: &[(&'static str, &str)],
                     attempts: u32,
                     is_idempotent: bool,
                     millis: u64| {
            let decision = budget.decide(kind, &headers(pairs), attempts, is_idempotent);
            let expected = if millis == 0 {
                RetryDecision::GiveUp
            } else {
                RetryDecision::Wait(Duration::from_millis(millis))
            };
            assert_eq!(decision, expected, "{kind:?} {pairs:?} {attempts} {is_idempotent}");
        };
        let status = RequestErrorKind::Status;
        let limited = RequestErrorKind::RateLimited;
        check(status(502), &[], 1, true, 500);
        check(status(502), &[], 3, true, 2_000);
        check(status(502), &[], 4, true, 0);
        check(status(502), &[], 1, false, 0);
        check(status(503), &[("retry-after", "3")], 1, true, 3_000);
        check(limited, &[("retry-after", "3")], 1, false, 3_000);
        check(limited, &[], 1, false, 60_000);
        check(limited, &[("retry-after", "3")], 4, false, 0);
        check(limited, &[("retry-after", "3600")], 1, true, 0);
        check(limited, &[("retry-after", "18446744073709551615")], 1, true, 0);
        check(limited, &[("x-ratelimit-remaining", "0")], 1, true, 60_000);
        check(status(403), &[], 1, true, 0);
        check(RequestErrorKind::Locked, &[], 1, true, 0);
        check(status(404), &[], 1, true, 0);
        check(status(422), &[("retry-after", "1")], 1, true, 0);
        let exhausted = RetryBudget { deadline: Instant::now() };
        assert_eq!(exhausted.decide(status(502), &HeaderMap::new(), 1, true), RetryDecision::GiveUp);
    }

    #[test]
    fn reset_header_is_a_point_in_time() {
        let reset_time = Timestamp::now().as_seconds() + 30.0;
        let wait = until_reset(&headers(&[("x-ratelimit-reset", &reset_time.to_string())])).unwrap();
        assert!((28.0..=30.0).contains(&wait.as_secs_f64()), "{wait:?}");
        assert_eq!(until_reset(&headers(&[("x-ratelimit-reset", "0")])), Some(Duration::from_secs(1)));
        assert_eq!(until_reset(&headers(&[("x-ratelimit-reset", "inf")])), None);
    }
}
