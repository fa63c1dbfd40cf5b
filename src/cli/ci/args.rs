//! What `ci` takes: the inputs of the GitHub Action. Floor 3.

use std::path::PathBuf;

use clap::{Args, Parser as _};

use crate::cli::command::Cli;
use crate::cli::compare::FailOn;
use crate::cli::duration::parse_duration;
use crate::cli::parse::{existing_path, integer_in, parse_variable};
use crate::cli::path_conflicts::PathSet;
use crate::cli::shared_args::RollbackStrategyArg;
use crate::cli::trial::usual;
use crate::compare::Margin;

const EXIT_CODES: &str = "\
Every flag that is not given is taken from the variable KUBECTL_CHAOS_INPUT_NAME, where NAME is that of the flag in
capitals, with _ for -. Several values stand on lines of their own.

Exit codes are those of `run` or of `trial`; 2 where it may not run for such an event, 4 where a cluster may not be
touched.";

/// `ci`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Ci {
    /// The experiment
    #[arg(long, value_name = "FILE")]
    pub(super) experiment: Option<String>,
    /// Manifests before the change, for a trial; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) before: Vec<String>,
    /// Manifests after the change, for a trial; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) after: Vec<String>,
    /// Manifests of both arms of a trial; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) common: Vec<String>,
    /// How many runs each arm of a trial has; 3 where nothing is said
    #[arg(long, value_name = "N", value_parser = integer_in(1..=100_u32))]
    pub(super) repeat: Option<u32>,
    /// Use a fresh cluster in this process, and touch no other one
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    pub(super) embedded: bool,
    /// Manifests that the embedded cluster of a single run begins with; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) apply: Vec<String>,
    /// A trial where namespaces cannot be made
    #[arg(long)]
    pub(super) in_place: bool,
    /// Whether to sample the steady state: true, false, or how often; a trial always does
    #[arg(long, value_name = "WHAT", value_parser = SampleMode::parse)]
    pub(super) sample: Option<SampleMode>,
    #[command(flatten)]
    pub(super) variables: CiVariables,
    /// Interrupt a run after this time, such as 90s or 5m; rollbacks are not counted
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<String>,
    /// How long the workloads of a trial's run may take to be complete
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) ready_timeout: Option<String>,
    /// How long to watch for the effect of an action
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) effect_timeout: Option<String>,
    /// Which differences are too small to matter, for a trial
    #[arg(long, value_name = "MARGINS", value_parser = margin)]
    pub(super) margin: Option<String>,
    /// When to play rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t = RollbackStrategyArg::Always)]
    pub(super) rollback_strategy: RollbackStrategyArg,
    /// Exit with 1 when the verdict of a trial is one of these; may be repeated; broken and regressed where nothing is
    /// said
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    pub(super) fail_on: Vec<FailOn>,
    /// Let this context be touched, beside kind-*, k3d-*, minikube and embedded; * stands for any characters; may be
    /// repeated. It counts for nothing on pull requests from forks
    #[arg(long, value_name = "PATTERN")]
    pub(super) allow_context: Vec<String>,
    /// Let a trial go there, outside the namespace of its run; may be repeated
    #[arg(long, value_name = "WHERE")]
    pub(super) allow_outside: Vec<String>,
    /// The base branch's copy of the experiment: it is said when the two differ
    #[arg(long, value_name = "FILE")]
    pub(super) base_experiment: Option<PathBuf>,
    /// The folder for everything that is written
    #[arg(long, value_name = "DIR", default_value = super::OUTPUT_DIR)]
    pub(super) output_dir: PathBuf,
}

/// Values from beside the experiment, as they were written.
#[derive(Args, Clone, Debug)]
pub(super) struct CiVariables {
    /// Replace a configuration entry that the experiment declares; types: str, int, float, bytes, bool, json
    #[arg(long = "var", value_name = "NAME[:TYPE]=VALUE", value_parser = given_variable)]
    pub(super) variables: Vec<String>,
    /// Read configuration and secrets from a .json or .yaml file, or environment variables from any other one
    #[arg(long = "var-file", value_name = "FILE", value_parser = given_file)]
    pub(super) variable_files: Vec<String>,
}

/// Whether to sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SampleMode {
    /// As often as is usual.
    Usual,
    /// Not at all.
    Never,
    /// This often.
    Every(String),
}

impl SampleMode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Usual),
            "false" => Ok(Self::Never),
            period => {
                duration(period).map(Self::Every).map_err(|error| format!("{error}; or true, or false"))
            }
        }
    }

    fn word(&self) -> Option<String> {
        match self {
            Self::Never => None,
            Self::Usual => Some("--sample".to_owned()),
            Self::Every(period) => Some(format!("--sample={period}")),
        }
    }
}

fn duration(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned())
}

