//! Manifests as `kubectl apply -f` reads them, and their adaptation to the namespace of a run. Pure.

use serde::Deserialize as _;
use serde_json::Value as Json;

use crate::error_code::{Coded, ErrorCode};

/// Object of a manifest file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Position for messages: file, kind and name.
    pub place: String,
    pub object: Json,
}

/// Metadata that the API server adds; applying the object elsewhere must omit it.
const SERVER_FIELDS: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Windows programs write it at the start of UTF-8 files.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Error in a manifest file.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot parse manifests in {file}")]
    Syntax {
        file: String,
        #[source]
        source: serde_yaml::Error,
    },
    #[error("{file}: manifest without apiVersion or kind")]
    NoKind { file: String },
    #[error("{file}: {kind} without metadata.name; generateName is not supported")]
    NoName { file: String, kind: String },
}

impl Coded for ManifestError {
    fn code(&self) -> ErrorCode {
        ErrorCode::TrialManifest
    }
}

/// Parses the documents of a JSON or YAML file, including lists. Skips experiments.
pub fn parse(file: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text.trim_start_matches(BYTE_ORDER_MARK)) {
        let object = Json::deserialize(document)
            .map_err(|source| ManifestError::Syntax { file: file.to_owned(), source })?;
        collect(file, object, &mut found)?;
    }
    Ok(found)
}

fn collect(file: &str, object: Json, found: &mut Vec<Manifest>) -> Result<(), ManifestError> {
    let is_experiment = object["method"].is_array() && object["kind"].is_null();
    if object.is_null() || is_experiment {
        return Ok(());
    }
    if let Some(items) = object["items"].as_array().filter(|_| is_list(&object)) {
        return items.iter().try_for_each(|item| collect(file, item.clone(), found));
    }
    if !object["apiVersion"].is_string() || !object["kind"].is_string() {
        return Err(ManifestError::NoKind { file: file.to_owned() });
    }
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    if name.is_empty() {
        return Err(ManifestError::NoName { file: file.to_owned(), kind: kind.to_owned() });
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

/// Converts workloads of removed API versions to `apps/v1`. Returns a warning if it converted the object.
pub fn modernise(manifest: &mut Manifest) -> Option<String> {
    let object = &mut manifest.object;
    let old = text(&object["apiVersion"]).to_owned();
    let is_old = matches!(old.as_str(), "apps/v1beta1" | "apps/v1beta2" | "extensions/v1beta1");
    if !is_old || !matches!(text(&object["kind"]), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
    {
        return None;
    }
    object["apiVersion"] = "apps/v1".into();
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    let spec = object["spec"].as_object_mut()?;
    // old versions derived the selector from the template
    if spec.get("selector").is_none_or(Json::is_null) {
        spec.insert("selector".to_owned(), serde_json::json!({"matchLabels": labels}));
    }
    spec.shift_remove("rollbackTo");
    Some(format!("{}: {old} is no longer served; applying it as apps/v1", manifest.place))
}

/// Adapts an object to a namespace.
///
/// Removes fields that bind it to another place: its namespace, server fields, node ports and fixed addresses.
pub fn localise(manifest: &Manifest, namespace: &str) -> Json {
    let mut object = manifest.object.clone();
    let own_namespace = text(&object["metadata"]["namespace"]).to_owned();
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
                if subject["kind"] == "ServiceAccount"
                    && (of.is_empty() || of == own_namespace || own_namespace.is_empty())
                {
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

/// Sets the default protocol of ports: API servers before 1.21 do not default it on server-side apply.
fn set_default_protocols(ports: Option<&mut Json>) {
    for port in ports.and_then(Json::as_array_mut).into_iter().flatten().filter_map(Json::as_object_mut) {
        port.entry("protocol").or_insert_with(|| "TCP".into());
    }
}

/// Removes the status and the metadata that an API server adds.
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

/// Returns the namespaces of Service addresses in an object, such as `web.shop.svc`.
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

fn for_each_text(value: &Json, visit: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().for_each(|item| for_each_text(item, visit)),
        Json::Object(entries) => entries.values().for_each(|value| for_each_text(value, visit)),
        _ => {}
    }
}

/// Returns kind and name of a workload with its desired replicas; `None` for other kinds.
pub fn replica_count(object: &Json) -> Option<(String, i64)> {
    let kind = text(&object["kind"]);
    let has = matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet");
    let count = object["spec"]["replicas"].as_i64().unwrap_or(1);
    has.then(|| (format!("{kind}/{}", text(&object["metadata"]["name"])), count))
}

/// Returns kind and name of a workload with its images; `None` for other kinds.
pub fn images(object: &Json) -> Option<(String, String)> {
    let paths = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];
    let pod =
        paths.iter().filter_map(|path| object.pointer(path)).find(|pod| pod["containers"].is_array())?;
    let images = pod["containers"].as_array()?.iter().map(|container| text(&container["image"]));
    let images = images.collect::<Vec<_>>().join(", ");
    Some((format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"])), images))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::message_chain;
    use serde_json::json;

    #[test]
    fn documents_and_lists_parse_and_experiments_are_skipped() {
        let check = |text: &str, expected: &[&str]| {
            let kinds: Vec<Json> =
                parse("f", text).unwrap().into_iter().map(|one| one.object["kind"].clone()).collect();
            assert_eq!(kinds, expected, "{text}");
        };
        check("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n# nothing\n---\n", &["Service"]);
        check("\u{feff}apiVersion: v1\nkind: Service\nmetadata: {name: s}\n", &["Service"]);
        check(
            "\u{feff}{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"p\"}}",
            &["Pod"],
        );
        check(r#"{"title": "t", "method": []}"#, &[]);
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
            {"apiVersion": "v1", "kind": "PodList", "items": [
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}]}]}"#;
        check(list, &["ConfigMap", "Pod"]);
        for (text, reason) in [
            ("kind: Pod", "f: manifest without apiVersion or kind"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}", "f: Pod without metadata.name"),
            ("a: [", "cannot parse manifests in f: "),
        ] {
            let error = message_chain(&parse("f", text).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }

    fn manifest(object: Json) -> Manifest {
        Manifest { place: "f".to_owned(), object }
    }

    #[test]
    fn deployment_of_removed_version_is_converted() {
        let mut old = manifest(json!({"apiVersion": "apps/v1beta1", "kind": "Deployment",
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}));
        let message = modernise(&mut old).unwrap();
        assert!(message.contains("apps/v1beta1 is no longer served"), "{message}");
        assert_eq!(old.object["apiVersion"], "apps/v1");
        assert_eq!(old.object["spec"]["selector"], json!({"matchLabels": {"app": "web"}}));
        let mut new = manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment"}));
        assert_eq!(modernise(&mut new), None);
    }

    #[test]
    fn localised_object_has_no_fields_of_its_origin() {
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
        // an invalid spec is unchanged: the API server reports it
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
    fn workloads_have_images() {
        let check = |object: Json, expected: Option<(&str, &str)>| {
            let found = images(&object);
            assert_eq!(found.as_ref().map(|(name, images)| (name.as_str(), images.as_str())), expected);
        };
        let containers = json!({"containers": [{"image": "a:1"}, {"image": "b"}]});
        let metadata = json!({"name": "n"});
        check(
            json!({"kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": containers}}}),
            Some(("Deployment/n", "a:1, b")),
        );
        check(json!({"kind": "Pod", "metadata": metadata, "spec": containers}), Some(("Pod/n", "a:1, b")));
        check(json!({"kind": "Service", "metadata": metadata, "spec": {"ports": []}}), None);
    }

    #[test]
    fn namespaces_of_service_addresses_are_found() {
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
