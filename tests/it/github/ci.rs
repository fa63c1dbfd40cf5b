//! `ci`: what a job runs, which clusters it may use, and the outputs for later steps.

use serde_json::{Value, json};

use super::mock::{GitHub, TOKEN, US};
use super::{Job, REPOSITORY, pull_request, shown};
use crate::compare::journal;
use crate::harness::{ProcessResult, Response, Sandbox, Server, experiment, function, with};

pub fn process(path: &str, arguments: &[&str]) -> Value {
    json!({"type": "process", "path": path, "arguments": arguments})
}

/// An experiment whose method removes the file that its steady state requires.
pub fn deviating() -> Value {
    let probe = json!({"type": "probe", "name": "it is there", "tolerance": 0, "provider": process("test", &["-e", "it"])});
    let method = json!([{"type": "action", "name": "remove", "provider": process("rm", &["it"])}]);
    with(experiment(&method), &json!({"steady-state-hypothesis": {"title": "h", "probes": [probe]}}))
}

/// An API server, and a kubeconfig with these contexts for it. The first one is current.
pub fn cluster(sandbox: &Sandbox, contexts: &[&str]) -> (Server, String) {
    let server = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => Response::json(&json!({"metadata": {}, "items": []})),
    });
    let all: Vec<Value> =
        contexts.iter().map(|name| json!({"name": name, "context": {"cluster": "c", "user": "u"}})).collect();
    let config = json!({"current-context": contexts[0], "contexts": all,
        "clusters": [{"name": "c", "cluster": {"server": server.url("")}}], "users": [{"name": "u", "user": {}}]});
    let path = sandbox.write("config", config.to_string()).display().to_string();
    (server, path)
}

/// An experiment that creates a file, and then probes a cluster.
pub fn touching() -> Value {
    experiment(&json!([
        {"type": "action", "name": "begin", "provider": process("touch", &["begun"])},
        function("probe", "pod.probes", "count_pods", &json!({"label_selector": "a=b"}))]))
}

#[test]
fn ci_works_outside_github() {
    let sandbox = Sandbox::new();
    sandbox.write("it", "");
    sandbox.write("e.json", deviating().to_string());
    let finished = sandbox.run(["ci", "--experiment", "e.json"]).exits(1);
    assert!(
        finished.stdout.starts_with("deviated: ") && !finished.stdout.contains("::"),
        "{}",
        finished.stdout
    );
    for file in ["journal.json", "junit.xml", "summary.md"] {
        assert!(sandbox.path(&format!("chaos-results/{file}")).is_file(), "{file}");
    }
    // rollbacks always run here
    let rolled = with(
        deviating(),
        &json!({"rollbacks": [{"type": "action", "name": "back", "provider": process("touch", &["it"])}]}),
    );
    sandbox.write("it", "");
    sandbox.write("e.json", rolled.to_string());
    sandbox.run(["ci", "--experiment", "e.json", "--output-dir", "out"]).exits(1);
    assert_eq!(sandbox.json("out/journal.json")["rollbacks"][0]["status"], "succeeded");
}

#[test]
fn ci_sets_step_outputs() {
    let job = Job::of_a_pull_request();
    job.sandbox.write("it", "");
    job.sandbox.write("e.json", deviating().to_string());
    job.ci(&["--experiment", "e.json"]).exits(1);
    let outputs = job.outputs();
    let of = |name: &str| outputs[name].as_str();
    assert_eq!((of("verdict"), of("after"), of("exit-code")), ("deviated", "", "1"));
    assert_eq!(of("journals"), "chaos-results/journal.json");
    assert_eq!((of("junit"), of("markdown")), ("chaos-results/junit.xml", "chaos-results/summary.md"));
    assert_eq!(of("output-dir"), "chaos-results");
    // also when nothing runs; results of an earlier run are not its results
    std::fs::write(job.sandbox.path("outputs"), "").unwrap();
    job.ci(&["--experiment", "nowhere.json"]).exits(3);
    let outputs = job.outputs();
    assert_eq!((outputs["verdict"].as_str(), outputs["exit-code"].as_str()), ("", "3"));
    assert_eq!((outputs["journals"].as_str(), outputs["junit"].as_str()), ("", ""));
    std::fs::write(job.sandbox.path("outputs"), "").unwrap();
    job.ci(&[]).exits(2).reports("no experiment");
    assert_eq!(job.outputs()["exit-code"], "2");
}

