//! Settings, variables and providers of a run; validation of experiments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::AppContext;
use super::error::AppError;
use super::outcome::Outcome;
use super::reporter::Reporter;
use crate::config::{DEFAULT_PATH, ProcessEnv, Settings, VariableFile, read_variables};
use crate::console::{ConsoleLine, LineLevel, LinePrefix};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::RunRules;
use crate::error_code::ErrorCode;
use crate::experiment::configuration::Variables;
use crate::experiment::document::Document;
use crate::experiment::{ControlDeclaration, ProviderKind, document, json, validate, yaml};
use crate::k8s::WarningHandler;
use crate::provider::{HttpProvider, KubernetesProvider, ProcessProvider, Providers, ServiceRouter};
use crate::value::Value;

/// Values that replace those of the experiment.
#[derive(Clone, Debug, Default)]
pub(crate) struct VariableInputs {
    pub(crate) variables: Vec<(String, Value)>,
    /// Files with configuration, secrets or environment variables.
    pub(crate) files: Vec<PathBuf>,
}

/// Settings, variables and providers of a run.
pub(crate) struct RunContext {
    pub(crate) settings: Settings,
    pub(crate) variables: Variables,
    pub(crate) environment: Arc<ProcessEnv>,
    pub(crate) providers: Providers,
    /// The provider that reaches the cluster.
    pub(crate) kubernetes: Arc<KubernetesProvider>,
    /// Routes of HTTP requests to Services in the cluster.
    pub(crate) services: Arc<ServiceRouter>,
}

impl RunContext {
    /// Reads settings and variables.
    pub(crate) fn read(context: &AppContext, inputs: &VariableInputs) -> Result<Self, AppError> {
        let mut environment = context.environment.clone();
        let settings = read_settings(context)?;
        let mut files = Vec::new();
        for path in &inputs.files {
            let bytes = std::fs::read(path).map_err(|error| {
                let message = format!("cannot read variable file {}: {error}", path.display());
                AppError::new(ErrorCode::VariablesInvalid, message).with_outcome(Outcome::Usage)
            })?;
            files.push(VariableFile { path: path.display().to_string(), bytes });
        }
        let single = inputs.variables.iter().cloned().collect();
        let (variables, faults) = read_variables(&files, single, &mut environment);
        if let Some(fault) = faults.first().filter(|_| context.is_strict()) {
            return Err(AppError::from_diagnostic(ErrorCode::VariablesInvalid, fault));
        }
        for fault in faults {
            let message = format!("ignoring a part of variable file {}", fault.summary());
            context.reporter.show(&ConsoleLine::note(LineLevel::Warning, message));
        }
        // last, so that no variable file can name another cluster
        if let Some(kubeconfig) = &context.embedded_kubeconfig {
            environment.set("KUBECONFIG", &kubeconfig.display().to_string());
            // a proxy cannot reach the loopback address
            for name in ["no_proxy", "NO_PROXY"] {
                let hosts = environment.get(name).filter(|hosts| !hosts.is_empty());
                environment
                    .set(name, &hosts.map_or_else(|| "127.0.0.1".to_owned(), |hosts| hosts + ",127.0.0.1"));
            }
        }
        let environment = Arc::new(environment);
        let connection = &context.connection;
        let mut options = connection.function_options(context.is_strict());
        let reporter = Arc::clone(&context.reporter);
        options.flags.warnings = WarningHandler::new(move |warning| reporter.warn_once(warning));
        let kubernetes = Arc::new(KubernetesProvider::new(Arc::clone(&environment), options));
        let (access, aliases) = (connection.service_access, connection.service_aliases.clone());
        let services = ServiceRouter::new(Arc::clone(&kubernetes), access, aliases);
        let http = HttpProvider::new(Arc::clone(&environment)).with_services(Arc::clone(&services));
        let providers = Providers::default()
            .with(ProviderKind::Process, ProcessProvider::new(Arc::clone(&environment)))
            .with(ProviderKind::Http, http)
            .with_shared(ProviderKind::Python, Arc::clone(&kubernetes) as _);
        Ok(Self { settings, variables, environment, providers, kubernetes, services })
    }

    /// Validates a document.
    pub(crate) fn faults(&self, document: &Document, strict: bool) -> Vec<Diagnostic> {
        let rules = RunRules {
            environment: &self.environment,
            variables: &self.variables,
            providers: &self.providers,
            strict,
        };
        validate(document, &rules)
    }
}

