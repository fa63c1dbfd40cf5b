//! What a job may do: for which events it runs, which clusters it may touch. Floor 3.

use super::CiRefusal;
use crate::cli::CommandContext;
use crate::cli::exit_code::ExitStatus;
use crate::console::{ConsoleLine, LineLevel};
use crate::github::{WorkflowEvent, WorkflowJob};
use crate::k8s::ContextAllowlist;

/// Contexts that are made to be broken.
const ALLOWED: [&str; 4] = ["kind-*", "k3d-*", "minikube", crate::embedded::NAME];
/// Events that come with rights which what a pull request brings along must not meet.
const DANGEROUS: [&str; 2] = ["pull_request_target", "workflow_run"];
/// The events of pull requests that do not: a fork's have a token that only reads, and no secrets.
const HARMLESS: [&str; 3] = ["pull_request", "pull_request_review", "pull_request_review_comment"];
/// An event with the rights of the base branch, begun by whoever comments; on what, its file says.
const COMMENT: &str = "issue_comment";
/// What the names of events begin with that are about a pull request, and say from where it comes.
const PULL_REQUEST: &str = "pull_request";

/// Which clusters may be touched. An error says why nothing may run.
pub(super) fn bounds(
    session: &CommandContext,
    job: &WorkflowJob,
    allowed: &[String],
) -> Result<ContextAllowlist, CiRefusal> {
    if let Some(which) = dangerous(job) {
        let why = format!(
            "no experiment runs for the event {which}, which lends the rights of the base branch to what a pull \
             request brings along: run it `on: pull_request`, and publish its results with `mode: publish` (see \
             docs/github.md)"
        );
        return Err((ExitStatus::Usage, why));
    }
    Ok(guard(session, job, allowed))
}

/// The event, where what a pull request brings along would meet rights that it has not.
fn dangerous(job: &WorkflowJob) -> Option<String> {
    let event = job.event.as_deref()?;
    if DANGEROUS.contains(&event) {
        return Some(event.to_owned());
    }
    if HARMLESS.contains(&event) {
        return None;
    }
    let is_about_one = match job.event_file.as_deref().map(WorkflowEvent::read) {
        Some(Ok(file)) => file.is_about_a_pull_request(),
        // a comment on nobody knows what
        Some(Err(_)) | None => event == COMMENT,
    };
    is_about_one.then(|| format!("{event} of a pull request"))
}

/// Lets those clusters pass that a job may touch, whatever it is that it does there.
pub(in crate::cli) fn guard(
    session: &CommandContext,
    job: &WorkflowJob,
    allowed: &[String],
) -> ContextAllowlist {
    let event = job.event.as_deref().unwrap_or_default();
    let stranger = match &job.event_file {
        None => event.starts_with(PULL_REQUEST),
        Some(path) => match WorkflowEvent::read(path) {
            Ok(event_file) => {
                event_file.is_of_a_stranger()
                    || event.starts_with(PULL_REQUEST) && event_file.pull_request.is_none()
            }
            Err(error) => {
                session.terminal.say(&ConsoleLine::note(LineLevel::Warning, error));
                true
            }
        },
    };
    let always = ALLOWED.map(str::to_owned).into_iter();
    if stranger {
        if !allowed.is_empty() {
            let text = "--allow-context counts for nothing: this is, or may be, a pull request from a fork";
            session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
        }
        let advice = "on a pull request from a fork nothing else can be allowed; use a cluster that the job makes, or \
                      --embedded";
        return ContextAllowlist::new(always, advice);
    }
    let given = allowed.iter().filter(|pattern| !pattern.is_empty()).cloned();
    let advice = "use a cluster that the job makes, or --embedded; if it is really meant, --allow-context NAME allows it";
    ContextAllowlist::new(always.chain(given), advice)
}
