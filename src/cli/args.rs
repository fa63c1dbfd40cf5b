//! The command line. Floor 3.
//!
//! kubectl's flags keep kubectl's spelling, the Chaos Toolkit's keep its own. Flags that concern every command
//! are taken before it and after it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::ci::args::Ci;
use super::compare::CompareArgs;
use super::completion::CompletionArgs;
use super::connection_args::ConnectionArgs;
use super::demo::DemoArgs;
use super::demo_app::DemoAppCommand;
use super::discover::DiscoverArgs;
use super::doctor::DoctorArgs;
use super::duration::parse_duration;
use super::embedded::EmbeddedCommand;
use super::init::InitArgs;
use super::publish::args::Publish;
use super::report::RenderArgs;
use super::report_files::ReportArgs;
use super::trial::args::{Recover, Trial};
use super::version::VERSION;
use crate::experiment::configuration::{VARIABLE_TYPES, parse_var};
use crate::journal::Environment;
use crate::sampling;
use crate::value::Value;

const EXIT_CODES: &str = "\
Exit codes (2, 3 and 4 mean that nothing was touched; of the others the first that holds):
  2    the command line is wrong
  3    the experiment is invalid, or cannot be read
  4    the cluster cannot be reached, or refuses
  6    a rollback is incomplete
  130  interrupted by SIGINT (143 by SIGTERM, 129 by SIGHUP)
  9    stopped by a control, a safeguard or --timeout, or aborted by an unexpected error
  5    an action failed, or was not seen to take effect
  8    the steady state was not met, or could not be measured, to begin with
  1    deviated: the steady state was not met during or after the method
  7    a journal or another file could not be written
  0    everything held, every action took effect";

/// Run Chaos Toolkit experiments natively.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-chaos",
    version = VERSION.as_str(),
    about = "Run Chaos Toolkit experiments natively, against the current kubeconfig context",
    after_help = EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What concerns every command.
#[derive(Args, Clone, Debug)]
pub(super) struct GlobalArgs {
    /// The settings file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options",
        default_value = "~/.chaostoolkit/settings.yaml"
    )]
    pub(super) settings: String,
    /// Go to this folder before anything else
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Global options")]
    pub(super) change_dir: Option<PathBuf>,
    /// Show only errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// How much to show, from 0 to 10; from 4 on, details
    #[arg(short = 'v', long = "v", global = true, value_name = "N", default_value_t = 0, value_parser = whole(0..=10_u8), help_heading = "Global options")]
    pub(super) verbosity: u8,
    /// The same as -v 4
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) verbose: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorMode::Auto, help_heading = "Global options")]
    pub(super) color: ColorMode,
    /// The same as --color=never
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) no_color: bool,
    /// Also write what is shown, with details, to this file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) log_file: Option<PathBuf>,
    /// Write no log file; there is none unless --log-file asks for it
    #[arg(long, global = true, hide = true)]
    pub(super) no_log_file: bool,
    /// From which level on lines go to the log file
    #[arg(long, global = true, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Debug, help_heading = "Global options")]
    pub(super) log_file_level: LogLevel,
    /// How lines are shown
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::String, help_heading = "Global options")]
    pub(super) log_format: LogFormat,
    /// Accepted for the Chaos Toolkit's sake: versions are never checked
    #[arg(long, global = true, hide = true)]
    pub(super) no_version_check: bool,
    /// Which exit codes to use: ours, or 0, 1 and 2 as the Chaos Toolkit does
    #[arg(long, global = true, value_enum, value_name = "CODES", default_value_t = ExitCodeStyle::Precise, help_heading = "Global options")]
    pub(super) exit_code: ExitCodeStyle,
    /// Whether an action that failed, or was not seen to take effect, fails the run, and what would quietly not
    /// happen is refused; --strict=false is as lenient as the Chaos Toolkit
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_value_t = true, default_missing_value = "true", require_equals = true, action = ArgAction::Set, help_heading = "Global options")]
    pub(super) strict: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorMode {
    /// On a terminal that wants it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// From which level on lines go to the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// Everything.
    Debug,
    /// The course of things.
    Info,
    /// What to look at.
    Warning,
    /// What went wrong.
    Error,
}

/// How lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    String,
    /// One JSON object each.
    Json,
}

