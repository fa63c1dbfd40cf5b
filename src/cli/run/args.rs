//! Flags of `kubectl chaos run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::app::report_files::ReportFiles;
use crate::app::run::RunRequest;
use crate::cli::duration::parse_time_limit;
use crate::cli::exit_code::EXIT_CODE_HELP;
use crate::cli::parse::{existing_path, parse_annotation, parse_frequency};
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_args::ReportArgs;
use crate::cli::shared_args::{RollbackStrategyArg, RunOutputFormat, SamplingArgs, VariableArgs};
use crate::engine::StrategyOverrides;
use crate::experiment::{DryRun, HypothesisStrategy};

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODE_HELP)]
pub(in crate::cli) struct RunArgs {
    /// Experiment: a JSON or YAML file, an http or https URL, or - for standard input
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub(super) sources: Vec<String>,
    /// Write the journal to this file (- for standard output, at the end)
    #[arg(long, value_name = "FILE", default_value = "./journal.json")]
    pub(super) journal_path: PathBuf,
    /// Run on a fresh in-memory cluster in this process, and on no other
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// Manifest file, directory (non-recursive) or kustomization to apply to the embedded cluster first. Repeatable
    #[arg(long, value_name = "PATH", requires = "embedded")]
    pub(super) apply: Vec<PathBuf>,
    /// Skip these parts of the experiment
    #[arg(long, value_enum, value_name = "PARTS")]
    pub(super) dry: Option<DryRunArg>,
    /// Skip validation of the experiment
    #[arg(long)]
    pub(super) no_validation: bool,
    /// Do not verify the TLS certificate of the server that the experiment is loaded from
    #[arg(long)]
    pub(super) no_verify_tls: bool,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// Read controls from this JSON or YAML file. Repeatable
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing_path)]
    pub(super) control_files: Vec<PathBuf>,
    /// When to check the steady state
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) hypothesis_strategy: Option<HypothesisStrategyArg>,
    /// Seconds between two checks of the steady state during the method
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_frequency)]
    pub(super) hypothesis_frequency: f64,
    /// Stop the method as soon as a check during it fails
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// When to run the rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) rollback_strategy: Option<RollbackStrategyArg>,
    /// Stop the run (including background activities) after this time, such as 90s or 5m; rollbacks are not included. 0
    /// means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    pub(super) timeout: Option<Duration>,
    /// Time allowed to observe the effect of an action; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "45s")]
    pub(super) effect_timeout: Duration,
    /// Write every event to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub(super) events_file: Option<PathBuf>,
    /// Add metadata to the journal, such as a ticket or a commit. Repeatable
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = parse_annotation)]
    pub(super) annotations: Vec<(String, String)>,
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = RunOutputFormat::Text)]
    pub(super) output: RunOutputFormat,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

impl RunArgs {
    /// Returns the files that the flags name.
    pub(in crate::cli) fn files(&self) -> PathSet {
        paths_of(&self.request(), &self.reports.report_files())
    }

    /// Converts the flags.
    pub(in crate::cli) fn request(&self) -> RunRequest {
        RunRequest {
            sources: self.sources.clone(),
            journal_path: self.journal_path.clone(),
            embedded: self.embedded,
            apply: self.apply.clone(),
            dry: self.dry.map(DryRun::from),
            is_validated: !self.no_validation,
            verifies_tls: !self.no_verify_tls,
            variables: self.variables.inputs(),
            control_files: self.control_files.clone(),
            strategies: StrategyOverrides {
                hypothesis: self.hypothesis_strategy.map(HypothesisStrategy::from),
                rollbacks: self.rollback_strategy.map(Into::into),
            },
            is_strategy_misspelled: self.hypothesis_strategy == Some(HypothesisStrategyArg::Continously),
            hypothesis_frequency: self.hypothesis_frequency,
            fail_fast: self.fail_fast,
            timeout: self.timeout,
            effect_timeout: self.effect_timeout,
            events_file: self.events_file.clone(),
            annotations: self.annotations.clone(),
            sampling: self.sampling.options(),
            environment: None,
        }
    }
}

/// Returns the files that a run reads and writes.
pub(in crate::cli) fn paths_of(request: &RunRequest, reports: &ReportFiles) -> PathSet {
    PathSet::default()
        .reads("the experiment", &request.sources)
        .reads("a manifest", &request.apply)
        .variables(&request.variables)
        .reads("a control file", &request.control_files)
        .writes("the journal", request.journal_paths())
        .writes("the events file", &request.events_file)
        .reports(reports)
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

impl From<DryRunArg> for DryRun {
    fn from(parts: DryRunArg) -> Self {
        match parts {
            DryRunArg::Probes => Self::Probes,
            DryRunArg::Actions => Self::Actions,
            DryRunArg::Activities => Self::Activities,
            DryRunArg::Pause => Self::Pause,
        }
    }
}

impl From<HypothesisStrategyArg> for HypothesisStrategy {
    fn from(strategy: HypothesisStrategyArg) -> Self {
        match strategy {
            HypothesisStrategyArg::Default => Self::Default,
            HypothesisStrategyArg::BeforeMethodOnly => Self::BeforeMethodOnly,
            HypothesisStrategyArg::AfterMethodOnly => Self::AfterMethodOnly,
            HypothesisStrategyArg::DuringMethodOnly => Self::DuringMethodOnly,
            HypothesisStrategyArg::Continuously | HypothesisStrategyArg::Continously => Self::Continuously,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::command::{Cli, Command};

    #[test]
    fn run_without_flags_is_the_default_request() {
        let Command::Run(args) = Cli::try_parse_from(["k", "run", "e.json"]).unwrap().command else {
            panic!("no run")
        };
        let expected = RunRequest { sources: vec!["e.json".to_owned()], ..RunRequest::default() };
        assert_eq!(format!("{:?}", args.request()), format!("{expected:?}"));
    }
}
