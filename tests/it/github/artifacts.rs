//! Artifacts are untrusted: their content is escaped text of limited size, and decides nothing.

use serde_json::{Value, json};

use super::mock::{GitHub, US};
use super::{Job, heard, pull_request};
use crate::compare::{Seen, journal};

/// The event of a job that reads the artifact of another workflow, for a branch of a fork.
pub fn workflow_run(branch: &str) -> Value {
    json!({"action": "completed", "workflow_run": {"id": 77, "run_attempt": 2, "event": "pull_request",
        "head_branch": branch, "head_sha": "abc", "head_repository": {"full_name": "eve/web", "owner": {"login": "eve"}},
        "pull_requests": [{"number": 999}]}})
}

fn job(github: &GitHub) -> Job {
    Job::new("workflow_run", &workflow_run("fix")).at(github, 500)
}

fn open(github: &GitHub) {
    github.open(5, "eve/web", "fix", "abc");
}

/// Checks which pull request gets the comment, if any, and the message.
#[test]
fn pull_request_is_found_by_head_of_workflow_run() {
    let github = GitHub::start();
    github.open(3, "shop/web", "fix", "abc");
    github.open(4, "eve/web", "fix-2", "abc");
    open(&github);
    github.open(6, "eve/web", "fix", "abd");
    let job = job(&github).with_trial(&["failed"; 3], &["held"; 3]);
    // the pull request number in the artifact is ignored
    job.sandbox.write("chaos-results/pull_request", "6");
    job.sandbox.write("chaos-results/event.json", pull_request("shop/web").to_string());
    job.publish(&["--comment-id", "web"]).exits(0).reports("commented on pull request #5");
    let [comment] = github.of(US).try_into().unwrap();
    assert_eq!(comment.pull_request, 5);
    // the comment links to the run that wrote the journals
    assert!(comment.body.contains("<!-- kubectl-chaos:run:77:2:fixed/holds -->"), "{}", comment.body);
    assert!(
        comment
            .body
            .contains("[run 77, attempt 2](https://git.example.com/shop/web/actions/runs/77/attempts/2)")
    );
    assert!(comment.body.contains("the numbers cannot be verified"), "{}", comment.body);
    assert!(github.requests()[0].path.contains("head=eve%3Afix"), "{:?}", github.requests()[0].path);
}

#[test]
fn no_matching_pull_request_means_no_comment() {
    let check = |open: &dyn Fn(&GitHub), event: Value, expected: &str| {
        let github = GitHub::start();
        open(&github);
        let job = Job::new("workflow_run", &event).at(&github, 500).with_trial(&["held"], &["held"]);
        job.publish(&[]).exits(0).reports(expected);
        assert_eq!(github.asked("POST") + github.asked("PATCH"), 0, "{expected}");
        assert!(job.sandbox.read("summary.md").contains("Lose a replica"));
    };
    let mut gone = workflow_run("fix");
    gone["workflow_run"]["head_repository"] = Value::Null;
    let mut pushed = workflow_run("fix");
    pushed["workflow_run"]["event"] = json!("push");
    check(
        &|_| {},
        workflow_run("fix"),
        "no open pull request of shop/web has its head at abc of fix in eve/web",
    );
    check(&|github| github.open(6, "eve/web", "fix", "later"), workflow_run("fix"), "no open pull request");
    check(
        &|github| {
            open(github);
            open(github);
        },
        workflow_run("fix"),
        "2 open pull requests of shop/web have their head at abc",
    );
    check(&open, gone, "the repository or branch of the run was deleted");
    check(&open, pushed, "no comment: the run was not triggered by a pull request");
    check(&open, json!({"workflow_run": {"id": "x"}}), "cannot parse event file");
    let github = GitHub::start();
    job(&github)
        .with_trial(&["held"], &["held"])
        .publish(&["--pull-request", "5"])
        .exits(2)
        .reports("cannot use --pull-request for an artifact");
}

