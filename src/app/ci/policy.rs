//! Policy for CI jobs: which events run experiments, and which contexts they may use.

use crate::app::{AppError, Reporter};
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::{WorkflowEvent, WorkflowJob};
use crate::k8s::ContextAllowlist;

/// Contexts of disposable clusters.
const DISPOSABLE_CONTEXTS: [&str; 4] = ["kind-*", "k3d-*", "minikube", crate::embedded::NAME];
/// Events with the permissions of the base repository, which untrusted code must not get.
const PRIVILEGED_EVENTS: [&str; 2] = ["pull_request_target", "workflow_run"];
/// Pull-request events without them: for forks the token is read-only, and secrets are withheld.
const SAFE_EVENTS: [&str; 3] = ["pull_request", "pull_request_review", "pull_request_review_comment"];
/// Event with the permissions of the base repository that any commenter triggers.
const COMMENT_EVENT: &str = "issue_comment";
/// Prefix of the events whose file names the origin of a pull request.
const PULL_REQUEST_PREFIX: &str = "pull_request";

/// Returns the allowed contexts, or refuses the event.
pub(crate) fn check_event(
    reporter: &dyn Reporter,
    job: &WorkflowJob,
    allowed: &[String],
) -> Result<ContextAllowlist, AppError> {
    if let Some(event) = privileged_event(job) {
        let message = format!(
            "refusing to run on {event}: it would run pull-request code with the base repository's permissions"
        );
        return Err(AppError::new(ErrorCode::CiEventRefused, message)
            .with_hint("use `on: pull_request`, and publish with `mode: publish` (docs/github.md)"));
    }
    Ok(context_allowlist(reporter, job, allowed))
}

/// Returns the event if it would run pull-request code with the permissions of the base repository.
fn privileged_event(job: &WorkflowJob) -> Option<String> {
    let event = job.event.as_deref()?;
    if PRIVILEGED_EVENTS.contains(&event) {
        return Some(format!("`{event}`"));
    }
    if SAFE_EVENTS.contains(&event) {
        return None;
    }
    let is_pull_request = match job.event_file.as_deref().map(WorkflowEvent::read) {
        Some(Ok(file)) => file.is_pull_request(),
        // a comment without a readable event file may be on a pull request
        Some(Err(_)) | None => event == COMMENT_EVENT,
    };
    is_pull_request.then(|| format!("`{event}` of a pull request"))
}

/// Returns the contexts that a job may use.
pub(crate) fn context_allowlist(
    reporter: &dyn Reporter,
    job: &WorkflowJob,
    allowed: &[String],
) -> ContextAllowlist {
    let event = job.event.as_deref().unwrap_or_default();
    let is_untrusted = match &job.event_file {
        None => event.starts_with(PULL_REQUEST_PREFIX),
        Some(path) => match WorkflowEvent::read(path) {
            Ok(file) => {
                file.is_untrusted() || event.starts_with(PULL_REQUEST_PREFIX) && file.pull_request.is_none()
            }
            Err(error) => {
                reporter.show(&ConsoleLine::note(LineLevel::Warning, message_chain(&error)));
                true
            }
        },
    };
    let disposable = DISPOSABLE_CONTEXTS.map(str::to_owned).into_iter();
    if is_untrusted {
        if !allowed.is_empty() {
            let text = "ignoring --allow-context: this may be a pull request from a fork";
            reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
        }
        let hint =
            "use a cluster created by this job, or --embedded; pull requests from forks allow no other";
        return ContextAllowlist::new(disposable, hint);
    }
    let patterns = allowed.iter().filter(|pattern| !pattern.is_empty()).cloned();
    let hint = "use a cluster created by this job or --embedded; only if this cluster is disposable: \
                --allow-context NAME";
    ContextAllowlist::new(disposable.chain(patterns), hint)
}
