//! Manifests, as `kubectl apply -f` reads them, and made fit for the namespace of a run. Floor 2, pure.

use serde::Deserialize as _;
use serde_json::{Map, Value as Json};

/// An object, and where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file, the kind and the name.
    pub place: String,
    /// The object.
    pub object: Json,
}

/// What belongs to an object in its cluster alone: whoever applies it elsewhere leaves it out.
const SERVER_FIELDS: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Reads the documents of a file: JSON or YAML, lists included. Experiments among them are passed over.
pub fn parse(file: &str, text: &str) -> Result<Vec<Manifest>, String> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let object = Json::deserialize(document)
            .map_err(|error| format!("the manifests in {file} cannot be read: {error}"))?;
        collect(file, object, &mut found)?;
    }
    Ok(found)
}

fn collect(file: &str, object: Json, found: &mut Vec<Manifest>) -> Result<(), String> {
    let is_experiment = object["method"].is_array() && object["kind"].is_null();
    if object.is_null() || is_experiment {
        return Ok(());
    }
    if let Some(items) = object["items"].as_array().filter(|_| is_list(&object)) {
        return items.iter().try_for_each(|item| collect(file, item.clone(), found));
    }
    if !object["apiVersion"].is_string() || !object["kind"].is_string() {
        return Err(format!("{file}: a manifest has to have apiVersion and kind"));
    }
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    if name.is_empty() {
        return Err(format!("{file}: a {kind} has no metadata.name; generated names cannot be applied"));
    }
    let place = format!("{file}: {kind} \"{name}\"");
    found.push(Manifest { place, object });
    Ok(())
}

