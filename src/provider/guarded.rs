//! Border around providers: a panic of a provider, or of a task that it spawned, becomes an error.

use futures_util::future::BoxFuture;

use super::{ActivityError, EffectCheck, PreparedActivity};
use crate::error_code::ErrorCode;
use crate::mutation::{EffectState, ProgressCallback, ServiceRoute, StopToken, Target};
use crate::panic_guard::{PanicCount, catch_async};
use crate::series::SampleOutcome;
use crate::value::Value;

/// Awaits work of a provider; a panic becomes an error.
pub(super) async fn guard<T>(
    work: impl Future<Output = Result<T, ActivityError>>,
) -> Result<T, ActivityError> {
    let panics = PanicCount::now();
    let error = match catch_async(work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error,
        Err(panic) => return Err(panic.into()),
    };
    // a task of a library that panicked is only visible by its effect: the request has no answer
    Err(panics.panic_since().map_or(error, ActivityError::from))
}

/// Prepared activity whose panics are errors.
pub(super) struct GuardedActivity {
    inner: Box<dyn PreparedActivity>,
    /// Whether applying it ended with a panic, so that its effect is unknown.
    panicked: Option<String>,
}

impl GuardedActivity {
    pub(super) fn new(inner: Box<dyn PreparedActivity>) -> Self {
        Self { inner, panicked: None }
    }
}

impl PreparedActivity for GuardedActivity {
    fn targets(&self) -> &[Target] {
        self.inner.targets()
    }

    fn changes_state(&self) -> bool {
        self.inner.changes_state()
    }

    fn stop_token(&self) -> Option<StopToken> {
        self.inner.stop_token()
    }

    fn apply<'a>(
        &'a mut self,
        progress: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(async move {
            let applied = guard(self.inner.apply(progress)).await;
            if let Err(ActivityError::Tool { code: ErrorCode::InternalPanic, message }) = &applied {
                self.panicked = Some(message.clone());
            }
            applied
        })
    }

    fn changed(&self) -> bool {
        self.inner.changed()
    }

    fn service_route(&self) -> Option<ServiceRoute> {
        self.inner.service_route()
    }

    fn remark(&self) -> Option<String> {
        self.inner.remark()
    }

    fn failing(&self) -> Option<SampleOutcome> {
        self.inner.failing()
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        match self.panicked {
            Some(message) => EffectCheck::Known(EffectState::Unknown, message),
            None => self.inner.confirm(outcome),
        }
    }
}
