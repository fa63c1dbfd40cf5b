//! Functions of the Chaos Toolkit's package for Kubernetes, built in under their names. Floor 1.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{ActivityError, EffectCheck, PreparedActivity, Provider};
use crate::chaosk8s;
use crate::chaosk8s::catalogue::{ArgumentDefault as Standard, Function, LookupError, lookup};
use crate::chaosk8s::{Arguments, FunctionContext, PreparedWork, prepare};
use crate::chaosk8s::{PythonException, python_exception};
use crate::config::ProcessEnv;
use crate::experiment::resolve::{PythonCall, ResolvedActivity};
use crate::experiment::{ActivityKind, ProviderUsage, ValidationFinding};
use crate::k8s;
use crate::k8s::{AppliedMutation, ClusterClient, ConnectionFlags, connect, permitted};
use crate::mutation::{EffectState, ONLY_LOOKED, ProgressCallback, StopToken, Target};
use crate::value::{Map, Value};

/// How the functions are to be carried out.
#[derive(Clone, Debug, Default)]
pub struct FunctionOptions {
    /// How the cluster is reached.
    pub flags: ConnectionFlags,
    /// Whether everything may be hit where nothing is selected.
    pub allow_all: bool,
    /// Where random choices begin; by chance where nothing is said.
    pub seed: Option<u64>,
}

/// The provider. Clusters are reached when they are first asked for.
pub struct KubernetesProvider {
    environment: Arc<ProcessEnv>,
    options: FunctionOptions,
    /// By the keys that describe them.
    clusters: Mutex<HashMap<String, Arc<ClusterClient>>>,
}

impl KubernetesProvider {
    /// The environment says which cluster is meant where the options do not.
    pub fn new(environment: Arc<ProcessEnv>, options: FunctionOptions) -> Self {
        Self { environment, options, clusters: Mutex::default() }
    }

    /// Whether the cluster may be touched that an activity with these secrets means. Nothing is sent.
    pub async fn permits(&self, secrets: &Map) -> Result<(), k8s::Error> {
        permitted(&self.options.flags, &self.environment, secrets).await
    }

    /// The cluster that an activity with these secrets means.
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
        let seed = self.options.seed.unwrap_or_else(chance);
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

/// A number that nobody knows beforehand.
fn chance() -> u64 {
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
                    "no Python runs here, and no module of that name is built in: use a process or http provider"
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
            self.ready(call).await.map_err(|error| ActivityError::Failed(python_exception(&error)))
        })
    }
}

/// Whether the function is one for such an activity, and for today.
fn check_kind(function: &Function, usage: ProviderUsage<'_>) -> Vec<ValidationFinding> {
    let at = |what: &str| ValidationFinding::at("func", format!("{} {what}", function.name));
    let mut findings = Vec::new();
    match usage.kind {
        Some(ActivityKind::Probe) if function.is_action => {
            let finding = at("changes the cluster, so that it is no probe");
            findings.push(finding.hint("make the activity an action of the method").doubtful());
        }
        Some(ActivityKind::Action) if !function.is_action => {
            let finding = at("only looks, so that this action changes nothing");
            findings.push(finding.hint("make the activity a probe").warning());
        }
        _ => {}
    }
    if let Some(other) = function.deprecated_for {
        findings.push(at("is deprecated").hint(format!("use {other}")).warning());
    }
    findings
}

/// What is wrong with the arguments, as far as they are written out.
fn check_arguments(function: &Function, provider: &Map, allow_all: bool) -> Vec<ValidationFinding> {
    const NONE: &Value = &Value::Null;
    let given = match provider.get("arguments").unwrap_or(NONE) {
        Value::Map(given) => given.clone(),
        Value::Null => Map::new(),
        other => {
            let message = format!("arguments cannot be {}", other.kind());
            return vec![ValidationFinding::at("arguments", message).hint("a mapping of names and values")];
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
                        .hint(format!("it is {}", argument.kind.words())),
                );
            }
            // placeholders are filled later, and may become anything
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
                None => finding.hint(format!("it takes {}", known().collect::<Vec<_>>().join(", "))),
            });
        }
    }
    findings.extend(everything(function, &given).filter(|_| !allow_all));
    findings
}

/// Actions that select nothing, and would hit whatever there is.
fn everything(function: &Function, given: &Map) -> Option<ValidationFinding> {
    const SELECTORS: [&str; 5] = ["name", "label_selector", "name_pattern", "pod_label_selector", "all"];
    let selects = |name: &&str| {
        function.arguments.iter().any(|known| known.name == *name && known.default != Standard::Required)
    };
    let known: Vec<&str> = SELECTORS.into_iter().filter(selects).collect();
    let hits = function.is_action && known.contains(&"label_selector");
    // a function that needs a name selects by it
    let named = function.arguments.iter().any(|known| {
        let empty = given.get("name").is_some_and(|name| !name.is_truthy());
        known.name == "name" && known.default == Standard::Required && !empty
    });
    let given = known.iter().any(|name| given.get(*name).is_some_and(Value::is_truthy));
    (hits && !named && !given).then(|| {
        let message = format!("{} selects nothing, so that anything could be hit", function.name);
        ValidationFinding::at("arguments", message)
            .hint(format!("give one of {}; or --allow-all", known.join(", ")))
            .doubtful()
    })
}

struct PreparedFunction {
    cluster: Arc<ClusterClient>,
    /// Taken by what carries it out, where it can be done but once.
    work: Option<PreparedWork>,
    targets: Vec<Target>,
    halt: StopToken,
    /// Whether anything is otherwise since it was carried out.
    changed: bool,
    /// Whether there was no answer to what was asked for, so that it may have been done all the same.
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
            let applied = done.map_err(|error| ActivityError::Failed(python_exception(&error)))?;
            self.changed = applied.changed;
            Ok(Value::from(applied.answer))
        })
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        let output = match outcome {
            Ok(output) => output,
            // looked at, since nobody said that it was not done
            Err(_) if self.is_ambiguous => &Value::Null,
            Err(error) => return EffectCheck::Known(EffectState::Mismatch, error.text().to_owned()),
        };
        let Self { cluster, work, is_ambiguous, .. } = *self;
        match work {
            Some(PreparedWork::Plan(plan)) => EffectCheck::Watched(Box::pin(plan.confirm(cluster))),
            Some(PreparedWork::Drain(drain)) => EffectCheck::Watched(Box::pin(drain.confirm(cluster))),
            Some(PreparedWork::Commands(_)) if is_ambiguous => EffectCheck::Known(
                EffectState::Unknown,
                "what became of the command is not known: there was no answer".to_owned(),
            ),
            Some(PreparedWork::Commands(commands)) => {
                let (state, detail) = commands.judge(&crate::chaosk8s::to_json(output));
                EffectCheck::Known(state, detail)
            }
            Some(PreparedWork::Look(_)) => EffectCheck::Known(EffectState::Confirmed, ONLY_LOOKED.to_owned()),
            None => EffectCheck::Known(EffectState::Unknown, "nothing was carried out".to_owned()),
        }
    }
}
