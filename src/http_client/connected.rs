//! Tells when a connection was made, so that the wait for an answer is counted from there. Floor 1.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

/// Counts the connections that a client makes; the count can be waited on.
#[derive(Clone, Debug)]
pub struct Connected {
    made: watch::Sender<u64>,
}

impl Default for Connected {
    fn default() -> Self {
        Self { made: watch::Sender::new(0) }
    }
}

impl Connected {
    /// Follows the count.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }
}

impl<S> Layer<S> for Connected {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counting { inner, made: self.made.clone() }
    }
}

/// A connector that counts.
#[derive(Clone)]
pub struct Counting<S> {
    inner: S,
    made: watch::Sender<u64>,
}

impl<S, R> Service<R> for Counting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.inner.call(request);
        let made = self.made.clone();
        Box::pin(async move {
            let connection = connecting.await;
            if connection.is_ok() {
                made.send_modify(|made| *made += 1);
            }
            connection
        })
    }
}
