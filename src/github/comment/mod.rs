//! One comment per experiment on a pull request, updated in place. Floor 1.
//!
//! It is found again by its first line, which is hidden and names it, and by its author: anybody can write such a line,
//! and only workflows as that author, some of which repeat what others say. The second line, hidden as well, says which
//! run it tells of, so that an older one never overwrites it.

mod markers;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{GithubApi, Repository, RequestError, RequestErrorKind};

pub use markers::{CommentMarker, RunStamp, derive_id, is_id};

/// How long a comment may be, in characters of whatever kind: GitHub takes 65,536.
pub const LIMIT: usize = 65_000;
/// How long it may be where that was too long nevertheless.
const SHORT_LIMIT: usize = 30_000;
/// How often it is looked whether a comment was made of which that is not known.
const MAX_ATTEMPTS: u32 = 3;

/// Which comment.
#[derive(Clone, Debug)]
pub struct CommentTarget {
    /// Of which repository.
    pub repository: Repository,
    /// On which pull request.
    pub pull_request: u64,
    /// What it is recognised by.
    pub marker: CommentMarker,
    /// Who writes it.
    pub author: String,
}

/// When there is to be a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentPolicy {
    /// Every time.
    Always,
    /// Where it came to something else than the comment that is there says.
    OnChange,
    /// Where something is not as it should be; and where a comment is there already, which would say so for ever.
    OnFailure,
}

/// What the comment is about.
#[derive(Clone, Debug)]
pub struct CommentContent {
    /// Of which run, and what it came to.
    pub stamp: RunStamp,
    /// Whether something is not as it should be.
    pub is_failure: bool,
    /// When it is to be told.
    pub policy: CommentPolicy,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommentResult {
    /// There is a new comment.
    Created {
        /// Where it is.
        address: String,
        /// Who wrote it, where that is not who was expected: it is not found again.
        by: Option<String>,
    },
    /// The comment was updated.
    Updated {
        /// Where it is.
        address: String,
        /// Whether it told of this very run already: of another job of it, as a rule.
        is_shared: bool,
    },
    /// The comment tells of a later run, and stays.
    Superseded(String),
    /// There was nothing to say.
    Unchanged,
}

/// A comment, as far as it is looked at.
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
    fn is_ours(&self, place: &CommentTarget) -> bool {
        let author = self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(&place.author));
        author && place.marker.is_first_line_of(self.body.as_deref().unwrap_or_default())
    }

    fn stamp(&self) -> Option<RunStamp> {
        RunStamp::parse(self.body.as_deref()?)
    }
}

