//! `kubectl chaos demo`.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::CommandContext;
use super::compare::CompareFormat;
use super::exit_code::precise_code;
use crate::app::demo::{DemoError, DemoOutcome, DemoScenario, OUTPUT_DIR};
use crate::app::{self, AppError, Outcome};
use crate::console::sanitize;
use crate::error_code::ErrorCode;

/// `demo`.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Scenario to run
    #[arg(long, value_enum, value_name = "NAME", default_value_t = DemoScenarioArg::CircuitBreaker)]
    scenario: DemoScenarioArg,
    /// Keep the embedded cluster running afterwards, for use with kubectl
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DemoScenarioArg {
    /// A circuit breaker hides the failure of a provider from users
    CircuitBreaker,
    /// A circuit breaker setting that the application ignores
    UnreadSwitch,
    /// A second Pod keeps the service available while one Pod is killed
    KilledPod,
}

impl From<DemoScenarioArg> for DemoScenario {
    fn from(scenario: DemoScenarioArg) -> Self {
        match scenario {
            DemoScenarioArg::CircuitBreaker => Self::CircuitBreaker,
            DemoScenarioArg::UnreadSwitch => Self::UnreadSwitch,
            DemoScenarioArg::KilledPod => Self::KilledPod,
        }
    }
}

/// Runs a scenario. Returns the exit code.
pub(super) fn demo(session: &CommandContext, args: &DemoArgs) -> u8 {
    match session.block_on(run_and_show(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Outcome::Success),
        Ok(Err(error)) => session.fail(error),
    }
}

async fn run_and_show(session: &CommandContext, args: &DemoArgs) -> Result<(), AppError> {
    let demo = app::demo::demo(&session.precise_app(), args.scenario.into()).await.map_err(to_app_error)?;
    session.terminal.write_result(&format_summary(&demo))?;
    if args.keep {
        session.terminal.write_result(&format_next_steps(&demo.cluster.kubeconfig))?;
        session.app.signals.end()?.await;
    }
    Ok(())
}

fn to_app_error(error: DemoError) -> AppError {
    let unexpected = |reason: &str| {
        let message = format!("the demo did not show the expected result: {reason}");
        AppError::new(ErrorCode::DemoFailed, message).with_outcome(Outcome::Stopped)
    };
    match error {
        DemoError::Failed(error) => error,
        DemoError::OtherOutcome { arm, outcome, expected } => unexpected(&format!(
            "the run {} the change has exit code {}, expected {}",
            arm.name(),
            precise_code(outcome),
            precise_code(expected)
        )),
        DemoError::Unexpected(reason) => unexpected(&reason),
        DemoError::Signal(signal) => {
            let message = format!("interrupted by {signal}; no output was kept");
            AppError::new(ErrorCode::RunInterrupted, message).with_outcome(Outcome::Signal(signal))
        }
    }
}

fn format_summary(demo: &DemoOutcome) -> String {
    let DemoOutcome { before, after, comparison, lesson, .. } = demo;
    let mut text = String::from("\n3. Result\n");
    for (name, record) in [("before", before), ("after", after)] {
        let journal: Json = serde_json::from_str(&record.text).unwrap_or_default();
        let verdict = &journal["kubectl-chaos"]["verdict"];
        let verdict = verdict.as_str().unwrap_or_default();
        let _ = writeln!(text, "{name:<8}{verdict}: users got {}", describe_last_probe(&journal));
    }
    let _ = write!(
        text,
        "\n{}\n{}\n\n\
         Report: ./{OUTPUT_DIR}/report.html (open it in a browser), ./{OUTPUT_DIR}/summary.md (as on a pull request).\n\
         Data: the journal of each run, comparison.json, and junit.xml for CI servers.\n\
         To repeat it on your own cluster: kubectl chaos trial ./{OUTPUT_DIR}/experiment.json --common \
         ./{OUTPUT_DIR}/services --before ./{OUTPUT_DIR}/01-before --after ./{OUTPUT_DIR}/03-after\n",
        CompareFormat::Text.write(comparison),
        lesson
    );
    text
}

/// Describes the result of the last probe after the method.
fn describe_last_probe(journal: &Json) -> String {
    let probes = journal["steady_states"]["after"]["probes"].as_array();
    let Some(probe) = probes.and_then(|probes| probes.last()) else { return "nothing".to_owned() };
    let output = &probe["output"];
    let body = &output["body"];
    let message = body["message"].as_str().or(body.as_str()).unwrap_or_default();
    let text = match output["status"].as_u64() {
        Some(status) => format!("{status} \"{message}\""),
        None => {
            probe["exception"].as_array().and_then(|lines| lines.last()).and_then(Json::as_str).map_or_else(
                || "no response".to_owned(),
                |line| {
                    let line = line.trim();
                    let cause = line.split_once("ActivityFailed: ").map_or(line, |(_, cause)| cause);
                    format!("no response: {cause}")
                },
            )
        }
    };
    sanitize(&text)
}

fn format_next_steps(kubeconfig: &Path) -> String {
    let path = kubeconfig.display();
    format!(
        "\nThe cluster runs until Ctrl-C. In another terminal:\n\n\
         export KUBECONFIG={path}\n\
         kubectl get pods -o wide\n\
         kubectl scale deployment/my-provider-app --replicas=3\n\
         kubectl delete pod --selector service=my-provider-service\n\
         kubectl get --raw /api/v1/namespaces/default/services/my-provider-service/proxy/\n\
         kubectl chaos run {OUTPUT_DIR}/experiment.json\n"
    )
}
