//! Journals that are read back. Floor 3.

use std::path::{Path, PathBuf};

use super::CommandContext;
use super::exit_code::ExitStatus;
use crate::error_code::message_chain;
use crate::experiment::document;
use crate::journal::Record;

/// Reads journals, ours or the Chaos Toolkit's. Of the first that cannot be read it is told why, and the exit code
/// for it is given.
pub(super) fn read(session: &CommandContext, paths: &[PathBuf]) -> Result<Vec<Record>, u8> {
    paths.iter().map(|path| one(path).map_err(|why| session.refuse(ExitStatus::Invalid, why))).collect()
}

/// Reads one journal. An error says which it is, and what is wrong.
pub(super) fn one(path: &Path) -> Result<Record, String> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| format!("the journal {shown} cannot be read: {error}"))?;
    let text = document::decode(&bytes, &shown).map_err(|fault| fault.to_string())?;
    Record::read(&shown, text.to_owned()).map_err(|error| message_chain(&error))
}
