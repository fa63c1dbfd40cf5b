//! The environment variables of the run.
//!
//! They are read once and carried along: a `--var-file` may add to them, which the process's own environment
//! would only allow by unsafe code, and what is started gets them without what only this program may know.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Variables that hold credentials of the CI system, not of the experiment.
const TOKENS: [&str; 9] = [
    "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN",
    "GITHUB_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "INPUT_GITHUB-TOKEN",
    "INPUT_GITHUB_TOKEN",
    "KUBECTL_CHAOS_INPUT_GITHUB_TOKEN",
    "KUBECTL_CHAOS_TOKEN",
];
/// Files through which a step of a GitHub workflow changes the steps after it.
const WORKFLOW_FILES: [&str; 5] =
    ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE"];
/// What the names of everything begin with by which a job speaks to the runner's services: caches, artifacts,
/// identities.
const SERVICES: &str = "ACTIONS_";

/// A snapshot of the environment, with what was added to it.
#[derive(Clone, Default)]
pub struct ProcessEnv {
    variables: BTreeMap<OsString, OsString>,
}

impl ProcessEnv {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// The value of a variable, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        self.variables.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
    }

    /// Adds or replaces a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), value.into());
    }

    /// The variables that a started process gets: all but this program's own tokens and the files by which a
    /// CI job is steered. An experiment may come from a pull request.
    pub fn for_processes(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let allowed = |(name, _): &(&OsString, &OsString)| !is_withheld(&name.to_string_lossy());
        self.variables.iter().filter(allowed).map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The same without what processes do not get: an experiment that is run for a pull request is not to read it
    /// by its configuration either.
    #[must_use]
    pub fn without_withheld(mut self) -> Self {
        self.variables.retain(|name, _| !is_withheld(&name.to_string_lossy()));
        self
    }

    /// The names of what is withheld in the environment of this process, for whoever starts one without this
    /// snapshot.
    pub fn withheld_of_process() -> Vec<String> {
        let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        names.filter(|name| is_withheld(name)).collect()
    }
}

/// Some systems take names in any case.
fn is_withheld(name: &str) -> bool {
    let of_services = name.get(..SERVICES.len()).is_some_and(|start| start.eq_ignore_ascii_case(SERVICES));
    let mut known = TOKENS.iter().chain(&WORKFLOW_FILES);
    of_services || known.any(|known| known.eq_ignore_ascii_case(name))
}

impl<const N: usize> From<[(&str, &str); N]> for ProcessEnv {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_get_everything_but_tokens_and_workflow_files() {
        let environment = ProcessEnv::from([
            ("PATH", "/bin"),
            ("MY_TOKEN", "the experiment's own"),
            ("GITHUB_TOKEN", "t"),
            ("ACTIONS_RUNTIME_TOKEN", "t"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "u"),
            ("GITHUB_ENV", "f"),
            ("GITHUB_SHA", "abc"),
            ("GitHub_Token", "t"),
            ("actions_cache_url", "u"),
            ("ACTIONS", "the experiment's own"),
            ("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", "t"),
        ]);
        let names: Vec<_> = environment.for_processes().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(names, ["ACTIONS", "GITHUB_SHA", "MY_TOKEN", "PATH"]);
        assert_eq!(environment.get("GITHUB_TOKEN").as_deref(), Some("t"));
        assert_eq!(environment.without_withheld().get("GITHUB_TOKEN"), None);
    }
}
