//! The directory that `ci` and `trial` write: finds its journals and reports.
//!
//! An untrusted directory is read with limits: only regular files with expected names, no symbolic links, a limited
//! number of files and bytes.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::document::{self, MAX_BYTES};
use crate::journal::{JournalError, Record};
use crate::sort;

/// Names of the arms: the directories of their journals.
pub(crate) const ARMS: [&str; 2] = ["before", "after"];
/// Maximum number of entries in an untrusted directory.
const MAX_ENTRIES: usize = 1_000;
/// Maximum number of journals in an untrusted directory.
const MAX_JOURNALS: usize = 200;
/// Maximum total size of the journals in an untrusted directory.
const MAX_TOTAL_BYTES: usize = 8 * MAX_BYTES;

/// Reports in the directory: name of the step output, and file name.
pub(crate) const REPORTS: [(&str, &str); 3] =
    [("junit", "junit.xml"), ("markdown", "summary.md"), ("html", "report.html")];

/// Results cannot be read from a directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsDirError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("refusing to follow symbolic link {}", path.display())]
    SymbolicLink { path: PathBuf },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is larger than {} MiB", path.display(), MAX_BYTES / 1024 / 1024)]
    FileTooLarge { path: PathBuf },
    #[error("{} has more than {MAX_ENTRIES} entries", path.display())]
    TooManyEntries { path: PathBuf },
    #[error("{} has more than {MAX_JOURNALS} journals", path.display())]
    TooManyJournals { path: PathBuf },
    #[error("journals up to {} are larger than {} MiB in total", path.display(), MAX_TOTAL_BYTES / 1024 / 1024)]
    TotalTooLarge { path: PathBuf },
    #[error("{} has journals of a trial and of single runs", path.display())]
    Mixed { path: PathBuf },
    #[error("{0}")]
    Encoding(Box<Diagnostic>),
    #[error(transparent)]
    InvalidJournal(#[from] JournalError),
}

impl Coded for ResultsDirError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Read { .. } | Self::NotADirectory { .. } => ErrorCode::FileNotReadable,
            Self::SymbolicLink { .. }
            | Self::NotAFile { .. }
            | Self::FileTooLarge { .. }
            | Self::TooManyEntries { .. }
            | Self::TooManyJournals { .. }
            | Self::TotalTooLarge { .. } => ErrorCode::FileUntrusted,
            Self::Mixed { .. } => ErrorCode::PublishInput,
            Self::Encoding(_) | Self::InvalidJournal(_) => ErrorCode::JournalInvalid,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Mixed { .. })
            .then(|| "name the journals, or use one directory for each".to_owned())
    }
}

/// Origin of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Written by this job.
    Trusted,
    /// An artifact, perhaps of a pull request's code.
    Untrusted,
}

/// Journals of a directory, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FoundJournals {
    /// Journals of single runs.
    Runs(Vec<PathBuf>),
    /// Journals of both arms of a trial.
    Arms([Vec<PathBuf>; 2]),
}

impl FoundJournals {
    /// Returns all journals, those of arm `before` first.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        match self {
            Self::Runs(runs) => runs.clone(),
            Self::Arms(arms) => arms.concat(),
        }
    }
}

/// Finds the journals of a directory.
pub(crate) fn find_journals(dir: &Path, trust: Trust) -> Result<FoundJournals, ResultsDirError> {
    check_dir(dir, trust)?;
    let runs = journals(dir, trust)?;
    let mut arms = [Vec::new(), Vec::new()];
    for (arm, name) in arms.iter_mut().zip(ARMS) {
        let arm_dir = dir.join(name);
        if std::fs::symlink_metadata(&arm_dir).is_ok() {
            check_dir(&arm_dir, trust)?;
            *arm = journals(&arm_dir, trust)?;
        }
    }
    let in_arms = arms.iter().map(Vec::len).sum::<usize>();
    if in_arms > 0 && !runs.is_empty() {
        return Err(ResultsDirError::Mixed { path: dir.to_owned() });
    }
    if trust == Trust::Untrusted && in_arms + runs.len() > MAX_JOURNALS {
        return Err(ResultsDirError::TooManyJournals { path: dir.to_owned() });
    }
    Ok(if in_arms > 0 { FoundJournals::Arms(arms) } else { FoundJournals::Runs(runs) })
}

fn check_dir(dir: &Path, trust: Trust) -> Result<(), ResultsDirError> {
    let path = dir.to_owned();
    let meta = match trust {
        Trust::Trusted => std::fs::metadata(dir),
        Trust::Untrusted => std::fs::symlink_metadata(dir),
    };
    match meta {
        Err(source) => Err(ResultsDirError::Read { path, source }),
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(meta) if meta.is_symlink() => Err(ResultsDirError::SymbolicLink { path }),
        Ok(_) => Err(ResultsDirError::NotADirectory { path }),
    }
}

