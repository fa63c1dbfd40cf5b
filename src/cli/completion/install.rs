//! Installs the helper that kubectl runs for completion.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{COMPLETE_COMMAND, HELPER_PREFIX};
use crate::app::atomic_file::reason;
use crate::app::search_path::{find, is_open, is_writable, search_dirs};
use crate::cli::CommandContext;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{Coded, ErrorCode};

/// Identifies files that this command wrote.
const MARKER: &str = "written by `kubectl chaos completion install`";

/// Why the helper was not installed.
#[derive(Debug, thiserror::Error)]
enum InstallError {
    #[error("kubectl cannot run scripts on Windows")]
    Windows { helper: String },
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error(
        "cannot choose a directory: neither this program's nor one on PATH in the home directory is writable"
    )]
    NoDirectory,
    #[error("{} exists and was not written by kubectl-chaos", .0.display())]
    Foreign(PathBuf),
    #[error("cannot write {}: {}", .path.display(), reason(.source))]
    Write { path: PathBuf, source: std::io::Error },
}

impl Coded for InstallError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Windows { .. } | Self::NotADirectory(_) | Self::NoDirectory => ErrorCode::UsageInvalid,
            Self::Foreign(_) | Self::Write { .. } => ErrorCode::FileNotWritable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Windows { helper } => Some(format!("copy this program to {helper} in a directory on PATH")),
            Self::NoDirectory => {
                Some("choose a directory with --dir, such as --dir /usr/local/bin".to_owned())
            }
            Self::Foreign(_) => Some("remove it, or choose another directory with --dir".to_owned()),
            Self::NotADirectory(_) | Self::Write { .. } => None,
        }
    }
}

/// Installs the completion helper. Returns the exit code.
pub(super) fn install(session: &CommandContext, dir: Option<&Path>) -> u8 {
    match try_install(session, dir) {
        Ok(output) => session.write_result(&output),
        Err(error) => session.fail(error),
    }
}

fn try_install(session: &CommandContext, dir: Option<&Path>) -> Result<String, InstallError> {
    let name = format!("{HELPER_PREFIX}{}", session.plugin());
    if cfg!(windows) {
        return Err(InstallError::Windows { helper: format!("{name}.exe") });
    }
    let search_path = search_dirs(&session.app.environment);
    let dir = match dir {
        Some(dir) => std::path::absolute(dir)
            .ok()
            .filter(|dir| dir.is_dir())
            .ok_or_else(|| InstallError::NotADirectory(dir.to_owned()))?,
        None => choose_dir(session, &search_path).ok_or(InstallError::NoDirectory)?,
    };
    let path = dir.join(&name);
    let done = write_helper(&path, &helper_script(&session.program()))?;
    let warn = |text: String| session.terminal.show(&ConsoleLine::note(LineLevel::Warning, text));
    if !search_path.iter().any(|entry| entry.canonicalize().ok() == dir.canonicalize().ok()) {
        warn(format!("{} is not on PATH: kubectl does not find the helper there", dir.display()));
    } else if let Some(other) = find(&name, &session.app.environment)
        .filter(|candidate| candidate.canonicalize().ok() != path.canonicalize().ok())
    {
        warn(format!("kubectl uses {}, which comes first on PATH", other.display()));
    }
    let done = sanitize(&format!("{done} {}", path.display()));
    Ok(format!(
        "{done}\nkubectl 1.26+ completes `{}` if its own completion is set up: kubectl completion --help\n",
        session.shown
    ))
}

/// Chooses the directory of this program, or the first directory of `PATH` in the home directory. It must be
/// writable, but not by all users.
fn choose_dir(session: &CommandContext, search_path: &[PathBuf]) -> Option<PathBuf> {
    let home = session.app.environment.get("HOME").or_else(|| session.app.environment.get("USERPROFILE"));
    let this_program = find(&session.program(), &session.app.environment);
    let this_program = this_program.as_deref().and_then(Path::parent);
    let at_home =
        search_path.iter().filter(|entry| home.as_ref().is_some_and(|home| entry.starts_with(home)));
    let all = this_program.into_iter().chain(at_home.map(PathBuf::as_path));
    let mut fitting = all.filter(|entry| entry.is_absolute() && is_writable(entry) && !is_open(entry));
    fitting.next().map(Path::to_owned)
}

/// Returns the text of the helper script.
fn helper_script(program: &str) -> String {
    let program = shlex::try_quote(program).unwrap_or_default();
    format!("#!/bin/sh\n# {MARKER}\nexec {program} {COMPLETE_COMMAND} \"$@\"\n")
}

/// Writes an executable file; never replaces a file of other origin. Returns what was done.
fn write_helper(path: &Path, script: &str) -> Result<&'static str, InstallError> {
    let failed = |source: std::io::Error| InstallError::Write { path: path.to_owned(), source };
    let exists = path.symlink_metadata().is_ok();
    if exists && is_link_to_this_program(path) {
        return Ok("already installed:");
    }
    if exists && !is_own_helper(path) {
        return Err(InstallError::Foreign(path.to_owned()));
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(script.as_bytes()).map_err(failed)?;
    make_executable(file.path()).map_err(failed)?;
    // another process may have created the file
    let persisted = if exists { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map_err(|error| failed(error.error))?;
    Ok(if exists { "updated" } else { "wrote" })
}

/// Returns whether a link points to this program.
fn is_link_to_this_program(path: &Path) -> bool {
    let this_program = std::env::current_exe().and_then(|this_program| this_program.canonicalize());
    this_program.is_ok_and(|this_program| path.canonicalize().is_ok_and(|target| target == this_program))
}

/// Returns whether this command wrote the file. Links do not count.
fn is_own_helper(path: &Path) -> bool {
    let is_small = path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 1024);
    is_small && std::fs::read_to_string(path).is_ok_and(|text| text.contains(MARKER))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
