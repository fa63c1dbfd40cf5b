//! The search path: finds programs and decides which ones may be run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::config::ProcessEnv;
use crate::provider::is_runnable;

/// Time limit for a program to print its version.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of bytes read from a program.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Returns the directories of `PATH`, in order, without duplicates.
pub(crate) fn search_dirs(environment: &ProcessEnv) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(&environment.get("PATH").unwrap_or_default()) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

/// Returns the first program with a name.
pub(crate) fn find(name: &str, environment: &ProcessEnv) -> Option<PathBuf> {
    let places = search_dirs(environment).into_iter();
    places
        .flat_map(|dir| extensions().map(move |extension| dir.join(format!("{name}{extension}"))))
        .find(|path| is_runnable(path))
}

/// Returns the file extensions of programs.
fn extensions() -> impl Iterator<Item = &'static str> {
    let all: &[&str] = if cfg!(windows) { &[".exe", ".bat", ".cmd", ".com", ".ps1"] } else { &[""] };
    all.iter().copied()
}

/// Returns the name of a program without its extension; `None` for other files.
pub(crate) fn program_name(file: &str) -> Option<&str> {
    extensions().find_map(|extension| file.strip_suffix(extension))
}

/// Returns whether files can be created in a directory.
#[cfg(unix)]
pub(crate) fn is_writable(dir: &Path) -> bool {
    dir.is_dir() && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Returns whether files can be created in a directory.
#[cfg(not(unix))]
pub(crate) fn is_writable(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|dir| dir.is_dir() && !dir.permissions().readonly())
}

/// Returns the reason not to run a program that another user could have placed there; `None` if it is trusted.
pub(crate) fn distrust_reason(program: &Path) -> Option<&'static str> {
    let current_dir = std::env::current_dir().and_then(|dir| dir.canonicalize()).ok();
    let canonical = program.canonicalize().ok()?;
    let dir = program.parent().unwrap_or(Path::new("."));
    if !dir.is_absolute() || dir.canonicalize().ok() == current_dir {
        return Some("it is in the current directory");
    }
    if is_open(&canonical) {
        return Some("it is world-writable");
    }
    let dirs = [dir, canonical.parent().unwrap_or(dir)];
    dirs.into_iter().any(is_open).then_some("its directory is world-writable")
}

/// Returns whether a file or directory is world-writable.
#[cfg(unix)]
pub(crate) fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

/// Returns whether a file or directory is world-writable.
#[cfg(not(unix))]
pub(crate) fn is_open(_: &Path) -> bool {
    false
}

/// Returns the standard output of a program, run without input, without tokens and with a time limit.
pub(crate) async fn program_output(
    program: &Path,
    arguments: &[&str],
    environment: &ProcessEnv,
) -> Option<String> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.for_processes())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut bytes = Vec::new();
    let output = child.stdout.take()?;
    let reading = async {
        output.take(MAX_OUTPUT).read_to_end(&mut bytes).await.ok()?;
        child.wait().await.ok()
    };
    tokio::time::timeout(TIMEOUT, reading).await.ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn world_writable_program_is_distrusted() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        mode(&program, 0o755);
        mode(dir.path(), 0o755);
        assert_eq!(distrust_reason(&program), None);
        mode(&program, 0o757);
        assert_eq!(distrust_reason(&program), Some("it is world-writable"));
        mode(&program, 0o755);
        mode(dir.path(), 0o1777);
        assert_eq!(distrust_reason(&program), Some("its directory is world-writable"));
        // so is a link to it
        let other = tempfile::tempdir().unwrap();
        mode(other.path(), 0o755);
        std::os::unix::fs::symlink(&program, other.path().join("link")).unwrap();
        assert_eq!(distrust_reason(&other.path().join("link")), Some("its directory is world-writable"));
        assert_eq!(distrust_reason(Path::new("Cargo.toml")), Some("it is in the current directory"));
        let path = std::env::current_dir().unwrap().join("Cargo.toml");
        assert_eq!(distrust_reason(&path), Some("it is in the current directory"));
    }

    #[test]
    fn program_is_found_in_path_order() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is) in [("a/x", 0o644), ("b/x", 0o755), ("c/x", 0o755)] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            mode(&path, is);
        }
        let subdir = |name: &str| dir.path().join(name);
        let path = std::env::join_paths([subdir("a"), subdir("b"), subdir("c"), subdir("b")]).unwrap();
        let environment = ProcessEnv::from([("PATH", path.to_str().unwrap())]);
        assert_eq!(find("x", &environment), Some(subdir("b/x")));
        assert_eq!(find("y", &environment), None);
        assert_eq!(search_dirs(&environment), [subdir("a"), subdir("b"), subdir("c")]);
    }
}
