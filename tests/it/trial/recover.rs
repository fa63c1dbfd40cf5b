//! `recover` uses a backup only as far as it can verify it, and keeps objects of users.

use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::in_place::{begin, deployment, furnish, recover, settings, stands_again};
use crate::harness::{Site, finish, object, signal, wait_until};

const RIGHTS: &str = "rbac.authorization.k8s.io/v1";
const CLUSTER_RIGHTS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

/// A trial name that is unique on the cluster.
fn trial_of(site: &Site) -> String {
    site.namespace[site.namespace.len() - 8..].to_owned()
}

fn secret_of(site: &Site, trial: &str) -> String {
    site.at("v1", &format!("secrets/kubectl-chaos-trial-{trial}"))
}

/// The entry of a backup for an object, or for a missing one.
fn kept(object: &Value, stood: bool) -> Value {
    let original = if stood { object.clone() } else { Value::Null };
    json!({"api_version": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "original": original})
}

/// Creates a Secret that looks like a backup of a trial.
fn forge(site: &Site, name: &str, trial: &str, objects: &[Value]) {
    let text = json!({"salt": "", "objects": objects}).to_string();
    let data = json!({"backup.json": BASE64_STANDARD.encode(text)});
    let mut secret = object("v1", "Secret", name, &json!({"data": data}));
    secret["metadata"]["labels"] = json!({"kubectl-chaos/trial": trial});
    site.create(&site.at("v1", "secrets"), &secret);
}

fn labelled_namespace(site: &Site, name: &str, trial: &str) {
    let mut namespace = object("v1", "Namespace", name, &json!({}));
    namespace["metadata"]["labels"] = json!({"kubectl-chaos/trial": trial});
    site.create("/api/v1/namespaces", &namespace);
}

/// The planned outcome of an object in the list.
fn action_of<'a>(listed: &'a Value, kind: &str, name: &str) -> &'a str {
    let left = listed["left"].as_array().unwrap();
    let one = left.iter().find(|one| one["kind"] == kind && one["name"] == name);
    one.unwrap_or_else(|| panic!("no {kind} {name} in {listed:#}"))["action"].as_str().unwrap()
}

fn delete(site: &Site, path: &str) {
    let answer = site.ask(Method::DELETE, path, &Value::Null);
    assert!(answer.code < 300, "{path}: {}", answer.body);
    site.until(path, |answer| answer.code == 404);
}

