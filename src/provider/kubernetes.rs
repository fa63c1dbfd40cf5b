//! Provider of the Chaos Toolkit's functions for Kubernetes.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{ActivityError, EffectCheck, PreparedActivity, Provider};
use crate::chaosk8s;
use crate::chaosk8s::catalogue::lookup;
use crate::chaosk8s::{
    Arguments, FunctionContext, PreparedWork, PythonException, find_faults, prepare, python_exception,
    to_json,
};
use crate::config::ProcessEnv;
use crate::experiment::resolve::{PythonCall, ResolvedActivity};
use crate::experiment::{ProviderUsage, ValidationFinding};
use crate::k8s;
use crate::k8s::{
    AppliedMutation, ClusterClient, ConnectionFlags, IgnoredSecrets, check_allowlist, connect,
    ignored_secrets,
};
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
    /// Whether an invalid connection only fails the activity, as in the Chaos Toolkit.
    pub is_lenient: bool,
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
    pub async fn check_allowlist(&self, secrets: &Map) -> Result<(), k8s::Error> {
        check_allowlist(&self.options.flags, &self.environment, secrets).await
    }

    /// Returns the secrets of an activity that name a cluster, and do not count.
    pub fn ignored_secrets(&self, secrets: &Map) -> Option<IgnoredSecrets> {
        ignored_secrets(&self.options.flags, &self.environment, secrets)
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
            let name = format!("{}.{} is not built in", call.module, call.function);
            chaosk8s::Error::raise(PythonException::ImportError, name)
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
        Some(code) => ActivityError::Tool { code, message: format!("{} ({code})", message.trim_end()) },
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
        find_faults(usage, provider, self.options.allow_all)
    }

    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>> {
        Box::pin(async move {
            let ResolvedActivity::Python(call) = call else {
                return Err(ActivityError::Unexpected("not a function".to_owned()));
            };
            self.ready(call).await.map_err(|error| match &error {
                chaosk8s::Error::Cluster(k8s::Error::Config(_)) if self.options.is_lenient => {
                    ActivityError::Failed(python_exception(&error))
                }
                _ => activity_error(&error),
            })
        })
    }
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

    fn changes_state(&self) -> bool {
        !matches!(self.work, Some(PreparedWork::Look(_)))
    }

    fn stop_token(&self) -> Option<StopToken> {
        self.changes_state().then(|| self.halt.clone())
    }

    fn changed(&self) -> bool {
        self.changed
    }

    fn apply<'a>(
        &'a mut self,
        progress: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(async move {
            let done = match self.work.as_mut() {
                None => Err(chaosk8s::Error::failed("the function was applied already")),
                Some(PreparedWork::Look(look)) => look.as_mut().await.map(AppliedMutation::answered),
                Some(PreparedWork::Plan(plan)) => {
                    plan.apply(&self.cluster, &self.halt, progress).await.map_err(chaosk8s::Error::from)
                }
                Some(PreparedWork::Commands(commands)) => {
                    commands.apply(&self.cluster, &self.halt, progress).await.map(AppliedMutation::answered)
                }
                Some(PreparedWork::Drain(drain)) => drain.apply(&self.cluster, &self.halt, progress).await,
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
            Some(PreparedWork::Plan(plan)) => match plan.predicted_mismatch() {
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
