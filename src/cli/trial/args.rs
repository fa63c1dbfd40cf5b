//! What `trial` and `recover` take. Floor 3.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::state_file::NAME;
use super::usual;
use crate::cli::compare::{CompareFormat, FailOn, RuleArgs};
use crate::cli::duration::parse_duration;
use crate::cli::parse::{existing_path, integer_in};
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_files::ReportArgs;
use crate::cli::shared_args::{RollbackStrategyArg, SamplingArgs, VariableArgs};
use crate::cli::table::TableArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  there is an answer
  1  the verdict is one of --fail-on
  2  the command line, a manifest or the folder for the output is wrong: nothing was made
  3  the experiment is invalid, or goes outside the namespace of its run: nothing was made
  4  the cluster cannot be reached, or refuses
  6  something that the trial made may still be there: see `kubectl chaos recover`
  7  a file could not be written
  8  there are too few valid runs for an answer
  129, 130, 143  a signal interrupted it (SIGHUP, SIGINT, SIGTERM)";

/// `trial`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Trial {
    /// The experiment: a JSON or YAML file, an http or https address, or - for standard input
    #[arg(value_name = "EXPERIMENT")]
    pub(super) source: String,
    /// Manifests before the change: a file, or a folder without its subfolders; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub(super) before: Vec<PathBuf>,
    /// Manifests after the change; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub(super) after: Vec<PathBuf>,
    /// Manifests of both arms, which alone may have things of the whole cluster; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) common: Vec<PathBuf>,
    /// How many runs each arm has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = integer_in(1..=100_u32))]
    pub(super) repeat: u32,
    /// Try it on a fresh cluster in this process, and touch no other one
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// Where namespaces cannot be made: replace what stands in the namespace of --namespace, and put it back
    #[arg(long)]
    pub(super) in_place: bool,
    /// How long the workloads of a run may take to be complete; a run of which they are not is void
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2m")]
    pub(super) ready_timeout: Duration,
    /// Let the experiment go there, outside the namespace of its run: a namespace, a host, or one of cluster, keys,
    /// process, unknown; may be repeated
    #[arg(long, value_name = "WHERE")]
    pub(super) allow_outside: Vec<String>,
    /// The folder for everything that is written; one that is left of a trial before is replaced
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "chaos-trial")]
    pub(super) output_dir: PathBuf,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// Read controls of every run from a JSON or YAML file
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing_path)]
    pub(super) control_files: Vec<PathBuf>,
    /// When to play rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(super) rollback_strategy: Option<RollbackStrategyArg>,
    /// Interrupt a run after this time, such as 90s or 5m; rollbacks are not counted
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// How long to watch for the effect of an action
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "45s")]
    pub(super) effect_timeout: Duration,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    /// Exit with 1 when the verdict is one of these; may be repeated
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    pub(super) fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
    /// What to write to standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = CompareFormat::Text)]
    pub(super) output: CompareFormat,
}

impl Trial {
    /// The files that it names.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let written = |name: &str| [self.output_dir.join(name)];
        let files = PathSet::default()
            .reads("the experiment", [&self.source])
            .reads("a manifest", self.before.iter().chain(&self.after).chain(&self.common))
            .variables(&self.variables)
            .reads("a file of controls", &self.control_files)
            .writes("the record of the trial", written(NAME))
            .writes("the trial's copy of the experiment", written("experiment.json"))
            .writes("the comparison", written("comparison.json"))
            .reports(&usual(&self.output_dir))
            .reports(&self.reports);
        if self.output_dir.join(NAME).is_file() { files.empties(&self.output_dir) } else { files }
    }
}

/// `recover`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Recover {
    /// Only what this trial left behind
    #[arg(value_name = "TRIAL")]
    pub(super) trial: Option<String>,
    /// Only what the trial left behind that wrote this folder; nothing is to be done where it left nothing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "trial")]
    pub(super) from: Option<PathBuf>,
    /// Touch no context but those that `ci` may touch, and this one; may be repeated. The first part goes without saying
    /// where a job cleans up by its folder, which may have been brought along
    #[arg(long, value_name = "PATTERN")]
    pub(super) allow_context: Vec<String>,
    /// Do it without asking; for machines (-o json|yaml|name) nothing is removed without this
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) list: TableArgs,
}
