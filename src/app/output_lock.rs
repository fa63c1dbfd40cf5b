//! Locks on outputs: two runs do not write the same journal or the same directory.
//!
//! A lock is an advisory lock on a hidden file next to the output. The system releases it when the process ends, so a
//! file that is left behind blocks nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often a lock file is opened again that its last holder removed in between.
const MAX_ATTEMPTS: usize = 10;

/// Another process has locked an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputInUse;

/// The right to write an output. It ends with the last copy of this value.
#[derive(Clone, Debug)]
pub(crate) struct OutputLock {
    /// Nothing if the file system has no locks, or the file cannot be created.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is held until it is dropped"))]
    file: Option<Arc<LockFile>>,
}

#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    /// The lock is on this handle.
    file: File,
}

impl OutputLock {
    /// Locks a file or directory, which may not exist yet.
    pub(crate) fn acquire(output: &Path) -> Result<Self, OutputInUse> {
        let Some(path) = lock_path(output) else { return Ok(Self { file: None }) };
        for _ in 0..MAX_ATTEMPTS {
            let Ok(file) = open(&path) else { break };
            match file.try_lock() {
                Ok(()) if is_current(&file, &path) => {
                    return Ok(Self { file: Some(Arc::new(LockFile { path, file })) });
                }
                // the last holder removed the file after it was opened here
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(OutputInUse),
                Err(TryLockError::Error(_)) => break,
            }
        }
        Ok(Self { file: None })
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // elsewhere an open file cannot be removed, and the next process cannot tell that it is obsolete
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

/// Returns whether a file is named like the lock of an output in the same directory.
pub(crate) fn is_lock_file(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(".lock")
}

/// Returns the path of the lock file: `.NAME.lock`, next to the output itself and not to a link to it.
fn lock_path(output: &Path) -> Option<PathBuf> {
    let path = std::fs::canonicalize(output).or_else(|_| std::path::absolute(output)).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let dir = path.parent()?;
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    Some(dir.join(format!(".{name}.lock")))
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // another user may have placed a link in a shared directory
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

/// Returns whether a path still leads to an open file.
#[cfg(unix)]
fn is_current(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().map(id).ok() == std::fs::symlink_metadata(path).map(id).ok()
}

#[cfg(not(unix))]
fn is_current(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_locked_until_the_last_copy_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.json");
        let lock = OutputLock::acquire(&journal).unwrap();
        let copy = lock.clone();
        drop(lock);
        assert_eq!(OutputLock::acquire(&journal).unwrap_err(), OutputInUse);
        // another way to the same file, and another file
        assert_eq!(OutputLock::acquire(&dir.path().join("./journal.json")).unwrap_err(), OutputInUse);
        OutputLock::acquire(&dir.path().join("other.json")).unwrap();
        drop(copy);
        OutputLock::acquire(&journal).unwrap();
        assert_eq!(cfg!(unix), !dir.path().join(".journal.json.lock").exists());
    }

    #[test]
    fn lock_file_of_a_killed_process_blocks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".out.lock"), "").unwrap();
        let lock = OutputLock::acquire(&dir.path().join("out")).unwrap();
        assert!(lock.file.is_some());
        assert!(OutputLock::acquire(&dir.path().join("out")).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), dir.path().join(".out.lock")).unwrap();
        let lock = OutputLock::acquire(&dir.path().join("out")).unwrap();
        assert!(lock.file.is_none() && !dir.path().join("target").exists());
    }
}