/// Returns the journals directly in a directory, ordered by number.
pub(crate) fn journals(dir: &Path, trust: Trust) -> Result<Vec<PathBuf>, ResultsDirError> {
    let error = |source| ResultsDirError::Read { path: dir.to_owned(), source };
    let mut numbered = Vec::new();
    for (count, entry) in std::fs::read_dir(dir).map_err(error)?.enumerate() {
        if trust == Trust::Untrusted && count >= MAX_ENTRIES {
            return Err(ResultsDirError::TooManyEntries { path: dir.to_owned() });
        }
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(number) = journal_number(&name, trust) else { continue };
        if trust == Trust::Untrusted {
            let meta = std::fs::symlink_metadata(entry.path()).map_err(error)?;
            check_file(&entry.path(), &meta)?;
        }
        numbered.push((number, name));
    }
    sort::sort(&mut numbered);
    Ok(numbered.into_iter().map(|(_, name)| dir.join(name)).collect())
}

/// Returns the number in the file name of a journal, 0 for `journal.json`; `None` for other files.
///
/// The journals of several experiments in one run have their names after the number.
fn journal_number(name: &str, trust: Trust) -> Option<u32> {
    let rest = name.strip_prefix("journal")?.strip_suffix(".json")?;
    if rest.is_empty() {
        return Some(0);
    }
    let rest = rest.strip_prefix('-')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..digits].parse().ok().filter(|_| digits <= 4);
    match trust {
        Trust::Trusted => Some(number.unwrap_or(u32::MAX)),
        Trust::Untrusted => {
            number.filter(|number| digits == rest.len() && *number > 0 && !rest.starts_with('0'))
        }
    }
}

/// Checks that a path is a regular file of at most the size of a journal.
fn check_file(path: &Path, meta: &Metadata) -> Result<(), ResultsDirError> {
    let path = path.to_owned();
    if meta.is_symlink() {
        Err(ResultsDirError::SymbolicLink { path })
    } else if !meta.is_file() {
        Err(ResultsDirError::NotAFile { path })
    } else if meta.len() > MAX_BYTES as u64 {
        Err(ResultsDirError::FileTooLarge { path })
    } else {
        Ok(())
    }
}

/// Reads untrusted journals.
pub(crate) fn read_untrusted(paths: &[PathBuf]) -> Result<Vec<Record>, ResultsDirError> {
    let mut total_bytes = 0;
    let mut records = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        let bytes = read_regular_file(path)?;
        total_bytes += bytes.len();
        if total_bytes > MAX_TOTAL_BYTES {
            return Err(ResultsDirError::TotalTooLarge { path: path.clone() });
        }
        let text = document::decode(&bytes, &name)
            .map_err(|diagnostic| ResultsDirError::Encoding(Box::new(diagnostic)))?;
        records.push(Record::untrusted(&name, text.to_owned())?);
    }
    Ok(records)
}

