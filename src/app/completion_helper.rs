//! Installs the helper that kubectl runs for completion.
//!
//! The helper is a file `kubectl_complete-NAME` in a directory on `PATH`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::atomic_file::reason;
use super::context::AppContext;
use super::error::AppError;
use super::search_path::{find, is_open, is_writable, search_dirs};
use crate::console::{ConsoleLine, LineLevel};
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

/// The helper to install.
#[derive(Clone, Debug)]
pub(crate) struct HelperRequest {
    /// File name of the helper.
    pub(crate) name: String,
    /// Name or path of this program, which the helper runs.
    pub(crate) program: String,
    /// Arguments that the helper passes before those of kubectl.
    pub(crate) arguments: String,
    /// Directory of the helper; `None` chooses one.
    pub(crate) dir: Option<PathBuf>,
}

/// The installed helper.
#[derive(Debug)]
pub(crate) struct InstalledHelper {
    pub(crate) path: PathBuf,
    pub(crate) change: HelperChange,
}

/// What was done to the file of the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelperChange {
    Written,
    Updated,
    /// A link to this program.
    Unchanged,
}

/// Installs the completion helper. Warns if kubectl will not find it.
pub(crate) fn install(context: &AppContext, request: &HelperRequest) -> Result<InstalledHelper, AppError> {
    Ok(install_helper(context, request)?)
}

fn install_helper(context: &AppContext, request: &HelperRequest) -> Result<InstalledHelper, InstallError> {
    if cfg!(windows) {
        return Err(InstallError::Windows { helper: format!("{}.exe", request.name) });
    }
    let search_path = search_dirs(&context.environment);
    let dir = match &request.dir {
        Some(dir) => std::path::absolute(dir)
            .ok()
            .filter(|dir| dir.is_dir())
            .ok_or_else(|| InstallError::NotADirectory(dir.clone()))?,
        None => choose_dir(context, &request.program, &search_path).ok_or(InstallError::NoDirectory)?,
    };
    let path = dir.join(&request.name);
    let change = write_helper(&path, &helper_script(request))?;
    let warn = |text: String| context.reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    if !search_path.iter().any(|entry| entry.canonicalize().ok() == dir.canonicalize().ok()) {
        warn(format!("{} is not on PATH: kubectl does not find the helper there", dir.display()));
    } else if let Some(other) = find(&request.name, &context.environment)
        .filter(|candidate| candidate.canonicalize().ok() != path.canonicalize().ok())
    {
        warn(format!("kubectl uses {}, which comes first on PATH", other.display()));
    }
    Ok(InstalledHelper { path, change })
}

/// Chooses the directory of this program, or the first directory of `PATH` in the home directory. It must be
/// writable, but not by all users.
fn choose_dir(context: &AppContext, program: &str, search_path: &[PathBuf]) -> Option<PathBuf> {
    let home = context.environment.get("HOME").or_else(|| context.environment.get("USERPROFILE"));
    let this_program = find(program, &context.environment);
    let this_program = this_program.as_deref().and_then(Path::parent);
    let at_home =
        search_path.iter().filter(|entry| home.as_ref().is_some_and(|home| entry.starts_with(home)));
    let all = this_program.into_iter().chain(at_home.map(PathBuf::as_path));
    let mut fitting = all.filter(|entry| entry.is_absolute() && is_writable(entry) && !is_open(entry));
    fitting.next().map(Path::to_owned)
}

/// Returns the text of the helper script.
fn helper_script(request: &HelperRequest) -> String {
    let program = shlex::try_quote(&request.program).unwrap_or_default();
    format!("#!/bin/sh\n# {MARKER}\nexec {program} {} \"$@\"\n", request.arguments)
}

/// Writes an executable file; never replaces a file of other origin. Returns what was done.
fn write_helper(path: &Path, script: &str) -> Result<HelperChange, InstallError> {
    let failed = |source: std::io::Error| InstallError::Write { path: path.to_owned(), source };
    let exists = path.symlink_metadata().is_ok();
    if exists && is_link_to_this_program(path) {
        return Ok(HelperChange::Unchanged);
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
    Ok(if exists { HelperChange::Updated } else { HelperChange::Written })
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
