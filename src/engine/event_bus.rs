//! Sends every event to all watchers.

use parking_lot::Mutex;

use crate::event::RunEvent;

/// Receiver of the events of a run, in one order. It cannot influence the run.
pub trait EventWatcher: Send {
    /// Handles an event. It must be fast: the run waits.
    fn watch(&mut self, event: &RunEvent);
}

/// The watchers of a run.
#[derive(Default)]
pub struct EventBus {
    watchers: Mutex<Vec<Box<dyn EventWatcher>>>,
}

impl EventBus {
    /// Creates a bus that calls the watchers in this order.
    pub fn new(watchers: Vec<Box<dyn EventWatcher>>) -> Self {
        Self { watchers: Mutex::new(watchers) }
    }

    /// Sends an event to all watchers. Events of concurrent activities are serialized.
    pub fn emit(&self, event: &RunEvent) {
        for watcher in self.watchers.lock().iter_mut() {
            watcher.watch(event);
        }
    }
}
