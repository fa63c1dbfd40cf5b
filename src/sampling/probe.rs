//! Takes one sample: runs a probe and classifies the result.

use std::sync::Arc;

use crate::error_code::{Coded as _, ErrorCode};
use crate::experiment::{Activity, ProviderKind, Tolerance};
use crate::mutation::ServiceRoute;
use crate::panic_guard::catch;
use crate::provider::{ActivityError, Providers};
use crate::series::SampleOutcome;
use crate::substitution::Scope;
use crate::tolerance::{Evaluation, evaluate};
use crate::value::Value;

/// Sampled probe.
pub(super) struct SampledProbe {
    pub(super) activity: Arc<Activity>,
    pub(super) tolerance: Tolerance,
    pub(super) scope: Scope,
    pub(super) providers: Providers,
}

impl SampledProbe {
    /// Runs the probe once.
    ///
    /// An error means that this program or its connection failed, which says nothing about the target.
    pub(super) async fn take(&self) -> Result<(SampleOutcome, Option<ServiceRoute>), ToolFailure> {
        let mut prepared = match self.providers.prepare(&self.activity, &self.scope).await {
            Ok(prepared) => prepared,
            Err(error) => return ToolFailure::or_other(error).map(|outcome| (outcome, None)),
        };
        // sampling is read-only, whatever the probe claims
        if prepared.changes_state() {
            return Ok((SampleOutcome::Other, None));
        }
        let output = prepared.apply(&|_| {}).await;
        let reached = prepared.service_route();
        let outcome = match output {
            Ok(output) => self.judge(&output).await?,
            Err(error) => {
                let other = ToolFailure::or_other(error)?;
                prepared.failing().unwrap_or(other)
            }
        };
        Ok((outcome, reached))
    }

    async fn judge(&self, output: &Value) -> Result<SampleOutcome, ToolFailure> {
        let evaluated = catch(|| evaluate(&self.tolerance, output, &self.scope));
        let evaluated =
            evaluated.map_err(|panic| ToolFailure { code: panic.code(), message: panic.to_string() })?;
        let met = match evaluated {
            Ok(Evaluation::Verdict(verdict)) => verdict.met,
            Ok(Evaluation::Judge(judge)) => match self.providers.run_probe(&judge, &self.scope).await {
                Ok(answer) => answer.is_truthy(),
                Err(ActivityError::Failed(_)) => false,
                Err(error) => return ToolFailure::or_other(error),
            },
            Err(_) => return Ok(SampleOutcome::Other),
        };
        let refuses = || {
            let status = output.get("status").and_then(Value::as_f64);
            self.activity.provider == Some(ProviderKind::Http) && status.is_some_and(|status| status > 399.0)
        };
        Ok(match met {
            true => SampleOutcome::Ok,
            false if refuses() => SampleOutcome::Status,
            false => SampleOutcome::Unmet,
        })
    }
}

/// Failure of this program or its connection.
#[derive(Debug)]
pub(super) struct ToolFailure {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl ToolFailure {
    /// Returns the failure of the tool; any other error is an outcome of the sample.
    fn or_other(error: ActivityError) -> Result<SampleOutcome, Self> {
        match error {
            ActivityError::Tool { code, message } => Err(Self { code, message }),
            ActivityError::Failed(_) | ActivityError::Unexpected(_) => Ok(SampleOutcome::Other),
        }
    }
}
