//! Tells when a connection was made, so that the wait for an answer is counted from there.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// The count of the request that is under way: a client is shared, and makes connections for many at once.
    static MADE: watch::Sender<u64>;
}

/// The count of the connections that are made for one request.
#[derive(Debug)]
pub struct ConnectionCount {
    made: watch::Sender<u64>,
}

impl Default for ConnectionCount {
    fn default() -> Self {
        Self { made: watch::Sender::new(0) }
    }
}

impl ConnectionCount {
    /// Follows the count.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// Carries out a request, and counts its connections. Without a pool they are made by the request's own task.
    pub async fn count<F: Future>(self, request: F) -> F::Output {
        MADE.scope(self.made, request).await
    }
}

/// Makes a connector count.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountingLayer;

impl<S> Layer<S> for CountingLayer {
    type Service = CountingConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountingConnector { inner }
    }
}

/// A connector that counts.
#[derive(Clone)]
pub(super) struct CountingConnector<S> {
    inner: S,
}

impl<S, R> Service<R> for CountingConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.inner.call(request);
        // requests that nobody times are not counted
        let made = MADE.try_with(Clone::clone).ok();
        Box::pin(async move {
            let connection = connecting.await;
            if let (Ok(_), Some(made)) = (&connection, made) {
                made.send_modify(|made| *made += 1);
            }
            connection
        })
    }
}
