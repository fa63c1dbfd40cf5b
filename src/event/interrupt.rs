//! What cuts a run short, ordered by urgency. Floor 0.

use std::fmt;

/// A signal that a run answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Ctrl-C.
    Int,
    /// The usual way to end a process.
    Term,
    /// The terminal is gone.
    Hup,
    /// Ends the run, with rollbacks by their strategy.
    Usr1,
    /// Ends the run at once, without rollbacks and without waiting for anything.
    Usr2,
}

impl Signal {
    /// The exit code that the Chaos Toolkit's own signals are known by in its log.
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

/// How urgent an interrupt is; of several, the more urgent one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterruptPriority {
    /// A control or a safeguard asked for it.
    Control,
    /// The hypothesis deviated during the method, and that was to end it. The activity under way is finished.
    FailFast,
    /// The time for the run is up.
    Timeout,
    /// Somebody asked for it.
    Signal,
    /// Somebody asked again: what was still being waited for is given up.
    SecondSignal,
}

/// The kind of thing that keeps a run from beginning: what it was to run on did not become ready.
pub const NOT_READY: &str = "not-ready";

/// Why a run is cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// What kind of thing asked, as the journal has it.
    pub kind: &'static str,
    /// How urgent it is.
    pub urgency: InterruptPriority,
    /// The signal, where one arrived.
    pub signal: Option<Signal>,
    /// Who asked: the name of a control or of a signal.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Interrupt {
    fn new(
        kind: &'static str,
        urgency: InterruptPriority,
        name: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { kind, urgency, signal: None, name: name.into(), reason: reason.into() }
    }

    /// A control's wish.
    pub fn control(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new("control", InterruptPriority::Control, name, reason)
    }

    /// A safeguard that was not met.
    pub fn safeguard(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new("safeguard", InterruptPriority::Control, name, reason)
    }

    /// What a trial deployed did not become ready: nothing was begun.
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self::new(NOT_READY, InterruptPriority::Control, "trial", reason)
    }

    /// A deviation that ends the method.
    pub fn fail_fast() -> Self {
        Self::new(
            "fail-fast",
            InterruptPriority::FailFast,
            "fail-fast",
            "the hypothesis deviated during the method",
        )
    }

    /// The end of the time given to a run.
    pub fn timeout(seconds: f64) -> Self {
        let reason = format!("the run took longer than {seconds} seconds");
        Self::new("timeout", InterruptPriority::Timeout, "timeout", reason)
    }

    /// A signal, the first or a later one.
    pub fn signal(signal: Signal, first: bool) -> Self {
        let urgency = if first { InterruptPriority::Signal } else { InterruptPriority::SecondSignal };
        let told = Self::new("signal", urgency, signal.to_string(), format!("received {signal}"));
        Self { signal: Some(signal), ..told }
    }

    /// Whether the activity under way is cut; otherwise it is finished first.
    pub fn cuts(&self) -> bool {
        self.urgency != InterruptPriority::FailFast
    }

    /// Whether rollbacks under way are cut: nothing but somebody's own wish may leave things broken.
    pub fn cuts_rollbacks(&self) -> bool {
        self.signal.is_some()
    }

    /// Whether rollbacks are out of the question, whatever their strategy.
    pub fn forbids_rollbacks(&self) -> bool {
        self.signal == Some(Signal::Usr2)
    }

    /// Whether background activities are given up instead of waited for: when the time is up, there is none to wait.
    pub fn abandons_background(&self) -> bool {
        self.urgency == InterruptPriority::Timeout || self.waits_for_nothing()
    }

    /// Whether nothing at all is waited for.
    pub fn waits_for_nothing(&self) -> bool {
        self.urgency == InterruptPriority::SecondSignal || self.signal == Some(Signal::Usr2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_urgent_counts() {
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
    fn what_each_cuts() {
        let check = |interrupt: Interrupt, expected: [bool; 4]| {
            let got = [
                interrupt.cuts(),
                interrupt.forbids_rollbacks(),
                interrupt.abandons_background(),
                interrupt.waits_for_nothing(),
            ];
            assert_eq!(got, expected, "{interrupt:?}");
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
