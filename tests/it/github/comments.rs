//! One comment per experiment, updated in place. Comments of other authors are not changed.

use serde_json::json;

use super::mock::{Fault, GitHub, US};
use super::{Job, heard, shown};
use crate::compare::journal;

const MARK: &str = "<!-- kubectl-chaos:comment:web -->";

fn job(github: &GitHub, run: u64) -> Job {
    Job::of_a_pull_request()
        .at(github, run)
        .with_trial(&["failed", "failed", "failed"], &["held", "held", "held"])
}

#[test]
fn first_run_creates_comment_and_next_updates_it() {
    let github = GitHub::start();
    let other = github.add(5, "eve", "nice");
    let first = job(&github, 7);
    first.publish(&["--comment-id", "web"]).exits(0).reports("commented on pull request #5");
    let [made] = github.of(US).try_into().unwrap();
    let expected = format!(
        "{MARK}\n<!-- kubectl-chaos:run:7:1:fixed/holds -->\n### ✅ Lose a replica: fixed (after: holds)\n"
    );
    assert!(shown(&made.body).starts_with(&expected), "{}", made.body);
    assert!(made.body.contains("[run 7](https://git.example.com/shop/web/actions/runs/7) · kubectl-chaos "));
    let outputs = first.outputs();
    let address = format!("https://git.example.com/shop/web/pull/5#issuecomment-{}", made.id);
    assert_eq!(
        (&outputs["comment-url"], &outputs["verdict"], &outputs["after"]),
        (&address, &"fixed".into(), &"holds".into())
    );
    assert_eq!(outputs["journals"].lines().count(), 6);
    assert!(first.sandbox.read("summary.md").starts_with("### ✅ Lose a replica: fixed"));
    let second = Job::of_a_pull_request()
        .at(&github, 8)
        .env("GITHUB_RUN_ATTEMPT", "2")
        .with_trial(&["failed"], &["failed"]);
    second.publish(&["--comment-id", "web"]).exits(0).reports("updated the comment on pull request #5");
    let [updated] = github.of(US).try_into().unwrap();
    assert_eq!(updated.id, made.id);
    assert!(shown(&updated.body).contains("inconclusive (after: fails)"), "{}", updated.body);
    assert!(
        updated
            .body
            .contains("[run 8, attempt 2](https://git.example.com/shop/web/actions/runs/8/attempts/2)")
    );
    assert_eq!(github.state().comments.iter().find(|comment| comment.id == other).unwrap().body, "nice");
}

#[test]
fn each_experiment_has_its_own_comment() {
    let github = GitHub::start();
    for (run, file) in [(1, "a/experiment.json"), (2, "b/experiment.json"), (3, "a/experiment.json")] {
        let job = job(&github, run);
        job.sandbox.write(file, "{}");
        job.publish(&["--experiment", file]).exits(0);
    }
    // by its title if no file is named
    job(&github, 4).publish(&[]).exits(0);
    let bodies: Vec<String> = github.of(US).into_iter().map(|comment| comment.body).collect();
    assert_eq!(bodies.len(), 3);
    for (body, name) in
        bodies.iter().zip(["a-experiment.json-", "b-experiment.json-", "title-Lose-a-replica-"])
    {
        assert!(body.starts_with(&format!("<!-- kubectl-chaos:comment:{name}")), "{body}");
    }
    assert!(bodies[0].contains("[run 3]"), "{}", bodies[0]);
}

#[test]
fn comment_is_found_on_later_page() {
    let github = GitHub::start();
    for number in 0..70 {
        github.add(5, "eve", &format!("comment {number}"));
    }
    let ours = github.add(5, US, &format!("{MARK}\r\n<!-- kubectl-chaos:run:1:1:x -->\r\nold"));
    for number in 0..40 {
        github.add(5, "eve", &format!("comment {number}"));
    }
    job(&github, 2).publish(&["--comment-id", "web"]).exits(0);
    let [comment] = github.of(US).try_into().unwrap();
    assert!(comment.id == ours && comment.body.contains("[run 2]"), "{}", comment.body);
    // four pages of thirty
    assert_eq!((github.asked("GET"), github.asked("PATCH"), github.asked("POST")), (4, 1, 0));
}

