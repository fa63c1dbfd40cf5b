//! What `ci` and `publish` write on GitHub: comments, summaries, annotations, outputs.

use serde_json::{Value, json};

use super::{Transcript, check_all};
use crate::compare::{Seen, journal};
use crate::github::artifacts::workflow_run;
use crate::github::ci::{deviating, touching};
use crate::github::mock::{GitHub, REPOSITORY, US};
use crate::github::{Job, pull_request};

/// Publishes the results of a job, and adds everything that GitHub shows.
fn publish(said: &mut Transcript, github: &GitHub, job: &Job, line: &str) {
    let words = shlex::split(line).unwrap();
    let finished = job.publish(&words.iter().map(String::as_str).collect::<Vec<_>>());
    said.record(&job.sandbox, &format!("publish {line}"), &finished);
    for comment in github.of(US) {
        said.text(&job.sandbox, &format!("comment on pull request {}", comment.pull_request), &comment.body);
    }
    said.text(&job.sandbox, "job summary", &job.sandbox.read("summary.md"));
    let outputs = job.outputs().into_iter().map(|(name, value)| format!("{name}={value}\n"));
    said.text(&job.sandbox, "outputs", &outputs.collect::<String>());
}

#[test]
fn comments_on_pull_requests_match() {
    let own = Job::of_a_pull_request;
    let fork = || Job::new("pull_request", &pull_request("eve/web"));
    let (held, failed, void) = (["held"; 3], ["failed"; 3], ["void"; 3]);
    let elsewhere = || {
        let job = own();
        job.sandbox.write("e.json", deviating().to_string());
        job.sandbox.write("base.json", touching().to_string());
        job.with_run(&journal("a", "held", &[]))
    };
    let sampled = journal("a", "failed", &[("p", Seen { ok: 900, recovered: Some(2.5), p95: 80.0 })]);
    let check = |name: &str, job: Job, line: &str| -> (String, String) {
        let (github, mut said) = (GitHub::start(), Transcript::new());
        publish(&mut said, &github, &job.at(&github, 7), line);
        (format!("comment-{name}"), said.text)
    };
    let all = [
        check("fixed", own().with_trial(&failed, &held), "--comment-id web"),
        check("broken", own().with_trial(&held, &failed), "--comment-id web"),
        check("unchanged", own().with_trial(&held, &held), "--comment-id web"),
        check("inconclusive", own().with_trial(&held, &void), "--comment-id web"),
        check("seen-once", own().with_trial(&["failed"], &["held"]), "--comment-id web"),
        check("one-arm", own().with_trial(&held, &[]), "--comment-id web"),
        check("single-run", own().with_run(&sampled), "--comment-id web"),
        check("fork", fork().with_trial(&held, &failed), "--comment-id web"),
        check("changed-experiment", elsewhere(), "--experiment e.json --base-experiment base.json"),
        check("missing-base", elsewhere(), "--experiment e.json --base-experiment nowhere.json"),
    ];
    check_all("comment-", &all);
}

#[test]
fn successive_comments_match() {
    let github = GitHub::start();
    let mut said = Transcript::new();
    let job = |run: u64| Job::of_a_pull_request().at(&github, run).with_trial(&["failed"; 3], &["held"; 3]);
    let mut note = |heading: &str, job: Job, line: &str| {
        said.heading(heading);
        let words = shlex::split(line).unwrap();
        let finished = job.publish(&words.iter().map(String::as_str).collect::<Vec<_>>());
        said.record(&job.sandbox, &format!("publish {line}"), &finished);
    };
    note("the first run", job(7), "--comment-id web");
    note("another job of the same run", job(7), "--comment-id web");
    note("a later run", job(9), "--comment-id web");
    note("an older run", job(8), "--comment-id web");
    note("no change", job(10), "--comment-id web --comment on-change");
    note("not on failure", job(11), "--comment-id other --comment on-failure");
    note("never", job(12), "--comment never");
    note("another author", job(13), "--comment-id third --comment-author 'chaos-app[bot]'");
    note("a dry run", job(14), "--comment-id web --dry-run");
    let push = |more: &str| {
        let job = Job::new("push", &json!({"ref": "refs/heads/fix/it"})).at(&github, 1);
        let job = job.env("GITHUB_REF", "refs/heads/fix/it").env("GITHUB_SHA", "abc");
        (job.with_trial(&["held"], &["held"]), more.to_owned())
    };
    let mut note_push = |heading: &str, (job, line): (Job, String)| note(heading, job, &line);
    note_push("a push", push(""));
    note_push("a push without a pull request", push("--comment always"));
    github.open(5, "shop/web", "fix/it", "abc");
    note_push("a push of a pull request", push("--comment always"));
    note_push("a dry run of a push", push("--comment always --dry-run"));
    github.open(6, "shop/web", "fix/it", "abc");
    note_push("a push of two pull requests", push("--comment always"));
    said.check("comments-over-time");
}

