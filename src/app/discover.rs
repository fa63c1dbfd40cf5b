//! Finds built-in functions by name.

use crate::chaosk8s::catalogue::{Function, functions};
use crate::diagnostic::suggestion;
use crate::error_code::{Coded, ErrorCode};

/// The Chaos Toolkit package whose functions are built in.
pub(crate) const PACKAGE: &str = "chaostoolkit-kubernetes";
const MODULE_PREFIX: &str = "chaosk8s.";

/// Why no function was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoverError {
    #[error("cannot list the functions of package {0}: only the package {PACKAGE} is built in")]
    Package(String),
    #[error("unknown function or module \"{query}\"")]
    Unknown { query: String, similar: Option<String> },
}

impl Coded for DiscoverError {
    fn code(&self) -> ErrorCode {
        ErrorCode::UsageInvalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Package(_) => {
                Some("Python packages cannot be loaded; use process or http providers".to_owned())
            }
            Self::Unknown { similar: Some(similar), .. } => Some(similar.clone()),
            Self::Unknown { .. } => Some("run `kubectl chaos discover` to list all functions".to_owned()),
        }
    }
}

/// Returns the names of functions and modules, with descriptions.
pub(crate) fn names() -> impl Iterator<Item = (String, String)> {
    let listed = || functions().filter(|function| function.listed);
    let mut unique = std::collections::BTreeSet::new();
    let names = listed().map(|function| (function.name.to_owned(), function.about.to_owned()));
    let modules = listed().map(|function| (function.module.to_owned(), "module".to_owned()));
    let mut all: Vec<_> = names.chain(modules).collect();
    all.retain(|(name, _)| unique.insert(name.clone()));
    all.into_iter()
}

/// Finds functions by package, full name, name, or module prefix.
pub(crate) fn find_functions(query: &str) -> Result<Vec<Function>, DiscoverError> {
    let listed = || functions().filter(|function| function.listed);
    if query == PACKAGE {
        return Ok(listed().collect());
    }
    let qualified_name = |function: &Function| format!("{}.{}", function.module, function.name);
    if let Some(only) = functions().find(|function| qualified_name(function) == query) {
        return Ok(vec![only]);
    }
    let is_inside = |module: &str, parent: &str| {
        module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let matches: Vec<Function> = listed()
        .filter(|function| {
            let short = function.module.strip_prefix(MODULE_PREFIX).unwrap_or(function.module);
            function.name == query || is_inside(function.module, query) || is_inside(short, query)
        })
        .collect();
    if !matches.is_empty() {
        return Ok(matches);
    }
    // unlisted functions exist only for old experiments
    if let Some(old) = functions().find(|function| function.name == query) {
        return Ok(vec![old]);
    }
    let words: Vec<String> = names().map(|(word, _)| word).collect();
    let is_package = query.starts_with("chaostoolkit");
    let similar = suggestion(query, words.iter().map(String::as_str));
    Err(match similar {
        _ if is_package => DiscoverError::Package(query.to_owned()),
        similar => DiscoverError::Unknown { query: query.to_owned(), similar },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name_and_module() {
        let check = |query: &str, count: usize, first: &str| {
            let matches = find_functions(query).unwrap();
            let name = format!("{}.{}", matches[0].module, matches[0].name);
            assert_eq!((matches.len(), name.as_str()), (count, first), "{query}");
        };
        let kill = "chaosk8s.pod.actions.terminate_pods";
        check("terminate_pods", 1, kill);
        check(kill, 1, kill);
        check("chaosk8s.pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("pod.actions", 2, "chaosk8s.pod.actions.exec_in_pods");
        check("secret", 3, "chaosk8s.secret.actions.create_secret");
        check("all_pods_healthy", 1, "chaosk8s.pod.probes.all_pods_healthy");
        // the replacement of a deprecated function is found by its name
        assert!(names().any(|(word, _)| word == "all_pods_healthy"));
        check("chaosk8s.service.probes.read_pod_logs", 1, "chaosk8s.service.probes.read_pod_logs");
        assert!(find_functions(PACKAGE).unwrap().len() > 90);
    }

    #[test]
    fn unknown_function_error_suggests_names() {
        let check = |query: &str, text: &str| {
            let error = find_functions(query).unwrap_err();
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains(text), "{error}: {hint}");
        };
        check("terminate-pod", "did you mean \"terminate_pods\"?");
        check("chaosk8s.pod.action", "did you mean \"chaosk8s.pod.actions\"?");
        check("chaostoolkit-aws", "Python packages cannot be loaded");
        check("po", "`kubectl chaos discover`");
    }
}
