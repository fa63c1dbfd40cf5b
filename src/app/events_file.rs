//! The events file: one JSON object per line and event, written as events happen.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::AppError;
use super::output_lock::{OutputInUse, OutputLock};
use crate::engine::EventWatcher;
use crate::error_code::{Coded, ErrorCode};
use crate::event::RunEvent;
use crate::journal::EventSerializer;

/// The events file cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsFileError {
    #[error("cannot write events file {}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("events file {} is being written by another run", path.display())]
    InUse { path: PathBuf },
    #[error("events file is incomplete")]
    Write(#[source] std::io::Error),
}

impl Coded for EventsFileError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InUse { .. } => ErrorCode::FileConflict,
            Self::Open { .. } | Self::Write(_) => ErrorCode::FileNotWritable,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::InUse { .. }).then(|| "choose another file with --events-file".to_owned())
    }
}

/// Events file, truncated at the start and flushed with every line. The runs of one invocation share it.
pub(crate) struct EventsFile(Arc<EventsFileState>);

struct EventsFileState {
    file: File,
    /// The first error; nothing is written after it.
    error: Mutex<Option<AppError>>,
    /// Keeps other runs from writing the same file.
    _lock: Option<OutputLock>,
}

/// Writes the events of one run.
pub(crate) struct EventsWatcher {
    shared: Arc<EventsFileState>,
    log: EventSerializer,
}

impl EventsFile {
    /// Creates the file, or truncates it.
    pub(crate) fn open(path: &Path) -> Result<Self, EventsFileError> {
        // not a device or a pipe
        let is_file = std::fs::metadata(path).map_or(true, |meta| meta.is_file());
        let lock = is_file.then(|| OutputLock::acquire(path)).transpose();
        let lock = lock.map_err(|OutputInUse| EventsFileError::InUse { path: path.to_owned() })?;
        let file =
            File::create(path).map_err(|source| EventsFileError::Open { path: path.to_owned(), source })?;
        Ok(Self(Arc::new(EventsFileState { file, error: Mutex::new(None), _lock: lock })))
    }

    /// Returns a watcher for the events of one run.
    pub(crate) fn watcher(&self) -> EventsWatcher {
        EventsWatcher { shared: Arc::clone(&self.0), log: EventSerializer::default() }
    }

    /// Returns the first error.
    pub(crate) fn error(&self) -> Option<AppError> {
        self.0.error.lock().clone()
    }
}

impl EventWatcher for EventsWatcher {
    fn watch(&mut self, event: &RunEvent) {
        let lines = self.log.lines(event);
        let mut error = self.shared.error.lock();
        if lines.is_empty() || error.is_some() {
            return;
        }
        if let Err(source) = (&self.shared.file).write_all(lines.as_bytes()) {
            *error = Some(EventsFileError::Write(source).into());
        }
    }
}
