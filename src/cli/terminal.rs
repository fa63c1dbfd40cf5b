//! The terminal: lines on standard error, results on standard output, the log file.

mod live_progress;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;

use super::shared_args::{ColorMode, ExitCodeStyle, GlobalArgs, LogFormat, LogLevel};
use crate::app::{ProgressDisplay, Reporter};
use crate::clock::Timestamp;
use crate::config::ProcessEnv;
use crate::console::{ConsoleLine, LineLevel, LineStyle, format_line};
use crate::error_code::{Coded, ErrorCode};
use crate::github::workflow_command::neutralize;
use live_progress::LiveProgress;

/// Verbosity from which debug lines are shown, as in kubectl.
const DEBUG_VERBOSITY: u8 = 4;

/// An output cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("cannot write to standard output")]
    StandardOutput(#[source] std::io::Error),
    #[error("cannot write log file {}", path.display())]
    LogFile { path: PathBuf, source: std::io::Error },
}

impl Coded for OutputError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileNotWritable
    }
}

/// Writes everything that a person reads.
pub(super) struct Terminal {
    style: LineStyle,
    /// Whether tools of the Chaos Toolkit read the lines.
    has_toolkit_readers: bool,
    min_level: LineLevel,
    /// Whether standard error is a terminal that can show live progress.
    live: bool,
    log: Option<Mutex<File>>,
    log_min_level: LineLevel,
    /// The line of live progress, which every other line of the program leaves intact.
    bar: Arc<Mutex<Option<ProgressBar>>>,
    /// Whether a GitHub runner parses the lines for workflow commands, so that untrusted text must be neutralized.
    overheard: bool,
    /// Whether results are neutralized, too. Otherwise they are written verbatim.
    results_overheard: bool,
    /// Whether a result was written to standard output.
    has_result: Arc<AtomicBool>,
    /// The warnings that were shown once.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

impl Terminal {
    /// Creates the terminal without a log file.
    pub(super) fn new(global: &GlobalArgs, environment: &ProcessEnv, context: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let style = match global.log_format {
            LogFormat::Json => LineStyle::Json { context: context.to_owned(), process: std::process::id() },
            LogFormat::String => LineStyle::Text { colour: colour(global, environment, terminal) },
        };
        let min_level = if global.quiet {
            LineLevel::Error
        } else if global.verbose || global.verbosity >= DEBUG_VERBOSITY {
            LineLevel::Debug
        } else {
            LineLevel::Info
        };
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: terminal && !dumb && !global.quiet && global.log_format == LogFormat::String,
            has_toolkit_readers: global.exit_code == ExitCodeStyle::Chaostoolkit
                || global.log_format == LogFormat::Json,
            style,
            min_level,
            log: None,
            log_min_level: match global.log_file_level {
                LogLevel::Debug => LineLevel::Debug,
                LogLevel::Info => LineLevel::Info,
                LogLevel::Warning => LineLevel::Warning,
                LogLevel::Error => LineLevel::Error,
            },
            bar: Arc::default(),
            overheard: environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            results_overheard: false,
            has_result: Arc::default(),
            warned: Arc::default(),
        }
    }

    /// Opens the log file, if the flags name one.
    pub(super) fn open_log(&mut self, global: &GlobalArgs) -> Result<(), OutputError> {
        self.log = global.log_file.as_deref().map(open_log).transpose()?.map(Mutex::new);
        Ok(())
    }

    /// Returns a terminal whose results go to the log of a CI job.
    pub(super) fn for_a_log(&self) -> Arc<Self> {
        Arc::new(Self { results_overheard: self.overheard, ..self.copy() })
    }

    fn copy(&self) -> Self {
        let log = self.log.as_ref().and_then(|log| log.lock().try_clone().ok());
        Self {
            style: self.style.clone(),
            has_toolkit_readers: self.has_toolkit_readers,
            min_level: self.min_level,
            live: self.live,
            log: log.map(Mutex::new),
            log_min_level: self.log_min_level,
            bar: Arc::clone(&self.bar),
            overheard: self.overheard,
            results_overheard: self.results_overheard,
            has_result: Arc::clone(&self.has_result),
            warned: Arc::clone(&self.warned),
        }
    }

