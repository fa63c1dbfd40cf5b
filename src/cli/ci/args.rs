//! Arguments of `ci`: the inputs of the GitHub Action.

use std::path::PathBuf;

use clap::{Args, Parser as _};

use crate::cli::command::Cli;
use crate::cli::compare::FailOn;
use crate::cli::duration::parse_duration;
use crate::cli::error::CliError;
use crate::cli::parse::{existing_path, integer_in, parse_variable};
use crate::cli::path_conflicts::PathSet;
use crate::cli::shared_args::RollbackStrategyArg;
use crate::cli::trial::default_reports;
use crate::compare::Margin;
use crate::error_code::ErrorCode;

const EXIT_CODES: &str = "\
Flags default to the environment variables KUBECTL_CHAOS_INPUT_NAME, where NAME is the flag in
capitals with _ for -. Write several values on separate lines.

Exit codes are those of `run` or `trial`; 2 if the event is refused, 4 if the context is not allowed.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Ci {
    /// Experiment file
    #[arg(long, value_name = "FILE")]
    pub(super) experiment: Option<String>,
    /// Manifests before the change, for a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) before: Vec<String>,
    /// Manifests after the change, for a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) after: Vec<String>,
    /// Manifests of both arms of a trial. Repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) common: Vec<String>,
    /// Number of runs per arm of a trial [default: 3]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=100_u32))]
    pub(super) repeat: Option<u32>,
    /// Run on a fresh embedded cluster in this process; access no other cluster
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// Manifests to apply first to the embedded cluster of a single run. Repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) apply: Vec<String>,
    /// If namespaces cannot be created: deploy a trial into the existing --namespace; originals are backed up and restored
    #[arg(long)]
    pub(super) in_place: bool,
    /// Sample the steady state: true, false, or a period. A trial always samples
    #[arg(long, value_name = "WHAT", value_parser = SampleMode::parse)]
    pub(super) sample: Option<SampleMode>,
    #[command(flatten)]
    pub(super) variables: CiVariables,
    /// Stop a run after this time, such as 90s or 5m; rollbacks are not included. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(super) timeout: Option<String>,
    /// For a trial: time allowed for workloads to become ready; the run is void otherwise. 0 means no limit [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(super) ready_timeout: Option<String>,
    /// Time allowed to observe the effect of an action; 0 means no limit [default: 45s]
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(super) effect_timeout: Option<String>,
    /// For a trial: smallest difference that counts: ratio in percentage points; time in % of the time before, but at
    /// least time-min [default: ratio=1%,time=10%,time-min=5ms]
    #[arg(long, value_name = "MARGINS", value_parser = checked_margin)]
    pub(super) margin: Option<String>,
    /// When to run rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t = RollbackStrategyArg::Always)]
    pub(super) rollback_strategy: RollbackStrategyArg,
    /// Exit with 1 if the verdict of a trial is one of these. Repeatable [default: broken, regressed]
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    pub(super) fail_on: Vec<FailOn>,
    /// Also allow contexts that match this pattern with *; kind-*, k3d-*, minikube and embedded are always allowed.
    /// Ignored for pull requests from forks. Repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(super) allow_context: Vec<String>,
    /// For a trial: allow a target outside the namespace of the run: a namespace, a host, or one of cluster,
    /// credentials, process, unknown. Repeatable
    #[arg(long, value_name = "TARGET")]
    pub(super) allow_outside: Vec<String>,
    /// Copy of the experiment from the base branch; a difference is a warning
    #[arg(long, value_name = "FILE")]
    pub(super) base_experiment: Option<PathBuf>,
    /// Output directory
    #[arg(long, value_name = "DIR", default_value = super::OUTPUT_DIR)]
    pub(super) output_dir: PathBuf,
}

/// Values of variables, unparsed.
#[derive(Args, Clone, Debug)]
pub(super) struct CiVariables {
    /// Override a declared configuration entry; types: str, int, float, bytes, bool, json. Repeatable
    #[arg(long = "var", value_name = "NAME[:TYPE]=VALUE", value_parser = checked_variable)]
    pub(super) variables: Vec<String>,
    /// Read configuration and secrets from this .json or .yaml file or, with any other extension, environment
    /// variables as NAME=VALUE lines. Repeatable
    #[arg(long = "var-file", value_name = "FILE", value_parser = checked_file)]
    pub(super) variable_files: Vec<String>,
}

/// Value of `--sample`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SampleMode {
    /// With the default period.
    Usual,
    Never,
    /// With this period.
    Every(String),
}

impl SampleMode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Usual),
            "false" => Ok(Self::Never),
            period => checked_duration(period)
                .map(Self::Every)
                .map_err(|error| format!("{error}, or true, or false")),
        }
    }

    fn flag(&self) -> Option<String> {
        match self {
            Self::Never => None,
            Self::Usual => Some("--sample".to_owned()),
            Self::Every(period) => Some(format!("--sample={period}")),
        }
    }
}

fn checked_duration(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned())
}

fn checked_margin(text: &str) -> Result<String, String> {
    Margin::parse(text).map(|_| text.to_owned())
}

fn checked_variable(text: &str) -> Result<String, String> {
    parse_variable(text).map(|_| text.to_owned())
}