#[test]
fn marker_by_other_author_is_ignored() {
    let github = GitHub::start();
    let planted = format!("{MARK}\n<!-- kubectl-chaos:run:99:1:fixed/holds -->\nall is well");
    github.add(5, "eve", &planted);
    // nor is a quoted marker, or that of another experiment
    github.add(5, US, &format!("see {MARK} there"));
    // another workflow has the same author, and repeats its input
    let stamp = "<!-- kubectl-chaos:run:99:1:fixed/holds -->";
    let echoed = github.add(5, US, &format!("Summary of the request:\n{MARK}\n{stamp}\nall is well"));
    github.add(5, US, "<!-- kubectl-chaos:comment:web2 -->\nother");
    github.add(6, US, &format!("{MARK}\nof another pull request"));
    job(&github, 2).publish(&["--comment-id", "web"]).exits(0).reports("commented on");
    let comments = github.of(US);
    assert_eq!(comments.len(), 5);
    assert!(comments[4].body.starts_with(MARK) && comments[4].body.contains("[run 2]"));
    let left = comments.iter().find(|comment| comment.id == echoed).unwrap();
    assert!(left.body.starts_with("Summary of the request") && left.body.ends_with("all is well"));
    assert_eq!(github.of("eve")[0].body, planted);
}

#[test]
fn newest_of_several_comments_is_updated() {
    let github = GitHub::start();
    github.add(5, US, &format!("{MARK}\none"));
    github.add(5, US, &format!("{MARK}\nthe other"));
    job(&github, 2).publish(&["--comment-id", "web"]).exits(0);
    let comments = github.of(US);
    assert_eq!(comments.len(), 2);
    assert!(comments[0].body.ends_with("one") && comments[1].body.contains("[run 2]"));
}

#[test]
fn comment_author_flag_selects_comment() {
    let github = GitHub::start();
    github.add(5, "chaos-app[bot]", &format!("{MARK}\nold"));
    // the token of another user cannot update it; the attempt shows which comment was selected
    job(&github, 2)
        .publish(&["--comment-id", "web", "--comment-author", "chaos-app[bot]"])
        .exits(0)
        .reports("403 Forbidden");
    assert_eq!(github.asked("PATCH"), 1);
    assert!(github.of(US).is_empty());
}

#[test]
fn mismatched_comment_author_causes_warning() {
    let github = GitHub::start();
    let finished = job(&github, 2)
        .publish(&["--comment-id", "web", "--comment-author", "chaos-app[bot]"])
        .exits(0)
        .reports("set comment-author (--comment-author) to github-actions[bot]");
    assert!(heard(&finished).iter().any(|line| line.starts_with("::warning")), "{}", finished.stdout);
    // the expected author causes no warning
    let usual = job(&github, 3).publish(&["--comment-id", "other"]).exits(0);
    assert!(!usual.stderr.contains("comment-author"), "{}", usual.stderr);
}

#[test]
fn jobs_sharing_a_comment_cause_warning() {
    let github = GitHub::start();
    let shared = "give each job its own comment-id";
    let first = job(&github, 7).publish(&["--comment-id", "web"]).exits(0);
    let other = job(&github, 7).publish(&["--comment-id", "web"]).exits(0).reports(shared);
    assert!(heard(&other).iter().any(|line| line.starts_with("::warning")), "{}", other.stdout);
    let again = job(&github, 7).env("GITHUB_RUN_ATTEMPT", "2").publish(&["--comment-id", "web"]).exits(0);
    let next = job(&github, 8).publish(&["--comment-id", "web"]).exits(0);
    for quiet in [first, again, next] {
        assert!(!quiet.stderr.contains(shared), "{}", quiet.stderr);
    }
}

#[test]
fn older_run_does_not_update_newer_comment() {
    let github = GitHub::start();
    job(&github, 9).publish(&["--comment-id", "web"]).exits(0);
    let made = github.of(US)[0].body.clone();
    let late = job(&github, 8);
    let finished = late.publish(&["--comment-id", "web"]).exits(0).reports("is of a later run; unchanged");
    assert!(heard(&finished).iter().any(|line| line.starts_with("::notice")), "{}", finished.stdout);
    assert_eq!(github.of(US)[0].body, made);
    // a repeated run is not older
    let again = job(&github, 9).env("GITHUB_RUN_ATTEMPT", "2");
    again.publish(&["--comment-id", "web"]).exits(0).reports("updated the comment");
}

#[test]
fn comment_flag_decides_when_to_comment() {
    let check = |github: &GitHub, run: u64, after: &[&str], when: &str, writes: usize| {
        let before = github.asked("POST") + github.asked("PATCH");
        let job = Job::of_a_pull_request().at(github, run).with_trial(&["held", "held", "held"], after);
        job.publish(&["--comment-id", "web", "--comment", when]).exits(0);
        let now = github.asked("POST") + github.asked("PATCH");
        assert_eq!(now - before, writes, "{run} {when}");
    };
    let (held, failed) = (["held"; 3], ["failed"; 3]);
    let github = GitHub::start();
    check(&github, 1, &held, "never", 0);
    check(&github, 1, &held, "on-failure", 0);
    check(&github, 2, &failed, "on-failure", 1);
    // the comment would stay wrong
    check(&github, 3, &held, "on-failure", 1);
    check(&github, 4, &held, "on-change", 0);
    check(&github, 5, &failed, "on-change", 1);
    check(&github, 6, &failed, "on-change", 0);
    check(&github, 7, &failed, "always", 1);
    check(&github, 8, &failed, "auto", 1);
}

