//! Pods: selected, killed, counted, checked for readiness, and their logs.

use serde_json::{Value, json};

use super::steps::{Step, act, fails, gone, holds, names, play, play_with, reads, refused};
use crate::harness::{Site, function, object, pod_spec};

pub fn pods_are_selected_by_every_argument(site: &Site) {
    let label = |more: Value| {
        let mut arguments = json!({"label_selector": "app=web", "grace_period": 0});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        act("pod.actions.terminate_pods", &arguments)
    };
    site.ready_pods(&["a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2"], &json!({"app": "web"}));
    site.ready_pods(&["stranger"], &json!({"app": "other"}));
    let left =
        |expected: &[&str]| reads(site.at("v1", "pods?labelSelector=app%3Dweb"), "names", json!(expected));
    let steps = [
        label(json!({})),
        left(&["a-1", "a-2", "a-3", "b-0", "b-1", "b-2"]),
        label(json!({"name_pattern": "^b-[12]", "qty": 1})),
        left(&["a-1", "a-2", "a-3", "b-0", "b-2"]),
        label(json!({"qty": 2})),
        left(&["a-3", "b-0", "b-2"]),
        label(json!({"mode": "percentage", "qty": 50, "order": "oldest"})),
        reads(site.at("v1", "pods?labelSelector=app%3Dweb"), "/items/1", Value::Null),
        refused("pod.actions.terminate_pods", &json!({"label_selector": "app=absent"}), ""),
    ];
    let (last, steps) = steps.split_last().unwrap();
    play(site, steps);
    // no Pod matched: nothing was attempted, and nothing is proven
    let Step::Activity { activity, .. } = last else { unreachable!() };
    site.run(&json!([activity]), &[]).exits(5).reports("no target matched");
    let one = names(&site.read(&site.at("v1", "pods?labelSelector=app%3Dweb")).body);
    assert_eq!(one.as_array().map(Vec::len), Some(1), "half of three, rounded up, were killed: {one}");
    site.ready_pods(&["c-0", "c-1", "c-2"], &json!({"app": "web"}));
    let steps = [label(json!({"rand": true, "qty": 2}))];
    play_with(site, &steps, &["--seed", "7"]);
    let two = names(&site.read(&site.at("v1", "pods?labelSelector=app%3Dweb")).body);
    assert_eq!(two.as_array().map(Vec::len), Some(2), "{two}");
    let steps = [
        label(json!({"all": true})),
        left(&[]),
        act("pod.actions.delete_pods", &json!({"name": "strang", "label_selector": "app=other"})),
        gone(site.at("v1", "pods/stranger")),
    ];
    play(site, &steps);
    // a number of Pods in a named namespace needs no selector
    site.ready_pods(&["d-0", "d-1"], &json!({"app": "web"}));
    let one = json!({"rand": true, "qty": 1, "ns": site.namespace, "grace_period": 0});
    site.run(&json!([function("action", "pod.actions", "terminate_pods", &one)]), &[]).exits(0);
    let left = names(&site.read(&site.at("v1", "pods?labelSelector=app%3Dweb")).body);
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
}

