//! The terminal: lines on standard error, results on standard output, the log file. Floor 3.

use std::borrow::Cow;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;

use super::args::{ColorMode, GlobalArgs, LogFormat, LogLevel};
use crate::clock::Timestamp;
use crate::config::ProcessEnv;
use crate::console::{ConsoleLine, LineLevel, LineStyle, format_line};
use crate::github::workflow_command::neutral;

/// From this verbosity on, details are shown: what kubectl calls the debug level.
const DETAILS: u8 = 4;

/// Where everything that a person reads goes through.
pub(super) struct Terminal {
    style: LineStyle,
    least: LineLevel,
    /// Whether standard error is a terminal that live progress can be shown on.
    live: bool,
    log: Option<Mutex<File>>,
    log_least: LineLevel,
    bar: Mutex<Option<ProgressBar>>,
    /// Whether a runner listens for commands in what is said, so that texts of others must not be taken for some.
    overheard: bool,
    /// Whether that is so of results, too: elsewhere somebody may have asked for them as they are.
    results_overheard: bool,
}

impl Terminal {
    /// The terminal that the flags ask for. An error is about the log file.
    pub(super) fn new(
        global: &GlobalArgs,
        environment: &ProcessEnv,
        context: &str,
    ) -> Result<Arc<Self>, String> {
        let log = global.log_file.as_deref().map(open_log).transpose()?;
        let terminal = std::io::stderr().is_terminal();
        let style = match global.log_format {
            LogFormat::Json => LineStyle::Json { context: context.to_owned(), process: std::process::id() },
            LogFormat::String => LineStyle::Text { colour: colour(global, environment, terminal) },
        };
        let least = if global.quiet {
            LineLevel::Error
        } else if global.verbose || global.verbosity >= DETAILS {
            LineLevel::Debug
        } else {
            LineLevel::Info
        };
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Ok(Arc::new(Self {
            live: terminal && !dumb && !global.quiet && global.log_format == LogFormat::String,
            style,
            least,
            log: log.map(Mutex::new),
            log_least: match global.log_file_level {
                LogLevel::Debug => LineLevel::Debug,
                LogLevel::Info => LineLevel::Info,
                LogLevel::Warning => LineLevel::Warning,
                LogLevel::Error => LineLevel::Error,
            },
            bar: Mutex::new(None),
            overheard: environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            results_overheard: false,
        }))
    }

    /// One that shows what needs attention only, unless details were asked for.
    pub(super) fn quieter(&self) -> Arc<Self> {
        let least =
            if self.least > LineLevel::Debug { self.least.max(LineLevel::Warning) } else { self.least };
        Arc::new(Self { least, ..self.copy() })
    }

    /// One whose results are for the log of a job.
    pub(super) fn for_a_log(&self) -> Arc<Self> {
        Arc::new(Self { results_overheard: self.overheard, ..self.copy() })
    }

    fn copy(&self) -> Self {
        let log = self.log.as_ref().and_then(|log| log.lock().try_clone().ok());
        Self {
            style: self.style.clone(),
            least: self.least,
            live: self.live,
            log: log.map(Mutex::new),
            log_least: self.log_least,
            bar: Mutex::new(None),
            overheard: self.overheard,
            results_overheard: self.results_overheard,
        }
    }

    /// Says a command to the runner, if one listens.
    pub(super) fn command(&self, command: &str) {
        if self.overheard {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{command}").and_then(|()| out.flush());
        }
    }

    /// Shows a line, and logs it. Nobody may be looking any more: that is no reason to stop.
    pub(super) fn say(&self, line: &ConsoleLine) {
        let now = Timestamp::now();
        if line.level >= self.least {
            let text = format_line(line, now, &self.style);
            let text = if self.overheard { neutral(&text) } else { Cow::Borrowed(text.as_str()) };
            let write = || {
                let _ = std::io::stderr().lock().write_all(text.as_bytes());
            };
            match self.bar.lock().as_ref() {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
        if let Some(log) = self.log.as_ref().filter(|_| line.level >= self.log_least) {
            let text = format_line(line, now, &LineStyle::Text { colour: false });
            let _ = log.lock().write_all(text.as_bytes());
        }
    }

    /// Writes a result to standard output. An error is one of a file system, not of a reader who left.
    pub(super) fn result(&self, text: &str) -> Result<(), String> {
        let text = if self.results_overheard { neutral(text) } else { Cow::Borrowed(text) };
        let write = || {
            let mut out = std::io::stdout().lock();
            match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
                _ => Ok(()),
            }
        };
        match self.bar.lock().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Whether live progress can be shown.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Shows what is going on, in place; nothing takes it away.
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

/// Opens a log file for more, and draws the line that the Chaos Toolkit puts before each run.
fn open_log(path: &Path) -> Result<File, String> {
    let opened = File::options().create(true).append(true).open(path);
    let drawn = opened.and_then(|mut file| writeln!(file, "{}", "#".repeat(79)).map(|()| file));
    drawn.map_err(|error| format!("the log file {} cannot be written: {error}", path.display()))
}

/// Whether to use colour: as the flags say; else `NO_COLOR`, `FORCE_COLOR` and `CLICOLOR_FORCE`; else on a
/// terminal.
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
