//! Publishes results to the job summary, annotations, outputs and a pull-request comment.
//!
//! Refusals of GitHub are warnings and do not fail the job. Artifacts are untrusted: see [`Trust::Unknown`].

mod annotations;
mod pull_request;
mod results;

use std::path::{Path, PathBuf};

use url::Url;

use super::base_experiment::{self, HashReference};
use super::ci::{OUTPUT_DIR, append_outputs};
use super::comparison::ComparisonRules;
use super::context::AppContext;
use super::error::{AppError, job_annotation};
use super::outcome::Outcome;
use super::report_files::ReportFiles;
use super::results_dir::{REPORTS, Trust};
use crate::console::{ConsoleLine, LineLevel, sanitize_lines};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::comment::{
    self, CommentContent, CommentMarker, CommentPolicy, CommentResult, CommentTarget, RunStamp, derive_id,
};
use crate::github::pull_requests::{self, PullRequestMatch};
use crate::github::workflow_command::{Annotation, AnnotationLevel};
use crate::github::{self, GithubApi, Repository, WorkflowEvent, WorkflowJob, summary};
use crate::http_client;
use crate::report::markdown::{escape_inline, render};
use annotations::{ExperimentSource, annotations, repository_path};
use pull_request::{PublishTarget, find_target};
use results::PublishedResults;

/// Environment variable with the token.
const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";
/// Event of jobs that publish artifacts of other runs.
const WORKFLOW_RUN: &str = "workflow_run";
/// Other event whose jobs have a token with write permission.
const PULL_REQUEST_TARGET: &str = "pull_request_target";

/// What to publish, and where.
#[derive(Clone, Debug)]
pub(crate) struct PublishRequest {
    /// Journals, or the output directory of `ci` or `trial`.
    pub(crate) paths: Vec<PathBuf>,
    /// Directory without `paths`. It may not exist.
    pub(crate) default_dir: PathBuf,
    /// Experiment file, for annotations at its lines.
    pub(crate) experiment: Option<PathBuf>,
    /// Copy of the experiment from the base branch.
    pub(crate) base_experiment: Option<PathBuf>,
    pub(crate) comment: CommentTrigger,
    /// ID of the comment; by default it is derived from the experiment or the workflow.
    pub(crate) comment_id: Option<String>,
    /// Login of the token's account.
    pub(crate) comment_author: String,
    /// Number of the pull request; by default it is found by the event.
    pub(crate) pull_request: Option<u64>,
    pub(crate) rules: ComparisonRules,
    /// Whether the journals are an artifact of another run, whatever the event is.
    pub(crate) is_artifact: bool,
    /// Whether nothing is sent or written.
    pub(crate) dry_run: bool,
    pub(crate) reports: ReportFiles,
}

impl Default for PublishRequest {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            default_dir: PathBuf::from(OUTPUT_DIR),
            experiment: None,
            base_experiment: None,
            comment: CommentTrigger::Auto,
            comment_id: None,
            comment_author: "github-actions[bot]".to_owned(),
            pull_request: None,
            rules: ComparisonRules::default(),
            is_artifact: false,
            dry_run: false,
            reports: ReportFiles::default(),
        }
    }
}

/// When to comment on the pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentTrigger {
    /// On pull requests.
    Auto,
    /// On pull requests, and on pushes that belong to one.
    Always,
    /// On pull requests, if the result differs from the existing comment.
    OnChange,
    /// On pull requests, if the result is a failure, or to correct an existing comment.
    OnFailure,
    Never,
}

