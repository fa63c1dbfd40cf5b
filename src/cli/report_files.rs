//! Report files: checked before the run, and written completely or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::exit_code::ExitStatus;
use super::terminal::Terminal;
use crate::compare::RunComparison;
use crate::error_code::{Coded, ErrorCode};
use crate::journal::Record;
use crate::report::markdown::MAX_COMMENT_BYTES;
use crate::report::{self, ReportSummary};

/// Name of standard output.
pub(super) const STANDARD_OUTPUT: &str = "-";

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub(super) struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

impl WriteError {
    pub(super) fn new(path: &Path, source: std::io::Error) -> Self {
        let source = std::io::Error::new(source.kind(), reason(&source));
        Self { path: path.to_owned(), source }
    }
}

impl Coded for WriteError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileNotWritable
    }
}

/// Returns the error of two results on standard output.
pub(super) fn standard_output_conflict() -> CliError {
    let message = "cannot write two results to standard output";
    CliError::new(ErrorCode::UsageInvalid, message).with_hint("write one of them to a file")
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// Write JUnit XML to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) junit: Option<PathBuf>,
    /// Write Markdown for a pull request to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) markdown: Option<PathBuf>,
    /// Write a self-contained HTML page to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) html: Option<PathBuf>,
}

impl ReportArgs {
    /// Returns the requested reports: name and file.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [("junit", &self.junit), ("markdown", &self.markdown), ("html", &self.html)];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?)))
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.named().map(|(_, file)| file)
    }

    /// Returns whether a report goes to standard output.
    pub(super) fn is_on_standard_output(&self) -> bool {
        self.files().any(|file| file == Path::new(STANDARD_OUTPUT))
    }

    /// Checks before the run that every report can be written.
    pub(super) fn check(&self, is_standard_output_taken: bool) -> Result<(), CliError> {
        let count = self.files().filter(|file| *file == Path::new(STANDARD_OUTPUT)).count();
        if count + usize::from(is_standard_output_taken && count > 0) > 1 {
            return Err(standard_output_conflict());
        }
        let mut files = self.files().filter(|file| *file != Path::new(STANDARD_OUTPUT));
        // nothing was changed yet
        files.try_for_each(|file| {
            check_writable(file).map_err(|error| CliError::from(error).with_status(ExitStatus::Usage))
        })
    }

    /// Writes the reports; returns the errors.
    pub(super) fn write(
        &self,
        terminal: &Terminal,
        records: &[Record],
        comparison: Option<&RunComparison>,
    ) -> Vec<CliError> {
        if self.files().next().is_none() {
            return Vec::new();
        }
        let summary = ReportSummary::from_records(records, comparison);
        let mut errors = Vec::new();
        let mut write = |file: &Option<PathBuf>, render: &dyn Fn(&ReportSummary) -> String| {
            let Some(file) = file else { return };
            let text = render(&summary);
            let result = if file == Path::new(STANDARD_OUTPUT) {
                terminal.result(&text).map_err(CliError::from)
            } else {
                replace(file, text.as_bytes()).map_err(CliError::from)
            };
            errors.extend(result.err());
        };
        write(&self.junit, &report::junit::render);
        write(&self.markdown, &|summary| report::markdown::render(summary, MAX_COMMENT_BYTES));
        write(&self.html, &report::html::render);
        errors
    }
}

/// Checks that a file can be written: its directory exists and accepts new files.
fn check_writable(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Err(WriteError::new(path, std::io::ErrorKind::IsADirectory.into()));
    }
    if path.exists() && !path.is_file() {
        // a device, for example: opened only when it is written
        return Ok(());
    }
    if path.is_file() {
        let opened = std::fs::OpenOptions::new().append(true).open(path);
        opened.map_err(|error| WriteError::new(path, error))?;
    }
    let created = tempfile::Builder::new().tempfile_in(parent_dir(path));
    created.map(drop).map_err(|error| WriteError::new(path, error))
}

/// Returns the message of an error without the path of a temporary file, which the user does not know.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path ").map_or(text.clone(), |(message, _)| message.to_owned())
}

fn parent_dir(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file completely or not at all. Follows a symbolic link, and writes into a device.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let error = |error| WriteError::new(path, error);
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes).map_err(error);
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut builder = tempfile::Builder::new();
    set_default_permissions(&mut builder);
    let mut file = builder.tempfile_in(parent_dir(&target)).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.persist(&target).map(drop).map_err(|persist| error(persist.error))
}

/// Applies the permissions of a new file instead of those of a temporary one.
#[cfg(unix)]
fn set_default_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn set_default_permissions(_: &mut tempfile::Builder<'_, '_>) {}
