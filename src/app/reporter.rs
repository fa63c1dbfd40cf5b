//! Where the lines of a use case go.

use std::sync::Arc;

use crate::console::{ConsoleLine, event_lines};
use crate::engine::EventWatcher;
use crate::event::RunEvent;

/// Shows what happens, while it happens. A terminal implements it.
pub(crate) trait Reporter: Send + Sync {
    /// Shows a line.
    fn show(&self, line: &ConsoleLine);

    /// Sends a workflow command to the GitHub runner, if there is one.
    fn send_command(&self, command: &str);

    /// Returns a reporter that shows only warnings and errors.
    fn quieter(&self) -> Arc<dyn Reporter>;

    /// Starts the display of live progress; `None` if it cannot be shown.
    fn start_progress(self: Arc<Self>) -> Option<Box<dyn ProgressDisplay>>;
}

/// Display of live progress, until it is dropped.
pub(crate) trait ProgressDisplay {
    /// Returns a watcher for the events of the run.
    fn watcher(&self) -> Box<dyn EventWatcher>;
}

/// Shows the lines of every event.
pub(super) struct ReportingWatcher(pub(super) Arc<dyn Reporter>);

impl EventWatcher for ReportingWatcher {
    fn watch(&mut self, event: &RunEvent) {
        for line in event_lines(event) {
            self.0.show(&line);
        }
    }
}
