//! Takes one sample: runs a probe and classifies the result.

use std::sync::Arc;

use crate::experiment::{Activity, ProviderKind, Tolerance};
use crate::mutation::ServiceRoute;
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
    pub(super) async fn take(&self) -> (SampleOutcome, Option<ServiceRoute>) {
        let Ok(mut prepared) = self.providers.prepare(&self.activity, &self.scope).await else {
            return (SampleOutcome::Other, None);
        };
        // sampling is read-only, whatever the probe claims
        if prepared.acts() {
            return (SampleOutcome::Other, None);
        }
        let output = prepared.apply(&|_, _| {}).await;
        let reached = prepared.reached();
        let outcome = match output {
            Ok(output) => self.judge(&output).await,
            Err(_) => prepared.failing().unwrap_or(SampleOutcome::Other),
        };
        (outcome, reached)
    }

    async fn judge(&self, output: &Value) -> SampleOutcome {
        let met = match evaluate(&self.tolerance, output, &self.scope) {
            Ok(Evaluation::Verdict(verdict)) => verdict.met,
            Ok(Evaluation::Judge(judge)) => match self.providers.look(&judge, &self.scope).await {
                Ok(answer) => answer.is_truthy(),
                Err(ActivityError::Failed(_)) => false,
                Err(ActivityError::Unexpected(_)) => return SampleOutcome::Other,
            },
            Err(_) => return SampleOutcome::Other,
        };
        let refuses = || {
            let status = output.get("status").and_then(Value::as_f64);
            self.activity.provider == Some(ProviderKind::Http) && status.is_some_and(|status| status > 399.0)
        };
        match met {
            true => SampleOutcome::Ok,
            false if refuses() => SampleOutcome::Status,
            false => SampleOutcome::Unmet,
        }
    }
}
