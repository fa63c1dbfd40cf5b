//! The journal on disk, crash-safe.
//!
//! From the first event on the file is valid JSON at every instant and at most [`DELAY`] behind, however the program
//! ends. Two hidden copies lie next to it. An update changes the copy that is not published. A hard link and a rename
//! then publish that copy atomically. At the end the journal is written once more, formatted, and the copies are deleted.
//!
//! Without hard links every update copies the whole file, at a cost that grows with the journal.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::output_lock::{OutputInUse, OutputLock};
use super::report_files::STANDARD_OUTPUT;
use crate::engine::{EventWatcher, JournalSync, JournalSyncError};
use crate::error_code::{Coded, ErrorCode};
use crate::event::RunEvent;
use crate::journal::{
    Environment, FilePatch, Journal, JournalBuilder, JournalDelta, JournalHeader, LiveLayout, RunVerdict,
};
use crate::series::Series;

/// Maximum delay of a change before it is written.
const DELAY: Duration = Duration::from_millis(100);

/// The journal cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalFileError {
    #[error("cannot write journal {}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("journal {} is being written by another run", path.display())]
    InUse { path: PathBuf },
    #[error("cannot start the journal thread")]
    Thread(#[source] std::io::Error),
    #[error("cannot write journal {} ({saved})", path.display())]
    Finish { path: PathBuf, saved: SavedJournal, source: std::io::Error },
}

impl Coded for JournalFileError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Open { .. } | Self::Finish { .. } => ErrorCode::FileNotWritable,
            Self::InUse { .. } => ErrorCode::FileConflict,
            Self::Thread(_) => ErrorCode::InternalRuntime,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::InUse { .. }).then(|| "choose another file with --journal-path".to_owned())
    }
}

/// What remains of a journal that cannot be written at the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedJournal {
    #[error("saved to {} instead", .0.display())]
    Elsewhere(PathBuf),
    #[error("the last saved state is still in place")]
    LastState,
    #[error("nothing was saved")]
    Nothing,
}

/// Journal that is being written.
pub(crate) struct JournalFile {
    shared: Arc<SharedJournal>,
    thread: Option<JoinHandle<()>>,
}

struct SharedJournal {
    state: Mutex<JournalFileState>,
    /// Signalled when something changed or the run is over.
    changed: Condvar,
}

struct JournalFileState {
    recorder: JournalBuilder,
    live: LiveLayout,
    files: JournalPaths,
    /// Whether there are changes since the last update.
    is_outdated: bool,
    /// The error of the last update.
    error: Option<std::io::Error>,
    is_finished: bool,
}

/// Records events in the journal.
pub(crate) struct JournalWatcher(Arc<SharedJournal>);

/// Flushes the journal before a mutation.
pub(crate) struct JournalRecord(Arc<SharedJournal>);

impl JournalFile {
    /// Opens the journal, before anything else happens.
    pub(crate) fn open(path: &Path, header: JournalHeader) -> Result<Self, JournalFileError> {
        let files = JournalPaths::open(path)?;
        let state = JournalFileState {
            recorder: JournalBuilder::new(header),
            live: LiveLayout::default(),
            files,
            is_outdated: false,
            error: None,
            is_finished: false,
        };
        let shared = Arc::new(SharedJournal { state: Mutex::new(state), changed: Condvar::new() });
        let flusher = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || flusher.flush_until_finished());
        let thread = thread.map_err(JournalFileError::Thread)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns a watcher for the events of the run.
    pub(crate) fn watcher(&self) -> JournalWatcher {
        JournalWatcher(Arc::clone(&self.shared))
    }

    /// Returns a handle to flush and check the journal before a mutation.
    pub(crate) fn record(&self) -> JournalRecord {
        JournalRecord(Arc::clone(&self.shared))
    }

    /// Calls a function with the current journal.
    pub(crate) fn with_journal<T>(&self, read: impl FnOnce(&Journal) -> T) -> T {
        read(self.shared.state.lock().recorder.journal())
    }

    /// Adds the results of sampling.
    pub(crate) fn add_samples(&self, samples: Vec<Series>) {
        self.shared.state.lock().recorder.add_samples(samples);
    }

    /// Adds what is known of the environment only at the end of a run of a trial.
    pub(crate) fn complete_environment(&self, complete: impl FnOnce(&mut Environment)) {
        complete(self.shared.state.lock().recorder.environment());
    }