    /// Sends a workflow command to the GitHub runner, if there is one.
    pub(super) fn command(&self, command: &str) {
        if self.overheard {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{command}").and_then(|()| out.flush());
        }
    }

    /// Shows a line and logs it. Ignores a closed standard error.
    pub(super) fn show(&self, line: &ConsoleLine) {
        let now = Timestamp::now();
        if line.level >= self.min_level {
            let text = format_line(line, now, &self.style);
            let text = if self.overheard { neutralize(&text) } else { Cow::Borrowed(text.as_str()) };
            let write = || {
                let _ = std::io::stderr().lock().write_all(text.as_bytes());
            };
            match self.bar.lock().as_ref() {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
        if let Some(log) = self.log.as_ref().filter(|_| line.level >= self.log_min_level) {
            let text = format_line(line, now, &LineStyle::Text { colour: false });
            let _ = log.lock().write_all(text.as_bytes());
        }
    }

    /// Writes a result to standard output. A closed pipe is no error.
    pub(super) fn write_result(&self, text: &str) -> Result<(), OutputError> {
        self.has_result.store(true, Ordering::Relaxed);
        let text = if self.results_overheard { neutralize(text) } else { Cow::Borrowed(text) };
        let write = || {
            let mut out = std::io::stdout().lock();
            match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(OutputError::StandardOutput(error))
                }
                _ => Ok(()),
            }
        };
        match self.bar.lock().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Returns whether a result was written to standard output.
    pub(super) fn has_result(&self) -> bool {
        self.has_result.load(Ordering::Relaxed)
    }

    /// Returns whether live progress can be shown.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Shows a progress line in place; `None` removes it.
    pub(super) fn progress(&self, line: Option<&str>) {
        let mut bar = self.bar.lock();
        match (line, bar.as_ref()) {
            (None, Some(_)) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            (Some(line), Some(bar)) => {
                bar.set_message(line.to_owned());
                bar.tick();
            }
            (Some(line), None) => {
                let new = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                    new.set_style(style);
                }
                new.set_message(line.to_owned());
                *bar = Some(new);
            }
            (None, None) => {}
        }
    }
}

impl Reporter for Terminal {
    fn show(&self, line: &ConsoleLine) {
        self.show(line);
    }

    fn has_toolkit_readers(&self) -> bool {
        self.has_toolkit_readers
    }

    fn warn_once(&self, warning: &str) {
        if self.warned.lock().insert(warning.to_owned()) {
            let message = format!("the API server warns: {warning}");
            self.show(&ConsoleLine::note(LineLevel::Warning, message));
        }
    }

    fn send_command(&self, command: &str) {
        self.command(command);
    }

    fn quieter(&self) -> Arc<dyn Reporter> {
        let min_level = if self.min_level > LineLevel::Debug {
            self.min_level.max(LineLevel::Warning)
        } else {
            self.min_level
        };
        Arc::new(Self { min_level, ..self.copy() })
    }

    fn start_progress(self: Arc<Self>) -> Option<Box<dyn ProgressDisplay>> {
        Some(Box::new(LiveProgress::start(&self)?))
    }
}

/// Opens a log file for appending, and writes the line that the Chaos Toolkit puts before each run.
fn open_log(path: &Path) -> Result<File, OutputError> {
    let file = File::options().create(true).append(true).open(path);
    let written = file.and_then(|mut file| writeln!(file, "{}", "#".repeat(79)).map(|()| file));
    written.map_err(|source| OutputError::LogFile { path: path.to_owned(), source })
}

/// Decides on colour by the flags, then by `NO_COLOR`, `FORCE_COLOR` and `CLICOLOR_FORCE`, then by the terminal.
fn colour(global: &GlobalArgs, environment: &ProcessEnv, terminal: bool) -> bool {
    let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    match global.color {
        _ if global.no_color => false,
        ColorMode::Never => false,
        ColorMode::Always => true,
        ColorMode::Auto if set("NO_COLOR") => false,
        ColorMode::Auto if set("FORCE_COLOR") || set("CLICOLOR_FORCE") => true,
        ColorMode::Auto => terminal && environment.get("TERM").is_none_or(|term| term != "dumb"),
    }
}
