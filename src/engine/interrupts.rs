//! Collects the interrupts of a run, and waits for them.

use tokio::sync::watch;

use crate::event::Interrupt;

/// The interrupts of a run, in order of arrival.
#[derive(Debug)]
pub struct InterruptLog {
    raised: watch::Sender<Vec<Interrupt>>,
}

impl Default for InterruptLog {
    fn default() -> Self {
        Self { raised: watch::Sender::new(Vec::new()) }
    }
}

impl InterruptLog {
    /// Adds an interrupt.
    pub fn raise(&self, interrupt: Interrupt) {
        self.raised.send_modify(|raised| raised.push(interrupt));
    }

    /// Adds a failure of this program, unless there is one: the first decides, and every sample may report one.
    pub fn raise_once(&self, interrupt: Interrupt) {
        if self.find(0, Interrupt::aborts).is_none() {
            self.raise(interrupt);
        }
    }

    /// Returns the interrupt with the highest priority; among equals, the first.
    pub fn worst(&self) -> Option<Interrupt> {
        let raised = self.raised.borrow();
        let mut worst: Option<&Interrupt> = None;
        for interrupt in raised.iter() {
            if worst.is_none_or(|worst| worst.urgency < interrupt.urgency) {
                worst = Some(interrupt);
            }
        }
        worst.cloned()
    }

    /// Whether the interrupt was raised.
    pub fn contains(&self, interrupt: &Interrupt) -> bool {
        self.raised.borrow().contains(interrupt)
    }

    /// Returns the number of interrupts.
    pub fn count(&self) -> usize {
        self.raised.borrow().len()
    }

    /// Returns the first match after the first `known` interrupts.
    pub fn find(&self, ignored: usize, matches: fn(&Interrupt) -> bool) -> Option<Interrupt> {
        self.raised.borrow().iter().skip(ignored).find(|interrupt| matches(interrupt)).cloned()
    }

    /// Waits for a match after the first `known` interrupts.
    pub async fn wait(&self, ignored: usize, matches: fn(&Interrupt) -> bool) -> Interrupt {
        let mut receiver = self.raised.subscribe();
        loop {
            if let Some(interrupt) = self.find(ignored, matches) {
                return interrupt;
            }
            if receiver.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Signal;

    #[tokio::test]
    async fn worst_interrupt_wins_and_wait_sees_later_ones() {
        let board = InterruptLog::default();
        assert_eq!(board.worst(), None);
        board.raise(Interrupt::signal(Signal::Int, true));
        board.raise(Interrupt::control("c", "r"));
        board.raise(Interrupt::signal(Signal::Term, true));
        assert_eq!(board.worst(), Some(Interrupt::signal(Signal::Int, true)));
        assert_eq!(board.wait(1, Interrupt::cancels).await.name, "c");
        assert_eq!(board.wait(1, Interrupt::cancels_rollbacks).await.name, "SIGTERM");
        let late = board.wait(board.count(), Interrupt::cancels);
        let (found, ()) = tokio::join!(late, async {
            tokio::task::yield_now().await;
            board.raise(Interrupt::fail_fast());
            board.raise(Interrupt::timeout(1.0));
        });
        assert_eq!(found.name, "timeout");
    }
}
