//! `kubectl` drives the embedded cluster: the same commands there and on a real one, and the same answers, but for
//! ids, times, ages, addresses, names of nodes and what makes names unique.
//!
//! Left out, as the embedded cluster does not claim it: `exec`, `attach`, `cp`, `debug`, `port-forward`, `top`,
//! `logs -f`, `explain` (it has no schemas), `create job NAME` and others that come in protobuf, what stands in
//! `describe`, the accounts, tokens and certificates that controllers put into every namespace.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fancy_regex::Regex;
use serde_json::{Value, json};

use crate::harness::{Finished, LISTENS, Site, finish, object, pod_spec, signal, wait_until};

/// How far two answers have to be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alike {
    /// Word for word.
    Whole,
    /// In their last line: what was said on the way depends on the moment.
    Ending,
    /// In their first line: after that Go shows its own structures.
    Opening,
    /// In how they end alone: what is said differs by rights, versions and kinds.
    Code,
}

use Alike::{Code, Ending, Opening, Whole};

/// The client. Where a program stands in its place that picks one by the server's version, as that of Google Cloud
/// does, the newest of those that it can pick: both clusters are to be asked by the same one.
fn program() -> PathBuf {
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let found =
        folders.iter().map(|folder| folder.join("kubectl")).find(|path| path.exists()).expect("kubectl");
    let found = found.canonicalize().unwrap();
    let beside = std::fs::read_dir(found.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let minor = |path: &PathBuf| {
        path.file_name()?.to_str()?.strip_prefix("kubectl.1.").and_then(|minor| minor.parse::<u32>().ok())
    };
    beside.filter(|path| minor(path).is_some()).max_by_key(minor).unwrap_or(found)
}

/// A cluster, and what was answered there.
struct Script<'a> {
    site: &'a Site,
    program: PathBuf,
    said: Vec<(String, Alike, Finished)>,
}

impl Script<'_> {
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(shlex::split(words).expect("words"))
            .current_dir(self.site.chaos.path(""))
            .env("KUBECONFIG", &self.site.config)
            .env("HOME", self.site.chaos.path(""))
            .env("KUBECTL_EXTERNAL_DIFF", "diff -U0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn say(&mut self, alike: Alike, words: &str) {
        let finished = finish(self.command(words).spawn().expect("kubectl"));
        self.said.push((words.to_owned(), alike, finished));
    }

    fn all(&mut self, commands: &[&str]) {
        for words in commands {
            self.say(Whole, words);
        }
    }

    /// Waits until as many Pods of a Deployment are there and ready as it wants, and no others.
    fn settle(&self, name: &str) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let path = self.site.at("apps/v1", &format!("deployments/{name}"));
        let found = self.site.until(&path, |answer| {
            let (wanted, status) = (number(&answer.body["spec"]["replicas"]), &answer.body["status"]);
            status["observedGeneration"] == answer.body["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "availableReplicas"]
                    .iter()
                    .all(|field| number(&status[field]) == wanted)
        });
        let wanted = found["spec"]["replicas"].as_u64().unwrap();
        let pods = self.site.at("v1", &format!("pods?labelSelector=app%3D{name}"));
        self.site.until(&pods, |answer| {
            let pods = answer.body["items"].as_array().unwrap();
            pods.len() as u64 == wanted && pods.iter().all(crate::harness::is_ready)
        });
        let endpoints = self.site.at("v1", &format!("endpoints/{name}"));
        self.site.until(&endpoints, |answer| {
            let addresses = answer.body["subsets"][0]["addresses"].as_array().map_or(0, Vec::len);
            answer.code == 404 || addresses as u64 == wanted
        });
    }

    /// What a command shows that goes on: after each of the others something happens, and it ends when it has shown
    /// what is waited for.
    fn watch(&mut self, words: &str, then: &str, until: &str) {
        let mut child = self.command(words).spawn().expect("kubectl");
        let (id, lines) = (child.id(), BufReader::new(child.stdout.take().unwrap()).lines());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut seen: Vec<String> = Vec::new();
        let until = Regex::new(until).unwrap();
        // the table begins with its head and what there is
        for _ in 0..2 {
            seen.push(receiver.recv_timeout(crate::harness::DEADLINE).expect("a line"));
        }
        self.say(Whole, then);
        wait_until(words, || {
            seen.extend(receiver.try_iter());
            seen.iter().any(|line| until.is_match(line).unwrap())
        });
        signal(id, rustix::process::Signal::KILL);
        let _ = child.wait();
        // what shows the same twice changed in what is not shown
        let mut lines: Vec<String> = seen.iter().map(|line| redacted(self.site, line)).collect();
        lines.dedup();
        let told = Finished { code: Some(0), stdout: lines.join("\n"), stderr: String::new() };
        self.said.push((words.to_owned(), Whole, told));
    }
}

