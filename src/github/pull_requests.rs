//! Finds the pull request of a workflow run in the list of GitHub, independent of the content of the run.

use serde::Deserialize;

use super::event::PullRequestEnd;
use super::{GithubApi, Repository, RequestError};

/// Head of a workflow run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRef {
    /// Repository of the branch; it can be a fork.
    pub repository: Repository,
    /// Branch name; untrusted.
    pub branch: String,
    pub sha: String,
}

/// Result of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestMatch {
    One(u64),
    /// No open pull request has its head at this commit.
    None,
    Several(usize),
}

#[derive(Clone, Debug, Deserialize)]
struct Pull {
    number: u64,
    state: String,
    head: PullRequestEnd,
}

/// Finds the open pull request with this repository, branch and commit.
pub async fn find(
    api: &GithubApi,
    repository: &Repository,
    head: &HeadRef,
) -> Result<PullRequestMatch, RequestError> {
    let of = format!("{}:{}", head.repository.owner, head.branch);
    let open: Vec<Pull> = api.get_all(repository, &["pulls"], &[("state", "open"), ("head", &of)]).await?;
    Ok(select(&open, head))
}

/// Selects by all criteria; the API can return more than the requested branch.
fn select(open: &[Pull], head: &HeadRef) -> PullRequestMatch {
    let fits = |pull: &&Pull| {
        let repository =
            pull.head.repo.as_ref().is_some_and(|repo| head.repository.has_name(&repo.full_name));
        repository && pull.state == "open" && pull.head.branch == head.branch && pull.head.sha == head.sha
    };
    let found: Vec<&Pull> = open.iter().filter(fits).collect();
    match found.as_slice() {
        [] => PullRequestMatch::None,
        [one] => PullRequestMatch::One(one.number),
        several => PullRequestMatch::Several(several.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn repository_branch_and_commit_must_match() {
        let pull = |number: u64, state: &str, repo: Value, branch: &str, sha: &str| -> Pull {
            let head = json!({"ref": branch, "sha": sha, "repo": repo});
            serde_json::from_value(json!({"number": number, "state": state, "head": head, "title": "x"}))
                .unwrap()
        };
        let head = HeadRef {
            repository: Repository::parse("eve/web").unwrap(),
            branch: "fix".to_owned(),
            sha: "abc".to_owned(),
        };
        let fork = json!({"full_name": "Eve/web"});
        let unrelated = [
            pull(1, "open", json!({"full_name": "shop/web"}), "fix", "abc"),
            pull(2, "open", fork.clone(), "fix-2", "abc"),
            pull(3, "open", fork.clone(), "fix", "abd"),
            pull(4, "closed", fork.clone(), "fix", "abc"),
            pull(5, "open", Value::Null, "fix", "abc"),
        ];
        assert_eq!(select(&unrelated, &head), PullRequestMatch::None);
        let mut pulls = unrelated.to_vec();
        pulls.push(pull(6, "open", fork.clone(), "fix", "abc"));
        assert_eq!(select(&pulls, &head), PullRequestMatch::One(6));
        pulls.push(pull(7, "open", fork, "fix", "abc"));
        assert_eq!(select(&pulls, &head), PullRequestMatch::Several(2));
    }
}
