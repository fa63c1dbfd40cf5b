//! Live progress of a run on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::Terminal;
use crate::app::ProgressDisplay;
use crate::clock::Timestamp;
use crate::console::ProgressState;
use crate::engine::EventWatcher;
use crate::event::RunEvent;

/// Redraw interval of live progress.
const TICK: Duration = Duration::from_millis(100);

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
}

impl ProgressDisplay for LiveProgress {
    fn watcher(&self) -> Box<dyn EventWatcher> {
        Box::new(ProgressWatcher(Arc::clone(&self.progress)))
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
