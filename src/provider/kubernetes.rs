//! Provider of the Chaos Toolkit's functions for Kubernetes.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{ActivityError, EffectCheck, PreparedActivity, Provider};
use crate::chaosk8s;
use crate::chaosk8s::catalogue::{ArgumentDefault as Standard, Function, LookupError, lookup};
use crate::chaosk8s::{
    Arguments, FunctionContext, PreparedWork, PythonException, prepare, python_exception, to_json,
};
use crate::config::ProcessEnv;
use crate::experiment::resolve::{PythonCall, ResolvedActivity};
use crate::experiment::{ActivityKind, ProviderUsage, ValidationFinding};
use crate::k8s;
use crate::k8s::{AppliedMutation, ClusterClient, ConnectionFlags, connect, permitted};
use crate::mutation::{EffectState, ONLY_LOOKED, ProgressCallback, StopToken, Target};
use crate::value::{Map, Value};

/// Options of the functions.
#[derive(Clone, Debug, Default)]
pub struct FunctionOptions {
    pub flags: ConnectionFlags,
    /// Whether an action without a selector may target everything.
    pub allow_all: bool,
    /// The seed of random choices; random by default.
    pub seed: Option<u64>,
}

/// Provider of functions. Connects to a cluster on first use.
pub struct KubernetesProvider {
    environment: Arc<ProcessEnv>,
    options: FunctionOptions,
    /// Clients by their credentials.
    clusters: Mutex<HashMap<String, Arc<ClusterClient>>>,
}

impl KubernetesProvider {
    /// Creates a provider. Options override the environment.
    pub fn new(environment: Arc<ProcessEnv>, options: FunctionOptions) -> Self {
        Self { environment, options, clusters: Mutex::default() }
    }

    /// Checks that the cluster of an activity with these secrets is allowed. Sends nothing.
    pub async fn permits(&self, secrets: &Map) -> Result<(), k8s::Error> {
        permitted(&self.options.flags, &self.environment, secrets).await
    }

    /// Returns the client for an activity with these secrets.
    pub async fn cluster(&self, secrets: &Map) -> Result<Arc<ClusterClient>, k8s::Error> {
        let key = serde_json::to_string(&Value::Map(secrets.clone())).unwrap_or_default();
        let mut clusters = self.clusters.lock().await;
        if let Some(cluster) = clusters.get(&key) {
            return Ok(Arc::clone(cluster));
        }
        let cluster = Arc::new(connect(&self.options.flags, &self.environment, secrets).await?);
        clusters.insert(key, Arc::clone(&cluster));
        Ok(cluster)
    }

    async fn ready(&self, call: PythonCall) -> Result<Box<dyn PreparedActivity>, chaosk8s::Error> {
        let function = lookup(&call.module, &call.function).map_err(|_| {
            let what = format!("{}.{} is not built in", call.module, call.function);
            chaosk8s::Error::raise(PythonException::ImportError, what)
        })?;
        let cluster = self.cluster(&call.secrets).await?;
        let arguments = Arguments::bind(&function, &call.arguments, &cluster.namespace)?;
        let seed = self.options.seed.unwrap_or_else(random_seed);
        let everything = self.options.allow_all;
        let context =
            FunctionContext { cluster: Arc::clone(&cluster), function, arguments, everything, seed };
        let work = prepare(context).await?;
        let targets = match &work {
            PreparedWork::Look(_) => Vec::new(),
            PreparedWork::Plan(plan) => plan.targets(),
            PreparedWork::Commands(commands) => commands.targets(),
            PreparedWork::Drain(drain) => drain.targets(),
        };
        Ok(Box::new(PreparedFunction {
            cluster,
            work: Some(work),
            targets,
            halt: StopToken::default(),
            changed: true,
            is_ambiguous: false,
        }))
    }
}

/// Returns the error of an activity. A failure of the client says nothing about the cluster.
fn activity_error(error: &chaosk8s::Error) -> ActivityError {
    let message = python_exception(error);
    match error.tool_failure() {
        Some(code) => ActivityError::Tool { code, message: format!("{message} ({code})") },
        None => ActivityError::Failed(message),
    }
}

/// Returns a random seed.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}