/// Writes the comment: the one that is there, else a new one. What stands in it is made to a length in bytes.
pub async fn publish(
    api: &GithubApi,
    place: &CommentTarget,
    news: &CommentContent,
    text: &dyn Fn(usize) -> String,
) -> Result<CommentResult, RequestError> {
    let mut limit = LIMIT;
    let mut tried = 0;
    loop {
        tried += 1;
        let there = find_own(api, place).await?;
        if let Some(later) = there.iter().find(|one| is_newer(one, news)) {
            return Ok(CommentResult::Superseded(later.html_url.clone()));
        }
        let newest = there.last();
        // what a try before this one has made is wanted
        if tried == 1 && !should_write(news, newest) {
            return Ok(CommentResult::Unchanged);
        }
        let written = |limit| body(place, news, limit, text);
        if let Some(newest) = newest {
            match update(api, place, newest.id, &written(limit)).await {
                Ok(comment) => {
                    // what a try before this one has made is our own
                    let is_shared = tried == 1 && is_of_the_same_run(newest, news);
                    return Ok(CommentResult::Updated { address: comment.html_url, is_shared });
                }
                Err(failure) if failure.status() == Some(422) && limit == LIMIT => {
                    limit = SHORT_LIMIT;
                    tried -= 1;
                    continue;
                }
                // somebody deleted it
                Err(failure) if failure.status() == Some(404) => {}
                Err(failure) => return Err(failure),
            }
        }
        match create(api, place, &written(limit)).await {
            Ok(comment) => {
                let by = comment.user.map(|user| user.login);
                let by = by.filter(|login| !login.eq_ignore_ascii_case(&place.author));
                return Ok(CommentResult::Created { address: comment.html_url, by });
            }
            Err(failure) if failure.status() == Some(422) && limit == LIMIT => {
                limit = SHORT_LIMIT;
                tried -= 1;
            }
            // perhaps it is there: two of them would be there for ever
            Err(failure)
                if failure.is_ambiguous() && tried < MAX_ATTEMPTS && api.wait_before_retry(tried).await => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// Those that are ours, the newest last.
async fn find_own(api: &GithubApi, place: &CommentTarget) -> Result<Vec<Comment>, RequestError> {
    let number = place.pull_request.to_string();
    let all: Vec<Comment> = api.get_all(&place.repository, &["issues", &number, "comments"], &[]).await?;
    let mut ours: Vec<Comment> = all.into_iter().filter(|comment| comment.is_ours(place)).collect();
    ours.sort_by_key(|comment| comment.id);
    Ok(ours)
}

/// Whether a comment tells of a later run than this news.
fn is_newer(comment: &Comment, news: &CommentContent) -> bool {
    let known = comment.stamp().and_then(|stamp| stamp.run);
    known.zip(news.stamp.run).is_some_and(|(known, ours)| known > ours)
}

/// Whether a comment tells of the very run of this news.
fn is_of_the_same_run(comment: &Comment, news: &CommentContent) -> bool {
    let known = comment.stamp().and_then(|stamp| stamp.run);
    known.is_some() && known == news.stamp.run
}

fn should_write(news: &CommentContent, there: Option<&Comment>) -> bool {
    match news.policy {
        CommentPolicy::Always => true,
        CommentPolicy::OnChange => {
            there.and_then(Comment::stamp).is_none_or(|stamp| stamp.state != news.stamp.state)
        }
        CommentPolicy::OnFailure => news.is_failure || there.is_some(),
    }
}

/// The whole comment: its two lines, and what it says.
pub fn body(
    place: &CommentTarget,
    news: &CommentContent,
    limit: usize,
    text: &dyn Fn(usize) -> String,
) -> String {
    let head = format!("{}\n{}\n", place.marker.line(), news.stamp.line());
    let text = text(limit.saturating_sub(head.len()));
    format!("{head}{text}")
}

async fn update(
    api: &GithubApi,
    place: &CommentTarget,
    id: u64,
    body: &str,
) -> Result<Comment, RequestError> {
    let path = ["issues", "comments", &id.to_string()];
    api.send_document(Method::PATCH, &place.repository, &path, &json!({"body": body})).await
}

async fn create(api: &GithubApi, place: &CommentTarget, body: &str) -> Result<Comment, RequestError> {
    let path = ["issues", &place.pull_request.to_string(), "comments"];
    api.send_document(Method::POST, &place.repository, &path, &json!({"body": body})).await
}

/// What to do about a comment that could not be written.
pub fn advice(failure: &RequestError) -> &'static str {
    match failure.kind {
        RequestErrorKind::Status(401) => "the token is not valid, or has expired",
        RequestErrorKind::Status(403) if failure.message.to_ascii_lowercase().contains("locked") => {
            "somebody has locked the conversation of the pull request: the comment can be written when it is unlocked"
        }
        RequestErrorKind::Status(403) => {
            "the job needs `permissions: pull-requests: write`; on pull requests from forks and from Dependabot the \
             token can only read whatever the job asks for, and a second workflow, `on: workflow_run`, can publish \
             for them: see docs/github.md"
        }
        RequestErrorKind::Status(404) => {
            "is that the number of a pull request of this repository, and may the token see it? The job needs \
             `permissions: pull-requests: write`"
        }
        RequestErrorKind::Status(410) => "the comments of the repository are switched off",
        RequestErrorKind::Status(422) => "GitHub does not take the comment, nor a shorter one",
        RequestErrorKind::RateLimited => "run the job again later",
        RequestErrorKind::Status(status) if status >= 500 => "GitHub has a problem: run the job again later",
        RequestErrorKind::Unreachable => "is GITHUB_API_URL right, and can the runner reach it?",
        RequestErrorKind::Status(_) | RequestErrorKind::InvalidResponse => {
            "is GITHUB_API_URL that of GitHub's API?"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::WorkflowRunId;

    fn place() -> CommentTarget {
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

    fn news(run: u64, state: &str, when: CommentPolicy, is_a_failure: bool) -> CommentContent {
        CommentContent {
            stamp: RunStamp { run: Some(WorkflowRunId { id: run, attempt: 1 }), state: state.to_owned() },
            is_failure: is_a_failure,
            policy: when,
        }
    }

    #[test]
    fn a_comment_is_ours_by_its_line_and_its_author() {
        let line = "<!-- kubectl-chaos:comment:web.json -->";
        let check = |login: &str, body: &str, expected: bool| {
            assert_eq!(comment(1, login, body).is_ours(&place()), expected, "{login} {body}");
        };
        let us = "github-actions[bot]";
        check(us, &format!("{line}\ntext"), true);
        check("GitHub-Actions[bot]", &format!("{line}\r\ntext"), true);
        check("eve", &format!("{line}\ntext"), false);
        check(us, &format!("see {line}"), false);
        check(us, &format!("> {line}"), false);
        check(us, &format!("another bot's words\n{line}\ntext"), false);
        check(us, &format!("\n{line}"), false);
        check(us, "<!-- kubectl-chaos:comment:web.jso -->", false);
        check(us, "", false);
        let nobody = Comment { user: None, ..comment(1, us, line) };
        assert!(!nobody.is_ours(&place()));
    }

    #[test]
    fn an_older_run_does_not_overwrite() {
        let there = comment(
            1,
            "x",
            &body(&place(), &news(7, "fixed/holds", CommentPolicy::Always, false), LIMIT, &|_| String::new()),
        );
        let check = |ours: Option<WorkflowRunId>, expected: bool| {
            let mut news = news(0, "x", CommentPolicy::Always, false);
            news.stamp.run = ours;
            assert_eq!(is_newer(&there, &news), expected, "{ours:?}");
        };
        check(Some(WorkflowRunId { id: 6, attempt: 9 }), true);
        check(Some(WorkflowRunId { id: 7, attempt: 1 }), false);
        check(Some(WorkflowRunId { id: 7, attempt: 2 }), false);
        check(Some(WorkflowRunId { id: 8, attempt: 1 }), false);
        // whoever publishes by hand means it
        check(None, false);
    }

    #[test]
    fn what_is_told_depends_on_what_was_told() {
        let there = |state: &str| {
            let told = news(1, state, CommentPolicy::Always, false);
            comment(1, "x", &body(&place(), &told, LIMIT, &|_| String::new()))
        };
        let check = |when: CommentPolicy, failure: bool, there: Option<&Comment>, expected: bool| {
            assert_eq!(
                should_write(&news(2, "fixed/holds", when, failure), there),
                expected,
                "{when:?} {failure} {there:?}"
            );
        };
        check(CommentPolicy::Always, false, None, true);
        check(CommentPolicy::OnChange, false, None, true);
        check(CommentPolicy::OnChange, true, Some(&there("fixed/holds")), false);
        check(CommentPolicy::OnChange, false, Some(&there("broken/fails")), true);
        check(CommentPolicy::OnChange, false, Some(&comment(1, "x", "no stamp")), true);
        check(CommentPolicy::OnFailure, false, None, false);
        check(CommentPolicy::OnFailure, true, None, true);
        check(CommentPolicy::OnFailure, false, Some(&there("broken/fails")), true);
    }

    #[test]
    fn the_whole_is_within_its_limit() {
        let whole =
            body(&place(), &news(1, "held", CommentPolicy::Always, false), 300, &|limit| "x".repeat(limit));
        assert_eq!(whole.len(), 300);
        assert!(
            whole.starts_with(
                "<!-- kubectl-chaos:comment:web.json -->\n<!-- kubectl-chaos:run:1:1:held -->\nx"
            )
        );
    }
}
