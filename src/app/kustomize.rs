//! Kustomizations and Helm charts that are given as manifests.
//!
//! `kubectl kustomize` builds a kustomization. It can fetch parts from the network; `ci` refuses that, because a pull
//! request may have named them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::context::AppContext;
use super::search_path::{distrust_reason, find};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::text::truncate_line;

/// The files that make a directory a kustomization.
const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The file that makes a directory a Helm chart.
const CHART_FILE: &str = "Chart.yaml";
/// The lists of files and directories in a kustomization.
const LISTS: [&str; 9] = [
    "resources",
    "bases",
    "components",
    "crds",
    "generators",
    "transformers",
    "validators",
    "configurations",
    "patchesStrategicMerge",
];
/// The maximum number of directories of one kustomization.
const MAX_DIRECTORIES: usize = 1_000;
/// An address on which nothing listens.
const NO_PROXY_ADDRESS: &str = "http://127.0.0.1:1";
/// The longest message of kubectl that is shown, in characters.
const MAX_MESSAGE: usize = 500;

/// A kustomization cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KustomizeError {
    #[error("cannot build kustomization {}: kubectl is not in PATH", dir.display())]
    NoKubectl { dir: PathBuf },
    #[error("cannot build kustomization {}: refusing to run {}: {reason}", dir.display(), program.display())]
    Distrusted { dir: PathBuf, program: PathBuf, reason: &'static str },
    #[error("cannot build kustomization {}: cannot start {}", dir.display(), program.display())]
    Start { dir: PathBuf, program: PathBuf, source: std::io::Error },
    #[error("cannot build kustomization {}: {message}", dir.display())]
    Failed { dir: PathBuf, message: String },
    #[error("refusing to fetch '{reference}' of kustomization {} from the network", dir.display())]
    Remote { dir: PathBuf, reference: String },
    #[error("cannot check kustomization {} for parts in the network", dir.display())]
    Unchecked { dir: PathBuf, source: UncheckedKustomization },
}

/// Why it is unknown whether a kustomization has parts in the network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UncheckedKustomization {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Syntax(#[from] serde_yaml::Error),
    #[error("more than {MAX_DIRECTORIES} directories")]
    TooManyDirectories,
}

impl KustomizeError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoKubectl { dir } | Self::Distrusted { dir, .. } | Self::Remote { dir, .. } => {
                Some(format!("render it first: kubectl kustomize {} > manifests.yaml", quote(dir)))
            }
            Self::Start { .. } | Self::Failed { .. } | Self::Unchecked { .. } => None,
        }
    }
}

/// Quotes a path for a shell.
pub(crate) fn quote(path: &Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map_or_else(|_| "DIR".to_owned(), std::borrow::Cow::into_owned)
}

/// Returns the directory of a kustomization, given by itself or by its file; `None` for other paths.
pub(crate) fn kustomization_dir(path: &Path) -> Option<&Path> {
    if path.is_dir() {
        return FILE_NAMES.iter().any(|name| path.join(name).is_file()).then_some(path);
    }
    let name = path.file_name()?.to_str()?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (path.is_file() && FILE_NAMES.contains(&name)).then_some(dir)
}

/// Returns whether a directory is a Helm chart.
pub(crate) fn is_chart(path: &Path) -> bool {
    path.join(CHART_FILE).is_file()
}