#[test]
fn push_event_comments_on_pull_request_when_enabled() {
    let github = GitHub::start();
    github.open(4, "shop/web", "other", "abc");
    github.open(5, "shop/web", "fix/it", "abc");
    let push = || {
        let job = Job::new("push", &json!({"ref": "refs/heads/fix/it"})).at(&github, 1);
        job.env("GITHUB_REF", "refs/heads/fix/it").env("GITHUB_SHA", "abc").with_trial(&["held"], &["held"])
    };
    push().publish(&[]).exits(0).reports("no comment: the event has no pull request");
    assert!(github.requests().is_empty());
    push().publish(&["--comment", "always"]).exits(0).reports("commented on pull request #5");
    let asked = &github.requests()[0].path;
    assert!(asked.contains("state=open&head=shop%3Afix%2Fit"), "{asked}");
    push().publish(&["--pull-request", "6"]).exits(0).reports("commented on pull request #6");
}

#[test]
fn deleted_comment_is_recreated() {
    let github = GitHub::start();
    let gone = github.add(5, US, &format!("{MARK}\nold"));
    github.state().gone.push(gone);
    job(&github, 2).publish(&["--comment-id", "web"]).exits(0).reports("commented on");
    let [made] = github.of(US).try_into().unwrap();
    assert!(made.id != gone && made.body.contains("[run 2]"));
}

#[test]
fn long_comment_is_truncated_but_keeps_verdict() {
    let github = GitHub::start();
    let seen = crate::compare::Seen::FINE;
    let names: Vec<String> = (0..30).map(|number| format!("{number:03} {}", "x".repeat(160))).collect();
    let probes: Vec<_> = names.iter().map(|name| (name.as_str(), seen)).collect();
    let large = || {
        let job = Job::of_a_pull_request().at(&github, 1);
        for (arm, number) in
            [("before", 1), ("before", 2), ("before", 3), ("after", 1), ("after", 2), ("after", 3)]
        {
            let path = format!("chaos-results/{arm}/journal-{number}.json");
            let journal = journal(&format!("{arm}{number}"), "held", &probes);
            job.sandbox.write(&path, journal.to_string());
        }
        job
    };
    large().publish(&["--comment-id", "web"]).exits(0);
    let body = github.of(US)[0].body.clone();
    assert!((30_001..=65_000).contains(&body.len()), "{}", body.len());
    assert!(
        shown(&body).contains("\n### ⚪ Lose a replica: no difference seen (after: holds)\n"),
        "{}",
        &body[..300]
    );
    assert!(body.contains("Omitted to fit the size limit") && body.contains("[run 1]"));
    // the summary has a higher limit
    assert!(github.of(US)[0].body.len() < large_summary(&large()));
    // a server with a lower limit
    github.state().longest = 30_000;
    large().publish(&["--comment-id", "web"]).exits(0).reports("updated the comment");
    let body = github.of(US)[0].body.clone();
    assert!(
        body.len() <= 30_000 && shown(&body).contains("no difference seen (after: holds)"),
        "{}",
        body.len()
    );
    // a server that rejects every length gets two requests
    github.state().longest = 10;
    let asked = github.asked("PATCH");
    large().publish(&["--comment-id", "web"]).exits(0).reports("422 Unprocessable Entity (Body is too long");
    assert_eq!(github.asked("PATCH") - asked, 2);
}

fn large_summary(job: &Job) -> usize {
    job.publish(&["--comment", "never"]).exits(0);
    job.sandbox.read("summary.md").len()
}

#[test]
fn ambiguous_comment_creation_is_not_repeated() {
    let github = GitHub::start();
    github.state().faults.push(Fault { is_done: true, ..Fault::new("POST", 502, "Server Error") });
    job(&github, 1).publish(&["--comment-id", "web"]).exits(0);
    assert_eq!(github.of(US).len(), 1);
    let github = GitHub::start();
    github
        .state()
        .faults
        .extend([Fault::new("POST", 502, "Server Error"), Fault::new("POST", 503, "Unavailable")]);
    job(&github, 1).publish(&["--comment-id", "web"]).exits(0).reports("commented on");
    assert_eq!((github.of(US).len(), github.asked("POST")), (1, 3));
}
