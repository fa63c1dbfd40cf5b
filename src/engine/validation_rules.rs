//! Validation rules that depend on the environment, the variables, and the providers.
//!
//! Verbatim: Python 3.12 (errors of patterns, passed through the verbatim trait)

use super::controls::is_native;
use crate::config::ProcessEnv;
use crate::experiment::configuration::Variables;
use crate::experiment::{ProviderKind, ProviderUsage, ValidationFinding, ValidationRules};
use crate::provider::Providers;
use crate::tolerance::{check_json_path, check_regex};
use crate::value::Map;

/// Rules of a run.
pub struct RunRules<'a> {
    pub environment: &'a ProcessEnv,
    pub variables: &'a Variables,
    pub providers: &'a Providers,
    /// Whether a feature that would be silently ignored is an error.
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
