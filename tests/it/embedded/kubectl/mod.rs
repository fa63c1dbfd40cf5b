//! `kubectl` on the embedded cluster: the same commands as on a real one, and the same output, except for
//! ids, times, ages, addresses, names of nodes and generated name suffixes.
//!
//! Not tested, because the embedded cluster does not support it: `exec`, `attach`, `cp`, `debug`,
//! `port-forward`, `top`,
//! `logs -f`, `explain` (it has no schemas), `create job NAME` and other commands that send protobuf, the
//! text of
//! `describe`, the accounts, tokens and certificates that controllers create in every namespace.

mod commands;
mod script;

use serde_json::json;

use crate::harness::{LISTENS, Site};
use commands::{deployment, drive};
use script::Alike::{Code, Ending, Opening, Whole};
use script::{Script, redacted};

#[test]
#[ignore = "needs kubectl"]
fn kubectl_logs_shows_container_output() {
    let site = Site::embedded();
    let mut deployment = deployment(1);
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(LISTENS);
    site.create(&site.at("apps/v1", "deployments"), &deployment);
    let mut script = Script::new(&site);
    script.settle("web");
    for words in
        ["logs deployment/web", "logs -l app=web --tail=1 --timestamps", "logs deployment/web --since=1h"]
    {
        script.say(Whole, words);
        let (_, _, told) = script.said.pop().unwrap();
        let told = told.exits(0);
        assert!(told.stdout.contains("listening on http://"), "{words}: {told:?}");
    }
}

#[test]
#[ignore = "needs kubectl and a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn embedded_cluster_answers_like_real_cluster() {
    let (here, there) = (Site::embedded(), Site::real());
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| drive(&there));
        (drive(&here), theirs.join().unwrap())
    });
    assert_eq!(ours.len(), theirs.len());
    let mut differ = 0;
    for ((words, alike, ours), (_, _, theirs)) in ours.iter().zip(&theirs) {
        let shown = |site: &Site, text: &str| {
            let text = redacted(site, text);
            match alike {
                Whole => text,
                Opening => text.lines().next().unwrap_or_default().to_owned(),
                Ending => text.lines().last().unwrap_or_default().to_owned(),
                Code => String::new(),
            }
        };
        let mine = (ours.code, shown(&here, &ours.stdout), shown(&here, &ours.stderr));
        let real = (theirs.code, shown(&there, &theirs.stdout), shown(&there, &theirs.stderr));
        if mine != real {
            differ += 1;
            println!(
                "=== kubectl {words}\n--- real, {:?}\n{}{}\n--- embedded, {:?}\n{}{}",
                real.0, real.1, real.2, mine.0, mine.1, mine.2
            );
        }
    }
    assert_eq!(differ, 0, "of {} answers differ", ours.len());
}
