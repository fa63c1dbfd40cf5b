//! `kubectl chaos publish`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use super::compare::RuleArgs;
use super::env_inputs::variable;
use super::parse::integer_in;
use super::path_conflicts::PathSet;
use super::report_args::ReportArgs;
use crate::app::ci::OUTPUT_DIR;
use crate::app::publish::{CommentTrigger, PublishRequest};
use crate::app::results_dir::{Trust, look};
use crate::app::{self, AppError};
use crate::config::ProcessEnv;
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
pub(super) struct PublishArgs {
    /// Journals, or the output directory of `ci` or `trial` [default: chaos-results]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Experiment file, for annotations at its lines
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    /// Copy of the experiment from the base branch; the comment notes a difference
    #[arg(long, value_name = "FILE")]
    base_experiment: Option<PathBuf>,
    /// When to comment on the pull request
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = CommentWhen::Auto)]
    comment: CommentWhen,
    /// ID of the comment, one per experiment [default: from the experiment file or title; for an artifact from the
    /// workflow name]
    #[arg(long, value_name = "ID", value_parser = comment_id)]
    comment_id: Option<String>,
    /// Login of the token's account, to find the existing comment
    #[arg(long, value_name = "LOGIN", default_value = "github-actions[bot]")]
    comment_author: String,
    /// Number of the pull request [default: from the event]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=u64::MAX))]
    pull_request: Option<u64>,
    #[command(flatten)]
    rules: RuleArgs,
    /// Treat journals as an untrusted artifact: validate them and recompute all results. Implied by `on: workflow_run`
    #[arg(long)]
    workflow_run: bool,
    /// Print what would be published; send and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reports: ReportArgs,
}

impl PublishArgs {
    /// Returns the files that it reads and writes.
    pub(super) fn files(&self) -> PathSet {
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

    /// Converts the flags. Without paths, the input of the output directory is published.
    fn request(&self, environment: &ProcessEnv) -> PublishRequest {
        let input = environment.get(&variable("output-dir")).filter(|dir| !dir.trim().is_empty());
        PublishRequest {
            paths: self.paths.clone(),
            default_dir: PathBuf::from(input.as_deref().map_or(OUTPUT_DIR, str::trim)),
            experiment: self.experiment.clone(),
            base_experiment: self.base_experiment.clone(),
            comment: self.comment.into(),
            comment_id: self.comment_id.clone(),
            comment_author: self.comment_author.clone(),
            pull_request: self.pull_request,
            rules: self.rules.rules(),
            is_artifact: self.workflow_run,
            dry_run: self.dry_run,
            reports: self.reports.report_files(),
        }
    }
}

/// Condition for commenting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CommentWhen {
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

impl From<CommentWhen> for CommentTrigger {
    fn from(when: CommentWhen) -> Self {
        match when {
            CommentWhen::Auto => Self::Auto,
            CommentWhen::Always => Self::Always,
            CommentWhen::OnChange => Self::OnChange,
            CommentWhen::OnFailure => Self::OnFailure,
            CommentWhen::Never => Self::Never,
        }
    }
}

fn comment_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, dots, dashes and underscores".to_owned())
    }
}

/// Publishes the results. Returns the exit code.
pub(super) fn publish(session: &CommandContext, args: &PublishArgs) -> u8 {
    super::shield();
    let session = session.for_a_log();
    let request = args.request(&session.app.environment);
    let write_output = |text: &str| session.terminal.result(text).map_err(AppError::from);
    match session.to_its_end(app::publish::publish(&session.app, &request, &write_output)) {
        Err(code) => code,
        Ok(Ok(outcome)) => session.code(outcome),
        Ok(Err(error)) => {
            session.terminal.command(&error.annotation().command());
            session.fail(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::command::{Cli, Command};

    #[test]
    fn publish_without_flags_is_the_default_request() {
        let Command::Publish(args) = Cli::try_parse_from(["k", "publish"]).unwrap().command else {
            panic!("no publish")
        };
        let request = args.request(&ProcessEnv::default());
        assert_eq!(format!("{request:?}"), format!("{:?}", PublishRequest::default()));
    }
}
