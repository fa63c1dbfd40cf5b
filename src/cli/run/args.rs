//! Flags of `kubectl chaos run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::journal_paths;
use crate::cli::duration::parse_time_limit;
use crate::cli::error::CliError;
use crate::cli::exit_code::EXIT_CODE_HELP;
use crate::cli::parse::{existing_path, parse_annotation, parse_frequency};
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_files::{ReportArgs, STANDARD_OUTPUT, standard_output_conflict};
use crate::cli::shared_args::{RollbackStrategyArg, RunOutputFormat, SamplingArgs, VariableArgs};
use crate::journal::Environment;

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODE_HELP)]
pub(in crate::cli) struct RunArgs {
    /// Experiment: a JSON or YAML file, an http or https URL, or - for standard input
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub(in crate::cli) sources: Vec<String>,
    /// Write the journal to this file (- for standard output, at the end)
    #[arg(long, value_name = "FILE", default_value = "./journal.json")]
    pub(in crate::cli) journal_path: PathBuf,
    /// Run on a fresh in-memory cluster in this process, and on no other
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(in crate::cli) embedded: bool,
    /// Manifest file, directory (non-recursive) or kustomization to apply to the embedded cluster first. Repeatable
    #[arg(long, value_name = "PATH", requires = "embedded")]
    pub(in crate::cli) apply: Vec<PathBuf>,
    /// Skip these parts of the experiment
    #[arg(long, value_enum, value_name = "PARTS")]
    pub(in crate::cli) dry: Option<DryRunArg>,
    /// Skip validation of the experiment
    #[arg(long)]
    pub(in crate::cli) no_validation: bool,
    /// Do not verify the TLS certificate of the server that the experiment is loaded from
    #[arg(long)]
    pub(in crate::cli) no_verify_tls: bool,
    #[command(flatten)]
    pub(in crate::cli) variables: VariableArgs,
    /// Read controls from this JSON or YAML file. Repeatable
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing_path)]
    pub(in crate::cli) control_files: Vec<PathBuf>,
    /// When to check the steady state
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(in crate::cli) hypothesis_strategy: Option<HypothesisStrategyArg>,
    /// Seconds between two checks of the steady state during the method
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_frequency)]
    pub(in crate::cli) hypothesis_frequency: f64,
    /// Stop the method as soon as a check during it fails
    #[arg(long)]
    pub(in crate::cli) fail_fast: bool,
    /// When to run the rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(in crate::cli) rollback_strategy: Option<RollbackStrategyArg>,
    /// Stop the run (including background activities) after this time, such as 90s or 5m; rollbacks are not included. 0
    /// means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    pub(in crate::cli) timeout: Option<Duration>,
    /// Time allowed to observe the effect of an action; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "45s")]
    pub(in crate::cli) effect_timeout: Duration,
    /// Write every event to this file, one JSON object per line (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) events_file: Option<PathBuf>,
    /// Add metadata to the journal, such as a ticket or a commit. Repeatable
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = parse_annotation)]
    pub(in crate::cli) annotations: Vec<(String, String)>,
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = RunOutputFormat::Text)]
    pub(in crate::cli) output: RunOutputFormat,
    #[command(flatten)]
    pub(in crate::cli) sampling: SamplingArgs,
    #[command(flatten)]
    pub(in crate::cli) reports: ReportArgs,
    /// Whether the caller reports the results itself.
    #[arg(skip)]
    pub(in crate::cli) silent: bool,
    /// Environment of the run, if the caller has examined it.
    #[arg(skip)]
    pub(in crate::cli) environment: Option<Environment>,
}

impl RunArgs {
    /// Returns whether the journal goes to standard output.
    pub(in crate::cli) fn has_journal_on_standard_output(&self) -> bool {
        self.journal_path == Path::new(STANDARD_OUTPUT)
    }

    /// Returns whether events go to standard output.
    pub(in crate::cli) fn has_events_on_standard_output(&self) -> bool {
        self.events_file.as_deref() == Some(Path::new(STANDARD_OUTPUT))
    }

    /// Checks that at most one result goes to standard output, and that every report can be written.
    pub(in crate::cli) fn check_outputs(&self) -> Result<(), CliError> {
        let others = [
            self.output != RunOutputFormat::Text,
            self.has_events_on_standard_output(),
            self.has_journal_on_standard_output(),
            // each experiment has a journal of its own
            self.has_journal_on_standard_output() && self.sources.len() > 1,
        ];
        match others.into_iter().filter(|taken| *taken).count() {
            taken @ (0 | 1) => self.reports.check(taken == 1),
            _ => Err(standard_output_conflict()),
        }
    }

    /// Returns the files that the flags name.
    pub(in crate::cli) fn files(&self) -> PathSet {
        PathSet::default()
            .reads("the experiment", &self.sources)
            .reads("a manifest", &self.apply)
            .variables(&self.variables)
            .reads("a control file", &self.control_files)
            .writes("the journal", journal_paths(self))
            .writes("the events file", &self.events_file)
            .reports(&self.reports)
    }
}

/// Parts of an experiment to skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DryRunArg {
    /// Probes.
    Probes,
    /// Actions.
    Actions,
    /// Probes and actions.
    Activities,
    /// Pauses.
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum HypothesisStrategyArg {
    /// Before and after the method.
    Default,
    /// Only before the method.
    BeforeMethodOnly,
    /// Only after the method.
    AfterMethodOnly,
    /// Only during the method.
    DuringMethodOnly,
    /// Before, during and after the method.
    Continuously,
    /// A misspelling that the Chaos Toolkit accepts.
    #[value(hide = true)]
    Continously,
}
