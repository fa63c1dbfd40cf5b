//! `kubectl chaos publish`: what runs or a trial came to, told where people look at a pull request. Floor 3.
//!
//! Nothing here depends on GitHub's goodwill: what it refuses is said, and does not fail the job. What an artifact
//! brings along is an attacker's: see `Hand::Unknown`.

mod annotations;
pub(super) mod args;
mod pull_request;
mod results;

use std::path::Path;

use url::Url;

use super::base_experiment::HashReference;
use super::ci::append_outputs;
use super::error::CliError;
use super::exit_code::ExitStatus;
use super::results_dir::{REPORTS, Trust};
use super::{CommandContext, base_experiment};
use crate::console::{ConsoleLine, LineLevel, sanitize_lines};
use crate::error_code::ErrorCode;
use crate::github::comment::{
    self, CommentContent, CommentMarker, CommentPolicy, CommentResult, CommentTarget, RunStamp, id_of,
};
use crate::github::pull_requests::{self, PullRequestMatch};
use crate::github::workflow_command::{self, Annotation};
use crate::github::{ApiFailure, GithubApi, Repository, WorkflowEvent, WorkflowJob, summary};
use crate::http_client;
use crate::report::markdown::{escape_inline, render};
use annotations::{ExperimentSource, annotations, within};
use args::{CommentWhen, Publish};
use pull_request::{PublishTarget, target};
use results::PublishedResults;

/// Why nothing is published: the exit code, and what was said.
type PublishRefusal = (ExitStatus, String);

/// The variable with the token.
const TOKEN: &str = "GITHUB_TOKEN";
/// The event whose jobs look at artifacts of other runs.
const WORKFLOW_RUN: &str = "workflow_run";
/// Another event whose jobs have a token that may write.
const PULL_REQUEST_TARGET: &str = "pull_request_target";

/// Publishes. Gives the exit code.
pub(super) fn publish(session: &CommandContext, args: &Publish) -> u8 {
    super::shield();
    let mut session = session.clone();
    session.terminal = session.terminal.for_a_log();
    match whole(&session, args) {
        Ok(exit) => session.code(exit),
        Err((exit, why)) => {
            session.terminal.command(
                &Annotation::new(workflow_command::AnnotationLevel::Error, "kubectl-chaos", &why).command(),
            );
            session.refuse(exit, why)
        }
    }
}

/// Everything about one publication.
struct PublishContext<'a> {
    session: &'a CommandContext,
    args: &'a Publish,
    job: WorkflowJob,
    api: Url,
    event: Result<WorkflowEvent, String>,
    /// Whether it comes from another run.
    is_artifact: bool,
    results: PublishedResults,
    notes: Vec<String>,
}

fn whole(session: &CommandContext, args: &Publish) -> Result<ExitStatus, PublishRefusal> {
    args.reports.check(args.dry_run).map_err(|error| (error.status, error.message))?;
    let job =
        WorkflowJob::of(|name| session.environment.get(name)).map_err(|error| (ExitStatus::Usage, error))?;
    let api = job.api().map_err(|error| (ExitStatus::Usage, error))?;
    let name = job.event.as_deref().unwrap_or_default();
    let is_artifact = args.workflow_run || [WORKFLOW_RUN, PULL_REQUEST_TARGET].contains(&name);
    if is_artifact && args.pull_request.is_some() {
        let why = "--pull-request is not taken where an artifact is published: the pull request is found by the run \
                   that made it";
        return Err((ExitStatus::Usage, why.to_owned()));
    }
    let event = match &job.event_file {
        Some(path) => WorkflowEvent::read(path),
        None => Ok(WorkflowEvent::default()),
    };
    // a stranger's code may have written everything in this job
    let is_a_strangers = event.as_ref().map_or(true, WorkflowEvent::is_of_a_stranger);
    let hand = if is_artifact || is_a_strangers { Trust::Unknown } else { Trust::Known };
    let Some(results) = results::read(session, args, hand)? else {
        let why = "there are no journals, so that there is nothing to publish: did the run begin?";
        say(session, workflow_command::AnnotationLevel::Warning, why);
        return Ok(ExitStatus::Fine);
    };
    let mut publication =
        PublishContext { session, args, job, api, event, is_artifact, results, notes: Vec::new() };
    publication.notes = publication.notes();
    if args.dry_run { publication.rehearse() } else { Ok(publication.carry_out()) }
}

