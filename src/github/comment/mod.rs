//! One comment per experiment on a pull request, updated in target.
//!
//! Its hidden first line and its author identify the comment. Any user can write such a line, but only workflows write
//! as that author; some of them quote other users. The hidden second line records the run, so that an older run never
//! overwrites a newer one.

mod markers;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{GithubApi, Repository, RequestError};

pub use markers::{CommentMarker, RunStamp, derive_id, is_id};

/// Maximum length of a comment in characters; GitHub allows 65,536.
pub const LIMIT: usize = 65_000;
/// Length for the second attempt if GitHub rejects the comment.
const SHORT_LIMIT: usize = 30_000;
/// Attempts to create a comment with an unknown result.
const MAX_ATTEMPTS: u32 = 3;

/// Identity of a comment.
#[derive(Clone, Debug)]
pub struct CommentTarget {
    pub repository: Repository,
    pub pull_request: u64,
    pub marker: CommentMarker,
    /// Login of the author.
    pub author: String,
}

/// Condition for writing a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentPolicy {
    Always,
    /// If the result differs from the existing comment.
    OnChange,
    /// If the result is a failure, or a comment exists that would otherwise show an outdated failure.
    OnFailure,
}

/// Content of a comment.
#[derive(Clone, Debug)]
pub struct CommentContent {
    /// Run and result.
    pub stamp: RunStamp,
    pub is_failure: bool,
    pub policy: CommentPolicy,
}

/// Result of publishing a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommentResult {
    Created {
        address: String,
        /// Actual author if it is not the expected one; the next run will not find the comment.
        by: Option<String>,
    },
    Updated {
        address: String,
        /// Whether it already recorded this run, usually by another job.
        is_shared: bool,
    },
    /// The comment records a later run; it is unchanged.
    Superseded(String),
    /// The policy requires no comment.
    Unchanged,
}

/// Fields of a comment that are read.
#[derive(Clone, Debug, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    html_url: String,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    login: String,
}

impl Comment {
    fn is_ours(&self, target: &CommentTarget) -> bool {
        let author = self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(&target.author));
        author && target.marker.is_first_line_of(self.body.as_deref().unwrap_or_default())
    }

    fn stamp(&self) -> Option<RunStamp> {
        RunStamp::parse(self.body.as_deref()?)
    }
}

/// Updates the comment, or creates it. `text` renders the content for a maximum length in bytes.
pub async fn publish(
    api: &GithubApi,
    target: &CommentTarget,
    content: &CommentContent,
    text: &dyn Fn(usize) -> String,
) -> Result<CommentResult, RequestError> {
    let mut limit = LIMIT;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let existing = find_own(api, target).await?;
        if let Some(later) = existing.iter().find(|one| is_newer(one, content)) {
            return Ok(CommentResult::Superseded(later.html_url.clone()));
        }
        let newest = existing.last();
        // a comment of an earlier attempt must be completed
        if attempts == 1 && !should_write(content, newest) {
            return Ok(CommentResult::Unchanged);
        }
        let written = |limit| body(target, content, limit, text);
        if let Some(newest) = newest {
            match update(api, target, newest.id, &written(limit)).await {
                Ok(comment) => {
                    // a comment of an earlier attempt has this run by definition
                    let is_shared = attempts == 1 && is_of_the_same_run(newest, content);
                    return Ok(CommentResult::Updated { address: comment.html_url, is_shared });
                }
                Err(error) if error.status() == Some(422) && limit == LIMIT => {
                    limit = SHORT_LIMIT;
                    attempts -= 1;
                    continue;
                }
                // deleted by a user
                Err(error) if error.status() == Some(404) => {}
                Err(error) => return Err(error),
            }
        }
        match create(api, target, &written(limit)).await {
            Ok(comment) => {
                let by = comment.user.map(|user| user.login);
                let by = by.filter(|login| !login.eq_ignore_ascii_case(&target.author));
                return Ok(CommentResult::Created { address: comment.html_url, by });
            }
            Err(error) if error.status() == Some(422) && limit == LIMIT => {
                limit = SHORT_LIMIT;
                attempts -= 1;
            }
            // search again before another attempt: a duplicate would stay forever
            Err(error)
                if error.is_ambiguous()
                    && attempts < MAX_ATTEMPTS
                    && api.wait_before_retry(attempts).await => {}
            Err(error) => return Err(error),
        }
    }
}

/// Finds our comments, newest last.
async fn find_own(api: &GithubApi, target: &CommentTarget) -> Result<Vec<Comment>, RequestError> {
    let number = target.pull_request.to_string();
    let all: Vec<Comment> = api.get_all(&target.repository, &["issues", &number, "comments"], &[]).await?;
    let mut comments: Vec<Comment> = all.into_iter().filter(|comment| comment.is_ours(target)).collect();
    comments.sort_by_key(|comment| comment.id);
    Ok(comments)
}

/// Whether a comment records a later run than this content.
fn is_newer(comment: &Comment, content: &CommentContent) -> bool {
    let stamped = comment.stamp().and_then(|stamp| stamp.run);
    stamped.zip(content.stamp.run).is_some_and(|(stamped, current)| stamped > current)
}

/// Whether a comment records the run of this content.
fn is_of_the_same_run(comment: &Comment, content: &CommentContent) -> bool {
    let stamped = comment.stamp().and_then(|stamp| stamp.run);
    stamped.is_some() && stamped == content.stamp.run
}

