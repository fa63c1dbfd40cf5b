//! `kubectl chaos compare`. Floor 3.

mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::exit_code::ExitStatus;
use super::path_conflicts::PathSet;
use super::report_files::ReportArgs;
use super::{CommandContext, load_journals};
use crate::compare::{CompareOptions, ComparisonVerdict, Margin, RunComparison, compare as judge};

const EXIT_CODES: &str = "\
Exit codes:
  0  there is an answer
  1  the verdict is one of --fail-on
  2  the command line is wrong
  3  a journal cannot be read, or the journals are not of runs that can be compared
  7  a file could not be written
  8  there are too few valid runs for an answer";

/// `compare`.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CompareArgs {
    /// The journal of the run before the change
    #[arg(value_name = "BEFORE", requires = "last", conflicts_with_all = ["before", "after"])]
    first: Option<PathBuf>,
    /// The journal of the run after it
    #[arg(value_name = "AFTER")]
    last: Option<PathBuf>,
    /// The journals of the runs before the change; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "after", required_unless_present = "first")]
    before: Vec<PathBuf>,
    /// The journals of the runs after it; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "before")]
    after: Vec<PathBuf>,
    /// Exit with 1 when the verdict is one of these; may be repeated
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    reports: ReportArgs,
    /// What to write to standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = CompareFormat::Text)]
    output: CompareFormat,
}

impl CompareArgs {
    /// The files that it names.
    pub(super) fn files(&self) -> PathSet {
        let journals = self.first.iter().chain(&self.last).chain(&self.before).chain(&self.after);
        PathSet::default().reads("a journal", journals).reports(&self.reports)
    }
}

/// How runs are compared.
#[derive(Args, Clone, Debug)]
pub(super) struct RuleArgs {
    /// Which differences are too small to matter: of ratios, in percentage points; of times, as a share of the
    /// time before, and in milliseconds at least
    #[arg(long, value_name = "MARGINS", value_parser = Margin::parse, default_value = "ratio=1%,time=10%,time-min=5ms")]
    margin: Margin,
}

impl RuleArgs {
    /// As the comparison takes them; draws begin with the seed that was asked for.
    pub(super) fn options(&self, seed: Option<u64>) -> CompareOptions {
        CompareOptions { seed: seed.unwrap_or(CompareOptions::default().seed), margin: self.margin }
    }
}

/// A verdict to fail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// It failed before, and holds now.
    Fixed,
    /// It held before, and fails now.
    Broken,
    /// Something measured is better.
    Improved,
    /// Something measured is worse.
    Regressed,
    /// Nothing differs.
    Unchanged,
    /// There is no clear answer.
    Inconclusive,
}

impl FailOn {
    fn verdict(self) -> ComparisonVerdict {
        match self {
            Self::Fixed => ComparisonVerdict::Fixed,
            Self::Broken => ComparisonVerdict::Broken,
            Self::Improved => ComparisonVerdict::Improved,
            Self::Regressed => ComparisonVerdict::Regressed,
            Self::Unchanged => ComparisonVerdict::Unchanged,
            Self::Inconclusive => ComparisonVerdict::Inconclusive,
        }
    }
}

/// What to write to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CompareFormat {
    /// The verdict and a table for a person.
    Text,
    /// The same with every run, and how sure each row is.
    Wide,
    /// The answer as JSON.
    Json,
    /// The answer as YAML.
    Yaml,
}

impl CompareFormat {
    /// Whether a machine reads it, so that nothing else may stand beside it.
    pub(super) fn is_for_machines(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }

    /// A comparison, so written.
    pub(super) fn write(self, comparison: &RunComparison) -> String {
        match self {
            Self::Text => text::text(comparison, false),
            Self::Wide => text::text(comparison, true),
            Self::Json => serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n",
            Self::Yaml => serde_yaml::to_string(comparison).unwrap_or_default(),
        }
    }
}

/// Compares. Gives the exit code.
pub(super) fn compare(session: &CommandContext, args: &CompareArgs) -> u8 {
    if let Err(error) = args.reports.check(args.output.is_for_machines()) {
        return session.refuse(ExitStatus::Usage, error);
    }
    let of = |one: &Option<PathBuf>, several: &[PathBuf]| -> Vec<PathBuf> {
        one.iter().chain(several).cloned().collect()
    };
    let read = load_journals::read(session, &of(&args.first, &args.before))
        .and_then(|before| Ok((before, load_journals::read(session, &of(&args.last, &args.after))?)));
    let (before, after) = match read {
        Ok(arms) => arms,
        Err(code) => return code,
    };
    let comparison = match judge(&before, &after, &args.rules.options(session.connection.seed())) {
        Ok(comparison) => comparison,
        Err(error) => return session.fail(CliError::from(error).with_status(ExitStatus::Invalid)),
    };
    let mut exit = exit(&comparison, &args.fail_on);
    let records = [before, after].concat();
    let mut failed = args.reports.write(&session.terminal, &records, Some(&comparison));
    if !args.reports.is_on_standard_output() {
        let written = session.terminal.result(&args.output.write(&comparison));
        failed.extend(written.err().map(|error| format!("the result cannot be written: {error}")));
    }
    for error in failed {
        exit = exit.worst(ExitStatus::NotWritten);
        session.refuse(ExitStatus::NotWritten, error);
    }
    session.code(exit)
}

/// How a command ends whose answer this is.
pub(super) fn exit(comparison: &RunComparison, fail_on: &[FailOn]) -> ExitStatus {
    if fail_on.iter().any(|verdict| verdict.verdict() == comparison.verdict) {
        ExitStatus::Deviated
    } else if comparison.has_too_few_runs() {
        ExitStatus::BaselineNotMet
    } else {
        ExitStatus::Fine
    }
}