/// Builds the manifests of a kustomization with kubectl.
pub(crate) fn build(context: &AppContext, dir: &Path) -> Result<String, KustomizeError> {
    let is_restricted = context.connection.is_restricted();
    let mut visited = BTreeSet::new();
    match find_remote(dir, &mut visited) {
        Ok(Some(reference)) if is_restricted => {
            let reference = display_reference(&reference);
            return Err(KustomizeError::Remote { dir: dir.to_owned(), reference });
        }
        Ok(Some(reference)) => {
            let reference = display_reference(&reference);
            let text = format!("kustomization {}: fetching '{reference}' from the network", dir.display());
            context.reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
        }
        Err(source) if is_restricted => {
            return Err(KustomizeError::Unchecked { dir: dir.to_owned(), source });
        }
        // kubectl reports an error
        Ok(None) | Err(_) => {}
    }
    let program = find("kubectl", &context.environment);
    let program = program.ok_or_else(|| KustomizeError::NoKubectl { dir: dir.to_owned() })?;
    if let Some(reason) = distrust_reason(&program) {
        return Err(KustomizeError::Distrusted { dir: dir.to_owned(), program, reason });
    }
    let mut command = Command::new(&program);
    command.args(["kustomize", "--"]).arg(std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    command.env_clear().envs(context.environment.for_processes());
    if is_restricted {
        // the check does not see every field: no part can come from the network
        command.env("GIT_ALLOW_PROTOCOL", "none");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(name, NO_PROXY_ADDRESS);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
    }
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| KustomizeError::Start { dir: dir.to_owned(), program, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = failure_message(&String::from_utf8_lossy(&output.stderr));
    Err(KustomizeError::Failed { dir: dir.to_owned(), message })
}

/// Returns the message in the last line of kubectl, which newer versions write as a log record.
fn failure_message(stderr: &str) -> String {
    let line = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("kubectl failed");
    let line = match line.split_once(" err=\"") {
        Some((_, message)) => message.strip_suffix('"').unwrap_or(message).replace("\\\"", "\""),
        None => line.trim().trim_start_matches("error: ").to_owned(),
    };
    sanitize(&truncate_line(&without_credentials(&line), MAX_MESSAGE))
}

/// Returns a part of a kustomization, or of its bases, that is not on this machine. An error says why this is unknown.
fn find_remote(
    dir: &Path,
    visited: &mut BTreeSet<PathBuf>,
) -> Result<Option<String>, UncheckedKustomization> {
    let canonical = dir.canonicalize()?;
    if !visited.insert(canonical) {
        return Ok(None);
    }
    if visited.len() > MAX_DIRECTORIES {
        return Err(UncheckedKustomization::TooManyDirectories);
    }
    let Some(file) = FILE_NAMES.iter().map(|name| dir.join(name)).find(|file| file.is_file()) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&file)?;
    let text = text.trim_start_matches('\u{feff}');
    let document: Json = serde_yaml::from_str(text)?;
    let references = LISTS.iter().flat_map(|list| document[list].as_array().into_iter().flatten());
    for entry in references.filter_map(Json::as_str) {
        if is_remote(entry) {
            return Ok(Some(entry.to_owned()));
        }
        let base = dir.join(entry);
        if base.is_dir()
            && let Some(reference) = find_remote(&base, visited)?
        {
            return Ok(Some(reference));
        }
    }
    Ok(None)
}

/// Returns whether kustomize takes an entry for a URL or a repository. Some forms have no scheme.
fn is_remote(entry: &str) -> bool {
    let lowercase = entry.to_ascii_lowercase();
    // inline patches have several lines
    !entry.contains('\n')
        && (entry.contains([':', '@', '?'])
            || lowercase.starts_with("github.com")
            || lowercase.contains("_git/"))
}

/// Returns a reference as a message shows it: short, on one line, and without credentials.
fn display_reference(reference: &str) -> String {
    sanitize(&truncate_line(&without_credentials(reference), MAX_MESSAGE))
}

/// Masks user and password of the URLs in a text.
fn without_credentials(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (head, tail) = rest.split_at(start + 3);
        out.push_str(head);
        let end = tail.find(|c: char| matches!(c, '/' | '?' | '#' | '\'' | '"') || c.is_whitespace());
        let (authority, after) = tail.split_at(end.unwrap_or(tail.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => out.extend(["***@", host]),
            None => out.push_str(authority),
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn dir_with(files: &[(&str, &str)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn remote_parts_are_found_in_all_bases() {
        let check = |files: &[(&str, &str)], expected: Option<&str>| {
            let dir = dir_with(files);
            let reference = find_remote(&dir.path().join("top"), &mut BTreeSet::new()).unwrap();
            assert_eq!(reference.as_deref(), expected, "{files:?}");
        };
        let local = ("top/kustomization.yaml", "resources: [web.yaml, ../base]\npatches: [{path: p.yaml}]\n");
        check(&[local, ("base/kustomization.yml", "resources: [a.yaml]")], None);
        let remote = "https://github.com/a/b//base?ref=v1";
        check(&[local, ("base/Kustomization", &format!("bases: ['{remote}']"))], Some(remote));
        for entry in ["github.com/a/b", "git@github.com:a/b", "git::x", "file:///etc", "GitHub.com/a/b?ref=x"]
        {
            check(&[("top/kustomization.yaml", &format!("components: ['{entry}']"))], Some(entry));
        }
        // bases that name each other
        let cycle = [
            ("top/kustomization.yaml", "resources: [../base]"),
            ("base/kustomization.yaml", "resources: [../top]"),
        ];
        check(&cycle, None);
        let broken = dir_with(&[("kustomization.yaml", "a: [")]);
        assert!(find_remote(broken.path(), &mut BTreeSet::new()).is_err());
    }

    #[test]
    fn kustomization_and_chart_are_recognized_by_their_files() {
        let dir = dir_with(&[("k/Kustomization", ""), ("c/Chart.yaml", ""), ("m/a.yaml", "")]);
        let path = |name: &str| dir.path().join(name);
        assert_eq!(kustomization_dir(&path("k")), Some(path("k").as_path()));
        assert_eq!(kustomization_dir(&path("k/Kustomization")), Some(path("k").as_path()));
        assert_eq!(kustomization_dir(&path("m")), None);
        assert!(is_chart(&path("c")) && !is_chart(&path("m")) && !is_chart(&path("c/Chart.yaml")));
    }

    #[test]
    fn message_of_kubectl_is_read_from_its_last_line() {
        let check = |stderr: &str, expected: &str| assert_eq!(failure_message(stderr), expected);
        check("warning: x\nerror: no such file\n\n", "no such file");
        check(
            "E1130 14:10:23.510032 1228 run.go:72] \"command failed\" err=\"accumulating: Get \\\"https://a:b@h/\\\"\"\n",
            "accumulating: Get \"https://***@h/\"",
        );
        check("", "kubectl failed");
    }

    #[test]
    fn credentials_of_urls_are_masked() {
        let check = |text: &str, expected: &str| assert_eq!(without_credentials(text), expected);
        check("git fetch https://me:secret@host/x failed", "git fetch https://***@host/x failed");
        check("'ssh://git@a' and http://b?c@d", "'ssh://***@a' and http://b?c@d");
        check("a: b", "a: b");
    }
}
