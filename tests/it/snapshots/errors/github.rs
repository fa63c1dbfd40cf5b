//! Jobs that must not run, clusters that they must not use, and errors of the GitHub API.

use serde_json::{Value, json};

use super::Transcript;
use crate::compare::journal;
use crate::github::ci::{cluster, deviating, touching};
use crate::github::mock::{Fault, GitHub, REPOSITORY, TOKEN};
use crate::github::{Job, pull_request};
use crate::harness::{Sandbox, with};

fn words(line: &str) -> Vec<String> {
    shlex::split(line).unwrap()
}

fn ci(said: &mut Transcript, job: &Job, heading: &str, line: &str) {
    let words = words(line);
    let finished = job.ci(&words.iter().map(String::as_str).collect::<Vec<_>>());
    said.heading(heading);
    said.record(&job.sandbox, &format!("ci {line}"), &finished);
}

fn publish(said: &mut Transcript, job: &Job, heading: &str, line: &str) {
    let words = words(line);
    let finished = job.publish(&words.iter().map(String::as_str).collect::<Vec<_>>());
    said.heading(heading);
    said.record(&job.sandbox, format!("publish {line}").trim_end(), &finished);
}

#[test]
fn ci_event_errors_match() {
    let mut said = Transcript::new();
    let comment = json!({"action": "created", "issue": {"number": 5, "pull_request": {"url": "u"}}});
    for (event, file) in [
        ("pull_request_target", pull_request("eve/web")),
        ("workflow_run", pull_request("eve/web")),
        ("issue_comment", comment.clone()),
        ("issue_comment", json!("nonsense")),
        ("issues", comment),
        ("repository_dispatch", pull_request(REPOSITORY)),
    ] {
        let job = Job::new(event, &file);
        job.sandbox.write("e.json", touching().to_string());
        ci(&mut said, &job, event, "--experiment e.json --allow-context '*'");
    }
    said.check("errors-ci-events");
}

#[test]
fn ci_cluster_errors_match() {
    let mut said = Transcript::new();
    let mut check = |heading: &str, job: Job, contexts: &[&str], flags: &str| {
        let (server, config) = cluster(&job.sandbox, contexts);
        job.sandbox.write("e.json", touching().to_string());
        ci(&mut said, &job, heading, format!("--experiment e.json --kubeconfig {config} {flags}").trim_end());
        assert!(server.requests().is_empty(), "{heading}");
    };
    let fork = || Job::new("pull_request", &pull_request("eve/web"));
    let own = Job::of_a_pull_request;
    check("a pull request", own(), &["prod"], "");
    check("a similar name", own(), &["my-kind-ci"], "");
    check("another context", own(), &["kind-ci", "prod"], "--context prod");
    check("another cluster", own(), &["kind-ci"], "--cluster c");
    check("another server", own(), &["kind-ci"], "--server http://127.0.0.1:1");
    check("another pattern", own(), &["prod"], "--allow-context pre*");
    check("a push", Job::new("push", &json!({"ref": "refs/heads/main"})), &["prod"], "");
    check("a fork", fork(), &["prod"], "--allow-context '*'");
    check("an unknown repository", Job::new("pull_request", &json!({})), &["prod"], "--allow-context '*'");
    let mut keys = touching();
    keys["method"][1]["provider"]["secrets"] = json!(["k8s"]);
    for secrets in [json!({"KUBERNETES_CONTEXT": "prod"}), json!({"KUBERNETES_HOST": "http://127.0.0.1:1"})] {
        let job = own();
        let (_server, config) = cluster(&job.sandbox, &["kind-ci", "prod"]);
        let one = with(keys.clone(), &json!({"secrets": {"k8s": secrets}}));
        job.sandbox.write("e.json", one.to_string());
        ci(&mut said, &job, "keys of the experiment", &format!("--experiment e.json --kubeconfig {config}"));
    }
    said.heading("a job that recovers");
    let job = own();
    let (server, config) = cluster(&job.sandbox, &["production"]);
    let record = json!({"schema": "kubectl-chaos/trial/v1", "trial": "0a1b2c3d", "state": "running",
        "cluster": server.url("").trim_end_matches('/'), "context": "production"});
    job.sandbox.write("chaos-results/trial.json", record.to_string());
    let recover = format!("recover --from chaos-results --yes --kubeconfig {config}");
    said.call(&job.sandbox, &recover);
    said.check("errors-ci-clusters");
}

#[test]
fn ci_folder_errors_match() {
    let mut said = Transcript::new();
    let held = journal("a", "held", &[]).to_string();
    let run = "--experiment e.json";
    let trial = "--experiment e.json --embedded --before m --after m";
    for (file, content, line) in [
        ("comparison.json", "{}", run),
        ("before/journal-1.json", held.as_str(), run),
        ("journal-1.json", held.as_str(), run),
        ("trial.json", "{}", run),
        ("before/journal-1.json", held.as_str(), trial),
        ("other", "x", trial),
    ] {
        let job = Job::of_a_pull_request();
        job.sandbox.write("e.json", deviating().to_string());
        job.sandbox.write("m/m.yaml", "");
        job.sandbox.write(&format!("chaos-results/{file}"), content);
        ci(&mut said, &job, &format!("chaos-results/{file}"), line);
    }
    let job = Job::of_a_pull_request();
    job.sandbox.write("e.json", deviating().to_string());
    job.sandbox.write("file", "");
    ci(&mut said, &job, "a file for a folder", "--experiment e.json --output-dir file");
    ci(&mut said, &job, "no experiment", "");
    ci(&mut said, &job, "a missing experiment", "--experiment nowhere.json");
    let job = job.env("GITHUB_OUTPUT", "/no/such/folder/outputs");
    ci(&mut said, &job, "outputs that cannot be written", "--experiment nowhere.json");
    said.check("errors-ci-folders");
}

