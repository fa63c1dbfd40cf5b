//! Causes that interrupt a run, ordered by priority.

use std::fmt;

use crate::error_code::ErrorCode;

/// Signal that a run handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Ctrl-C.
    Int,
    /// The usual signal to end a process.
    Term,
    /// The terminal closed.
    Hup,
    /// Ends the run, with rollbacks by their strategy.
    Usr1,
    /// Ends the run immediately, without rollbacks and without waiting.
    Usr2,
}

impl Signal {
    /// Returns the exit code that the Chaos Toolkit logs for its own signals.
    pub fn toolkit_code(self) -> Option<i32> {
        match self {
            Self::Int | Self::Term | Self::Hup => None,
            Self::Usr1 => Some(20),
            Self::Usr2 => Some(30),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
            Self::Hup => "SIGHUP",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
        })
    }
}

/// Priority of an interrupt; the highest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterruptPriority {
    /// A control or a safeguard.
    Control,
    /// The hypothesis deviated during the method, with `--fail-fast`. The running activity finishes.
    FailFast,
    /// The timeout of the run.
    Timeout,
    /// First signal.
    Signal,
    /// Second signal: stop waiting.
    SecondSignal,
}

/// Interruption kind of a run whose workloads did not become ready.
pub const NOT_READY: &str = "not-ready";

/// Why a run is interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// The kind of the cause, as in the journal.
    pub kind: &'static str,
    /// The priority.
    pub urgency: InterruptPriority,
    /// The signal, if one arrived.
    pub signal: Option<Signal>,
    /// Name of the control or the signal.
    pub name: String,
    pub reason: String,
    /// The stable code, if this program or its connection failed: the run is aborted.
    pub code: Option<ErrorCode>,
}

impl Interrupt {
    fn new(
        kind: &'static str,
        urgency: InterruptPriority,
        name: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { kind, urgency, signal: None, name: name.into(), reason: reason.into(), code: None }
    }

    /// Creates the interrupt of a control.
    pub fn control(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new("control", InterruptPriority::Control, name, reason)
    }

    /// Creates the interrupt of a safeguard that was not met.
    pub fn safeguard(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new("safeguard", InterruptPriority::Control, name, reason)
    }

    /// Creates the interrupt of an activity that failed because of this program or its connection.
    pub fn tool_failure(code: ErrorCode, name: impl Into<String>, reason: impl Into<String>) -> Self {
        let interrupt = Self::new("tool-failure", InterruptPriority::Control, name, reason);
        Self { code: Some(code), ..interrupt }
    }

    /// Creates the interrupt of a trial whose workloads did not become ready.
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self::new(NOT_READY, InterruptPriority::Control, "trial", reason)
    }

    /// Creates the interrupt of a deviation that ends the method.
    pub fn fail_fast() -> Self {
        Self::new(
            "fail-fast",
            InterruptPriority::FailFast,
            "fail-fast",
            "the hypothesis deviated during the method",
        )
    }

    /// Creates the interrupt of the timeout.
    pub fn timeout(seconds: f64) -> Self {
        let reason = format!("the run exceeded its timeout of {seconds} seconds");
        Self::new("timeout", InterruptPriority::Timeout, "timeout", reason)
    }

    /// Creates the interrupt of a signal, the first or a later one.
    pub fn signal(signal: Signal, first: bool) -> Self {
        let urgency = if first { InterruptPriority::Signal } else { InterruptPriority::SecondSignal };
        let interrupt = Self::new("signal", urgency, signal.to_string(), format!("received {signal}"));
        Self { signal: Some(signal), ..interrupt }
    }

    /// Whether the run is aborted: its rollbacks run, and it says nothing about the target.
    pub fn aborts(&self) -> bool {
        self.code.is_some()
    }

    /// Whether the running activity is cancelled; otherwise it finishes first.
    pub fn cancels(&self) -> bool {
        self.urgency != InterruptPriority::FailFast
    }

    /// Whether running rollbacks are cancelled: only an explicit signal may abort rollbacks.
    pub fn cancels_rollbacks(&self) -> bool {
        self.signal.is_some()
    }

    /// Whether rollbacks are skipped, whatever their strategy.
    pub fn forbids_rollbacks(&self) -> bool {
        self.signal == Some(Signal::Usr2)
    }

    /// Whether background activities are abandoned instead of awaited.
    pub fn abandons_background(&self) -> bool {
        self.urgency == InterruptPriority::Timeout || self.stops_waiting()
    }

    /// Whether the run waits for nothing.
    pub fn stops_waiting(&self) -> bool {
        self.urgency == InterruptPriority::SecondSignal || self.signal == Some(Signal::Usr2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_ordered() {
        let order = [
            Interrupt::control("c", "r").urgency,
            Interrupt::fail_fast().urgency,
            Interrupt::timeout(1.0).urgency,
            Interrupt::signal(Signal::Int, true).urgency,
            Interrupt::signal(Signal::Term, false).urgency,
        ];
        assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn interrupts_cancel_by_priority_and_signal() {
        let check = |interrupt: Interrupt, expected: [bool; 4]| {
            let result = [
                interrupt.cancels(),
                interrupt.forbids_rollbacks(),
                interrupt.abandons_background(),
                interrupt.stops_waiting(),
            ];
            assert_eq!(result, expected, "{interrupt:?}");
        };
        check(Interrupt::control("c", "r"), [true, false, false, false]);
        check(Interrupt::fail_fast(), [false, false, false, false]);
        check(Interrupt::timeout(1.0), [true, false, true, false]);
        check(Interrupt::signal(Signal::Int, true), [true, false, false, false]);
        check(Interrupt::signal(Signal::Hup, true), [true, false, false, false]);
        check(Interrupt::signal(Signal::Usr1, true), [true, false, false, false]);
        check(Interrupt::signal(Signal::Usr2, true), [true, true, true, true]);
        check(Interrupt::signal(Signal::Int, false), [true, false, true, true]);
    }
}
