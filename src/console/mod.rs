//! Console lines of a run: those of the Chaos Toolkit, and notes of kubectl-chaos.
//!
//! Verbatim: chaostoolkit-lib 1.45 (lines created by `ConsoleLine::new`, `info`, `warning` and `critical`)

mod format;
mod progress;

use crate::error_code::ErrorCode;
use crate::event::{
    ActivityFinished, ActivityOutcome, HypothesisOutcome, Interrupt, RunEvent, RunPhase, RunStarted, Signal,
    SuspiciousOutput,
};
use crate::experiment::{HypothesisStrategy, RollbackStrategy};
use crate::mutation::{EffectState, Target};
use crate::text::truncate_with_length;
use crate::tolerance::ToleranceResult;
use crate::value::Value;

pub use crate::text::{sanitize, sanitize_lines};
pub use format::{LineStyle, format_line};
pub use progress::ProgressState;

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineLevel {
    /// Details for troubleshooting.
    Debug,
    /// Progress of the run.
    Info,
    /// A possible problem.
    Warning,
    /// An error.
    Error,
    /// An error that decides the run.
    Critical,
}

impl LineLevel {
    /// Returns the name of the level in the console.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// A line of the console; it may have continuation lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    pub level: LineLevel,
    pub text: String,
    /// The text before the line in plain text.
    pub prefix: LinePrefix,
    /// The stable code of an error.
    pub code: Option<ErrorCode>,
    /// What the user can do, on a line of its own.
    pub hint: Option<String>,
}

/// The prefix of a line in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinePrefix {
    /// Time and level: a line of the Chaos Toolkit.
    Time,
    /// The level from warning on: a line of kubectl-chaos.
    Level,
    /// No prefix.
    None,
}

impl ConsoleLine {
    /// Creates a line of the Chaos Toolkit.
    pub fn new(level: LineLevel, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), prefix: LinePrefix::Time, code: None, hint: None }
    }

    /// Creates a line of kubectl-chaos.
    pub fn note(level: LineLevel, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), prefix: LinePrefix::Level, code: None, hint: None }
    }

    /// Creates the line of an error that ends a command.
    pub fn error(code: ErrorCode, text: impl Into<String>, hint: Option<String>) -> Self {
        let head = LinePrefix::Level;
        Self { level: LineLevel::Error, text: text.into(), prefix: head, code: Some(code), hint }
    }
}

/// Lists the targets that an action is about to change: the first few by name, the rest by number.
fn target_lines(targets: &[Target]) -> Vec<ConsoleLine> {
    const SHOWN: usize = 10;
    let target = |target: &Target| {
        let prefix = target.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        ConsoleLine::note(LineLevel::Info, format!("  target: {} {prefix}{}", target.kind, target.name))
    };
    let rest = targets.len().saturating_sub(SHOWN);
    let remainder = (rest > 0)
        .then(|| ConsoleLine::note(LineLevel::Info, format!("  {rest} more targets are in the journal")));
    targets.iter().take(SHOWN).map(target).chain(remainder).collect()
}

fn info(text: impl Into<String>) -> ConsoleLine {
    ConsoleLine::new(LineLevel::Info, text)
}

fn warning(text: impl Into<String>) -> ConsoleLine {
    ConsoleLine::new(LineLevel::Warning, text)
}

fn critical(text: impl Into<String>) -> ConsoleLine {
    ConsoleLine::new(LineLevel::Critical, text)
}

fn debug(text: impl Into<String>) -> ConsoleLine {
    ConsoleLine::new(LineLevel::Debug, text)
}

