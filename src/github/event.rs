//! Event file of a GitHub job: typed and bounded.
//!
//! GitHub writes the file, so its numbers and hashes are reliable. Names of branches and repositories are untrusted.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::Error;

/// Maximum size; GitHub sends less.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Fields of the event that are read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WorkflowEvent {
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
    /// Completed run of another workflow, for `on: workflow_run`.
    #[serde(default)]
    pub workflow_run: Option<WorkflowRun>,
    /// Issue of the event; it can be a pull request.
    #[serde(default)]
    issue: Option<Issue>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub head: PullRequestEnd,
    pub base: PullRequestEnd,
}

/// Head or base of a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct PullRequestEnd {
    /// Branch name; untrusted.
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
    /// `None` if the repository was deleted.
    #[serde(default)]
    pub repo: Option<EventRepository>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EventRepository {
    /// `OWNER/NAME`.
    pub full_name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct WorkflowRun {
    pub id: u64,
    #[serde(default = "first_attempt")]
    pub run_attempt: u64,
    /// Name of the workflow, as in `on: workflow_run`.
    #[serde(default)]
    pub name: Option<String>,
    /// Event that triggered it.
    pub event: String,
    /// Branch name; untrusted.
    #[serde(default)]
    pub head_branch: Option<String>,
    pub head_sha: String,
    /// `None` if the repository was deleted.
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
    /// Reads and parses the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |source: std::io::Error| Error::ReadEvent { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if read as u64 > MAX_BYTES {
            return Err(Error::LargeEvent { path: path.to_owned(), maximum: MAX_BYTES });
        }
        serde_json::from_str(&text).map_err(|source| Error::ParseEvent { path: path.to_owned(), source })
    }

    /// Whether the event belongs to a pull request, or to a comment on one.
    pub fn is_pull_request(&self) -> bool {
        self.pull_request.is_some() || self.is_pull_request_comment()
    }

    fn is_pull_request_comment(&self) -> bool {
        self.issue.as_ref().is_some_and(|issue| issue.pull_request.is_some())
    }

    /// Whether the event can carry code from outside the repository: a pull request from a fork, or of unknown origin.
    pub fn is_untrusted(&self) -> bool {
        self.is_pull_request_comment() || self.pull_request.as_ref().is_some_and(PullRequest::is_from_fork)
    }
}

impl PullRequest {
    /// Whether the head is in another repository, or in a deleted one.
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
    use crate::error_code::message_chain;

    fn event(json: &str) -> WorkflowEvent {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn pull_request_of_another_repository_is_untrusted() {
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
    fn comment_on_a_pull_request_is_untrusted() {
        assert!(event(r#"{"issue": {"number": 1, "pull_request": {"url": "u"}}}"#).is_untrusted());
        assert!(!event(r#"{"issue": {"number": 1}}"#).is_untrusted());
        assert!(!event(r#"{"ref": "refs/heads/main"}"#).is_untrusted());
    }

    #[test]
    fn workflow_run_has_its_head() {
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
    fn invalid_event_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        let check = |text: &str, expected: &str| {
            std::fs::write(&path, text).unwrap();
            let error = message_chain(&WorkflowEvent::read(&path).unwrap_err());
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