/// Which exit codes to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExitCodeStyle {
    /// Ours.
    Precise,
    /// 0, 1 and 2.
    Chaostoolkit,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run experiments and write their journals
    Run(Box<RunArgs>),
    /// Run an experiment, or a trial of it, as part of a job: what a pull request brings along is kept within bounds
    Ci(Box<Ci>),
    /// Say what changed between two sets of runs of one experiment, and how sure that is
    Compare(CompareArgs),
    /// Complete command lines: for kubectl by a file beside it, for other names by a script of the shell
    Completion(CompletionArgs),
    /// Show the whole learning loop: nothing has to be installed, no cluster is touched
    Demo(DemoArgs),
    /// List the functions that experiments can call, with what they take and the rights that they need
    Discover(DiscoverArgs),
    /// Look for what would be in the way: programs of the same name, the cluster, rights; and say what to do
    Doctor(DoctorArgs),
    /// A small Kubernetes in this process, to try experiments on
    Embedded {
        /// What to do with it.
        #[command(subcommand)]
        command: EmbeddedCommand,
    },
    /// Write an experiment, from flags or by asking
    Init(InitArgs),
    /// List the flags that every command takes
    Options,
    /// Tell GitHub what runs or a trial came to: job summary, annotations, one comment on the pull request
    Publish(Box<Publish>),
    /// Remove what killed trials left behind
    Recover(Recover),
    /// Render journals again, as text, JUnit XML, Markdown or HTML
    Report(RenderArgs),
    /// Run an experiment before and after a change, several times each, and say what the change came to
    Trial(Box<Trial>),
    /// Find every fault of experiments, without running anything
    Validate(ValidateArgs),
    /// The application of the examples
    #[command(hide = true)]
    SampleApp {
        /// Which part of it.
        #[command(subcommand)]
        part: DemoAppCommand,
    },
    /// Anything else: refused, with what to do instead.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Values from beside the experiment.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct VariableArgs {
    /// Replace a configuration entry that the experiment declares; types: str, int, float, bytes, bool, json
    #[arg(long = "var", value_name = "NAME[:TYPE]=VALUE", value_parser = parse_variable)]
    pub(super) variables: Vec<(String, Value)>,
    /// Read configuration and secrets from a .json or .yaml file, or environment variables from any other one
    #[arg(long = "var-file", value_name = "FILE", value_parser = existing)]
    pub(super) variable_files: Vec<PathBuf>,
}

/// `run`.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct RunArgs {
    /// The experiment: a JSON or YAML file, an http or https address, or - for standard input
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub(super) sources: Vec<String>,
    /// Where to write the journal
    #[arg(long, value_name = "FILE", default_value = "./journal.json")]
    pub(super) journal_path: PathBuf,
    /// Rehearse on a fresh cluster in this process, and touch no other one
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// Manifests that the embedded cluster begins with: a file, or a folder without its subfolders; may be repeated
    #[arg(long, value_name = "DIR", requires = "embedded")]
    pub(super) apply: Vec<PathBuf>,
    /// What to leave out
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) dry: Option<DryRunArg>,
    /// Do not validate the experiment first
    #[arg(long)]
    pub(super) no_validation: bool,
    /// Do not check the certificate of the server that the experiment comes from
    #[arg(long)]
    pub(super) no_verify_tls: bool,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// Read controls of every run from a JSON or YAML file
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing)]
    pub(super) control_files: Vec<PathBuf>,
    /// When to look at the steady state
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) hypothesis_strategy: Option<HypothesisStrategyArg>,
    /// Seconds between two looks during the method
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_frequency)]
    pub(super) hypothesis_frequency: f64,
    /// End the method when the steady state is not met while it runs
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// When to play rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) rollback_strategy: Option<RollbackStrategyArg>,
    /// Interrupt the run after this time, such as 90s or 5m, and what runs in the background with it; rollbacks are
    /// not counted
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// How long to watch for the effect of an action
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "45s")]
    pub(super) effect_timeout: Duration,
    /// Write every event to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub(super) events_file: Option<PathBuf>,
    /// Note something in the journal: who, which ticket, which commit
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = parse_annotation)]
    pub(super) annotations: Vec<(String, String)>,
    /// What to write to standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = RunOutputFormat::Text)]
    pub(super) output: RunOutputFormat,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
    /// Whether somebody else says what the runs came to.
    #[arg(skip)]
    pub(super) silent: bool,
    /// What the run stands in, where somebody looked.
    #[arg(skip)]
    pub(super) environment: Option<Environment>,
}

/// How the probes of the hypothesis are sampled beside a run.
#[derive(Args, Clone, Debug)]
pub(super) struct SamplingArgs {
    /// Sample the probes of the steady state while the run goes on, this often; every 100ms where they are requests
    /// (GET and HEAD alone, unless --sample-probe names another), every second where they look at the cluster
    #[arg(long, value_name = "PERIOD", num_args = 0..=1, require_equals = true, value_parser = parse_period, help_heading = "Sampling")]
    pub(super) sample: Option<Option<Duration>>,
    /// Sample this probe, of whatever kind; may be repeated. Else those are sampled that only look
    #[arg(long = "sample-probe", value_name = "NAME", help_heading = "Sampling")]
    pub(super) sample_probes: Vec<String>,
    /// How long to wait for ten good samples in a row before the run begins
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s", help_heading = "Sampling")]
    pub(super) settle: Duration,
    /// How long to watch for ten good samples in a row after the fault; 10s, or longer where they take longer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Sampling")]
    pub(super) recovery: Option<Duration>,
}

