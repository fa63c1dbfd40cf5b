//! Arguments of `trial` and `recover`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::default_reports;
use super::state_file::{FILE_NAME, is_trial_id};
use crate::cli::compare::{CompareFormat, FailOn, RuleArgs};
use crate::cli::duration::parse_time_limit;
use crate::cli::parse::{existing_path, integer_in};
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_files::ReportArgs;
use crate::cli::shared_args::{RollbackStrategyArg, SamplingArgs, VariableArgs};
use crate::cli::table::TableArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  compared
  1  the verdict is one of --fail-on
  2  the command line, a manifest or the output directory is invalid; nothing was created
  3  the experiment is invalid, or reaches outside the namespace of its run; nothing was created
  4  the cluster is unreachable, or refuses a request
  6  cleanup is incomplete: run `kubectl chaos recover`
  7  a file cannot be written
  8  inconclusive: too few valid runs
  129, 130, 143  interrupted by a signal (SIGHUP, SIGINT, SIGTERM)";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Trial {
    /// Experiment: JSON or YAML file, http or https URL, or - for standard input
    #[arg(value_name = "EXPERIMENT")]
    pub(super) source: String,
    /// Manifest file, directory (non-recursive) or kustomization before the change. Repeatable
    #[arg(long, required = true, value_name = "PATH")]
    pub(super) before: Vec<PathBuf>,
    /// Manifest file, directory (non-recursive) or kustomization after the change. Repeatable
    #[arg(long, required = true, value_name = "PATH")]
    pub(super) after: Vec<PathBuf>,
    /// Manifests of both arms; only these may contain cluster-scoped objects. Repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) common: Vec<PathBuf>,
    /// Number of runs per arm
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = integer_in(1..=100_u32))]
    pub(super) repeat: u32,
    /// Run on a fresh embedded cluster in this process; access no other cluster
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// If namespaces cannot be created: deploy into the existing --namespace; originals are backed up and restored
    #[arg(long)]
    pub(super) in_place: bool,
    /// Time allowed for workloads to become ready; the run is void otherwise. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "2m")]
    pub(super) ready_timeout: Duration,
    /// Allow a target outside the namespace of the run: a namespace, a host, or one of cluster, credentials, process,
    /// unknown. Repeatable
    #[arg(long, value_name = "TARGET")]
    pub(super) allow_outside: Vec<String>,
    /// Output directory; the directory of an earlier trial is replaced
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "chaos-trial")]
    pub(super) output_dir: PathBuf,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// Read controls for every run from a JSON or YAML file. Repeatable
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing_path)]
    pub(super) control_files: Vec<PathBuf>,
    /// When to run rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) rollback_strategy: Option<RollbackStrategyArg>,
    /// Stop a run after this time, such as 90s or 5m; rollbacks are not included. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    pub(super) timeout: Option<Duration>,
    /// Time allowed to observe the effect of an action; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "45s")]
    pub(super) effect_timeout: Duration,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    /// Exit with 1 if the verdict is one of these. Repeatable
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    pub(super) fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = CompareFormat::Text)]
    pub(super) output: CompareFormat,
}

impl Trial {
    /// Returns the files that it reads and writes.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let written = |name: &str| [self.output_dir.join(name)];
        let files = PathSet::default()
            .reads("the experiment", [&self.source])
            .reads("a manifest", self.before.iter().chain(&self.after).chain(&self.common))
            .variables(&self.variables)
            .reads("a control file", &self.control_files)
            .writes("the state file of the trial", written(FILE_NAME))
            .writes("the experiment copy of the trial", written("experiment.json"))
            .writes("the comparison", written("comparison.json"))
            .reports(&default_reports(&self.output_dir))
            .reports(&self.reports);
        if self.output_dir.join(FILE_NAME).is_file() { files.empties(&self.output_dir) } else { files }
    }
}

/// Parses a trial ID, which becomes part of a label selector.
fn parse_trial_id(text: &str) -> Result<String, String> {
    if is_trial_id(text) { Ok(text.to_owned()) } else { Err("expected hexadecimal digits".to_owned()) }
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Recover {
    /// Clean up only this trial
    #[arg(value_name = "TRIAL", value_parser = parse_trial_id)]
    pub(super) trial: Option<String>,
    /// Clean up only the trial that wrote this directory; does nothing if it left nothing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "trial")]
    pub(super) from: Option<PathBuf>,
    /// Use only contexts that `ci` may use and those that match this pattern. Repeatable [default: any context; for
    /// --from in a CI job: only those of `ci`]
    #[arg(long, value_name = "PATTERN")]
    pub(super) allow_context: Vec<String>,
    /// Skip the confirmation; required to change anything with -o json|yaml|name
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) list: TableArgs,
}
