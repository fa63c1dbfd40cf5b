//! Reads journals from files.

use std::path::{Path, PathBuf};

use crate::error_code::{Coded, ErrorCode};
use crate::journal::{JournalError, Record};

/// A journal cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("cannot read journal {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Invalid(#[from] JournalError),
}

impl Coded for LoadError {
    fn code(&self) -> ErrorCode {
        ErrorCode::JournalInvalid
    }

    fn hint(&self) -> Option<String> {
        if let Self::Invalid(error) = self { error.hint() } else { None }
    }
}

/// Loads journals of kubectl-chaos or of the Chaos Toolkit.
pub(crate) fn load_all(paths: &[PathBuf]) -> Result<Vec<Record>, LoadError> {
    paths.iter().map(|path| load_one(path)).collect()
}

/// Loads one journal.
pub(crate) fn load_one(path: &Path) -> Result<Record, LoadError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(Record::from_bytes(&name, &bytes)?)
}
