//! The folder that `ci` and `trial` write: which journals and reports there are in it. Floor 3.
//!
//! A folder of an unknown hand is looked at with care: only regular files with the names that we give them, no links
//! followed, so many files, so many bytes.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error_code::message_chain;
use crate::experiment::document::{self, MAX_BYTES};
use crate::journal::Record;

/// The arms, as the folders are called that hold their journals.
pub(super) const ARMS: [&str; 2] = ["before", "after"];
/// The most entries that a folder of an unknown hand may have.
const MOST_ENTRIES: usize = 1_000;
/// The most journals in it, all together.
const MOST_JOURNALS: usize = 200;
/// The most bytes of all of them.
const MOST_BYTES: usize = 8 * MAX_BYTES;

/// Reports of a folder: the output that names one, and its file.
pub(super) const REPORTS: [(&str, &str); 3] =
    [("junit", "junit.xml"), ("markdown", "summary.md"), ("html", "report.html")];

/// Who wrote what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// This very job.
    Known,
    /// Whoever made an artifact.
    Unknown,
}

/// The journals that there are, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FoundJournals {
    /// Of single runs.
    Runs(Vec<PathBuf>),
    /// Of both arms.
    Arms([Vec<PathBuf>; 2]),
}

impl FoundJournals {
    /// All of them, those before first.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        match self {
            Self::Runs(runs) => runs.clone(),
            Self::Arms(arms) => arms.concat(),
        }
    }
}

/// Looks for journals in a folder. An error says what is not right with it.
pub(super) fn look(folder: &Path, hand: Trust) -> Result<FoundJournals, String> {
    check_folder(folder, hand)?;
    let runs = journals(folder, hand)?;
    let mut arms = [Vec::new(), Vec::new()];
    for (found, name) in arms.iter_mut().zip(ARMS) {
        let arm = folder.join(name);
        if std::fs::symlink_metadata(&arm).is_ok() {
            check_folder(&arm, hand)?;
            *found = journals(&arm, hand)?;
        }
    }
    let of_arms = arms.iter().map(Vec::len).sum::<usize>();
    if of_arms > 0 && !runs.is_empty() {
        return Err(format!(
            "{} has journals of a trial and of single runs: which of them are meant?",
            folder.display()
        ));
    }
    if hand == Trust::Unknown && of_arms + runs.len() > MOST_JOURNALS {
        return Err(format!("{} has more than {MOST_JOURNALS} journals", folder.display()));
    }
    Ok(if of_arms > 0 { FoundJournals::Arms(arms) } else { FoundJournals::Runs(runs) })
}

/// Whether a folder is one.
fn check_folder(folder: &Path, hand: Trust) -> Result<(), String> {
    let failed = |what: &str| format!("{} cannot be read: {what}", folder.display());
    let meta = match hand {
        Trust::Known => std::fs::metadata(folder),
        Trust::Unknown => std::fs::symlink_metadata(folder),
    };
    match meta.map_err(|error| failed(&error.to_string()))? {
        meta if meta.is_dir() => Ok(()),
        meta if meta.is_symlink() => Err(failed("it is a link, which is not followed")),
        _ => Err(failed("it is no folder")),
    }
}

/// The journals directly in a folder, by their numbers.
pub(super) fn journals(folder: &Path, hand: Trust) -> Result<Vec<PathBuf>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", folder.display());
    let mut found = Vec::new();
    for (count, entry) in std::fs::read_dir(folder).map_err(|error| failed(&error))?.enumerate() {
        if hand == Trust::Unknown && count >= MOST_ENTRIES {
            return Err(failed(&format!("it has more than {MOST_ENTRIES} entries")));
        }
        let entry = entry.map_err(|error| failed(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(number) = number(&name, hand) else { continue };
        if hand == Trust::Unknown {
            let meta = std::fs::symlink_metadata(entry.path()).map_err(|error| failed(&error))?;
            check_file(&entry.path(), &meta)?;
        }
        found.push((number, name));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| folder.join(name)).collect())
}

/// The number of a journal, by its name; nothing where the name is none that we give. `journal.json` has none, and
/// several experiments of one run have their names behind it.
fn number(name: &str, hand: Trust) -> Option<u32> {
    let rest = name.strip_prefix("journal")?.strip_suffix(".json")?;
    if rest.is_empty() {
        return Some(0);
    }
    let rest = rest.strip_prefix('-')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..digits].parse().ok().filter(|_| digits <= 4);
    match hand {
        Trust::Known => Some(number.unwrap_or(u32::MAX)),
        Trust::Unknown => {
            number.filter(|number| digits == rest.len() && *number > 0 && !rest.starts_with('0'))
        }
    }
}

/// Whether something is a plain file of a size that journals have.
fn check_file(path: &Path, meta: &Metadata) -> Result<(), String> {
    let failed = |what: &str| Err(format!("{} is not read: {what}", path.display()));
    if meta.is_symlink() {
        failed("it is a link")
    } else if !meta.is_file() {
        failed("it is no plain file")
    } else if meta.len() > MAX_BYTES as u64 {
        failed(&format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024))
    } else {
        Ok(())
    }
}