/// Publishes the results. `write_output` writes to standard output.
pub(crate) async fn publish(
    context: &AppContext,
    request: &PublishRequest,
    write_output: &dyn Fn(&str) -> Result<(), AppError>,
) -> Result<Outcome, AppError> {
    request.reports.check(request.dry_run)?;
    let job = WorkflowJob::from_env(|name| context.environment.get(name))?;
    let api = job.api()?;
    let name = job.event.as_deref().unwrap_or_default();
    let is_artifact = request.is_artifact || [WORKFLOW_RUN, PULL_REQUEST_TARGET].contains(&name);
    if is_artifact && request.pull_request.is_some() {
        let message =
            "cannot use --pull-request for an artifact: its workflow run determines the pull request";
        return Err(AppError::new(ErrorCode::PublishInput, message));
    }
    let event = match &job.event_file {
        Some(path) => WorkflowEvent::read(path),
        None => Ok(WorkflowEvent::default()),
    };
    // untrusted code may have written every file of this job
    let is_untrusted = event.as_ref().map_or(true, WorkflowEvent::is_untrusted);
    let trust = if is_artifact || is_untrusted { Trust::Unknown } else { Trust::Known };
    let Some(results) = results::read_results(context, request, trust)? else {
        warn(context, "no journals found; nothing to publish", Some("check that the run started"));
        return Ok(Outcome::Success);
    };
    let mut publication =
        Publication { context, request, job, api, event, is_artifact, results, notes: Vec::new() };
    publication.notes = publication.notes();
    if request.dry_run {
        write_output(&publication.preview())?;
        return Ok(Outcome::Success);
    }
    Ok(publication.send(write_output).await)
}

/// Logs a message and annotates the job with it.
fn report(context: &AppContext, level: AnnotationLevel, text: &str, hint: Option<&str>) {
    context.reporter.send_command(&job_annotation(level, text, hint).command());
    let shown = if level == AnnotationLevel::Notice { LineLevel::Info } else { LineLevel::Warning };
    let hint = hint.map(sanitize_lines);
    context.reporter.show(&ConsoleLine { hint, ..ConsoleLine::note(shown, sanitize_lines(text)) });
}

fn warn(context: &AppContext, text: &str, hint: Option<&str>) {
    report(context, AnnotationLevel::Warning, text, hint);
}

/// State of one publication.
struct Publication<'a> {
    context: &'a AppContext,
    request: &'a PublishRequest,
    job: WorkflowJob,
    api: Url,
    event: Result<WorkflowEvent, github::Error>,
    /// Whether the journals are an artifact of another run.
    is_artifact: bool,
    results: PublishedResults,
    notes: Vec<String>,
}

