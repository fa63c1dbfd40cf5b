//! `ci` and `publish` on GitHub: comments, summaries, annotations, and the permissions of a job. The binary
//! runs
//! against a mock that records its requests.

pub mod artifacts;
pub mod ci;
mod comments;
pub mod mock;
mod python;
mod retries_and_errors;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::compare::journal;
use crate::harness::{ProcessResult, Sandbox};
use mock::{GitHub, REPOSITORY, TOKEN};

/// The URL of the GitHub server.
const SERVER: &str = "https://git.example.com";

/// A job: a sandbox with the variables of a runner.
pub struct Job {
    pub sandbox: Sandbox,
}

impl Job {
    /// Creates a job for an event with its event file.
    pub fn new(name: &str, event: &Value) -> Self {
        let sandbox = Sandbox::new();
        let path = sandbox.write("event.json", event.to_string()).display().to_string();
        for name in ["summary.md", "outputs"] {
            sandbox.write(name, "");
        }
        let at = |name: &str| sandbox.path(name).display().to_string();
        let (summary, outputs, workspace) = (at("summary.md"), at("outputs"), at(""));
        let sandbox = sandbox
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_SERVER_URL", SERVER)
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_EVENT_NAME", name)
            .env("GITHUB_EVENT_PATH", path)
            .env("GITHUB_STEP_SUMMARY", summary)
            .env("GITHUB_OUTPUT", outputs)
            .env("GITHUB_WORKSPACE", workspace);
        Self { sandbox }
    }

    /// Creates a job for pull request 5 of the repository itself.
    pub fn of_a_pull_request() -> Self {
        Self::new("pull_request", &pull_request(REPOSITORY))
    }

    pub fn env(self, name: &str, value: impl Into<String>) -> Self {
        Self { sandbox: self.sandbox.env(name, value) }
    }

    /// Adds a token for the mock and the number of the run.
    pub fn at(self, github: &GitHub, run: u64) -> Self {
        self.env("GITHUB_API_URL", github.url())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_RUN_ID", run.to_string())
    }

    /// Adds the directory of a trial, `chaos-results`.
    pub fn with_trial(self, before: &[&str], after: &[&str]) -> Self {
        for (arm, runs) in [("before", before), ("after", after)] {
            for (at, what) in runs.iter().enumerate() {
                let path = format!("chaos-results/{arm}/journal-{}.json", at + 1);
                self.sandbox.write(&path, journal(&format!("{arm}{at}"), what, &[]).to_string());
            }
        }
        self
    }

    /// Adds the directory of a single run.
    pub fn with_run(self, journal: &Value) -> Self {
        self.sandbox.write("chaos-results/journal.json", journal.to_string());
        self
    }

    pub fn publish(&self, more: &[&str]) -> ProcessResult {
        let finished = self.sandbox.run(["publish"].iter().chain(more));
        self.leaks_nothing(&finished);
        heard(&finished);
        finished
    }

    pub fn ci(&self, more: &[&str]) -> ProcessResult {
        let finished = self.sandbox.run(["ci"].iter().chain(more));
        self.leaks_nothing(&finished);
        finished
    }

    /// Asserts that no output contains the token.
    fn leaks_nothing(&self, finished: &ProcessResult) {
        let mut written = vec![finished.stdout.clone(), finished.stderr.clone()];
        for name in ["summary.md", "outputs", "all.log"] {
            written.extend(std::fs::read_to_string(self.sandbox.path(name)));
        }
        for text in written {
            let line = text.lines().find(|line| line.contains(TOKEN));
            assert_eq!(line, None, "the token leaks");
        }
    }

    /// The outputs of the step as the runner reads them.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let text = self.sandbox.read("outputs");
        let mut lines = text.lines();
        let mut found = BTreeMap::new();
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("{line}"));
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            found.insert(name.to_owned(), value.join("\n"));
        }
        found
    }
}

/// The event of pull request 5 from a repository.
pub fn pull_request(from: &str) -> Value {
    json!({"action": "opened", "number": 5, "pull_request": {"number": 5, "title": "::error::x",
        "head": {"ref": "fix", "sha": "abc", "repo": {"full_name": from}},
        "base": {"ref": "main", "sha": "def", "repo": {"full_name": REPOSITORY}}}})
}

/// Removes the escapes from Markdown.
pub fn shown(markdown: &str) -> String {
    markdown.replace(['\\', '`'], "")
}

/// The workflow commands that the runner would execute. The old form counts anywhere in a line.
fn heard(finished: &ProcessResult) -> Vec<String> {
    let mut found = Vec::new();
    for line in finished.stdout.lines().chain(finished.stderr.lines()) {
        assert!(!line.contains("##["), "{line}");
        if let Some(command) = line.trim_start().strip_prefix("::") {
            let name = command.split([' ', ':']).next().unwrap();
            assert!(["error", "warning", "notice"].contains(&name), "{line}");
            found.push(line.trim_start().to_owned());
        }
    }
    found
}
