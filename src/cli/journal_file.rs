//! The journal on disk. Floor 3.
//!
//! From the first event on there is a file that is valid JSON at every instant and not more than
//! [`DELAY`] behind, whatever ends the program. Two hidden copies lie beside it; an update is applied to the one
//! that cannot be seen, which is then put in the journal's place by a hard link and a rename, and neither of
//! those can be seen half done. At the end the journal is written once more, for people, and the copies go.
//!
//! Where there are no hard links the whole file is copied at every update instead, which costs more the longer it is.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::engine::{EventWatcher, JournalSync};
use crate::event::RunEvent;
use crate::journal::{
    FilePatch, Journal, JournalBuilder, JournalDelta, JournalHeader, LiveLayout, RunVerdict,
};
use crate::series::Series;

/// How long a change may wait before it is written.
const DELAY: Duration = Duration::from_millis(100);

/// A journal that is being written.
pub(super) struct JournalFile {
    shared: Arc<SharedJournal>,
    thread: Option<JoinHandle<()>>,
}

struct SharedJournal {
    state: Mutex<JournalFileState>,
    /// Something changed, or the run is over.
    changed: Condvar,
}

struct JournalFileState {
    recorder: JournalBuilder,
    live: LiveLayout,
    files: JournalPaths,
    /// Whether anything changed since the last update.
    behind: bool,
    /// Why the last update failed, if it did.
    lost: Option<String>,
    over: bool,
}

/// Tells the journal of events.
pub(super) struct JournalWatcher(Arc<SharedJournal>);

/// Knows whether the journal is written.
pub(super) struct JournalRecord(Arc<SharedJournal>);

