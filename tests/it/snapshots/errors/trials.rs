//! Trials, `recover`, `init`, and the embedded cluster.

use serde_json::{Value, json};

use super::{Transcript, folder, sound};
use crate::harness::{Sandbox, Site, kubeconfig, object, pod_spec};
use crate::trial::{kill, providers};

#[test]
fn trial_start_errors_match() {
    let mut said = Transcript::new();
    let mut check = |heading: &str, change: &dyn Fn(&mut Value), manifest: &str, flags: &str| {
        let sandbox = Sandbox::new();
        providers(&sandbox);
        let mut experiment = kill();
        change(&mut experiment);
        sandbox.write("kill.json", experiment.to_string());
        sandbox.write("extra.yaml", manifest);
        let extra = if manifest.is_empty() { "" } else { "--after extra.yaml " };
        let given = "trial kill.json --before with.yaml --after without.yaml";
        said.heading(heading);
        said.call(&sandbox, format!("{given} --embedded {extra}{flags}").trim_end());
        assert!(!sandbox.path("chaos-trial").exists(), "{heading}");
    };
    let nothing = |_: &mut Value| {};
    let argument = |name: &'static str, value: Value| {
        move |e: &mut Value| e["method"][0]["provider"]["arguments"][name] = value.clone()
    };
    let url = |url: &'static str| {
        move |e: &mut Value| e["steady-state-hypothesis"]["probes"][0]["provider"]["url"] = json!(url)
    };
    check("another namespace", &argument("ns", json!("default")), "", "");
    check("a namespace of a variable", &argument("ns", json!("${where}")), "", "");
    check("another host", &url("http://localhost:1/"), "", "");
    check("an address that is not complete", &url("http://${host}/"), "", "");
    check("a Service of another namespace", &url("http://web.shop.svc/"), "", "");
    check("a process", &|e| e["method"][0]["provider"] = json!({"type": "process", "path": "true"}), "", "");
    check(
        "the whole cluster",
        &|e| {
            e["method"][0]["provider"] = json!({"type": "python", "module": "chaosk8s.node.actions",
            "func": "cordon_node", "arguments": {"name": "n"}});
        },
        "",
        "",
    );
    check(
        "a cluster-scoped object",
        &nothing,
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n",
        "",
    );
    check("a manifest without a kind", &nothing, "metadata: {name: y}\n", "");
    check("a manifest without a name", &nothing, "apiVersion: v1\nkind: ConfigMap\n", "");
    check("a generated name", &nothing, "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: y}\n", "");
    check("a manifest that is a text", &nothing, "text\n", "");
    check("a broken manifest", &nothing, "a: [\n", "");
    check("an empty manifest", &nothing, "# nothing\n", "");
    check(
        "a manifest of another namespace",
        &nothing,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {url: http://web.shop.svc/}\n",
        "",
    );
    check("a missing manifest", &nothing, "", "--common nowhere");
    check("no method", &|e| drop(e.as_object_mut().unwrap().shift_remove("method")), "", "");
    check("a probe that is not there", &nothing, "", "--sample-probe other");
    said.check("errors-trial");
}

#[test]
fn trial_folder_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    providers(&sandbox);
    sandbox.write("kill.json", kill().to_string());
    sandbox.write("out/mine", "precious");
    sandbox.write("empty/.keep", "");
    sandbox.write("experiments/e.json", sound().to_string());
    let given = "trial kill.json --embedded --after without.yaml";
    said.calls(
        &sandbox,
        &[
            &format!("{given} --before with.yaml --output-dir out"),
            &format!("{given} --before with.yaml --output-dir m.yaml"),
            &format!("{given} --before nowhere"),
            &format!("{given} --before empty"),
            &format!("{given} --before experiments"),
            "trial kill.json --before with.yaml --after without.yaml",
            "trial nowhere.json --before with.yaml --after without.yaml --embedded",
            "trial kill.json --before with.yaml --after without.yaml --kubeconfig nowhere",
        ],
    );
    said.check("errors-trial-folders");
}

