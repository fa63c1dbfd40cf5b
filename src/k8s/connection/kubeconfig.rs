//! Kubeconfig files, searched and merged by kubectl's rules.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::kubeconfig_file::{self, Kubeconfig};
use super::{ConnectionFlags, not_empty};
use crate::config::ProcessEnv;
use crate::k8s::error::ConfigError;

/// Merged kubeconfig files.
pub(super) struct MergedKubeconfig {
    pub(super) kubeconfig: Kubeconfig,
    /// The paths of the files, for messages.
    pub(super) shown: String,
}

/// Kubeconfig file, and the names in it.
pub struct KubeconfigSource {
    pub path: PathBuf,
    pub exists: bool,
    /// The names in the file, or why it cannot be read.
    pub names: Result<KubeconfigNames, ConfigError>,
}

/// Names in a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigNames {
    pub contexts: Vec<String>,
    pub clusters: Vec<String>,
    pub users: Vec<String>,
}

/// Reads every kubeconfig file, in order, without merging.
pub fn kubeconfigs(flags: &ConnectionFlags, environment: &ProcessEnv) -> Vec<KubeconfigSource> {
    let read_source = |path: PathBuf| {
        let exists = path.exists();
        let names = if exists { names(&path) } else { Ok(KubeconfigNames::default()) };
        KubeconfigSource { path, exists, names }
    };
    search_paths(flags, environment).into_iter().map(read_source).collect()
}

fn names(path: &Path) -> Result<KubeconfigNames, ConfigError> {
    fn names<T>(entries: Vec<(String, T)>) -> Vec<String> {
        entries.into_iter().map(|(name, _)| name).collect()
    }
    let kubeconfig = kubeconfig_file::read(path)
        .map_err(|source| ConfigError::Invalid { path: path.to_owned(), source })?;
    Ok(KubeconfigNames {
        contexts: names(kubeconfig.contexts),
        clusters: names(kubeconfig.clusters),
        users: names(kubeconfig.users),
    })
}

/// Reads and merges the existing files; `None` if there is none, or they are empty.
pub(super) fn read(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
) -> Result<Option<MergedKubeconfig>, ConfigError> {
    let explicit = explicit(flags);
    let paths = match explicit {
        // an explicit file must exist
        Some(path) => vec![path.to_owned()],
        None => candidates(environment).into_iter().filter(|path| path.exists()).collect(),
    };
    let mut merged = Kubeconfig::default();
    for path in &paths {
        // the error of a missing file has a message of its own
        std::fs::metadata(path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let next = kubeconfig_file::read(path);
        merged.merge(next.map_err(|source| ConfigError::Invalid { path: path.clone(), source })?);
    }
    let says_nothing = merged.contexts.is_empty() && merged.clusters.is_empty();
    if paths.is_empty() || says_nothing && explicit.is_none() {
        return Ok(None);
    }
    let paths_text: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    Ok(Some(MergedKubeconfig { kubeconfig: merged, shown: paths_text.join(", ") }))
}

/// Returns the default paths, without duplicates.
fn candidates(environment: &ProcessEnv) -> Vec<PathBuf> {
    let home = environment.get("HOME").or_else(|| environment.get("USERPROFILE"));
    match environment.get("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => {
            let mut visited = HashSet::new();
            std::env::split_paths(&list)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| match (path.strip_prefix("~"), &home) {
                    (Ok(rest), Some(home)) => Path::new(home).join(rest),
                    _ => path,
                })
                .filter(|path| visited.insert(path.clone()))
                .collect()
        }
        None => home.map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    }
}

/// Returns the path of `--kubeconfig`. An empty one is the same as none.
fn explicit(flags: &ConnectionFlags) -> Option<&Path> {
    flags.kubeconfig.as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// Returns where kubeconfig files are searched.
pub(super) fn search_paths(flags: &ConnectionFlags, environment: &ProcessEnv) -> Vec<PathBuf> {
    explicit(flags).map_or_else(|| candidates(environment), |path| vec![path.to_owned()])
}

/// Returns the name of the context that flags, variables and files select.
pub(super) fn select_context(
    files: &MergedKubeconfig,
    flags: &ConnectionFlags,
    variable: Option<String>,
) -> Result<String, ConfigError> {
    let kubeconfig = &files.kubeconfig;
    let requested = not_empty(flags.context.as_deref())
        .map(str::to_owned)
        .or(variable.filter(|name| !name.is_empty()))
        .or_else(|| kubeconfig.current_context.clone())
        .unwrap_or_default();
    if kubeconfig.contexts.iter().any(|(name, _)| *name == requested) {
        return Ok(requested);
    }
    let names = kubeconfig.contexts.iter().map(|(name, _)| name.clone()).collect();
    let files = files.shown.clone();
    Err(if requested.is_empty() {
        ConfigError::NoCurrentContext { files, known: names }
    } else {
        ConfigError::UnknownContext { files, name: requested, known: names }
    })
}
