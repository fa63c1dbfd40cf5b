//! Arguments of `ci`: the inputs of the GitHub Action.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::app::AppError;
use crate::app::ci::{CiRequest, CiTask, JOURNAL_FILE, OUTPUT_DIR};
use crate::app::comparison::ComparisonRules;
use crate::app::report_files::ReportFiles;
use crate::app::run::RunRequest;
use crate::app::trial::TrialRequest;
use crate::cli::compare::FailOn;
use crate::cli::duration::parse_time_limit;
use crate::cli::parse::{integer_in, parse_sampling_period};
use crate::cli::path_conflicts::PathSet;
use crate::cli::shared_args::{RollbackStrategyArg, VariableArgs};
use crate::cli::{run, trial};
use crate::compare::{Margin, PrimaryMetric};
use crate::engine::StrategyOverrides;
use crate::error_code::ErrorCode;
use crate::sampling::SamplingOptions;

const EXIT_CODES: &str = "\
Flags default to the environment variables KUBECTL_CHAOS_INPUT_NAME, where NAME is the flag in
capitals with _ for -. Write several values on separate lines.

Exit codes are those of `run` or `trial`; 2 if the event is refused, 4 if the context is not allowed.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct CiArgs {
    /// Experiment file
    #[arg(long, value_name = "FILE")]
    experiment: Option<String>,
    /// Manifests before the change, for a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    before: Vec<PathBuf>,
    /// Manifests after the change, for a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    after: Vec<PathBuf>,
    /// Manifests of both arms of a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    common: Vec<PathBuf>,
    /// Number of runs per arm of a trial [default: 3]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=100_u32))]
    repeat: Option<u32>,
    /// Run on a fresh embedded cluster in this process; access no other cluster
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    embedded: bool,
    /// Manifests to apply first to the embedded cluster of a single run. Repeatable
    #[arg(long, value_name = "PATH")]
    apply: Vec<PathBuf>,
    /// If namespaces cannot be created: deploy a trial into the existing --namespace; originals are backed up and restored
    #[arg(long)]
    in_place: bool,
    /// Sample the steady state: true, false, or a period. A trial always samples
    #[arg(long, value_name = "WHAT", value_parser = SampleMode::parse)]
    sample: Option<SampleMode>,
    #[command(flatten)]
    variables: VariableArgs,
    /// Stop a run after this time, such as 90s or 5m; rollbacks are not included. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    timeout: Option<Duration>,
    /// For a trial: time allowed for workloads to become ready; the run is void otherwise. 0 means no limit [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    ready_timeout: Option<Duration>,
    /// Time allowed to observe the effect of an action; 0 means no limit [default: 45s]
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    effect_timeout: Option<Duration>,
    /// For a trial: smallest differences that count: failure rates and success ratios in percentage points; slowdown
    /// and time in percent, and time at least time-min
    /// [default: failures=50%,ratio=1%,slowdown=10%,time=10%,time-min=5ms]
    #[arg(long, value_name = "MARGINS", value_parser = Margin::parse)]
    margin: Option<Margin>,
    /// For a trial: metric to test first, such as shop-answers:p95-latency. MEASURE is success-ratio, slowdown,
    /// time-to-recover, p95-latency or p99-latency
    #[arg(long, value_name = "PROBE:MEASURE", value_parser = PrimaryMetric::parse)]
    primary: Option<PrimaryMetric>,
    /// When to run rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t = RollbackStrategyArg::Always)]
    rollback_strategy: RollbackStrategyArg,
    /// Exit with 1 if the verdict of a trial is one of these. Repeatable [default: broken, regressed]
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Also allow contexts that match this pattern with *; kind-*, k3d-*, minikube and embedded are always allowed.
    /// Ignored for pull requests from forks. Repeatable
    #[arg(long, value_name = "PATTERN")]
    allow_context: Vec<String>,
    /// For a trial: allow a target outside the namespace of the run: a namespace, a host, or one of cluster,
    /// credentials, process, unknown. Repeatable
    #[arg(long, value_name = "TARGET")]
    allow_outside: Vec<String>,
    /// Copy of the experiment from the base branch; a difference is a warning
    #[arg(long, value_name = "FILE")]
    base_experiment: Option<PathBuf>,
    /// Output directory
    #[arg(long, value_name = "DIR", default_value = OUTPUT_DIR)]
    pub(super) output_dir: PathBuf,
}

/// Value of `--sample`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SampleMode {
    /// With the default period.
    Usual,
    Never,
    /// With this period.
    Every(Duration),
}

