//! Conflicts between the paths of a command line: outputs must not overwrite inputs or each other.

use std::path::{Path, PathBuf};

use crate::app::VariableInputs;
use crate::app::report_files::ReportFiles;
use crate::error_code::{Coded, ErrorCode};

/// Name of standard input and standard output.
const STANDARD_STREAM: &str = "-";
/// Maximum number of symbolic links to follow, as in the Linux kernel.
const MAX_LINKS: usize = 40;
/// Role of the log file: unlike other outputs, it is open before a directory is cleared.
const LOG: &str = "the log";

/// Role and path of a file.
type NamedPath = (String, PathBuf);

/// Two paths of a command line that exclude each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathConflict {
    #[error("{output} would overwrite {input}: {}", path.display())]
    OverwritesInput { output: String, input: String, path: PathBuf },
    #[error("{first} and {second} would both be written to {}", path.display())]
    SameOutput { first: String, second: String, path: PathBuf },
    #[error("{name} ({}) is inside {}, which will be cleared", path.display(), dir.display())]
    InsideClearedDir { name: String, path: PathBuf, dir: PathBuf },
}

impl Coded for PathConflict {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileConflict
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OverwritesInput { output, .. } => format!("choose another file for {output}"),
            Self::SameOutput { .. } => "choose a file for each".to_owned(),
            Self::InsideClearedDir { .. } => "choose another --output-dir".to_owned(),
        })
    }
}

/// Paths of a command line.
#[derive(Debug, Default)]
pub(super) struct PathSet {
    inputs: Vec<NamedPath>,
    outputs: Vec<NamedPath>,
    /// Directory that is cleared before anything is written to it.
    cleared_dir: Option<PathBuf>,
}

impl PathSet {
    /// Adds inputs.
    pub(super) fn reads(mut self, role: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.inputs.extend(named_files(role, paths));
        self
    }

    /// Adds outputs.
    pub(super) fn writes(mut self, role: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.outputs.extend(named_files(role, paths));
        self
    }

    /// Adds the log file.
    pub(super) fn writes_log(self, path: Option<&Path>) -> Self {
        self.writes(LOG, path)
    }

    /// Sets the directory that is cleared before anything is written to it.
    pub(super) fn clears(mut self, dir: &Path) -> Self {
        self.cleared_dir = Some(dir.to_owned());
        self
    }

    /// Adds variable files.
    pub(super) fn variables(self, inputs: &VariableInputs) -> Self {
        self.reads("a variable file", &inputs.files)
    }

    /// Adds report files.
    pub(super) fn reports(self, files: &ReportFiles) -> Self {
        self.writes("the JUnit XML", &files.junit)
            .writes("the Markdown", &files.markdown)
            .writes("the HTML", &files.html)
    }

    /// Checks that every output has a path of its own.
    pub(super) fn check(&self) -> Result<(), PathConflict> {
        let inputs: Vec<PathBuf> = self.inputs.iter().map(|(_, path)| canonical_target(path)).collect();
        let outputs: Vec<PathBuf> = self.outputs.iter().map(|(_, path)| canonical_target(path)).collect();
        for ((output, path), target) in self.outputs.iter().zip(&outputs) {
            if let Some(((input, _), _)) = self.inputs.iter().zip(&inputs).find(|(_, other)| *other == target)
            {
                let (output, input) = (output.clone(), input.clone());
                return Err(PathConflict::OverwritesInput { output, input, path: path.clone() });
            }
        }
        for (index, ((second, path), target)) in self.outputs.iter().zip(&outputs).enumerate() {
            // the same output twice loses nothing
            let first = self.outputs[..index]
                .iter()
                .zip(&outputs)
                .find(|((first, _), other)| *other == target && first != second);
            if let Some(((first, _), _)) = first {
                let (first, second) = (first.clone(), second.clone());
                return Err(PathConflict::SameOutput { first, second, path: path.clone() });
            }
        }
        let Some(dir) = &self.cleared_dir else { return Ok(()) };
        let target = canonical_target(dir);
        let log = self.outputs.iter().filter(|(role, _)| role == LOG);
        match self.inputs.iter().chain(log).find(|(_, path)| canonical_target(path).starts_with(&target)) {
            None => Ok(()),
            Some((name, path)) => Err(PathConflict::InsideClearedDir {
                name: name.clone(),
                path: path.clone(),
                dir: dir.clone(),
            }),
        }
    }
}