#[test]
fn recover_errors_match() {
    let mut said = Transcript::new();
    let record = |state: &str, embedded: bool| json!({"trial": "0a1b2c3d", "cluster": "https://h", "context": "kind-a", "embedded": embedded, "state": state});
    let mut check = |heading: &str, record: Option<String>, line: &str| {
        let sandbox = Sandbox::new();
        if let Some(record) = record {
            sandbox.write("out/trial.json", record);
        }
        said.heading(heading);
        said.call(&sandbox, line);
    };
    let from = "recover --from out --yes";
    check("no folder", None, from);
    check("a finished trial", Some(record("finished", false).to_string()), from);
    check("an embedded trial", Some(record("running", true).to_string()), from);
    check("a wrong name", Some(record("running", false).to_string().replace("0a1b2c3d", "a,b")), from);
    check("no cluster", Some(record("running", false).to_string()), from);
    check("no JSON", Some("{".to_owned()), from);
    check("no record", Some("{}".to_owned()), from);
    check("an argument that is no trial ID", None, "recover other");
    check("a kubeconfig that is not there", None, "recover --kubeconfig nowhere");
    let site = Site::embedded();
    said.heading("a cluster without trials");
    let recover = format!("recover --kubeconfig {}", site.config);
    said.calls(
        &site.sandbox,
        &[&recover, &format!("{recover} 0a1b2c3d --yes"), &format!("{recover} -o json")],
    );
    said.heading("a folder of another cluster");
    site.sandbox.write("out/trial.json", record("running", false).to_string());
    said.call(&site.sandbox, &format!("{recover} --from out --yes"));
    said.heading("a Namespace and a Secret that no trial made");
    let labels = json!({"metadata": {"name": "mine", "labels": {"kubectl-chaos/trial": "0a1b2c3d"}}});
    site.create("/api/v1/namespaces", &object("v1", "Namespace", "mine", &labels));
    let mut labels = labels.clone();
    labels["metadata"]["name"] = json!("secret");
    site.create(&site.at("v1", "secrets"), &object("v1", "Secret", "secret", &labels));
    said.call(&site.sandbox, &recover);
    said.call(&site.sandbox, &format!("{recover} --yes"));
    said.call(&site.sandbox, &format!("{recover} other --yes"));
    said.check("errors-recover");
}

#[test]
fn init_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    sandbox.write("mine.json", "precious");
    sandbox.write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {}\n");
    sandbox.write("broken.yaml", "a: [");
    let url = "init --url http://x/";
    let kill = "init --url http://x/ --fault kill-pods -l a=b";
    let more = [
        "init".to_owned(),
        url.to_owned(),
        format!("{url} --fault kill-pods"),
        format!("{url} --fault kill-pods -l a!=b"),
        format!("{url} --fault kill-pods -l ''"),
        format!("{url} --fault kill-pods -l 'a b'"),
        format!("{url} --fault kill-pods -l a=b --replicas 3"),
        format!("{url} --fault kill-pods -l a=b --target web"),
        format!("{url} --fault scale-to-zero"),
        format!("{url} --fault scale-to-zero --target WEB --replicas 1"),
        format!("{url} --fault scale-to-zero --target web"),
        format!("{url} --fault scale-to-zero --target web --kubeconfig nowhere"),
        format!("{url} --fault delete-service"),
        format!("{url} --fault delete-service --target web"),
        format!("{url} --fault delete-service --target web --manifest nowhere"),
        format!("{url} --fault delete-service --target web --manifest broken.yaml"),
        format!("{url} --fault delete-service --target web --manifest service.yaml"),
        format!("{url} --fault process"),
        format!("{url} --fault process --command '' --no-undo"),
        format!("{url} --fault process --command \"'\" --no-undo"),
        format!("{url} --fault process --command 'a | b' --no-undo"),
        format!("{url} --fault process --command nothing-of-this-name --no-undo"),
        "init --url x --fault kill-pods -l a=b".to_owned(),
        "init --service web.shop --fault kill-pods -l a=b".to_owned(),
        "init --service WEB --fault kill-pods -l a=b".to_owned(),
        "init --service web:x --fault kill-pods -l a=b".to_owned(),
        format!("{kill} --output e.txt"),
        format!("{kill} --output mine.json"),
        format!("{kill} --output nowhere/e.json"),
        format!("{kill} --output ."),
        format!("{kill} --title ''"),
        format!("{kill} --output -"),
        kill.to_owned(),
    ];
    said.calls(&sandbox, &more.iter().map(String::as_str).collect::<Vec<_>>());
    let site = Site::embedded();
    let spec = json!({"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec("suite/inert:1")}}});
    site.create(&site.at("apps/v1", "deployments"), &object("apps/v1", "Deployment", "web", &spec));
    for flags in
        ["scale-to-zero --target web", "scale-to-zero --target other", "delete-service --target other"]
    {
        said.call(&site.sandbox, &format!("{url} --fault {flags} --kubeconfig {}", site.config));
    }
    said.check("errors-init");
}

#[test]
fn embedded_and_demo_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    sandbox.write("there", "");
    sandbox.write("broken.yaml", "a: [");
    sandbox.write("odd.yaml", "apiVersion: x/v1\nkind: Y\nmetadata: {name: y}\n");
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({}));
    said.calls(
        &sandbox,
        &[
            "embedded serve --kubeconfig there",
            "embedded serve --kubeconfig nowhere/config",
            "embedded serve --apply nowhere",
            "embedded serve --apply broken.yaml",
            "run e.json --embedded --apply broken.yaml",
            "run e.json --embedded --apply odd.yaml",
            &format!("run e.json --embedded --kubeconfig {config}"),
            "run e.json --embedded --seed 1",
        ],
    );
    sandbox.write("chaos-demo/mine", "precious");
    said.call(&sandbox, "demo");
    said.check("errors-embedded");
}
