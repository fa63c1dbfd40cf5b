//! `kubectl chaos compare`.

mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use super::path_conflicts::PathSet;
use super::report_args::{ReportArgs, write_reports};
use crate::app::comparison::{CompareOutcome, CompareRequest, ComparisonRules, compare_files};
use crate::app::{AppError, Outcome};
use crate::compare::{ComparisonVerdict, Margin, PrimaryMetric, RunComparison};

const EXIT_CODES: &str = "\
Exit codes:
  0  compared
  1  the verdict is one of --fail-on
  2  the command line is invalid
  3  a journal cannot be read, or the runs cannot be compared
  7  a file could not be written
  8  inconclusive: too few valid runs";

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CompareArgs {
    /// Journal of the run before the change
    #[arg(value_name = "BEFORE", requires = "last", conflicts_with_all = ["before", "after"])]
    first: Option<PathBuf>,
    /// Journal of the run after the change
    #[arg(value_name = "AFTER")]
    last: Option<PathBuf>,
    /// Journals of the runs before the change. Repeatable
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "after", required_unless_present = "first")]
    before: Vec<PathBuf>,
    /// Journals of the runs after the change. Repeatable
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "before")]
    after: Vec<PathBuf>,
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

impl CompareArgs {
    /// Returns the files that the flags name.
    pub(super) fn files(&self) -> PathSet {
        let journals = self.first.iter().chain(&self.last).chain(&self.before).chain(&self.after);
        PathSet::default().reads("a journal", journals).reports(&self.reports.report_files())
    }
}

impl CompareArgs {
    /// Converts the flags.
    fn request(&self) -> CompareRequest {
        let journals =
            |single: &Option<PathBuf>, several: &[PathBuf]| single.iter().chain(several).cloned().collect();
        CompareRequest {
            before: journals(&self.first, &self.before),
            after: journals(&self.last, &self.after),
            rules: self.rules.rules(),
            fail_on: FailOn::all(&self.fail_on),
        }
    }
}

/// Rules of the comparison.
#[derive(Args, Clone, Debug)]
pub(super) struct RuleArgs {
    /// Smallest differences that count: failure rates and success ratios in percentage points; slowdown and time in
    /// percent, and time at least time-min
    #[arg(long, value_name = "MARGINS", value_parser = Margin::parse, default_value = DEFAULT_MARGINS)]
    margin: Margin,
    /// Metric to test first, such as shop-answers:p95-latency; decide before the runs. MEASURE is success-ratio,
    /// slowdown, time-to-recover, p95-latency or p99-latency
    #[arg(long, value_name = "PROBE:MEASURE", value_parser = PrimaryMetric::parse)]
    primary: Option<PrimaryMetric>,
}

/// The default of `--margin`.
const DEFAULT_MARGINS: &str = "failures=50%,ratio=1%,slowdown=10%,time=10%,time-min=5ms";

impl RuleArgs {
    /// Returns the rules of the comparison.
    pub(super) fn rules(&self) -> ComparisonRules {
        ComparisonRules { margin: self.margin, primary: self.primary.clone() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Fails less often, and no run failed after.
    Fixed,
    /// Fails more often, and no run failed before.
    Broken,
    /// Fails less often but still fails, or a metric is better.
    Improved,
    /// Fails more often and failed before, or a metric is worse.
    Regressed,
    /// Shown to be the same, within the margins.
    Equivalent,
    /// No difference seen.
    NoDifference,
    /// Equivalent or no-difference.
    Unchanged,
    /// No clear result.
    Inconclusive,
}

impl FailOn {
    /// Returns the verdicts that the word stands for.
    fn verdicts(self) -> &'static [ComparisonVerdict] {
        match self {
            Self::Fixed => &[ComparisonVerdict::Fixed],
            Self::Broken => &[ComparisonVerdict::Broken],
            Self::Improved => &[ComparisonVerdict::Improved],
            Self::Regressed => &[ComparisonVerdict::Regressed],
            Self::Equivalent => &[ComparisonVerdict::Equivalent],
            Self::NoDifference => &[ComparisonVerdict::NoDifference],
            Self::Unchanged => &[ComparisonVerdict::Equivalent, ComparisonVerdict::NoDifference],
            Self::Inconclusive => &[ComparisonVerdict::Inconclusive],
        }
    }

    /// Returns the verdicts that several words stand for.
    pub(super) fn all(words: &[Self]) -> Vec<ComparisonVerdict> {
        words.iter().flat_map(|word| word.verdicts()).copied().collect()
    }
}

/// Format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CompareFormat {
    /// The verdict and a table.
    Text,
    /// Like text, with every run and the p-value of each row.
    Wide,
    /// The full comparison as JSON.
    Json,
    /// The full comparison as YAML.
    Yaml,
}

impl CompareFormat {
    /// Returns whether a machine reads it, so that nothing else may be written to standard output.
    pub(super) fn is_for_machines(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }

    /// Renders a comparison.
    pub(super) fn write(self, comparison: &RunComparison) -> String {
        match self {
            Self::Text => text::text(comparison, false),
            Self::Wide => text::text(comparison, true),
            Self::Json => serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n",
            Self::Yaml => serde_yaml::to_string(comparison).unwrap_or_default(),
        }
    }
}

/// Compares two sets of runs. Returns the exit code.
pub(super) fn compare(session: &CommandContext, args: &CompareArgs) -> u8 {
    match compare_and_report(session, args) {
        Ok(outcome) => session.code(outcome),
        Err(error) => session.fail(error),
    }
}

fn compare_and_report(session: &CommandContext, args: &CompareArgs) -> Result<Outcome, AppError> {
    let reports = args.reports.report_files();
    reports.check(args.output.is_for_machines())?;
    let CompareOutcome { mut outcome, records, comparison } = compare_files(&session.app, &args.request())?;
    let mut errors = write_reports(&reports, &session.terminal, &records, Some(&comparison));
    if !reports.is_on_standard_output() {
        let written = session.terminal.result(&args.output.write(&comparison));
        errors.extend(written.err().map(AppError::from));
    }
    for error in errors {
        outcome = outcome.worst(Outcome::NotWritten);
        session.show_error(&error);
    }
    Ok(outcome)
}