/// A pull request may contain the results directory: then nothing runs, is published, or is deleted.
#[test]
fn results_committed_in_pull_request_are_not_published() {
    let arms =
        [with_journal("before/journal-1.json", "failed"), with_journal("after/journal-1.json", "held")];
    let single = &["--experiment", "e.json"][..];
    let trial = &["--experiment", "e.json", "--embedded", "--before", "m", "--after", "m"][..];
    let check = |files: &[(String, String)], line: &[&str], says: &str, stays: bool| {
        let job = Job::of_a_pull_request();
        job.sandbox.write("e.json", deviating().to_string());
        job.sandbox.write("it", "");
        job.sandbox.write("m/m.yaml", "");
        for (name, text) in files {
            job.sandbox.write(&format!("chaos-results/{name}"), text);
        }
        let finished = job.ci(line);
        assert!(finished.code.is_some_and(|code| code > 1), "{says}: {}", finished.stderr);
        assert!(finished.stderr.contains(says), "{says}: {}", finished.stderr);
        let outputs = job.outputs();
        for (name, value) in &outputs {
            assert!(value.is_empty() || ["exit-code", "output-dir"].contains(&name.as_str()), "{outputs:?}");
        }
        assert_eq!(outputs["exit-code"], finished.code.unwrap().to_string());
        assert!(job.sandbox.path("it").exists(), "it ran");
        let name = &files[0].0;
        assert_eq!(job.sandbox.path(&format!("chaos-results/{name}")).exists(), stays, "{name}");
    };
    let forged = ("comparison.json".to_owned(), json!({"verdict": "fixed", "after": "holds"}).to_string());
    let with = |more: &[(String, String)]| [&arms[..], more].concat();
    check(&with(std::slice::from_ref(&forged)), trial, "which was not written by kubectl-chaos", true);
    check(&with(&[]), single, "contains before, which was not written by kubectl-chaos", true);
    check(std::slice::from_ref(&forged), single, "contains comparison.json", true);
    check(&[with_journal("journal-1.json", "held")], single, "contains journal-1.json", true);
    check(&[("before".to_owned(), String::new())], single, "contains before", true);
    // a directory that looks like that of a trial is emptied
    let record = ("trial.json".to_owned(), "{}".to_owned());
    let nowhere = ["--experiment", "nowhere.json", "--embedded", "--before", "m", "--after", "m"];
    let all = with(&[with_journal("journal-7.json", "held"), forged, record]);
    check(&all, &nowhere, "nowhere.json", false);
}

/// A handwritten journal, and its name.
fn with_journal(name: &str, what: &str) -> (String, String) {
    (name.to_owned(), journal(name, what, &[]).to_string())
}

#[test]
fn ci_reads_inputs_from_env_variables() {
    let input = |pairs: &[(&str, &str)]| -> (Sandbox, ProcessResult) {
        let sandbox = Sandbox::new();
        sandbox.write("it", "");
        sandbox.write("e.json", with(deviating(), &json!({"configuration": {"a": 1, "b": "x"}})).to_string());
        let sandbox = pairs.iter().fold(sandbox, |sandbox, (name, value)| {
            sandbox.env(&format!("KUBECTL_CHAOS_INPUT_{name}"), *value)
        });
        let finished = sandbox.run(["ci"]);
        (sandbox, finished)
    };
    let given = [
        ("EXPERIMENT", "e.json"),
        ("OUTPUT_DIR", "out"),
        ("VAR", "a:int=2\n\n b=y \n"),
        ("EMBEDDED", "false"),
        ("REPEAT", ""),
    ];
    let (sandbox, finished) = input(&given);
    finished.exits(1);
    assert_eq!(sandbox.json("out/journal.json")["experiment"]["title"], "A test");
    let refused = |pairs: &[(&str, &str)], expected: &str| {
        let (sandbox, finished) = input(pairs);
        assert!(!sandbox.path("chaos-results").exists());
        finished.exits(2).reports(expected);
    };
    refused(
        &[("EXPERIMENT", "e.json"), ("EMBEDDED", "True")],
        "invalid input 'embedded': expected true or false, not 'True'",
    );
    refused(
        &[("EXPERIMENT", "e.json"), ("IN_PLACE", "1")],
        "invalid input 'in-place': expected true or false",
    );
    refused(&[("EXPERIMENT", "a\nb")], "invalid input 'experiment': expected one value");
    refused(
        &[("EXPERIMENT", "e.json"), ("TIMEOUT", "soon")],
        "invalid value 'soon' for '--timeout <DURATION>'",
    );
    refused(&[("EXPERIMENT", "e.json"), ("BEFORE", "a")], "a trial requires --after");
    refused(&[("EXPERIMENT", "e.json"), ("FAIL_ON", "worse")], "invalid value 'worse' for '--fail-on");
}

