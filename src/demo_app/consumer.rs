//! The consumer: it asks the provider, with or without a circuit breaker. Floor 1.

use std::error::Error as _;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::json;

use super::circuit_breaker::{BreakerSettings, CircuitBreaker};
use super::server::{Application, DemoResponse};
use crate::clock::Timestamp;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};

/// What it says in place of a provider that does not answer.
pub const FALLBACK: &str = "Hmm, no one available to say hello just yet ... maybe try later?";
/// Where it asks the provider.
const CONSUMER_PATH: &str = "/invokeConsumedService";

/// The consumer.
pub struct DemoConsumer {
    client: Client,
    provider: String,
    breaker: Option<Mutex<CircuitBreaker>>,
}

impl DemoConsumer {
    /// One that asks the provider at that address, and gives up after that time. An error is about the client.
    pub fn new(provider: &str, timeout: Duration, breaker: Option<BreakerSettings>) -> Result<Self, String> {
        // the provider is a neighbour, whatever proxies the environment names
        let direct = reqwest::Proxy::custom(|_| None::<reqwest::Url>);
        let limit = Some(timeout);
        let options = ClientOptions {
            connect_timeout: limit,
            timeout: limit,
            proxy: Some(direct),
            ..ClientOptions::default()
        };
        let client = http_client::build(&Verification::Full, options)?;
        let breaker = breaker.map(|settings| Mutex::new(CircuitBreaker::new(settings)));
        Ok(Self { client, provider: provider.to_owned(), breaker })
    }

    async fn fetch(&self) -> Result<String, String> {
        let failed = |error: reqwest::Error| {
            let why = match error.source() {
                _ if error.is_timeout() => "timed out".to_owned(),
                Some(cause) => describe(cause),
                None => error.to_string(),
            };
            format!("{why} executing GET {}", self.provider)
        };
        let answer = self.client.get(&self.provider).send().await.map_err(failed)?;
        match answer.status() {
            status if status.is_success() => answer.text().await.map_err(failed),
            status => Err(format!("status {} executing GET {}", status.as_u16(), self.provider)),
        }
    }

    async fn fetch_with_breaker(&self, breaker: &Mutex<CircuitBreaker>) -> Result<String, String> {
        if !breaker.lock().try_admit(Instant::now()) {
            return Err("the circuit is open".to_owned());
        }
        let asked = self.fetch().await;
        breaker.lock().record_result(asked.is_ok(), Instant::now());
        asked
    }
}

impl Application for DemoConsumer {
    async fn respond(&self, path: &str) -> Option<DemoResponse> {
        if path != CONSUMER_PATH {
            return None;
        }
        let answer = match &self.breaker {
            Some(breaker) => self.fetch_with_breaker(breaker).await.or_else(|_| Ok(FALLBACK.to_owned())),
            None => self.fetch().await,
        };
        Some(match answer {
            Ok(text) => DemoResponse::text(200, text),
            Err(why) => DemoResponse::json(500, &error_document(&why)),
        })
    }
}

/// The document that a Spring application answers with, as the sample's own did.
fn error_document(why: &str) -> serde_json::Value {
    json!({
        "timestamp": Timestamp::now().iso(),
        "status": 500,
        "error": "Internal Server Error",
        "message": why,
        "path": CONSUMER_PATH,
    })
}
