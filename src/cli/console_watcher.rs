//! Shows the events of a run: console lines and live progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::terminal::Terminal;
use crate::clock::Timestamp;
use crate::console::{ProgressState, event_lines};
use crate::engine::EventWatcher;
use crate::event::RunEvent;

/// Redraw interval of live progress.
const TICK: Duration = Duration::from_millis(100);

/// Shows the lines of every event.
pub(super) struct ConsoleWatcher(pub(super) Arc<Terminal>);

impl EventWatcher for ConsoleWatcher {
    fn watch(&mut self, event: &RunEvent) {
        for line in event_lines(event) {
            self.0.say(&line);
        }
    }
}

/// Redraws live progress on a terminal.
pub(super) struct LiveProgress {
    progress: Arc<Mutex<ProgressState>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LiveProgress {
    /// Starts the thread; `None` without a terminal.
    pub(super) fn start(terminal: &Arc<Terminal>) -> Option<Self> {
        if !terminal.is_live() {
            return None;
        }
        let progress = Arc::new(Mutex::new(ProgressState::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (state, ended, terminal) = (Arc::clone(&progress), Arc::clone(&is_over), Arc::clone(terminal));
        let draw = move || {
            while !ended.load(Ordering::Relaxed) {
                let line = state.lock().line(Timestamp::now());
                terminal.progress(line.as_deref());
                std::thread::sleep(TICK);
            }
            terminal.progress(None);
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(draw).ok()?;
        Some(Self { progress, is_over, thread: Some(thread) })
    }

    /// Returns a watcher for the events of the run.
    pub(super) fn watcher(&self) -> impl EventWatcher + use<> {
        ProgressWatcher(Arc::clone(&self.progress))
    }
}

impl Drop for LiveProgress {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct ProgressWatcher(Arc<Mutex<ProgressState>>);

impl EventWatcher for ProgressWatcher {
    fn watch(&mut self, event: &RunEvent) {
        self.0.lock().update(event, Timestamp::now());
    }
}