fn backup_secret_is_verified_before_use(site: &Site) {
    let trial = trial_of(site);
    let here = |mut object: Value| {
        object["metadata"]["namespace"] = json!(site.namespace);
        object
    };
    let binding = |kind: &str, name: &str| {
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
        let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": site.namespace});
        object(RIGHTS, kind, name, &json!({"roleRef": role, "subjects": [subject]}))
    };
    let (new, old) = (format!("{}-new", site.namespace), format!("{}-old", site.namespace));
    let mut empty = binding("ClusterRoleBinding", &old);
    empty["subjects"] = json!([{"kind": "User", "name": "mine", "apiGroup": "rbac.authorization.k8s.io"}]);
    site.create(CLUSTER_RIGHTS, &empty);
    for name in ["settings", "mine"] {
        site.create(&site.at("v1", "configmaps"), &settings(name, "1"));
    }
    let mut host = here(deployment(1, "evil"));
    host["spec"]["template"]["spec"]["hostPID"] = json!(true);
    let evil = [
        kept(&here(binding("ClusterRoleBinding", &new)), true),
        kept(&here(binding("ClusterRoleBinding", &old)), true),
        kept(&here(binding("RoleBinding", "admin")), true),
        kept(&host, true),
        kept(&here(settings("settings", "2")), true),
        kept(&settings("mine", ""), false),
    ];
    forge(site, &format!("kubectl-chaos-trial-{trial}"), &trial, &evil);
    // these do not look like a backup
    forge(site, "other", &trial, &[kept(&host, true)]);
    forge(site, "kubectl-chaos-trial-0", &trial, &[kept(&binding("ClusterRoleBinding", &new), true)]);
    // namespaces of the trial are deleted, and one that only has the label is not
    let (made, own) = (format!("chaos-trial-{trial}-before-1"), format!("{}-own", site.namespace));
    labelled_namespace(site, &made, &trial);
    labelled_namespace(site, &own, &trial);

    let listed = recover(site, &[&trial, "-o", "json"]).exits(0).json();
    for (kind, name) in [
        ("ClusterRoleBinding", new.as_str()),
        ("ClusterRoleBinding", &old),
        ("RoleBinding", "admin"),
        ("Deployment", "web"),
        ("ConfigMap", "settings"),
        ("ConfigMap", "mine"),
        ("Secret", "other"),
        ("Secret", "kubectl-chaos-trial-0"),
        ("Secret", &format!("kubectl-chaos-trial-{trial}")),
        ("Namespace", &own),
    ] {
        assert_eq!(action_of(&listed, kind, name), "skip", "{kind} {name}");
    }
    assert_eq!(action_of(&listed, "Namespace", &made), "delete");
    let table = recover(site, &[&trial]).exits(2);
    assert!(table.stdout.contains("ACTION") && table.stdout.contains("Deployment"), "{}", table.stdout);
    let names = recover(site, &[&trial, "-o", "name"]).exits(0).stdout;
    assert!(names.contains("secret/other") && !names.contains("configmap"), "{names}");

    let ended = recover(site, &[&trial, "--yes"]).exits(6);
    for text in [
        "Deployment web skipped: the object is missing and the backup Secret alone is not trusted",
        "ConfigMap mine skipped: another user created or changed the object after the trial",
        "Secret other skipped: not a valid trial backup (label names trial",
        "skipped: cluster-scoped objects are never part of a trial backup",
        "labelled as a trial namespace but not named like one",
        "skipped 10 of 11 leftovers",
    ] {
        assert!(ended.stderr.contains(text), "{text:?} is not in\n{}", ended.stderr);
    }
    let code = |path: &str| site.read(path).code;
    assert_eq!(code(&format!("{CLUSTER_RIGHTS}/{new}")), 404);
    assert_eq!(site.read(&format!("{CLUSTER_RIGHTS}/{old}")).body["subjects"][0]["name"], "mine");
    assert_eq!(code(&site.at(RIGHTS, "rolebindings/admin")), 404);
    assert_eq!(code(&site.at("apps/v1", "deployments/web")), 404);
    for name in ["settings", "mine"] {
        assert_eq!(site.read(&site.at("v1", &format!("configmaps/{name}"))).body["data"]["a"], "1");
    }
    let there = site.read(&format!("/api/v1/namespaces/{own}"));
    assert!(there.code == 200 && there.body["metadata"]["deletionTimestamp"].is_null(), "{}", there.body);
    site.until(&format!("/api/v1/namespaces/{made}"), |answer| answer.code == 404);
    site.forget(&format!("/api/v1/namespaces/{own}"));
    site.forget(&format!("{CLUSTER_RIGHTS}/{old}"));
}

/// Kills a trial while its second variant is deployed. Returns its name.
fn killed(site: &Site) -> String {
    furnish(site);
    let child = begin(site, &["--settle", "1h", "--sample=1h", "--seed=0"]);
    wait_until("a replaced workload", || {
        let data =
            |name: &str| site.read(&site.at("v1", &format!("configmaps/{name}"))).body["data"]["a"].clone();
        data("settings") == "3" && data("extra") == "4"
    });
    signal(child.id(), Signal::KILL);
    finish(child);
    site.sandbox.json("out/trial.json")["trial"].as_str().unwrap().to_owned()
}

fn object_created_since_backup_is_kept(site: &Site) {
    let trial = killed(site);
    for name in ["settings", "extra"] {
        delete(site, &site.at("v1", &format!("configmaps/{name}")));
        site.create(&site.at("v1", "configmaps"), &settings(name, "theirs"));
    }
    delete(site, &site.at("apps/v1", "deployments/web"));
    recover(site, &[&trial, "--yes"]).exits(6).reports("another user created or changed the object");
    for name in ["settings", "extra"] {
        assert_eq!(site.read(&site.at("v1", &format!("configmaps/{name}"))).body["data"]["a"], "theirs");
        delete(site, &site.at("v1", &format!("configmaps/{name}")));
    }
    // missing objects are recreated if the state file of the trial confirms the backup
    let listed = recover(site, &[&trial, "-o", "json"]).exits(0).json();
    assert_eq!(action_of(&listed, "Deployment", "web"), "skip");
    assert_eq!(action_of(&listed, "ConfigMap", "extra"), "none");
    recover(site, &[&trial, "--yes"]).exits(6).reports("the backup Secret alone is not trusted");
    assert_eq!(site.read(&site.at("apps/v1", "deployments/web")).code, 404);
    let listed = recover(site, &["--from", "out", "-o", "json"]).exits(0).json();
    assert_eq!(action_of(&listed, "Deployment", "web"), "recreate");
    // a pull request may include the directory of a job: it confirms only the selected namespace
    let in_a_job = |more: &[&str]| {
        let mut command =
            site.sandbox.command(["recover", "--from", "out", "--allow-context", "*", "-o", "json"]);
        command.args(more).env("KUBECONFIG", &site.config).env("GITHUB_EVENT_NAME", "push");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        finish(child.expect("a started process")).exits(0).json()
    };
    assert_eq!(action_of(&in_a_job(&[]), "Deployment", "web"), "recreate");
    assert_eq!(action_of(&in_a_job(&["--namespace", "other"]), "Deployment", "web"), "skip");
    recover(site, &["--from", "out", "--yes"]).exits(0);
    stands_again(site);
}

