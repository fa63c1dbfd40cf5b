//! Kubeconfig files, searched and merged by kubectl's rules.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use super::{ConnectionFlags, kubeconfig_file};
use crate::config::ProcessEnv;
use crate::k8s::error::{Cause, ConfigError};

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
    let one = |path: PathBuf| {
        let exists = path.exists();
        let names = if exists { names(&path) } else { Ok(KubeconfigNames::default()) };
        KubeconfigSource { path, exists, names }
    };
    search_paths(flags, environment).into_iter().map(one).collect()
}

fn names(path: &Path) -> Result<KubeconfigNames, ConfigError> {
    let kubeconfig = kubeconfig_file::read(path)
        .map_err(|error| ConfigError::Invalid { path: path.to_owned(), source: Cause::new(error) })?;
    Ok(KubeconfigNames {
        contexts: kubeconfig.contexts.into_iter().map(|named| named.name).collect(),
        clusters: kubeconfig.clusters.into_iter().map(|named| named.name).collect(),
        users: kubeconfig.auth_infos.into_iter().map(|named| named.name).collect(),
    })
}

/// Reads and merges the existing files; `None` if there is none, or they are empty.
pub(super) fn read(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
) -> Result<Option<MergedKubeconfig>, ConfigError> {
    let paths = match &flags.kubeconfig {
        // an explicit file must exist
        Some(path) => vec![path.clone()],
        None => candidates(environment).into_iter().filter(|path| path.exists()).collect(),
    };
    let mut merged = Kubeconfig::default();
    for path in &paths {
        let invalid = |error: kubeconfig_file::Error| ConfigError::Invalid {
            path: path.clone(),
            source: Cause::new(error),
        };
        // the parser's own message for a missing file is for programmers
        std::fs::metadata(path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let next = kubeconfig_file::read(path).map_err(invalid)?;
        merged = merged.merge(next).map_err(|error| invalid(error.into()))?;
    }
    let says_nothing = merged.contexts.is_empty() && merged.clusters.is_empty();
    if paths.is_empty() || says_nothing && flags.kubeconfig.is_none() {
        return Ok(None);
    }
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    Ok(Some(MergedKubeconfig { kubeconfig: merged, shown: shown.join(", ") }))
}

/// Returns the default paths, without duplicates.
fn candidates(environment: &ProcessEnv) -> Vec<PathBuf> {
    let home = environment.get("HOME").or_else(|| environment.get("USERPROFILE"));
    match environment.get("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => {
            let mut seen = HashSet::new();
            std::env::split_paths(&list)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| match (path.strip_prefix("~"), &home) {
                    (Ok(rest), Some(home)) => Path::new(home).join(rest),
                    _ => path,
                })
                .filter(|path| seen.insert(path.clone()))
                .collect()
        }
        None => home.map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    }
}

/// Returns where kubeconfig files are searched.
pub(super) fn search_paths(flags: &ConnectionFlags, environment: &ProcessEnv) -> Vec<PathBuf> {
    flags.kubeconfig.clone().map_or_else(|| candidates(environment), |path| vec![path])
}

/// Adds the scheme that kubectl uses to addresses without one: https with any TLS setting.
pub(super) fn add_schemes(kubeconfig: &mut Kubeconfig) {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        let tls = cluster.certificate_authority.is_some()
            || cluster.certificate_authority_data.is_some()
            || cluster.insecure_skip_tls_verify == Some(true);
        if let Some(server) = cluster.server.as_mut().filter(|server| !server.contains("://")) {
            *server = format!("{}{server}", if tls { "https://" } else { "http://" });
        }
    }
}

/// Withholds the credentials of the CI system from login programs.
pub(super) fn withhold_variables(kubeconfig: &mut Kubeconfig) {
    let names = ProcessEnv::withheld_of_process();
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        if let Some(program) = &mut user.exec {
            program.drop_env = Some(names.clone());
        }
        if let Some(provider) = &mut user.auth_provider {
            provider.config.insert("cmd-drop-env".to_owned(), names.join(" "));
        }
    }
}
