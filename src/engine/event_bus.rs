//! Sends every event to all watchers.

use parking_lot::Mutex;

use crate::event::RunEvent;
use crate::panic_guard::{CaughtPanic, catch};

/// Receiver of the events of a run, in one order. It cannot influence the run.
pub trait EventWatcher: Send {
    /// Handles an event. It must be fast: the run waits.
    fn watch(&mut self, event: &RunEvent);
}

/// The watchers of a run.
#[derive(Default)]
pub struct EventBus {
    watchers: Mutex<Vec<Box<dyn EventWatcher>>>,
    /// The panic of a watcher, until the run takes notice.
    panic: Mutex<Option<CaughtPanic>>,
}

impl EventBus {
    /// Creates a bus that calls the watchers in this order.
    pub fn new(watchers: Vec<Box<dyn EventWatcher>>) -> Self {
        Self { watchers: Mutex::new(watchers), panic: Mutex::default() }
    }

    /// Sends an event to all watchers. Events of concurrent activities are serialized.
    ///
    /// A watcher that panics gets no further events: the run must still roll back.
    pub fn emit(&self, event: &RunEvent) {
        self.watchers.lock().retain_mut(|watcher| match catch(|| watcher.watch(event)) {
            Ok(()) => true,
            Err(panic) => {
                *self.panic.lock() = Some(panic);
                false
            }
        });
    }

    /// Takes the panic of a watcher, if there was one.
    pub(super) fn take_panic(&self) -> Option<CaughtPanic> {
        self.panic.lock().take()
    }
}