#[test]
fn invalid_input_is_reported_as_annotation() {
    let job = Job::of_a_pull_request().env("KUBECTL_CHAOS_INPUT_TIMEOUT", "soon\u{20}::error::x");
    let finished = job.ci(&["--experiment", "e.json"]).exits(2);
    let annotation =
        "::error title=kubectl-chaos::invalid value 'soon ::error::x' for '--timeout <DURATION>'";
    assert!(finished.stdout.starts_with(annotation), "{}", finished.stdout);
    assert_eq!(finished.stdout.lines().count(), 1);
    assert_eq!(job.outputs(), [("exit-code".to_owned(), "2".to_owned())].into());
    let job = Job::of_a_pull_request().env("KUBECTL_CHAOS_INPUT_COMMENT", "sometimes");
    let finished = job.publish(&[]).exits(2);
    assert!(finished.stdout.starts_with("::error title=kubectl-chaos::invalid value"), "{}", finished.stdout);
    assert!(job.outputs().is_empty());
    // other commands, and runs outside GitHub, print no annotations
    let job = Job::of_a_pull_request();
    assert_eq!(job.sandbox.run(["run", "--timeout", "soon"]).exits(2).stdout, "");
    assert_eq!(Sandbox::new().run(["ci", "--timeout", "soon"]).exits(2).stdout, "");
}

#[test]
fn ci_refuses_events_with_base_branch_permissions() {
    let comment = json!({"action": "created", "issue": {"number": 5, "pull_request": {"url": "u"}}});
    let own = pull_request(REPOSITORY);
    for (event, file) in [
        ("pull_request_target", pull_request("eve/web")),
        ("workflow_run", pull_request("eve/web")),
        // a comment runs the workflow of the default branch, which may check out any code
        ("issue_comment", comment.clone()),
        ("issue_comment", json!("nonsense")),
        ("issues", comment),
        ("repository_dispatch", own),
    ] {
        let job = Job::new(event, &file);
        job.sandbox.write("e.json", touching().to_string());
        let finished = job.ci(&["--experiment", "e.json", "--allow-context", "*"]).exits(2);
        assert!(finished.stderr.contains(&format!("refusing to run on `{event}")), "{}", finished.stderr);
        assert!(
            finished.stdout.starts_with("::error title=kubectl-chaos::refusing to run on"),
            "{}",
            finished.stdout
        );
        assert!(!job.sandbox.path("begun").exists() && !job.sandbox.path("chaos-results").exists());
    }
    // a comment on an issue belongs to no pull request
    let issue = json!({"action": "created", "issue": {"number": 5}});
    may(&Job::new("issue_comment", &issue), &["prod"], &["--allow-context", "prod"], true, "");
}

/// Runs an experiment that uses a cluster, and checks whether it is allowed.
fn may(job: &Job, contexts: &[&str], more: &[&str], allowed: bool, says: &str) {
    let (server, config) = cluster(&job.sandbox, contexts);
    job.sandbox.write("e.json", touching().to_string());
    let finished = job.ci(&[&["--experiment", "e.json", "--kubeconfig", &config], more].concat());
    if allowed {
        finished.exits(0);
        assert!(!server.requests().is_empty());
        return;
    }
    let finished = finished.exits(4).reports(says);
    assert!(server.requests().is_empty() && !job.sandbox.path("begun").exists(), "{}", finished.stderr);
    assert_eq!(job.outputs()["exit-code"], "4");
}

