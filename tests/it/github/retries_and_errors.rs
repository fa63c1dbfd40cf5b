//! Errors of GitHub: refusals, rate limits, failures, wrong responses. The job continues, and the token stays
//! safe.

use std::time::{Duration, Instant};

use serde_json::json;

use super::mock::{Fault, GitHub, TOKEN, US};
use super::{Job, heard, pull_request, shown};
use crate::compare::journal;
use crate::harness::{Response, Sandbox, Server};

fn job(github: &GitHub) -> Job {
    Job::of_a_pull_request().at(github, 7).with_trial(&["held"], &["held"])
}

#[test]
fn read_only_token_of_fork_fails_nothing() {
    let github = GitHub::start();
    github.state().may_write = false;
    let job =
        Job::new("pull_request", &pull_request("eve/web")).at(&github, 7).with_trial(&["held"], &["failed"]);
    let finished = job.publish(&[]).exits(0);
    let warned = heard(&finished).into_iter().find(|line| line.starts_with("::warning")).unwrap();
    for text in [
        "POST /api/v3/repos/shop/web/issues/5/comments",
        "403",
        "permissions: pull-requests: write",
        "forks",
        "workflow_run",
    ] {
        assert!(finished.stderr.contains(text), "{text}: {}", finished.stderr);
    }
    assert!(warned.contains("cannot comment: "), "{warned}");
    // all other outputs exist
    let summary = shown(&job.sandbox.read("summary.md"));
    assert!(
        summary.contains("broken, seen once (after: fails)") && summary.contains("comes from a fork"),
        "{summary}"
    );
    assert_eq!(job.outputs()["comment-url"], "");
    // a refusal is not awaited
    assert_eq!(github.asked("POST"), 1);
}

#[test]
fn github_errors_are_reported_and_fail_nothing() {
    let check = |fault: Fault, expected: &[&str]| {
        let github = GitHub::start();
        github.state().faults.push(fault.clone());
        let finished = job(&github).publish(&[]).exits(0);
        for text in expected {
            assert!(finished.stderr.contains(text), "{fault:?}: {text} is not in {}", finished.stderr);
        }
        assert!(heard(&finished).iter().any(|line| line.starts_with("::warning")), "{}", finished.stdout);
        assert!(github.of(US).is_empty(), "{fault:?}");
    };
    check(
        Fault::new("GET", 404, "Not Found"),
        &[
            "GET /api/v3/repos/shop/web/issues/5/comments: 404 Not Found (Not Found)",
            "that the token can read it",
        ],
    );
    check(
        Fault::new("GET", 401, "Bad credentials"),
        &["401 Unauthorized (Bad credentials)", "pass a valid token"],
    );
    check(Fault::new("POST", 410, "Issues are disabled"), &["410 Gone", "enable issues"]);
    check(
        Fault::new("POST", 403, "Unable to create comment because issue is locked."),
        &["403 Forbidden", "unlock the conversation"],
    );
    check(
        Fault::new("GET", 301, "Moved Permanently").header("Location", "http://127.0.0.1:1/"),
        &["301 Moved Permanently"],
    );
    check(Fault { body: "<html>".to_owned(), ..Fault::new("GET", 200, "") }, &["invalid response"]);
    check(Fault { body: "{\"id\": 1}".to_owned(), ..Fault::new("GET", 200, "") }, &["invalid response"]);
    check(Fault::new("GET", 418, &format!("no, {TOKEN}!")), &["418 I'm a teapot (no, ***!)"]);
    check(Fault::new("GET", 404, "::error::x\n##[error]y\u{1b}[31m"), &["404 Not Found"]);
}

#[test]
fn redirect_within_the_host_is_followed() {
    for method in ["GET", "POST"] {
        let github = GitHub::start();
        let path = "/api/v3/repos/shop/web/issues/5/comments";
        github.state().faults.push(Fault::new(method, 301, "Moved Permanently").header("Location", path));
        job(&github).publish(&[]).exits(0).reports("commented on");
        assert_eq!(github.of(US).len(), 1, "{method}");
    }
}

