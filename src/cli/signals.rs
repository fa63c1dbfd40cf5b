//! Signals: what they are is the system's business, what they mean the engine's. Floor 3.
//!
//! What was heard stays heard, for whoever asks later: between two steps nobody may be listening, and somebody who
//! wants the program to end is not to be told twice.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::event::Signal;

/// What the system has asked of this program since somebody first wanted to know. Until then every signal does what
/// it does to any program; from then on all those that a run takes in are listened for, so that none ends the program
/// between two steps. Where there is no run, those that ask for no end do nothing.
#[derive(Clone, Default)]
pub(super) struct Signals {
    heard: watch::Sender<Vec<Signal>>,
    /// What is listened for.
    expected: Arc<Mutex<Vec<Signal>>>,
}

/// Those that ask for the end of the program.
const ENDS: [Signal; 3] = [Signal::Int, Signal::Term, Signal::Hup];
/// Those that a run takes in.
const OF_A_RUN: [Signal; 5] = [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Usr2];

/// As long as it is there, signals are handed to a run: a later run's are none of its business.
#[must_use = "signals are handed on for as long as it is kept"]
pub(super) struct SignalForwarder(AbortHandle);

impl Drop for SignalForwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Signals {
    /// Ends when the system asks for the end, or has asked already, with what it sent.
    pub(super) fn end(&self) -> std::io::Result<impl Future<Output = Signal> + use<>> {
        self.expect(&OF_A_RUN)?;
        let mut heard = self.heard.subscribe();
        Ok(async move {
            let asked = |heard: &Vec<Signal>| heard.iter().copied().find(|signal| ENDS.contains(signal));
            let waited = heard.wait_for(|heard| asked(heard).is_some()).await.ok();
            match waited.and_then(|heard| asked(&heard)) {
                Some(signal) => signal,
                // nobody is left who could hear one
                None => std::future::pending().await,
            }
        })
    }

    /// Hands every signal to a run, those included that came before it.
    pub(super) fn hand_to(
        &self,
        mut run: impl FnMut(Signal) + Send + 'static,
    ) -> std::io::Result<SignalForwarder> {
        self.expect(&OF_A_RUN)?;
        let mut heard = self.heard.subscribe();
        let mut count = 0;
        let mut hand = move |heard: &mut watch::Receiver<Vec<Signal>>| {
            let new = heard.borrow_and_update()[count..].to_vec();
            count += new.len();
            new.into_iter().for_each(&mut run);
        };
        hand(&mut heard);
        let handing = tokio::spawn(async move {
            while heard.changed().await.is_ok() {
                hand(&mut heard);
            }
        });
        Ok(SignalForwarder(handing.abort_handle()))
    }

    /// Listens for some from now on.
    fn expect(&self, wanted: &[Signal]) -> std::io::Result<()> {
        let mut expected = self.expected.lock();
        for signal in wanted {
            if !expected.contains(signal) {
                self.listen(*signal)?;
                expected.push(*signal);
            }
        }
        Ok(())
    }

    fn hear(&self, signal: Signal) {
        self.heard.send_modify(|heard| heard.push(signal));
    }

    #[cfg(unix)]
    fn listen(&self, wanted: Signal) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        if wanted == Signal::Hup && outlives_its_terminal() {
            return Ok(());
        }
        let mut stream = signal(match wanted {
            Signal::Int => SignalKind::interrupt(),
            Signal::Term => SignalKind::terminate(),
            Signal::Hup => SignalKind::hangup(),
            Signal::Usr1 => SignalKind::user_defined1(),
            Signal::Usr2 => SignalKind::user_defined2(),
        })?;
        let signals = self.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                signals.hear(wanted);
            }
        });
        Ok(())
    }

    /// Elsewhere there is Ctrl-C.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as elsewhere")]
    fn listen(&self, wanted: Signal) -> std::io::Result<()> {
        if wanted == Signal::Int {
            let signals = self.clone();
            tokio::spawn(async move {
                while tokio::signal::ctrl_c().await.is_ok() {
                    signals.hear(wanted);
                }
            });
        }
        Ok(())
    }
}

/// Whether the program is to go on when its terminal is gone, as whoever starts it under `nohup` wants it to.
#[cfg(target_os = "linux")]
fn outlives_its_terminal() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangups(&status))
}

/// Elsewhere a process is not told what it ignores; but `nohup` leaves it no terminal to write to.
#[cfg(all(unix, not(target_os = "linux")))]
fn outlives_its_terminal() -> bool {
    use std::io::IsTerminal as _;
    !std::io::stderr().is_terminal()
}

/// Whether a process ignores SIGHUP, by what Linux says of it: a bit for each signal, the first one the lowest.
#[cfg(target_os = "linux")]
fn ignores_hangups(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_ignored_is_known() {
        assert!(ignores_hangups("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangups("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hangups(""));
    }

    #[tokio::test]
    async fn a_run_that_is_over_hears_nothing() {
        let signals = Signals::default();
        let taken = Arc::new(Mutex::new(Vec::new()));
        for number in [1, 2] {
            let run = Arc::clone(&taken);
            let handing = signals.hand_to(move |signal| run.lock().push((number, signal))).unwrap();
            if number == 2 {
                signals.hear(Signal::Int);
                while taken.lock().is_empty() {
                    tokio::task::yield_now().await;
                }
            }
            drop(handing);
        }
        tokio::task::yield_now().await;
        assert_eq!(*taken.lock(), [(2, Signal::Int)]);
    }

    #[tokio::test]
    async fn what_came_while_nobody_listened_is_heard() {
        let signals = Signals::default();
        signals.hear(Signal::Usr1);
        signals.hear(Signal::Term);
        signals.hear(Signal::Int);
        for _ in 0..2 {
            assert_eq!(signals.end().unwrap().await, Signal::Term);
        }
        let taken = Arc::new(Mutex::new(Vec::new()));
        let run = Arc::clone(&taken);
        let _handing = signals.hand_to(move |signal| run.lock().push(signal)).unwrap();
        // before anything of the run begins
        assert_eq!(*taken.lock(), [Signal::Usr1, Signal::Term, Signal::Int]);
        signals.hear(Signal::Int);
        while taken.lock().len() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken.lock()[3], Signal::Int);
    }

    #[tokio::test]
    async fn other_signals_end_nothing() {
        let signals = Signals::default();
        let end = tokio::spawn(signals.end().unwrap());
        signals.hear(Signal::Usr2);
        tokio::task::yield_now().await;
        assert!(!end.is_finished());
        signals.hear(Signal::Int);
        assert_eq!(end.await.unwrap(), Signal::Int);
    }
}
