//! The contract: responses of a real API server and its controllers, which the embedded cluster must match.

use ::http::Method;
use serde_json::{Value, json};

use super::fixture::{Answer, World};

pub use super::readiness::{pods_on_unreachable_nodes_are_not_ready, unready_pod_states_reason};
pub use super::tables::{table_cells_show_object_fields, tables_have_columns_of_kubectl};

const NO_OPTIONS: Value = Value::Null;

pub fn config_map(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}})
}

fn pod_spec(image: &str) -> Value {
    json!({"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": image,
        "imagePullPolicy": "IfNotPresent", "command": ["/bin/busybox", "sleep", "3600"]}]})
}

pub fn pod(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": pod_spec("testbed/busybox:1")})
}

pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec("testbed/busybox:1")}}})
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().expect("a version").parse().expect("a number")
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

pub fn is_rolled_out(answer: &Answer) -> bool {
    let (meta, spec, status) = (&answer.body["metadata"], &answer.body["spec"], &answer.body["status"]);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    status["observedGeneration"] == meta["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|field| number(&status[field]) == number(&spec["replicas"]))
}

pub async fn object_is_created_only_once(world: &World) {
    let all = world.at("v1", "configmaps");
    let answer = world.post(&all, &config_map("one", &json!({}))).await;
    assert_eq!(answer.code, 201);
    let created = answer.body;
    assert_eq!(created["metadata"]["namespace"], world.namespace);
    for field in ["uid", "creationTimestamp", "resourceVersion"] {
        assert!(created["metadata"][field].is_string(), "{field}: {created}");
    }
    assert!(created["metadata"]["labels"].is_null(), "what is empty is left out");
    let again = world.post(&all, &config_map("one", &json!({}))).await;
    again.refused(409, "AlreadyExists", "configmaps \"one\" already exists");
    let there = world.get(&format!("{all}/one")).await.ok();
    assert_eq!((&there["kind"], &there["data"]["a"]), (&json!("ConfigMap"), &json!("1")));
    world.get(&format!("{all}/two")).await.refused(404, "NotFound", "configmaps \"two\" not found");
    world.get(&world.at("v1", "nothings")).await.refused(
        404,
        "NotFound",
        "could not find the requested resource",
    );
    let elsewhere = "/api/v1/namespaces/no-such-namespace/configmaps";
    let nowhere = world.post(elsewhere, &config_map("one", &json!({}))).await;
    nowhere.refused(404, "NotFound", "namespaces \"no-such-namespace\" not found");
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}});
    let made = world.post(&all, &made).await.ok();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("made-") && name.len() == 10, "{name}");
    let with_version =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "resourceVersion": "7"}});
    let refused = world.post(&all, &with_version).await;
    assert!(refused.body["message"].as_str().unwrap().contains("resourceVersion"), "{refused:?}");
    // the object is deleted, and the response contains it
    let gone = world.delete(&format!("{all}/one"), &NO_OPTIONS).await.ok();
    assert_eq!((&gone["status"], &gone["details"]["name"]), (&json!("Success"), &json!("one")));
    assert_eq!(gone["details"]["uid"], created["metadata"]["uid"]);
    world.delete(&format!("{all}/one"), &NO_OPTIONS).await.refused(
        404,
        "NotFound",
        "configmaps \"one\" not found",
    );
}

