//! Files for results: known to be writable before anything runs, and written whole or not at all. Floor 3.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::Terminal;
use crate::compare::RunComparison;
use crate::journal::Record;
use crate::report::markdown::MAX_COMMENT_BYTES;
use crate::report::{self, ReportSummary};

/// The name of standard output.
const STANDARD_OUTPUT: &str = "-";

/// Which reports to write.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// Write JUnit XML to this file; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) junit: Option<PathBuf>,
    /// Write Markdown, for a pull request, to this file; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) markdown: Option<PathBuf>,
    /// Write one HTML file that holds everything, for a browser, to this file; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) html: Option<PathBuf>,
}

impl ReportArgs {
    /// The files that were asked for, each with the name of its report.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [("junit", &self.junit), ("markdown", &self.markdown), ("html", &self.html)];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?)))
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.named().map(|(_, file)| file)
    }

    /// Whether one of them goes to standard output.
    pub(super) fn is_on_standard_output(&self) -> bool {
        self.files().any(|file| file == Path::new(STANDARD_OUTPUT))
    }

    /// Makes sure that all of them can be written, before anything runs. An error says which cannot.
    pub(super) fn check(&self, answer_on_standard_output: bool) -> Result<(), String> {
        let standard = self.files().filter(|file| *file == Path::new(STANDARD_OUTPUT)).count();
        if standard + usize::from(answer_on_standard_output && standard > 0) > 1 {
            return Err(
                "two results cannot both go to standard output: name a file for one of them".to_owned()
            );
        }
        self.files().filter(|file| *file != Path::new(STANDARD_OUTPUT)).try_for_each(|file| writable(file))
    }

    /// Writes them. What could not be written is told, each with the reason.
    pub(super) fn write(
        &self,
        terminal: &Terminal,
        records: &[Record],
        comparison: Option<&RunComparison>,
    ) -> Vec<String> {
        if self.files().next().is_none() {
            return Vec::new();
        }
        let summary = ReportSummary::from_records(records, comparison);
        let mut failed = Vec::new();
        let mut put = |file: &Option<PathBuf>, render: &dyn Fn(&ReportSummary) -> String| {
            let Some(file) = file else { return };
            let text = render(&summary);
            let written = if file == Path::new(STANDARD_OUTPUT) {
                terminal.result(&text).map_err(|error| format!("the report cannot be written: {error}"))
            } else {
                replace(file, text.as_bytes())
            };
            failed.extend(written.err());
        };
        put(&self.junit, &report::junit::render);
        put(&self.markdown, &|summary| report::markdown::render(summary, MAX_COMMENT_BYTES));
        put(&self.html, &report::html::render);
        failed
    }
}

/// Whether a file can be written: its folder is there and takes files, and it is none that must stay.
fn writable(path: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", path.display());
    if path.is_dir() {
        return Err(failed(&"it is a folder"));
    }
    if path.exists() && !path.is_file() {
        // such as a device: it is opened when it is written
        return Ok(());
    }
    if path.is_file() {
        std::fs::OpenOptions::new().append(true).open(path).map_err(|error| failed(&error))?;
    }
    tempfile::Builder::new().tempfile_in(folder(path)).map_err(|error| failed(&reason(&error))).map(drop)
}

/// What went wrong, without the name of a file that stands aside until it is whole: nobody knows that.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path ").map_or(text.clone(), |(what, _)| what.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file, whole or not at all. A link stays a link, and something that is no file is written into.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {}", path.display(), reason(&error));
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut builder = tempfile::Builder::new();
    for_others(&mut builder);
    let mut file = builder.tempfile_in(folder(&path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error)).map(drop)
}

/// As readable as any other file that is written, unlike a temporary one.
#[cfg(unix)]
fn for_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn for_others(_: &mut tempfile::Builder<'_, '_>) {}