    /// Writes the final journal. Returns the journal and the result of writing it.
    pub(crate) fn finish(
        mut self,
        verdict: RunVerdict,
        reason: Option<String>,
        exit_code: u8,
    ) -> (Journal, Result<(), JournalFileError>) {
        self.stop();
        let mut state = self.shared.state.lock();
        let recorder = std::mem::replace(&mut state.recorder, JournalBuilder::new(JournalHeader::default()));
        let journal = recorder.finish(verdict, reason, exit_code);
        let written = state.files.finish(&journal.to_json());
        (journal, written)
    }

    fn stop(&mut self) {
        self.shared.state.lock().is_finished = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Deletes the hidden copies of a journal that was not finished.
impl Drop for JournalFile {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
            let mut state = self.shared.state.lock();
            state.files.remove_copies();
            state.files.lock = None;
        }
    }
}

impl EventWatcher for JournalWatcher {
    fn watch(&mut self, event: &RunEvent) {
        let mut state = self.0.state.lock();
        let JournalDelta { parts, at_once } = state.recorder.record(event);
        if parts.is_empty() {
            return;
        }
        state.live.mark_changed(&parts);
        if at_once {
            state.update();
        } else if !state.is_outdated {
            state.is_outdated = true;
            self.0.changed.notify_all();
        }
    }
}

impl JournalSync for JournalRecord {
    fn flush(&self) -> Result<(), JournalSyncError> {
        let mut state = self.0.state.lock();
        if state.is_outdated || state.error.is_some() {
            state.update();
        }
        match &state.error {
            None => Ok(()),
            Some(error) => {
                Err(JournalSyncError { path: state.files.path.clone(), source: copy_error(error) })
            }
        }
    }
}

/// Copies an I/O error, which stays in place until an update succeeds.
fn copy_error(error: &std::io::Error) -> std::io::Error {
    match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(error.kind(), error.to_string()),
    }
}

impl SharedJournal {
    /// Writes changes, at most [`DELAY`] late, until the run is over.
    fn flush_until_finished(&self) {
        let mut state = self.state.lock();
        while !state.is_finished {
            if !state.is_outdated {
                self.changed.wait(&mut state);
                continue;
            }
            let deadline = Instant::now() + DELAY;
            while !state.is_finished && !self.changed.wait_until(&mut state, deadline).timed_out() {}
            if state.is_outdated && !state.is_finished {
                state.update();
            }
        }
    }
}

impl JournalFileState {
    fn update(&mut self) {
        self.is_outdated = false;
        let copy = self.files.next;
        let patch = self.live.patch(copy, &self.recorder);
        self.error = self.files.update(patch).err();
        if self.error.is_some() {
            // the next change tries again; `flush` and `finish` report the error
            self.live.invalidate(copy);
        }
    }
}

/// Paths and handles of the journal and its hidden copies.
struct JournalPaths {
    path: PathBuf,
    copies: [PathBuf; 2],
    /// Temporary link that replaces the journal by a rename.
    link: PathBuf,
    open: [Option<File>; 2],
    /// The copy that is not published and gets the next update.
    next: usize,
    kind: JournalCopy,
    /// Keeps other runs from writing the same journal.
    lock: Option<OutputLock>,
}

#[derive(Clone, Copy, PartialEq)]
enum JournalCopy {
    /// Two copies that are published in turn.
    Turns,
    /// Without hard links: a copy of the whole file, published by a rename.
    Whole,
    /// A device, for example: written once, at the end.
    AtTheEnd,
    /// Standard output: the caller writes it, at the end.
    StandardOutput,
}

impl JournalPaths {
    fn open(path: &Path) -> Result<Self, JournalFileError> {
        let error = |source| JournalFileError::Open { path: path.to_owned(), source };
        if path == Path::new(STANDARD_OUTPUT) {
            return Ok(Self::without_file());
        }
        if path.is_dir() {
            return Err(error(ErrorKind::IsADirectory.into()));
        }
        // write to the target of a symbolic link
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = path.file_name().ok_or_else(|| error(ErrorKind::InvalidFilename.into()))?;
        let name = name.to_string_lossy().into_owned();
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let hidden = |part: &str| dir.join(format!(".{name}.live-{part}"));
        let special = path.exists() && !path.is_file();
        let lock = if special { Ok(None) } else { OutputLock::acquire(&path).map(Some) };
        let lock = lock.map_err(|OutputInUse| JournalFileError::InUse { path: path.clone() })?;
        let mut files = Self {
            lock,
            copies: [hidden("a"), hidden("b")],
            link: hidden("new"),
            open: [None, None],
            next: 0,
            kind: if special { JournalCopy::AtTheEnd } else { JournalCopy::Turns },
            path,
        };
        if special {
            OpenOptions::new().write(true).open(&files.path).map_err(error)?;
        } else {
            files.file(0).map_err(error)?;
            if files.path.exists() {
                OpenOptions::new().append(true).open(&files.path).map_err(|source| {
                    files.remove_copies();
                    error(source)
                })?;
            }
        }
        Ok(files)
    }