/// The artifact contains the title, which may be the identity of another comment.
#[test]
fn artifact_title_cannot_select_comment() {
    let check = |event: &Value, line: &[&str], expected: &str| {
        let github = GitHub::start();
        open(&github);
        let victim = github.add(5, US, "<!-- kubectl-chaos:comment:web.json -->\nbroken");
        let mut ran = journal("a", "held", &[]);
        ran["experiment"]["title"] = json!("web.json");
        let job = Job::new("workflow_run", event).at(&github, 500).with_run(&ran);
        job.publish(line).exits(0).reports("commented on pull request #5");
        let comments = github.of(US);
        assert_eq!(
            comments.iter().find(|comment| comment.id == victim).unwrap().body.lines().nth(1),
            Some("broken")
        );
        let line = comments[1].body.lines().next().unwrap();
        let id = line.strip_prefix("<!-- kubectl-chaos:comment:").and_then(|rest| rest.strip_suffix(" -->"));
        assert!(id.is_some_and(|id| id.starts_with(expected)), "{expected}: {line}");
    };
    let mut named = workflow_run("fix");
    named["workflow_run"]["name"] = json!("Chaos");
    check(&named, &[], "workflow-Chaos");
    check(&workflow_run("fix"), &[], "workflow-");
    check(&named, &["--experiment", "base/web.json"], "base-web.json-");
    check(&named, &["--comment-id", "mine"], "mine");
    // nor does the title of a pull request
    let github = GitHub::start();
    let victim = github.add(5, US, "<!-- kubectl-chaos:comment:web.json -->\nbroken");
    let mut ran = journal("a", "held", &[]);
    ran["experiment"]["title"] = json!("web.json");
    Job::of_a_pull_request().at(&github, 500).with_run(&ran).publish(&[]).exits(0).reports("commented on");
    assert!(github.of(US).iter().any(|comment| comment.id == victim && comment.body.ends_with("broken")));
    assert!(github.of(US)[1].body.starts_with("<!-- kubectl-chaos:comment:title-web.json -->"));
}

/// Texts with markup or commands, at every place of a journal that takes a text.
const HOSTILE: [&str; 9] = [
    "@everyone",
    "]]> </testsuite>",
    "::error::x",
    "##[error]x",
    "a\n::set-output name=verdict::fixed\nb",
    "a\r\n::add-mask::e\r\n",
    "x\n<!-- kubectl-chaos:comment:other -->\n<!-- kubectl-chaos:run:1:1:x -->\ny",
    "</details><!-- ![x](https://evil.example/x.png) [y](javascript:z)",
    "| a |\n|---|\n```\n\u{202e}EOF\nverdict<<x\nfixed\nx\n",
];

fn hostile(text: &str) -> Value {
    let mut journal = journal("a", "failed", &[(text, Seen::FINE)]);
    journal["experiment"]["title"] = json!(text);
    journal["experiment"]["method"][0]["name"] = json!(text);
    journal["run"][0]["activity"]["name"] = json!(text);
    journal["run"][0]["status"] = json!("failed");
    journal["run"][0]["exception"] = json!([text]);
    for look in ["before", "after"] {
        journal["steady_states"][look]["probes"][0]["activity"]["name"] = json!(text);
        journal["steady_states"][look]["probes"][0]["output"] =
            json!({"status": 500, "headers": {}, "body": text});
    }
    journal["experiment"]["steady-state-hypothesis"] = json!({"probes": [{"name": text, "tolerance": text}]});
    let own = &mut journal["kubectl-chaos"];
    own["verdict"] = json!(text);
    own["reason"] = json!(text);
    own["namespace"] = json!(text);
    own["version"] = json!(text);
    own["annotations"] = json!({text: text});
    own["cluster"] = json!({"context": text, "version": text});
    own["activities"][0]["effect"]["detail"] = json!(text);
    own["activities"][0]["targets"] = json!([{"kind": text, "namespace": text, "name": text, "uid": text}]);
    journal
}