pub fn pods_are_counted_and_checked_for_readiness(site: &Site) {
    site.ready_pods(&["one", "two"], &json!({"app": "web", "name": "web"}));
    let stuck = object(
        "v1",
        "Pod",
        "stuck",
        &json!({"metadata": {"name": "stuck", "labels": {"app": "late"}}, "spec": pod_spec("embedded/no-such-image:1")}),
    );
    let web = |more: Value| {
        let mut arguments = json!({"label_selector": "app=web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let none = json!({});
    let steps = [
        holds("pod.probes.count_pods", &web(json!({})), "2"),
        holds("pod.probes.count_pods", &web(json!({"phase": "Pending"})), "0"),
        holds("pod.probes.count_pods", &json!({"label_selector": "app in (web, late)"}), "2"),
        fails("pod.probes.count_pods", &json!({"label_selector": "a b"}), "unable to parse"),
        holds("pod.probes.count_min_pods", &web(json!({})), "true"),
        holds("pod.probes.count_min_pods", &web(json!({"min_count": 3})), "false"),
        holds("pod.probes.pods_in_phase", &web(json!({})), "true"),
        fails("pod.probes.pods_in_phase", &web(json!({"phase": "Pending"})), "is in phase 'Running'"),
        fails(
            "pod.probes.pods_in_phase",
            &json!({"label_selector": "app=no"}),
            "no pods 'app=no' were found",
        ),
        holds("pod.probes.pods_not_in_phase", &web(json!({"phase": "Failed"})), "true"),
        fails("pod.probes.pods_not_in_phase", &web(json!({})), "should not be in phase"),
        holds("pod.probes.pods_in_conditions", &web(json!({"conditions": ready})), "true"),
        holds(
            "pod.probes.pods_in_conditions",
            &web(json!({"conditions": [{"type": "PodScheduled", "status": "True"},
                {"type": "Initialized", "status": "True"}, {"type": "ContainersReady", "status": "True"}]})),
            "true",
        ),
        fails(
            "pod.probes.pods_in_conditions",
            &web(json!({"conditions": [{"type": "Ready", "status": "False"}]})),
            "does not match",
        ),
        holds("pod.probes.pod_is_not_available", &json!({"name": "absent"}), "true"),
        fails("pod.probes.pod_is_not_available", &json!({"name": "web"}), "is actually running"),
        holds("probes.microservice_is_not_available", &json!({"name": "absent"}), "true"),
        fails("probes.microservice_is_not_available", &json!({"name": "web"}), "is actually running"),
        holds("pod.probes.all_pods_healthy", &none, "true"),
        holds("probes.all_microservices_healthy", &none, "true"),
    ];
    play(site, &steps);
    site.create(&site.at("v1", "pods"), &stuck);
    site.until(&site.at("v1", "pods/stuck"), |answer| {
        answer.body["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].is_string()
    });
    let steps = [
        fails("pod.probes.all_pods_healthy", &none, "the system is unhealthy"),
        fails("probes.all_microservices_healthy", &none, "the system is unhealthy"),
        holds("pod.probes.count_pods", &json!({"label_selector": "app in (web, late)"}), "3"),
        holds("pod.probes.pods_in_phase", &json!({"label_selector": "app=late", "phase": "Pending"}), "true"),
        fails("pod.probes.read_pod_logs", &json!({"label_selector": "app=late"}), "is waiting to start"),
    ];
    play(site, &steps);
}

pub fn pod_logs_are_read_and_searched(site: &Site) {
    site.ready_pods(&["one", "two"], &json!({"name": "web"}));
    let web = |more: Value| {
        let mut arguments = json!({"name": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let found = |pattern: &str| json!({"pattern": pattern, "value": {"one": "abc", "two": "bcd"}});
    let steps = [
        holds("pod.probes.read_pod_logs", &web(json!({})), r#""one":"#),
        holds(
            "pod.probes.read_pod_logs",
            &web(json!({"last": "5 minutes", "container_name": "main"})),
            r#""two":"#,
        ),
        fails(
            "pod.probes.read_pod_logs",
            &web(json!({"from_previous": true})),
            "previous terminated container",
        ),
        fails(
            "pod.probes.read_pod_logs",
            &web(json!({"container_name": "other"})),
            "container other is not valid",
        ),
        holds("probes.read_microservices_logs", &web(json!({})), r#""one":"#),
        fails("probes.read_microservices_logs", &web(json!({"from_previous": true})), "previous"),
        holds("pod.probes.should_be_found_in_logs", &found("bc"), "true"),
        holds("pod.probes.should_be_found_in_logs", &found("ab"), "false"),
    ];
    play(site, &steps);
}