impl SampleMode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Usual),
            "false" => Ok(Self::Never),
            period => parse_sampling_period(period)
                .map(Self::Every)
                .map_err(|error| format!("{error}, or true, or false")),
        }
    }

    fn options(&self) -> Option<SamplingOptions> {
        match self {
            Self::Never => None,
            Self::Usual => Some(SamplingOptions::default()),
            Self::Every(period) => {
                Some(SamplingOptions { period: Some(*period), ..SamplingOptions::default() })
            }
        }
    }
}

impl CiArgs {
    /// Returns the files that its run or trial reads and writes.
    pub(in crate::cli) fn files(&self) -> PathSet {
        // invalid combinations are reported later, with the reason
        let Ok(request) = self.request() else { return PathSet::default() };
        let files = match &request.task {
            CiTask::Run(run) => run::paths_of(run, &ReportFiles::in_directory(&self.output_dir)),
            CiTask::Trial(trial) => trial::paths_of(trial, &ReportFiles::default()),
        };
        files.reads("the base branch's experiment", &self.base_experiment)
    }

    /// Whether it runs a trial.
    pub(super) fn is_trial(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// Converts the flags to a run or a trial.
    pub(super) fn request(&self) -> Result<CiRequest, AppError> {
        let experiment = self
            .experiment
            .as_ref()
            .ok_or_else(|| usage("no experiment").with_hint("pass --experiment FILE"))?;
        let task = if self.is_trial() {
            CiTask::Trial(Box::new(self.trial_request(experiment)?))
        } else {
            CiTask::Run(Box::new(self.run_request(experiment)?))
        };
        Ok(CiRequest {
            task,
            output_dir: self.output_dir.clone(),
            base_experiment: self.base_experiment.clone(),
            allow_context: self.allow_context.clone(),
        })
    }

    fn trial_request(&self, experiment: &str) -> Result<TrialRequest, AppError> {
        for (given, flag) in [(&self.before, "--before"), (&self.after, "--after")] {
            if given.is_empty() {
                return Err(usage(format!("a trial requires {flag}")));
            }
        }
        if !self.apply.is_empty() {
            return Err(usage("--apply applies only to a single run").with_hint("use --common for a trial"));
        }
        if self.sample == Some(SampleMode::Never) {
            return Err(usage("a trial always samples").with_hint("omit --sample, or pass a period"));
        }
        let usual = [FailOn::Broken, FailOn::Regressed];
        let fail_on = if self.fail_on.is_empty() { &usual[..] } else { &self.fail_on };
        let default = TrialRequest::default();
        Ok(TrialRequest {
            source: experiment.to_owned(),
            before: self.before.clone(),
            after: self.after.clone(),
            common: self.common.clone(),
            repeat: self.repeat.unwrap_or(default.repeat),
            embedded: self.embedded,
            in_place: self.in_place,
            ready_timeout: self.ready_timeout.unwrap_or(default.ready_timeout),
            allow_outside: self.allow_outside.clone(),
            output_dir: self.output_dir.clone(),
            variables: self.variables.inputs(),
            rollback_strategy: Some(self.rollback_strategy.into()),
            timeout: self.timeout,
            effect_timeout: self.effect_timeout.unwrap_or(default.effect_timeout),
            sampling: self.sample.as_ref().and_then(SampleMode::options).unwrap_or_default(),
            fail_on: FailOn::all(fail_on),
            rules: ComparisonRules {
                margin: self.margin.unwrap_or(default.rules.margin),
                primary: self.primary.clone(),
            },
            ..default
        })
    }

    fn run_request(&self, experiment: &str) -> Result<RunRequest, AppError> {
        let of_trials = [
            ("--common", !self.common.is_empty()),
            ("--repeat", self.repeat.is_some()),
            ("--in-place", self.in_place),
            ("--ready-timeout", self.ready_timeout.is_some()),
            ("--margin", self.margin.is_some()),
            ("--primary", self.primary.is_some()),
            ("--allow-outside", !self.allow_outside.is_empty()),
            ("--fail-on", !self.fail_on.is_empty()),
        ];
        if let Some((flag, _)) = of_trials.iter().find(|(_, given)| *given) {
            return Err(
                usage(format!("{flag} applies only to a trial")).with_hint("also pass --before and --after")
            );
        }
        if !self.apply.is_empty() && !self.embedded {
            return Err(usage("--apply requires --embedded"));
        }
        let default = RunRequest::default();
        Ok(RunRequest {
            sources: vec![experiment.to_owned()],
            journal_path: self.output_dir.join(JOURNAL_FILE),
            embedded: self.embedded,
            apply: self.apply.clone(),
            variables: self.variables.inputs(),
            strategies: StrategyOverrides {
                hypothesis: None,
                rollbacks: Some(self.rollback_strategy.into()),
            },
            timeout: self.timeout,
            effect_timeout: self.effect_timeout.unwrap_or(default.effect_timeout),
            sampling: self.sample.as_ref().and_then(SampleMode::options),
            ..default
        })
    }
}

fn usage(message: impl Into<String>) -> AppError {
    AppError::new(ErrorCode::UsageInvalid, message)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::command::{Cli, Command};

    fn parse(line: &[&str]) -> Result<CiTask, String> {
        let Command::Ci(args) = Cli::try_parse_from(line).map_err(|error| error.to_string())?.command else {
            panic!("{line:?}")
        };
        Ok(args.request().map_err(|error| error.to_string())?.task)
    }

    /// Returns the request of `run` or `trial` with these flags.
    fn equivalent(line: &[&str]) -> CiTask {
        match Cli::try_parse_from(["k"].iter().chain(line)).unwrap().command {
            Command::Run(args) => CiTask::Run(Box::new(args.request())),
            Command::Trial(args) => CiTask::Trial(Box::new(args.request())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ci_flags_become_a_run_or_a_trial() {
        let check = |line: &[&str], expected: &[&str]| {
            let task = parse(&[&["k", "ci"], line].concat()).unwrap();
            assert_eq!(format!("{task:?}"), format!("{:?}", equivalent(expected)), "{line:?}");
        };
        check(
            &["--experiment", "e.json"],
            &[
                "run",
                "--journal-path=chaos-results/journal.json",
                "--rollback-strategy=always",
                "--",
                "e.json",
            ],
        );
        check(
            &[
                "--experiment=-x",
                "--embedded",
                "--apply",
                "m",
                "--sample",
                "true",
                "--var",
                "a=1",
                "--timeout=9s",
                "--effect-timeout=1m",
            ],
            &[
                "run",
                "--apply=m",
                "--journal-path=chaos-results/journal.json",
                "--var=a=1",
                "--timeout=9s",
                "--effect-timeout=1m",
                "--rollback-strategy=always",
                "--sample",
                "--embedded",
                "--",
                "-x",
            ],
        );
        check(
            &[
                "--experiment=e",
                "--before=a",
                "--before=b",
                "--after=c",
                "--repeat=5",
                "--fail-on=broken,unchanged",
                "--rollback-strategy=default",
                "--output-dir=o",
                "--in-place",
                "--sample=1s",
                "--margin=ratio=2%",
                "--primary=p:slowdown",
                "--ready-timeout=9s",
                "--allow-outside=host.example",
            ],
            &[
                "trial",
                "--before=a",
                "--before=b",
                "--after=c",
                "--repeat=5",
                "--fail-on=broken",
                "--fail-on=unchanged",
                "--output-dir=o",
                "--in-place",
                "--rollback-strategy=default",
                "--sample=1s",
                "--margin=ratio=2%",
                "--primary=p:slowdown",
                "--ready-timeout=9s",
                "--allow-outside=host.example",
                "--",
                "e",
            ],
        );
        check(
            &["--experiment=e", "--before=a", "--after=c"],
            &[
                "trial",
                "--before=a",
                "--after=c",
                "--fail-on=broken,regressed",
                "--output-dir=chaos-results",
                "--rollback-strategy=always",
                "e",
            ],
        );
    }

    #[test]
    fn conflicting_flags_are_refused() {
        let check = |line: &[&str], expected: &str| {
            let error = parse(&[&["k", "ci"], line].concat()).unwrap_err();
            assert!(error.contains(expected), "{line:?}: {error}");
        };
        check(&[], "no experiment");
        check(&["--experiment=e", "--before=a"], "a trial requires --after");
        check(&["--experiment=e", "--after=a"], "a trial requires --before");
        check(&["--experiment=e", "--repeat=2"], "--repeat applies only to a trial");
        check(&["--experiment=e", "--common=x"], "--common applies only to a trial");
        check(&["--experiment=e", "--apply=x"], "--apply requires --embedded");
        check(
            &["--experiment=e", "--before=a", "--after=b", "--apply=x"],
            "--apply applies only to a single run",
        );
        check(&["--experiment=e", "--before=a", "--after=b", "--sample=false"], "a trial always samples");
        check(&["--experiment=e", "--sample=often"], "or true, or false");
        check(&["--experiment=e", "--sample=2h"], "between 1ms and 1h, or true, or false");
        check(&["--experiment=e", "--embedded", "--context=x"], "cannot be used with");
    }
}