impl SamplingArgs {
    /// How to sample, where that is asked for.
    pub(super) fn options(&self) -> Option<sampling::SamplingOptions> {
        let period = match self.sample {
            Some(period) => period,
            None if self.sample_probes.is_empty() => return None,
            None => None,
        };
        Some(sampling::SamplingOptions {
            period,
            settle: self.settle,
            recovery: self.recovery,
            probes: self.sample_probes.clone(),
        })
    }
}

/// `validate`.
#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    /// The experiment: a JSON or YAML file, an http or https address, or - for standard input
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub(super) sources: Vec<String>,
    /// Do not check the certificate of the server that the experiment comes from
    #[arg(long)]
    pub(super) no_verify_tls: bool,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// What to write to standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = RunOutputFormat::Text)]
    pub(super) output: RunOutputFormat,
}

/// What to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DryRunArg {
    /// Probes.
    Probes,
    /// Actions.
    Actions,
    /// Both.
    Activities,
    /// Pauses.
    Pause,
}

/// When to look at the steady state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HypothesisStrategyArg {
    /// Before and after the method.
    Default,
    /// Before only.
    BeforeMethodOnly,
    /// After only.
    AfterMethodOnly,
    /// During only.
    DuringMethodOnly,
    /// Before, during and after.
    Continuously,
    /// An old misspelling.
    #[value(hide = true)]
    Continously,
}

/// When to play rollbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RollbackStrategyArg {
    /// Unless the run failed or was interrupted.
    Default,
    /// Always.
    Always,
    /// Never.
    Never,
    /// When the run deviated.
    Deviated,
}

/// What to write to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RunOutputFormat {
    /// A line or two for a person.
    Text,
    /// The answer as JSON.
    Json,
    /// The answer as YAML.
    Yaml,
    /// The answer as the Chaos Toolkit's report for agents.
    Agent,
}

pub(super) fn parse_variable(text: &str) -> Result<(String, Value), String> {
    parse_var(text).map_err(|error| format!("{error} (types: {})", VARIABLE_TYPES.join(", ")))
}

fn parse_annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("an annotation is NAME=VALUE".to_owned()),
    }
}

pub(super) fn existing(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() { Ok(path) } else { Err(format!("Path '{text}' does not exist.")) }
}

/// Reads whole numbers between two.
pub(super) fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end().to_string());
            // the largest that there can be says nothing to anybody
            if most.len() > 9 {
                format!("it is a whole number, {least} or more")
            } else {
                format!("it is a whole number from {least} to {most}")
            }
        })
    }
}

/// From one sample to the next.
fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    if (sampling::SHORTEST_PERIOD..=sampling::LONGEST_PERIOD).contains(&period) {
        Ok(period)
    } else {
        Err(format!("{text} is not from 1ms to 1h: samples are that far apart"))
    }
}

/// From one look at the steady state to the next, in seconds.
fn parse_frequency(text: &str) -> Result<f64, String> {
    const LEAST: f64 = 0.001;
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= LEAST => Ok(seconds),
        _ => Err(format!(
            "'{text}' is no number of seconds from {LEAST} on: it would never rest, or never look"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_happens_again_and_again_rests_between() {
        let period = |text: &str| parse_period(text).ok().map(|period| period.as_millis());
        assert_eq!((period("1ms"), period("0.1"), period("1h")), (Some(1), Some(100), Some(3_600_000)));
        for wrong in ["0", "0.5ms", "1e19", "61m", "-1", "nan", "x"] {
            assert_eq!(period(wrong), None, "{wrong}");
        }
        assert_eq!((parse_frequency("0.05"), parse_frequency("2")), (Ok(0.05), Ok(2.0)));
        for wrong in ["0", "-0.0", "1e-9", "-1", "nan", "NaN", "inf", "x"] {
            assert!(parse_frequency(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_are_read_within_their_bounds() {
        let read = whole(1..=100_u32);
        assert_eq!((read("1"), read("100")), (Ok(1), Ok(100)));
        for wrong in ["", "0", "101", "zwei", "1.5", "-1"] {
            assert_eq!(read(wrong).unwrap_err(), "it is a whole number from 1 to 100", "{wrong}");
        }
        let line = ["k", "trial", "e", "--before", "a", "--after", "b", "--repeat", "zwei"];
        let told = Cli::try_parse_from(line).unwrap_err().to_string();
        assert!(told.contains("it is a whole number from 1 to 100"), "{told}");
        let told = Cli::try_parse_from(["k", "run", "e", "--seed", "abc"]).unwrap_err().to_string();
        assert!(told.contains("it is a whole number, 0 or more"), "{told}");
    }

    #[test]
    fn global_flags_stand_before_and_after_the_command() {
        let strict =
            |line: &[&str]| Cli::try_parse_from(line).map(|cli| (cli.global.strict, cli.global.verbosity));
        assert_eq!(strict(&["k", "--strict=false", "-v=6", "run", "e.json"]).unwrap(), (false, 6));
        assert_eq!(strict(&["k", "run", "e.json", "--strict=false", "--v=6"]).unwrap(), (false, 6));
        assert_eq!(strict(&["k", "run", "--strict", "e.json", "-v", "2"]).unwrap(), (true, 2));
    }
}
