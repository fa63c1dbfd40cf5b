//! Flags that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, ValueHint};

use super::duration::parse_duration;
use super::parse::{existing_path, integer_in, parse_log_file, parse_sampling_period, parse_variable};
use crate::app::VariableInputs;
use crate::experiment::RollbackStrategy;
use crate::sampling::SamplingOptions;
use crate::value::Value;

/// Flags of every command.
#[derive(Args, Clone, Debug)]
pub(super) struct GlobalArgs {
    /// Read settings from this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options",
        default_value = "~/.chaostoolkit/settings.yaml"
    )]
    pub(super) settings: String,
    /// Change to this directory first
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Global options")]
    pub(super) change_dir: Option<PathBuf>,
    /// Show only errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// Log verbosity (0-10; 4 and above: debug)
    #[arg(short = 'v', long = "v", global = true, value_name = "N", default_value_t = 0, value_parser = integer_in(0..=10_u8), help_heading = "Global options")]
    pub(super) verbosity: u8,
    /// Show debug lines, like -v 4
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) verbose: bool,
    /// When to use color
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorMode::Auto, help_heading = "Global options")]
    pub(super) color: ColorMode,
    /// Use no color, like --color=never
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) no_color: bool,
    /// Append log lines to this file
    #[arg(long, global = true, value_name = "FILE", value_parser = parse_log_file, help_heading = "Global options")]
    pub(super) log_file: Option<PathBuf>,
    /// Accepted for compatibility with the Chaos Toolkit: there is no log file without --log-file
    #[arg(long, global = true, hide = true)]
    pub(super) no_log_file: bool,
    /// Minimum level written to the log file
    #[arg(long, global = true, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Debug, help_heading = "Global options")]
    pub(super) log_file_level: LogLevel,
    /// Format of log lines on standard error
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::String, help_heading = "Global options")]
    pub(super) log_format: LogFormat,
    /// Accepted for compatibility with the Chaos Toolkit: versions are never checked
    #[arg(long, global = true, hide = true)]
    pub(super) no_version_check: bool,
    /// Exit codes to use
    #[arg(long, global = true, value_enum, value_name = "CODES", default_value_t = ExitCodeStyle::Precise, help_heading = "Global options")]
    pub(super) exit_code: ExitCodeStyle,
    /// Fail the run if an action fails or its effect is not observed; reject features that would be silently
    /// ignored. --strict=false behaves like the Chaos Toolkit
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_value_t = true, default_missing_value = "true", require_equals = true, action = ArgAction::Set, help_heading = "Global options")]
    pub(super) strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorMode {
    /// On a terminal that supports it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// All lines.
    Debug,
    /// Progress, warnings and errors.
    Info,
    /// Warnings and errors.
    Warning,
    /// Errors.
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Text.
    String,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExitCodeStyle {
    /// One code per kind of result.
    Precise,
    /// 0, 1 and 2, like the Chaos Toolkit.
    Chaostoolkit,
}

/// Values that replace those of the experiment.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct VariableArgs {
    /// Override a declared configuration entry; types: str, int, float, bytes, bool, json. Repeatable
    #[arg(long = "var", value_name = "NAME[:TYPE]=VALUE", value_parser = parse_variable)]
    pub(super) variables: Vec<(String, Value)>,
    /// Read configuration and secrets from this .json or .yaml file or, with any other extension, environment
    /// variables as NAME=VALUE lines. Repeatable
    #[arg(long = "var-file", value_name = "FILE", value_parser = existing_path)]
    pub(super) variable_files: Vec<PathBuf>,
}

impl VariableArgs {
    /// Converts the flags.
    pub(super) fn inputs(&self) -> VariableInputs {
        VariableInputs { variables: self.variables.clone(), files: self.variable_files.clone() }
    }
}

/// How the probes of the steady state are sampled during a run.
#[derive(Args, Clone, Debug)]
pub(super) struct SamplingArgs {
    /// Sample steady-state probes during the run; other HTTP methods and processes only with --sample-probe [default
    /// period: 100ms for HTTP GET and HEAD, 1s for cluster probes]
    #[arg(long, value_name = "PERIOD", num_args = 0..=1, require_equals = true, value_parser = parse_sampling_period, help_heading = "Sampling")]
    pub(super) sample: Option<Option<Duration>>,
    /// Sample only this probe, of any kind. Repeatable [default: all read-only probes]
    #[arg(long = "sample-probe", value_name = "NAME", help_heading = "Sampling")]
    pub(super) sample_probes: Vec<String>,
    /// Time allowed for 10 consecutive successful samples before the run
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s", help_heading = "Sampling")]
    pub(super) settle: Duration,
    /// Time allowed for 10 consecutive successful samples after the fault [default: 10s, more for long periods]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Sampling")]
    pub(super) recovery: Option<Duration>,
}

impl SamplingArgs {
    /// Returns the sampling options; `None` without sampling.
    pub(super) fn options(&self) -> Option<SamplingOptions> {
        let is_requested = self.sample.is_some() || !self.sample_probes.is_empty();
        is_requested.then(|| self.options_of_trial())
    }

    /// Returns the sampling options of a trial, which always samples.
    pub(super) fn options_of_trial(&self) -> SamplingOptions {
        SamplingOptions {
            period: self.sample.flatten(),
            settle: self.settle,
            recovery: self.recovery,
            probes: self.sample_probes.clone(),
            ..SamplingOptions::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RollbackStrategyArg {
    /// Unless the run failed or was interrupted.
    Default,
    /// Always.
    Always,
    /// Never.
    Never,
    /// Only if the run deviated.
    Deviated,
}

impl From<RollbackStrategyArg> for RollbackStrategy {
    fn from(strategy: RollbackStrategyArg) -> Self {
        match strategy {
            RollbackStrategyArg::Default => Self::Default,
            RollbackStrategyArg::Always => Self::Always,
            RollbackStrategyArg::Never => Self::Never,
            RollbackStrategyArg::Deviated => Self::Deviated,
        }
    }
}

/// Format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RunOutputFormat {
    /// A summary for people.
    Text,
    /// The full document as JSON.
    Json,
    /// The full document as YAML.
    Yaml,
    /// The Chaos Toolkit's report for agents, as JSON.
    Agent,
}
