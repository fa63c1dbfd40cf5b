//! The hidden command `sample-app`: the application of the examples. Floor 3.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Session;
use super::duration::parse_duration;
use super::exit_code::Exit;
use crate::console::{Level, Line};
use crate::sample_app::{Application, Consumer, Provider, Server, Settings};

/// The environment's name for the provider's address.
pub(super) const PROVIDER: &str = "PROVIDER_URL";
/// Where the provider is when nobody says.
pub(super) const DEFAULT: &str = "http://my-provider-service:8080/";

/// Which part of the application.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum SampleApp {
    /// Say hello on /
    Provider {
        #[command(flatten)]
        listen: Listen,
    },
    /// Ask the provider on /invokeConsumedService
    Consumer(Box<ConsumerArgs>),
}

/// Where to listen.
#[derive(Args, Clone, Debug)]
pub(super) struct Listen {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// `sample-app consumer`.
#[derive(Args, Clone, Debug)]
pub(super) struct ConsumerArgs {
    #[command(flatten)]
    listen: Listen,
    /// How long the provider may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1s")]
    timeout: Duration,
    /// Answer with a fallback in place of an error, and leave a provider alone that fails
    #[arg(long)]
    circuit_breaker: bool,
    /// How many failures in a row open the circuit
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    failure_threshold: u32,
    /// How long the circuit stays open
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    open_for: Duration,
    /// How many trials have to succeed before the circuit closes
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    success_threshold: u32,
}

/// Serves until a signal comes. Gives the exit code.
pub(super) fn sample_app(session: &Session, part: &SampleApp) -> u8 {
    match session.to_its_end(start(session, part)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Exit::Fine),
        Ok(Err(error)) => session.refuse(Exit::Usage, error),
    }
}

async fn start(session: &Session, part: &SampleApp) -> Result<(), String> {
    match part {
        SampleApp::Provider { listen } => serve(session, listen, Provider).await,
        SampleApp::Consumer(args) => {
            let provider = session.environment.get(PROVIDER);
            serve(session, &args.listen, args.consumer(provider.as_deref().unwrap_or(DEFAULT))?).await
        }
    }
}

impl ConsumerArgs {
    /// The consumer that was asked for, and the provider that it asks.
    pub(super) fn consumer(&self, provider: &str) -> Result<Consumer, String> {
        let breaker = self.circuit_breaker.then_some(Settings {
            failures: self.failure_threshold,
            open_for: self.open_for,
            trials: self.success_threshold,
        });
        Consumer::new(provider, self.timeout, breaker)
    }
}

impl SampleApp {
    /// Where it would listen.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Provider { listen } => listen.listen,
            Self::Consumer(args) => args.listen.listen,
        }
    }
}

async fn serve(session: &Session, listen: &Listen, application: impl Application) -> Result<(), String> {
    // from the first moment on: whoever starts it may end it at once. In a container this is the first process,
    // which no signal ends by itself
    let end = session.signals.end().map_err(|error| format!("signals cannot be heard: {error}"))?;
    let server = Server::listen(listen.listen).await;
    let server = server.map_err(|error| format!("cannot listen on {}: {error}", listen.listen))?;
    session.terminal.say(&Line::note(Level::Info, format!("listening on http://{}/", server.address())));
    server.serve(application, end).await;
    Ok(())
}
