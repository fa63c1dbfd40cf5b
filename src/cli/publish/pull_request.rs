//! The pull request that is commented on: the event says it, or GitHub's own list. Floor 3.

use super::args::{CommentWhen, Publish};
use crate::github::pull_requests::HeadRef;
use crate::github::{Repository, WorkflowEvent, WorkflowJob, WorkflowRunId};

/// Where the comment goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublishTarget {
    /// To this pull request.
    Pull(u64),
    /// To the one that is open for this.
    Find(HeadRef),
    /// Nowhere, and nobody expects it.
    Nobody(&'static str),
    /// Nowhere, although somebody may expect it.
    Missing(String),
}

/// What the branches of references begin with.
const BRANCHES: &str = "refs/heads/";

/// Finds out where it goes.
pub(super) fn target(
    args: &Publish,
    job: &WorkflowJob,
    event: &Result<WorkflowEvent, String>,
) -> PublishTarget {
    if args.comment == CommentWhen::Never {
        return PublishTarget::Nobody("no comment is asked for");
    }
    if let Some(number) = args.pull_request {
        return PublishTarget::Pull(number);
    }
    let event = match event {
        Ok(event) => event,
        Err(error) => return PublishTarget::Missing(error.clone()),
    };
    if let Some(run) = &event.workflow_run {
        return of_a_run(run);
    }
    if let Some(pull) = &event.pull_request {
        return PublishTarget::Pull(pull.number);
    }
    if args.comment == CommentWhen::Always {
        return of_a_push(job);
    }
    if args.workflow_run {
        return PublishTarget::Missing("the event is about no run of another workflow".to_owned());
    }
    PublishTarget::Nobody("the event is about no pull request")
}

/// The one that another workflow ran for. What its artifacts say of it does not count.
fn of_a_run(run: &crate::github::event::WorkflowRun) -> PublishTarget {
    if run.event != "pull_request" {
        return PublishTarget::Nobody("the run was for no pull request");
    }
    let repository = run.head_repository.as_ref().and_then(|home| Repository::parse(&home.full_name));
    match (repository, &run.head_branch) {
        (Some(repository), Some(branch)) if !branch.is_empty() => {
            PublishTarget::Find(HeadRef { repository, branch: branch.clone(), sha: run.head_sha.clone() })
        }
        _ => PublishTarget::Missing("the repository or the branch that the run was for is gone".to_owned()),
    }
}

/// The one that a push belongs to.
fn of_a_push(job: &WorkflowJob) -> PublishTarget {
    let branch = job.reference.as_deref().and_then(|reference| reference.strip_prefix(BRANCHES));
    match (&job.repository, branch, &job.sha) {
        (Some(repository), Some(branch), Some(sha)) => PublishTarget::Find(HeadRef {
            repository: repository.clone(),
            branch: branch.to_owned(),
            sha: sha.clone(),
        }),
        _ => PublishTarget::Missing(
            "the event is about no branch: name a pull request with --pull-request".to_owned(),
        ),
    }
}

/// The run that made the journals.
pub(super) fn run(job: &WorkflowJob, event: &Result<WorkflowEvent, String>) -> Option<WorkflowRunId> {
    let of_another = event.as_ref().ok().and_then(|event| event.workflow_run.as_ref());
    of_another.map(|run| WorkflowRunId { id: run.id, attempt: run.run_attempt }).or(job.run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::{Cli, Command};
    use clap::Parser as _;

    fn args(line: &[&str]) -> Publish {
        let line = ["k", "publish"].iter().chain(line);
        let Command::Publish(args) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        *args
    }

    #[test]
    fn events_say_where_it_goes() {
        let job = |pairs: &[(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(known, _)| *known == name);
            WorkflowJob::of(|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap()
        };
        let push =
            job(&[("GITHUB_REPOSITORY", "a/b"), ("GITHUB_REF", "refs/heads/x/y"), ("GITHUB_SHA", "1")]);
        let event = |json: &str| -> Result<WorkflowEvent, String> { Ok(serde_json::from_str(json).unwrap()) };
        let pull = r#"{"pull_request": {"number": 5, "head": {"ref": "b", "sha": "1"}, "base": {"ref": "m", "sha": "2"}}}"#;
        let run = |what: &str, repository: &str| {
            event(&format!(
                r#"{{"workflow_run": {{"id": 9, "run_attempt": 2, "event": "{what}", "head_branch": "b",
                    "head_sha": "1", "head_repository": {repository}}}}}"#
            ))
        };
        let fork = r#"{"full_name": "eve/b"}"#;
        let head = |repository: &str, branch: &str| {
            let repository = Repository::parse(repository).unwrap();
            PublishTarget::Find(HeadRef { repository, branch: branch.to_owned(), sha: "1".to_owned() })
        };
        let check = |line: &[&str], event: &Result<WorkflowEvent, String>, expected: PublishTarget| {
            assert_eq!(target(&args(line), &push, event), expected, "{line:?}");
        };
        check(&[], &event(pull), PublishTarget::Pull(5));
        check(&["--pull-request", "7"], &event(pull), PublishTarget::Pull(7));
        check(&["--comment", "never"], &event(pull), PublishTarget::Nobody("no comment is asked for"));
        check(&[], &event("{}"), PublishTarget::Nobody("the event is about no pull request"));
        check(&["--comment", "always"], &event("{}"), head("a/b", "x/y"));
        check(&[], &run("pull_request", fork), head("eve/b", "b"));
        check(&[], &run("push", fork), PublishTarget::Nobody("the run was for no pull request"));
        let missing =
            |target: PublishTarget| assert!(matches!(target, PublishTarget::Missing(_)), "{target:?}");
        missing(target(&args(&[]), &push, &run("pull_request", "null")));
        missing(target(&args(&[]), &push, &Err("unreadable".to_owned())));
        missing(target(&args(&["--workflow-run"]), &push, &event("{}")));
        missing(target(&args(&["--comment", "always"]), &job(&[]), &event("{}")));
        assert_eq!(super::run(&push, &run("pull_request", fork)), Some(WorkflowRunId { id: 9, attempt: 2 }));
        assert_eq!(super::run(&push, &event("{}")), None);
    }
}
