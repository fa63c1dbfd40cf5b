//! The events file: every event as one JSON object per line, as it happens. Floor 3.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::EventWatcher;
use crate::event::RunEvent;
use crate::journal::EventSerializer;

/// The file, emptied at the start and flushed with every line. The runs of one invocation share it.
pub(super) struct EventsFile(Arc<EventsFileState>);

struct EventsFileState {
    file: File,
    /// What went wrong, where something did: nothing is written after that.
    failure: Mutex<Option<String>>,
}

/// What is told of the events of one run.
pub(super) struct EventsWatcher {
    shared: Arc<EventsFileState>,
    log: EventSerializer,
}

impl EventsFile {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::create(path)
            .map_err(|error| format!("the events file {} cannot be written: {error}", path.display()))?;
        Ok(Self(Arc::new(EventsFileState { file, failure: Mutex::new(None) })))
    }

    /// What is to be told of the events of a run.
    pub(super) fn watcher(&self) -> EventsWatcher {
        EventsWatcher { shared: Arc::clone(&self.0), log: EventSerializer::default() }
    }

    /// What went wrong so far.
    pub(super) fn failure(&self) -> Option<String> {
        self.0.failure.lock().clone()
    }
}

impl EventWatcher for EventsWatcher {
    fn watch(&mut self, event: &RunEvent) {
        let lines = self.log.lines(event);
        let mut failure = self.shared.failure.lock();
        if lines.is_empty() || failure.is_some() {
            return;
        }
        if let Err(error) = (&self.shared.file).write_all(lines.as_bytes()) {
            *failure = Some(format!("the events file could not be written to its end: {error}"));
        }
    }
}
