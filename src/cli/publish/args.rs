//! Arguments of `publish`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::app::results_dir::{Trust, look};
use crate::cli::compare::RuleArgs;
use crate::cli::parse::integer_in;
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_args::ReportArgs;
use crate::github::comment::is_id;

const EXIT_CODES: &str = "\
The token is read from GITHUB_TOKEN. Flags default to the environment variables
KUBECTL_CHAOS_INPUT_NAME, where NAME is the flag in capitals with _ for -.

Exit codes:
  0  published (refusals by GitHub are reported as warnings)
  2  the command line is invalid
  3  a journal cannot be read or is invalid
  7  a file cannot be written";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Publish {
    /// Journals, or the output directory of `ci` or `trial` [default: chaos-results]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Experiment file, for annotations at its lines
    #[arg(long, value_name = "FILE")]
    pub(super) experiment: Option<PathBuf>,
    /// Copy of the experiment from the base branch; the comment notes a difference
    #[arg(long, value_name = "FILE")]
    pub(super) base_experiment: Option<PathBuf>,
    /// When to comment on the pull request
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = CommentWhen::Auto)]
    pub(super) comment: CommentWhen,
    /// ID of the comment, one per experiment [default: from the experiment file or title; for an artifact from the
    /// workflow name]
    #[arg(long, value_name = "ID", value_parser = comment_id)]
    pub(super) comment_id: Option<String>,
    /// Login of the token's account, to find the existing comment
    #[arg(long, value_name = "LOGIN", default_value = "github-actions[bot]")]
    pub(super) comment_author: String,
    /// Number of the pull request [default: from the event]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=u64::MAX))]
    pub(super) pull_request: Option<u64>,
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    /// Treat journals as an untrusted artifact: validate them and recompute all results. Implied by `on: workflow_run`
    #[arg(long)]
    pub(super) workflow_run: bool,
    /// Print what would be published; send and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

impl Publish {
    /// Returns the files that it reads and writes.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let journals = self.paths.iter().flat_map(|path| match look(path, Trust::Known) {
            Ok(found) => found.all(),
            Err(_) => vec![path.clone()],
        });
        PathSet::default()
            .reads("a journal", journals)
            .reads("the experiment", &self.experiment)
            .reads("the base branch's experiment", &self.base_experiment)
            .reports(&self.reports.report_files())
    }
}

/// Condition for commenting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CommentWhen {
    /// On pull requests
    Auto,
    /// On pull requests, and on pushes that belong to one
    Always,
    /// On pull requests, if the result differs from the existing comment
    OnChange,
    /// On pull requests, if the result is a failure, or to correct an existing comment
    OnFailure,
    /// Never
    Never,
}

fn comment_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, dots, dashes and underscores".to_owned())
    }
}
