//! Finds programs the way Python's `shutil.which` does.

use std::path::{Path, PathBuf};

use crate::config::ProcessEnv;

/// Where programs are looked for when the environment does not say.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The program that a name or a path stands for, or nothing.
pub(super) fn find(name: &str, environment: &ProcessEnv) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 || name.contains(std::path::MAIN_SEPARATOR) {
        return is_runnable(path).then(|| path.to_owned());
    }
    let places = environment.get("PATH").unwrap_or_else(|| DEFAULT_PATH.to_owned());
    std::env::split_paths(&places)
        .flat_map(|place| candidates(&place.join(name)))
        .find(|candidate| is_runnable(candidate))
}

/// The home directory put in for a leading `~`.
pub(super) fn expand_home(path: &str, environment: &ProcessEnv) -> String {
    let home = || environment.get("HOME").or_else(|| environment.get("USERPROFILE"));
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(std::path::is_separator) => {
            home().map_or_else(|| path.to_owned(), |home| home.trim_end_matches('/').to_owned() + rest)
        }
        _ => path.to_owned(),
    }
}

/// Returns whether a file can be executed.
#[cfg(unix)]
pub(crate) fn is_runnable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Returns whether a file can be executed.
#[cfg(not(unix))]
pub(crate) fn is_runnable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(unix)]
fn candidates(path: &Path) -> Vec<PathBuf> {
    vec![path.to_owned()]
}

#[cfg(not(unix))]
fn candidates(path: &Path) -> Vec<PathBuf> {
    let with = |extension: &str| PathBuf::from(format!("{}{extension}", path.display()));
    ["", ".exe", ".cmd", ".bat", ".com"].map(with).to_vec()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let environment = ProcessEnv::of_process();
        let sh = find("sh", &environment).expect("every Unix has a shell");
        assert_eq!(find(&sh.to_string_lossy(), &environment), Some(sh));
        assert_eq!(find("no-such-program-here", &environment), None);
        assert_eq!(find("/", &environment), None);
        assert_eq!(find("", &environment), None);
        let elsewhere = ProcessEnv::from([("PATH", "/nowhere")]);
        assert_eq!(find("sh", &elsewhere), None);
        assert!(find("sh", &ProcessEnv::default()).is_some());
    }

    #[test]
    fn tilde_expands_to_the_home_directory() {
        let environment = ProcessEnv::from([("HOME", "/home/me/")]);
        assert_eq!(expand_home("~/bin/x", &environment), "/home/me/bin/x");
        assert_eq!(expand_home("~", &environment), "/home/me");
        assert_eq!(expand_home("~other/x", &environment), "~other/x");
        assert_eq!(expand_home("a~/x", &environment), "a~/x");
    }
}