/// Returns the lines of an event.
pub fn event_lines(event: &RunEvent) -> Vec<ConsoleLine> {
    match event {
        RunEvent::ActivityCalled { activity, name, outcome } => {
            let doubt = SuspiciousOutput::about(activity, outcome).map(suspicious_output_line);
            let failed = match outcome {
                ActivityOutcome::Failed(error) | ActivityOutcome::Errored(error) => {
                    Some(debug(format!("'{name}' failed: {error}")))
                }
                ActivityOutcome::Succeeded(_) | ActivityOutcome::Cut => None,
            };
            doubt.into_iter().chain(failed).collect()
        }
        RunEvent::ConfigurationResolved { failed } if failed.is_empty() => Vec::new(),
        RunEvent::ConfigurationResolved { failed } => vec![
            warning(
                "Some of the dynamic configuration failed to be loaded.\
                 Please review the log file for understanding what happened.",
            ),
            ConsoleLine::note(
                LineLevel::Warning,
                format!("no value, placeholders stay unresolved: {}", failed.join(", ")),
            ),
        ],
        RunEvent::RunStarted(run) => run_started_lines(run),
        RunEvent::ContinuousStarted { frequency } => vec![info(format!(
            "Executing the steady-state hypothesis continuously every {} seconds",
            frequency.python_text()
        ))],
        RunEvent::HypothesisStarted { title, .. } => vec![info(format!("Steady state hypothesis: {title}"))],
        RunEvent::HypothesisFinished { phase, outcome, probe, .. } => {
            hypothesis_lines(*phase, *outcome, probe)
        }
        RunEvent::FailedFast { ratio } => vec![info(format!(
            "Terminating immediately the experiment after {ratio:.1}% hypothesis deviated"
        ))],
        RunEvent::ContinuousFinished { error } => error
            .iter()
            .map(critical)
            .chain([info("Continuous steady state hypothesis terminated")])
            .collect(),
        RunEvent::MethodStarted { activities } => {
            let nothing = (*activities == 0).then(|| info("No declared activities, let's move on."));
            [info("Playing your experiment's method now...")].into_iter().chain(nothing).collect()
        }
        RunEvent::RollbacksDecided { strategy, played, .. } => rollback_decision_lines(strategy, *played),
        RunEvent::RollbacksStarted { activities } => {
            let nothing = (*activities == 0).then(|| info("No declared rollbacks, let's move on."));
            [info("Let's rollback...")].into_iter().chain(nothing).collect()
        }
        RunEvent::RollbackReached { name } => {
            vec![info(format!("Rollback: {}", name.as_deref().unwrap_or("None")))]
        }
        RunEvent::PauseStarted { before, seconds, .. } => {
            let position = if *before { "before next activity" } else { "after activity" };
            vec![info(format!("Pausing {position} for {}s...", seconds.python_text()))]
        }
        RunEvent::ActivityStarted(started) => {
            let background = if started.activity.background { " [in background]" } else { "" };
            vec![info(format!("{}: {}{background}", started.activity.kind, activity_name(&started.document)))]
        }
        RunEvent::TargetsRecorded { targets, .. } => target_lines(targets),
        RunEvent::ActivityNoted { name, text } => {
            vec![ConsoleLine::note(LineLevel::Warning, format!("'{name}': {text}"))]
        }
        RunEvent::ServiceReached { reached, .. } => {
            let pod = reached.pod.as_ref().map(|pod| format!(" to Pod {pod}")).unwrap_or_default();
            vec![debug(format!("  reached Service {} via {}{pod}", reached.service, reached.access))]
        }
        RunEvent::ActivityFinished(finished) => activity_finished_lines(finished),
        RunEvent::EffectObserved { name, effect, .. } => match effect.state {
            EffectState::Confirmed => vec![debug(format!("  => confirmed: {}", effect.detail))],
            EffectState::Mismatch => {
                vec![ConsoleLine::note(
                    LineLevel::Warning,
                    format!("action '{name}' did not take effect: {}", effect.detail),
                )]
            }
            EffectState::Unknown => vec![ConsoleLine::note(
                LineLevel::Warning,
                format!("the effect of action '{name}' was not observed: {}", effect.detail),
            )],
        },
        RunEvent::ToleranceChecked { verdict: None, .. } => {
            vec![warning("Probe terminated unexpectedly, so its tolerance could not be validated")]
        }
        RunEvent::ToleranceChecked { verdict: Some(verdict), .. } => {
            let met = if verdict.met { "within" } else { "not within" };
            let actual = shorten_output(verdict.actual.python_text().trim_end());
            let text = format!("  {met} the tolerance: expected {}, got {actual}", verdict.expected);
            vec![if verdict.met { debug(text) } else { ConsoleLine::note(LineLevel::Info, text) }]
        }
        RunEvent::MethodToleranceChecked { name, verdict, .. } => {
            method_tolerance_lines(name, verdict.as_ref())
        }
        RunEvent::BackgroundAwaited { activities } => {
            vec![debug(format!("Waiting for {activities} background activities to complete"))]
        }
        RunEvent::SignalReceived { signal: Signal::Term } => {
            vec![warning("Caught SIGTERM signal, interrupting experiment now")]
        }
        RunEvent::SignalReceived { signal: Signal::Hup } => {
            vec![warning("Caught SIGHUP signal, interrupting experiment now")]
        }
        RunEvent::Interrupted { phase, interrupt } => interrupt_lines(*phase, interrupt),
        RunEvent::Aborted { error, code, .. } => {
            let text = format!("Experiment ran into an un expected fatal error, aborting now.\n{error}");
            vec![ConsoleLine { code: *code, ..critical(text) }]
        }
        RunEvent::RunFinished { status, deviated, .. } => {
            let status = if *deviated { "deviated" } else { status.name() };
            let deviated =
                deviated.then(|| info("The steady-state has deviated, a weakness may have been discovered"));
            [info(format!("Experiment ended with status: {status}"))].into_iter().chain(deviated).collect()
        }
        RunEvent::MethodFinished
        | RunEvent::TargetDone { .. }
        | RunEvent::RollbacksFinished
        | RunEvent::PauseFinished { .. }
        | RunEvent::SignalReceived { .. } => Vec::new(),
    }
}

