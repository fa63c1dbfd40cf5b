//! The hidden command `sample-app`: runs the demo application.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::CommandContext;
use super::duration::parse_duration;
use crate::app::{AppError, Outcome};
use crate::console::{ConsoleLine, LineLevel};
use crate::demo_app::{
    Application, BreakerSettings, DEFAULT_PROVIDER, DemoAppConfig, DemoConsumer, DemoProvider, DemoServer,
    PROVIDER_ENV,
};
use crate::error_code::ErrorCode;

/// The part of the application.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum DemoAppCommand {
    /// Respond with a greeting on /
    Provider {
        #[command(flatten)]
        listen: ListenArgs,
    },
    /// Call the provider on /invokeConsumedService
    Consumer(Box<ConsumerArgs>),
}

/// The address to listen on.
#[derive(Args, Clone, Debug)]
pub(super) struct ListenArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// `sample-app consumer`.
#[derive(Args, Clone, Debug)]
pub(super) struct ConsumerArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// Timeout of calls to the provider
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1s")]
    timeout: Duration,
    /// Respond with a fallback instead of an error, and stop calling a failing provider
    #[arg(long)]
    circuit_breaker: bool,
    /// Consecutive failures that open the circuit
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    failure_threshold: u32,
    /// How long the circuit stays open
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    open_for: Duration,
    /// Successful trial calls that close the circuit
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    success_threshold: u32,
}

/// The arguments of a container, parsed like those of this program.
#[derive(Parser)]
struct ContainerCommandLine {
    #[command(subcommand)]
    command: ContainerCommand,
}

#[derive(Subcommand)]
enum ContainerCommand {
    SampleApp {
        #[command(subcommand)]
        part: DemoAppCommand,
    },
}

/// Parses the arguments of a container of the embedded cluster.
pub(super) fn parse_container(arguments: &[&str]) -> Result<DemoAppConfig, Box<dyn StdError + Send + Sync>> {
    let words = std::iter::once("kubectl-chaos").chain(arguments.iter().copied());
    let ContainerCommand::SampleApp { part } = ContainerCommandLine::try_parse_from(words)?.command;
    Ok(part.config())
}

/// Serves until a signal arrives. Returns the exit code.
pub(super) fn sample_app(session: &CommandContext, part: &DemoAppCommand) -> u8 {
    match session.block_on(run(session, &part.config())) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Outcome::Success),
        Ok(Err(error)) => session.fail(error),
    }
}

async fn run(session: &CommandContext, config: &DemoAppConfig) -> Result<(), AppError> {
    match config {
        DemoAppConfig::Provider { address } => serve(session, *address, DemoProvider).await,
        DemoAppConfig::Consumer { address, timeout, breaker } => {
            let provider = session.app.environment.get(PROVIDER_ENV);
            let provider = provider.as_deref().unwrap_or(DEFAULT_PROVIDER);
            serve(session, *address, DemoConsumer::new(provider, *timeout, *breaker)?).await
        }
    }
}

impl DemoAppCommand {
    fn config(&self) -> DemoAppConfig {
        match self {
            Self::Provider { listen } => DemoAppConfig::Provider { address: listen.listen },
            Self::Consumer(args) => DemoAppConfig::Consumer {
                address: args.listen.listen,
                timeout: args.timeout,
                breaker: args.circuit_breaker.then_some(BreakerSettings {
                    failure_threshold: args.failure_threshold,
                    open_for: args.open_for,
                    success_threshold: args.success_threshold,
                }),
            },
        }
    }
}

async fn serve(
    session: &CommandContext,
    address: SocketAddr,
    application: impl Application,
) -> Result<(), AppError> {
    // register first: a signal may arrive at once. In a container this is process 1, which signals do not end by
    // default
    let shutdown = session.app.signals.end()?;
    let server = DemoServer::bind(address).await.map_err(|error| {
        AppError::new(ErrorCode::InternalRuntime, format!("cannot listen on {address}: {error}"))
    })?;
    session
        .terminal
        .show(&ConsoleLine::note(LineLevel::Info, format!("listening on http://{}/", server.address())));
    server.serve(application, shutdown).await;
    Ok(())
}