/// Reads a regular file without following links. Checks the opened file, since the path may change in between.
fn read_regular_file(path: &Path) -> Result<Vec<u8>, ResultsDirError> {
    let error = |source| ResultsDirError::Read { path: path.to_owned(), source };
    // opening a named pipe would block
    check_file(path, &std::fs::symlink_metadata(path).map_err(error)?)?;
    let file = open_no_follow(path).map_err(error)?;
    check_file(path, &file.metadata().map_err(error)?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(error)?;
    Ok(bytes)
}

#[cfg(unix)]
fn open_no_follow(path: &Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_no_follow(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Returns whether a path contains `..`.
pub(crate) fn has_parent_component(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_number_depends_on_trust() {
        let check = |name: &str, known: Option<u32>, unknown: Option<u32>| {
            assert_eq!(
                (journal_number(name, Trust::Trusted), journal_number(name, Trust::Untrusted)),
                (known, unknown),
                "{name}"
            );
        };
        check("journal.json", Some(0), Some(0));
        check("journal-1.json", Some(1), Some(1));
        check("journal-12.json", Some(12), Some(12));
        check("journal-1-name.json", Some(1), None);
        check("journal-name.json", Some(u32::MAX), None);
        check("journal-99999.json", Some(u32::MAX), None);
        check("journal-01.json", Some(1), None);
        check("journal-0.json", Some(0), None);
        check("journal-.json", Some(u32::MAX), None);
        check("journals.json", None, None);
        check("journal.json.exe", None, None);
        check(".journal-1.json.live-a", None, None);
        check("trial.json", None, None);
    }

    fn dir_with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        dir
    }

    #[test]
    fn journals_are_sorted_by_arm_and_number() {
        let names = |journals: FoundJournals, dir: &Path| -> Vec<String> {
            let all = journals.all();
            all.iter().map(|path| path.strip_prefix(dir).unwrap().display().to_string()).collect()
        };
        let trial = dir_with(&[
            "before/journal-10.json",
            "before/journal-2.json",
            "after/journal-1.json",
            "trial.json",
        ]);
        for trust in [Trust::Trusted, Trust::Untrusted] {
            let journals = find_journals(trial.path(), trust).unwrap();
            assert!(matches!(journals, FoundJournals::Arms(_)));
            let expected = ["before/journal-2.json", "before/journal-10.json", "after/journal-1.json"];
            assert_eq!(names(journals, trial.path()), expected);
        }
        let runs = dir_with(&["journal.json", "junit.xml"]);
        assert_eq!(names(find_journals(runs.path(), Trust::Trusted).unwrap(), runs.path()), ["journal.json"]);
        let mixed = dir_with(&["journal.json", "after/journal-1.json"]);
        assert!(matches!(find_journals(mixed.path(), Trust::Trusted), Err(ResultsDirError::Mixed { .. })));
        assert_eq!(
            find_journals(dir_with(&["x"]).path(), Trust::Trusted).unwrap(),
            FoundJournals::Runs(Vec::new())
        );
        assert!(find_journals(Path::new("nowhere"), Trust::Trusted).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn links_and_special_files_are_rejected_if_untrusted() {
        use std::os::unix::fs::symlink;
        let check = |dir: &tempfile::TempDir, expected: &str| {
            let error = find_journals(dir.path(), Trust::Untrusted).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let linked = dir_with(&["other.json"]);
        symlink(linked.path().join("other.json"), linked.path().join("journal.json")).unwrap();
        check(&linked, "refusing to follow symbolic link");
        assert!(find_journals(linked.path(), Trust::Trusted).is_ok());
        let error = read_untrusted(&[linked.path().join("journal.json")]).unwrap_err();
        assert!(matches!(error, ResultsDirError::SymbolicLink { .. }), "{error}");
        let arm = dir_with(&["x/journal-1.json"]);
        symlink("..", arm.path().join("before")).unwrap();
        check(&arm, "before");
        let strange = dir_with(&["journal-1.json/inner"]);
        check(&strange, "journal-1.json is not a regular file");
        let pipe = dir_with(&["x"]);
        // rustix cannot create one on macOS
        let status = std::process::Command::new("mkfifo").arg(pipe.path().join("journal.json")).status();
        assert!(status.unwrap().success());
        check(&pipe, "is not a regular file");
    }

    #[test]
    fn limits_apply_only_if_untrusted() {
        let too_many: Vec<String> = (1..=201).map(|number| format!("journal-{number}.json")).collect();
        let too_many = dir_with(&too_many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(matches!(
            find_journals(too_many.path(), Trust::Untrusted),
            Err(ResultsDirError::TooManyJournals { .. })
        ));
        assert_eq!(find_journals(too_many.path(), Trust::Trusted).unwrap().all().len(), 201);
        let overfull: Vec<String> = (0..=MAX_ENTRIES).map(|number| format!("x{number}")).collect();
        let overfull = dir_with(&overfull.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(matches!(
            find_journals(overfull.path(), Trust::Untrusted),
            Err(ResultsDirError::TooManyEntries { .. })
        ));
        let large = dir_with(&[]);
        let file = std::fs::File::create(large.path().join("journal.json")).unwrap();
        file.set_len(MAX_BYTES as u64 + 1).unwrap();
        assert!(matches!(
            find_journals(large.path(), Trust::Untrusted),
            Err(ResultsDirError::FileTooLarge { .. })
        ));
        // each is within the limit, all together are not
        let text = format!(
            "{{\"experiment\": {{}}, \"status\": \"completed\", \"kubectl-chaos\": {{\"schema\": 1}}}}{}",
            " ".repeat(MAX_BYTES - 100)
        );
        let heavy = dir_with(&[]);
        let path = heavy.path().join("journal.json");
        std::fs::write(&path, text).unwrap();
        assert!(read_untrusted(&vec![path.clone(); 8]).is_ok());
        assert!(matches!(read_untrusted(&vec![path; 9]), Err(ResultsDirError::TotalTooLarge { .. })));
    }

    #[test]
    fn parent_components_are_detected() {
        assert!(has_parent_component(Path::new("../x")) && has_parent_component(Path::new("a/../../b")));
        assert!(!has_parent_component(Path::new("a/b..c/...")));
    }
}