fn margin(text: &str) -> Result<String, String> {
    Margin::parse(text).map(|_| text.to_owned())
}

fn given_variable(text: &str) -> Result<String, String> {
    parse_variable(text).map(|_| text.to_owned())
}

fn given_file(text: &str) -> Result<String, String> {
    existing_path(text).map(|_| text.to_owned())
}

impl Ci {
    /// The files that it names: those of the run or the trial that it comes to.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let parsed = self.words().ok().and_then(|words| Cli::try_parse_from(words).ok());
        // what does not go together is refused later, with the reason
        let Some(cli) = parsed else { return PathSet::default() };
        let files = cli.paths().reads("the base branch's experiment", &self.base_experiment);
        if self.is_trial() { files } else { files.reports(&usual(&self.output_dir)) }
    }

    /// Whether both arms are to be run.
    pub(super) fn is_trial(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// The command line of `run` or `trial` that this comes to. An error says what does not go together.
    pub(super) fn words(&self) -> Result<Vec<String>, String> {
        let experiment = self
            .experiment
            .as_ref()
            .ok_or_else(|| "which experiment? Name it with --experiment".to_owned())?;
        let mut words = vec!["kubectl-chaos".to_owned()];
        if self.is_trial() {
            self.trial(&mut words)?;
        } else {
            self.single(&mut words)?;
        }
        let mut add = |flag: &str, values: &[String]| {
            words.extend(values.iter().map(|value| format!("--{flag}={value}")));
        };
        add("var", &self.variables.variables);
        add("var-file", &self.variables.variable_files);
        add("timeout", self.timeout.as_slice());
        add("effect-timeout", self.effect_timeout.as_slice());
        add("rollback-strategy", &[name(self.rollback_strategy)]);
        words.extend(self.sample.as_ref().and_then(SampleMode::word));
        words.extend(self.embedded.then(|| "--embedded".to_owned()));
        words.extend(["--".to_owned(), experiment.clone()]);
        Ok(words)
    }

    fn trial(&self, words: &mut Vec<String>) -> Result<(), String> {
        for (given, flag) in [(&self.before, "--before"), (&self.after, "--after")] {
            if given.is_empty() {
                return Err(format!("a trial needs manifests of both arms: {flag} is missing"));
            }
        }
        if !self.apply.is_empty() {
            return Err("--apply is for a single run; a trial takes --common".to_owned());
        }
        if self.sample == Some(SampleMode::Never) {
            return Err("a trial always samples: leave --sample out, or say how often".to_owned());
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
        add("fail-on", &fail_on.iter().map(|verdict| name(*verdict)).collect::<Vec<_>>());
        add("output-dir", &[self.output_dir.display().to_string()]);
        words.extend(self.in_place.then(|| "--in-place".to_owned()));
        Ok(())
    }

    fn single(&self, words: &mut Vec<String>) -> Result<(), String> {
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
            return Err(format!("{flag} is for a trial: give --before and --after, too"));
        }
        if !self.apply.is_empty() && !self.embedded {
            return Err("--apply is for an embedded cluster: say --embedded, too".to_owned());
        }
        words.push("run".to_owned());
        words.extend(self.apply.iter().map(|folder| format!("--apply={folder}")));
        words.push(format!("--journal-path={}", self.output_dir.join(super::results_dir::JOURNAL).display()));
        Ok(())
    }
}

/// What a value is called on the command line.
fn name<T: clap::ValueEnum>(value: T) -> String {
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
        let words = ci.words()?;
        // whatever it comes to is a command line
        Cli::try_parse_from(&words).map_err(|error| panic!("{words:?}: {error}")).unwrap();
        Ok(words[1..].to_vec())
    }

    #[test]
    fn it_comes_to_a_run_or_a_trial() {
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
    fn what_does_not_go_together_is_refused() {
        let check = |line: &[&str], expected: &str| {
            let error = words(line).unwrap_err();
            assert!(error.contains(expected), "{line:?}: {error}");
        };
        check(&[], "which experiment?");
        check(&["--experiment=e", "--before=a"], "--after is missing");
        check(&["--experiment=e", "--after=a"], "--before is missing");
        check(&["--experiment=e", "--repeat=2"], "--repeat is for a trial");
        check(&["--experiment=e", "--common=x"], "--common is for a trial");
        check(&["--experiment=e", "--apply=x"], "--apply is for an embedded cluster");
        check(&["--experiment=e", "--before=a", "--after=b", "--apply=x"], "--apply is for a single run");
        check(&["--experiment=e", "--before=a", "--after=b", "--sample=false"], "a trial always samples");
        check(&["--experiment=e", "--sample=often"], "or true, or false");
        check(&["--experiment=e", "--embedded", "--context=x"], "cannot be used with");
    }
}
