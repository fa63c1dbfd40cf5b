//! Counts connections, so that the read timeout starts with the connection.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// The count of the current request: a client is shared by concurrent requests.
    static MADE: watch::Sender<u64>;
}

/// Number of connections of one request.
#[derive(Debug)]
pub struct ConnectionCount {
    connections: watch::Sender<u64>,
}

impl Default for ConnectionCount {
    fn default() -> Self {
        Self { connections: watch::Sender::new(0) }
    }
}

impl ConnectionCount {
    /// Subscribes to the count.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    /// Runs a request, and counts its connections. Without a pool its own task makes them.
    pub async fn count<F: Future>(self, request: F) -> F::Output {
        MADE.scope(self.connections, request).await
    }
}

/// Layer that adds the count to a connector.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountingLayer;

impl<S> Layer<S> for CountingLayer {
    type Service = CountingConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountingConnector { inner }
    }
}

/// Connector that counts connections.
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
        // requests without a read timeout are not counted
        let connections = MADE.try_with(Clone::clone).ok();
        Box::pin(async move {
            let connection = connecting.await;
            if let (Ok(_), Some(connections)) = (&connection, connections) {
                connections.send_modify(|connections| *connections += 1);
            }
            connection
        })
    }
}