#[test]
fn ci_allows_only_local_test_clusters_by_default() {
    let own = Job::of_a_pull_request;
    may(&own(), &["kind-ci"], &[], true, "");
    may(&own(), &["k3d-ci"], &[], true, "");
    may(&own(), &["minikube"], &[], true, "");
    let refused = "context 'prod' is not allowed";
    may(&own(), &["prod"], &[], false, refused);
    may(&own(), &["prod"], &[], false, "--allow-context prod");
    may(&own(), &["my-kind-ci"], &[], false, "context 'my-kind-ci' is not allowed");
    may(&own(), &["prod"], &["--allow-context", "pre*", "--allow-context", "prod"], true, "");
    may(&own(), &["kind-ci", "prod"], &["--context", "prod"], false, refused);
    may(&own(), &["prod", "kind-ci"], &["--context", "kind-ci"], true, "");
    // --strict=false does not allow it
    may(&own(), &["prod"], &["--strict=false"], false, refused);
    // a server other than that of the context is another cluster
    may(&own(), &["kind-ci"], &["--cluster", "c"], false, "context 'c' is not allowed");
    may(&own(), &["kind-ci"], &["--server", "http://127.0.0.1:1"], false, "has no context name");
    let push = || Job::new("push", &json!({"ref": "refs/heads/main"}));
    may(&push(), &["prod"], &[], false, refused);
    may(&push(), &["prod"], &["--allow-context", "prod"], true, "");
}

#[test]
fn allow_context_is_rejected_on_fork_pull_request() {
    let allow = ["--allow-context", "*"];
    let refused = "pull requests from forks allow no other";
    let fork = || Job::new("pull_request", &pull_request("eve/web"));
    may(&fork(), &["prod"], &allow, false, refused);
    may(&fork(), &["kind-ci"], &allow, true, "");
    // the fork was deleted
    let mut gone = pull_request("eve/web");
    gone["pull_request"]["head"]["repo"] = Value::Null;
    may(&Job::new("pull_request", &gone), &["prod"], &allow, false, refused);
    may(&Job::new("pull_request_review", &pull_request("eve/web")), &["prod"], &allow, false, refused);
    // the owner of the head branch is unknown
    may(&Job::new("pull_request", &json!({})), &["prod"], &allow, false, refused);
    may(&Job::new("pull_request", &json!("nonsense")), &["prod"], &allow, false, refused);
    may(
        &Job::new("pull_request", &json!({})).env("GITHUB_EVENT_PATH", "/nowhere"),
        &["prod"],
        &allow,
        false,
        refused,
    );
    may(
        &Job::new("pull_request", &json!({})).env("GITHUB_EVENT_PATH", ""),
        &["prod"],
        &allow,
        false,
        refused,
    );
    may(&Job::of_a_pull_request(), &["prod"], &allow, true, "");
}

#[test]
fn experiment_cannot_select_another_cluster() {
    let keys = |secrets: Value| {
        let mut experiment = touching();
        experiment["method"][1]["provider"]["secrets"] = json!(["k8s"]);
        with(experiment, &json!({"secrets": {"k8s": secrets}}))
    };
    let check = |experiment: &Value, env: Option<(&str, &str)>, with_config: bool, says: &str| {
        let job = Job::of_a_pull_request();
        let job = match env {
            Some((name, value)) => job.env(name, value),
            None => job,
        };
        let (server, config) = cluster(&job.sandbox, &["kind-ci", "prod"]);
        let text = experiment.to_string().replace("SERVER", &server.url(""));
        job.sandbox.write("e.json", text);
        let with_config: &[&str] = if with_config { &["--kubeconfig", &config] } else { &[] };
        let finished = job.ci(&[&["--experiment", "e.json"], with_config].concat()).exits(4).reports(says);
        assert!(!job.sandbox.path("begun").exists(), "{}", finished.stderr);
        let asked = server.requests();
        assert!(asked.is_empty(), "{asked:?}");
    };
    let prod = "context 'prod' is not allowed";
    check(&keys(json!({"KUBERNETES_CONTEXT": "prod"})), None, true, prod);
    check(&touching(), Some(("KUBERNETES_CONTEXT", "prod")), true, prod);
    check(
        &keys(json!({"KUBERNETES_CONTEXT": {"type": "env", "key": "WHICH"}})),
        Some(("WHICH", "prod")),
        true,
        prod,
    );
    let address = "a cluster given by its address has no context name and is not allowed";
    check(&keys(json!({"KUBERNETES_HOST": "SERVER"})), None, false, address);
    check(&touching(), Some(("KUBERNETES_HOST", "http://127.0.0.1:1")), false, address);
    // the allowed cluster may also be named
    let job = Job::of_a_pull_request();
    let (_server, config) = cluster(&job.sandbox, &["prod", "kind-ci"]);
    job.sandbox.write("e.json", keys(json!({"KUBERNETES_CONTEXT": "kind-ci"})).to_string());
    job.ci(&["--experiment", "e.json", "--kubeconfig", &config]).exits(0);
}