/// Returns the files among the paths, with their role; drops URLs, devices and streams.
fn named_files(role: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Vec<NamedPath> {
    let is_file = |path: &Path| {
        let is_stream_or_url =
            path == Path::new(STANDARD_STREAM) || path.to_str().is_some_and(|text| text.contains("://"));
        !is_stream_or_url && std::fs::metadata(path).map_or(true, |meta| meta.is_file() || meta.is_dir())
    };
    let paths = paths.into_iter().map(|path| path.as_ref().to_owned());
    paths.filter(|path| is_file(path)).map(|path| (role.to_owned(), path)).collect()
}

/// Returns the canonical path, whether the file exists or not.
fn canonical_target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(target) = std::fs::canonicalize(&path) {
            return target;
        }
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        match std::fs::read_link(&path) {
            // a dangling link: writing creates its target
            Ok(target) => path = dir.join(target),
            Err(_) => {
                let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { &dir };
                let dir = std::fs::canonicalize(dir).or_else(|_| std::path::absolute(dir));
                return dir.unwrap_or_default().join(path.file_name().unwrap_or_default());
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_share_a_path_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("e.json"), "").unwrap();
        std::fs::create_dir(path("sub")).unwrap();
        let check = |input: &str, outputs: &[(&str, &str)], expected: Option<&str>| {
            let mut paths = PathSet::default().reads("the experiment", [path(input)]);
            for (role, name) in outputs {
                paths = paths.writes(role, [path(name)]);
            }
            let message = paths.check().err().map(|error| error.to_string());
            let message = message.map(|text| text.replace(&format!("{}/", dir.path().display()), ""));
            assert_eq!(message.as_deref(), expected);
        };
        let html = "the HTML";
        check("e.json", &[(LOG, "x"), (html, "y")], None);
        check("e.json", &[(html, "e.json")], Some("the HTML would overwrite the experiment: e.json"));
        check(
            "e.json",
            &[(html, "sub/../e.json")],
            Some("the HTML would overwrite the experiment: sub/../e.json"),
        );
        let both = Some("the log and the HTML would both be written to sub/../x");
        check("e.json", &[(LOG, "x"), (html, "sub/../x")], both);
        check("e.json", &[(html, "x"), (html, "x")], None);
        let missing = Some("the HTML would overwrite the experiment: sub/../none.json");
        check("none.json", &[(html, "sub/../none.json")], missing);
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink("e.json", path("link")).unwrap();
            check("e.json", &[(html, "link")], Some("the HTML would overwrite the experiment: link"));
            symlink("../later", path("sub/dangling")).unwrap();
            let both = Some("the log and the HTML would both be written to later");
            check("e.json", &[(LOG, "sub/dangling"), (html, "later")], both);
            symlink("loop", path("loop")).unwrap();
            check("e.json", &[(html, "loop")], None);
            let devices = PathSet::default().writes("a", ["/dev/null"]).writes("b", ["/dev/null", "-"]);
            assert_eq!(devices.writes("c", ["-"]).check(), Ok(()));
        }
    }

    #[test]
    fn input_inside_a_cleared_directory_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let check = |paths: PathSet, expected: bool| {
            assert_eq!(paths.clears(dir.path()).check().is_ok(), expected);
        };
        let inside = dir.path().join("a/x");
        check(PathSet::default().reads("the experiment", [&inside]), false);
        check(PathSet::default().writes_log(Some(&inside)), false);
        check(PathSet::default().writes("the HTML", [&inside]), true);
        check(PathSet::default().reads("the experiment", [dir.path().with_extension("x")]), true);
    }
}