/// Reads journals of an unknown hand. An error says which is not right, and what is not right with it.
pub(super) fn read_carefully(paths: &[PathBuf]) -> Result<Vec<Record>, String> {
    let mut bytes_read = 0;
    let mut records = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        let bytes = read_plain(path)?;
        bytes_read += bytes.len();
        if bytes_read > MOST_BYTES {
            return Err(format!(
                "the journals up to {shown} are larger than {} MiB",
                MOST_BYTES / 1024 / 1024
            ));
        }
        let text = document::decode(&bytes, &shown).map_err(|fault| fault.to_string())?;
        records.push(Record::untrusted(&shown, text.to_owned()).map_err(|error| message_chain(&error))?);
    }
    Ok(records)
}

/// The bytes of a file that is one, and no link to one: what was opened counts, and not what stood there before.
fn read_plain(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} is not read: {error}", path.display());
    // what is no plain file may wait for somebody when it is opened
    check_file(path, &std::fs::symlink_metadata(path).map_err(failed)?)?;
    let file = open_plain(path).map_err(failed)?;
    check_file(path, &file.metadata().map_err(failed)?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(unix)]
fn open_plain(path: &Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_plain(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Whether a path leads out of where it begins.
pub(super) fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_are_known_by_their_names() {
        let check = |name: &str, known: Option<u32>, unknown: Option<u32>| {
            assert_eq!(
                (number(name, Trust::Known), number(name, Trust::Unknown)),
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

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        folder
    }

    #[test]
    fn arms_and_runs_are_told_apart_and_put_in_order() {
        let names = |found: FoundJournals, folder: &Path| -> Vec<String> {
            let all = found.all();
            all.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
        };
        let trial = folder(&[
            "before/journal-10.json",
            "before/journal-2.json",
            "after/journal-1.json",
            "trial.json",
        ]);
        for hand in [Trust::Known, Trust::Unknown] {
            let found = look(trial.path(), hand).unwrap();
            assert!(matches!(found, FoundJournals::Arms(_)));
            let expected = ["before/journal-2.json", "before/journal-10.json", "after/journal-1.json"];
            assert_eq!(names(found, trial.path()), expected);
        }
        let runs = folder(&["journal.json", "junit.xml"]);
        assert_eq!(names(look(runs.path(), Trust::Known).unwrap(), runs.path()), ["journal.json"]);
        let both = folder(&["journal.json", "after/journal-1.json"]);
        assert!(look(both.path(), Trust::Known).unwrap_err().contains("which of them are meant?"));
        assert_eq!(look(folder(&["x"]).path(), Trust::Known).unwrap(), FoundJournals::Runs(Vec::new()));
        assert!(look(Path::new("nowhere"), Trust::Known).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn links_and_what_is_no_file_are_refused() {
        use std::os::unix::fs::symlink;
        let refused = |folder: &tempfile::TempDir, expected: &str| {
            let error = look(folder.path(), Trust::Unknown).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let linked = folder(&["other.json"]);
        symlink(linked.path().join("other.json"), linked.path().join("journal.json")).unwrap();
        refused(&linked, "journal.json is not read: it is a link");
        assert!(look(linked.path(), Trust::Known).is_ok());
        assert!(read_carefully(&[linked.path().join("journal.json")]).unwrap_err().contains("it is a link"));
        let arm = folder(&["x/journal-1.json"]);
        symlink("..", arm.path().join("before")).unwrap();
        refused(&arm, "before cannot be read: it is a link, which is not followed");
        let strange = folder(&["journal-1.json/inner"]);
        refused(&strange, "journal-1.json is not read: it is no plain file");
        let pipe = folder(&["x"]);
        // rustix makes none on macOS
        let made = std::process::Command::new("mkfifo").arg(pipe.path().join("journal.json")).status();
        assert!(made.unwrap().success());
        refused(&pipe, "it is no plain file");
    }

    #[test]
    fn there_are_limits() {
        let many: Vec<String> = (1..=201).map(|number| format!("journal-{number}.json")).collect();
        let many = folder(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(look(many.path(), Trust::Unknown).unwrap_err().contains("more than 200 journals"));
        assert_eq!(look(many.path(), Trust::Known).unwrap().all().len(), 201);
        let full: Vec<String> = (0..=MOST_ENTRIES).map(|number| format!("x{number}")).collect();
        let full = folder(&full.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(look(full.path(), Trust::Unknown).unwrap_err().contains("more than 1000 entries"));
        let large = folder(&[]);
        let file = std::fs::File::create(large.path().join("journal.json")).unwrap();
        file.set_len(MAX_BYTES as u64 + 1).unwrap();
        assert!(look(large.path(), Trust::Unknown).unwrap_err().contains("larger than 10 MiB"));
        // each is fine, and all together are too much
        let text = format!(
            "{{\"experiment\": {{}}, \"status\": \"completed\", \"kubectl-chaos\": {{\"schema\": 1}}}}{}",
            " ".repeat(MAX_BYTES - 100)
        );
        let heavy = folder(&[]);
        let path = heavy.path().join("journal.json");
        std::fs::write(&path, text).unwrap();
        assert!(read_carefully(&vec![path.clone(); 8]).is_ok());
        assert!(read_carefully(&vec![path; 9]).unwrap_err().contains("larger than 80 MiB"));
    }

    #[test]
    fn paths_that_climb_are_known() {
        assert!(climbs(Path::new("../x")) && climbs(Path::new("a/../../b")));
        assert!(!climbs(Path::new("a/b..c/...")));
    }
}
