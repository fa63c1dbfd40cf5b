//! What `publish` takes. Floor 3.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::compare::RuleArgs;
use crate::cli::parse::integer_in;
use crate::cli::path_conflicts::PathSet;
use crate::cli::report_files::ReportArgs;
use crate::cli::results_dir::{Trust, look};
use crate::github::comment::is_id;

const EXIT_CODES: &str = "\
The token is taken from GITHUB_TOKEN. Every flag that is not given is taken from the variable
KUBECTL_CHAOS_INPUT_NAME, where NAME is that of the flag in capitals, with _ for -.

Exit codes:
  0  it is published; or GitHub did not let us, which is said
  2  the command line is wrong
  3  a journal cannot be read, or is none that a run writes
  7  a file could not be written";

/// `publish`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct Publish {
    /// Journals, or the folder that `ci` or `trial` wrote; where nothing is said chaos-results
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// The experiment: what went wrong is shown at its place in the file
    #[arg(long, value_name = "FILE")]
    pub(super) experiment: Option<PathBuf>,
    /// The base branch's copy of the experiment: the comment says when it was another one that ran
    #[arg(long, value_name = "FILE")]
    pub(super) base_experiment: Option<PathBuf>,
    /// When to comment on the pull request
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = CommentWhen::Auto)]
    pub(super) comment: CommentWhen,
    /// What the comment is recognised by, so that several experiments have one each; made of the name of the
    /// experiment's file, else of its title, or for an artifact of the name of the workflow that left it
    #[arg(long, value_name = "ID", value_parser = comment_id)]
    pub(super) comment_id: Option<String>,
    /// Who writes the comment: the login that the token belongs to
    #[arg(long, value_name = "LOGIN", default_value = "github-actions[bot]")]
    pub(super) comment_author: String,
    /// The pull request, where the event does not say it
    #[arg(long, value_name = "N", value_parser = integer_in(1..=u64::MAX))]
    pub(super) pull_request: Option<u64>,
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    /// The journals come from an artifact, and are anybody's: they are checked, and everything is made anew from what
    /// they show. For `on: workflow_run`, where it goes without saying
    #[arg(long)]
    pub(super) workflow_run: bool,
    /// Say what would be done, and send and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

impl Publish {
    /// The files that it names.
    pub(in crate::cli) fn files(&self) -> PathSet {
        let journals = self.paths.iter().flat_map(|path| match look(path, Trust::Known) {
            Ok(found) => found.all(),
            Err(_) => vec![path.clone()],
        });
        PathSet::default()
            .reads("a journal", journals)
            .reads("the experiment", &self.experiment)
            .reads("the base branch's experiment", &self.base_experiment)
            .reports(&self.reports)
    }
}

/// When to comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CommentWhen {
    /// On pull requests.
    Auto,
    /// Also where a push belongs to a pull request.
    Always,
    /// On pull requests, where it came to something else than the comment says.
    OnChange,
    /// On pull requests, where something is not as it should be, or a comment says so.
    OnFailure,
    /// Not at all.
    Never,
}

fn comment_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("a comment is recognised by 1 to 64 letters, digits, dots, dashes and underscores".to_owned())
    }
}
