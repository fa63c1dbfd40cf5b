//! Resolves configuration and secrets: environment, Vault, and dynamic probes.

use std::sync::Arc;

use super::EventBus;
use crate::config::ProcessEnv;
use crate::config::vault::{self, VaultError};
use crate::error_code::{Coded, ErrorCode};
use crate::event::{ActivityOutcome, RunEvent};
use crate::experiment::configuration::{self, VariableError, Variables, is_dynamic, vault_secrets};
use crate::experiment::{Activity, Experiment, ProviderKind};
use crate::http_client;
use crate::provider::{ActivityError, Providers};
use crate::substitution::{Redactor, Scope};
use crate::value::Value;

/// Resolved configuration.
pub struct ResolvedConfiguration {
    /// The values for placeholders.
    pub scope: Scope,
    /// Warnings that do not prevent the run.
    pub warnings: Vec<String>,
}

/// The configuration or a secret of an experiment cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// This program or its connection failed, so the value is unknown.
    #[error("cannot load configuration '{name}': {message}")]
    Tool { name: String, code: ErrorCode, message: String },
}

impl Coded for ConfigurationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Variable(_) => ErrorCode::VariablesInvalid,
            Self::Vault(error) => error.code(),
            Self::Tool { code, .. } => *code,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Variable(_) | Self::Tool { .. } => None,
            Self::Vault(error) => error.hint(),
        }
    }
}

/// Resolves the configuration and the secrets of an experiment.
pub async fn configure(
    experiment: &Experiment,
    variables: &Variables,
    environment: &ProcessEnv,
    providers: &Providers,
    bus: &EventBus,
    plain: bool,
) -> Result<ResolvedConfiguration, ConfigurationError> {
    let get = |key: &str| environment.get(key);
    let static_ =
        configuration::resolve_configuration(&experiment.configuration, &variables.configuration, &get)?;
    let secrets = vault_secrets(&experiment.secrets, &variables.secrets);
    let fetched = vault::fetch(&secrets, &static_, &http_client::trust(get)).await?;
    let secrets =
        configuration::resolve_secrets(&experiment.secrets, &variables.secrets, &get, &fetched.secrets)?;

    // dynamic entries can use only the entries declared before them
    let mut scope = Scope::new(crate::value::Map::new(), secrets);
    let mut failed = Vec::new();
    let mut dynamic = false;
    for (name, entry) in static_ {
        if !is_dynamic(&entry) {
            scope.define(name, entry);
            continue;
        }
        dynamic = true;
        let redactor =
            if plain { Redactor::default() } else { Redactor::of_experiment(&scope, &experiment.document) };
        match resolve_dynamic(&name, &entry, &scope, providers, bus, &redactor).await? {
            Some(value) => scope.define(name, value),
            None => failed.push(name),
        }
    }
    if dynamic {
        bus.emit(&RunEvent::ConfigurationResolved { failed });
    }
    Ok(ResolvedConfiguration { scope, warnings: fetched.warnings })
}

/// Runs the probe of a dynamic entry and returns its value.
///
/// The value is the trimmed output of a successful process, the body of a response with any status, or the return
/// value of a function.
async fn resolve_dynamic(
    name: &str,
    entry: &Value,
    scope: &Scope,
    providers: &Providers,
    bus: &EventBus,
    redactor: &Redactor,
) -> Result<Option<Value>, ConfigurationError> {
    let Ok(activity) = Activity::from_value(entry, &format!("/configuration/{name}"), &[]) else {
        return Ok(None);
    };
    let activity = Arc::new(activity);
    let outcome = match providers.run_probe_with_remark(&activity, scope).await {
        // a body that is not what it claims to be is no value
        Ok((_, Some(remark))) if activity.provider == Some(ProviderKind::Http) => {
            ActivityOutcome::Failed(redactor.redact_text(&remark).into_owned())
        }
        Ok((output, _)) => ActivityOutcome::Succeeded(output),
        Err(ActivityError::Tool { code, message }) => {
            let message = redactor.redact_text(&message).into_owned();
            return Err(ConfigurationError::Tool { name: name.to_owned(), code, message });
        }
        Err(error) => ActivityOutcome::Failed(redactor.redact_text(error.text()).into_owned()),
    };
    let value = match (&outcome, activity.provider) {
        (ActivityOutcome::Succeeded(output), Some(ProviderKind::Process)) => {
            let ended_well = output.get("status").is_some_and(|status| status.equals(&Value::Int(0)));
            let text = output.get("stdout").and_then(Value::as_text).filter(|_| ended_well);
            text.map(|text| text.trim().into())
        }
        (ActivityOutcome::Succeeded(output), Some(ProviderKind::Http)) => output.get("body").cloned(),
        (ActivityOutcome::Succeeded(output), _) => Some(output.clone()),
        _ => None,
    };
    let outcome = match outcome {
        ActivityOutcome::Succeeded(output) => ActivityOutcome::Succeeded(redactor.redact_value(&output)),
        other => other,
    };
    let name = redactor.redact_text(&activity.name).into_owned();
    bus.emit(&RunEvent::ActivityCalled { activity, name, outcome });
    Ok(value)
}
