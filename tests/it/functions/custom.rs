//! Custom resources, such as those of Chaos Mesh. The tests create the definitions, and functions the
//! objects.

use serde_json::{Value, json};

use super::steps::{act, came_to, fails, gone, holds, play, play_with, reads, refused};
use crate::harness::Site;

/// A definition of custom resources of any shape.
fn definition(group: &str, version: &str, kind: &str, plural: &str, scope: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true, "schema": schema}]}})
}

/// Definitions that are deleted after the test. Existing ones are kept.
struct Definitions<'a>(&'a Site, Vec<String>);

const ALL: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

impl<'a> Definitions<'a> {
    fn create(site: &'a Site, definitions: &[Value]) -> Self {
        let mut made = Vec::new();
        for definition in definitions {
            let path = format!("{ALL}/{}", definition["metadata"]["name"].as_str().unwrap());
            if site.read(&path).code == 404 {
                site.create(ALL, definition);
                made.push(path.clone());
            }
            let is_established = |one: &Value| one["type"] == "Established" && one["status"] == "True";
            site.until(&path, |answer| {
                answer.body["status"]["conditions"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(is_established))
            });
            let spec = &definition["spec"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (group, version) = (text(&spec["group"]), text(&spec["versions"][0]["name"]));
            let served = format!("/apis/{group}/{version}/{}", text(&spec["names"]["plural"]));
            site.until(&served, |answer| answer.code == 200);
        }
        Self(site, made)
    }
}

impl Drop for Definitions<'_> {
    fn drop(&mut self) {
        for path in &self.1 {
            self.0.forget(path);
        }
    }
}

fn joined(mut base: Value, more: &Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

pub fn custom_objects_are_created_patched_and_deleted(site: &Site) {
    let group = format!("{}.example.com", site.namespace);
    let _definitions = Definitions::create(
        site,
        &[
            definition(&group, "v1", "Gear", "gears", "Cluster"),
            definition(&group, "v1", "Widget", "widgets", "Namespaced"),
        ],
    );
    let kind = |plural: &str| json!({"group": group, "version": "v1", "plural": plural});
    let one = |plural: &str| joined(kind(plural), &json!({"name": "one"}));
    let object = |kind: &str, name: &str, size: u8| json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name}, "spec": {"size": size}});
    let body = |object: Value| json!({"resource": object});
    let wheels = joined(kind("wheels"), &json!({"name": "one"}));
    let gears = format!("/apis/{group}/v1/gears");
    let widgets = site.at(&format!("{group}/v1"), "widgets");
    let (gear, widget) = (format!("{gears}/one"), format!("{widgets}/one"));
    let size = |size: u8| json!(size);
    let change = |size: u8| json!({"resource": {"spec": {"size": size, "color": "red"}}});
    let mut two = site.create(&gears, &object("Gear", "two", 1));
    let mut three = site.create(&widgets, &object("Widget", "three", 1));
    for versioned in [&mut two, &mut three] {
        versioned["spec"]["size"] = json!(9);
    }
    let named = |plural: &str, name: &str| joined(kind(plural), &json!({"name": name}));
    let steps = [
        act(
            "crd.actions.create_cluster_custom_object",
            &joined(kind("gears"), &body(object("Gear", "one", 1))),
        ),
        reads(&gear, "/spec/size", size(1)),
        holds("crd.probes.get_cluster_custom_object", &one("gears"), "\"size\":1"),
        fails("crd.probes.get_cluster_custom_object", &wheels, "the API server has no wheels"),
        holds("crd.probes.list_cluster_custom_objects", &kind("gears"), "\"size\":1"),
        fails("crd.probes.list_cluster_custom_objects", &kind("wheels"), "the API server has no wheels"),
        act("crd.actions.patch_cluster_custom_object", &joined(one("gears"), &change(2))),
        reads(&gear, "/spec", json!({"size": 2, "color": "red"})),
        // a replacement must name the version that it replaces
        refused(
            "crd.actions.replace_cluster_custom_object",
            &joined(one("gears"), &body(object("Gear", "one", 3))),
            "resourceVersion",
        ),
        act("crd.actions.replace_cluster_custom_object", &joined(named("gears", "two"), &body(two))),
        reads(format!("{gears}/two"), "/spec/size", size(9)),
        act("crd.actions.delete_cluster_custom_object", &one("gears")),
        gone(gear),
        act("crd.actions.create_custom_object", &joined(kind("widgets"), &body(object("Widget", "one", 3)))),
        reads(&widget, "/spec/size", size(3)),
        // it exists: the Chaos Toolkit reports a success
        came_to(
            "mismatch",
            "crd.actions.create_custom_object",
            &joined(kind("widgets"), &body(object("Widget", "one", 7))),
        ),
        came_to(
            "mismatch",
            "crd.actions.patch_custom_object",
            &joined(one("widgets"), &body(json!({"spec": {"size": 3}}))),
        ),
        reads(&widget, "/spec/size", size(3)),
        holds("crd.probes.get_custom_object", &one("widgets"), "\"size\":3"),
        fails("crd.probes.get_custom_object", &wheels, "the API server has no wheels"),
        holds("crd.probes.list_custom_objects", &kind("widgets"), "\"size\":3"),
        fails("crd.probes.list_custom_objects", &kind("wheels"), "the API server has no wheels"),
        act("crd.actions.patch_custom_object", &joined(one("widgets"), &change(4))),
        reads(&widget, "/spec", json!({"size": 4, "color": "red"})),
        act("crd.actions.replace_custom_object", &joined(named("widgets", "three"), &body(three))),
        reads(format!("{widgets}/three"), "/spec/size", size(9)),
        act("crd.actions.delete_custom_object", &one("widgets")),
        reads(&widgets, "names", json!(["three"])),
    ];
    play(site, &steps);
    let text = |name: &str| joined(object("Widget", name, 5), &json!({})).to_string();
    let steps = [
        act("crd.actions.apply_from_json", &json!({"resource": text("json")})),
        act("crd.actions.apply_from_yaml", &json!({"resource": text("yaml")})),
        reads(&widgets, "names", json!(["json", "three", "yaml"])),
    ];
    play(site, &steps);
}