#[test]
fn rate_limit_is_awaited() {
    let check = |fault: Fault| {
        let github = GitHub::start();
        github.state().faults.push(fault.clone());
        let begun = Instant::now();
        job(&github).publish(&[]).exits(0).reports("commented on");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{fault:?}");
        assert_eq!(github.of(US).len(), 1);
    };
    check(Fault::new("GET", 429, "slow down").header("Retry-After", "1"));
    check(Fault::new("POST", 403, "You have exceeded a secondary rate limit").header("Retry-After", "1"));
    check(
        Fault::new("POST", 403, "API rate limit exceeded")
            .header("X-RateLimit-Remaining", "0")
            .header("X-RateLimit-Reset", "1"),
    );
    // a wait of an hour is skipped
    let github = GitHub::start();
    github.state().faults.push(Fault::new("GET", 429, "slow down").header("Retry-After", "3600"));
    let begun = Instant::now();
    job(&github)
        .publish(&[])
        .exits(0)
        .reports("rate limit exceeded (slow down)\nhint: run the job again later");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(github.of(US).is_empty());
}

#[test]
fn server_error_is_retried() {
    let github = GitHub::start();
    github.state().faults.extend(vec![Fault::new("GET", 502, "Server Error"); 2]);
    job(&github).publish(&[]).exits(0).reports("commented on");
    assert_eq!(github.asked("GET"), 3);
    // a server that keeps failing is given up
    let github = GitHub::start();
    github.state().faults.extend(vec![Fault::new("GET", 503, "Unavailable"); 9]);
    job(&github).publish(&[]).exits(0).reports(
        "503 Service Unavailable (Unavailable)\nhint: run the job again later; GitHub has a problem",
    );
    assert_eq!(github.asked("GET"), 4);
}

#[test]
fn unreachable_github_is_reported() {
    let job = Job::of_a_pull_request().with_trial(&["held"], &["held"]);
    let job = job.env("GITHUB_API_URL", "http://127.0.0.1:1").env("GITHUB_TOKEN", TOKEN);
    job.publish(&[]).exits(0).reports("GET /repos/shop/web/issues/5/comments: cannot reach GitHub");
}

#[test]
fn token_is_not_sent_to_other_host() {
    let other = Server::start(|_| Response::json(&json!([])));
    let github = GitHub::start();
    let link = format!("<{}>; rel=\"next\"", other.url("/api/v3/repos/shop/web/issues/5/comments?page=2"));
    github
        .state()
        .faults
        .push(Fault { body: "[]".to_owned(), ..Fault::new("GET", 200, "").header("Link", link) });
    job(&github).publish(&[]).exits(0).reports("the next page is on another host");
    github.state().faults.push(Fault::new("GET", 302, "").header("Location", other.url("/")));
    job(&github).publish(&[]).exits(0).reports("302 Found");
    assert!(other.requests().is_empty());
    for refused in ["http://api.example.com", "https://me:pw@api.example.com", "nonsense"] {
        let job = Job::of_a_pull_request().env("GITHUB_API_URL", refused).env("GITHUB_TOKEN", TOKEN);
        job.with_run(&journal("a", "held", &[])).publish(&[]).exits(2).reports("GITHUB_API_URL");
    }
}

#[test]
fn pagination_loop_is_bounded() {
    let github = GitHub::start();
    let url = format!("{}/repos/shop/web/issues/5/comments?per_page=100", github.url());
    let same = Fault {
        body: "[]".to_owned(),
        ..Fault::new("GET", 200, "").header("Link", format!("<{url}>; rel=next"))
    };
    github.state().faults.extend(vec![same; 200]);
    job(&github).publish(&[]).exits(0).reports("too many pages");
    assert_eq!(github.asked("GET"), 100);
}

#[test]
fn missing_token_skips_only_the_comment() {
    let github = GitHub::start();
    let job = Job::of_a_pull_request().env("GITHUB_API_URL", github.url()).with_trial(&["held"], &["held"]);
    let finished = job.publish(&[]).exits(0).reports("no token\nhint: set GITHUB_TOKEN");
    assert!(!heard(&finished).is_empty() && job.sandbox.read("summary.md").contains("Lose a replica"));
    assert!(github.requests().is_empty());
}

#[test]
fn token_is_masked_in_all_output() {
    let github = GitHub::start();
    github.state().faults.push(Fault::new("POST", 500, &format!("Bearer {TOKEN} is broken")));
    let job = job(&github);
    // `publish` of the test searches the output
    let finished = job.publish(&["-v", "10", "--log-file", "all.log", "--log-file-level=debug"]).exits(0);
    assert!(!finished.stderr.is_empty() && !job.sandbox.read("all.log").is_empty());
    assert_eq!(github.of(US).len(), 1);
    let state = github.state();
    assert!(state.comments.iter().all(|comment| !comment.body.contains(TOKEN)));
}

