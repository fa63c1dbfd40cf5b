//! `kubectl chaos trial`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::CommandContext;
use super::compare::{CompareFormat, FailOn, RuleArgs};
use super::duration::parse_time_limit;
use super::parse::existing_path;
use super::path_conflicts::PathSet;
use super::repetition::RepetitionArgs;
use super::report_args::{ReportArgs, write_reports};
use super::shared_args::{RollbackStrategyArg, SamplingArgs, VariableArgs};
use crate::app::report_files::ReportFiles;
use crate::app::trial::state_file::FILE_NAME;
use crate::app::trial::{COMPARISON_FILE, EXPERIMENT_FILE, TrialOutcome, TrialRequest};
use crate::app::{self, AppError, Outcome};

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
pub(super) struct TrialArgs {
    /// Experiment: JSON or YAML file, http or https URL, or - for standard input
    #[arg(value_name = "EXPERIMENT")]
    source: String,
    /// Manifest file, directory (non-recursive) or kustomization before the change. Repeatable
    #[arg(long, required_unless_present = "baseline", value_name = "PATH")]
    before: Vec<PathBuf>,
    /// Manifest file, directory (non-recursive) or kustomization after the change. Repeatable
    #[arg(long, required = true, value_name = "PATH")]
    after: Vec<PathBuf>,
    /// Manifests of both arms; only these may contain cluster-scoped objects. Repeatable
    #[arg(long, value_name = "PATH")]
    common: Vec<PathBuf>,
    #[command(flatten)]
    repetition: RepetitionArgs,
    /// Run on a fresh embedded cluster in this process; access no other cluster
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "cluster", "user", "server", "token", "impersonate"])]
    embedded: bool,
    /// If namespaces cannot be created: deploy into the existing --namespace; originals are backed up and restored
    #[arg(long)]
    in_place: bool,
    /// Time allowed for workloads to become ready; the run is void otherwise. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "2m")]
    ready_timeout: Duration,
    /// Allow a target outside the namespace of the run: a namespace, a host, or one of cluster, credentials, process,
    /// unknown. Repeatable
    #[arg(long, value_name = "TARGET")]
    allow_outside: Vec<String>,
    /// Output directory; the directory of an earlier trial is replaced
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "chaos-trial")]
    output_dir: PathBuf,
    #[command(flatten)]
    variables: VariableArgs,
    /// Read controls for every run from a JSON or YAML file. Repeatable
    #[arg(long = "control-file", value_name = "FILE", value_parser = existing_path)]
    control_files: Vec<PathBuf>,
    /// When to run rollbacks
    #[arg(long, value_enum, value_name = "STRATEGY")]
    rollback_strategy: Option<RollbackStrategyArg>,
    /// Stop a run after this time, such as 90s or 5m; rollbacks are not included. 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit)]
    timeout: Option<Duration>,
    /// Time allowed to observe the effect of an action; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_time_limit, default_value = "45s")]
    effect_timeout: Duration,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Exit with 1 if the verdict is one of these. Repeatable
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    reports: ReportArgs,
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = CompareFormat::Text)]
    output: CompareFormat,
}

impl TrialArgs {
    /// Returns the files that it reads and writes.
    pub(super) fn files(&self) -> PathSet {
        paths_of(&self.request(), &self.reports.report_files())
    }

    /// Converts the flags.
    pub(super) fn request(&self) -> TrialRequest {
        TrialRequest {
            source: self.source.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            common: self.common.clone(),
            baseline: self.repetition.baseline(),
            repetition: self.repetition.repetition(),
            parallel: self.repetition.parallel(),
            embedded: self.embedded,
            in_place: self.in_place,
            ready_timeout: self.ready_timeout,
            allow_outside: self.allow_outside.clone(),
            output_dir: self.output_dir.clone(),
            variables: self.variables.inputs(),
            control_files: self.control_files.clone(),
            rollback_strategy: self.rollback_strategy.map(Into::into),
            timeout: self.timeout,
            effect_timeout: self.effect_timeout,
            sampling: self.sampling.options_of_trial(),
            fail_on: FailOn::all(&self.fail_on),
            rules: self.rules.rules(),
        }
    }
}

/// Returns the files that a trial reads and writes.
pub(super) fn paths_of(request: &TrialRequest, reports: &ReportFiles) -> PathSet {
    let dir = &request.output_dir;
    let files = PathSet::default()
        .reads("the experiment", [&request.source])
        .reads("the baseline", request.baseline.iter().map(|dir| dir.join("before")))
        .reads("a manifest", request.before.iter().chain(&request.after).chain(&request.common))
        .variables(&request.variables)
        .reads("a control file", &request.control_files)
        .writes("the state file of the trial", [dir.join(FILE_NAME)])
        .writes("the experiment copy of the trial", [dir.join(EXPERIMENT_FILE)])
        .writes("the comparison", [dir.join(COMPARISON_FILE)])
        .reports(&ReportFiles::in_directory(dir))
        .reports(reports);
    if dir.join(FILE_NAME).is_file() { files.clears(dir) } else { files }
}

/// Runs a trial. Returns the exit code.
pub(super) fn trial(session: &CommandContext, args: &TrialArgs) -> u8 {
    if let Err(error) = args.repetition.check() {
        return session.fail(error);
    }
    let output = TrialOutput { format: args.output, reports: args.reports.report_files() };
    try_and_report(session, &args.request(), &output)
}

/// What is written about a trial, besides the files in its directory.
pub(super) struct TrialOutput {
    /// Format of standard output.
    pub(super) format: CompareFormat,
    pub(super) reports: ReportFiles,
}

/// Runs a trial, and writes its results. Returns the exit code.
pub(super) fn try_and_report(session: &CommandContext, request: &TrialRequest, output: &TrialOutput) -> u8 {
    let result = session.block_on(async {
        let locks = output.reports.check(output.format.is_for_machines())?;
        Ok::<_, AppError>((app::trial::trial(&session.precise_app(), request).await?, locks))
    });
    match result {
        Err(code) => code,
        // the locks are held until the reports are written
        Ok(Ok((outcome, _locks))) => report(session, output, outcome),
        Ok(Err(error)) => session.fail(error.sanitized()),
    }
}

/// Shows and writes what came of a trial. Returns the exit code.
fn report(session: &CommandContext, output: &TrialOutput, trial: TrialOutcome) -> u8 {
    let TrialOutcome { mut outcome, records, comparison, mut errors } = trial;
    if let Some(comparison) = comparison {
        errors.extend(write_reports(&output.reports, &session.terminal, &records, Some(&comparison)));
        if !output.reports.is_on_standard_output() {
            let written = session.terminal.write_result(&output.format.write(&comparison));
            errors.extend(written.err().map(AppError::from));
        }
    }
    for error in errors {
        session.terminal.show(&error.line());
        outcome = outcome.worst(Outcome::NotWritten);
    }
    session.code(outcome)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::command::{Cli, Command};

    #[test]
    fn trial_without_flags_is_the_default_request() {
        let line = ["k", "trial", "e.json", "--before", "a", "--after", "b"];
        let Command::Trial(args) = Cli::try_parse_from(line).unwrap().command else { panic!("no trial") };
        let expected = TrialRequest {
            source: "e.json".to_owned(),
            before: vec![PathBuf::from("a")],
            after: vec![PathBuf::from("b")],
            ..TrialRequest::default()
        };
        assert_eq!(format!("{:?}", args.request()), format!("{expected:?}"));
    }
}
