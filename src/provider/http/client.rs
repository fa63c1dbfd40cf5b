//! Sends a request, as often as its activity allows. Floor 1.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{Client, Request};
use tokio::sync::watch;

use super::response::{HttpResponse, TOO_LONG, output};
use super::routing::RoutedRequest;
use crate::experiment::resolve::HttpCall;
use crate::http_client::{ConnectionCount, MAX_REDIRECTS, describe};
use crate::mutation::{EffectState, ProgressCallback, ServiceRoute, Target};
use crate::provider::process::duration;
use crate::provider::{ActivityError, EffectCheck, PreparedActivity};
use crate::series::SampleOutcome;
use crate::value::Value;

/// A request that can be sent.
pub(super) struct PreparedHttp {
    pub(super) request: Request,
    pub(super) call: HttpCall,
    pub(super) client: Client,
    /// The Service that it is meant for, if it is one.
    pub(super) destination: Option<RoutedRequest>,
    /// Of what kind the failure of the last attempt was.
    pub(super) failing: Option<SampleOutcome>,
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
                let fault = match self.send().await {
                    Ok(output) => return Ok(output),
                    Err(fault) => fault,
                };
                if tries < self.call.max_retries && self.may_be_repeated(&fault) {
                    tries += 1;
                    continue;
                }
                self.failing = Some(fault.kind());
                return Err(match fault {
                    SendError::Connection(error, _) | SendError::Broken(error, _) => {
                        ActivityError::Failed(format!("failed to connect to {}: {error}", self.call.url))
                    }
                    SendError::Timeout => ActivityError::Failed(TOO_LONG.to_owned()),
                    SendError::Failed(error) => ActivityError::Failed(error),
                    SendError::Unexpected(error) => ActivityError::Unexpected(error),
                });
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

    fn reached(&self) -> Option<ServiceRoute> {
        self.destination.as_ref()?.reached.clone()
    }

    fn failing(&self) -> Option<SampleOutcome> {
        self.failing
    }
}

/// Why there is no answer.
pub(super) enum SendError {
    /// No connection: nothing was sent. Of what kind that failure is.
    Connection(String, SampleOutcome),
    /// The connection broke before there was an answer.
    Broken(String, SampleOutcome),
    /// No answer began in time.
    Timeout,
    /// The answer cannot be used, and that is a finding about the server.
    Failed(String),
    /// The answer is not what it says it is.
    Unexpected(String),
}

impl SendError {
    /// Of what kind it is, for those who count.
    fn kind(&self) -> SampleOutcome {
        match self {
            Self::Connection(_, kind) | Self::Broken(_, kind) => *kind,
            Self::Timeout => SampleOutcome::Timeout,
            Self::Failed(_) | Self::Unexpected(_) => SampleOutcome::Other,
        }
    }
}

impl PreparedHttp {
    /// Whether sending it again does no harm: what was sent may have arrived, and a second POST may do what the
    /// first one did once more.
    fn may_be_repeated(&self, fault: &SendError) -> bool {
        match fault {
            SendError::Connection(..) => true,
            SendError::Broken(..) | SendError::Timeout => self.request.method().is_idempotent(),
            SendError::Failed(_) | SendError::Unexpected(_) => false,
        }
    }

    async fn send(&mut self) -> Result<Value, SendError> {
        let read = self.call.timeout.1.map(duration);
        let request = self
            .request
            .try_clone()
            .ok_or_else(|| SendError::Unexpected("the request cannot be sent".to_owned()))?;
        let answer = match &mut self.destination {
            None => execute(&self.client, request, read).await?,
            Some(destination) => destination.send(&self.client, request, read).await?,
        };
        output(answer, read).await
    }
}

/// Sends it, and waits for the beginning of the answer.
pub(super) async fn execute(
    client: &Client,
    request: Request,
    read: Option<Duration>,
) -> Result<HttpResponse, SendError> {
    let connections = ConnectionCount::default();
    let made = connections.subscribe();
    tokio::select! {
        answer = connections.count(client.execute(request)) => {
            answer.map(HttpResponse::from).map_err(|error| classify(&error))
        }
        () = too_long(made, read) => Err(SendError::Timeout),
    }
}

/// Ends when an answer is overdue: that long after the last connection was made. The time that connecting
/// takes does not count, it has its own limit.
async fn too_long(mut made: watch::Receiver<u64>, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    if made.changed().await.is_err() {
        return std::future::pending().await;
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(limit) => return,
            // a redirect may lead to another connection, and begins the wait anew
            changed = made.changed() => if changed.is_err() {
                tokio::time::sleep(limit).await;
                return;
            },
        }
    }
}

fn classify(error: &reqwest::Error) -> SendError {
    let text = causes(error);
    if error.is_redirect() {
        SendError::Unexpected(format!("Exceeded {MAX_REDIRECTS} redirects."))
    } else if error.is_builder() {
        SendError::Unexpected(text)
    } else if error.is_connect() {
        let kind = kind(error);
        SendError::Connection(text, kind)
    } else {
        SendError::Broken(
            text,
            if error.is_timeout() { SampleOutcome::Timeout } else { SampleOutcome::Refused },
        )
    }
}

/// Of what kind a failure to connect is, by what caused it.
fn kind(error: &reqwest::Error) -> SampleOutcome {
    use std::io::ErrorKind as Io;
    if error.is_timeout() {
        return SampleOutcome::Timeout;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        if one.is::<rustls::Error>() {
            return SampleOutcome::Tls;
        }
        // the connector has no type for it, only these words
        if one.to_string().starts_with("dns error") {
            return SampleOutcome::Dns;
        }
        let io = one.downcast_ref::<std::io::Error>();
        match io.map(std::io::Error::kind) {
            Some(Io::ConnectionRefused | Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof) => {
                return SampleOutcome::Refused;
            }
            Some(Io::TimedOut) => return SampleOutcome::Timeout,
            _ => {}
        }
        // what such an error wraps is not among its sources: those are the sources of what it wraps
        let wrapped = io.and_then(std::io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as &(dyn std::error::Error + 'static)).or_else(|| one.source());
    }
    SampleOutcome::Other
}

/// The causes of an error without the address in them: the address is said already, and may hold secrets.
pub(super) fn causes(error: &reqwest::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), describe)
}
