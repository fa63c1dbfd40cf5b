//! What validation asks of everything but the document.

use super::control::is_native;
use crate::config::ProcessEnv;
use crate::experiment::configuration::Variables;
use crate::experiment::{ProviderKind, ProviderUsage, ValidationFinding, ValidationRules};
use crate::provider::Providers;
use crate::tolerance::{check_json_path, check_regex};
use crate::value::Map;

/// The rules of this build, on this machine, for this run.
pub struct RunRules<'a> {
    /// The environment of the run.
    pub environment: &'a ProcessEnv,
    /// What was given beside the experiment.
    pub variables: &'a Variables,
    /// What can be carried out.
    pub providers: &'a Providers,
    /// Whether what would quietly not happen is an error.
    pub strict: bool,
}

impl ValidationRules for RunRules<'_> {
    fn environment(&self, key: &str) -> Option<String> {
        self.environment.get(key)
    }

    fn variables(&self) -> &Variables {
        self.variables
    }

    fn regex(&self, pattern: &str) -> Result<(), String> {
        check_regex(pattern)
    }

    fn json_path(&self, path: &str) -> Result<(), String> {
        check_json_path(path)
    }

    fn provider(
        &self,
        kind: ProviderKind,
        usage: ProviderUsage<'_>,
        provider: &Map,
    ) -> Vec<ValidationFinding> {
        self.providers.check(kind, usage, provider)
    }

    fn control(&self, module: &str) -> bool {
        is_native(module)
    }

    fn strict(&self) -> bool {
        self.strict
    }
}