#[test]
fn untrusted_text_is_escaped_in_comment() {
    for (at, text) in HOSTILE.into_iter().enumerate() {
        for from in ["an artifact", "eve/web", "shop/web"] {
            let github = GitHub::start();
            github.open(5, "eve/web", text, "abc");
            let (event, file) = match from {
                "an artifact" => ("workflow_run", workflow_run(text)),
                from => ("pull_request", pull_request(from)),
            };
            let job = Job::new(event, &file).at(&github, 1).with_run(&hostile(text));
            // `heard` accepts only commands of this program
            let finished = job.publish(&["--comment-id", "web", "-v", "10"]).exits(0);
            let commands = heard(&finished);
            assert!(
                commands.iter().all(|line| !line.starts_with("::set-output")),
                "{at} {from}: {commands:?}"
            );
            let [comment] =
                github.of(US).try_into().unwrap_or_else(|_| panic!("{at} {from}: {}", finished.stderr));
            let body = &comment.body;
            let hidden = body.lines().filter(|line| line.contains("<!--")).collect::<Vec<_>>();
            assert_eq!(hidden.len(), 2, "{at} {from}: {hidden:?}");
            assert!(
                hidden[0] == "<!-- kubectl-chaos:comment:web -->" && hidden[1].contains("kubectl-chaos:run:")
            );
            for live in ["@everyone", "](https://evil", "![x]", "</testsuite>", "</details><"] {
                // Markdown is inactive within an HTML line
                let plain = body.split("```").step_by(2).collect::<String>();
                let plain = plain.lines().filter(|line| !line.starts_with("<details>")).collect::<String>();
                // and within code
                let plain = plain.replace("\\`", "").split('`').step_by(2).collect::<String>();
                assert!(!plain.contains(live), "{at} {from}: {live} in {body}");
            }
            let outputs = job.outputs();
            assert_eq!(outputs.len(), 7, "{at} {from}: {outputs:?}");
            if from != "shop/web" {
                assert_eq!(outputs["verdict"], "action-not-confirmed", "{at}");
            }
            // it is also escaped in the message about a missing branch
            let empty = GitHub::start();
            let lost = Job::new("workflow_run", &workflow_run(text)).at(&empty, 1);
            lost.with_run(&hostile(text)).publish(&[]).exits(0).reports("no open pull request of shop/web");
        }
    }
}

#[test]
fn marker_in_artifact_text_is_ignored() {
    let github = GitHub::start();
    let text = "x\n<!-- kubectl-chaos:comment:web -->\n<!-- kubectl-chaos:run:999999:1:x -->\ny";
    Job::of_a_pull_request()
        .at(&github, 1)
        .with_run(&hostile(text))
        .publish(&["--comment-id", "evil"])
        .exits(0);
    let made = github.of(US)[0].body.clone();
    Job::of_a_pull_request()
        .at(&github, 2)
        .with_trial(&["held"], &["held"])
        .publish(&["--comment-id", "web"])
        .exits(0)
        .reports("commented on");
    assert_eq!(github.of(US)[0].body, made);
    assert_eq!(github.of(US).len(), 2);
}

#[test]
fn verdict_claimed_by_artifact_is_recomputed() {
    let github = GitHub::start();
    open(&github);
    let mut claims = journal("a", "failed", &[]);
    claims["experiment"]["steady-state-hypothesis"] = json!({"probes": [{"name": "whole", "tolerance": 0}]});
    claims["deviated"] = json!(false);
    claims["steady_states"]["after"]["steady_state_met"] = json!(true);
    claims["kubectl-chaos"]["verdict"] = json!("held");
    let job = job(&github).with_run(&claims);
    job.publish(&["--junit", "report.xml"]).exits(0);
    assert_eq!(job.outputs()["verdict"], "deviated");
    assert!(github.of(US)[0].body.contains("Lose a replica: deviated"), "{}", github.of(US)[0].body);
    assert!(job.sandbox.read("report.xml").contains("<failure"), "{}", job.sandbox.read("report.xml"));
    // also for a trial
    let job = Job::new("workflow_run", &workflow_run("fix")).at(&github, 501);
    let mut fails = journal("b", "failed", &[]);
    fails["experiment"] = claims["experiment"].clone();
    fails["steady_states"]["after"]["steady_state_met"] = json!(true);
    job.sandbox.write("chaos-results/before/journal-1.json", claims.to_string());
    job.sandbox.write("chaos-results/after/journal-1.json", fails.to_string());
    job.sandbox
        .write("chaos-results/comparison.json", json!({"verdict": "fixed", "after": "holds"}).to_string());
    job.publish(&[]).exits(0);
    let outputs = job.outputs();
    assert_eq!((outputs["verdict"].as_str(), outputs["after"].as_str()), ("inconclusive", "fails"));
    // no file of the artifact is copied
    job.sandbox.write("chaos-results/report.html", "<script>");
    job.publish(&[]).exits(0);
    assert_eq!(job.outputs()["html"], "");
}