fn checked_file(text: &str) -> Result<String, String> {
    existing_path(text).map(|_| text.to_owned())
}

impl Ci {
    /// Returns the files that its run or trial reads and writes.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let parsed = self.command_line().ok().and_then(|words| Cli::try_parse_from(words).ok());
        // invalid combinations are reported later, with the reason
        let Some(cli) = parsed else { return PathSet::default() };
        let files = cli.paths().reads("the base branch's experiment", &self.base_experiment);
        if self.is_trial() { files } else { files.reports(&default_reports(&self.output_dir)) }
    }

    /// Whether it runs a trial.
    pub(super) fn is_trial(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// Returns the equivalent command line of `run` or `trial`.
    pub(super) fn command_line(&self) -> Result<Vec<String>, CliError> {
        let experiment = self
            .experiment
            .as_ref()
            .ok_or_else(|| usage("no experiment").with_hint("pass --experiment FILE"))?;
        let mut words = vec!["kubectl-chaos".to_owned()];
        if self.is_trial() {
            self.add_trial_args(&mut words)?;
        } else {
            self.add_run_args(&mut words)?;
        }
        let mut add = |flag: &str, values: &[String]| {
            words.extend(values.iter().map(|value| format!("--{flag}={value}")));
        };
        add("var", &self.variables.variables);
        add("var-file", &self.variables.variable_files);
        add("timeout", self.timeout.as_slice());
        add("effect-timeout", self.effect_timeout.as_slice());
        add("rollback-strategy", &[value_name(self.rollback_strategy)]);
        words.extend(self.sample.as_ref().and_then(SampleMode::flag));
        words.extend(self.embedded.then(|| "--embedded".to_owned()));
        words.extend(["--".to_owned(), experiment.clone()]);
        Ok(words)
    }

    fn add_trial_args(&self, words: &mut Vec<String>) -> Result<(), CliError> {
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
        words.push("trial".to_owned());
        let mut add = |flag: &str, values: &[String]| {
            words.extend(values.iter().map(|value| format!("--{flag}={value}")));
        };
        add("before", &self.before);
        add("after", &self.after);
        add("common", &self.common);
        add("repeat", self.repeat.map(|repeat| repeat.to_string()).as_slice());
        add("ready-timeout", self.ready_timeout.as_slice());
        add("margin", self.margin.as_slice());
        add("allow-outside", &self.allow_outside);
        let usual = [FailOn::Broken, FailOn::Regressed];
        let fail_on = if self.fail_on.is_empty() { &usual[..] } else { &self.fail_on };
        add("fail-on", &fail_on.iter().map(|verdict| value_name(*verdict)).collect::<Vec<_>>());
        add("output-dir", &[self.output_dir.display().to_string()]);
        words.extend(self.in_place.then(|| "--in-place".to_owned()));
        Ok(())
    }

    fn add_run_args(&self, words: &mut Vec<String>) -> Result<(), CliError> {
        let of_trials = [
            ("--common", !self.common.is_empty()),
            ("--repeat", self.repeat.is_some()),
            ("--in-place", self.in_place),
            ("--ready-timeout", self.ready_timeout.is_some()),
            ("--margin", self.margin.is_some()),
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
        words.push("run".to_owned());
        words.extend(self.apply.iter().map(|folder| format!("--apply={folder}")));
        words.push(format!("--journal-path={}", self.output_dir.join(super::results_dir::JOURNAL).display()));
        Ok(())
    }
}

fn usage(message: impl Into<String>) -> CliError {
    CliError::new(ErrorCode::UsageInvalid, message)
}

/// Returns the name of a value on the command line.
fn value_name<T: clap::ValueEnum>(value: T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::cli::command::{Cli, Command};
    use clap::Parser as _;

    fn words(line: &[&str]) -> Result<Vec<String>, String> {
        let all = ["k", "ci"].iter().chain(line);
        let Command::Ci(ci) = Cli::try_parse_from(all).map_err(|error| error.to_string())?.command else {
            panic!("{line:?}")
        };
        let words = ci.command_line().map_err(|error| error.to_string())?;
        // the result always parses
        Cli::try_parse_from(&words).map_err(|error| panic!("{words:?}: {error}")).unwrap();
        Ok(words[1..].to_vec())
    }

    #[test]
    fn ci_flags_become_a_run_or_a_trial() {
        let check = |line: &[&str], expected: &[&str]| assert_eq!(words(line).unwrap(), expected, "{line:?}");
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
            ],
            &[
                "run",
                "--apply=m",
                "--journal-path=chaos-results/journal.json",
                "--var=a=1",
                "--timeout=9s",
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
                "--",
                "e",
            ],
        );
        let usual = words(&["--experiment=e", "--before=a", "--after=c"]).unwrap();
        assert!(
            usual.contains(&"--fail-on=broken".to_owned())
                && usual.contains(&"--fail-on=regressed".to_owned())
        );
    }

    #[test]
    fn conflicting_flags_are_refused() {
        let check = |line: &[&str], expected: &str| {
            let error = words(line).unwrap_err();
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
        check(&["--experiment=e", "--embedded", "--context=x"], "cannot be used with");
    }
}