impl Publication<'_> {
    /// Returns the notes above the report, about the origin of the results.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(path) = &self.request.base_experiment {
            let reference = if self.is_artifact { HashReference::Publisher } else { HashReference::Base };
            // an unreadable copy must not prevent the publication
            notes.extend(match base_experiment::hash_of(path) {
                Ok(base) => {
                    self.results.experiment_hashes().find_map(|ours| base.changed_by(&ours, reference))
                }
                Err(error) => Some(format!(
                    "cannot tell whether the experiment changed: failed to read the base copy: {}",
                    message_chain(&error)
                )),
            });
        }
        if self.is_artifact {
            notes.push(
                "computed from an artifact written by the pull request's own code; the format was checked, the \
                 numbers cannot be verified"
                    .to_owned(),
            );
        } else if self.event.as_ref().is_ok_and(WorkflowEvent::is_untrusted) {
            notes.push("the pull request comes from a fork; its own code wrote these results".to_owned());
        }
        if self.results.is_one_sided {
            notes.push("no comparison: only one arm of the trial has journals".to_owned());
        }
        notes
    }

    /// Renders notes, report and footer within a limit in bytes.
    fn render(&self, limit: usize) -> String {
        let mut notes = String::new();
        for note in &self.notes {
            notes += &format!("> **Note:** {}\n\n", escape_inline(note));
        }
        let footer = format!("\n---\n{}\n", self.footer());
        let report = render(&self.results.summary, limit.saturating_sub(notes.len() + footer.len()));
        format!("{notes}{report}{footer}")
    }

    fn footer(&self) -> String {
        let version = concat!("kubectl-chaos ", env!("CARGO_PKG_VERSION"));
        let run = pull_request::journal_run(&self.job, &self.event);
        match run.and_then(|run| Some((run, self.job.run_url(run)?))) {
            Some((run, url)) if run.attempt > 1 => {
                format!("[run {}, attempt {}]({url}) · {version}", run.id, run.attempt)
            }
            Some((run, url)) => format!("[run {}]({url}) · {version}", run.id),
            None => version.to_owned(),
        }
    }

    /// Publishes every part; a failure of one does not prevent the others.
    async fn send(&self, write_output: &dyn Fn(&str) -> Result<(), AppError>) -> Outcome {
        let PublishedResults { records, comparison, .. } = &self.results;
        let mut failed = self.request.reports.write(records, comparison.as_ref(), write_output);
        failed.extend(self.append_summary().err().map(AppError::from));
        self.annotate();
        let url = self.publish_comment().await.unwrap_or_default();
        failed.extend(self.write_outputs(&url).err().map(AppError::from));
        let exit = if failed.is_empty() { Outcome::Success } else { Outcome::NotWritten };
        for error in failed {
            report(self.context, AnnotationLevel::Error, &error.message, error.hint.as_deref());
        }
        exit
    }

    fn append_summary(&self) -> Result<(), github::Error> {
        let Some(file) = &self.job.summary else { return Ok(()) };
        let limit = summary::remaining_bytes(file);
        let text = self.render(limit);
        if text.len() > limit {
            warn(self.context, "job summary skipped: it would exceed the limit of GitHub", None);
            return Ok(());
        }
        summary::append(file, &text)
    }

    fn annotate(&self) {
        for annotation in self.annotations() {
            self.context.reporter.send_command(&annotation.command());
        }
    }

    fn annotations(&self) -> Vec<Annotation> {
        let source =
            self.request.experiment.as_deref().and_then(|path| ExperimentSource::read(path, &self.job));
        annotations(&self.results.summary, source.as_ref())
    }

    /// Writes the outputs of the step.
    fn write_outputs(&self, comment_url: &str) -> Result<(), github::Error> {
        let Some(file) = &self.job.outputs else { return Ok(()) };
        let (verdict, after) = self.results.verdict();
        let journals: Vec<String> =
            self.results.paths.iter().map(|path| path.display().to_string()).collect();
        let mut pairs = vec![
            ("verdict", verdict),
            ("after", after),
            ("journals", journals.join("\n")),
            ("comment-url", comment_url.to_owned()),
        ];
        pairs.extend(REPORTS.map(|(name, default)| (name, self.report_path(name, default))));
        append_outputs(file, &pairs)
    }

    /// Returns the path of a requested report, or of the default one next to the journals.
    fn report_path(&self, name: &str, default: &str) -> String {
        let requested =
            self.request.reports.named().find(|(known, _)| *known == name).map(|(_, file)| file.clone());
        let existing = || {
            let dir = self.results.dir.as_ref().filter(|_| !self.is_artifact)?;
            Some(dir.join(default)).filter(|file| file.is_file())
        };
        let file = requested.filter(|file| file != Path::new("-")).or_else(existing);
        file.map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// Returns the ID of the comment: the flag, or one derived from the experiment file or title.
    ///
    /// An artifact cannot choose the comment: its ID is derived from the workflow that ran.
    fn comment_id(&self) -> String {
        if let Some(id) = &self.request.comment_id {
            return id.clone();
        }
        if let Some(path) = &self.request.experiment {
            let in_repository = repository_path(path, self.job.workspace.as_deref());
            let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return derive_id(&in_repository.unwrap_or_else(name));
        }
        if !self.is_artifact {
            // the prefix separates it from every other kind of ID, whatever the title is
            return derive_id(&format!("title-{}", self.results.summary.title()));
        }
        let run = self.event.as_ref().ok().and_then(|event| event.workflow_run.as_ref());
        let name = run.and_then(|run| run.name.as_deref()).unwrap_or_default();
        derive_id(&format!("workflow-{name}"))
    }

    fn comment_content(&self) -> CommentContent {
        let run = pull_request::journal_run(&self.job, &self.event);
        CommentContent {
            stamp: RunStamp { run, state: self.results.state() },
            is_failure: self.results.is_failure(),
            policy: match self.request.comment {
                CommentTrigger::OnChange => CommentPolicy::OnChange,
                CommentTrigger::OnFailure => CommentPolicy::OnFailure,
                CommentTrigger::Auto | CommentTrigger::Always | CommentTrigger::Never => {
                    CommentPolicy::Always
                }
            },
        }
    }

    /// Writes the comment, if one is due. Returns its URL.
    async fn publish_comment(&self) -> Option<String> {
        let target = find_target(self.request, &self.job, &self.event);
        let missing = match (&target, self.token()) {
            (PublishTarget::None(reason), _) => {
                let text = format!("no comment: {reason}");
                self.context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
                return None;
            }
            (PublishTarget::Unknown(reason), _) => Some((reason.as_str(), None)),
            (_, None) => Some(("no token", Some("set GITHUB_TOKEN for this step only"))),
            _ if self.job.repository.is_none() => Some(("GITHUB_REPOSITORY is not set", None)),
            _ => None,
        };
        if let Some((reason, hint)) = missing {
            warn(self.context, &format!("cannot comment: {reason}"), hint);
            return None;
        }
        match self.write_comment(&target).await {
            Ok(url) => url,
            Err(error) => {
                warn(self.context, &format!("cannot comment: {}", error.message), error.hint.as_deref());
                None
            }
        }
    }

    fn token(&self) -> Option<String> {
        self.context
            .environment
            .get(TOKEN_VARIABLE)
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty())
    }

    async fn write_comment(&self, target: &PublishTarget) -> Result<Option<String>, AppError> {
        let (Some(token), Some(repository)) = (self.token(), &self.job.repository) else { return Ok(None) };
        let verification = http_client::trust(|name| self.context.environment.get(name));
        let api = GithubApi::new(&self.api, &token, &verification)?;
        let number = match target {
            PublishTarget::PullRequest(number) => *number,
            PublishTarget::Search(head) => {
                let location = format!("{} of {} in {}", head.sha, head.branch, head.repository);
                let input = |message: String| AppError::new(ErrorCode::PublishInput, message);
                match pull_requests::find(&api, repository, head).await? {
                    PullRequestMatch::One(number) => number,
                    PullRequestMatch::None => {
                        let message =
                            format!("no open pull request of {repository} has its head at {location}");
                        return Err(input(message));
                    }
                    PullRequestMatch::Several(count) => {
                        let message = format!(
                            "{count} open pull requests of {repository} have their head at {location}; ambiguous"
                        );
                        let error = input(message);
                        // the workflow run of an artifact determines the pull request
                        return Err(if self.is_artifact {
                            error
                        } else {
                            error.with_hint("pass --pull-request N")
                        });
                    }
                }
            }
            PublishTarget::None(_) | PublishTarget::Unknown(_) => return Ok(None),
        };
        let comment_target = self.comment_target(repository, number)?;
        let content = self.comment_content();
        let result = comment::publish(&api, &comment_target, &content, &|limit| self.render(limit)).await?;
        Ok(self.report_comment(number, result))
    }

    /// Logs the result of writing the comment. Returns its URL.
    fn report_comment(&self, number: u64, result: CommentResult) -> Option<String> {
        let info = |text: String| self.context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
        match result {
            CommentResult::Created { address, by } => {
                info(format!("commented on pull request #{number}: {address}"));
                if let Some(login) = by {
                    let text = format!(
                        "the token's account is {login}, but comments by {} are searched, so every run adds a new one",
                        self.request.comment_author
                    );
                    let hint = format!("set comment-author (--comment-author) to {login}");
                    warn(self.context, &text, Some(&hint));
                }
                Some(address)
            }
            CommentResult::Updated { address, is_shared } => {
                info(format!("updated the comment on pull request #{number}: {address}"));
                // an artifact can be published twice
                if is_shared && !self.is_artifact {
                    let text = "this run already wrote this comment, perhaps from another job (matrix); the last \
                                writer wins";
                    warn(self.context, text, Some("give each job its own comment-id (--comment-id)"));
                }
                Some(address)
            }
            CommentResult::Superseded(address) => {
                let text =
                    format!("the comment on pull request #{number} is of a later run; unchanged: {address}");
                report(self.context, AnnotationLevel::Notice, &text, None);
                Some(address)
            }
            CommentResult::Unchanged => {
                info(format!("no new comment is due on pull request #{number}"));
                None
            }
        }
    }

    fn comment_target(&self, repository: &Repository, pull_request: u64) -> Result<CommentTarget, AppError> {
        let id = self.comment_id();
        let marker = CommentMarker::new(&id)
            .ok_or_else(|| AppError::new(ErrorCode::PublishInput, format!("invalid comment ID '{id}'")))?;
        let author = self.request.comment_author.clone();
        Ok(CommentTarget { repository: repository.clone(), pull_request, marker, author })
    }

    /// Shows what would be published. Returns the text of the comment.
    fn preview(&self) -> String {
        let info = |text: String| self.context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
        let (verdict, after) = self.results.verdict();
        let after = if after.is_empty() { after } else { format!(" (after: {after})") };
        let count = self.results.paths.len();
        let plural = if count == 1 { "" } else { "s" };
        info(format!("{count} journal{plural}: {verdict}{after}"));
        if let Some(file) = &self.job.summary {
            info(format!("would append to the job summary {}", file.display()));
        }
        let annotations = self.annotations();
        let plural = if annotations.len() == 1 { "" } else { "s" };
        info(format!("would add {} annotation{plural}", annotations.len()));
        for annotation in annotations {
            info(format!("  {}: {}", annotation.title, annotation.message));
        }
        let repository = self.job.repository.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let id = self.comment_id();
        match find_target(self.request, &self.job, &self.event) {
            PublishTarget::None(reason) => info(format!("would not comment: {reason}")),
            PublishTarget::Unknown(reason) => info(format!("could not comment: {reason}")),
            PublishTarget::PullRequest(number) => {
                info(format!("would write comment {id} on pull request #{number} of {repository}"));
            }
            PublishTarget::Search(head) => info(format!(
                "would write comment {id} on the open pull request of {repository} with its head at {} of {} in {}",
                head.sha, head.branch, head.repository
            )),
        }
        if self.token().is_none() {
            info(format!("no token in {TOKEN_VARIABLE}"));
        }
        self.render(comment::LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::app::context::tests::context;

    #[tokio::test]
    async fn results_go_to_standard_output_through_the_caller() {
        let dir = tempfile::tempdir().unwrap();
        let journal = serde_json::json!({"experiment": {"title": "a title"}, "status": "completed",
            "kubectl-chaos": {"schema": 1, "finished": true, "verdict": "held"}});
        std::fs::write(dir.path().join("journal.json"), journal.to_string()).unwrap();
        let request = PublishRequest { paths: vec![dir.path().to_owned()], ..PublishRequest::default() };
        let check = async |request: PublishRequest, expected: usize| {
            let written = RefCell::new(Vec::new());
            let write_output = |text: &str| {
                written.borrow_mut().push(text.to_owned());
                Ok(())
            };
            let outcome = publish(&context(), &request, &write_output).await;
            assert_eq!(outcome, Ok(Outcome::Success));
            let written = written.into_inner();
            assert_eq!(written.len(), expected, "{written:?}");
            assert!(written.iter().all(|text| text.contains("a title")), "{written:?}");
        };
        check(request.clone(), 0).await;
        check(PublishRequest { dry_run: true, ..request.clone() }, 1).await;
        let markdown = Some(PathBuf::from("-"));
        let reports = ReportFiles { markdown, ..ReportFiles::default() };
        check(PublishRequest { reports, ..request.clone() }, 1).await;
        // there are no journals
        let paths = vec![dir.path().join("missing")];
        assert!(
            publish(&context(), &PublishRequest { paths, ..request.clone() }, &|_| Ok(())).await.is_err()
        );
        let default_dir = dir.path().join("missing");
        check(PublishRequest { paths: Vec::new(), default_dir, ..request }, 0).await;
    }
}
