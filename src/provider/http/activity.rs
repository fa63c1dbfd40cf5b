//! A prepared request: sends it, as often as its activity allows.

use futures_util::future::BoxFuture;
use reqwest::{Client, Request};

use super::client::execute;
use super::error::SendError;
use super::response::{HttpOutput, read_output};
use super::routing::RoutedRequest;
use crate::experiment::resolve::HttpCall;
use crate::mutation::{EffectState, ProgressCallback, ServiceRoute, Target};
use crate::provider::process::duration;
use crate::provider::{ActivityError, EffectCheck, PreparedActivity};
use crate::series::SampleOutcome;
use crate::value::{InvalidJson, Value};

/// Prepared request.
pub(super) struct PreparedHttp {
    pub(super) request: Request,
    pub(super) call: HttpCall,
    pub(super) client: Client,
    /// The route, if the request is for a Service.
    pub(super) destination: Option<RoutedRequest>,
    /// How samples count the last failure.
    pub(super) failing: Option<SampleOutcome>,
    /// Why a body that claims to be JSON stays text.
    pub(super) invalid_body: Option<InvalidJson>,
}

impl PreparedActivity for PreparedHttp {
    fn targets(&self) -> &[Target] {
        &[]
    }

    fn apply<'a>(
        &'a mut self,
        _told: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(async {
            let mut tries = 0;
            self.failing = None;
            loop {
                let error = match self.send().await {
                    Ok(HttpOutput { value, invalid_body }) => {
                        self.invalid_body = invalid_body;
                        return Ok(value);
                    }
                    Err(error) => error,
                };
                if tries < self.call.max_retries && self.may_retry(&error) {
                    tries += 1;
                    continue;
                }
                self.failing = Some(error.outcome());
                return Err(error.into_activity_error(&self.call.url));
            }
        })
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        let (state, detail) = match outcome.map(|output| output.get("status").cloned().unwrap_or_default()) {
            Ok(Value::Int(status)) if status < 400 => {
                (EffectState::Confirmed, format!("answered with {status}"))
            }
            Ok(status) => (EffectState::Mismatch, format!("answered with {}", status.python_text())),
            Err(error) => (EffectState::Mismatch, error.text().to_owned()),
        };
        EffectCheck::Known(state, detail)
    }

    fn service_route(&self) -> Option<ServiceRoute> {
        self.destination.as_ref()?.reached.clone()
    }

    fn remark(&self) -> Option<String> {
        let error = self.invalid_body?;
        Some(format!("the body is not the JSON that its Content-Type says, so it counts as text: {error}"))
    }

    fn failing(&self) -> Option<SampleOutcome> {
        self.failing
    }
}

impl PreparedHttp {
    /// Whether the request can be sent again: a request that may have arrived must be idempotent.
    fn may_retry(&self, error: &SendError) -> bool {
        match error {
            SendError::Connection { .. } | SendError::Proxy { .. } => true,
            SendError::Broken { .. } | SendError::Timeout => self.request.method().is_idempotent(),
            _ => false,
        }
    }

    async fn send(&mut self) -> Result<HttpOutput, SendError> {
        let read_timeout = self.call.timeout.1.map(duration);
        let request = self
            .request
            .try_clone()
            .ok_or_else(|| SendError::InvalidRequest("the body cannot be sent twice".into()))?;
        let answer = match &mut self.destination {
            None => execute(&self.client, request, read_timeout, true).await?,
            Some(destination) => destination.send(&self.client, request, read_timeout).await?,
        };
        read_output(answer, read_timeout).await
    }
}
