//! Providers carry out activities; the engine knows only the trait.
//!
//! An activity takes four steps: *prepare* only reads and names the targets, the engine *records* them, *apply*
//! changes them, and *confirm* checks the effect of an action.

mod executable;
mod guarded;
mod http;
mod kubernetes;
mod process;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error_code::{Coded, ErrorCode};
use crate::experiment::resolve::{ResolvedActivity, resolve};
use crate::experiment::{Activity, ProviderKind, ProviderUsage, ValidationFinding};
use crate::mutation::{EffectState, ProgressCallback, ServiceRoute, StopToken, Target};
use crate::panic_guard::CaughtPanic;
use crate::series::SampleOutcome;
use crate::substitution::Scope;
use crate::value::{Map, Value};

use guarded::{GuardedActivity, guard};

pub(crate) use executable::is_runnable;
pub use http::{HttpProvider, ServiceAccess, ServiceRouter};
pub use kubernetes::{FunctionOptions, KubernetesProvider};
pub use process::ProcessProvider;

/// Error of an activity, with the text for the journal. The engine masks secrets in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// The activity failed; the run continues.
    #[error("{0}")]
    Failed(String),
    /// The activity could not run; the phase ends.
    #[error("{0}")]
    Unexpected(String),
    /// This program or its connection to the cluster failed, which says nothing about the target. The run is aborted.
    #[error("{message}")]
    Tool { code: ErrorCode, message: String },
}

impl From<CaughtPanic> for ActivityError {
    fn from(panic: CaughtPanic) -> Self {
        Self::Tool { code: panic.code(), message: panic.to_string() }
    }
}

impl ActivityError {
    /// Returns the text.
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(error) | Self::Unexpected(error) | Self::Tool { message: error, .. } => error,
        }
    }
}

/// Carries out the activities of one kind.
pub trait Provider: Send + Sync {
    /// Checks the keys of a provider before the run.
    fn check(&self, usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding>;

    /// Prepares the activity. Only reads.
    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>>;
}

/// Activity that can be applied.
pub trait PreparedActivity: Send {
    /// Returns the targets, with their UIDs.
    fn targets(&self) -> &[Target];

    /// Whether it changes something, even if it is declared as a probe.
    fn changes_state(&self) -> bool {
        false
    }

    /// Returns the token that stops it between two changes; `None` if it can be dropped at any time.
    fn stop_token(&self) -> Option<StopToken> {
        None
    }

    /// Applies the activity, and reports the result of each target. Dropping the future ends it.
    fn apply<'a>(
        &'a mut self,
        progress: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>>;

    /// Whether applying it changed anything.
    fn changed(&self) -> bool {
        true
    }

    /// Returns the Service of the last request, and its route.
    fn service_route(&self) -> Option<ServiceRoute> {
        None
    }

    /// Returns a fact about the output that the user needs, such as a body that is not what its type says.
    fn remark(&self) -> Option<String> {
        None
    }

    /// Returns how samples count the last failure, if known.
    fn failing(&self) -> Option<SampleOutcome> {
        None
    }

    /// Checks whether an applied action took effect.
    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck;
}

/// Check of the effect of an action.
pub enum EffectCheck {
    /// The state is known.
    Known(EffectState, String),
    /// The state is observed. The engine sets the deadline.
    Watched(BoxFuture<'static, (EffectState, String)>),
}

/// The providers of a run.
#[derive(Clone, Default)]
pub struct Providers {
    by_kind: HashMap<ProviderKind, Arc<dyn Provider>>,
}

impl Providers {
    /// Adds a provider.
    #[must_use]
    pub fn with(self, kind: ProviderKind, provider: impl Provider + 'static) -> Self {
        self.with_shared(kind, Arc::new(provider))
    }

    /// Adds a shared provider.
    #[must_use]
    pub fn with_shared(mut self, kind: ProviderKind, provider: Arc<dyn Provider>) -> Self {
        self.by_kind.insert(kind, provider);
        self
    }

    /// Returns the provider of a kind.
    pub fn get(&self, kind: ProviderKind) -> Option<&Arc<dyn Provider>> {
        self.by_kind.get(&kind)
    }

    /// Fills the placeholders of an activity, and prepares it. A panic of the provider becomes an error, now and later.
    pub async fn prepare(
        &self,
        activity: &Activity,
        scope: &Scope,
    ) -> Result<Box<dyn PreparedActivity>, ActivityError> {
        let prepare = async {
            let call =
                resolve(activity, scope).map_err(|error| ActivityError::Unexpected(error.to_string()))?;
            let provider = activity.provider.and_then(|kind| self.get(kind)).ok_or_else(|| {
                ActivityError::Unexpected(format!("'{}' needs a provider that does not exist", activity.name))
            })?;
            provider.prepare(call).await
        };
        Ok(Box::new(GuardedActivity::new(guard(prepare).await?)))
    }

    /// Runs a probe outside the steps of the experiment: a judge, a safeguard, a dynamic configuration value.
    ///
    /// Its targets are not recorded, so functions that change something are refused.
    pub async fn run_probe(&self, activity: &Activity, scope: &Scope) -> Result<Value, ActivityError> {
        self.run_probe_with_remark(activity, scope).await.map(|(output, _)| output)
    }

    /// Runs a probe like [`look`](Self::look), and also returns what the user needs to know about its output.
    pub async fn run_probe_with_remark(
        &self,
        activity: &Activity,
        scope: &Scope,
    ) -> Result<(Value, Option<String>), ActivityError> {
        let mut step = self.prepare(activity, scope).await?;
        if step.changes_state() {
            let function = activity.arguments.get("func").map(Value::python_text).unwrap_or_default();
            return Err(ActivityError::Unexpected(format!(
                "'{}' calls {function}, which changes the cluster; only read-only probes are allowed here: \
                 make it an action of the method",
                activity.name
            )));
        }
        let output = step.apply(&|_| {}).await?;
        Ok((output, step.remark()))
    }

    /// Checks the keys of a provider. Rejects Python functions that are not built in.
    pub fn check(
        &self,
        kind: ProviderKind,
        usage: ProviderUsage<'_>,
        provider: &Map,
    ) -> Vec<ValidationFinding> {
        match self.get(kind) {
            Some(known) => known.check(usage, provider),
            None => vec![missing_module(usage, provider)],
        }
    }
}

fn missing_module(usage: ProviderUsage<'_>, provider: &Map) -> ValidationFinding {
    let module = provider.get("module").map(Value::python_text).unwrap_or_default();
    let activity = usage.activity;
    ValidationFinding::at(
        "module",
        format!("could not find Python module '{module}' in activity '{activity}'"),
    )
    .hint("Python modules cannot be loaded, and this one is not built in: use a process or http provider")
}