pub fn chaos_mesh_faults_are_created_and_deleted(site: &Site) {
    let named =
        |kind: &str, plural: &str| definition("chaos-mesh.org", "v1alpha1", kind, plural, "Namespaced");
    let _definitions = Definitions::create(
        site,
        &[named("NetworkChaos", "networkchaos"), named("StressChaos", "stresschaos")],
    );
    let network = site.at("chaos-mesh.org/v1alpha1", "networkchaos/fault");
    let stress = site.at("chaos-mesh.org/v1alpha1", "stresschaos/busy");
    let fault = |more: &Value| joined(json!({"name": "fault", "label_selectors": "app=web"}), more);
    let busy = |more: &Value| joined(json!({"name": "busy", "label_selectors": "app=web"}), more);
    let none = json!({});
    let (end, stop) = (json!({"name": "fault"}), json!({"name": "busy"}));
    let delete = || act("chaosmesh.network.actions.delete_network_fault", &end);
    // Chaos Mesh is not installed: an object without an injection is no fault
    let unseen = |name: &str, arguments: &Value| came_to("unknown", name, arguments);
    let steps = [
        unseen("chaosmesh.network.actions.add_latency", &fault(&json!({"latency": "10ms"}))),
        reads(&network, "/spec/delay/latency", json!("10ms")),
        reads(&network, "/spec/selector/labelSelectors/app", json!("web")),
        holds("chaosmesh.network.probes.get_network_fault", &end, "delay"),
        fails("chaosmesh.network.probes.get_network_fault", &stop, "not found"),
        holds("chaosmesh.network.probes.get_network_faults", &none, "fault"),
        delete(),
        gone(&network),
        holds("chaosmesh.network.probes.get_network_faults", &none, "[]"),
        unseen("chaosmesh.network.actions.corrupt_packets", &fault(&json!({"corrupt": "40"}))),
        reads(&network, "/spec/action", json!("corrupt")),
        delete(),
        gone(&network),
        unseen("chaosmesh.network.actions.duplicate_packets", &fault(&json!({"duplicate": "40"}))),
        reads(&network, "/spec/action", json!("duplicate")),
        delete(),
        gone(&network),
        unseen("chaosmesh.network.actions.reorder_packets", &fault(&json!({"reorder": "40", "gap": "5"}))),
        reads(&network, "/spec/delay/reorder/reorder", json!("40")),
        reads(&network, "/spec/delay/reorder/gap", json!(5)),
        delete(),
        gone(&network),
        unseen("chaosmesh.network.actions.set_loss", &fault(&json!({"loss": "40"}))),
        reads(&network, "/spec/action", json!("loss")),
        delete(),
        gone(&network),
        unseen(
            "chaosmesh.network.actions.set_bandwidth",
            &fault(&json!({"rate": "1mbps", "limit": 100, "buffer": 10})),
        ),
        reads(&network, "/spec/bandwidth/rate", json!("1mbps")),
        delete(),
        gone(&network),
        unseen("chaosmesh.stress.actions.stress_cpu", &busy(&json!({"workers": 2, "load": 0}))),
        reads(&stress, "/spec/stressors/cpu/workers", json!(2)),
        reads(&stress, "/spec/stressors/cpu/load", json!(0)),
        holds("chaosmesh.stress.probes.get_stressor", &stop, "busy"),
        fails("chaosmesh.stress.probes.get_stressor", &end, "not found"),
        holds("chaosmesh.stress.probes.get_stressors", &none, "busy"),
        act("chaosmesh.stress.actions.delete_stressor", &stop),
        gone(&stress),
        unseen("chaosmesh.stress.actions.stress_memory", &busy(&json!({"workers": 1, "size": "10MB"}))),
        reads(&stress, "/spec/stressors/memory/size", json!("10MB")),
        act("chaosmesh.stress.actions.delete_stressor", &stop),
        gone(&stress),
        holds("chaosmesh.stress.probes.get_stressors", &none, "[]"),
    ];
    play_with(site, &steps, &["--effect-timeout", "500ms"]);
}