#[test]
fn github_api_errors_match() {
    let mut said = Transcript::new();
    let mut check = |heading: &str, faults: Vec<Fault>| {
        let github = GitHub::start();
        github.state().faults.extend(faults);
        let job = Job::of_a_pull_request().at(&github, 7).with_trial(&["held"], &["held"]);
        publish(&mut said, &job, heading, "--comment-id web");
    };
    let body = |body: &str| Fault { body: body.to_owned(), ..Fault::new("GET", 200, "") };
    check("404", vec![Fault::new("GET", 404, "Not Found")]);
    check("401", vec![Fault::new("GET", 401, "Bad credentials")]);
    check("403", vec![Fault::new("POST", 403, "Resource not accessible by integration")]);
    check("410", vec![Fault::new("POST", 410, "Issues are disabled")]);
    check(
        "422",
        vec![Fault::new("POST", 422, "Validation Failed"), Fault::new("POST", 422, "Validation Failed")],
    );
    check("locked", vec![Fault::new("POST", 403, "Unable to create comment because issue is locked.")]);
    check("301", vec![Fault::new("GET", 301, "Moved Permanently").header("Location", "http://127.0.0.1:1/")]);
    check("418", vec![Fault::new("GET", 418, "no")]);
    check("too many", vec![Fault::new("GET", 429, "slow down").header("Retry-After", "3600")]);
    check("no JSON", vec![body("<html>")]);
    check("no list", vec![body("{\"id\": 1}")]);
    check("no address", vec![body("[]").header("Link", "<:>; rel=\"next\"")]);
    check("another host", vec![body("[]").header("Link", "<http://127.0.0.1:1/>; rel=\"next\"")]);
    said.check("errors-publish-github");
}

#[test]
fn publish_errors_match() {
    let mut said = Transcript::new();
    let held = || journal("a", "held", &[]);
    let job = || Job::of_a_pull_request().with_run(&held());
    publish(&mut said, &job(), "no token", "");
    for (name, value) in [
        ("GITHUB_API_URL", "http://api.example.com"),
        ("GITHUB_API_URL", "https://me:pw@api.example.com"),
        ("GITHUB_API_URL", "nonsense"),
        ("GITHUB_REPOSITORY", "web"),
        ("GITHUB_REPOSITORY", ""),
        ("GITHUB_RUN_ID", "x"),
        ("GITHUB_RUN_ATTEMPT", "x"),
        ("GITHUB_EVENT_PATH", "/nowhere"),
        ("GITHUB_EVENT_PATH", ""),
        ("GITHUB_TOKEN", "a\nb"),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
    ] {
        let job = job().env("GITHUB_API_URL", "http://127.0.0.1:1").env("GITHUB_TOKEN", TOKEN);
        publish(&mut said, &job.env(name, value), &format!("{name}={value:?}"), "");
    }
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let job = job().env(name, "/no/such/folder/file");
        publish(&mut said, &job, &format!("{name}=/no/such/folder/file"), "--comment never");
    }
    let job = job();
    for line in [
        "--comment never --junit no/folder/x.xml",
        "nowhere.json",
        "nowhere.json chaos-results",
        "../outside.json --workflow-run",
        "--comment never --experiment nowhere.json",
    ] {
        publish(&mut said, &job, "", line);
    }
    publish(&mut said, &Job::of_a_pull_request(), "no journals", "");
    let both = Job::of_a_pull_request().with_run(&held()).with_trial(&["held"], &["held"]);
    publish(&mut said, &both, "journals of a run and of a trial", "--comment never");
    let event: Value = json!({"workflow_run": {"id": 1, "event": "pull_request", "head_sha": "abc"}});
    let job = Job::new("workflow_run", &event).with_run(&held());
    publish(&mut said, &job, "a pull request for an artifact", "--pull-request 5");
    std::fs::remove_file(job.sandbox.path("chaos-results/journal.json")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", job.sandbox.path("chaos-results/journal.json")).unwrap();
    publish(&mut said, &job, "a link in an artifact", "");
    let full = Job::of_a_pull_request().with_run(&held());
    full.sandbox.write("summary.md", "x".repeat(1_100_000));
    publish(&mut said, &full, "no room in the summary", "--comment never");
    said.heading("outside of a job");
    let sandbox = Sandbox::new();
    sandbox.write("journal.json", held().to_string());
    said.calls(&sandbox, &["publish journal.json", "publish journal.json --dry-run", "publish"]);
    said.check("errors-publish");
}
