//! How activities are carried out: the one seam between the engine and the world.
//!
//! A provider takes an activity in four steps, which the engine owns: it is *prepared* (nothing but looking:
//! what will be touched), then *recorded* (by the engine, before anything happens), then *applied*, and an
//! action is *confirmed*: was it seen to take effect? The engine knows this trait and no provider.

mod executable;
mod http;
mod kubernetes;
mod process;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::experiment::resolve::{ResolvedActivity, resolve};
use crate::experiment::{Activity, ProviderKind, ProviderUsage, ValidationFinding};
use crate::mutation::{EffectState, ProgressCallback, ServiceRoute, StopToken, Target};
use crate::series::SampleOutcome;
use crate::substitution::Scope;
use crate::value::{Map, Value};

pub use http::{HttpProvider, ServiceAccess, ServiceRouter};
pub use kubernetes::{FunctionOptions, KubernetesProvider};
pub use process::ProcessProvider;

/// Why an activity could not be carried out. The text is fit for the journal once secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityError {
    /// In a way that the format foresees: the activity failed, the run goes on.
    Failed(String),
    /// In a way that the format does not foresee: it ends the phase.
    Unexpected(String),
}

impl ActivityError {
    /// The error as text.
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(error) | Self::Unexpected(error) => error,
        }
    }
}

/// One way of carrying out activities.
pub trait Provider: Send + Sync {
    /// What is wrong with the keys of a provider, as far as that can be seen before anything runs.
    fn check(&self, usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding>;

    /// Looks at what the activity would do. Nothing is changed.
    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>>;
}

/// An activity that can be applied.
pub trait PreparedActivity: Send {
    /// What will be touched, with identities.
    fn targets(&self) -> &[Target];

    /// Whether it changes something, whatever the activity calls itself.
    fn acts(&self) -> bool {
        false
    }

    /// What ends it early without cutting off a change that is under way; nothing where it may be dropped at any
    /// time.
    fn halt(&self) -> Option<StopToken> {
        None
    }

    /// Does it, and tells what became of each target as it becomes known. Dropping the future gives it up, and
    /// ends what it started.
    fn apply<'a>(&'a mut self, told: &'a ProgressCallback<'a>)
    -> BoxFuture<'a, Result<Value, ActivityError>>;

    /// Whether anything is otherwise since it was applied. What was so already is no fault.
    fn changed(&self) -> bool {
        true
    }

    /// The Service that was reached last, and how.
    fn reached(&self) -> Option<ServiceRoute> {
        None
    }

    /// What kind of failure the last attempt was, for those who count them; nothing where that is not known.
    fn failing(&self) -> Option<SampleOutcome> {
        None
    }

    /// Says, of an action that was applied, whether it took effect.
    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck;
}

/// Whether an action took effect.
pub enum EffectCheck {
    /// That is known at once.
    Known(EffectState, String),
    /// That has to be watched for. The engine gives it a deadline.
    Watched(BoxFuture<'static, (EffectState, String)>),
}

/// The providers of a run.
#[derive(Clone, Default)]
pub struct Providers {
    by_kind: HashMap<ProviderKind, Arc<dyn Provider>>,
}

impl Providers {
    /// Adds one.
    #[must_use]
    pub fn with(self, kind: ProviderKind, provider: impl Provider + 'static) -> Self {
        self.with_shared(kind, Arc::new(provider))
    }

    /// Adds one that others know, too.
    #[must_use]
    pub fn with_shared(mut self, kind: ProviderKind, provider: Arc<dyn Provider>) -> Self {
        self.by_kind.insert(kind, provider);
        self
    }

    /// The provider of a kind.
    pub fn get(&self, kind: ProviderKind) -> Option<&Arc<dyn Provider>> {
        self.by_kind.get(&kind)
    }

    /// Prepares an activity: fills its placeholders, and looks at what it would do.
    pub async fn prepare(
        &self,
        activity: &Activity,
        scope: &Scope,
    ) -> Result<Box<dyn PreparedActivity>, ActivityError> {
        let call = resolve(activity, scope).map_err(ActivityError::Unexpected)?;
        let provider = activity.provider.and_then(|kind| self.get(kind)).ok_or_else(|| {
            ActivityError::Unexpected(format!("'{}' needs a provider that is not built in", activity.name))
        })?;
        provider.prepare(call).await
    }

    /// Carries out what is no step of the experiment: a judge, a safeguard, a probe for the configuration. Nobody
    /// writes down beforehand what it hits, so that it only looks: what changes something is refused.
    pub async fn look(&self, activity: &Activity, scope: &Scope) -> Result<Value, ActivityError> {
        let mut step = self.prepare(activity, scope).await?;
        if step.acts() {
            let function = activity.arguments.get("func").map(Value::python_text).unwrap_or_default();
            return Err(ActivityError::Unexpected(format!(
                "'{}' calls {function}, which changes the cluster, where a probe only looks: nothing was done; \
                 make it an action of the method",
                activity.name
            )));
        }
        step.apply(&|_, _| {}).await
    }

    /// What is wrong with the keys of a provider. A function of a Python module is refused where no such
    /// function is built in.
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
    .hint("no Python runs here, and no module of that name is built in: use a process or http provider")
}