pub async fn stale_resource_version_causes_conflict(world: &World) {
    let all = world.at("v1", "configmaps");
    let one = format!("{all}/one");
    let created = world.post(&all, &config_map("one", &json!({}))).await.ok();
    let mut changed = created.clone();
    changed["data"]["a"] = json!("2");
    let updated = world.put(&one, &changed).await.ok();
    assert!(version(&updated) > version(&created));
    assert_eq!(updated["metadata"]["uid"], created["metadata"]["uid"]);
    let same = world.put(&one, &updated).await.ok();
    assert_eq!(version(&same), version(&updated), "what changes nothing makes no version");
    changed["data"]["a"] = json!("3");
    let stale = world.put(&one, &changed).await;
    stale.refused(
        409,
        "Conflict",
        "the object has been modified; please apply your changes to the latest version",
    );
    // a write without a version overwrites the object
    changed["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    world.put(&one, &changed).await.ok();
    changed["metadata"]["uid"] = json!("11111111-1111-4111-a111-111111111111");
    // the message differs when the server reads its cache first
    world.put(&one, &changed).await.refused(409, "Conflict", "UID in ");
    changed["metadata"].as_object_mut().unwrap().remove("uid");
    changed["metadata"]["name"] = json!("two");
    let other = world.put(&one, &changed).await;
    other.refused(400, "BadRequest", "the name of the object (two) does not match the name on the URL (one)");
    let missing = world.put(&format!("{all}/two"), &config_map("two", &json!({}))).await;
    assert!(matches!(missing.code, 200 | 201 | 404), "{missing:?}");
    let wrong = json!({"preconditions": {"uid": "11111111-1111-4111-a111-111111111111"}});
    world.delete(&one, &wrong).await.refused(409, "Conflict", "UID in ");
}

pub async fn all_patch_types_are_applied(world: &World) {
    let all = world.at("v1", "services");
    let one = format!("{all}/web");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"a": "1"}},
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "more", "port": 81}]}});
    world.post(&all, &service).await.ok();
    let merged =
        world.patch("merge", &one, &json!({"metadata": {"labels": {"a": null, "b": "2"}}})).await.ok();
    assert_eq!(merged["metadata"]["labels"], json!({"b": "2"}));
    let ports = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}});
    let strategic = world.patch("strategic-merge", &one, &ports).await.ok();
    let ports = |object: &Value| {
        let ports = object["spec"]["ports"].as_array().unwrap();
        let mut ports: Vec<String> = ports
            .iter()
            .map(|one| format!("{} {} {}", one["name"], one["port"], one["targetPort"]))
            .collect();
        ports.sort();
        ports
    };
    assert_eq!(ports(&strategic), [r#""http" 80 8080"#, r#""more" 81 81"#], "merged by port");
    let gone = json!({"spec": {"ports": [{"port": 81, "$patch": "delete"}]}});
    let strategic = world.patch("strategic-merge", &one, &gone).await.ok();
    assert_eq!(ports(&strategic), [r#""http" 80 8080"#]);
    let change = json!([{"op": "test", "path": "/metadata/labels/b", "value": "2"},
        {"op": "replace", "path": "/spec/ports/0/targetPort", "value": 9090}]);
    let changed = world.patch("json", &one, &change).await.ok();
    assert_eq!(ports(&changed), [r#""http" 80 9090"#]);
    let failing = json!([{"op": "test", "path": "/metadata/labels/b", "value": "3"}]);
    assert_eq!(world.patch("json", &one, &failing).await.code, 422);
    world.patch("unknown", &one, &json!({})).await.refused(
        415,
        "UnsupportedMediaType",
        "415: Unsupported Media Type",
    );
    world.patch("merge", &format!("{all}/none"), &json!({})).await.refused(
        404,
        "NotFound",
        "services \"none\" not found",
    );
    // applied: created if missing, merged otherwise
    let mut applied = config_map("applied", &json!({"a": "1"}));
    let path = world.at("v1", "configmaps/applied?fieldManager=contract");
    let kind = "application/apply-patch+yaml";
    let first = world.ask(Method::PATCH, &path, kind, Some(&applied)).await;
    assert_eq!(first.code, 201, "{first:?}");
    applied["data"]["b"] = json!("2");
    let second = world.ask(Method::PATCH, &path, kind, Some(&applied)).await;
    assert_eq!((second.code, &second.body["data"]), (200, &json!({"a": "1", "b": "2"})));
}

pub async fn lists_support_selectors_and_pages(world: &World) {
    let all = world.at("v1", "configmaps");
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front")] {
        world.post(&all, &config_map(name, &json!({"tier": tier, "mine": "yes"}))).await.ok();
    }
    let list = world.get(&format!("{all}?labelSelector=mine%3Dyes")).await.ok();
    assert_eq!((&list["kind"], names(&list)), (&json!("ConfigMapList"), vec!["a", "b", "c"]));
    assert!(version(&list) > 0 && list["items"][0]["kind"].is_null());
    for (selector, expected) in [
        ("labelSelector=tier%20in%20(front),mine", vec!["a", "c"]),
        ("labelSelector=mine,tier!%3Dfront", vec!["b"]),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
        ("labelSelector=mine,!tier", vec![]),
    ] {
        assert_eq!(names(&world.get(&format!("{all}?{selector}")).await.ok()), expected, "{selector}");
    }
    world.get(&format!("{all}?fieldSelector=spec.x%3D1")).await.refused(
        400,
        "BadRequest",
        "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
    );
    let pods = world.get(&world.at("v1", "pods?fieldSelector=spec.x%3D1")).await;
    pods.refused(400, "BadRequest", "field label not supported: spec.x");
    assert_eq!(world.get(&format!("{all}?labelSelector=a%20b")).await.code, 400);
    let first = world.get(&format!("{all}?labelSelector=mine&limit=2")).await.ok();
    assert_eq!(names(&first), ["a", "b"]);
    let next = first["metadata"]["continue"].as_str().expect("where it goes on");
    let rest = world.get(&format!("{all}?labelSelector=mine&limit=2&continue={next}")).await.ok();
    assert_eq!(names(&rest), ["c"]);
    assert!(rest["metadata"]["continue"].as_str().unwrap_or_default().is_empty());
    assert_eq!(version(&first), version(&rest), "one list has one version");
    assert_eq!(world.get(&format!("{all}?limit=1&continue=nonsense")).await.code, 400);
    let gone = world.delete(&format!("{all}?labelSelector=tier%3Dfront"), &NO_OPTIONS).await;
    assert_eq!(gone.code, 200);
    assert_eq!(names(&world.get(&format!("{all}?labelSelector=mine")).await.ok()), ["b"]);
}

pub async fn watch_reports_events_in_order(world: &World) {
    let all = world.at("v1", "configmaps");
    world.post(&all, &config_map("old", &json!({"seen": "yes"}))).await.ok();
    let from = version(&world.get(&all).await.ok());
    world.post(&all, &config_map("new", &json!({"seen": "yes"}))).await.ok();
    world.post(&all, &config_map("hidden", &json!({}))).await.ok();
    world.patch("merge", &format!("{all}/old"), &json!({"data": {"a": "2"}})).await.ok();
    world.patch("merge", &format!("{all}/new"), &json!({"metadata": {"labels": {"seen": null}}})).await.ok();
    world
        .patch("merge", &format!("{all}/hidden"), &json!({"metadata": {"labels": {"seen": "yes"}}}))
        .await
        .ok();
    world.delete(&format!("{all}/old"), &NO_OPTIONS).await.ok();
    let events = |answer: Answer| {
        let text = match answer.body {
            Value::String(text) => text,
            one => one.to_string(),
        };
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let told: Vec<(String, String)> = events
            .filter(|event| event["type"] != "BOOKMARK")
            .map(|event| {
                let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
                (event["type"].as_str().unwrap().to_owned(), name.to_owned())
            })
            .collect();
        told
    };
    let told = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
        expected.iter().map(|(what, name)| ((*what).to_owned(), (*name).to_owned())).collect()
    };
    let path = format!("{all}?watch=true&labelSelector=seen&timeoutSeconds=1&resourceVersion={from}");
    let expected =
        [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new"), ("ADDED", "hidden"), ("DELETED", "old")];
    assert_eq!(events(world.get(&path).await), told(&expected));
    // without a version: the current objects
    let path = format!("{all}?watch=true&labelSelector=seen&timeoutSeconds=1");
    assert_eq!(events(world.get(&path).await), told(&[("ADDED", "hidden")]));
}

pub async fn missing_fields_get_default_values(world: &World) {
    let made = world.post(&world.at("apps/v1", "deployments"), &deployment("web", 0)).await.ok();
    let spec = &made["spec"];
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    assert_eq!((&spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]), (&json!(10), &json!(600)));
    assert_eq!(made["metadata"]["generation"], 1);
    let of_pods = &spec["template"]["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        assert_eq!(of_pods[field], value, "{field}");
    }
    let mut bare = pod("bare", &json!({}));
    bare["spec"]["containers"][0] = json!({"name": "main", "image": "testbed/busybox", "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": 80}}});
    let bare = world.post(&world.at("v1", "pods"), &bare).await.ok();
    let container = &bare["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Always", "an image without a tag");
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(container["terminationMessagePath"], "/dev/termination-log");
    assert_eq!(
        container["readinessProbe"],
        json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
            "successThreshold": 1, "failureThreshold": 3})
    );
    assert_eq!(
        (&bare["status"]["phase"], &bare["spec"]["enableServiceLinks"]),
        (&json!("Pending"), &json!(true))
    );
    assert_eq!(bare["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let service = world.post(&world.at("v1", "services"), &service).await.ok();
    assert_eq!(service["spec"]["ports"], json!([{"protocol": "TCP", "port": 80, "targetPort": 80}]));
    assert_eq!(
        (&service["spec"]["type"], &service["spec"]["sessionAffinity"]),
        (&json!("ClusterIP"), &json!("None"))
    );
    assert!(service["spec"]["clusterIP"].as_str().unwrap().parse::<std::net::Ipv4Addr>().is_ok());
}

pub async fn invalid_objects_are_rejected(world: &World) {
    let all = world.at("apps/v1", "deployments");
    let mut negative = deployment("web", 1);
    negative["spec"]["replicas"] = json!(-1);
    world.post(&all, &negative).await.refused(
        422,
        "Invalid",
        "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1",
    );
    let mut other = deployment("web", 1);
    other["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    world.post(&all, &other).await.refused(422, "Invalid", "`selector` does not match template `labels`");
    let created = world.post(&all, &deployment("web", 0)).await.ok();
    let selector = json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}});
    world.patch("merge", &format!("{all}/web"), &selector).await.refused(
        422,
        "Invalid",
        "field is immutable",
    );
    let scaled = world.patch("merge", &format!("{all}/web"), &json!({"spec": {"replicas": -2}})).await;
    scaled.refused(422, "Invalid", "spec.replicas");
    let name = world.post(&world.at("v1", "configmaps"), &config_map("No", &json!({}))).await;
    name.refused(422, "Invalid", "ConfigMap \"No\" is invalid: metadata.name: Invalid value");
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    world.post(&world.at("v1", "configmaps"), &nameless).await.refused(
        422,
        "Invalid",
        "name or generateName is required",
    );
    let mut elsewhere = config_map("one", &json!({}));
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    let refused = world.post(&world.at("v1", "configmaps"), &elsewhere).await;
    refused.refused(400, "BadRequest", "namespace of the provided object does not match");
    let empty =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "empty"}, "spec": {"containers": []}});
    world.post(&world.at("v1", "pods"), &empty).await.refused(
        422,
        "Invalid",
        "spec.containers: Required value",
    );
    world.ask(Method::POST, &format!("{all}/web"), "", Some(&created)).await.refused(
        405,
        "MethodNotAllowed",
        "does not allow this method",
    );
}

