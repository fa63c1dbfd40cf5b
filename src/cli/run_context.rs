//! What a command reads before it does anything: settings, variables, the experiment, its faults. Floor 3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CommandContext;
use super::args::VariableArgs;
use super::exit_code::ExitStatus;
use super::terminal::Terminal;
use crate::config::{DEFAULT_PATH, ProcessEnv, Settings, VariableFile, read_variables};
use crate::console::{ConsoleLine, LineLevel, LinePrefix};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::RunRules;
use crate::experiment::configuration::Variables;
use crate::experiment::document::Document;
use crate::experiment::{ControlDeclaration, ProviderKind, document, json, validate, yaml};
use crate::provider::{HttpProvider, KubernetesProvider, ProcessProvider, Providers, ServiceRouter};
use crate::value::Value;

/// What stands beside an experiment.
pub(super) struct RunContext {
    pub(super) settings: Settings,
    pub(super) variables: Variables,
    pub(super) environment: Arc<ProcessEnv>,
    pub(super) providers: Providers,
    /// The one of the providers that has a cluster to be reached.
    pub(super) kubernetes: Arc<KubernetesProvider>,
    /// What requests may be sent to in it.
    pub(super) services: Arc<ServiceRouter>,
}

impl RunContext {
    /// Reads settings and variables. What cannot be read of them is told; a missing file was told by clap.
    /// With a kubeconfig of a cluster to rehearse on, that is the cluster of everything that runs.
    pub(super) fn read(
        session: &CommandContext,
        args: &VariableArgs,
        rehearsal: Option<&Path>,
    ) -> Result<Self, u8> {
        let mut environment = session.environment.clone();
        let settings = settings(session);
        let mut files = Vec::new();
        for path in &args.variable_files {
            let bytes = std::fs::read(path).map_err(|error| {
                session.refuse(
                    ExitStatus::Usage,
                    format!("the variables in {} cannot be read: {error}", path.display()),
                )
            })?;
            files.push(VariableFile { path: path.display().to_string(), bytes });
        }
        let single = args.variables.iter().cloned().collect();
        let (variables, faults) = read_variables(&files, single, &mut environment);
        for fault in faults {
            let message = format!("a variable file is passed over: {fault}");
            session.terminal.say(&ConsoleLine::note(LineLevel::Error, message));
        }
        let mut connection = session.connection.clone();
        if let Some(kubeconfig) = rehearsal {
            connection = connection.to(kubeconfig.to_owned());
            environment.set("KUBECONFIG", &kubeconfig.display().to_string());
            // it is on loopback, where no proxy leads
            for name in ["no_proxy", "NO_PROXY"] {
                let known = environment.get(name).filter(|known| !known.is_empty());
                environment
                    .set(name, &known.map_or_else(|| "127.0.0.1".to_owned(), |known| known + ",127.0.0.1"));
            }
        }
        let environment = Arc::new(environment);
        let options = connection.options(session.global.strict);
        let kubernetes = Arc::new(KubernetesProvider::new(Arc::clone(&environment), options));
        let (access, aliases) = session.connection.services();
        let services = ServiceRouter::new(Arc::clone(&kubernetes), access, aliases);
        let http = HttpProvider::new(Arc::clone(&environment)).with_services(Arc::clone(&services));
        let providers = Providers::default()
            .with(ProviderKind::Process, ProcessProvider::new(Arc::clone(&environment)))
            .with(ProviderKind::Http, http)
            .with_shared(ProviderKind::Python, Arc::clone(&kubernetes) as _);
        Ok(Self { settings, variables, environment, providers, kubernetes, services })
    }

    /// Every fault and doubt of a document.
    pub(super) fn faults(&self, document: &Document, strict: bool) -> Vec<Diagnostic> {
        let rules = RunRules {
            environment: &self.environment,
            variables: &self.variables,
            providers: &self.providers,
            strict,
        };
        validate(document, &rules)
    }
}

