//! Signals of the operating system, handed to the run.
//!
//! Received signals are latched, so a signal that arrives between two steps is not lost.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error_code::{Coded, ErrorCode};
use crate::event::Signal;

/// A signal handler cannot be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot install signal handlers")]
pub(super) struct SignalError(#[from] std::io::Error);

impl Coded for SignalError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InternalRuntime
    }
}

/// All signals received since the first subscriber.
///
/// Signals keep their default action until the first subscription. From then on all signals that a run handles are
/// caught, so that none ends the program between two steps. Without a run, USR1 and USR2 do nothing.
#[derive(Clone, Default)]
pub(super) struct Signals {
    received: watch::Sender<Vec<Signal>>,
    /// Signals with an installed handler.
    handled: Arc<Mutex<Vec<Signal>>>,
}

/// Signals that end the program.
const TERMINATION_SIGNALS: [Signal; 3] = [Signal::Int, Signal::Term, Signal::Hup];
/// Signals that a run handles.
const RUN_SIGNALS: [Signal; 5] = [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Usr2];

/// RAII guard: forwards signals to the current run until dropped.
#[must_use = "signals are forwarded until it is dropped"]
pub(super) struct SignalForwarder(AbortHandle);

impl Drop for SignalForwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Signals {
    /// Returns a future of the first termination signal, received before or after the call.
    pub(super) fn end(&self) -> Result<impl Future<Output = Signal> + use<>, SignalError> {
        self.handle_all(&RUN_SIGNALS)?;
        let mut received = self.received.subscribe();
        Ok(async move {
            let first = |received: &Vec<Signal>| {
                received.iter().copied().find(|signal| TERMINATION_SIGNALS.contains(signal))
            };
            let waited = received.wait_for(|received| first(received).is_some()).await.ok();
            match waited.and_then(|received| first(&received)) {
                Some(signal) => signal,
                // the sender is gone
                None => std::future::pending().await,
            }
        })
    }

    /// Forwards every signal to a run, including those received before the call.
    pub(super) fn hand_to(
        &self,
        mut run: impl FnMut(Signal) + Send + 'static,
    ) -> Result<SignalForwarder, SignalError> {
        self.handle_all(&RUN_SIGNALS)?;
        let mut received = self.received.subscribe();
        let mut count = 0;
        let mut forward = move |received: &mut watch::Receiver<Vec<Signal>>| {
            let new = received.borrow_and_update()[count..].to_vec();
            count += new.len();
            new.into_iter().for_each(&mut run);
        };
        forward(&mut received);
        let task = tokio::spawn(async move {
            while received.changed().await.is_ok() {
                forward(&mut received);
            }
        });
        Ok(SignalForwarder(task.abort_handle()))
    }

    /// Installs the handlers that are missing.
    fn handle_all(&self, signals: &[Signal]) -> std::io::Result<()> {
        let mut handled = self.handled.lock();
        for signal in signals {
            if !handled.contains(signal) {
                self.handle(*signal)?;
                handled.push(*signal);
            }
        }
        Ok(())
    }

    fn push(&self, signal: Signal) {
        self.received.send_modify(|received| received.push(signal));
    }

    #[cfg(unix)]
    fn handle(&self, kind: Signal) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        if kind == Signal::Hup && ignores_hangup() {
            return Ok(());
        }
        let mut stream = signal(match kind {
            Signal::Int => SignalKind::interrupt(),
            Signal::Term => SignalKind::terminate(),
            Signal::Hup => SignalKind::hangup(),
            Signal::Usr1 => SignalKind::user_defined1(),
            Signal::Usr2 => SignalKind::user_defined2(),
        })?;
        let signals = self.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                signals.push(kind);
            }
        });
        Ok(())
    }

    /// Handles Ctrl-C, the only signal on other platforms.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "same signature as on Unix")]
    fn handle(&self, kind: Signal) -> std::io::Result<()> {
        if kind == Signal::Int {
            let signals = self.clone();
            tokio::spawn(async move {
                while tokio::signal::ctrl_c().await.is_ok() {
                    signals.push(kind);
                }
            });
        }
        Ok(())
    }
}

/// Returns whether the process ignores SIGHUP, as it does under `nohup`.
#[cfg(target_os = "linux")]
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_hangup_ignored(&status))
}

/// Returns whether standard error is no terminal, as under `nohup`: other systems do not show ignored signals.
#[cfg(all(unix, not(target_os = "linux")))]
fn ignores_hangup() -> bool {
    use std::io::IsTerminal as _;
    !std::io::stderr().is_terminal()
}

/// Reads the `SigIgn` mask of `/proc/self/status`: one bit per signal, the lowest is SIGHUP.
#[cfg(target_os = "linux")]
fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn ignored_hangup_is_read_from_the_mask() {
        assert!(is_hangup_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_ignored("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!is_hangup_ignored(""));
    }

    #[tokio::test]
    async fn dropped_forwarder_receives_nothing() {
        let signals = Signals::default();
        let received = Arc::new(Mutex::new(Vec::new()));
        for number in [1, 2] {
            let run = Arc::clone(&received);
            let forwarder = signals.hand_to(move |signal| run.lock().push((number, signal))).unwrap();
            if number == 2 {
                signals.push(Signal::Int);
                while received.lock().is_empty() {
                    tokio::task::yield_now().await;
                }
            }
            drop(forwarder);
        }
        tokio::task::yield_now().await;
        assert_eq!(*received.lock(), [(2, Signal::Int)]);
    }

    #[tokio::test]
    async fn signal_before_subscription_is_delivered() {
        let signals = Signals::default();
        signals.push(Signal::Usr1);
        signals.push(Signal::Term);
        signals.push(Signal::Int);
        for _ in 0..2 {
            assert_eq!(signals.end().unwrap().await, Signal::Term);
        }
        let received = Arc::new(Mutex::new(Vec::new()));
        let run = Arc::clone(&received);
        let _forwarder = signals.hand_to(move |signal| run.lock().push(signal)).unwrap();
        // before anything of the run begins
        assert_eq!(*received.lock(), [Signal::Usr1, Signal::Term, Signal::Int]);
        signals.push(Signal::Int);
        while received.lock().len() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(received.lock()[3], Signal::Int);
    }

    #[tokio::test]
    async fn usr2_does_not_end_the_program() {
        let signals = Signals::default();
        let end = tokio::spawn(signals.end().unwrap());
        signals.push(Signal::Usr2);
        tokio::task::yield_now().await;
        assert!(!end.is_finished());
        signals.push(Signal::Int);
        assert_eq!(end.await.unwrap(), Signal::Int);
    }
}
