//! Determines the pull request to comment on, from the event or the list of GitHub.

use super::{CommentTrigger, PublishRequest};
use crate::error_code::message_chain;
use crate::github::pull_requests::HeadRef;
use crate::github::{self, Repository, WorkflowEvent, WorkflowJob, WorkflowRunId};

/// Pull request to comment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublishTarget {
    PullRequest(u64),
    /// Open pull request with this head.
    Search(HeadRef),
    /// No comment is expected, with the reason.
    None(&'static str),
    /// A comment is expected, but its pull request is unknown.
    Unknown(String),
}

const BRANCH_PREFIX: &str = "refs/heads/";

/// Determines the pull request.
pub(super) fn find_target(
    request: &PublishRequest,
    job: &WorkflowJob,
    event: &Result<WorkflowEvent, github::Error>,
) -> PublishTarget {
    if request.comment == CommentTrigger::Never {
        return PublishTarget::None("disabled by --comment never");
    }
    if let Some(number) = request.pull_request {
        return PublishTarget::PullRequest(number);
    }
    let event = match event {
        Ok(event) => event,
        Err(error) => return PublishTarget::Unknown(message_chain(error)),
    };
    if let Some(run) = &event.workflow_run {
        return target_of_run(run);
    }
    if let Some(pull_request) = &event.pull_request {
        return PublishTarget::PullRequest(pull_request.number);
    }
    if request.comment == CommentTrigger::Always {
        return target_of_push(job);
    }
    if request.is_artifact {
        return PublishTarget::Unknown("the event has no workflow run".to_owned());
    }
    PublishTarget::None("the event has no pull request")
}

/// Determines the pull request of another workflow's run. The content of its artifacts has no influence.
fn target_of_run(run: &github::event::WorkflowRun) -> PublishTarget {
    if run.event != "pull_request" {
        return PublishTarget::None("the run was not triggered by a pull request");
    }
    let repository = run.head_repository.as_ref().and_then(|head| Repository::parse(&head.full_name));
    match (repository, &run.head_branch) {
        (Some(repository), Some(branch)) if !branch.is_empty() => {
            PublishTarget::Search(HeadRef { repository, branch: branch.clone(), sha: run.head_sha.clone() })
        }
        _ => PublishTarget::Unknown("the repository or branch of the run was deleted".to_owned()),
    }
}

/// Determines the pull request of a push.
fn target_of_push(job: &WorkflowJob) -> PublishTarget {
    let branch = job.reference.as_deref().and_then(|reference| reference.strip_prefix(BRANCH_PREFIX));
    match (&job.repository, branch, &job.sha) {
        (Some(repository), Some(branch), Some(sha)) => PublishTarget::Search(HeadRef {
            repository: repository.clone(),
            branch: branch.to_owned(),
            sha: sha.clone(),
        }),
        _ => PublishTarget::Unknown("the event has no branch; pass --pull-request".to_owned()),
    }
}

/// Returns the workflow run that produced the journals.
pub(super) fn journal_run(
    job: &WorkflowJob,
    event: &Result<WorkflowEvent, github::Error>,
) -> Option<WorkflowRunId> {
    let other = event.as_ref().ok().and_then(|event| event.workflow_run.as_ref());
    other.map(|run| WorkflowRunId { id: run.id, attempt: run.run_attempt }).or(job.run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_depends_on_event_and_flags() {
        let job = |pairs: &[(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(known, _)| *known == name);
            WorkflowJob::from_env(|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap()
        };
        let push =
            job(&[("GITHUB_REPOSITORY", "a/b"), ("GITHUB_REF", "refs/heads/x/y"), ("GITHUB_SHA", "1")]);
        let event =
            |json: &str| -> Result<WorkflowEvent, github::Error> { Ok(serde_json::from_str(json).unwrap()) };
        let pull_request = r#"{"pull_request": {"number": 5, "head": {"ref": "b", "sha": "1"}, "base": {"ref": "m", "sha": "2"}}}"#;
        let run = |what: &str, repository: &str| {
            event(&format!(
                r#"{{"workflow_run": {{"id": 9, "run_attempt": 2, "event": "{what}", "head_branch": "b",
                    "head_sha": "1", "head_repository": {repository}}}}}"#
            ))
        };
        let fork = r#"{"full_name": "eve/b"}"#;
        let head = |repository: &str, branch: &str| {
            let repository = Repository::parse(repository).unwrap();
            PublishTarget::Search(HeadRef { repository, branch: branch.to_owned(), sha: "1".to_owned() })
        };
        let by_default = PublishRequest::default();
        let when = |comment: CommentTrigger| PublishRequest { comment, ..PublishRequest::default() };
        let numbered = PublishRequest { pull_request: Some(7), ..PublishRequest::default() };
        let artifact = PublishRequest { is_artifact: true, ..PublishRequest::default() };
        let check = |request: &PublishRequest,
                     event: &Result<WorkflowEvent, github::Error>,
                     expected: PublishTarget| {
            assert_eq!(find_target(request, &push, event), expected, "{request:?}");
        };
        check(&by_default, &event(pull_request), PublishTarget::PullRequest(5));
        check(&numbered, &event(pull_request), PublishTarget::PullRequest(7));
        check(
            &when(CommentTrigger::Never),
            &event(pull_request),
            PublishTarget::None("disabled by --comment never"),
        );
        check(&by_default, &event("{}"), PublishTarget::None("the event has no pull request"));
        check(&when(CommentTrigger::Always), &event("{}"), head("a/b", "x/y"));
        check(&by_default, &run("pull_request", fork), head("eve/b", "b"));
        check(
            &by_default,
            &run("push", fork),
            PublishTarget::None("the run was not triggered by a pull request"),
        );
        let unknown =
            |target: PublishTarget| assert!(matches!(target, PublishTarget::Unknown(_)), "{target:?}");
        unknown(find_target(&by_default, &push, &run("pull_request", "null")));
        unknown(find_target(&by_default, &push, &Err(github::Error::InvalidToken)));
        unknown(find_target(&artifact, &push, &event("{}")));
        unknown(find_target(&when(CommentTrigger::Always), &job(&[]), &event("{}")));
        assert_eq!(journal_run(&push, &run("pull_request", fork)), Some(WorkflowRunId { id: 9, attempt: 2 }));
        assert_eq!(journal_run(&push, &event("{}")), None);
    }
}
