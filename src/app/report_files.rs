//! Report files: checked before the run, and written completely or not at all.

use std::path::{Path, PathBuf};

use super::atomic_file::{WriteError, parent_dir, replace};
use super::error::AppError;
use super::outcome::Outcome;
use super::output_lock::{OutputInUse, OutputLock};
use crate::compare::RunComparison;
use crate::error_code::{Coded, ErrorCode};
use crate::journal::Record;
use crate::report::markdown::MAX_COMMENT_BYTES;
use crate::report::{self, ReportSummary};

/// Name of standard output.
pub(crate) const STANDARD_OUTPUT: &str = "-";

/// Returns the error of two results on standard output.
pub(crate) fn standard_output_conflict() -> AppError {
    let message = "cannot write two results to standard output";
    AppError::new(ErrorCode::UsageInvalid, message).with_hint("write one of them to a file")
}

/// Another process writes the same report file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("report file {} is being written by another command", path.display())]
pub(crate) struct ReportInUse {
    /// The report, which is the name of its flag.
    report: &'static str,
    path: PathBuf,
}

impl Coded for ReportInUse {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileConflict
    }

    fn hint(&self) -> Option<String> {
        Some(format!("choose another file with --{}", self.report))
    }
}

/// The right to write the report files. It ends when it is dropped.
#[derive(Debug, Default)]
#[must_use = "hold it until the reports are written"]
pub(crate) struct ReportLocks {
    #[expect(dead_code, reason = "they are held until they are dropped")]
    locks: Vec<OutputLock>,
}

/// The file of each report; `-` is standard output.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportFiles {
    pub(crate) junit: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
}

impl ReportFiles {
    /// Returns the reports that `ci` and `trial` write to their directory.
    pub(crate) fn in_directory(dir: &Path) -> Self {
        let file = |name: &str| Some(dir.join(name));
        Self { junit: file("junit.xml"), markdown: file("summary.md"), html: file("report.html") }
    }

    /// Returns the requested reports: name and file.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [("junit", &self.junit), ("markdown", &self.markdown), ("html", &self.html)];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?)))
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.named().map(|(_, file)| file)
    }

    /// Returns whether a report goes to standard output.
    pub(crate) fn is_on_standard_output(&self) -> bool {
        self.files().any(|file| file == Path::new(STANDARD_OUTPUT))
    }

    /// Checks before the run that every report can be written, and keeps other processes from writing them.
    pub(crate) fn check(&self, is_standard_output_taken: bool) -> Result<ReportLocks, AppError> {
        let count = self.files().filter(|file| *file == Path::new(STANDARD_OUTPUT)).count();
        if count + usize::from(is_standard_output_taken && count > 0) > 1 {
            return Err(standard_output_conflict());
        }
        let mut locks = Vec::new();
        for (report, file) in self.named().filter(|(_, file)| *file != Path::new(STANDARD_OUTPUT)) {
            // nothing was changed yet
            check_writable(file).map_err(|error| AppError::from(error).with_outcome(Outcome::Usage))?;
            if file.is_file() || !file.exists() {
                let lock = OutputLock::acquire(file);
                locks.push(lock.map_err(|OutputInUse| ReportInUse { report, path: file.clone() })?);
            }
        }
        Ok(ReportLocks { locks })
    }

    /// Writes the reports; returns the errors. `write_output` writes to standard output.
    pub(crate) fn write(
        &self,
        records: &[Record],
        comparison: Option<&RunComparison>,
        write_output: &dyn Fn(&str) -> Result<(), AppError>,
    ) -> Vec<AppError> {
        if self.files().next().is_none() {
            return Vec::new();
        }
        let summary = ReportSummary::from_records(records, comparison);
        let mut errors = Vec::new();
        let mut write = |file: &Option<PathBuf>, render: &dyn Fn(&ReportSummary) -> String| {
            let Some(file) = file else { return };
            let text = render(&summary);
            let result = if file == Path::new(STANDARD_OUTPUT) {
                write_output(&text)
            } else {
                replace(file, text.as_bytes()).map_err(AppError::from)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_file_is_refused_while_another_command_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(dir.path().join(name));
        let all = ReportFiles { junit: at("j.xml"), markdown: at("m.md"), html: at("h.html") };
        let locks = all.check(false).unwrap();
        let check = |files: &ReportFiles, flag: &str| {
            let error = files.check(false).unwrap_err();
            assert_eq!((error.code, error.outcome), (ErrorCode::FileConflict, Outcome::Usage), "{error}");
            assert_eq!(error.hint.as_deref(), Some(format!("choose another file with --{flag}").as_str()));
        };
        check(&ReportFiles { junit: at("j.xml"), ..ReportFiles::default() }, "junit");
        check(&ReportFiles { markdown: at("m.md"), ..ReportFiles::default() }, "markdown");
        check(&ReportFiles { html: at("./h.html"), ..ReportFiles::default() }, "html");
        ReportFiles { html: at("other.html"), ..ReportFiles::default() }.check(false).map(drop).unwrap();
        drop(locks);
        all.check(false).map(drop).unwrap();
    }
}