impl JournalFile {
    /// Makes sure that the journal can be written, before anything else happens.
    pub(super) fn open(path: &Path, header: JournalHeader) -> Result<Self, String> {
        let files = JournalPaths::open(path)?;
        let state = JournalFileState {
            recorder: JournalBuilder::new(header),
            live: LiveLayout::default(),
            files,
            behind: false,
            lost: None,
            over: false,
        };
        let shared = Arc::new(SharedJournal { state: Mutex::new(state), changed: Condvar::new() });
        let flusher = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || flusher.keep_up());
        let thread = thread.map_err(|error| format!("the journal cannot be kept up to date: {error}"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is to be told of events.
    pub(super) fn watcher(&self) -> JournalWatcher {
        JournalWatcher(Arc::clone(&self.shared))
    }

    /// For whoever has to know that something is written down.
    pub(super) fn record(&self) -> JournalRecord {
        JournalRecord(Arc::clone(&self.shared))
    }

    /// Looks at the journal as it is now.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(self.shared.state.lock().recorder.journal())
    }

    /// Notes what sampling saw.
    pub(super) fn sampled(&self, samples: Vec<Series>) {
        self.shared.state.lock().recorder.sampled(samples);
    }

    /// Writes the journal for good. Gives the journal, and what went wrong.
    pub(super) fn finish(
        mut self,
        verdict: RunVerdict,
        reason: Option<String>,
        exit_code: u8,
    ) -> (Journal, Result<(), String>) {
        self.stop();
        let mut state = self.shared.state.lock();
        let recorder = std::mem::replace(&mut state.recorder, JournalBuilder::new(JournalHeader::default()));
        let journal = recorder.finish(verdict, reason, exit_code);
        let written = state.files.finish(&journal.to_json());
        (journal, written)
    }

    fn stop(&mut self) {
        self.shared.state.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A journal that was never begun leaves nothing behind.
impl Drop for JournalFile {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
            self.shared.state.lock().files.remove_copies();
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
        state.live.touch(&parts);
        if at_once {
            state.update();
        } else if !state.behind {
            state.behind = true;
            self.0.changed.notify_all();
        }
    }
}

impl JournalSync for JournalRecord {
    fn is_kept(&self) -> Result<(), String> {
        let mut state = self.0.state.lock();
        if state.behind || state.lost.is_some() {
            state.update();
        }
        let path = || state.files.path.display();
        state.lost.as_ref().map_or(Ok(()), |error| Err(format!("{} cannot be written: {error}", path())))
    }
}

impl SharedJournal {
    /// Writes what changed, a little after it did, until the run is over.
    fn keep_up(&self) {
        let mut state = self.state.lock();
        while !state.over {
            if !state.behind {
                self.changed.wait(&mut state);
                continue;
            }
            let until = Instant::now() + DELAY;
            while !state.over && !self.changed.wait_until(&mut state, until).timed_out() {}
            if state.behind && !state.over {
                state.update();
            }
        }
    }
}

impl JournalFileState {
    fn update(&mut self) {
        self.behind = false;
        let copy = self.files.next;
        let patch = self.live.patch(copy, &self.recorder);
        self.lost = self.files.update(patch).err();
        if self.lost.is_some() {
            // the next change tries again; whether it worked out is told at the end, and to whom it matters before
            self.live.forget(copy);
        }
    }
}

/// The journal's file and its hidden copies.
struct JournalPaths {
    path: PathBuf,
    copies: [PathBuf; 2],
    /// Where a link is made before it takes the journal's place.
    link: PathBuf,
    open: [Option<File>; 2],
    /// The copy that is not to be seen, and gets the next update.
    next: usize,
    kind: JournalCopy,
}

#[derive(Clone, Copy, PartialEq)]
enum JournalCopy {
    /// Two copies that take turns.
    Turns,
    /// Where there are no hard links: a copy of the whole file, by rename.
    Whole,
    /// Something that is no file, such as a device: written once, at the end.
    AtTheEnd,
}

impl JournalPaths {
    fn open(path: &Path) -> Result<Self, String> {
        let fault = |what: String| format!("the journal cannot be written to {}: {what}", path.display());
        if path.is_dir() {
            return Err(fault("it is a folder".to_owned()));
        }
        // a link stays a link: what it leads to is written
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = path
            .file_name()
            .ok_or_else(|| fault("it has no name".to_owned()))?
            .to_string_lossy()
            .into_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let hidden = |part: &str| folder.join(format!(".{name}.live-{part}"));
        let special = path.exists() && !path.is_file();
        let mut files = Self {
            copies: [hidden("a"), hidden("b")],
            link: hidden("new"),
            open: [None, None],
            next: 0,
            kind: if special { JournalCopy::AtTheEnd } else { JournalCopy::Turns },
            path,
        };
        if special {
            OpenOptions::new().write(true).open(&files.path).map_err(|error| fault(error.to_string()))?;
        } else {
            files.file(0).map_err(fault)?;
            if files.path.exists() {
                OpenOptions::new().append(true).open(&files.path).map_err(|error| {
                    files.remove_copies();
                    fault(error.to_string())
                })?;
            }
        }
        Ok(files)
    }

    /// The handle of a copy, which is made where it is not there.
    fn file(&mut self, copy: usize) -> Result<&mut File, String> {
        let slot = &mut self.open[copy];
        match slot {
            Some(file) => Ok(file),
            None => {
                // what a killed run left behind may be the journal itself, under its other name: never write into it
                let _ = std::fs::remove_file(&self.copies[copy]);
                let opened = OpenOptions::new().create_new(true).write(true).open(&self.copies[copy]);
                Ok(slot.insert(opened.map_err(|error| error.to_string())?))
            }
        }
    }

    fn update(&mut self, patch: FilePatch) -> Result<(), String> {
        let copy = self.next;
        match patch {
            FilePatch::Nothing => return Ok(()),
            _ if self.kind == JournalCopy::AtTheEnd => return Ok(()),
            FilePatch::Whole(bytes) => {
                let file = self.file(copy)?;
                let written = file.set_len(0).and_then(|()| write_at(file, 0, &bytes));
                written.map_err(|error| error.to_string())?;
            }
            FilePatch::Parts(parts) => {
                let file = self.file(copy)?;
                for (offset, bytes) in parts {
                    write_at(file, offset, &bytes).map_err(|error| error.to_string())?;
                }
            }
        }
        self.publish(copy)
    }

    /// Puts a copy in the journal's place.
    fn publish(&mut self, copy: usize) -> Result<(), String> {
        if self.kind == JournalCopy::Turns {
            let _ = std::fs::remove_file(&self.link);
            match std::fs::hard_link(&self.copies[copy], &self.link) {
                Ok(()) => {
                    std::fs::rename(&self.link, &self.path).map_err(|error| error.to_string())?;
                    self.next = 1 - copy;
                    return Ok(());
                }
                Err(_) => self.kind = JournalCopy::Whole,
            }
        }
        let copied = std::fs::copy(&self.copies[copy], &self.link)
            .and_then(|_| std::fs::rename(&self.link, &self.path));
        copied.map_err(|error| error.to_string())
    }

    /// Writes the journal for good. Where that fails, it is put where there is room, so that it is not lost.
    fn finish(&mut self, text: &str) -> Result<(), String> {
        // first, as there may be no room but theirs
        self.remove_copies();
        let written = if self.kind == JournalCopy::AtTheEnd {
            OpenOptions::new()
                .write(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
        } else {
            std::fs::write(&self.link, text).and_then(|()| std::fs::rename(&self.link, &self.path))
        };
        let failed = written.map_err(|error| error.to_string()).err();
        let Some(error) = failed else { return Ok(()) };
        let _ = std::fs::remove_file(&self.link);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let elsewhere = std::env::temp_dir().join(format!("kubectl-chaos-{}-{name}", std::process::id()));
        let saved = match std::fs::write(&elsewhere, text) {
            Ok(()) => format!("it is in {}", elsewhere.display()),
            Err(_) if self.path.exists() => "what was written of it before is still there".to_owned(),
            Err(_) => "nothing of it could be written anywhere".to_owned(),
        };
        Err(format!("the journal could not be written to {}: {error}; {saved}", self.path.display()))
    }

    fn remove_copies(&mut self) {
        self.open = [None, None];
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