    /// Returns the paths of a journal that the caller writes to standard output.
    fn without_file() -> Self {
        Self {
            path: PathBuf::from(STANDARD_OUTPUT),
            copies: [PathBuf::new(), PathBuf::new()],
            link: PathBuf::new(),
            open: [None, None],
            next: 0,
            kind: JournalCopy::StandardOutput,
            lock: None,
        }
    }

    /// Returns the handle of a copy; creates the copy if it is missing.
    fn file(&mut self, copy: usize) -> std::io::Result<&mut File> {
        let slot = &mut self.open[copy];
        match slot {
            Some(file) => Ok(file),
            None => {
                // a copy that a killed run left may be a hard link to the journal: never write into it
                let _ = std::fs::remove_file(&self.copies[copy]);
                let opened = OpenOptions::new().create_new(true).write(true).open(&self.copies[copy]);
                Ok(slot.insert(opened?))
            }
        }
    }

    fn update(&mut self, patch: FilePatch) -> std::io::Result<()> {
        let copy = self.next;
        match patch {
            FilePatch::Nothing => return Ok(()),
            _ if matches!(self.kind, JournalCopy::AtTheEnd | JournalCopy::StandardOutput) => return Ok(()),
            FilePatch::Whole(bytes) => {
                let file = self.file(copy)?;
                file.set_len(0).and_then(|()| write_at(file, 0, &bytes))?;
            }
            FilePatch::Parts(parts) => {
                let file = self.file(copy)?;
                for (offset, bytes) in parts {
                    write_at(file, offset, &bytes)?;
                }
            }
        }
        self.publish(copy)
    }

    /// Replaces the journal by a copy.
    fn publish(&mut self, copy: usize) -> std::io::Result<()> {
        if self.kind == JournalCopy::Turns {
            let _ = std::fs::remove_file(&self.link);
            match std::fs::hard_link(&self.copies[copy], &self.link) {
                Ok(()) => {
                    std::fs::rename(&self.link, &self.path)?;
                    self.next = 1 - copy;
                    return Ok(());
                }
                Err(_) => self.kind = JournalCopy::Whole,
            }
        }
        std::fs::copy(&self.copies[copy], &self.link)?;
        std::fs::rename(&self.link, &self.path)
    }

    /// Writes the final journal; on failure saves it to the temporary directory.
    fn finish(&mut self, text: &str) -> Result<(), JournalFileError> {
        if self.kind == JournalCopy::StandardOutput {
            return Ok(());
        }
        let finished = self.write_final(text);
        self.lock = None;
        finished
    }

    fn write_final(&mut self, text: &str) -> Result<(), JournalFileError> {
        // frees disk space that the journal may need
        self.remove_copies();
        let written = if self.kind == JournalCopy::AtTheEnd {
            OpenOptions::new()
                .write(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
        } else {
            std::fs::write(&self.link, text).and_then(|()| std::fs::rename(&self.link, &self.path))
        };
        let Err(source) = written else { return Ok(()) };
        let _ = std::fs::remove_file(&self.link);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let elsewhere = std::env::temp_dir().join(format!("kubectl-chaos-{}-{name}", std::process::id()));
        let saved = match std::fs::write(&elsewhere, text) {
            Ok(()) => SavedJournal::Elsewhere(elsewhere),
            Err(_) if self.path.exists() => SavedJournal::LastState,
            Err(_) => SavedJournal::Nothing,
        };
        Err(JournalFileError::Finish { path: self.path.clone(), saved, source })
    }

    fn remove_copies(&mut self) {
        self.open = [None, None];
        if self.kind == JournalCopy::StandardOutput {
            return;
        }
        for path in self.copies.iter().chain([&self.link]) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}