impl Provider for KubernetesProvider {
    fn check(&self, usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding> {
        let text = |key: &str| provider.get(key).and_then(Value::as_text).unwrap_or_default();
        let (module, name) = (text("module"), text("func"));
        let activity = usage.activity;
        if module.is_empty() || name.is_empty() {
            return Vec::new();
        }
        match lookup(module, name) {
            Ok(function) => {
                let mut findings = check_arguments(&function, provider, self.options.allow_all);
                findings.extend(check_kind(&function, usage));
                findings
            }
            Err(LookupError::Module { suggestion }) => {
                let message = format!("could not find Python module '{module}' in activity '{activity}'");
                let hint = suggestion.unwrap_or_else(|| {
                    "Python modules cannot be loaded, and this one is not built in: use a process or http provider"
                        .to_owned()
                });
                vec![ValidationFinding::at("module", message).hint(hint)]
            }
            Err(LookupError::Function { suggestion }) => {
                let message = format!(
                    "The python module '{module}' does not expose a function called '{name}' in activity '{activity}'"
                );
                let finding = ValidationFinding::at("func", message);
                vec![match suggestion {
                    Some(hint) => finding.hint(hint),
                    None => finding.hint("`kubectl chaos discover` lists every function"),
                }]
            }
        }
    }

    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>> {
        Box::pin(async move {
            let ResolvedActivity::Python(call) = call else {
                return Err(ActivityError::Unexpected("not a function".to_owned()));
            };
            self.ready(call).await.map_err(|error| activity_error(&error))
        })
    }
}

/// Checks that the function fits the activity and is not deprecated.
fn check_kind(function: &Function, usage: ProviderUsage<'_>) -> Vec<ValidationFinding> {
    let at = |what: &str| ValidationFinding::at("func", format!("{} {what}", function.name));
    let mut findings = Vec::new();
    match usage.kind {
        Some(ActivityKind::Probe) if function.is_action => {
            let finding = at("changes the cluster, so it cannot be a probe");
            findings.push(finding.hint("make the activity an action of the method").doubtful());
        }
        Some(ActivityKind::Action) if !function.is_action => {
            let finding = at("only reads, so this action changes nothing");
            findings.push(finding.hint("make the activity a probe").warning());
        }
        _ => {}
    }
    if let Some(other) = function.deprecated_for {
        findings.push(at("is deprecated").hint(format!("use {other}")).warning());
    }
    findings
}

/// Checks the arguments that contain no placeholders.
fn check_arguments(function: &Function, provider: &Map, allow_all: bool) -> Vec<ValidationFinding> {
    const NONE: &Value = &Value::Null;
    let given = match provider.get("arguments").unwrap_or(NONE) {
        Value::Map(given) => given.clone(),
        Value::Null => Map::new(),
        other => {
            let message = format!("arguments cannot be {}", other.kind());
            return vec![
                ValidationFinding::at("arguments", message).hint("use a mapping of names and values"),
            ];
        }
    };
    let mut findings = Vec::new();
    let at = |name: &str, message: String| ValidationFinding {
        at: vec!["arguments".into(), name.into()],
        message,
        ..ValidationFinding::default()
    };
    for argument in function.arguments {
        match given.get(argument.name) {
            None if argument.default == Standard::Required => {
                let message = format!(
                    "required argument '{}' is missing from activity '{}'",
                    argument.name, function.name
                );
                findings.push(
                    ValidationFinding::at("arguments", message)
                        .hint(format!("expected {}", argument.kind.words())),
                );
            }
            // placeholders are filled later
            Some(Value::Text(text)) if text.contains('$') => {}
            Some(value) if !argument.kind.holds(value) => {
                let message = format!(
                    "argument '{}' is {}, not {}",
                    argument.name,
                    argument.kind.words(),
                    value.kind()
                );
                findings.push(at(argument.name, message).doubtful());
            }
            _ => {}
        }
    }
    for name in given.keys() {
        let known = || function.arguments.iter().map(|argument| argument.name);
        // tolerances are given their value under this name
        if !known().any(|argument| argument == name) && name != "secrets" {
            let message = format!(
                "argument '{name}' is not part of the function signature in activity '{}'",
                function.name
            );
            let hint = crate::diagnostic::suggestion(name, known());
            let finding = at(name, message);
            findings.push(match hint {
                Some(hint) => finding.hint(hint),
                None => finding.hint(format!("expected one of {}", known().collect::<Vec<_>>().join(", "))),
            });
        }
    }
    findings.extend(everything(function, &given).filter(|_| !allow_all));
    findings
}

/// Finds actions without a selector, which would target everything.
fn everything(function: &Function, given: &Map) -> Option<ValidationFinding> {
    const SELECTORS: [&str; 5] = ["name", "label_selector", "name_pattern", "pod_label_selector", "all"];
    let selects = |name: &&str| {
        function.arguments.iter().any(|known| known.name == *name && known.default != Standard::Required)
    };
    let known: Vec<&str> = SELECTORS.into_iter().filter(selects).collect();
    let hits = function.is_action && known.contains(&"label_selector");
    // a required name is a selector
    let named = function.arguments.iter().any(|known| {
        let empty = given.get("name").is_some_and(|name| !name.is_truthy());
        known.name == "name" && known.default == Standard::Required && !empty
    });
    let given = known.iter().any(|name| given.get(*name).is_some_and(Value::is_truthy));
    (hits && !named && !given).then(|| {
        let message = format!("{} has no selector, so it could affect everything", function.name);
        ValidationFinding::at("arguments", message)
            .hint(format!("set one of {}, or pass --allow-all", known.join(", ")))
            .doubtful()
    })
}

struct PreparedFunction {
    cluster: Arc<ClusterClient>,
    /// The work; taken when it is applied.
    work: Option<PreparedWork>,
    targets: Vec<Target>,
    halt: StopToken,
    /// Whether it changed anything.
    changed: bool,
    /// Whether a request had no answer, so that it may have taken effect.
    is_ambiguous: bool,
}

impl PreparedActivity for PreparedFunction {
    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn acts(&self) -> bool {
        !matches!(self.work, Some(PreparedWork::Look(_)))
    }

