//! Where the lines of a use case go.

use std::sync::Arc;

use crate::console::{ConsoleLine, event_lines};
use crate::engine::EventWatcher;
use crate::event::RunEvent;

/// Shows what happens, while it happens. A terminal implements it.
pub(crate) trait Reporter: Send + Sync {
    /// Shows a line.
    fn show(&self, line: &ConsoleLine);

    /// Returns whether tools of the Chaos Toolkit read the lines, so that the first error of an experiment has its form, too.
    fn has_toolkit_readers(&self) -> bool;

    /// Shows a warning of the API server, each text once.
    fn warn_once(&self, warning: &str);

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
