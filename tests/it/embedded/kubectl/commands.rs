//! The kubectl commands in their order.

use serde_json::{Value, json};

use super::script::Alike::{Code, Ending, Opening, Whole};
use super::script::{Said, Script};
use crate::harness::{Site, object, pod_spec};

/// A Deployment whose Pods have a port.
pub fn deployment(replicas: u32) -> Value {
    let container = json!({"name": "main", "image": "testbed/busybox:1", "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080}]});
    object(
        "apps/v1",
        "Deployment",
        "web",
        &json!({"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}}),
    )
}

fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn settings(value: &str) -> Value {
    object(
        "v1",
        "ConfigMap",
        "settings",
        &json!({"metadata": {"name": "settings", "labels": {"suite": "yes"}}, "data": {"level": value, "color": "red"}}),
    )
}

/// Cluster-scoped objects that are deleted after the test if they exist.
struct Made<'a>(&'a Site, String);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.0.forget(&self.1);
    }
}

/// Runs all commands.
pub fn drive(site: &Site) -> Vec<Said> {
    let mut script = Script::new(site);
    let service = object(
        "v1",
        "Service",
        "web",
        &json!({"metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
    );
    let write = |name: &str, text: String| drop(site.sandbox.write(name, text));
    write("all.json", list(&[settings("1"), service.clone(), deployment(1)]));
    write("changed.json", list(&[settings("2"), service, deployment(2)]));
    write("settings.json", settings("3").to_string());
    write("more.json", object("v1", "ConfigMap", "more", &json!({"data": {"a": "1"}})).to_string());
    let mut lone = object("v1", "Pod", "lone", &json!({"spec": pod_spec("testbed/busybox:1")}));
    lone["metadata"]["labels"] = json!({"app": "lone"});
    write("lone.json", lone.to_string());
    let mut stuck = lone.clone();
    stuck["metadata"]["name"] = json!("stuck");
    stuck["spec"]["containers"][0]["image"] = json!("embedded/no-such-image:1");
    write("stuck.json", stuck.to_string());
    script.all(&["apply -f all.json", "rollout status deployment/web --timeout=60s -w=false"]);
    let _ = script.said.pop();
    script.settle("web");
    script.all(&[
        "apply -f all.json",
        "diff -f all.json",
        "diff -f changed.json",
        "apply -f changed.json --dry-run=server",
        "apply -f changed.json",
    ]);
    script.settle("web");
    applying(&mut script);
    looking(&mut script);
    scaling(&mut script);
    changing(&mut script);
    naming(&mut script);
    nodes(&mut script);
    deleting(&mut script);
    script.said
}

fn applying(script: &mut Script<'_>) {
    script.all(&[
        "apply --server-side -f more.json",
        "apply --server-side -f more.json",
        "get configmap more -o jsonpath={.data}",
        "create -f more.json",
        "create -f settings.json --dry-run=client",
        "replace -f settings.json",
        "get configmap settings -o jsonpath={.data.level}",
        "replace -f lone.json",
        "create -f lone.json",
        "apply -f stuck.json",
        "apply -f nothing.json",
    ]);
    let (lone, stuck) = (script.site.at("v1", "pods/lone"), script.site.at("v1", "pods/stuck"));
    script.site.until(&lone, |answer| crate::harness::is_ready(&answer.body));
    script.site.until(&stuck, |answer| {
        answer.body["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    });
}

fn looking(script: &mut Script<'_>) {
    for kind in ["pods", "deployments", "services", "replicasets", "endpoints", "configmaps -l suite"] {
        for output in ["", "-o wide", "-o name", "--show-labels", "--no-headers"] {
            script.say(Whole, &format!("get {kind} {output}"));
        }
    }
    for object in [
        "pod lone",
        "deployment web",
        "service web",
        "replicasets -l app=web",
        "configmap more",
        "endpoints web",
    ] {
        for output in ["-o json", "-o yaml"] {
            script.say(Whole, &format!("get {object} {output}"));
        }
    }
    script.all(&[
        "get all -l app=web",
        "get pods,services",
        "get pods -l app=web -o name",
        "get pods -l 'app in (web,lone),app!=lone' -o name",
        "get pods --field-selector=status.phase=Running",
        "get pods --field-selector=metadata.name=lone -o wide",
        "get pods --field-selector=spec.x=1",
        "get pods --sort-by=.metadata.name -L app",
        "get deployment web -o jsonpath='{.spec.replicas} {.status.availableReplicas}'",
        "get deployments -o custom-columns=NAME:.metadata.name,WANTED:.spec.replicas",
        "get deployment web -o go-template='{{.metadata.name}}'",
        "get deployment/web service/web",
        "get pod absent",
        "get pods absent --ignore-not-found",
        "get nothings",
        "get pods -l app=absent",
        "get po/lone deploy/web",
        "get --raw /api/v1/namespaces/default/nothings",
        "rollout status deployment/web",
        "rollout history deployment/web",
        "logs stuck",
        "logs absent",
        "logs lone",
        "logs lone --previous",
        "logs lone -c other",
        "logs deployment/web --tail=1",
        "logs -l app=lone",
        "get namespace default",
        "get namespace default -o wide --show-labels",
        "get ns kube-system -o name",
        "cluster-info",
        "auth can-i get pods",
        "wait --for=condition=Ready pod/lone --timeout=20s",
        "wait --for=condition=Available deployment/web --timeout=20s",
        "wait --for=jsonpath={.status.phase}=Running pod/lone --timeout=20s",
        "wait --for=condition=Ready pod/stuck --timeout=1s",
        "wait --for=condition=Ready pod/absent --timeout=1s",
    ]);
    for words in [
        "describe deployment web",
        "describe pods",
        "describe service web",
        "describe nodes",
        "describe configmap more",
        "describe pod absent",
        "get nodes",
        "get nodes -o wide",
        "get namespaces",
        "get pods -A",
        "get events",
        "api-resources",
        "api-versions",
        "version",
    ] {
        script.say(Code, words);
    }
    // the table headers of resources with different rows
    for kind in ["nodes", "nodes -o wide", "namespaces", "pods -A", "services -A -o wide"] {
        script.say(Code, &format!("get {kind}"));
        let (words, _, told) = script.said.last_mut().unwrap();
        told.stdout = told.stdout.lines().next().unwrap_or_default().to_owned();
        *words += " (its head)";
        script.said.last_mut().unwrap().1 = Whole;
    }
}

fn scaling(script: &mut Script<'_>) {
    script.all(&["scale deployment web --replicas=1"]);
    script.settle("web");
    script.watch("get deployment web --watch", "scale deployment/web --replicas=2", r"^web +2/2 +2 +2");
    script.settle("web");
    script.all(&[
        "scale deployment web --replicas=2 --current-replicas=7",
        "scale deployment absent --replicas=2",
        "scale deployment web --replicas=-1",
        "scale --replicas=2 -f all.json",
        "scale deployment web --replicas=3",
    ]);
    script.settle("web");
    script.all(&["set image deployment/web main=testbed/busybox:1", "rollout restart deployment/web"]);
    script.say(Ending, "rollout status deployment/web --timeout=60s");
    script.settle("web");
    script.all(&["rollout history deployment/web", "rollout undo deployment/web"]);
    script.say(Ending, "rollout status deployment/web --timeout=60s");
    script.settle("web");
    script.all(&[
        "rollout history deployment/web",
        "rollout undo deployment/web --to-revision=9",
        "rollout pause deployment/web",
        "rollout pause deployment/web",
        "rollout resume deployment/web",
        "set image deployment/web main=embedded/no-such-image:1",
        "rollout status deployment/web --timeout=1s",
        "rollout undo deployment/web",
        "set env deployment/web COLOR=blue",
    ]);
    script.say(Ending, "rollout status deployment/web --timeout=60s");
    script.settle("web");
    script.all(&[
        "get deployment web -o jsonpath={.spec.template.spec.containers[0].env}",
        "autoscale deployment/absent --max=2",
    ]);
}

fn changing(script: &mut Script<'_>) {
    script.say(Opening, r#"patch pod lone -p '{"spec": {"restartPolicy": "Never"}}'"#);
    script.all(&[
        "label pod lone tier=front",
        "label pod lone tier=front",
        "label pod lone tier=back",
        "label pod lone tier=back --overwrite",
        "label pod lone tier-",
        "label pods absent a=b",
        "annotate pod lone note='a word'",
        "annotate pod lone note=other",
        "annotate pod lone note-",
        r#"patch configmap more -p '{"data": {"b": "2"}}'"#,
        r#"patch configmap more --type=merge -p '{"data": {"a": null}}'"#,
        r#"patch configmap more --type=json -p '[{"op": "replace", "path": "/data/b", "value": "3"}]'"#,
        r#"patch configmap more --type=json -p '[{"op": "replace", "path": "/data/b", "value": "3"}]'"#,
        r#"patch configmap more --type=json -p '[{"op": "test", "path": "/data/b", "value": "9"}]'"#,
        r#"patch deployment web -p '{"spec": {"replicas": -3}}'"#,
        "get configmap more -o jsonpath={.data}",
        "set resources deployment/web -c main --limits=memory=64Mi",
        "set image pod/lone main=testbed/busybox:1",
        "set serviceaccount deployment/web default",
        "expose deployment web --name=again --port=81",
        "get service again -o jsonpath={.spec.ports}",
        "create -f more.json --validate=false",
        "create --raw /api/v1/namespaces/default/nothings -f more.json",
        "taint nodes absent a=b:NoSchedule",
        "cordon absent",
        "uncordon absent",
        "drain absent",
    ]);
}

/// Objects that kubectl creates by name, and sends as protobuf.
fn naming(script: &mut Script<'_>) {
    let space = format!("{}-typed", script.site.namespace);
    let _made = Made(script.site, format!("/api/v1/namespaces/{space}"));
    script.all(&[
        "create configmap typed --from-literal=a=b",
        "create configmap typed --from-literal=a=b",
        "get configmap typed -o jsonpath={.data}",
        "create secret generic typed --from-literal=a=b",
        "get secret typed",
        "get secret typed -o jsonpath={.data}",
        "create serviceaccount typed",
        "create service clusterip typed --tcp=80:http",
        "get service typed -o jsonpath={.spec.ports}",
        "create deployment typed --image=testbed/busybox:1 --replicas=0 --port=80",
        "get deployment typed -o wide",
        "get deployment typed -o jsonpath={.spec.template.spec.containers}",
        &format!("create namespace {space}"),
        &format!("get namespace {space}"),
        &format!("delete namespace {space} --wait=false"),
        "run typed --image=testbed/busybox:1 --restart=Never --image-pull-policy=IfNotPresent",
        "delete pod typed --now",
        "delete deployment,service,configmap,secret,serviceaccount typed",
    ]);
}

/// Commands on a Node without a kubelet.
fn nodes(script: &mut Script<'_>) {
    let site = script.site;
    let node = format!("{}-node", site.namespace);
    let _made = Made(site, format!("/api/v1/nodes/{node}"));
    let taint = json!({"key": "suite", "value": "yes", "effect": "NoSchedule"});
    site.create("/api/v1/nodes", &object("v1", "Node", &node, &json!({"spec": {"taints": [taint]}})));
    let owner = site.create(&site.at("v1", "configmaps"), &object("v1", "ConfigMap", "owner", &json!({})));
    let tenant = |name: &str, owners: Value| {
        let mut pod = crate::harness::pod(name);
        pod["spec"]["nodeName"] = json!(node);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
        pod["metadata"]["ownerReferences"] = owners;
        site.create(&site.at("v1", "pods"), &pod);
    };
    let uid = &owner["metadata"]["uid"];
    let owned =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": true}]);
    tenant("owned", owned);
    for words in [
        "cordon NODE",
        "cordon NODE",
        "get node NODE -o jsonpath={.spec.unschedulable}",
        "uncordon NODE",
        "uncordon NODE",
        "label node NODE a=b",
        "taint node NODE a=b:NoSchedule",
        "taint node NODE a-",
        "drain NODE --timeout=30s",
        "get pods --field-selector=spec.nodeName=NODE",
    ] {
        script.say(Whole, &words.replace("NODE", &node));
    }
    tenant("tenant", json!([]));
    for words in ["drain NODE --timeout=30s", "drain NODE --force --timeout=30s", "delete node NODE"] {
        script.say(Whole, &words.replace("NODE", &node));
    }
}

fn deleting(script: &mut Script<'_>) {
    script.all(&[
        "delete pod lone",
        "delete pod lone",
        "delete pod lone --ignore-not-found",
        "delete pod stuck --now",
        "delete configmap more settings",
        "delete configmaps -l app=absent",
        "delete service -l app=web",
        "delete -f all.json --ignore-not-found",
        "delete nothings x",
        "delete pods",
        "get deployments,replicasets,services web",
    ]);
    script.site.until(&script.site.at("v1", "pods"), |answer| answer.body["items"] == json!([]));
    script.all(&[
        "get pods",
        "apply -f lone.json",
        "wait --for=create pod/lone --timeout=10s",
        "wait --for=condition=Ready pod/lone --timeout=60s",
        "delete pod lone --wait=false",
    ]);
    // it may be deleted before or after the request
    script.say(Code, "wait --for=delete pod/lone --timeout=60s");
    script.all(&["wait --for=delete pod/lone --timeout=1s"]);
}