fn should_write(content: &CommentContent, existing: Option<&Comment>) -> bool {
    match content.policy {
        CommentPolicy::Always => true,
        CommentPolicy::OnChange => {
            existing.and_then(Comment::stamp).is_none_or(|stamp| stamp.state != content.stamp.state)
        }
        CommentPolicy::OnFailure => content.is_failure || existing.is_some(),
    }
}

/// Renders the comment: its two hidden lines and its text.
pub fn body(
    target: &CommentTarget,
    content: &CommentContent,
    limit: usize,
    text: &dyn Fn(usize) -> String,
) -> String {
    let head = format!("{}\n{}\n", target.marker.line(), content.stamp.line());
    let text = text(limit.saturating_sub(head.len()));
    format!("{head}{text}")
}

async fn update(
    api: &GithubApi,
    target: &CommentTarget,
    id: u64,
    body: &str,
) -> Result<Comment, RequestError> {
    let path = ["issues", "comments", &id.to_string()];
    api.send_document(Method::PATCH, &target.repository, &path, &json!({"body": body})).await
}

async fn create(api: &GithubApi, target: &CommentTarget, body: &str) -> Result<Comment, RequestError> {
    let path = ["issues", &target.pull_request.to_string(), "comments"];
    api.send_document(Method::POST, &target.repository, &path, &json!({"body": body})).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::WorkflowRunId;

    fn target() -> CommentTarget {
        CommentTarget {
            repository: Repository::parse("shop/web").unwrap(),
            pull_request: 5,
            marker: CommentMarker::new("web.json").unwrap(),
            author: "github-actions[bot]".to_owned(),
        }
    }

    fn comment(id: u64, login: &str, body: &str) -> Comment {
        let user = Some(User { login: login.to_owned() });
        Comment { id, body: Some(body.to_owned()), user, html_url: format!("https://h/{id}") }
    }

    fn content(run: u64, state: &str, when: CommentPolicy, is_a_failure: bool) -> CommentContent {
        CommentContent {
            stamp: RunStamp { run: Some(WorkflowRunId { id: run, attempt: 1 }), state: state.to_owned() },
            is_failure: is_a_failure,
            policy: when,
        }
    }

    #[test]
    fn comment_is_ours_by_first_line_and_author() {
        let line = "<!-- kubectl-chaos:comment:web.json -->";
        let check = |login: &str, body: &str, expected: bool| {
            assert_eq!(comment(1, login, body).is_ours(&target()), expected, "{login} {body}");
        };
        let us = "github-actions[bot]";
        check(us, &format!("{line}\ntext"), true);
        check("GitHub-Actions[bot]", &format!("{line}\r\ntext"), true);
        check("eve", &format!("{line}\ntext"), false);
        check(us, &format!("see {line}"), false);
        check(us, &format!("> {line}"), false);
        check(us, &format!("quotation of another bot\n{line}\ntext"), false);
        check(us, &format!("\n{line}"), false);
        check(us, "<!-- kubectl-chaos:comment:web.jso -->", false);
        check(us, "", false);
        let anonymous = Comment { user: None, ..comment(1, us, line) };
        assert!(!anonymous.is_ours(&target()));
    }

    #[test]
    fn older_run_does_not_overwrite() {
        let existing = comment(
            1,
            "x",
            &body(&target(), &content(7, "fixed/holds", CommentPolicy::Always, false), LIMIT, &|_| {
                String::new()
            }),
        );
        let check = |current: Option<WorkflowRunId>, expected: bool| {
            let mut content = content(0, "x", CommentPolicy::Always, false);
            content.stamp.run = current;
            assert_eq!(is_newer(&existing, &content), expected, "{current:?}");
        };
        check(Some(WorkflowRunId { id: 6, attempt: 9 }), true);
        check(Some(WorkflowRunId { id: 7, attempt: 1 }), false);
        check(Some(WorkflowRunId { id: 7, attempt: 2 }), false);
        check(Some(WorkflowRunId { id: 8, attempt: 1 }), false);
        // manual publication always overwrites
        check(None, false);
    }

    #[test]
    fn policy_decides_whether_to_write() {
        let existing = |state: &str| {
            let content = content(1, state, CommentPolicy::Always, false);
            comment(1, "x", &body(&target(), &content, LIMIT, &|_| String::new()))
        };
        let check = |when: CommentPolicy, failure: bool, existing: Option<&Comment>, expected: bool| {
            assert_eq!(
                should_write(&content(2, "fixed/holds", when, failure), existing),
                expected,
                "{when:?} {failure} {existing:?}"
            );
        };
        check(CommentPolicy::Always, false, None, true);
        check(CommentPolicy::OnChange, false, None, true);
        check(CommentPolicy::OnChange, true, Some(&existing("fixed/holds")), false);
        check(CommentPolicy::OnChange, false, Some(&existing("broken/fails")), true);
        check(CommentPolicy::OnChange, false, Some(&comment(1, "x", "no stamp")), true);
        check(CommentPolicy::OnFailure, false, None, false);
        check(CommentPolicy::OnFailure, true, None, true);
        check(CommentPolicy::OnFailure, false, Some(&existing("broken/fails")), true);
    }

    #[test]
    fn comment_respects_its_limit() {
        let whole = body(&target(), &content(1, "held", CommentPolicy::Always, false), 300, &|limit| {
            "x".repeat(limit)
        });
        assert_eq!(whole.len(), 300);
        assert!(
            whole.starts_with(
                "<!-- kubectl-chaos:comment:web.json -->\n<!-- kubectl-chaos:run:1:1:held -->\nx"
            )
        );
    }
}
