//! The folders in which programs are looked for, and what may be started from them. Floor 3.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::config::ProcessEnv;

/// How long a program may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of what it says is heard.
const ENOUGH: u64 = 64 * 1024;

/// The folders of `PATH`, in order, each once.
pub(super) fn folders(environment: &ProcessEnv) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(&environment.get("PATH").unwrap_or_default()) {
        if !found.contains(&folder) {
            found.push(folder);
        }
    }
    found
}

/// The first program of that name.
pub(super) fn find(name: &str, environment: &ProcessEnv) -> Option<PathBuf> {
    let places = folders(environment).into_iter();
    places
        .flat_map(|folder| endings().map(move |ending| folder.join(format!("{name}{ending}"))))
        .find(|path| is_runnable(path))
}

/// What names of programs end with.
fn endings() -> impl Iterator<Item = &'static str> {
    let all: &[&str] = if cfg!(windows) { &[".exe", ".bat", ".cmd", ".com", ".ps1"] } else { &[""] };
    all.iter().copied()
}

/// The name of a program without its ending; nothing for a file that is none.
pub(super) fn program_name(file: &str) -> Option<&str> {
    endings().find_map(|ending| file.strip_suffix(ending))
}

/// Whether a file can be started.
#[cfg(unix)]
pub(super) fn is_runnable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether a file can be started.
#[cfg(not(unix))]
pub(super) fn is_runnable(path: &Path) -> bool {
    path.is_file()
}

/// Whether something can be put into a folder.
#[cfg(unix)]
pub(super) fn is_writable(folder: &Path) -> bool {
    folder.is_dir() && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Whether something can be put into a folder.
#[cfg(not(unix))]
pub(super) fn is_writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|folder| folder.is_dir() && !folder.permissions().readonly())
}

/// Why a program is not started to see who it is: somebody else could have put it there. Nothing where it may be.
pub(super) fn distrusted(program: &Path) -> Option<&'static str> {
    let here = std::env::current_dir().and_then(|folder| folder.canonicalize()).ok();
    let real = program.canonicalize().ok()?;
    let folder = program.parent().unwrap_or(Path::new("."));
    if !folder.is_absolute() || folder.canonicalize().ok() == here {
        return Some("it is in the current folder");
    }
    let open = [folder, real.parent().unwrap_or(folder), &real];
    open.into_iter().any(is_open).then_some("everybody can write there")
}

/// Whether everybody can write to a file or a folder.
#[cfg(unix)]
pub(super) fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

/// Whether everybody can write to a file or a folder.
#[cfg(not(unix))]
pub(super) fn is_open(_: &Path) -> bool {
    false
}

/// What a program writes to its standard output. It gets no input, no token, and little time.
pub(super) async fn said(program: &Path, arguments: &[&str], environment: &ProcessEnv) -> Option<String> {
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
    let mut heard = Vec::new();
    let output = child.stdout.take()?;
    let hearing = async {
        output.take(ENOUGH).read_to_end(&mut heard).await.ok()?;
        child.wait().await.ok()
    };
    tokio::time::timeout(PATIENCE, hearing).await.ok()??;
    Some(String::from_utf8_lossy(&heard).into_owned())
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
    fn what_others_can_write_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        mode(&program, 0o755);
        mode(folder.path(), 0o755);
        assert_eq!(distrusted(&program), None);
        mode(&program, 0o757);
        assert_eq!(distrusted(&program), Some("everybody can write there"));
        mode(&program, 0o755);
        mode(folder.path(), 0o1777);
        assert_eq!(distrusted(&program), Some("everybody can write there"));
        // a link to it from elsewhere is no better
        let other = tempfile::tempdir().unwrap();
        mode(other.path(), 0o755);
        std::os::unix::fs::symlink(&program, other.path().join("link")).unwrap();
        assert_eq!(distrusted(&other.path().join("link")), Some("everybody can write there"));
        assert_eq!(distrusted(Path::new("Cargo.toml")), Some("it is in the current folder"));
        let here = std::env::current_dir().unwrap().join("Cargo.toml");
        assert_eq!(distrusted(&here), Some("it is in the current folder"));
    }

    #[test]
    fn programs_are_found_in_the_order_of_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        for (name, is) in [("a/x", 0o644), ("b/x", 0o755), ("c/x", 0o755)] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            mode(&path, is);
        }
        let at = |name: &str| folder.path().join(name);
        let path = std::env::join_paths([at("a"), at("b"), at("c"), at("b")]).unwrap();
        let environment = ProcessEnv::from([("PATH", path.to_str().unwrap())]);
        assert_eq!(find("x", &environment), Some(at("b/x")));
        assert_eq!(find("y", &environment), None);
        assert_eq!(folders(&environment), [at("a"), at("b"), at("c")]);
    }
}