#[test]
fn configuration_cannot_read_job_variables() {
    let job = Job::of_a_pull_request()
        .env("GITHUB_TOKEN", TOKEN)
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-identity-of-the-job")
        .env("MY_OWN", "mine");
    let configuration = json!({
        "t": {"type": "env", "key": "GITHUB_TOKEN", "default": "none"},
        "i": {"type": "env", "key": "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "default": "none"},
        "o": {"type": "env", "key": "GITHUB_OUTPUT", "default": "none"},
        "m": {"type": "env", "key": "MY_OWN"}});
    let method = json!([{"type": "action", "name": "tell",
        "provider": process("sh", &["-c", "echo \"$0 $1 $2 $3\" > told; env > environment", "${t}", "${i}", "${o}", "${m}"])}]);
    job.sandbox
        .write("e.json", with(experiment(&method), &json!({"configuration": configuration})).to_string());
    job.ci(&["--experiment", "e.json"]).exits(0);
    assert_eq!(job.sandbox.read("told"), "none none none mine\n");
    let environment = job.sandbox.read("environment");
    for name in [TOKEN, "the-identity-of-the-job", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        assert!(!environment.contains(name), "{name}");
    }
}

/// No text of an experiment becomes a workflow command.
#[test]
fn workflow_commands_in_experiment_are_neutralised() {
    let job = Job::of_a_pull_request();
    let text = "::error::one\n::add-mask::e\r\n  ::set-output name=a::b ##[error]two";
    let method = json!([{"type": "action", "name": text, "provider": process("sh", &["-c", "echo '::error::three' >&2; exit 1"])}]);
    job.sandbox.write("e.json", with(experiment(&method), &json!({"title": text})).to_string());
    let finished = job.ci(&["--experiment", "e.json", "-v", "10"]).exits(5);
    let begin = finished.stdout.lines().next().unwrap();
    let name = begin.strip_prefix("::stop-commands::").unwrap();
    assert_eq!(finished.stdout.lines().last().unwrap(), format!("::{name}::"));
    for line in finished.stdout.lines().chain(finished.stderr.lines()) {
        let is_ours = line == begin || line == format!("::{name}::");
        assert!(is_ours || !line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
    }
    assert!(finished.stderr.contains("error::one"), "{}", finished.stderr);
}

#[test]
fn ci_reports_changed_experiment() {
    let check = |base: Option<&Value>, expected: Option<&str>| {
        let job = Job::of_a_pull_request();
        job.sandbox.write("it", "");
        job.sandbox.write("e.json", deviating().to_string());
        if let Some(base) = base {
            job.sandbox.write("base.json", base.to_string());
        }
        let finished = job.ci(&["--experiment", "e.json", "--base-experiment", "base.json"]).exits(1);
        let warned = finished
            .stdout
            .lines()
            .next()
            .unwrap()
            .starts_with("::warning title=kubectl-chaos::the experiment");
        assert_eq!(warned, expected.is_some(), "{}", finished.stdout);
        assert!(finished.stderr.contains(expected.unwrap_or_default()), "{}", finished.stderr);
    };
    check(Some(&deviating()), None);
    check(Some(&touching()), Some("this pull request changes its activities or probes"));
    check(None, Some("this pull request adds it"));
}

fn example(rest: &str) -> String {
    format!("{}/examples/service-down-not-visible-to-users/{rest}", env!("CARGO_MANIFEST_DIR"))
}

/// A trial within a job, configured by inputs alone, and its published results.
#[test]
fn ci_runs_trial_and_publish_comments() {
    let github = GitHub::start();
    let job = Job::of_a_pull_request()
        .at(&github, 1)
        .env("KUBECTL_CHAOS_INPUT_EXPERIMENT", example("experiment.json"))
        .env("KUBECTL_CHAOS_INPUT_BEFORE", format!("{}\n", example("01-before")))
        .env("KUBECTL_CHAOS_INPUT_AFTER", format!("\n  {}\n", example("03-after")))
        .env("KUBECTL_CHAOS_INPUT_COMMON", example("services"))
        .env("KUBECTL_CHAOS_INPUT_EMBEDDED", "true")
        .env("KUBECTL_CHAOS_INPUT_REPEAT", "1")
        .env("KUBECTL_CHAOS_INPUT_SAMPLE", "50ms")
        .env("KUBECTL_CHAOS_INPUT_VAR", "settle_seconds:float=0.5")
        .env("KUBECTL_CHAOS_INPUT_OUTPUT_DIR", "results");
    let temporary = job.sandbox.path("").display().to_string();
    let job = job.env("TMPDIR", temporary);
    job.ci(&[]).exits(0);
    let outputs = job.outputs();
    let of = |name: &str| outputs[name].as_str();
    assert_eq!((of("verdict"), of("after"), of("exit-code")), ("fixed", "holds", "0"));
    assert_eq!(of("journals"), "results/before/journal-1.json\nresults/after/journal-1.json");
    assert_eq!(
        (of("junit"), of("markdown"), of("output-dir")),
        ("results/junit.xml", "results/summary.md", "results")
    );
    std::fs::write(job.sandbox.path("outputs"), "").unwrap();
    job.publish(&[]).exits(0).reports("commented on pull request #5");
    let body = shown(&github.of(US)[0].body);
    assert!(body.contains(": fixed, seen once (after: holds)\n"), "{body}");
    assert_eq!(job.outputs()["markdown"], "results/summary.md");
    // as an untrusted artifact it has the same verdict
    let event = json!({"workflow_run": {"id": 9, "event": "push", "head_sha": "abc"}});
    let file = job.sandbox.write("run.json", event.to_string()).display().to_string();
    let hostile = job.env("GITHUB_EVENT_NAME", "workflow_run").env("GITHUB_EVENT_PATH", file);
    std::fs::write(hostile.sandbox.path("outputs"), "").unwrap();
    hostile.publish(&[]).exits(0).reports("no comment: the run was not triggered by a pull request");
    let derived = hostile.outputs();
    assert_eq!((derived["verdict"].as_str(), derived["after"].as_str()), ("fixed", "holds"));
    let job = hostile;
    // a later `recover` has nothing to do, and needs no cluster
    let cleaned = job.sandbox.run(["recover", "--from", "results", "--yes"]).exits(0);
    assert!(cleaned.stdout.starts_with("nothing to do"), "{}", cleaned.stdout);
}

#[test]
fn committed_trial_state_cannot_select_cluster() {
    let folder = |job: &Job, server: &Server, context: &str| {
        let record = json!({"schema": "kubectl-chaos/trial/v1", "trial": "0a1b2c3d", "state": "running",
            "cluster": server.url("").trim_end_matches('/'), "context": context});
        job.sandbox.write("chaos-results/trial.json", record.to_string());
    };
    let recover = ["recover", "--from", "chaos-results", "--yes"];
    let refused = |from: &str, more: &[&str]| {
        let job = Job::new("pull_request", &pull_request(from));
        let (server, config) = cluster(&job.sandbox, &["production"]);
        folder(&job, &server, "production");
        let job = job.env("KUBECONFIG", config);
        let finished = job.sandbox.run(recover.iter().chain(more)).exits(4);
        assert!(finished.stderr.contains("context 'production' is not allowed"), "{}", finished.stderr);
        assert!(server.requests().is_empty());
    };
    refused("eve/web", &[]);
    refused("eve/web", &["--allow-context", "production"]);
    refused(REPOSITORY, &[]);
    let asked = |job: Job, context: &str, more: &[&str]| {
        let (server, config) = cluster(&job.sandbox, &[context]);
        folder(&job, &server, context);
        let job = job.env("KUBECONFIG", config);
        job.sandbox.run(recover.iter().chain(more)).exits(0);
        assert!(!server.requests().is_empty());
    };
    asked(Job::new("pull_request", &pull_request("eve/web")), "kind-ci", &[]);
    asked(Job::of_a_pull_request(), "production", &["--allow-context", "prod*"]);
    // outside a job every cluster is allowed
    asked(Job { sandbox: Sandbox::new() }, "production", &[]);
}