fn modified_backup_is_not_restored(site: &Site) {
    let trial = killed(site);
    let listed = recover(site, &[&trial, "-o", "json"]).exits(0).json();
    assert_eq!(action_of(&listed, "Deployment", "web"), "restore");
    assert_eq!(action_of(&listed, "ConfigMap", "extra"), "delete");
    let path = secret_of(site, &trial);
    let data = site.read(&path).body["data"].clone();
    let text = BASE64_STANDARD.decode(data["backup.json"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let changed = text.replace("\"note\":\"mine\"", "\"note\":\"evil\"");
    assert_ne!(changed, text);
    let changed = json!({"data": {"backup.json": BASE64_STANDARD.encode(changed)}});
    assert_eq!(site.ask(Method::PATCH, &path, &changed).code, 200);
    recover(site, &[&trial, "--yes"]).exits(6).reports("the object carries another backup digest");
    recover(site, &["--from", "out", "--yes"]).exits(6).reports("digest differs from the one in trial.json");
    let web = site.read(&site.at("apps/v1", "deployments/web")).body;
    assert_eq!(web["metadata"]["annotations"]["note"], "after");
    assert_eq!(site.ask(Method::PATCH, &path, &json!({"data": data})).code, 200);
    recover(site, &[&trial, "--yes"]).exits(0);
    stands_again(site);
}

fn object_created_before_apply_is_kept(site: &Site) {
    let check = |more: &[&str], ends: &dyn Fn(std::process::Child)| {
        // the variant that adds an object is second
        let child = begin(site, &[&["--seed=3"], more].concat());
        wait_until("a replaced workload", || {
            site.read(&site.at("v1", "configmaps/settings")).body["data"]["a"] == "2"
        });
        site.create(&site.at("v1", "configmaps"), &settings("extra", "theirs"));
        ends(child);
        let extra = site.at("v1", "configmaps/extra");
        assert_eq!(site.read(&extra).body["data"]["a"], "theirs");
        delete(site, &extra);
        stands_again(site);
    };
    furnish(site);
    check(&["--settle", "1h", "--sample=1h"], &|child| {
        signal(child.id(), Signal::TERM);
        finish(child).exits(143);
    });
    check(&["--sample=100ms"], &|child| {
        let ended = finish(child);
        let said = "ConfigMap extra: created by another user after the trial began; left unchanged";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    });
}

fn failed_restore_does_not_block_cleanup(site: &Site) {
    furnish(site);
    let group = format!("{}.example.com", site.namespace);
    let definition = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}");
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let names = json!({"kind": "Widget", "plural": "widgets", "singular": "widget"});
    let spec = json!({"group": group, "scope": "Namespaced", "names": names,
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]});
    let named = format!("widgets.{group}");
    let whole = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", &named, &json!({"spec": spec}));
    site.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &whole);
    let version = format!("{group}/v1");
    site.until(&site.at(&version, "widgets"), |answer| answer.code == 200);
    let widget = object(&version, "Widget", "one", &json!({"spec": {"size": 1}}));
    site.create(&site.at(&version, "widgets"), &widget);
    let role = object(RIGHTS, "ClusterRole", &site.namespace, &json!({"rules": []}));
    let items = json!({"apiVersion": "v1", "kind": "List", "items": [widget, role]});
    let common = site.sandbox.write("common.json", items.to_string()).display().to_string();
    let child = begin(site, &["--settle", "1h", "--sample=1h", "--common", &common]);
    wait_until("a replaced workload", || {
        site.read(&site.at("v1", "configmaps/settings")).body["data"]["a"] != "1"
    });
    let role = format!("/apis/{RIGHTS}/clusterroles/{}", site.namespace);
    assert_eq!(site.read(&role).code, 200);
    // an object of a deleted kind cannot be restored
    delete(site, &definition);
    signal(child.id(), Signal::TERM);
    finish(child).exits(6).reports("cleanup incomplete: cannot read Widget one: ");
    assert_eq!(site.read(&role).code, 404);
}

suite!(
    backup_secret_is_verified_before_use,
    object_created_since_backup_is_kept,
    modified_backup_is_not_restored,
    object_created_before_apply_is_kept,
    failed_restore_does_not_block_cleanup,
);