#[test]
fn forged_artifact_is_rejected() {
    let refused = |make: &dyn Fn(&Job), code: i32, expected: &str| {
        for event in ["workflow_run", "pull_request_target"] {
            let github = GitHub::start();
            open(&github);
            let file = if event == "workflow_run" { workflow_run("fix") } else { pull_request("eve/web") };
            let job = Job::new(event, &file).at(&github, 500);
            std::fs::create_dir(job.sandbox.path("chaos-results")).unwrap();
            make(&job);
            let finished = job.publish(&[]).exits(code).reports(expected);
            assert!(
                !finished.stderr.contains("panicked") && finished.stderr.len() < 2_000,
                "{}",
                finished.stderr
            );
            assert!(heard(&finished).iter().any(|line| line.starts_with("::error")), "{}", finished.stdout);
            assert!(github.requests().is_empty(), "{expected}");
            assert_eq!(
                (job.sandbox.read("summary.md"), job.sandbox.read("outputs")),
                (String::new(), String::new())
            );
        }
    };
    let write =
        |job: &Job, name: &str, text: String| drop(job.sandbox.write(&format!("chaos-results/{name}"), text));
    let changed = |pointer: &'static str, value: Value| {
        move |job: &Job| {
            let mut journal = journal("a", "held", &[("p", Seen::FINE)]);
            *journal.pointer_mut(pointer).unwrap() = value.clone();
            write(job, "journal.json", journal.to_string());
        }
    };
    refused(&|job| write(job, "journal.json", "[1]".to_owned()), 3, "invalid journal");
    refused(&|job| write(job, "journal.json", "{".repeat(1_000_000)), 3, "invalid JSON");
    refused(&|job| write(job, "journal.json", "\u{0}\u{1}".to_owned()), 3, "invalid JSON");
    refused(&changed("/run", json!({"0": 1})), 3, "invalid journal");
    refused(&changed("/kubectl-chaos/samples/0/period", json!(-1)), 3, "invalid untrusted journal");
    refused(
        &changed("/kubectl-chaos/samples/0/probe", json!("x".repeat(9_000_000))),
        3,
        "invalid untrusted journal",
    );
    refused(&changed("/kubectl-chaos/schema", json!(2)), 3, "unsupported journal schema 2");
    // without the key `kubectl-chaos`, its status would count
    let bare = |status: &'static str| {
        move |job: &Job| {
            let failed = json!({"activity": {"type": "action", "name": "a"}, "status": "failed"});
            let text = json!({"experiment": {"title": "t"}, "status": status, "run": [failed]}).to_string();
            write(job, "journal.json", text);
        }
    };
    refused(&bare("completed"), 3, "missing key kubectl-chaos");
    refused(&bare("held"), 3, "unknown status, expected completed");
    refused(
        &changed("/status", json!("held\nafter=x\n::error::pwn")),
        3,
        "unknown status, expected completed",
    );
    refused(
        &|job| {
            for number in 1..=150 {
                write(job, &format!("before/journal-{number}.json"), "{}".to_owned());
                write(job, &format!("after/journal-{number}.json"), "{}".to_owned());
            }
        },
        3,
        "more than 200 journals",
    );
    refused(&|job| write(job, "journal.json", " ".repeat(11 * 1024 * 1024)), 3, "larger than 10 MiB");
    refused(
        &|job| {
            write(job, "before/journal-1.json", journal("a", "held", &[]).to_string());
            write(job, "after/journal-1.json", journal("a", "held", &[]).to_string());
        },
        3,
        "journals of the same run",
    );
}

