//! Runs containers of the demo application; containers of other images are simulated.

use std::error::Error as StdError;
use std::sync::Arc;

use serde_json::Value as Json;
use tokio::sync::oneshot;
use url::Url;

use super::error::ContainerError;
use super::json_fields::{items, text};
use super::network_policy::PodLabels;
use super::{ContainerRuntime, EmbeddedCluster, PortBinding, StartFuture};
use crate::demo_app::{
    Application, DEFAULT_PROVIDER, DemoAppConfig, DemoConsumer, DemoProvider, DemoServer, PROVIDER_ENV,
};

/// The image of the demo application, without its tag.
const IMAGE: &str = "ghcr.io/kubectl-chaos/kubectl-chaos";

/// Parses the arguments of a container.
///
/// The command line gives it, because the arguments are those of the hidden command `sample-app`.
pub type ParseArguments = fn(&[&str]) -> Result<DemoAppConfig, Box<dyn StdError + Send + Sync>>;

/// Runs containers of the demo application, and simulates all others.
pub struct DemoAppRuntime {
    parse: ParseArguments,
}

impl DemoAppRuntime {
    /// Creates a runtime that parses container arguments with `parse`.
    pub fn new(parse: ParseArguments) -> Self {
        Self { parse }
    }
}

impl ContainerRuntime for DemoAppRuntime {
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        pod: &'a Json,
        container: &'a Json,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        Box::pin(async move {
            if text(&container["image"]).split([':', '@']).next() != Some(IMAGE) {
                return Ok(None);
            }
            let words: Vec<&str> = items(&container["args"]).filter_map(Json::as_str).collect();
            let config = (self.parse)(&words).map_err(ContainerError::Arguments)?;
            let port = config.address().port();
            match config {
                DemoAppConfig::Provider { .. } => listen(port, DemoProvider, end).await,
                DemoAppConfig::Consumer { timeout, breaker, .. } => {
                    let provider = provider_url(cluster, pod, container)?;
                    listen(port, DemoConsumer::new(&provider, timeout, breaker)?, end).await
                }
            }
        })
    }
}

/// Returns the provider URL of a container. The name of a Service becomes a loopback address.
fn provider_url(
    cluster: &Arc<EmbeddedCluster>,
    pod: &Json,
    container: &Json,
) -> Result<String, ContainerError> {
    let variable = items(&container["env"]).find(|variable| variable["name"] == PROVIDER_ENV);
    let value = variable.and_then(|variable| variable["value"].as_str()).unwrap_or(DEFAULT_PROVIDER);
    let mut url = Url::parse(value).map_err(|source| ContainerError::InvalidUrl {
        variable: PROVIDER_ENV,
        value: value.to_owned(),
        source,
    })?;
    let (Some(url::Host::Domain(host)), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Ok(value.to_owned());
    };
    let Some(address) = cluster.resolve(host, port, PodLabels::from_pod(pod)) else {
        return Ok(value.to_owned());
    };
    let address = address.map_err(|source| ContainerError::Resolve { url: value.to_owned(), source })?;
    url.set_ip_host(address.ip())
        .and_then(|()| url.set_port(Some(address.port())))
        .map_err(|()| ContainerError::NoPort { url: value.to_owned() })?;
    Ok(url.into())
}

async fn listen(
    port: u16,
    application: impl Application,
    end: oneshot::Receiver<()>,
) -> Result<Option<PortBinding>, ContainerError> {
    let server = DemoServer::bind(([127, 0, 0, 1], 0).into()).await.map_err(ContainerError::Listen)?;
    let real = server.address();
    tokio::spawn(server.serve(application, end));
    Ok(Some(PortBinding { port, real }))
}
