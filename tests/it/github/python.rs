//! The Python mock, which workflow tests use, behaves like the Rust mock.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::Job;
use super::mock::TOKEN;

/// A Python server that stops when it is dropped.
struct Mock {
    child: Child,
    address: String,
}

impl Mock {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/action/github_mock.py");
        let mut child = Command::new("python3")
            .args([script, "--token", TOKEN, "--page", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: format!("http://127.0.0.1:{}", line.trim()) }
    }

    /// Updates and returns its state.
    fn state(&self, put: Option<&Value>) -> Value {
        let mut curl = Command::new("python3");
        let script = "import sys,urllib.request as u; d=sys.argv[2].encode() or None; \
             print(u.urlopen(u.Request(sys.argv[1],data=d,method='PUT' if d else 'GET')).read().decode())";
        let body = put.map(Value::to_string).unwrap_or_default();
        let output = curl.args(["-c", script, &format!("{}/_state", self.address), &body]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "needs Python"]
fn python_mock_matches_rust_mock() {
    let mock = Mock::start();
    let job = |run: u64| {
        let job =
            Job::of_a_pull_request().env("GITHUB_API_URL", mock.address.clone()).env("GITHUB_TOKEN", TOKEN);
        job.env("GITHUB_RUN_ID", run.to_string()).with_trial(&["failed"; 3], &["held"; 3])
    };
    let eve = |number: u64| json!({"id": number, "pull_request": 5, "login": "eve", "body": "nice"});
    mock.state(Some(&json!({"comments": [eve(1), eve(2), eve(3)]})));
    job(1).publish(&["--comment-id", "web"]).exits(0).reports("commented on pull request #5");
    job(2).publish(&["--comment-id", "web"]).exits(0).reports("updated the comment on pull request #5");
    let comments = mock.state(None)["comments"].clone();
    assert_eq!(comments.as_array().unwrap().len(), 4);
    assert!(comments[3]["body"].as_str().unwrap().contains("[run 2]"), "{comments}");
    let faults = json!([{"method": "GET", "status": 502}, {"method": "PATCH", "status": 429, "headers": {"Retry-After": "1"}}]);
    mock.state(Some(&json!({"faults": faults})));
    job(3).publish(&["--comment-id", "web"]).exits(0).reports("updated the comment");
    mock.state(Some(&json!({"gone": [comments[3]["id"]]})));
    job(4).publish(&["--comment-id", "web"]).exits(0).reports("commented on");
    mock.state(Some(&json!({"longest": 100})));
    job(5).publish(&["--comment-id", "web"]).exits(0).reports("422 Unprocessable");
    mock.state(Some(&json!({"may_write": false, "longest": 65_536})));
    job(6).publish(&["--comment-id", "web"]).exits(0).reports("permissions: pull-requests: write");
    let head = json!({"ref": "fix", "sha": "abc", "repo": {"full_name": "eve/web"}});
    let pulls = json!([{"number": 5, "state": "open", "head": head, "base": {"ref": "main", "sha": "0", "repo": null}}]);
    mock.state(Some(&json!({"may_write": true, "pulls": pulls})));
    let event = json!({"workflow_run": {"id": 7, "event": "pull_request", "head_branch": "fix", "head_sha": "abc",
        "head_repository": {"full_name": "eve/web"}}});
    let hostile = Job::new("workflow_run", &event)
        .env("GITHUB_API_URL", mock.address.clone())
        .env("GITHUB_TOKEN", TOKEN)
        .with_trial(&["failed"], &["held"]);
    hostile.publish(&["--comment-id", "web"]).exits(0).reports("updated the comment on pull request #5");
}
