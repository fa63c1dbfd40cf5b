//! The hidden command `sample-app`: the application of the examples. Floor 3.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::CommandContext;
use super::duration::parse_duration;
use super::exit_code::ExitStatus;
use crate::console::{ConsoleLine, LineLevel};
use crate::demo_app::{Application, BreakerSettings, DemoConsumer, DemoProvider, DemoServer};

/// The environment's name for the provider's address.
pub(super) const PROVIDER_ENV: &str = "PROVIDER_URL";
/// Where the provider is when nobody says.
pub(super) const DEFAULT_PROVIDER: &str = "http://my-provider-service:8080/";

/// Which part of the application.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum DemoAppCommand {
    /// Say hello on /
    Provider {
        #[command(flatten)]
        listen: ListenArgs,
    },
    /// Ask the provider on /invokeConsumedService
    Consumer(Box<ConsumerArgs>),
}

/// Where to listen.
#[derive(Args, Clone, Debug)]
pub(super) struct ListenArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// `sample-app consumer`.
#[derive(Args, Clone, Debug)]
pub(super) struct ConsumerArgs {
    #[command(flatten)]
    listen: ListenArgs,
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
pub(super) fn sample_app(session: &CommandContext, part: &DemoAppCommand) -> u8 {
    match session.to_its_end(run(session, part)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(error)) => session.refuse(ExitStatus::Usage, error),
    }
}

async fn run(session: &CommandContext, part: &DemoAppCommand) -> Result<(), String> {
    match part {
        DemoAppCommand::Provider { listen } => serve(session, listen, DemoProvider).await,
        DemoAppCommand::Consumer(args) => {
            let provider = session.environment.get(PROVIDER_ENV);
            serve(
                session,
                &args.listen,
                args.build_consumer(provider.as_deref().unwrap_or(DEFAULT_PROVIDER))?,
            )
            .await
        }
    }
}

impl ConsumerArgs {
    /// The consumer that was asked for, and the provider that it asks.
    pub(super) fn build_consumer(&self, provider: &str) -> Result<DemoConsumer, String> {
        let breaker = self.circuit_breaker.then_some(BreakerSettings {
            failure_threshold: self.failure_threshold,
            open_for: self.open_for,
            success_threshold: self.success_threshold,
        });
        DemoConsumer::new(provider, self.timeout, breaker)
    }
}

impl DemoAppCommand {
    /// Where it would listen.
    pub(super) fn listen_address(&self) -> SocketAddr {
        match self {
            Self::Provider { listen } => listen.listen,
            Self::Consumer(args) => args.listen.listen,
        }
    }
}

async fn serve(
    session: &CommandContext,
    listen: &ListenArgs,
    application: impl Application,
) -> Result<(), String> {
    // from the first moment on: whoever starts it may end it at once. In a container this is the first process,
    // which no signal ends by itself
    let end = session.signals.end().map_err(|error| format!("signals cannot be heard: {error}"))?;
    let server = DemoServer::bind(listen.listen).await;
    let server = server.map_err(|error| format!("cannot listen on {}: {error}", listen.listen))?;
    session
        .terminal
        .say(&ConsoleLine::note(LineLevel::Info, format!("listening on http://{}/", server.address())));
    server.serve(application, end).await;
    Ok(())
}