/// Reads the settings file. With `--strict=false` an invalid one is skipped, like by the Chaos Toolkit; so is an
/// invalid file that no flag names.
fn read_settings(context: &AppContext) -> Result<Settings, AppError> {
    let path = match context.settings_path.strip_prefix("~/") {
        None => PathBuf::from(&context.settings_path),
        Some(rest) => {
            match context.environment.get("HOME").or_else(|| context.environment.get("USERPROFILE")) {
                Some(home) => Path::new(&home).join(rest),
                None => return Ok(Settings::default()),
            }
        }
    };
    let is_explicit = context.settings_path != format!("~/{DEFAULT_PATH}");
    let name = path.display().to_string();
    let settings = match std::fs::read(&path) {
        Ok(bytes) => Settings::read(&bytes, &name).or_else(|fault| {
            if is_explicit && context.is_strict() {
                return Err(refuse_settings(&fault));
            }
            let cause = fault.message.trim_start_matches(yaml::BROKEN).replacen(", ", "\n", 1);
            let message = format!("Failed parsing YAML settings: {cause}");
            context.reporter.show(&ConsoleLine::new(LineLevel::Error, message));
            context.reporter.show(&ConsoleLine::note(LineLevel::Info, fault.to_string()));
            Ok(Settings::default())
        })?,
        Err(error) if is_explicit || error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("cannot read settings file {name}: {error}");
            context.reporter.show(&ConsoleLine::note(LineLevel::Warning, message));
            Settings::default()
        }
        Err(_) => Settings::default(),
    };
    Ok(settings)
}

/// Creates the error of an invalid settings or control file.
fn refuse_settings(fault: &Diagnostic) -> AppError {
    AppError::from_diagnostic(ErrorCode::SettingsInvalid, fault)
}

/// Reads control files. With `--strict=false` invalid ones are skipped, like by the Chaos Toolkit.
pub(crate) fn read_control_files(
    context: &AppContext,
    paths: &[PathBuf],
) -> Result<Vec<ControlDeclaration>, AppError> {
    let reporter = &context.reporter;
    let mut controls = Vec::new();
    for path in paths {
        match read_control_file(path) {
            Ok(more_controls) => controls.extend(more_controls),
            Err(fault) if context.is_strict() => return Err(refuse_settings(&fault)),
            Err(fault) => {
                let message = format!("Failed to parse control file '{}': {}", path.display(), fault.message);
                reporter.show(&ConsoleLine::new(LineLevel::Error, message));
                reporter.show(&ConsoleLine::note(LineLevel::Info, fault.to_string()));
            }
        }
    }
    Ok(controls)
}

fn read_control_file(path: &Path) -> Result<Vec<ControlDeclaration>, Diagnostic> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Diagnostic::for_file(&name, error.to_string()))?;
    let text = document::decode(&bytes, &name)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let document = if is_json { json::read(text, &name)? } else { yaml::read(text, &name)? };
    match document.root.to_value() {
        Value::Map(controls) => Ok(ControlDeclaration::read_named(&controls)),
        other => {
            let message = format!("expected a mapping of controls by name, not {}", other.kind());
            Err(Diagnostic::for_file(&name, message))
        }
    }
}

/// Shows all diagnostics with their positions; before them, for its tools, the first error as the Chaos Toolkit does.
pub(crate) fn show_diagnostics(reporter: &dyn Reporter, faults: &[Diagnostic]) {
    let first = faults.iter().find(|fault| fault.severity == Severity::Error);
    if let Some(first) = first.filter(|_| reporter.has_toolkit_readers()) {
        let line = ConsoleLine::new(LineLevel::Error, first.message.clone());
        reporter.show(&ConsoleLine { code: Some(ErrorCode::ExperimentInvalid), ..line });
    }
    for fault in faults.iter().filter(|fault| !fault.inherited) {
        let level = if fault.severity == Severity::Error { LineLevel::Error } else { LineLevel::Warning };
        reporter.show(&ConsoleLine {
            level,
            text: fault.to_string(),
            prefix: LinePrefix::None,
            code: None,
            hint: None,
        });
    }
}

/// Shows the warnings that the Chaos Toolkit has too, each once, up to the first error, where it stops.
pub(crate) fn show_inherited_warnings(reporter: &dyn Reporter, faults: &[Diagnostic]) {
    let mut shown: Vec<&str> = Vec::new();
    let warnings = faults.iter().take_while(|fault| fault.severity == Severity::Warning);
    for fault in warnings.filter(|fault| fault.inherited) {
        if !shown.contains(&fault.message.as_str()) {
            shown.push(&fault.message);
            reporter.show(&ConsoleLine::new(LineLevel::Warning, fault.message.clone()));
        }
    }
}

/// Returns whether an error prevents the run.
pub(crate) fn is_invalid(faults: &[Diagnostic]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::context::tests::context;

    #[test]
    fn variable_file_cannot_replace_the_embedded_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("variables.env");
        std::fs::write(&file, "KUBECONFIG=/production\nNO_PROXY=a.example\nOTHER=x\n").unwrap();
        let inputs = VariableInputs { variables: Vec::new(), files: vec![file] };
        let read = |context: &AppContext| RunContext::read(context, &inputs).unwrap().environment;
        let embedded = read(&context().for_embedded_cluster(Path::new("/embedded")));
        let of = |environment: &ProcessEnv, name: &str| environment.get(name).unwrap_or_default();
        assert_eq!(of(&embedded, "KUBECONFIG"), "/embedded");
        assert_eq!(of(&embedded, "NO_PROXY"), "a.example,127.0.0.1");
        assert_eq!(of(&embedded, "OTHER"), "x");
        assert_eq!(of(&read(&context()), "KUBECONFIG"), "/production");
    }
}
