//! Files that are written completely or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error_code::{Coded, ErrorCode};

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub(crate) struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

impl WriteError {
    pub(crate) fn new(path: &Path, source: std::io::Error) -> Self {
        let source = std::io::Error::new(source.kind(), reason(&source));
        Self { path: path.to_owned(), source }
    }
}

impl Coded for WriteError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileNotWritable
    }
}

/// Returns the message of an error without the path of a temporary file, which the user does not know.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path ").map_or(text.clone(), |(message, _)| message.to_owned())
}

/// Returns the directory of a file.
pub(super) fn parent_dir(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file completely or not at all. Follows a symbolic link, and writes into a device.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
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
