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

const FORK_HINT: &str =
    "use a cluster created by this job, or --embedded; pull requests from forks allow no other";
const TRUSTED_HINT: &str = "use a cluster created by this job or --embedded; only if this cluster is disposable: --allow-context NAME";

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

/// Returns the contexts that a job may use, and reports the warnings.
pub(crate) fn context_allowlist(
    reporter: &dyn Reporter,
    job: &WorkflowJob,
    allowed: &[String],
) -> ContextAllowlist {
    let AllowedContexts { allowlist, warnings } = AllowedContexts::for_job(job, allowed);
    for text in warnings {
        reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    }
    allowlist
}

/// Contexts that a job may use.
#[derive(Debug, PartialEq, Eq)]
struct AllowedContexts {
    allowlist: ContextAllowlist,
    warnings: Vec<String>,
}

impl AllowedContexts {
    fn for_job(job: &WorkflowJob, allowed: &[String]) -> Self {
        let mut warnings = Vec::new();
        let event = job.event.as_deref().unwrap_or_default();
        let is_untrusted = match &job.event_file {
            None => event.starts_with(PULL_REQUEST_PREFIX),
            Some(path) => match WorkflowEvent::read(path) {
                Ok(file) => {
                    file.is_untrusted()
                        || event.starts_with(PULL_REQUEST_PREFIX) && file.pull_request.is_none()
                }
                Err(error) => {
                    warnings.push(message_chain(&error));
                    true
                }
            },
        };
        let disposable = DISPOSABLE_CONTEXTS.map(str::to_owned).into_iter();
        if is_untrusted {
            if !allowed.is_empty() {
                warnings.push("ignoring --allow-context: this may be a pull request from a fork".to_owned());
            }
            let allowlist = ContextAllowlist::new(disposable, FORK_HINT);
            return Self { allowlist, warnings };
        }
        let patterns = allowed.iter().filter(|pattern| !pattern.is_empty()).cloned();
        Self { allowlist: ContextAllowlist::new(disposable.chain(patterns), TRUSTED_HINT), warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    /// Returns a job of an event, with this event file if it is not null.
    fn job(event: &str, file: &Json) -> (WorkflowJob, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let get = |name: &str| match name {
            "GITHUB_EVENT_NAME" => Some(event.to_owned()),
            "GITHUB_EVENT_PATH" if !file.is_null() => Some(path.display().to_string()),
            _ => None,
        };
        (WorkflowJob::from_env(get).unwrap(), dir)
    }

    fn pull_request(head: &str) -> Json {
        let end = |name: &str| json!({"ref": "main", "sha": "0", "repo": {"full_name": name}});
        json!({"pull_request": {"number": 1, "head": end(head), "base": end("shop/web")}})
    }

    #[test]
    fn event_with_base_permissions_is_refused_for_pull_request() {
        let check = |event: &str, file: Json, expected: Option<&str>| {
            let (job, _dir) = job(event, &file);
            assert_eq!(privileged_event(&job).as_deref(), expected, "{event} {file}");
        };
        let comment = json!({"issue": {"pull_request": {}}});
        check("pull_request_target", pull_request("shop/web"), Some("`pull_request_target`"));
        check("workflow_run", json!({}), Some("`workflow_run`"));
        for event in SAFE_EVENTS {
            check(event, pull_request("fork/web"), None);
        }
        check("issue_comment", comment.clone(), Some("`issue_comment` of a pull request"));
        check("issue_comment", json!({"issue": {}}), None);
        // without a readable file, a comment may be on a pull request
        check("issue_comment", Json::Null, Some("`issue_comment` of a pull request"));
        check("issue_comment", json!("x"), Some("`issue_comment` of a pull request"));
        check("push", Json::Null, None);
        check("push", json!("x"), None);
        check("new_event", pull_request("shop/web"), Some("`new_event` of a pull request"));
        check("push", json!({}), None);
        let no_event = WorkflowJob::from_env(|_| None).unwrap();
        assert_eq!(privileged_event(&no_event), None);
    }

    #[test]
    fn only_trusted_jobs_may_allow_contexts() {
        let allowed = ["prod".to_owned(), String::new()];
        let disposable = || DISPOSABLE_CONTEXTS.map(str::to_owned).into_iter();
        let trusted = ContextAllowlist::new(disposable().chain(["prod".to_owned()]), TRUSTED_HINT);
        let untrusted = ContextAllowlist::new(disposable(), FORK_HINT);
        let ignored = "ignoring --allow-context: this may be a pull request from a fork";
        let check = |event: &str, file: Json, expected: &ContextAllowlist, warnings: &[&str]| {
            let (job, _dir) = job(event, &file);
            let contexts = AllowedContexts::for_job(&job, &allowed);
            assert_eq!(contexts.allowlist, *expected, "{event} {file}");
            assert_eq!(contexts.warnings, warnings, "{event} {file}");
        };
        check("push", Json::Null, &trusted, &[]);
        check("push", json!({}), &trusted, &[]);
        check("pull_request", pull_request("shop/web"), &trusted, &[]);
        check("pull_request", pull_request("fork/web"), &untrusted, &[ignored]);
        check("pull_request", Json::Null, &untrusted, &[ignored]);
        // an event file of another event
        check("pull_request", json!({}), &untrusted, &[ignored]);
        check("issue_comment", json!({"issue": {"pull_request": {}}}), &untrusted, &[ignored]);
        let (unreadable, _dir) = job("push", &json!("x"));
        let contexts = AllowedContexts::for_job(&unreadable, &[]);
        assert_eq!(contexts.allowlist, untrusted);
        assert!(contexts.warnings.len() == 1 && contexts.warnings[0].contains("event.json"), "{contexts:?}");
    }
}
