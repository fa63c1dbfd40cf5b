//! Signals: what they are is the system's business, what they mean the engine's. Floor 3.
//!
//! What was heard stays heard, for whoever asks later: between two steps nobody may be listening, and somebody who
//! wants the program to end is not to be told twice.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::event::Signal;

/// What the system has asked of this program since somebody first wanted to know. Until then every signal does what
/// it does to any program.
#[derive(Clone, Default)]
pub(super) struct Signals {
    heard: watch::Sender<Vec<Signal>>,
    /// What is listened for.
    expected: Arc<Mutex<Vec<Signal>>>,
}

/// Those that ask for the end of the program.
const ENDS: [Signal; 2] = [Signal::Int, Signal::Term];
/// Those that a run takes in.
const OF_A_RUN: [Signal; 4] = [Signal::Int, Signal::Term, Signal::Usr1, Signal::Usr2];

impl Signals {
    /// Ends when the system asks for the end, or has asked already, with what it sent.
    pub(super) fn end(&self) -> std::io::Result<impl Future<Output = Signal> + use<>> {
        self.expect(&ENDS)?;
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

    /// Hands every signal to a run, those included that came before it. Ends with the runtime.
    pub(super) fn hand_to(&self, mut run: impl FnMut(Signal) + Send + 'static) -> std::io::Result<()> {
        self.expect(&OF_A_RUN)?;
        let mut heard = self.heard.subscribe();
        let mut count = 0;
        let mut hand = move |heard: &mut watch::Receiver<Vec<Signal>>| {
            let new = heard.borrow_and_update()[count..].to_vec();
            count += new.len();
            new.into_iter().for_each(&mut run);
        };
        hand(&mut heard);
        tokio::spawn(async move {
            while heard.changed().await.is_ok() {
                hand(&mut heard);
            }
        });
        Ok(())
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
        let mut stream = signal(match wanted {
            Signal::Int => SignalKind::interrupt(),
            Signal::Term => SignalKind::terminate(),
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

#[cfg(test)]
mod tests {
    use super::*;

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
        signals.hand_to(move |signal| run.lock().push(signal)).unwrap();
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
