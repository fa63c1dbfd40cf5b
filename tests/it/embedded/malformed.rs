//! Malformed objects: every request body gets a response, and none causes a panic.

use ::http::Method;
use serde_json::{Value, json};

use super::fixture::World;

/// Every place in a document as a JSON pointer.
fn places(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            self::places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), places);
        }),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| self::places(value, &format!("{at}/{index}"), places));
        }
        _ => {}
    }
}

fn objects() -> Vec<(&'static str, &'static str, Value)> {
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "x:1", "args": ["a"], "env": [{"name": "A", "value": "b"}],
            "ports": [{"name": "http", "containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 0}}]}});
    let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]});
    let metadata = json!({"name": "odd", "labels": {"app": "web"}, "annotations": {"a": "b"}, "finalizers": [],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y", "controller": true}]});
    vec![
        (
            "v1",
            "pods",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"],
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        ),
        (
            "apps/v1",
            "deployments",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": 1, "selector": selector, "template": template, "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}, "revisionHistoryLimit": 2}}),
        ),
        (
            "v1",
            "services",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
        ),
        (
            "policy/v1",
            "poddisruptionbudgets",
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": metadata, "spec": {"maxUnavailable": "50%", "selector": selector}}),
        ),
    ]
}

/// Replaces every place of every object by an invalid value, then creates, patches and reads the object.
pub async fn malformed_request_bodies_are_answered(world: &World) {
    let odd = [
        json!(null),
        json!("x"),
        json!(-1),
        json!(1e300),
        json!([]),
        json!({}),
        json!([[1]]),
        json!({"a": ["b"]}),
    ];
    for (group, plural, object) in objects() {
        let (all, mut at) = (world.at(group, plural), Vec::new());
        places(&object, "", &mut at);
        for place in &at {
            for value in &odd {
                let mut body = object.clone();
                *body.pointer_mut(place).unwrap() = value.clone();
                let what = format!("{plural}{place} = {value}");
                let created = world.post(&all, &body).await;
                assert!(created.code < 500, "{what}: {created:?}");
                if created.code == 201 {
                    let one = format!("{all}/{}", created.body["metadata"]["name"].as_str().unwrap());
                    for (how, patch) in [("merge", &body), ("strategic-merge", &body)] {
                        let patched = world.patch(how, &one, patch).await;
                        assert!(patched.code < 500, "{what}, {how}: {patched:?}");
                    }
                    for path in [&all, &one] {
                        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
                        assert_eq!(world.asked(Method::GET, path, "", None, table).await.code, 200, "{what}");
                    }
                    world.delete(&one, &json!({"gracePeriodSeconds": 0})).await;
                }
                let put = world.put(&format!("{all}/odd"), &body).await;
                assert!(put.code < 500, "{what}: {put:?}");
            }
        }
        let status = world
            .ask(
                Method::PATCH,
                &format!("{all}/odd/status"),
                "application/json-patch+json",
                Some(&json!([{"op": "replace", "path": "", "value": 1}])),
            )
            .await;
        assert!(status.code < 500, "{status:?}");
    }
    // the other objects still work
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "sound"}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"app": "sound"}}, "template": {"metadata": {"labels": {"app": "sound"}},
            "spec": {"containers": [{"name": "main", "image": "x:1"}]}}}});
    world.post(&world.at("apps/v1", "deployments"), &web).await.ok();
    let path = world.at("apps/v1", "deployments/sound");
    world.until(&path, |answer| answer.body["status"]["availableReplicas"] == 2).await;
}