fn is_list(object: &Json) -> bool {
    text(&object["kind"]).ends_with("List")
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Makes today's Deployments of those that old samples have. Gives what was converted, where something was.
pub fn modernise(manifest: &mut Manifest) -> Option<String> {
    let object = &mut manifest.object;
    let old = text(&object["apiVersion"]).to_owned();
    let known = matches!(old.as_str(), "apps/v1beta1" | "apps/v1beta2" | "extensions/v1beta1");
    if !known || !matches!(text(&object["kind"]), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") {
        return None;
    }
    object["apiVersion"] = "apps/v1".into();
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    let spec = object["spec"].as_object_mut()?;
    // it was derived from the template where it was not given
    if spec.get("selector").is_none_or(Json::is_null) {
        spec.insert("selector".to_owned(), serde_json::json!({"matchLabels": labels}));
    }
    spec.shift_remove("rollbackTo");
    Some(format!("{}: {old} is no longer served, it is applied as apps/v1", manifest.place))
}

/// Makes an object fit for a namespace. What would bind it to another place is left out: its own namespace, what a
/// server adds, ports of nodes and addresses that cannot be had twice.
pub fn localise(manifest: &Manifest, namespace: &str) -> Json {
    let mut object = manifest.object.clone();
    let own = text(&object["metadata"]["namespace"]).to_owned();
    remove_server_fields(&mut object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    match text(&object["kind"]) {
        "Service" => {
            object.get_mut("spec").into_iter().for_each(localise_service);
            set_default_protocols(object.pointer_mut("/spec/ports"));
        }
        "RoleBinding" => {
            let subjects = object.get_mut("subjects").and_then(Json::as_array_mut);
            for subject in subjects.into_iter().flatten() {
                let of = text(&subject["namespace"]);
                if subject["kind"] == "ServiceAccount" && (of.is_empty() || of == own || own.is_empty()) {
                    subject["namespace"] = namespace.into();
                }
            }
        }
        _ => {}
    }
    for pod in ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"] {
        for containers in ["containers", "initContainers"] {
            let containers = object.pointer_mut(&format!("{pod}/{containers}")).and_then(Json::as_array_mut);
            for container in containers.into_iter().flatten() {
                set_default_protocols(container.get_mut("ports"));
            }
        }
    }
    object
}

/// Says that ports are TCP where nothing is said: servers before 1.21 know the default, and not when they apply.
fn set_default_protocols(ports: Option<&mut Json>) {
    for port in ports.and_then(Json::as_array_mut).into_iter().flatten().filter_map(Json::as_object_mut) {
        port.entry("protocol").or_insert_with(|| "TCP".into());
    }
}

/// Leaves out what a server adds.
pub fn remove_server_fields(object: &mut Json) {
    let Some(entries) = object.as_object_mut() else { return };
    entries.shift_remove("status");
    if let Some(metadata) = entries.get_mut("metadata").and_then(Json::as_object_mut) {
        for key in SERVER_FIELDS {
            metadata.shift_remove(key);
        }
    }
}

fn localise_service(spec: &mut Json) {
    let ports = spec.get_mut("ports").and_then(Json::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Json::as_object_mut) {
        port.shift_remove("nodePort");
    }
    let Some(spec) = spec.as_object_mut() else { return };
    for key in ["healthCheckNodePort", "loadBalancerIP", "externalIPs"] {
        spec.shift_remove(key);
    }
    if spec.get("clusterIP").is_some_and(|address| address != "None") {
        spec.shift_remove("clusterIP");
        spec.shift_remove("clusterIPs");
    }
}

/// The namespaces that texts of an object name, as in `web.shop.svc`: where its Pods would go.
pub fn referenced_namespaces(object: &Json) -> Vec<String> {
    let mut found = Vec::new();
    for_each_text(object, &mut |text| {
        for (at, _) in text.match_indices(".svc") {
            let ends = text[at + 4..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
            let label = |text: &str| -> String {
                let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
                let reversed: Vec<char> = text.chars().rev().take_while(fits).collect();
                reversed.into_iter().rev().collect()
            };
            let namespace = label(&text[..at]);
            let before = &text[..at - namespace.len()];
            let is_qualified = before.strip_suffix('.').is_some_and(|before| !label(before).is_empty());
            if ends && is_qualified && !namespace.is_empty() && !found.contains(&namespace) {
                found.push(namespace);
            }
        }
    });
    found
}

fn for_each_text(value: &Json, see: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => see(text),
        Json::Array(items) => items.iter().for_each(|item| for_each_text(item, see)),
        Json::Object(entries) => visit_all(entries, see),
        _ => {}
    }
}

fn visit_all(entries: &Map<String, Json>, see: &mut impl FnMut(&str)) {
    entries.values().for_each(|value| for_each_text(value, see));
}

/// How many replicas a workload is to have; nothing for what has none.
pub fn replica_count(object: &Json) -> Option<(String, i64)> {
    let kind = text(&object["kind"]);
    let has = matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet");
    let count = object["spec"]["replicas"].as_i64().unwrap_or(1);
    has.then(|| (format!("{kind}/{}", text(&object["metadata"]["name"])), count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_and_lists_are_read_and_experiments_passed_over() {
        let check = |text: &str, expected: &[&str]| {
            let kinds: Vec<Json> =
                parse("f", text).unwrap().into_iter().map(|one| one.object["kind"].clone()).collect();
            assert_eq!(kinds, expected, "{text}");
        };
        check("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n# nothing\n---\n", &["Service"]);
        check(r#"{"title": "t", "method": []}"#, &[]);
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
            {"apiVersion": "v1", "kind": "PodList", "items": [
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}]}]}"#;
        check(list, &["ConfigMap", "Pod"]);
        for (text, why) in [
            ("kind: Pod", "f: a manifest has to have apiVersion and kind"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}", "f: a Pod has no metadata.name"),
            ("a: [", "the manifests in f cannot be read"),
        ] {
            let error = parse("f", text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    fn manifest(object: Json) -> Manifest {
        Manifest { place: "f".to_owned(), object }
    }

    #[test]
    fn old_deployments_become_new_ones() {
        let mut old = manifest(json!({"apiVersion": "apps/v1beta1", "kind": "Deployment",
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}));
        let said = modernise(&mut old).unwrap();
        assert!(said.contains("apps/v1beta1 is no longer served"), "{said}");
        assert_eq!(old.object["apiVersion"], "apps/v1");
        assert_eq!(old.object["spec"]["selector"], json!({"matchLabels": {"app": "web"}}));
        let mut new = manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment"}));
        assert_eq!(modernise(&mut new), None);
    }

    #[test]
    fn what_binds_an_object_to_its_place_is_left_out() {
        let check = |object: Json, expected: Json| {
            assert_eq!(localise(&manifest(object), "arm"), expected);
        };
        check(
            json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "shop", "uid": "u",
                "resourceVersion": "1", "labels": {"a": "b"}}, "status": {"phase": "Running"}}),
            json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "arm", "labels": {"a": "b"}}}),
        );
        check(
            json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "NodePort",
                "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080}]}}),
            json!({"kind": "Service", "metadata": {"name": "s", "namespace": "arm"},
                "spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}}),
        );
        check(
            json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "None"}}),
            json!({"kind": "Service", "metadata": {"name": "s", "namespace": "arm"}, "spec": {"clusterIP": "None"}}),
        );
        check(
            json!({"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [
                {"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}]}}}}),
            json!({"kind": "Deployment", "metadata": {"name": "d", "namespace": "arm"}, "spec": {"template":
                {"spec": {"containers": [{"ports": [{"containerPort": 80, "protocol": "TCP"},
                    {"containerPort": 53, "protocol": "UDP"}]}]}}}}),
        );
        // what makes no sense stays as it is: the server says so
        for odd in [json!("x"), json!({"ports": "x"}), json!({"ports": ["x"]})] {
            let object = |namespace: Json| {
                let mut object = json!({"kind": "Service", "metadata": {"name": "s"}, "spec": odd.clone()});
                object["metadata"]["namespace"] = namespace;
                object
            };
            check(object(Json::Null), object(json!("arm")));
        }
        check(
            json!({"kind": "RoleBinding", "metadata": {"name": "r", "namespace": "shop"}, "subjects": [
                {"kind": "ServiceAccount", "name": "a", "namespace": "shop"},
                {"kind": "ServiceAccount", "name": "b", "namespace": "other"}]}),
            json!({"kind": "RoleBinding", "metadata": {"name": "r", "namespace": "arm"}, "subjects": [
                {"kind": "ServiceAccount", "name": "a", "namespace": "arm"},
                {"kind": "ServiceAccount", "name": "b", "namespace": "other"}]}),
        );
    }

    #[test]
    fn namespaces_in_addresses_are_found() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(referenced_namespaces(&json!({"env": [{"value": text}]})), expected, "{text}");
        };
        check("http://web.shop.svc:8080/x", &["shop"]);
        check("web.shop.svc.cluster.local,db.data.svc", &["shop", "data"]);
        check("http://web.svc/", &[]);
        check("http://web/", &[]);
        check("a.b.svcx", &[]);
        check(".svc", &[]);
        check("x..svc é.shop.svc", &[]);
    }
}
