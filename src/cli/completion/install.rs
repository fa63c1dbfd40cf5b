//! The file beside kubectl by which it completes our commands. Floor 3.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{COMPLETE_COMMAND, HELPER_PREFIX};
use crate::cli::CommandContext;
use crate::cli::exit_code::ExitStatus;
use crate::cli::report_files::reason;
use crate::cli::search_path::{find, folders, is_open, is_writable};
use crate::console::{ConsoleLine, LineLevel, sanitize};

/// By this text a file is known to be ours.
const MARKER: &str = "written by `kubectl chaos completion install`";

/// Writes it. Gives the exit code.
pub(super) fn install(session: &CommandContext, folder: Option<&Path>) -> u8 {
    if cfg!(windows) {
        let why = format!(
            "scripts cannot be started by kubectl here: copy this program to {HELPER_PREFIX}{}.exe in a folder of PATH",
            session.plugin()
        );
        return session.refuse(ExitStatus::Usage, why);
    }
    let places = folders(&session.environment);
    let folder = match folder {
        Some(folder) => match std::path::absolute(folder) {
            Ok(folder) if folder.is_dir() => folder,
            _ => return session.refuse(ExitStatus::Usage, format!("{} is no folder", folder.display())),
        },
        None => match choose_dir(session, &places) {
            Some(folder) => folder,
            None => {
                let why = "no folder of PATH in the home folder, and not that of this program, can be written: \
                           name one with --dir, such as --dir /usr/local/bin as its owner";
                return session.refuse(ExitStatus::Usage, why);
            }
        },
    };
    let name = format!("{HELPER_PREFIX}{}", session.plugin());
    let path = folder.join(&name);
    let told = match write_helper(&path, &helper_script(&session.program())) {
        Ok(told) => told,
        Err(why) => return session.refuse(ExitStatus::NotWritten, why),
    };
    let warn = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    if !places.iter().any(|place| place.canonicalize().ok() == folder.canonicalize().ok()) {
        warn(format!("{} is not on PATH, where kubectl looks for it", folder.display()));
    } else if let Some(other) = find(&name, &session.environment)
        .filter(|found| found.canonicalize().ok() != path.canonicalize().ok())
    {
        warn(format!("kubectl takes {}, which comes first on PATH", other.display()));
    }
    let told = sanitize(&format!("{told} {}", path.display()));
    session.answer(&format!(
        "{told}\nkubectl 1.26 and later complete `{}` by it, once completion of kubectl itself is set up: \
         kubectl completion --help\n",
        session.shown
    ))
}

/// The folder that this program was started from, or else the first of `PATH` in the home folder, if it can be
/// written, and not by everybody.
fn choose_dir(session: &CommandContext, places: &[PathBuf]) -> Option<PathBuf> {
    let home = session.environment.get("HOME").or_else(|| session.environment.get("USERPROFILE"));
    let own = find(&session.program(), &session.environment);
    let own = own.as_deref().and_then(Path::parent);
    let at_home = places.iter().filter(|place| home.as_ref().is_some_and(|home| place.starts_with(home)));
    let all = own.into_iter().chain(at_home.map(PathBuf::as_path));
    let mut fitting = all.filter(|place| place.is_absolute() && is_writable(place) && !is_open(place));
    fitting.next().map(Path::to_owned)
}

/// What is written.
fn helper_script(program: &str) -> String {
    let program = shlex::try_quote(program).unwrap_or_default();
    format!("#!/bin/sh\n# {MARKER}\nexec {program} {COMPLETE_COMMAND} \"$@\"\n")
}

/// Writes a file that can be started, unless there is one that is not ours. Says what was done.
fn write_helper(path: &Path, script: &str) -> Result<&'static str, String> {
    let failed = |error: &dyn Display| format!("{} cannot be written: {error}", path.display());
    let there = path.symlink_metadata().is_ok();
    if there && is_link_to_this_program(path) {
        return Ok("this program is there already:");
    }
    if there && !is_own_helper(path) {
        return Err(format!(
            "{} is not a file of this program, and stays as it is: remove it, or name another folder with --dir",
            path.display()
        ));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&reason(&error)))?;
    file.write_all(script.as_bytes()).map_err(|error| failed(&error))?;
    make_executable(file.path()).map_err(|error| failed(&error))?;
    // somebody may have been faster
    let kept = if there { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map_err(|error| failed(&error.error))?;
    Ok(if there { "wrote anew" } else { "wrote" })
}

/// Whether a link leads to this very program.
fn is_link_to_this_program(path: &Path) -> bool {
    let own = std::env::current_exe().and_then(|own| own.canonicalize());
    own.is_ok_and(|own| path.canonicalize().is_ok_and(|there| there == own))
}

/// Whether it is a file that was written here. A link to anywhere is not.
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
fn for_everybody(_: &Path) -> std::io::Result<()> {
    Ok(())
}