pub async fn deployments_roll_out_and_scale(world: &World) {
    let all = world.at("apps/v1", "deployments");
    let one = format!("{all}/web");
    world.post(&all, &deployment("web", 2)).await.ok();
    let ready = world.until(&one, is_rolled_out).await;
    let condition = |object: &Value, of: &str| {
        let all = object["status"]["conditions"].as_array().unwrap().clone();
        all.into_iter()
            .find(|one| one["type"] == of)
            .map(|one| (one["status"].clone(), one["reason"].clone()))
    };
    assert_eq!(condition(&ready, "Available"), Some((json!("True"), json!("MinimumReplicasAvailable"))));
    assert_eq!(ready["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    let sets = world.get(&world.at("apps/v1", "replicasets?labelSelector=app%3Dweb")).await.ok();
    let set = &sets["items"][0];
    let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().expect("a mark");
    assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], ready["metadata"]["uid"]);
    let pods = world.get(&world.at("v1", "pods?labelSelector=app%3Dweb")).await.ok();
    for pod in pods["items"].as_array().unwrap() {
        assert!(is_ready(pod) && pod["status"]["phase"] == "Running" && pod["status"]["podIP"].is_string());
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["uid"], &owner["controller"]), (&set["metadata"]["uid"], &json!(true)));
        assert!(pod["metadata"]["name"].as_str().unwrap().starts_with(&format!("web-{hash}-")));
    }
    // through its scale subresource
    let scale = world.get(&format!("{one}/scale")).await.ok();
    assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(2), &json!("app=web")));
    let generation = ready["metadata"]["generation"].as_u64().unwrap();
    world.patch("merge", &format!("{one}/scale"), &json!({"spec": {"replicas": 0}})).await.ok();
    let down = world.until(&one, is_rolled_out).await;
    assert_eq!(down["metadata"]["generation"], generation + 1);
    let none = |answer: &Answer| names(&answer.body).is_empty();
    world.until(&world.at("v1", "pods?labelSelector=app%3Dweb"), none).await;
    let mut scale = world.get(&format!("{one}/scale")).await.ok();
    scale["spec"]["replicas"] = json!(3);
    world.put(&format!("{one}/scale"), &scale).await.ok();
    world.until(&one, is_rolled_out).await;
    scale["spec"]["replicas"] = json!(1);
    assert_eq!(world.put(&format!("{one}/scale"), &scale).await.code, 409, "a scale of before");
    // a new template creates a new ReplicaSet
    let change = json!({"spec": {"template": {"metadata": {"labels": {"color": "green"}}}}});
    world.patch("strategic-merge", &one, &change).await.ok();
    let rolled = world.until(&one, is_rolled_out).await;
    assert_eq!(rolled["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    let sets = world.get(&world.at("apps/v1", "replicasets?labelSelector=app%3Dweb")).await.ok();
    let mut sizes: Vec<u64> = sets["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| set["spec"]["replicas"].as_u64().unwrap())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 3]);
    // a Pod that cannot run does not replace a running one
    let broken = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "embedded/no-such-image:1"}]}}}});
    world.patch("strategic-merge", &one, &broken).await.ok();
    let pods = world.at("v1", "pods?labelSelector=app%3Dweb");
    let stuck = |answer: &Answer| {
        let waits =
            |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].is_string();
        answer.body["items"].as_array().unwrap().iter().any(waits)
    };
    let list = world.until(&pods, stuck).await;
    let stays = |pod: &&Value| is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null();
    assert_eq!(list["items"].as_array().unwrap().iter().filter(stays).count(), 3);
}

