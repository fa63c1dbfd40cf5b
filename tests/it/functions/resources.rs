//! Namespaces, Services, Secrets, Ingresses, network policies and events.

use serde_json::{Value, json};

use super::steps::{act, came_to, fails, gone, holds, play, reads, refused};
use crate::harness::{Site, object};

pub fn namespaces_are_created_and_deleted(site: &Site) {
    let (one, two) = (format!("{}-one", site.namespace), format!("{}-two", site.namespace));
    site.sandbox.write("two.json", object("v1", "Namespace", &two, &json!({})).to_string());
    let path = |name: &str| format!("/api/v1/namespaces/{name}");
    let named = |name: &str| json!({"name": name});
    let steps = [
        act("namespace.actions.create_namespace", &named(&one)),
        act("namespace.actions.create_namespace", &json!({"spec_path": "two.json"})),
        reads(path(&one), "/status/phase", json!("Active")),
        reads(path(&two), "/status/phase", json!("Active")),
        refused("namespace.actions.create_namespace", &named(&one), "already exists"),
        refused("namespace.actions.create_namespace", &json!({}), "either specify name or spec_path"),
        holds("namespace.probes.namespace_exists", &named(&one), "true"),
        holds("namespace.probes.namespace_exists", &named("no-such-namespace"), "false"),
        act("namespace.actions.delete_namespace", &named(&one)),
        act("namespace.actions.delete_namespace", &named(&two)),
        gone(path(&one)),
        gone(path(&two)),
        refused("namespace.actions.delete_namespace", &named(&one), "not found"),
    ];
    play(site, &steps);
}