fn run_started_lines(run: &RunStarted) -> Vec<ConsoleLine> {
    let mut lines = vec![info(format!("Running experiment: {}", run.title))];
    lines.extend(run.dry.map(|dry| warning(format!("Running experiment with dry {}", dry.name()))));
    lines.push(info(format!("Steady-state strategy: {}", run.plan.hypothesis)));
    lines.push(info(format!("Rollbacks strategy: {}", run.plan.rollbacks.name())));
    if run.plan.hypothesis == HypothesisStrategy::Skip {
        lines.push(info("Skipping Steady-State Hypothesis as requested"));
    } else if !run.plan.has_hypothesis {
        lines.push(info("No steady state hypothesis defined. That's ok, just exploring."));
    }
    lines
}

fn hypothesis_lines(phase: RunPhase, outcome: Option<HypothesisOutcome>, probe: &str) -> Vec<ConsoleLine> {
    match (phase, outcome) {
        (_, None) => Vec::new(),
        (_, Some(HypothesisOutcome::Met)) => vec![info("Steady state hypothesis is met!")],
        (RunPhase::During, Some(_)) => {
            vec![warning(format!("Continuous steady state probe '{probe}' is not in the given tolerance"))]
        }
        (_, Some(_)) => vec![critical(format!(
            "Steady state probe '{probe}' is not in the given tolerance so failing this experiment"
        ))],
    }
}

fn rollback_decision_lines(strategy: &RollbackStrategy, played: bool) -> Vec<ConsoleLine> {
    let text = match (strategy, played) {
        (RollbackStrategy::Always, _) => "Rollbacks were explicitly requested to be played",
        (RollbackStrategy::Never, _) => "Rollbacks were explicitly requested to not be played",
        (RollbackStrategy::Deviated, true) => "Rollbacks will be played only because the experiment deviated",
        (RollbackStrategy::Deviated, false) => {
            "Rollbacks were explicitely requested to be played only if the experiment deviated. \
             Since this is not the case, we will not play them."
        }
        (RollbackStrategy::Default | RollbackStrategy::Unknown(_), _) => return Vec::new(),
    };
    vec![warning(text)]
}