/// The settings file; broken ones are told and passed over, as the Chaos Toolkit does.
fn settings(session: &CommandContext) -> Settings {
    let path = match session.global.settings.strip_prefix("~/") {
        None => PathBuf::from(&session.global.settings),
        Some(rest) => {
            match session.environment.get("HOME").or_else(|| session.environment.get("USERPROFILE")) {
                Some(home) => Path::new(&home).join(rest),
                None => return Settings::default(),
            }
        }
    };
    let given = session.global.settings != format!("~/{DEFAULT_PATH}");
    let shown = path.display().to_string();
    match std::fs::read(&path) {
        Ok(bytes) => Settings::read(&bytes, &shown).unwrap_or_else(|fault| {
            let what = fault.message.trim_start_matches(yaml::BROKEN).replacen(", ", "\n", 1);
            let message = format!("Failed parsing YAML settings: {what}");
            session.terminal.say(&ConsoleLine::new(LineLevel::Error, message));
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, fault.to_string()));
            Settings::default()
        }),
        Err(error) if given || error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("the settings in {shown} cannot be read: {error}");
            session.terminal.say(&ConsoleLine::note(LineLevel::Warning, message));
            Settings::default()
        }
        Err(_) => Settings::default(),
    }
}

/// The controls of control files; what cannot be parsed is told and passed over.
pub(super) fn control_files(session: &CommandContext, paths: &[PathBuf]) -> Vec<ControlDeclaration> {
    let mut controls = Vec::new();
    for path in paths {
        match control_file(path) {
            Ok(more) => controls.extend(more),
            Err(fault) => {
                let message = format!("Failed to parse control file '{}': {}", path.display(), fault.message);
                session.terminal.say(&ConsoleLine::new(LineLevel::Error, message));
                session.terminal.say(&ConsoleLine::note(LineLevel::Info, fault.to_string()));
            }
        }
    }
    controls
}

fn control_file(path: &Path) -> Result<Vec<ControlDeclaration>, Diagnostic> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Diagnostic::for_file(&shown, error.to_string()))?;
    let text = document::decode(&bytes, &shown)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let document = if is_json { json::read(text, &shown)? } else { yaml::read(text, &shown)? };
    match document.root.to_value() {
        Value::Map(controls) => Ok(ControlDeclaration::read_named(&controls)),
        other => {
            Err(Diagnostic::for_file(&shown, format!("controls are a mapping by name, not {}", other.kind())))
        }
    }
}

/// Tells faults: the first one in the console's way, all of them with their places.
pub(super) fn tell_faults(terminal: &Terminal, faults: &[Diagnostic]) {
    if let Some(first) = faults.iter().find(|fault| fault.severity == Severity::Error) {
        terminal.say(&ConsoleLine::new(LineLevel::Error, first.message.clone()));
    }
    for fault in faults.iter().filter(|fault| !fault.inherited) {
        let level = if fault.severity == Severity::Error { LineLevel::Error } else { LineLevel::Warning };
        terminal.say(&ConsoleLine {
            level,
            text: fault.to_string(),
            prefix: LinePrefix::None,
            code: None,
            hint: None,
        });
    }
}

/// Tells the warnings that the Chaos Toolkit has too, each once, up to the first error: it knows of no more.
pub(super) fn tell_inherited(terminal: &Terminal, faults: &[Diagnostic]) {
    let mut told: Vec<&str> = Vec::new();
    let known = faults.iter().take_while(|fault| fault.severity == Severity::Warning);
    for fault in known.filter(|fault| fault.inherited) {
        if !told.contains(&fault.message.as_str()) {
            told.push(&fault.message);
            terminal.say(&ConsoleLine::new(LineLevel::Warning, fault.message.clone()));
        }
    }
}

/// Whether nothing may run.
pub(super) fn is_invalid(faults: &[Diagnostic]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}
