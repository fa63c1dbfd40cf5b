//! API requests: pages, retries, timeouts, and the messages for errors.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{api, asked, pods, run};
use crate::harness::{Response, Sandbox, Server, function, refused};

const PODS: &str = "/api/v1/namespaces/shop/pods";

fn count(phase: &Value) -> Value {
    json!([function(
        "probe",
        "pod.probes",
        "count_pods",
        &json!({"label_selector": "app=web", "phase": phase})
    )])
}

#[test]
fn list_request_reads_all_pages() {
    let api = api(|request| {
        let mut page = if request.path.contains("continue=") { pods(&["c"]) } else { pods(&["a", "b"]) };
        if !request.path.contains("continue=") {
            page["metadata"]["continue"] = "next one".into();
        }
        request.path.starts_with(PODS).then(|| Response::json(&page))
    });
    let sandbox = Sandbox::new();
    run(&sandbox, &api, &count(&Value::Null), &[]).exits(0);
    assert_eq!(sandbox.journal()["run"][0]["output"], 3);
    let first = format!("GET {PODS}?labelSelector=app%3Dweb&limit=500");
    assert_eq!(asked(&api), [first.clone(), format!("{first}&continue=next+one")]);
}

#[test]
fn expired_continue_token_restarts_list() {
    let tries = AtomicUsize::new(0);
    let api = api(move |request| {
        if request.path.contains("continue=") && tries.fetch_add(1, Ordering::Relaxed) == 0 {
            return Some(refused(410, "the provided continue parameter is too old", &Value::Null));
        }
        let mut page = pods(&["a"]);
        if !request.path.contains("continue=") {
            page["metadata"]["continue"] = "x".into();
        }
        request.path.starts_with(PODS).then(|| Response::json(&page))
    });
    let sandbox = Sandbox::new();
    run(&sandbox, &api, &count(&Value::Null), &[]).exits(0);
    assert_eq!((sandbox.journal()["run"][0]["output"].clone(), asked(&api).len()), (json!(2), 4));
}

#[test]
fn pod_selection_requests_metadata_only() {
    let api = api(|request| request.path.starts_with(PODS).then(|| Response::json(&pods(&[]))));
    let sandbox = Sandbox::new();
    let kill = function("action", "pod.actions", "terminate_pods", &json!({"label_selector": "app=web"}));
    run(&sandbox, &api, &json!([kill]), &[]).exits(5);
    let request = api.requests().into_iter().rfind(|request| request.path.starts_with(PODS)).unwrap();
    assert!(request.header("accept").unwrap().contains("as=PartialObjectMetadataList"), "{request:?}");
}

#[test]
fn busy_server_is_retried_after_retry_after() {
    let tries = AtomicUsize::new(0);
    let api = api(move |request| {
        let is_list = request.path.starts_with(PODS);
        let busy = is_list && tries.fetch_add(1, Ordering::Relaxed) < 2;
        let wait = [("Retry-After", "0")];
        let answer = if busy { Response::with(429, &wait, "") } else { Response::json(&pods(&["a"])) };
        is_list.then_some(answer)
    });
    let sandbox = Sandbox::new();
    run(&sandbox, &api, &count(&Value::Null), &[]).exits(0);
    assert_eq!(asked(&api).len(), 3);
}

#[test]
fn non_idempotent_request_is_not_retried() {
    // a 503 does not show whether the request took effect
    let api = api(|request| match request.method.as_str() {
        "POST" => Some(Response::with(503, &[("Retry-After", "0")], "")),
        _ => None,
    });
    let sandbox = Sandbox::new();
    sandbox.write("web.json", json!({"metadata": {"name": "web"}}).to_string());
    let create =
        function("action", "deployment.actions", "create_deployment", &json!({"spec_path": "web.json"}));
    run(&sandbox, &api, &json!([create]), &[]).exits(5);
    let posts = asked(&api).into_iter().filter(|line| line.starts_with("POST"));
    assert_eq!(posts.collect::<Vec<_>>(), ["POST /apis/apps/v1/namespaces/shop/deployments"]);
}

#[test]
fn api_request_without_response_times_out() {
    let api = Server::holding(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1"})),
        path if path.starts_with(PODS) => Response::nothing(),
        _ => refused(404, "not found", &Value::Null),
    });
    let sandbox = Sandbox::new();
    let finished = run(&sandbox, &api, &count(&Value::Null), &["--request-timeout", "300ms"]);
    let exception = sandbox.journal()["run"][0]["exception"].to_string();
    assert!(exception.contains("did not answer within 0.3 seconds"), "{exception} {finished:?}");
}

#[test]
fn api_errors_include_hint() {
    let check = |code: u16, exit: i32, words: &[&str]| {
        let api = api(move |_| Some(refused(code, "you may not", &Value::Null)));
        let sandbox = Sandbox::new();
        run(&sandbox, &api, &count(&Value::Null), &[]).exits(exit);
        let exception = sandbox.journal()["run"][0]["exception"].to_string();
        for word in words {
            assert!(exception.contains(word), "{word:?} is not in {exception}");
        }
    };
    check(401, 9, &["log in again", "kubectl config view --minify"]);
    check(403, 0, &["check the permission with `kubectl auth can-i list pods -n shop`", "you may not"]);
}