/// A document without what the embedded cluster does not have: containers, their images, and the account's token
/// that is mounted into them.
fn plain(document: &mut Value) {
    let token = |one: &Value| one["name"].as_str().is_some_and(|name| name.starts_with("default-token-"));
    match document {
        Value::Object(fields) => {
            for name in ["volumes", "volumeMounts"] {
                if let Some(list) = fields.get_mut(name).and_then(Value::as_array_mut) {
                    list.retain(|one| !token(one));
                }
                if fields.get(name) == Some(&json!([])) {
                    fields.shift_remove(name);
                }
            }
            for name in ["containerID", "imageID"] {
                fields.entry(name).and_modify(|id| *id = json!("ID"));
            }
            if let Some(image) = fields.get_mut("image").filter(|image| image.is_string()) {
                *image = json!(image.as_str().unwrap().trim_start_matches("docker.io/"));
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// Takes out what may differ.
fn redacted(site: &Site, text: &str) -> String {
    let read: Option<Value> = match text {
        json if json.starts_with("{\n") => serde_json::from_str(json).ok(),
        yaml if yaml.starts_with("apiVersion:") => serde_yaml::from_str(yaml).ok(),
        _ => None,
    };
    let read = read.map(|mut document| {
        plain(&mut document);
        format!("{document:#}")
    });
    let text = read.as_deref().unwrap_or(text);
    let text =
        text.replace(&site.namespace, "NAMESPACE").replace(&*site.chaos.path("").to_string_lossy(), "FOLDER");
    let rules = [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( [+-]\d{4}|Z)", "TIME"),
        (r"\b(\d{1,3}\.){3}\d{1,3}\b", "IP"),
        (r"\b(embedded-\d|testbed)(?![/\w:])", "NODE"),
        (r"\bweb-[a-z0-9]{8,10}-[a-z0-9]{5}\b", "web-HASH-POD"),
        (r"\bweb-[a-z0-9]{8,10}\b", "web-HASH"),
        (r#"(pod-template-hash"?[=:] ?"?)[a-z0-9]{8,10}"#, "${1}HASH"),
        (r#"("?resourceVersion"?: )"\d+""#, r#"${1}"VERSION""#),
        (r"(?m)(^| )\d+[smhd](\d+[smhd])?(?= |$)", "${1}AGE"),
        (r"\((LIVE|MERGED)-\d+", "$1"),
        (r"/tmp/(LIVE|MERGED)-\d+", "$1"),
        (r"https://IP:\d+", "https://IP:PORT"),
        (r"(?m) +$", ""),
        // columns are as wide as what stands in them
        (r" {2,}(?=\S)", "  "),
    ];
    let mut text = text;
    for (pattern, with) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

fn deployment(replicas: u32) -> Value {
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

/// Goes through all commands.
fn drive(site: &Site) -> Vec<(String, Alike, Finished)> {
    let mut script = Script { site, program: program(), said: Vec::new() };
    let service = object(
        "v1",
        "Service",
        "web",
        &json!({"metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
    );
    let write = |name: &str, text: String| drop(site.chaos.write(name, text));
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
        "get pods -l app=nobody",
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
    // the heads of what has other rows
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

/// What is created by name alone, which kubectl sends in protobuf.
fn naming(script: &mut Script<'_>) {
    let space = format!("{}-typed", script.site.namespace);
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

/// On a node of the test's own, that nothing runs behind.
fn nodes(script: &mut Script<'_>) {
    let site = script.site;
    let node = format!("{}-node", site.namespace);
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
        "delete configmaps -l app=nobody",
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
    // it is gone sooner or later than that is asked
    script.say(Code, "wait --for=delete pod/lone --timeout=60s");
    script.all(&["wait --for=delete pod/lone --timeout=1s"]);
}

#[test]
#[ignore = "needs kubectl"]
fn it_shows_the_logs_of_what_runs() {
    let site = Site::embedded();
    let mut deployment = deployment(1);
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(LISTENS);
    site.create(&site.at("apps/v1", "deployments"), &deployment);
    let mut script = Script { site: &site, program: program(), said: Vec::new() };
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
fn it_answers_as_a_real_cluster_does() {
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