pub fn services_are_created_and_deleted(site: &Site) {
    let one = site.at("v1", "services/web");
    let service = json!({"metadata": {"name": "web", "labels": {"name": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    site.sandbox.write("web.json", object("v1", "Service", "web", &service).to_string());
    let web = json!({"name": "web"});
    let steps = [
        act("service.actions.create_service_endpoint", &json!({"spec_path": "web.json"})),
        reads(&one, "/spec/ports/0/targetPort", json!(80)),
        refused(
            "service.actions.create_service_endpoint",
            &json!({"spec_path": "web.json"}),
            "already exists",
        ),
        holds("service.probes.service_is_initialized", &web, "true"),
        holds("service.probes.service_is_initialized", &json!({"label_selector": "name=web"}), "true"),
        fails("service.probes.service_is_initialized", &json!({"name": "absent"}), "is not initialized"),
        holds("probes.service_endpoint_is_initialized", &web, "true"),
        fails("probes.service_endpoint_is_initialized", &json!({"name": "absent"}), "is not initialized"),
        act("service.actions.delete_service", &web),
        gone(&one),
        gone(site.at("v1", "endpoints/web")),
        act("service.actions.create_service_endpoint", &json!({"spec_path": "web.json"})),
        act("actions.remove_service_endpoint", &web),
        gone(&one),
        refused("service.actions.delete_service", &web, "not found"),
    ];
    play(site, &steps);
}

pub fn secrets_and_ingresses_are_created_and_deleted(site: &Site) {
    let secret = site.at("v1", "secrets/there");
    let ingress = site.at("networking.k8s.io/v1", "ingresses/door");
    let file = object("v1", "Secret", "there", &json!({"stringData": {"key": "value"}}));
    site.sandbox.write("secret.json", file.to_string());
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let door =
        object("networking.k8s.io/v1", "Ingress", "door", &json!({"spec": {"defaultBackend": backend}}));
    site.sandbox.write("ingress.json", door.to_string());
    site.sandbox.write("json", door.to_string());
    let rule = json!({"host": "after.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}});
    let change = json!({"name": "door", "spec": {"spec": {"rules": [rule]}}});
    let (there, absent, door) =
        (json!({"name": "there"}), json!({"name": "absent"}), json!({"name": "door"}));
    let steps = [
        act("secret.actions.create_secret", &json!({"spec_path": "secret.json"})),
        reads(&secret, "/data/key", json!("dmFsdWU=")),
        reads(&secret, "/stringData", Value::Null),
        reads(&secret, "/type", json!("Opaque")),
        holds("secret.probes.secret_exists", &there, "true"),
        holds("secret.probes.secret_exists", &absent, "false"),
        holds("probes.secret_exists", &there, "true"),
        holds("probes.secret_exists", &absent, "false"),
        act("secret.actions.delete_secret", &there),
        gone(secret),
        act("networking.actions.create_ingress", &json!({"spec_path": "ingress.json"})),
        reads(&ingress, "/spec/defaultBackend/service/name", json!("web")),
        holds("networking.probes.ingress_exists", &door, "true"),
        holds("networking.probes.ingress_exists", &absent, "false"),
        act("networking.actions.update_ingress", &change),
        reads(&ingress, "/spec/rules/0/host", json!("after.example.com")),
        act("networking.actions.delete_ingress", &door),
        // only this function reads a file of this name
        act("networking.actions.create_ingress", &json!({"spec_path": "json"})),
        act("networking.actions.delete_ingress", &door),
        refused("secret.actions.create_secret", &json!({"spec_path": "json"}), "cannot process json"),
        gone(ingress),
        refused("networking.actions.update_ingress", &change, "failed to update ingress 'door'"),
    ];
    play(site, &steps);
}

pub fn network_policies_are_created_and_deleted(site: &Site) {
    let all = site.at("networking.k8s.io/v1", "networkpolicies");
    let policy =
        json!({"spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}});
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "mine", &policy);
    let web = json!({"label_selectors": {"app": "web"}});
    let none = json!({});
    let other = json!({"label_selectors": {"app": "other"}});
    site.ready_pods(&["web"], &json!({"app": "web"}));
    let ports = "/items/0/spec/egress/0/ports/0";
    let steps = [
        act("networking.actions.create_network_policy", &json!({"spec": policy})),
        reads(&all, "/items/0/spec/podSelector/matchLabels/app", json!("web")),
        act("networking.actions.remove_network_policy", &json!({"name": "mine"})),
        reads(&all, "names", json!([])),
        act("networking.actions.deny_all_ingress", &web),
        reads(&all, "/items/0/spec/podSelector/matchLabels/app", json!("web")),
        reads(&all, "/items/0/spec/policyTypes", json!(["Ingress"])),
        act("networking.actions.remove_deny_all_ingress", &none),
        reads(&all, "names", json!([])),
        // a policy that selects no Pod
        came_to("mismatch", "networking.actions.deny_all_ingress", &other),
        act("networking.actions.remove_deny_all_ingress", &none),
        act("networking.actions.deny_all_egress", &none),
        reads(&all, "/items/0/spec/podSelector", none.clone()),
        reads(&all, "/items/0/spec/policyTypes", json!(["Egress"])),
        refused("networking.actions.deny_all_egress", &none, "already exists"),
        act("networking.actions.remove_deny_all_egress", &none),
        reads(&all, "names", json!([])),
        act("networking.actions.allow_dns_access", &web),
        reads(&all, ports, json!({"protocol": "UDP", "port": 53})),
        act("networking.actions.remove_allow_dns_access", &none),
        reads(&all, "names", json!([])),
        refused("networking.actions.remove_deny_all_ingress", &none, "not found"),
    ];
    play(site, &steps);
}

pub fn events_are_listed(site: &Site) {
    let event = json!({
        "metadata": {"name": "it.happened", "labels": {"made-for": site.namespace}},
        "involvedObject": {"kind": "Pod", "namespace": site.namespace, "name": "one"},
        "reason": "Suite", "message": "it happened", "type": "Normal", "source": {"component": "suite"},
    });
    site.create(&site.at("v1", "events"), &object("v1", "Event", "it.happened", &event));
    let mine = format!("made-for={}", site.namespace);
    let steps = [
        holds("event.probes.get_events", &json!({"label_selector": mine}), r#""note":"it happened""#),
        holds("event.probes.get_events", &json!({"label_selector": mine}), r#""regarding":{"#),
        holds(
            "event.probes.get_events",
            &json!({"label_selector": "made-for=absent", "limit": 5}),
            r#""items":[]"#,
        ),
        holds(
            "event.probes.get_events",
            &json!({"field_selector": format!("metadata.namespace={}", site.namespace), "label_selector": mine}),
            "it.happened",
        ),
        fails("event.probes.get_events", &json!({"label_selector": "a b"}), "unable to parse"),
    ];
    play(site, &steps);
}
