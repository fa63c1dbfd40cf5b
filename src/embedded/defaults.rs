//! What the API server fills in, and what it refuses, of the kinds that the controllers act on. Floor 1.

use base64::Engine as _;
use serde_json::{Map, Value as Json, json};

use super::kinds::Kind;

/// Fills in what was left out.
pub(super) fn fill(kind: &Kind, object: &mut Json) {
    match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => pod(&mut object["spec"], true),
        ("", "Service") => service(&mut object["spec"]),
        ("", "Namespace") => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            default(&mut object["status"], "phase", || json!("Active"));
        }
        ("apps", "Deployment") => {
            let spec = &mut object["spec"];
            without_no(spec, &["paused"]);
            default(spec, "replicas", || json!(1));
            default(spec, "revisionHistoryLimit", || json!(10));
            default(spec, "progressDeadlineSeconds", || json!(600));
            default(spec, "strategy", || json!({}));
            default(&mut spec["strategy"], "type", || json!("RollingUpdate"));
            if spec["strategy"]["type"] == "RollingUpdate" {
                default(&mut spec["strategy"], "rollingUpdate", || json!({}));
                for bound in ["maxSurge", "maxUnavailable"] {
                    default(&mut spec["strategy"]["rollingUpdate"], bound, || json!("25%"));
                }
            }
            template(spec);
        }
        ("apps", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => {
            default(&mut object["spec"], "replicas", || json!(1));
            template(&mut object["spec"]);
        }
        ("", "Secret") => secret(object),
        ("", "Node") => without_no(&mut object["spec"], &["unschedulable"]),
        ("apps", "DaemonSet") | ("batch", "Job") => template(&mut object["spec"]),
        _ => {}
    }
}

/// Sets a field that is not there, of an object or of nothing.
fn default(object: &mut Json, field: &str, value: impl FnOnce() -> Json) {
    if object.is_null() {
        *object = Json::Object(Map::new());
    }
    if let Some(object) = object.as_object_mut().filter(|object| object.get(field).is_none_or(Json::is_null))
    {
        object.insert(field.to_owned(), value());
    }
}

/// Leaves out what says no: a field that is not there says the same.
fn without_no(object: &mut Json, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|field, value| !(value == false && fields.contains(&field.as_str())));
    }
}

/// What was written in plain text is kept in base64 with the rest.
fn secret(secret: &mut Json) {
    default(secret, "type", || json!("Opaque"));
    let plain = secret.as_object_mut().and_then(|secret| secret.shift_remove("stringData"));
    let Some(Json::Object(plain)) = plain else { return };
    default(secret, "data", || json!({}));
    for (name, text) in plain {
        let text = text.as_str().unwrap_or_default();
        secret["data"][&name] = json!(base64::prelude::BASE64_STANDARD.encode(text));
    }
}

fn template(spec: &mut Json) {
    if let Some(template) = spec.get_mut("template").and_then(Json::as_object_mut) {
        let metadata = template.entry("metadata").or_insert_with(|| json!({}));
        default(metadata, "creationTimestamp", || Json::Null);
        if let Some(spec) = template.get_mut("spec") {
            pod(spec, false);
        }
    }
}

/// The specification of a Pod; `itself`: not one in a template, which the admission leaves alone.
fn pod(spec: &mut Json, itself: bool) {
    if !spec.is_object() {
        return;
    }
    for list in ["initContainers", "containers"] {
        for one in spec.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten() {
            container(one);
        }
    }
    default(spec, "restartPolicy", || json!("Always"));
    default(spec, "terminationGracePeriodSeconds", || json!(30));
    default(spec, "dnsPolicy", || json!("ClusterFirst"));
    default(spec, "securityContext", || json!({}));
    default(spec, "schedulerName", || json!("default-scheduler"));
    if itself {
        default(spec, "serviceAccountName", || json!("default"));
        default(spec, "serviceAccount", || json!("default"));
        default(spec, "enableServiceLinks", || json!(true));
        default(spec, "priority", || json!(0));
        default(spec, "preemptionPolicy", || json!("PreemptLowerPriority"));
        default(spec, "tolerations", || json!([]));
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            if let Some(tolerations) = spec["tolerations"].as_array_mut()
                && !tolerations.iter().any(|one| one["key"] == key)
            {
                tolerations.push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
                }));
            }
        }
    }
}