#[test]
#[cfg(unix)]
fn symlinks_in_artifact_are_not_followed() {
    use std::os::unix::fs::symlink;
    let github = GitHub::start();
    open(&github);
    let job = job(&github);
    let real = job.sandbox.write("elsewhere/journal.json", journal("a", "held", &[]).to_string());
    std::fs::create_dir(job.sandbox.path("chaos-results")).unwrap();
    symlink(&real, job.sandbox.path("chaos-results/journal.json")).unwrap();
    job.publish(&[]).exits(3).reports("refusing to follow symbolic link chaos-results/journal.json");
    job.publish(&["chaos-results/journal.json"]).exits(3).reports("refusing to follow symbolic link");
    std::fs::remove_file(job.sandbox.path("chaos-results/journal.json")).unwrap();
    symlink("../elsewhere", job.sandbox.path("chaos-results/after")).unwrap();
    job.publish(&[]).exits(3).reports("refusing to follow symbolic link");
    symlink("elsewhere", job.sandbox.path("linked")).unwrap();
    job.publish(&["linked"]).exits(3).reports("refusing to follow symbolic link");
    job.publish(&["chaos-results/../elsewhere"]).exits(2).reports("expected a path without ..");
    assert!(github.requests().is_empty());
    // files of this job may be symlinks
    let own = Job::of_a_pull_request();
    std::fs::create_dir(own.sandbox.path("elsewhere")).unwrap();
    own.sandbox.write("elsewhere/journal.json", journal("a", "held", &[]).to_string());
    symlink("elsewhere", own.sandbox.path("chaos-results")).unwrap();
    own.publish(&["--comment", "never"]).exits(0);
}

#[test]
fn comment_reports_changed_experiment_of_artifact() {
    let base = |text: &Value, hash: Option<&str>| {
        let github = GitHub::start();
        open(&github);
        let mut ran = journal("a", "held", &[]);
        ran["kubectl-chaos"]["experiment_hash"] = json!(hash.unwrap_or_default());
        let job = job(&github).with_run(&ran);
        job.sandbox.write("base/e.json", text.to_string());
        job.publish(&["--base-experiment", "base/e.json"]).exits(0);
        let body = github.of(US)[0].body.clone();
        assert!(
            job.sandbox.read("summary.md").contains("**Note:** the experiment")
                == body.contains("**Note:** the experiment")
        );
        body
    };
    let same = journal("a", "held", &[])["experiment"].clone();
    assert!(!base(&same, None).contains("the experiment is not"), "{}", base(&same, None));
    let note = base(&json!({"title": "t", "method": []}), None);
    assert!(note.contains("differs from the publishing branch"), "{note}");
    // the claim in the journal is ignored
    assert!(!base(&same, Some("sha256:other")).contains("the experiment is not"));
    let other = json!({"title": "Lose a replica", "method": []});
    assert!(base(&other, None).contains("this pull request changes its activities or probes"));
    // an unreadable experiment causes a note, and stops nothing
    let broken = GitHub::start();
    open(&broken);
    let unread = job(&broken).with_run(&journal("a", "held", &[]));
    unread.sandbox.write("base/e.json", "{");
    unread.publish(&["--base-experiment", "base/e.json"]).exits(0);
    let body = broken.of(US)[0].body.clone();
    assert!(body.contains("failed to read the base copy") && body.contains("held"), "{body}");
    let github = GitHub::start();
    open(&github);
    let job = job(&github).with_run(&journal("a", "held", &[]));
    job.publish(&["--base-experiment", "base/none.json"]).exits(0);
    assert!(github.of(US)[0].body.contains("this pull request adds it"));
}
