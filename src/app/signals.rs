//! Signals that the program received, forwarded to the run.
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
pub(crate) struct SignalError(#[from] std::io::Error);

impl Coded for SignalError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InternalRuntime
    }
}

/// Installs a handler that pushes each received signal of a kind.
pub(crate) type InstallHandler = fn(&Signals, Signal) -> std::io::Result<()>;

/// All signals received since the first subscriber.
///
/// Signals keep their default action until the first subscription. From then on all signals that a run handles are
/// caught, so that none ends the program between two steps. Without a run, USR1 and USR2 do nothing.
#[derive(Clone)]
pub(crate) struct Signals {
    received: watch::Sender<Vec<Signal>>,
    /// Signals with an installed handler.
    handled: Arc<Mutex<Vec<Signal>>>,
    install: InstallHandler,
}

/// Signals that end the program.
const TERMINATION_SIGNALS: [Signal; 3] = [Signal::Int, Signal::Term, Signal::Hup];
/// Signals that a run handles.
const RUN_SIGNALS: [Signal; 5] = [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Usr2];

/// RAII guard: forwards signals to the current run until dropped.
#[must_use = "signals are forwarded until it is dropped"]
pub(crate) struct SignalForwarder(AbortHandle);

impl Drop for SignalForwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Signals {
    /// Creates the signals of a process, whose handlers are installed on demand.
    pub(crate) fn new(install: InstallHandler) -> Self {
        Self { received: watch::Sender::default(), handled: Arc::default(), install }
    }

    /// Returns a future of the first termination signal, received before or after the call.
    pub(crate) fn end(&self) -> Result<impl Future<Output = Signal> + use<>, SignalError> {
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
    pub(crate) fn forward_to(
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
                (self.install)(self, *signal)?;
                handled.push(*signal);
            }
        }
        Ok(())
    }

    /// Adds a received signal.
    pub(crate) fn push(&self, signal: Signal) {
        self.received.send_modify(|received| received.push(signal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dropped_forwarder_receives_nothing() {
        let signals = Signals::new(|_, _| Ok(()));
        let received = Arc::new(Mutex::new(Vec::new()));
        for number in [1, 2] {
            let run = Arc::clone(&received);
            let forwarder = signals.forward_to(move |signal| run.lock().push((number, signal))).unwrap();
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
        let signals = Signals::new(|_, _| Ok(()));
        signals.push(Signal::Usr1);
        signals.push(Signal::Term);
        signals.push(Signal::Int);
        for _ in 0..2 {
            assert_eq!(signals.end().unwrap().await, Signal::Term);
        }
        let received = Arc::new(Mutex::new(Vec::new()));
        let run = Arc::clone(&received);
        let _forwarder = signals.forward_to(move |signal| run.lock().push(signal)).unwrap();
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
        let signals = Signals::new(|_, _| Ok(()));
        let end = tokio::spawn(signals.end().unwrap());
        signals.push(Signal::Usr2);
        tokio::task::yield_now().await;
        assert!(!end.is_finished());
        signals.push(Signal::Int);
        assert_eq!(end.await.unwrap(), Signal::Int);
    }
}