    fn halt(&self) -> Option<StopToken> {
        self.acts().then(|| self.halt.clone())
    }

    fn changed(&self) -> bool {
        self.changed
    }

    fn apply<'a>(
        &'a mut self,
        told: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(async move {
            let done = match self.work.as_mut() {
                None => Err(chaosk8s::Error::failed("the function was applied already")),
                Some(PreparedWork::Look(look)) => look.as_mut().await.map(AppliedMutation::answered),
                Some(PreparedWork::Plan(plan)) => {
                    plan.apply(&self.cluster, &self.halt, told).await.map_err(chaosk8s::Error::from)
                }
                Some(PreparedWork::Commands(commands)) => {
                    commands.apply(&self.cluster, &self.halt, told).await.map(AppliedMutation::answered)
                }
                Some(PreparedWork::Drain(drain)) => drain.apply(&self.cluster, &self.halt, told).await,
            };
            self.is_ambiguous = done.as_ref().is_err_and(chaosk8s::Error::is_ambiguous);
            let applied = done.map_err(|error| activity_error(&error))?;
            self.changed = applied.changed;
            Ok(Value::from(applied.answer))
        })
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        let output = match outcome {
            Ok(output) => output,
            // the effect is checked: the request may have been carried out
            Err(_) if self.is_ambiguous => &Value::Null,
            Err(error) => return EffectCheck::Known(EffectState::Mismatch, error.text().to_owned()),
        };
        let Self { cluster, work, is_ambiguous, .. } = *self;
        match work {
            Some(PreparedWork::Plan(plan)) => match plan.known_mismatch() {
                Some(reason) => EffectCheck::Known(EffectState::Mismatch, reason),
                None => EffectCheck::Watched(Box::pin(plan.confirm(cluster))),
            },
            Some(PreparedWork::Drain(drain)) => EffectCheck::Watched(Box::pin(drain.confirm(cluster))),
            Some(PreparedWork::Commands(_)) if is_ambiguous => EffectCheck::Known(
                EffectState::Unknown,
                "the result of the command is unknown: there was no answer".to_owned(),
            ),
            Some(PreparedWork::Commands(commands)) => {
                let (state, detail) = commands.judge(&to_json(output));
                EffectCheck::Known(state, detail)
            }
            Some(PreparedWork::Look(_)) => EffectCheck::Known(EffectState::Confirmed, ONLY_LOOKED.to_owned()),
            None => EffectCheck::Known(EffectState::Unknown, "nothing was applied".to_owned()),
        }
    }
}
