//! The pull request that a run of a workflow belongs to: GitHub's list decides, and nothing that the run says. Floor 1.

use serde::Deserialize;

use super::event::PullRequestEnd;
use super::{GithubApi, Repository, RequestError};

/// What a workflow ran for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRef {
    /// The repository of the branch, which may be a fork.
    pub repository: Repository,
    /// The branch. Somebody chose it.
    pub branch: String,
    /// The commit.
    pub sha: String,
}

/// Which pull request it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestMatch {
    /// To this one.
    One(u64),
    /// To none that is open, or that still stands at this commit.
    None,
    /// To so many.
    Several(usize),
}

#[derive(Clone, Debug, Deserialize)]
struct Pull {
    number: u64,
    state: String,
    head: PullRequestEnd,
}

/// Finds the one open pull request with that repository, branch and commit.
pub async fn find(
    api: &GithubApi,
    repository: &Repository,
    head: &HeadRef,
) -> Result<PullRequestMatch, RequestError> {
    let of = format!("{}:{}", head.repository.owner, head.branch);
    let open: Vec<Pull> = api.get_all(repository, &["pulls"], &[("state", "open"), ("head", &of)]).await?;
    Ok(select(&open, head))
}

/// The list is looked through again: who asks for one branch may get more.
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
    fn repository_branch_and_commit_have_to_fit() {
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
        let others = [
            pull(1, "open", json!({"full_name": "shop/web"}), "fix", "abc"),
            pull(2, "open", fork.clone(), "fix-2", "abc"),
            pull(3, "open", fork.clone(), "fix", "abd"),
            pull(4, "closed", fork.clone(), "fix", "abc"),
            pull(5, "open", Value::Null, "fix", "abc"),
        ];
        assert_eq!(select(&others, &head), PullRequestMatch::None);
        let mut pulls = others.to_vec();
        pulls.push(pull(6, "open", fork.clone(), "fix", "abc"));
        assert_eq!(select(&pulls, &head), PullRequestMatch::One(6));
        pulls.push(pull(7, "open", fork, "fix", "abc"));
        assert_eq!(select(&pulls, &head), PullRequestMatch::Several(2));
    }
}