#[test]
fn comments_of_artifacts_match() {
    let mut said = Transcript::new();
    let mut gone = workflow_run("fix");
    gone["workflow_run"]["head_repository"] = Value::Null;
    let mut pushed = workflow_run("fix");
    pushed["workflow_run"]["event"] = json!("push");
    let mut note = |heading: &str, event: &Value, line: &str| {
        let github = GitHub::start();
        github.open(5, "eve/web", "fix", "abc");
        let job = Job::new("workflow_run", event).at(&github, 500).with_trial(&["failed"; 3], &["held"; 3]);
        said.heading(heading);
        publish(&mut said, &github, &job, line);
    };
    note("the pull request of the run", &workflow_run("fix"), "--comment-id web");
    note("no such pull request", &workflow_run("other"), "--comment-id web");
    note("the repository is gone", &gone, "--comment-id web");
    note("the run of a push", &pushed, "--comment-id web");
    note("an event that cannot be read", &json!({"workflow_run": {"id": "x"}}), "--comment-id web");
    note("a dry run", &workflow_run("fix"), "--comment-id web --dry-run");
    said.check("comments-of-artifacts");
}

#[test]
fn ci_job_output_matches() {
    let mut said = Transcript::new();
    let mut note = |heading: &str, change: &dyn Fn(&mut Value), line: &str| {
        let job = Job::of_a_pull_request();
        let mut experiment = deviating();
        change(&mut experiment);
        job.sandbox.write("it", "");
        job.sandbox.write("e.json", serde_json::to_string_pretty(&experiment).unwrap());
        job.sandbox.write("base.json", touching().to_string());
        let words = shlex::split(line).unwrap();
        let finished = job.ci(&words.iter().map(String::as_str).collect::<Vec<_>>());
        said.heading(heading);
        said.record(&job.sandbox, &format!("ci {line}"), &finished);
        let outputs = job.outputs().into_iter().map(|(name, value)| format!("{name}={value}\n"));
        said.text(&job.sandbox, "outputs", &outputs.collect::<String>());
        let finished = job.publish(&["--comment", "never", "--experiment", "e.json"]);
        said.record(&job.sandbox, "publish --comment never --experiment e.json", &finished);
    };
    note("a run that deviates", &|_| {}, "--experiment e.json");
    note("a run that holds", &|e| e["method"] = json!([]), "--experiment e.json");
    note(
        "an action that fails",
        &|e| e["method"][0]["provider"]["path"] = json!("false"),
        "--experiment e.json",
    );
    note(
        "a steady state that is not met to begin with",
        &|e| e["steady-state-hypothesis"]["probes"][0]["tolerance"] = json!(7),
        "--experiment e.json",
    );
    note(
        "a rollback that fails",
        &|e| {
            e["rollbacks"] =
                json!([{"type": "action", "name": "undo", "provider": {"type": "process", "path": "false"}}]);
        },
        "--experiment e.json",
    );
    note("an invalid experiment", &|e| e["method"] = Value::Null, "--experiment e.json");
    note("a changed experiment", &|_| {}, "--experiment e.json --base-experiment base.json");
    note("a new experiment", &|_| {}, "--experiment e.json --base-experiment nowhere.json");
    assert_eq!(REPOSITORY, "shop/web");
    said.check("ci-job");
}