fn container(container: &mut Json) {
    if !container.is_object() {
        return;
    }
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let newest = !last.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    default(container, "imagePullPolicy", || json!(if newest { "Always" } else { "IfNotPresent" }));
    default(container, "resources", || json!({}));
    default(container, "terminationMessagePath", || json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", || json!("File"));
    if let Some(ports) = container.get_mut("ports").and_then(Json::as_array_mut) {
        for port in ports {
            default(port, "protocol", || json!("TCP"));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) else { continue };
        for (field, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            default(probe, field, || json!(value));
        }
        if let Some(get) = probe.get_mut("httpGet") {
            default(get, "path", || json!("/"));
            default(get, "scheme", || json!("HTTP"));
        }
    }
}

fn service(spec: &mut Json) {
    default(spec, "type", || json!("ClusterIP"));
    default(spec, "sessionAffinity", || json!("None"));
    for port in spec.get_mut("ports").and_then(Json::as_array_mut).into_iter().flatten() {
        default(port, "protocol", || json!("TCP"));
        let number = port["port"].clone();
        default(port, "targetPort", || number);
    }
}

/// What cannot be as it is: where, and why.
pub(super) fn faults(kind: &Kind, object: &Json) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if !is_name(name) {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                    and must start and end with an alphanumeric character";
        faults.push(("metadata.name".to_owned(), format!("Invalid value: \"{name}\": {rule}")));
    }
    let spec = &object["spec"];
    match kind.name.as_str() {
        "Pod" => containers(spec, "spec", &mut faults),
        "Deployment" | "ReplicaSet" | "StatefulSet" if kind.group == "apps" => workload(spec, &mut faults),
        "Service" => {
            let ports = spec["ports"].as_array().map_or(0, Vec::len);
            if ports == 0 && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
                faults.push(("spec.ports".to_owned(), "Required value".to_owned()));
            }
        }
        _ => {}
    }
    faults
}

fn workload(spec: &Json, faults: &mut Vec<(String, String)>) {
    if let Some(replicas) = spec["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        faults.push(("spec.replicas".to_owned(), why));
    }
    let selector = &spec["selector"];
    if selector.is_null() {
        faults.push(("spec.selector".to_owned(), "Required value".to_owned()));
    } else if !super::selector::Selector::of(selector).matches_labels(&spec["template"]["metadata"]["labels"])
    {
        let labels = spec["template"]["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let shown: Vec<String> = labels.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let why = format!(
            "Invalid value: map[string]string{{{}}}: `selector` does not match template `labels`",
            shown.join(", ")
        );
        faults.push(("spec.template.metadata.labels".to_owned(), why));
    }
    containers(&spec["template"]["spec"], "spec.template.spec", faults);
}

fn containers(spec: &Json, path: &str, faults: &mut Vec<(String, String)>) {
    let list = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        faults.push((format!("{path}.containers"), "Required value".to_owned()));
    }
    for (index, one) in list.iter().enumerate() {
        for field in ["name", "image"] {
            if one[field].as_str().is_none_or(str::is_empty) {
                // a template may do without an image, a Pod's container not without either
                faults.push((format!("{path}.containers[{index}].{field}"), "Required value".to_owned()));
            }
        }
    }
}

/// A name as RFC 1123 has subdomains.
fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// What may not be changed once it is there: where, and why.
pub(super) fn fixed(kind: &Kind, old: &Json, new: &Json) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut same = |path: &str| {
        let get = |object: &Json| path.split('.').fold(object, |value, part| &value[part]).clone();
        if get(old) != get(new) {
            faults.push((path.to_owned(), format!("Invalid value: {}: field is immutable", get(new))));
        }
    };
    match (kind.group.as_str(), kind.name.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => same("spec.selector"),
        ("", "Service") if old["spec"]["clusterIP"].is_string() => same("spec.clusterIP"),
        ("", "Pod") => {
            let rest = |object: &Json| {
                let mut spec = object["spec"].clone();
                for list in ["containers", "initContainers"] {
                    for one in spec[list].as_array_mut().into_iter().flatten() {
                        one["image"] = Json::Null;
                    }
                }
                for free in ["tolerations", "activeDeadlineSeconds", "nodeName"] {
                    spec[free] = Json::Null;
                }
                spec
            };
            if rest(old) != rest(new) {
                let why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, \
                           `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` \
                           (only additions to existing tolerations)";
                faults.push(("spec".to_owned(), why.to_owned()));
            }
        }
        _ => {}
    }
    faults
}