#[test]
fn publish_dry_run_sends_and_writes_nothing() {
    let github = GitHub::start();
    let job = job(&github);
    let finished = job.publish(&["--dry-run", "--comment-id", "web"]).exits(0);
    assert!(finished.stdout.contains("### ⚪ Lose a replica"), "{}", finished.stdout);
    assert!(
        finished.stderr.contains("would write comment web on pull request #5 of shop/web"),
        "{}",
        finished.stderr
    );
    assert!(github.requests().is_empty());
    assert_eq!((job.sandbox.read("summary.md"), job.sandbox.read("outputs")), (String::new(), String::new()));
}

#[test]
fn publish_outside_github_writes_reports_only() {
    let sandbox = Sandbox::new();
    sandbox.write("journal.json", journal("a", "failed", &[]).to_string());
    let finished =
        sandbox.run(["publish", "journal.json", "--markdown", "report.md", "--junit", "report.xml"]).exits(0);
    assert!(finished.stdout.is_empty() && finished.stderr.contains("no comment"), "{finished:?}");
    assert!(
        sandbox.read("report.md").starts_with("### ") && sandbox.read("report.xml").contains("<testsuite")
    );
}

#[test]
fn unwritable_output_file_is_reported() {
    let job = Job::of_a_pull_request()
        .with_run(&journal("a", "held", &[]))
        .env("GITHUB_OUTPUT", "/no/such/folder/outputs");
    job.publish(&["--comment", "never"]).exits(7).reports("/no/such/folder/outputs");
    let job = Job::of_a_pull_request().with_run(&journal("a", "held", &[]));
    job.publish(&["--comment", "never", "--junit", "no/folder/x.xml"])
        .exits(2)
        .reports("cannot write no/folder/x.xml");
    job.publish(&["nowhere.json"]).exits(3).reports("nowhere.json");
    job.publish(&["--comment-id", "a b"]).exits(2).reports("letters, digits");
}

#[test]
fn publish_without_journals_causes_warning() {
    let job = Job::of_a_pull_request();
    let finished = job.publish(&[]).exits(0).reports("no journals found");
    assert!(heard(&finished)[0].starts_with("::warning"), "{}", finished.stdout);
    std::fs::create_dir(job.sandbox.path("chaos-results")).unwrap();
    job.publish(&[]).exits(0).reports("no journals found");
}

#[test]
fn job_summary_is_appended_and_truncated() {
    let job = Job::of_a_pull_request().with_run(&journal("a", "held", &[]));
    job.sandbox.write("summary.md", "what stood there");
    job.publish(&["--comment", "never"]).exits(0);
    let summary = job.sandbox.read("summary.md");
    assert!(summary.starts_with("what stood there\n\n### "), "{summary}");
    job.sandbox.write("summary.md", "x".repeat(999_000));
    job.publish(&["--comment", "never"]).exits(0);
    assert!(job.sandbox.read("summary.md").len() <= 1024 * 1024);
    job.sandbox.write("summary.md", "x".repeat(1_100_000));
    job.publish(&["--comment", "never"]).exits(0).reports("job summary skipped");
    assert_eq!(job.sandbox.read("summary.md").len(), 1_100_000);
}

#[test]
fn annotations_point_to_experiment_lines() {
    let job = Job::of_a_pull_request();
    let experiment = json!({"title": "t", "description": "d", "method": [
        {"type": "action", "name": "a, b: 100%", "provider": {"type": "process", "path": "false"}}],
        "steady-state-hypothesis": {"title": "h", "probes": [{"type": "probe", "name": "::error::x", "tolerance": 0,
            "provider": {"type": "process", "path": "test", "arguments": ["!", "-e", "it"]}}]}});
    job.sandbox.write("chaos/e.json", serde_json::to_string_pretty(&experiment).unwrap());
    job.sandbox.run(["run", "chaos/e.json", "--journal-path", "chaos-results/journal.json"]).exits(2);
    std::fs::create_dir(job.sandbox.path("chaos-results")).unwrap();
    job.sandbox.run(["run", "chaos/e.json", "--journal-path", "chaos-results/journal.json"]).exits(5);
    let finished = job.publish(&["--comment", "never", "--experiment", "chaos/e.json"]).exits(0);
    let line = experiment_line(&job.sandbox.read("chaos/e.json"), "a, b: 100%");
    let commands = heard(&finished);
    assert_eq!(
        commands,
        [format!(
            "::error file=chaos/e.json,line={line},title=a%2C b%3A 100%25::no effect observed: exit status 1"
        )]
    );
}

/// The line on which the activity with this name starts.
fn experiment_line(text: &str, name: &str) -> usize {
    let at = text.find(&format!("\"name\": \"{name}\"")).unwrap();
    let begin = text[..at].rfind('{').unwrap();
    text[..begin].matches('\n').count() + 1
}
