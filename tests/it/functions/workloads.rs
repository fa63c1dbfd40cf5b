//! Deployments, `ReplicaSets`, `StatefulSets` and `DaemonSets`: created, scaled, restarted, deleted, awaited.

use serde_json::{Value, json};

use super::steps::{act, came_to, fails, gone, holds, play, reads, refused};
use super::workload;
use crate::harness::{Answer, Site};

const IMAGE: &str = "testbed/busybox:1";
const NO_IMAGE: &str = "embedded/no-such-image:1";

fn is_complete(answer: &Answer) -> bool {
    let (wanted, status) = (&answer.body["spec"]["replicas"], &answer.body["status"]);
    // an old status says nothing about the new specification
    status["observedGeneration"] == answer.body["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|field| status[field] == *wanted)
}

pub fn deployments_are_created_scaled_and_awaited(site: &Site) {
    let all = site.at("apps/v1", "deployments");
    let one = format!("{all}/web");
    site.sandbox.write("web.json", workload("Deployment", "web", 2, IMAGE).to_string());
    let web = |more: Value| {
        let mut arguments = json!({"name": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let (missing, absent) = (json!({"name": "absent"}), json!({"name": "absent", "timeout": 1}));
    let deployment = |name: &str| format!("deployment.probes.{name}");
    let restarted = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let steps = [
        act("deployment.actions.create_deployment", &json!({"spec_path": "web.json"})),
        reads(&one, "/status/availableReplicas", json!(2)),
        refused("deployment.actions.create_deployment", &json!({"spec_path": "web.json"}), "already exists"),
        holds("deployment.probes.deployment_available_and_healthy", &web(json!({})), "true"),
        fails("deployment.probes.deployment_available_and_healthy", &missing, "was not found"),
        holds("deployment.probes.deployment_partially_available", &web(json!({})), "true"),
        fails("deployment.probes.deployment_partially_available", &missing, "was not found"),
        holds("deployment.probes.deployment_fully_available", &web(json!({"timeout": 20})), "true"),
        // as Python's int() reads it
        holds("deployment.probes.deployment_fully_available", &web(json!({"timeout": "20"})), "true"),
        fails(
            "deployment.probes.deployment_fully_available",
            &web(json!({"timeout": "soon"})),
            "invalid literal for int()",
        ),
        fails(&deployment("deployment_fully_available"), &absent, "failed to recover within 1s"),
        fails(&deployment("deployment_not_fully_available"), &web(json!({"timeout": 1})), "failed to stop"),
        act("deployment.actions.scale_deployment", &web(json!({"replicas": 3}))),
        reads(&one, "/status/replicas", json!(3)),
        holds("probes.deployment_is_fully_available", &web(json!({"timeout": 20})), "true"),
        came_to("mismatch", "deployment.actions.scale_deployment", &web(json!({"replicas": 3}))),
        act("deployment.actions.scale_deployment", &web(json!({"replicas": 0}))),
        reads(site.at("v1", "pods?labelSelector=app%3Dweb"), "names", json!([])),
        holds("deployment.probes.deployment_not_fully_available", &web(json!({"timeout": 5})), "true"),
        fails("deployment.probes.deployment_partially_available", &web(json!({})), "is not healthy"),
        refused(
            "deployment.actions.scale_deployment",
            &json!({"name": "absent", "replicas": 1}),
            "failed to scale 'absent' to 1 replicas",
        ),
        refused(
            "deployment.actions.scale_deployment",
            &web(json!({"replicas": -1})),
            "failed to scale 'web'",
        ),
        act("deployment.actions.scale_deployment", &web(json!({"replicas": 1}))),
        reads(&one, "/status/readyReplicas", json!(1)),
        reads(&one, restarted, Value::Null),
        act("deployment.actions.rollout_deployment", &web(json!({}))),
        reads(&one, "/metadata/annotations/deployment.kubernetes.io~1revision", json!("2")),
        reads(&one, "/status/updatedReplicas", json!(1)),
    ];
    play(site, &steps);
    site.until(&one, is_complete);
    let set = site.read(&site.at("apps/v1", "replicasets?labelSelector=app%3Dweb")).body;
    let sets = set["items"].as_array().unwrap();
    let newest = sets.iter().find(|set| set["spec"]["replicas"] == 1).unwrap();
    let (name, uid) = (&newest["metadata"]["name"], &newest["metadata"]["uid"]);
    play(site, &[act("replicaset.actions.delete_replica_set", &json!({"name": name}))]);
    // its Deployment creates another one
    let path = site.at("apps/v1", &format!("replicasets/{}", name.as_str().unwrap()));
    site.until(&path, |answer| answer.code == 200 && answer.body["metadata"]["uid"] != *uid);
    site.until(&one, is_complete);
    let steps = [
        act("deployment.actions.delete_deployment", &json!({"label_selector": "name=web"})),
        gone(&one),
        reads(site.at("v1", "pods?labelSelector=app%3Dweb"), "names", json!([])),
        refused("deployment.actions.rollout_deployment", &json!({"name": "web"}), "failed to rollout"),
    ];
    play(site, &steps);
}

pub fn deprecated_functions_behave_like_replacements(site: &Site) {
    let all = site.at("apps/v1", "deployments");
    let one = format!("{all}/web");
    site.sandbox.write("web.json", workload("Deployment", "web", 1, IMAGE).to_string());
    site.create(&all, &workload("Deployment", "late", 1, NO_IMAGE));
    let steps = [
        act("actions.start_microservice", &json!({"spec_path": "web.json"})),
        reads(&one, "/status/availableReplicas", json!(1)),
        holds("probes.microservice_available_and_healthy", &json!({"name": "web"}), "true"),
        fails("probes.microservice_available_and_healthy", &json!({"name": "late"}), "is not healthy"),
        holds("probes.deployment_is_not_fully_available", &json!({"name": "late", "timeout": 5}), "true"),
        fails(
            "probes.deployment_is_fully_available",
            &json!({"name": "late", "timeout": 1}),
            "failed to recover",
        ),
        fails(
            "probes.deployment_is_not_fully_available",
            &json!({"name": "web", "timeout": 1}),
            "failed to stop",
        ),
        act("actions.scale_microservice", &json!({"name": "web", "replicas": 2})),
        reads(&one, "/status/availableReplicas", json!(2)),
        act("actions.kill_microservice", &json!({"name": "web"})),
        gone(&one),
        reads(site.at("v1", "pods?labelSelector=app%3Dweb"), "names", json!([])),
    ];
    play(site, &steps);
}

pub fn stateful_sets_are_created_scaled_and_awaited(site: &Site) {
    let all = site.at("apps/v1", "statefulsets");
    site.sandbox.write("db.json", workload("StatefulSet", "db", 1, IMAGE).to_string());
    let db = |more: Value| {
        let mut arguments = json!({"name": "db", "timeout": 20});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let one = format!("{all}/db");
    play(site, &[act("statefulset.actions.create_statefulset", &json!({"spec_path": "db.json"}))]);
    site.comes_to(&one, &json!({"replicas": 1, "readyReplicas": 1}));
    let steps = [
        holds("statefulset.probes.statefulset_fully_available", &db(json!({})), "true"),
        fails(
            "statefulset.probes.statefulset_not_fully_available",
            &db(json!({"timeout": 1})),
            "microservice 'db' failed to stop",
        ),
    ];
    play(site, &steps);
    if site.is_embedded {
        // only the test sets the status there
        site.comes_to(&one, &json!({"replicas": 2}));
    }
    let steps = [
        act("statefulset.actions.scale_statefulset", &json!({"name": "db", "replicas": 2})),
        reads(&one, "/spec/replicas", json!(2)),
    ];
    play(site, &steps);
    site.create(&all, &workload("StatefulSet", "stuck", 1, NO_IMAGE));
    let stuck = json!({"name": "stuck", "timeout": 1});
    let steps = [
        holds(
            "statefulset.probes.statefulset_not_fully_available",
            &json!({"name": "stuck", "timeout": 5}),
            "true",
        ),
        fails("statefulset.probes.statefulset_fully_available", &stuck, "failed to recover"),
        act("statefulset.actions.remove_statefulset", &json!({"name": "db"})),
        gone(one),
        reads(all, "names", json!(["stuck"])),
    ];
    play(site, &steps);
}

pub fn daemon_sets_are_created_patched_and_awaited(site: &Site) {
    let one = site.at("apps/v1", "daemonsets/agent");
    // other tests create Nodes at the same time: this one selects the original Node
    let nodes = site.read("/api/v1/nodes?labelSelector=kubernetes.io%2Fhostname").body;
    let host = &nodes["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"];
    let mut daemon_set = workload("DaemonSet", "agent", 1, IMAGE);
    daemon_set["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": host});
    site.sandbox.write("agent.json", daemon_set.to_string());
    let agent = json!({"name": "agent", "timeout": 20});
    let broken = json!({"name": "agent", "timeout": 1});
    let change = |image: &str| {
        let containers = json!([{"name": "main", "image": image}]);
        json!({"name": "agent", "spec": {"spec": {"template": {"spec": {"containers": containers}}}}})
    };
    play(site, &[act("daemonset.actions.create_daemon_set", &json!({"spec_path": "agent.json"}))]);
    site.comes_to(&one, &json!({"desiredNumberScheduled": 1, "numberReady": 1}));
    let steps = [
        holds("daemonset.probes.daemon_set_available_and_healthy", &json!({"name": "agent"}), "true"),
        holds("daemonset.probes.daemon_set_partially_available", &json!({"name": "agent"}), "true"),
        holds("daemonset.probes.daemon_set_fully_available", &agent, "true"),
        holds("daemonset.probes.daemon_set_not_fully_available", &broken, "false"),
        act("daemonset.actions.update_daemon_set", &change(NO_IMAGE)),
        reads(&one, "/spec/template/spec/containers/0/image", json!(NO_IMAGE)),
    ];
    play(site, &steps);
    site.comes_to(&one, &json!({"desiredNumberScheduled": 1, "numberReady": 0}));
    let steps = [
        holds("daemonset.probes.daemon_set_available_and_healthy", &json!({"name": "agent"}), "false"),
        holds("daemonset.probes.daemon_set_partially_available", &json!({"name": "agent"}), "false"),
        holds("daemonset.probes.daemon_set_fully_available", &broken, "false"),
        holds("daemonset.probes.daemon_set_not_fully_available", &agent, "true"),
        act("daemonset.actions.delete_daemon_set", &json!({"label_selector": "name=agent"})),
        gone(one),
    ];
    play(site, &steps);
}
