//! The consumer: calls the provider, with or without a circuit breaker.

use std::error::Error as _;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::json;

use super::circuit_breaker::{BreakerSettings, CircuitBreaker};
use super::server::{Application, DemoResponse};
use crate::clock::Timestamp;
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};

/// The response if the provider does not answer and the circuit breaker is on.
pub const FALLBACK: &str = "Hmm, no one available to say hello just yet ... maybe try later?";
/// The path that calls the provider.
const CONSUMER_PATH: &str = "/invokeConsumedService";

/// Why the demo application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoAppError {
    #[error("cannot create the HTTP client: {0}")]
    HttpClient(String),
}

impl Coded for DemoAppError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::HttpClient(_) => ErrorCode::InternalRuntime,
        }
    }
}

/// Why a call to the provider failed. The error document of the consumer shows it.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("timed out executing GET {url}")]
    Timeout { url: String },
    #[error("{reason} executing GET {url}")]
    Transport { reason: String, url: String },
    #[error("status {status} executing GET {url}")]
    Status { status: u16, url: String },
    #[error("the circuit is open")]
    CircuitOpen,
}

/// The consumer service.
pub struct DemoConsumer {
    client: Client,
    provider: String,
    breaker: Option<Mutex<CircuitBreaker>>,
}

impl DemoConsumer {
    /// Creates a consumer that calls the provider with this timeout.
    pub fn new(
        provider: &str,
        timeout: Duration,
        breaker: Option<BreakerSettings>,
    ) -> Result<Self, DemoAppError> {
        // the provider is local: ignore the proxies of the environment
        let direct = reqwest::Proxy::custom(|_| None::<reqwest::Url>);
        let limit = Some(timeout);
        let options = ClientOptions {
            connect_timeout: limit,
            timeout: limit,
            proxy: Some(direct),
            ..ClientOptions::default()
        };
        let client = http_client::build(&Verification::Full, options)
            .map_err(|error| DemoAppError::HttpClient(message_chain(&error)))?;
        let breaker = breaker.map(|settings| Mutex::new(CircuitBreaker::new(settings)));
        Ok(Self { client, provider: provider.to_owned(), breaker })
    }

    async fn fetch(&self) -> Result<String, CallError> {
        let url = || self.provider.clone();
        let failed = |error: reqwest::Error| match error.source() {
            _ if error.is_timeout() => CallError::Timeout { url: url() },
            Some(cause) => CallError::Transport { reason: describe(cause), url: url() },
            None => CallError::Transport { reason: error.to_string(), url: url() },
        };
        let response = self.client.get(&self.provider).send().await.map_err(failed)?;
        match response.status() {
            status if status.is_success() => response.text().await.map_err(failed),
            status => Err(CallError::Status { status: status.as_u16(), url: url() }),
        }
    }

    async fn fetch_with_breaker(&self, breaker: &Mutex<CircuitBreaker>) -> Result<String, CallError> {
        if !breaker.lock().try_admit(Instant::now()) {
            return Err(CallError::CircuitOpen);
        }
        let result = self.fetch().await;
        breaker.lock().record_result(result.is_ok(), Instant::now());
        result
    }
}

impl Application for DemoConsumer {
    async fn respond(&self, path: &str) -> Option<DemoResponse> {
        if path != CONSUMER_PATH {
            return None;
        }
        let result = match &self.breaker {
            Some(breaker) => self.fetch_with_breaker(breaker).await.or_else(|_| Ok(FALLBACK.to_owned())),
            None => self.fetch().await,
        };
        Some(match result {
            Ok(text) => DemoResponse::text(200, text),
            Err(error) => DemoResponse::json(500, &error_document(&error)),
        })
    }
}

/// Returns the error document of a Spring application, as in the original sample.
fn error_document(error: &CallError) -> serde_json::Value {
    json!({
        "timestamp": Timestamp::now().iso(),
        "status": 500,
        "error": "Internal Server Error",
        "message": error.to_string(),
        "path": CONSUMER_PATH,
    })
}
