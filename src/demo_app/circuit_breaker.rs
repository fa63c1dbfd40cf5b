//! A circuit breaker: rejects calls for a while after consecutive failures, then admits trial calls. Pure.
//!
//! ```text
//!              consecutive failures
//!   closed ───────────────────────────────► open
//!      ▲                                    │  ▲
//!      │ trial calls succeed     open_for   │  │ a trial call fails
//!      └───────────── half-open ◄───────────┘  │
//!                        └─────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// The settings of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many consecutive failures open the circuit.
    pub failure_threshold: u32,
    /// How long the circuit stays open.
    pub open_for: Duration,
    /// How many trial calls must succeed before the circuit closes.
    pub success_threshold: u32,
}

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls are admitted.
    Closed {
        /// Consecutive failures.
        failures: u32,
    },
    /// Calls are rejected.
    Open { since: Instant },
    /// One trial call at a time is admitted.
    HalfOpen {
        /// Successful trial calls.
        succeeded: u32,
        /// When the running trial call started; after `open_for`, it counts as failed.
        trial: Option<Instant>,
    },
}

/// A circuit breaker; the caller provides the time.
#[derive(Debug)]
pub struct CircuitBreaker {
    settings: BreakerSettings,
    state: BreakerState,
}

impl CircuitBreaker {
    /// Creates a closed circuit breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: BreakerState::Closed { failures: 0 } }
    }

    /// Returns the state.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Returns whether a call may be made; the caller then [records](Self::record_result) its result.
    pub fn try_admit(&mut self, now: Instant) -> bool {
        let open_for = self.settings.open_for;
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { since } if now.duration_since(since) < open_for => false,
            BreakerState::Open { .. } => {
                self.state = BreakerState::HalfOpen { succeeded: 0, trial: Some(now) };
                true
            }
            BreakerState::HalfOpen { trial: Some(began), .. } if now.duration_since(began) < open_for => {
                false
            }
            BreakerState::HalfOpen { succeeded, .. } => {
                self.state = BreakerState::HalfOpen { succeeded, trial: Some(now) };
                true
            }
        }
    }

    /// Records the result of a call.
    pub fn record_result(&mut self, succeeded: bool, now: Instant) {
        self.state = match (self.state, succeeded) {
            (BreakerState::Closed { failures }, false) if failures + 1 < self.settings.failure_threshold => {
                BreakerState::Closed { failures: failures + 1 }
            }
            (BreakerState::Closed { .. } | BreakerState::HalfOpen { .. }, false) => {
                BreakerState::Open { since: now }
            }
            (BreakerState::HalfOpen { succeeded, .. }, true)
                if succeeded + 1 < self.settings.success_threshold =>
            {
                BreakerState::HalfOpen { succeeded: succeeded + 1, trial: None }
            }
            (BreakerState::Closed { .. } | BreakerState::HalfOpen { .. }, true) => {
                BreakerState::Closed { failures: 0 }
            }
            // the call started before the circuit opened
            (open @ BreakerState::Open { .. }, _) => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays events at times in seconds: `?` asks for admission, `+` records a success, `-` a failure.
    fn play(events: &[(u64, char)]) -> (String, BreakerState, Instant) {
        let begin = Instant::now();
        let settings =
            BreakerSettings { failure_threshold: 2, open_for: Duration::from_secs(5), success_threshold: 2 };
        let mut breaker = CircuitBreaker::new(settings);
        let mut admitted = String::new();
        for (seconds, event) in events {
            let now = begin + Duration::from_secs(*seconds);
            match event {
                '?' => admitted.push(if breaker.try_admit(now) { 'y' } else { 'n' }),
                event => breaker.record_result(*event == '+', now),
            }
        }
        (admitted, breaker.state(), begin)
    }

    #[test]
    fn breaker_opens_after_consecutive_failures() {
        let check = |events: &[(u64, char)], expected: BreakerState| {
            assert_eq!(play(events).1, expected, "{events:?}");
        };
        check(&[], BreakerState::Closed { failures: 0 });
        check(&[(0, '-')], BreakerState::Closed { failures: 1 });
        check(&[(0, '-'), (1, '+'), (2, '-')], BreakerState::Closed { failures: 1 });
        let (admitted, state, begin) = play(&[(0, '?'), (0, '-'), (1, '?'), (1, '-'), (2, '?'), (5, '?')]);
        assert_eq!(
            (admitted.as_str(), state),
            ("yynn", BreakerState::Open { since: begin + Duration::from_secs(1) })
        );
    }

    #[test]
    fn half_open_breaker_admits_one_call_at_a_time() {
        let open = [(0, '-'), (0, '-')];
        let then = |events: &[(u64, char)]| play(&[&open, events].concat());
        let (admitted, state, _) =
            then(&[(5, '?'), (5, '?'), (6, '+'), (6, '?'), (6, '?'), (7, '+'), (7, '?')]);
        assert_eq!((admitted.as_str(), state), ("ynyny", BreakerState::Closed { failures: 0 }));
        let (admitted, state, begin) = then(&[(5, '?'), (6, '-'), (10, '?'), (11, '?')]);
        assert_eq!(admitted, "yny");
        let trial = Some(begin + Duration::from_secs(11));
        assert_eq!(state, BreakerState::HalfOpen { succeeded: 0, trial });
        // a trial call without a result does not block later calls
        assert_eq!(then(&[(5, '?'), (9, '?'), (10, '?')]).0, "yny");
        // a call that started before the circuit opened does not close it
        assert!(matches!(then(&[(1, '+')]).1, BreakerState::Open { .. }));
    }
}
