//! Hands every event to everything that watches.

use parking_lot::Mutex;

use crate::event::RunEvent;

/// Something that watches a run. It is told of everything, in one order, and cannot change anything.
pub trait EventWatcher: Send {
    /// Takes in one event, quickly: the run waits.
    fn watch(&mut self, event: &RunEvent);
}

/// The watchers of a run.
#[derive(Default)]
pub struct EventBus {
    watchers: Mutex<Vec<Box<dyn EventWatcher>>>,
}

impl EventBus {
    /// Hands events to these watchers, in this order.
    pub fn new(watchers: Vec<Box<dyn EventWatcher>>) -> Self {
        Self { watchers: Mutex::new(watchers) }
    }

    /// Hands an event to all of them. Events of activities that run at once come one after the other.
    pub fn emit(&self, event: &RunEvent) {
        for watcher in self.watchers.lock().iter_mut() {
            watcher.watch(event);
        }
    }
}
