//! Console lines of a run that takes place beside others.

use std::sync::Arc;

use crate::app::{ProgressDisplay, Reporter};
use crate::console::ConsoleLine;

/// Reporter that names the run in every line, and shows no live progress: a terminal has one line for it.
#[derive(Clone)]
pub(super) struct RunReporter {
    inner: Arc<dyn Reporter>,
    prefix: String,
}

impl RunReporter {
    /// Creates the reporter of a run.
    pub(super) fn new(inner: Arc<dyn Reporter>, prefix: String) -> Self {
        Self { inner, prefix }
    }
}

impl Reporter for RunReporter {
    fn show(&self, line: &ConsoleLine) {
        let mut line = line.clone();
        line.text = format!("{}{}", self.prefix, line.text);
        self.inner.show(&line);
    }

    fn has_toolkit_readers(&self) -> bool {
        self.inner.has_toolkit_readers()
    }

    // the same text of several runs is shown once
    fn warn_once(&self, warning: &str) {
        self.inner.warn_once(warning);
    }

    fn send_command(&self, command: &str) {
        self.inner.send_command(command);
    }

    fn quieter(&self) -> Arc<dyn Reporter> {
        Arc::new(Self { inner: self.inner.quieter(), prefix: self.prefix.clone() })
    }

    fn start_progress(self: Arc<Self>) -> Option<Box<dyn ProgressDisplay>> {
        None
    }
}
