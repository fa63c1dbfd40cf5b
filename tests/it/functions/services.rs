//! Probes that request a Service by its name, through the API server.

use serde_json::{Value, json};

use super::workload;
use crate::harness::{LISTENS, Site, is_ready, object};

fn ask(site: &Site, url: &str) -> Value {
    let probe =
        json!({"type": "probe", "name": "asked", "provider": {"type": "http", "url": url, "timeout": 20}});
    site.run(&json!([probe]), &["--strict=false", "--service-access=proxy"]);
    site.sandbox.journal()["run"][0].clone()
}

fn create(site: &Site) {
    let spec = json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    site.create(&site.at("v1", "services"), &object("v1", "Service", "web", &spec));
    site.until(&site.at("v1", "endpoints/web"), |answer| answer.code == 200);
}

pub fn service_without_pods_reports_no_endpoints(site: &Site) {
    create(site);
    let asked = ask(site, "http://web.svc/");
    assert_eq!(asked["status"], "failed");
    assert!(asked["exception"].to_string().contains("has no ready endpoints"), "{asked:#}");
    let asked = ask(site, "http://other.svc/");
    assert!(asked["exception"].to_string().contains("Service other does not exist"), "{asked:#}");
    let asked = ask(site, "http://web.svc:81/");
    assert!(asked["exception"].to_string().contains("has no port 81"), "{asked:#}");
}

/// Embedded only: the real cluster has no image here that listens. The tests in `image` cover it.
pub fn service_is_reached_through_its_pods(site: &Site) {
    create(site);
    let deployment = workload("Deployment", "web", 2, LISTENS);
    site.create(&site.at("apps/v1", "deployments"), &deployment);
    let pods = site.at("v1", "pods?labelSelector=app%3Dweb");
    let all_ready = |items: &Vec<Value>| items.len() == 2 && items.iter().all(is_ready);
    let list = site.until(&pods, |answer| answer.body["items"].as_array().is_some_and(all_ready));
    site.until(&site.at("v1", "endpoints/web"), |answer| {
        answer.body["subsets"][0]["addresses"].as_array().is_some_and(|all| all.len() == 2)
    });
    let asked = ask(site, "http://web.svc/");
    assert_eq!(asked["output"]["status"], 200, "{asked:#}");
    let name = list["items"][0]["metadata"]["name"].as_str().unwrap();
    let steps = [
        super::steps::holds("pod.probes.read_pod_logs", &json!({"name": "web"}), "listening on http://"),
        super::steps::holds("pod.probes.read_pod_logs", &json!({"name": "web"}), name),
    ];
    super::steps::play(site, &steps);
}
