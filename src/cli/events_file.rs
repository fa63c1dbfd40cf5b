//! The events file: every event as one JSON object per line, as it happens. Floor 3.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::Watcher;
use crate::event::RunEvent;
use crate::journal::EventLog;

/// What went wrong, where something did.
pub(super) type Failure = Arc<Mutex<Option<String>>>;

/// The file, emptied at the start and flushed with every line.
pub(super) struct EventsFile {
    file: File,
    log: EventLog,
    failure: Failure,
}

impl EventsFile {
    /// Opens it. What goes wrong later is put into the second part.
    pub(super) fn open(path: &Path) -> Result<(Self, Failure), String> {
        let file = File::create(path)
            .map_err(|error| format!("the events file {} cannot be written: {error}", path.display()))?;
        let failure = Arc::new(Mutex::new(None));
        Ok((Self { file, log: EventLog::default(), failure: Arc::clone(&failure) }, failure))
    }
}

impl Watcher for EventsFile {
    fn watch(&mut self, event: &RunEvent) {
        let lines = self.log.lines(event);
        if lines.is_empty() || self.failure.lock().is_some() {
            return;
        }
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            *self.failure.lock() = Some(format!("the events file could not be written to its end: {error}"));
        }
    }
}