pub async fn pods_terminate_after_grace_period(world: &World) {
    let all = world.at("v1", "pods");
    let one = format!("{all}/one");
    let created = world.post(&all, &pod("one", &json!({}))).await.ok();
    world.until(&one, |answer| is_ready(&answer.body)).await;
    let change = json!({"spec": {"restartPolicy": "Never"}});
    let refused = world.patch("merge", &one, &change).await;
    refused.refused(422, "Invalid", "pod updates may not change fields other than");
    let leaving = world.delete(&one, &NO_OPTIONS).await.ok();
    assert_eq!((&leaving["kind"], &leaving["metadata"]["uid"]), (&json!("Pod"), &created["metadata"]["uid"]));
    assert_eq!(leaving["metadata"]["deletionGracePeriodSeconds"], 1);
    assert!(leaving["metadata"]["deletionTimestamp"].is_string());
    world.until(&one, |answer| answer.code == 404).await;
    // immediately
    world.post(&all, &pod("two", &json!({}))).await.ok();
    let two = format!("{all}/two");
    world.until(&two, |answer| is_ready(&answer.body)).await;
    world.delete(&two, &json!({"gracePeriodSeconds": 0})).await.ok();
    world.get(&two).await.refused(404, "NotFound", "pods \"two\" not found");
}