/// Says something to whoever reads the log, and to the runner.
fn say(session: &CommandContext, level: workflow_command::AnnotationLevel, text: &str) {
    session.terminal.command(&Annotation::new(level, "kubectl-chaos", text).command());
    let shown =
        if level == workflow_command::AnnotationLevel::Notice { LineLevel::Info } else { LineLevel::Warning };
    session.terminal.say(&ConsoleLine::note(shown, sanitize_lines(text)));
}

impl PublishContext<'_> {
    /// What stands above the report: what its reader has to know of where it comes from.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(path) = &self.args.base_experiment {
            let whose = if self.is_artifact { HashReference::Publisher } else { HashReference::Base };
            // whatever is wrong with the copy, what the run came to is told
            notes.extend(match base_experiment::hash_of(path) {
                Ok(base) => self.results.identities().find_map(|ours| base.changed_by(&ours, whose)),
                Err(error) => Some(format!(
                    "whether the pull request changed the experiment is not known, since the copy to compare it with \
                     cannot be read: {error}"
                )),
            });
        }
        if self.is_artifact {
            notes.push(
                "made of an artifact that the pull request's own code has written: its form was checked, its numbers \
                 are its own"
                    .to_owned(),
            );
        } else if self.event.as_ref().is_ok_and(WorkflowEvent::is_of_a_stranger) {
            notes.push("the pull request comes from a fork: its own code made these numbers".to_owned());
        }
        if self.results.half {
            notes.push("only one arm of the trial has journals, so that there is no comparison".to_owned());
        }
        notes
    }

    /// The notes, the report and where it comes from, in no more bytes than that.
    fn text(&self, limit: usize) -> String {
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
        let run = pull_request::run(&self.job, &self.event);
        match run.and_then(|run| Some((run, self.job.page(run)?))) {
            Some((run, page)) if run.attempt > 1 => {
                format!("[run {}, attempt {}]({page}) · {version}", run.id, run.attempt)
            }
            Some((run, page)) => format!("[run {}]({page}) · {version}", run.id),
            None => version.to_owned(),
        }
    }

    /// Everything, each part for itself.
    fn carry_out(&self) -> ExitStatus {
        let PublishedResults { records, comparison, .. } = &self.results;
        let mut failed = self.args.reports.write(&self.session.terminal, records, comparison.as_ref());
        failed.extend(
            self.append_summary().err().map(|error| CliError::new(ErrorCode::FileNotWritable, error)),
        );
        self.annotate();
        let address = self.comment().unwrap_or_default();
        failed
            .extend(self.tell(&address).err().map(|error| CliError::new(ErrorCode::FileNotWritable, error)));
        let exit = if failed.is_empty() { ExitStatus::Fine } else { ExitStatus::NotWritten };
        for error in failed {
            say(self.session, workflow_command::AnnotationLevel::Error, &error.message);
        }
        exit
    }

    fn append_summary(&self) -> Result<(), String> {
        let Some(file) = &self.job.summary else { return Ok(()) };
        let room = summary::room(file);
        let text = self.text(room);
        if text.len() > room {
            say(
                self.session,
                workflow_command::AnnotationLevel::Warning,
                "there is no room for it in the job summary",
            );
            return Ok(());
        }
        summary::append(file, &text)
    }

    fn annotate(&self) {
        for annotation in self.annotations() {
            self.session.terminal.command(&annotation.command());
        }
    }

    fn annotations(&self) -> Vec<Annotation> {
        let source = self.args.experiment.as_deref().and_then(|path| ExperimentSource::read(path, &self.job));
        annotations(&self.results.summary, source.as_ref())
    }

    /// The outputs of the step.
    fn tell(&self, address: &str) -> Result<(), String> {
        let Some(file) = &self.job.outputs else { return Ok(()) };
        let (verdict, after) = self.results.verdict();
        let listed: Vec<String> = self.results.paths.iter().map(|path| path.display().to_string()).collect();
        let mut pairs = vec![
            ("verdict", verdict),
            ("after", after),
            ("journals", listed.join("\n")),
            ("comment-url", address.to_owned()),
        ];
        pairs.extend(REPORTS.map(|(name, usual)| (name, self.report(name, usual))));
        append_outputs(file, &pairs)
    }

    /// The report that was asked for, else the one that stands beside the journals.
    fn report(&self, name: &str, usual: &str) -> String {
        let asked = self.args.reports.named().find(|(known, _)| *known == name).map(|(_, file)| file.clone());
        let beside = || {
            let folder = self.results.folder.as_ref().filter(|_| !self.is_artifact)?;
            Some(folder.join(usual)).filter(|file| file.is_file())
        };
        let file = asked.filter(|file| file != Path::new("-")).or_else(beside);
        file.map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// What the comment is recognised by: what was said, else the experiment's file, else its title. An artifact does
    /// not choose which comment it becomes: there it is the workflow that ran.
    fn id(&self) -> String {
        if let Some(id) = &self.args.comment_id {
            return id.clone();
        }
        if let Some(path) = &self.args.experiment {
            let inside = within(path, self.job.workspace.as_deref());
            let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return id_of(&inside.unwrap_or_else(name));
        }
        if !self.is_artifact {
            // begins as no other one does, whatever the title is
            return id_of(&format!("title-{}", self.results.summary.title()));
        }
        let run = self.event.as_ref().ok().and_then(|event| event.workflow_run.as_ref());
        let name = run.and_then(|run| run.name.as_deref()).unwrap_or_default();
        id_of(&format!("workflow-{name}"))
    }

    fn news(&self) -> CommentContent {
        let run = pull_request::run(&self.job, &self.event);
        CommentContent {
            stamp: RunStamp { run, state: self.results.state() },
            is_a_failure: self.results.is_a_failure(),
            when: match self.args.comment {
                CommentWhen::OnChange => CommentPolicy::OnChange,
                CommentWhen::OnFailure => CommentPolicy::OnFailure,
                CommentWhen::Auto | CommentWhen::Always | CommentWhen::Never => CommentPolicy::Always,
            },
        }
    }

    /// Writes the comment, where there is to be one. Gives its address.
    fn comment(&self) -> Option<String> {
        let target = target(self.args, &self.job, &self.event);
        let why_not = match (&target, self.token()) {
            (PublishTarget::Nobody(why), _) => {
                self.session.terminal.say(&ConsoleLine::note(LineLevel::Info, format!("no comment: {why}")));
                return None;
            }
            (PublishTarget::Missing(why), _) => Some(why.as_str()),
            (_, None) => Some("there is no token: set GITHUB_TOKEN for this step alone"),
            _ if self.job.repository.is_none() => Some("GITHUB_REPOSITORY does not say which repository"),
            _ => None,
        };
        if let Some(why) = why_not {
            say(
                self.session,
                workflow_command::AnnotationLevel::Warning,
                &format!("there is no comment: {why}"),
            );
            return None;
        }
        match self.session.to_its_end(self.write_comment(&target)).ok()? {
            Ok(address) => address,
            Err(why) => {
                say(
                    self.session,
                    workflow_command::AnnotationLevel::Warning,
                    &format!("there is no comment: {why}"),
                );
                None
            }
        }
    }

    fn token(&self) -> Option<String> {
        self.session
            .environment
            .get(TOKEN)
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty())
    }

    /// An error says why there is none.
    async fn write_comment(&self, target: &PublishTarget) -> Result<Option<String>, String> {
        let (Some(token), Some(repository)) = (self.token(), &self.job.repository) else { return Ok(None) };
        let verification = http_client::trust(|name| self.session.environment.get(name));
        let api = GithubApi::new(&self.api, &token, &verification)?;
        let told = |failure: ApiFailure| format!("{failure}; {}", comment::advice(&failure));
        let number = match target {
            PublishTarget::Pull(number) => *number,
            PublishTarget::Find(head) => {
                match pull_requests::find(&api, repository, head).await.map_err(told)? {
                    PullRequestMatch::One(number) => number,
                    PullRequestMatch::None => {
                        return Err(format!(
                            "no open pull request of {repository} has its head at {} of {} in {}",
                            head.sha, head.branch, head.repository
                        ));
                    }
                    PullRequestMatch::Several(count) => {
                        return Err(format!(
                            "{count} open pull requests of {repository} have their head at {} of {} in {}, and which of \
                         them is meant is not known",
                            head.sha, head.branch, head.repository
                        ));
                    }
                }
            }
            PublishTarget::Nobody(_) | PublishTarget::Missing(_) => return Ok(None),
        };
        let place = self.place(repository, number)?;
        let done = comment::put(&api, &place, &self.news(), &|limit| self.text(limit)).await.map_err(told)?;
        let info = |text: String| self.session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
        Ok(match done {
            CommentResult::Created { address, by } => {
                info(format!("commented on pull request #{number}: {address}"));
                if let Some(login) = by {
                    let text = format!(
                        "the token belongs to {login}, and a comment of {} was looked for, so that every run makes \
                         another one: set comment-author (--comment-author) to {login}",
                        self.args.comment_author
                    );
                    say(self.session, workflow_command::AnnotationLevel::Warning, &text);
                }
                Some(address)
            }
            CommentResult::Updated { address, is_shared } => {
                info(format!("updated the comment on pull request #{number}: {address}"));
                // of an artifact the second publication may be a repeated one
                if is_shared && !self.is_artifact {
                    let text = "the comment told of this very run already, perhaps of another job of a matrix: the last \
                                one to write wins. Give each job a comment-id (--comment-id) of its own";
                    say(self.session, workflow_command::AnnotationLevel::Warning, text);
                }
                Some(address)
            }
            CommentResult::Older(address) => {
                let text = format!(
                    "the comment on pull request #{number} tells of a later run, and stays: {address}"
                );
                say(self.session, workflow_command::AnnotationLevel::Notice, &text);
                Some(address)
            }
            CommentResult::Nothing => {
                info(format!("there is nothing new to say on pull request #{number}"));
                None
            }
        })
    }

    fn place(&self, repository: &Repository, pull_request: u64) -> Result<CommentTarget, String> {
        let id = self.id();
        let mark =
            CommentMarker::new(&id).ok_or_else(|| format!("'{id}' is nothing to recognise a comment by"))?;
        let author = self.args.comment_author.clone();
        Ok(CommentTarget { repository: repository.clone(), pull_request, mark, author })
    }

    /// Says what would be done, and does nothing of it.
    fn rehearse(&self) -> Result<ExitStatus, PublishRefusal> {
        let info = |text: String| self.session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
        let (verdict, after) = self.results.verdict();
        let after = if after.is_empty() { after } else { format!(" (after: {after})") };
        let count = self.results.paths.len();
        let several = if count == 1 { "" } else { "s" };
        info(format!("{count} journal{several}: {verdict}{after}"));
        if let Some(file) = &self.job.summary {
            info(format!("would append to the job summary, {}", file.display()));
        }
        let annotations = self.annotations();
        info(format!("would show {} annotations", annotations.len()));
        for annotation in annotations {
            info(format!("  {}: {}", annotation.title, annotation.message));
        }
        let repository = self.job.repository.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let id = self.id();
        match target(self.args, &self.job, &self.event) {
            PublishTarget::Nobody(why) => info(format!("would not comment: {why}")),
            PublishTarget::Missing(why) => info(format!("could not comment: {why}")),
            PublishTarget::Pull(number) => {
                info(format!("would write the comment {id} on pull request #{number} of {repository}"));
            }
            PublishTarget::Find(head) => info(format!(
                "would write the comment {id} on the one open pull request of {repository} whose head is at {} of {} \
                 in {}",
                head.sha, head.branch, head.repository
            )),
        }
        if self.token().is_none() {
            info(format!("there is no token in {TOKEN}"));
        }
        let text = self.text(comment::LIMIT);
        let written = self.session.terminal.result(&text);
        written.map_err(|error| (ExitStatus::NotWritten, format!("the comment cannot be shown: {error}")))?;
        Ok(ExitStatus::Fine)
    }
}
