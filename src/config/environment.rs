//! Environment variables of the run.
//!
//! They are read once: a `--var-file` can add variables, and started processes do not get the withheld ones.

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
/// Prefix of the variables for services of the GitHub runner: caches, artifacts, identities.
const SERVICES: &str = "ACTIONS_";

/// Snapshot of the environment, with added variables.
#[derive(Clone, Default)]
pub struct ProcessEnv {
    variables: BTreeMap<OsString, OsString>,
}

impl ProcessEnv {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// Returns the value of a variable as text.
    pub fn get(&self, name: &str) -> Option<String> {
        self.variables.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
    }

    /// Adds or replaces a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), value.into());
    }

    /// Iterates over the variables for started processes, without tokens and files that control the CI job.
    ///
    /// An experiment may come from a pull request.
    pub fn for_processes(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let allowed = |(name, _): &(&OsString, &OsString)| !is_withheld(&name.to_string_lossy());
        self.variables.iter().filter(allowed).map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Removes the withheld variables, so that the configuration of an untrusted experiment cannot read them.
    #[must_use]
    pub fn without_withheld(mut self) -> Self {
        self.variables.retain(|name, _| !is_withheld(&name.to_string_lossy()));
        self
    }
}

/// Whether a variable is withheld. Some systems ignore the case of names.
fn is_withheld(name: &str) -> bool {
    let of_services = name.get(..SERVICES.len()).is_some_and(|start| start.eq_ignore_ascii_case(SERVICES));
    let mut withheld = TOKENS.iter().chain(&WORKFLOW_FILES);
    of_services || withheld.any(|withheld| withheld.eq_ignore_ascii_case(name))
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