fn activity_finished_lines(finished: &ActivityFinished) -> Vec<ConsoleLine> {
    let doubt = SuspiciousOutput::about(&finished.activity, &finished.outcome).map(suspicious_output_line);
    let outcome = match &finished.outcome {
        _ if finished.dry => debug("  => skipped: dry run"),
        ActivityOutcome::Succeeded(Value::Null) => debug("  => succeeded without any result value"),
        ActivityOutcome::Succeeded(output) => {
            debug(format!("  => succeeded with '{}'", shorten_output(&output.python_text())))
        }
        ActivityOutcome::Failed(error) => ConsoleLine::new(LineLevel::Error, format!("  => failed: {error}")),
        ActivityOutcome::Errored(error) => debug(format!("  => an unexpected error: {error}")),
        ActivityOutcome::Cut => debug("  => interrupted"),
    };
    doubt.into_iter().chain([outcome]).collect()
}

/// Returns the line about a probe of the method that has a tolerance; the Chaos Toolkit has none.
fn method_tolerance_lines(name: &str, verdict: Option<&ToleranceResult>) -> Vec<ConsoleLine> {
    let Some(verdict) = verdict else {
        let text = format!("probe '{name}' failed, so it is not within its tolerance");
        return vec![ConsoleLine::note(LineLevel::Warning, text)];
    };
    let actual = shorten_output(verdict.actual.python_text().trim_end());
    let result = if verdict.met { "is within its tolerance" } else { "is not within its tolerance" };
    let text = format!("probe '{name}' {result}: expected {}, got {actual}", verdict.expected);
    vec![if verdict.met { debug(format!("  {text}")) } else { ConsoleLine::note(LineLevel::Warning, text) }]
}

fn suspicious_output_line(doubt: SuspiciousOutput) -> ConsoleLine {
    warning(match doubt {
        SuspiciousOutput::ExitCode => {
            "This process returned a non-zero exit code. This may indicate some error and not what you expected. \
             Please have a look at the logs."
        }
        SuspiciousOutput::HttpStatus => {
            "This HTTP call returned a response with a HTTP status code above 400. This may indicate some error and \
             not what you expected. Please have a look at the logs."
        }
    })
}

fn interrupt_lines(phase: RunPhase, interrupt: &Interrupt) -> Vec<ConsoleLine> {
    match (interrupt.signal, phase) {
        (Some(signal @ (Signal::Term | Signal::Hup)), _) => {
            vec![critical(format!("{signal} signal received"))]
        }
        (Some(_), RunPhase::Rollbacks) => {
            vec![warning("Received an exit signal.Terminating now without running the remaining rollbacks.")]
        }
        (Some(Signal::Int), _) => vec![warning("Received a termination signal (Ctrl-C)...")],
        (Some(signal), _) => {
            let code = signal.toolkit_code().unwrap_or_default();
            let ignored = interrupt.forbids_rollbacks().then(|| warning("Ignoring rollbacks as per signal"));
            [warning(format!("Received the exit signal: {code}"))].into_iter().chain(ignored).collect()
        }
        (None, _) if interrupt.kind == "safeguard" => vec![
            critical(format!("Safeguard '{}' triggered the end of the experiment", interrupt.name)),
            ConsoleLine::note(LineLevel::Critical, interrupt.reason.clone()),
        ],
        (None, _) => vec![critical(interrupt.reason.clone())],
    }
}

fn activity_name(document: &Value) -> String {
    document.get("name").unwrap_or(&Value::Null).python_text().into_owned()
}

/// Shortens an output; the journal has all of it.
fn shorten_output(text: &str) -> String {
    const MAX_OUTPUT: usize = 500;
    truncate_with_length(text, MAX_OUTPUT)
}
