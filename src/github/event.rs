//! What the event file says of why a job runs: typed, bounded, and anybody's. Floor 1.
//!
//! GitHub writes the file, so its numbers and hashes can be relied on. Names of branches and repositories in it are
//! those that somebody chose.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

/// More than GitHub sends.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What is known of the event; of everything else nothing is read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WorkflowEvent {
    /// The pull request that it is about.
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
    /// The run of another workflow that it is about.
    #[serde(default)]
    pub workflow_run: Option<WorkflowRun>,
    /// The issue that it is about, which may be a pull request.
    #[serde(default)]
    issue: Option<Issue>,
}

/// A pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// What is to be merged.
    pub head: PullRequestEnd,
    /// Into what.
    pub base: PullRequestEnd,
}

/// One end of a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct PullRequestEnd {
    /// The branch. Somebody chose it.
    #[serde(rename = "ref")]
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// The repository; none where it was deleted.
    #[serde(default)]
    pub repo: Option<EventRepository>,
}

/// A repository, as events have it.
#[derive(Clone, Debug, Deserialize)]
pub struct EventRepository {
    /// `OWNER/NAME`.
    pub full_name: String,
}

/// A run of another workflow.
#[derive(Clone, Debug, Deserialize)]
pub struct WorkflowRun {
    /// Its number.
    pub id: u64,
    /// Which attempt at it.
    #[serde(default = "first_attempt")]
    pub run_attempt: u64,
    /// The name of its workflow, by which `on: workflow_run` chose it.
    #[serde(default)]
    pub name: Option<String>,
    /// The event that began it.
    pub event: String,
    /// The branch that it ran for. Somebody chose it.
    #[serde(default)]
    pub head_branch: Option<String>,
    /// The commit.
    pub head_sha: String,
    /// The repository of the branch; none where it was deleted.
    #[serde(default)]
    pub head_repository: Option<EventRepository>,
}

#[derive(Clone, Debug, Deserialize)]
struct Issue {
    #[serde(default)]
    pull_request: Option<serde::de::IgnoredAny>,
}

fn first_attempt() -> u64 {
    1
}

impl WorkflowEvent {
    /// Reads the file. An error says why it cannot be used.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the file of the event, {}, cannot be read: {error}", path.display())
        };
        let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
        let mut text = String::new();
        let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
        if read as u64 > MAX_BYTES {
            return Err(failed(&"it is too large"));
        }
        serde_json::from_str(&text).map_err(|error| failed(&error))
    }

    /// Whether it is about a pull request, whichever way it says so.
    pub fn is_pull_request(&self) -> bool {
        self.pull_request.is_some() || self.is_pull_request_comment()
    }

    fn is_pull_request_comment(&self) -> bool {
        self.issue.as_ref().is_some_and(|issue| issue.pull_request.is_some())
    }

    /// Whether it may be about what somebody wrote who may not write to the repository: a pull request from a
    /// fork, or one of which that is not known.
    pub fn is_untrusted(&self) -> bool {
        self.is_pull_request_comment() || self.pull_request.as_ref().is_some_and(PullRequest::is_from_fork)
    }
}

impl PullRequest {
    /// Whether it comes from another repository, or from one that is gone.
    pub fn is_from_fork(&self) -> bool {
        match (&self.head.repo, &self.base.repo) {
            (Some(head), Some(base)) => !head.full_name.eq_ignore_ascii_case(&base.full_name),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> WorkflowEvent {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn forks_are_known_by_their_repository() {
        let pull = |head: &str, base: &str| {
            event(&format!(
                r#"{{"number": 5, "pull_request": {{"number": 5, "head": {{"ref": "b", "sha": "1", "repo": {head}}},
                    "base": {{"ref": "main", "sha": "2", "repo": {base}}}}}}}"#
            ))
        };
        let repo = |name: &str| format!(r#"{{"full_name": "{name}", "id": 1}}"#);
        let check = |head: &str, base: &str, stranger: bool| {
            assert_eq!(pull(head, base).is_untrusted(), stranger, "{head} {base}");
        };
        check(&repo("shop/web"), &repo("shop/web"), false);
        check(&repo("Shop/Web"), &repo("shop/web"), false);
        check(&repo("eve/web"), &repo("shop/web"), true);
        check("null", &repo("shop/web"), true);
        check(&repo("shop/web"), "null", true);
    }

    #[test]
    fn a_comment_on_a_pull_request_does_not_say_whose_it_is() {
        assert!(event(r#"{"issue": {"number": 1, "pull_request": {"url": "u"}}}"#).is_untrusted());
        assert!(!event(r#"{"issue": {"number": 1}}"#).is_untrusted());
        assert!(!event(r#"{"ref": "refs/heads/main"}"#).is_untrusted());
    }

    #[test]
    fn a_run_of_another_workflow_says_what_it_ran_for() {
        let event = event(
            r#"{"workflow_run": {"id": 9, "name": "CI", "event": "pull_request", "head_branch": "b", "head_sha": "abc",
                "head_repository": {"full_name": "eve/web"}, "pull_requests": []}}"#,
        );
        let run = event.workflow_run.unwrap();
        assert_eq!((run.id, run.run_attempt, run.event.as_str()), (9, 1, "pull_request"));
        assert_eq!(run.name.as_deref(), Some("CI"));
        assert_eq!(run.head_repository.unwrap().full_name, "eve/web");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        let check = |text: &str, expected: &str| {
            std::fs::write(&path, text).unwrap();
            let error = WorkflowEvent::read(&path).unwrap_err();
            assert!(error.contains(expected) && error.contains("event.json"), "{error}");
        };
        check("{", "EOF");
        check(r#"{"pull_request": {"number": "5"}}"#, "invalid type");
        std::fs::write(&path, "{}").unwrap();
        assert!(WorkflowEvent::read(&path).unwrap().pull_request.is_none());
        assert!(
            WorkflowEvent::read(folder.path()).is_err() && WorkflowEvent::read(Path::new("nowhere")).is_err()
        );
    }
}