pub async fn disruption_budget_blocks_eviction(world: &World) {
    let pods = world.at("v1", "pods");
    for name in ["a", "b"] {
        world.post(&pods, &pod(name, &json!({"app": "web"}))).await.ok();
    }
    for name in ["a", "b"] {
        world.until(&format!("{pods}/{name}"), |answer| is_ready(&answer.body)).await;
    }
    // Kubernetes 1.25 removed v1beta1, and 1.20 has no v1
    let version = if world.get("/apis/policy/v1").await.code == 200 { "policy/v1" } else { "policy/v1beta1" };
    let budget = json!({"apiVersion": version, "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    let budgets = world.at(version, "poddisruptionbudgets");
    world.post(&budgets, &budget).await.ok();
    let counted = world
        .until(&format!("{budgets}/web"), |answer| answer.body["status"]["disruptionsAllowed"] == 1)
        .await;
    assert_eq!(
        (&counted["status"]["currentHealthy"], &counted["status"]["desiredHealthy"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(counted["status"]["expectedPods"], 2);
    let evict = async |name: &str| {
        let eviction = json!({"metadata": {"name": name, "namespace": world.namespace}});
        world.post(&format!("{pods}/{name}/eviction"), &eviction).await
    };
    assert_eq!(evict("a").await.code, 201);
    world.until(&format!("{budgets}/web"), |answer| answer.body["status"]["disruptionsAllowed"] == 0).await;
    let held = evict("b").await;
    held.refused(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    assert_eq!(held.body["details"]["causes"][0]["reason"], "DisruptionBudget");
    assert!(held.body["details"]["causes"][0]["message"].as_str().unwrap().contains("needs 1 healthy pods"));
    world.delete(&format!("{budgets}/web"), &NO_OPTIONS).await.ok();
    assert_eq!(evict("b").await.code, 201);
    evict("c").await.refused(404, "NotFound", "pods \"c\" not found");
}

pub async fn dependents_are_deleted_with_owner(world: &World) {
    let all = world.at("apps/v1", "deployments");
    let pods = |app: &str| world.at("v1", &format!("pods?labelSelector=app%3D{app}"));
    let none = |answer: &Answer| names(&answer.body).is_empty();
    for app in ["background", "foreground", "orphan"] {
        world.post(&all, &deployment(app, 1)).await.ok();
        world.until(&format!("{all}/{app}"), is_rolled_out).await;
    }
    let gone =
        world.delete(&format!("{all}/background"), &json!({"propagationPolicy": "Background"})).await.ok();
    assert_eq!(gone["status"], "Success");
    world.get(&format!("{all}/background")).await.refused(404, "NotFound", "deployments.apps");
    world.until(&pods("background"), none).await;
    let leaving =
        world.delete(&format!("{all}/foreground"), &json!({"propagationPolicy": "Foreground"})).await.ok();
    assert_eq!(leaving["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    world.until(&format!("{all}/foreground"), |answer| answer.code == 404).await;
    assert!(names(&world.get(&pods("foreground")).await.ok()).is_empty(), "it waited for them");
    world.delete(&format!("{all}/orphan"), &json!({"propagationPolicy": "Orphan"})).await.ok();
    world.until(&format!("{all}/orphan"), |answer| answer.code == 404).await;
    let sets = world.at("apps/v1", "replicasets?labelSelector=app%3Dorphan");
    let freed = |answer: &Answer| answer.body["items"][0]["metadata"]["ownerReferences"].is_null();
    world.until(&sets, freed).await;
    assert_eq!(names(&world.get(&pods("orphan")).await.ok()).len(), 1);
}

pub async fn service_without_pods_has_no_endpoints(world: &World) {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    world.post(&world.at("v1", "services"), &service).await.ok();
    let endpoints = world.at("v1", "endpoints/web");
    world.until(&endpoints, |answer| answer.code == 200).await;
    let proxied = world.get(&world.at("v1", "services/web:http/proxy/")).await;
    proxied.refused(503, "ServiceUnavailable", "no endpoints available for service");
    let missing = world.get(&world.at("v1", "services/none/proxy/")).await;
    missing.refused(404, "NotFound", "services \"none\" not found");
    world.post(&world.at("v1", "pods"), &pod("one", &json!({"app": "web"}))).await.ok();
    let listed = |answer: &Answer| answer.body["subsets"][0]["addresses"].is_array();
    let found = world.until(&endpoints, listed).await;
    let subset = &found["subsets"][0];
    assert_eq!(subset["addresses"][0]["targetRef"]["name"], "one");
    assert_eq!(subset["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    world.delete(&world.at("v1", "pods/one"), &NO_OPTIONS).await.ok();
    world.until(&endpoints, |answer| answer.body["subsets"].is_null()).await;
    world.delete(&world.at("v1", "services/web"), &NO_OPTIONS).await.ok();
    world.until(&endpoints, |answer| answer.code == 404).await;
}

pub async fn namespace_deletion_deletes_its_objects(world: &World) {
    let name = format!("{}-x", world.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let made = world.post("/api/v1/namespaces", &namespace).await.ok();
    assert_eq!(made["status"]["phase"], "Active");
    let all = format!("/api/v1/namespaces/{name}/configmaps");
    world.post(&all, &config_map("one", &json!({}))).await.ok();
    let path = format!("/api/v1/namespaces/{name}");
    let leaving = world.delete(&path, &NO_OPTIONS).await.ok();
    assert_eq!((&leaving["kind"], &leaving["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
    assert!(leaving["metadata"]["deletionTimestamp"].is_string());
    world.until(&path, |answer| answer.code == 404).await;
    assert!(names(&world.get(&all).await.ok()).is_empty());
    let kept = world.delete("/api/v1/namespaces/default", &NO_OPTIONS).await;
    kept.refused(403, "Forbidden", "this namespace may not be deleted");
}

pub async fn dry_run_request_changes_nothing(world: &World) {
    let all = world.at("v1", "configmaps");
    let shown = world.post(&format!("{all}?dryRun=All"), &config_map("one", &json!({}))).await.ok();
    assert_eq!(shown["metadata"]["name"], "one");
    assert_eq!(world.get(&format!("{all}/one")).await.code, 404);
    world.post(&all, &config_map("one", &json!({}))).await.ok();
    let change = json!({"data": {"a": "2"}});
    let shown = world.patch("merge", &format!("{all}/one?dryRun=All"), &change).await.ok();
    assert_eq!(shown["data"]["a"], "2");
    world.delete(&format!("{all}/one"), &json!({"dryRun": ["All"]})).await.ok();
    world.ask(Method::DELETE, &format!("{all}/one?dryRun=All"), "", None).await.ok();
    assert_eq!(world.get(&format!("{all}/one")).await.ok()["data"]["a"], "1");
}
