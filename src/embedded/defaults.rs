//! Defaults and validation of the kinds that the controllers act on.
//!
//! Verbatim: Kubernetes API server

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::api_resources::ApiResource;
use super::json_fields::{entries, items, items_mut, name, set, text};

/// Sets the fields that the user omitted.
pub(super) fn apply_defaults(kind: &ApiResource, object: &mut Json) {
    match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => default_pod_spec(&mut object["spec"], true),
        ("", "Service") => default_service(&mut object["spec"]),
        ("", "Namespace") => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name(object));
            set_missing(&mut object["status"], json!({"phase": "Active"}));
        }
        ("apps", "Deployment") => {
            let spec = &mut object["spec"];
            remove_false(spec, "paused");
            set_missing(
                spec,
                json!({"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {}}),
            );
            let strategy = &mut spec["strategy"];
            set_missing(strategy, json!({"type": "RollingUpdate"}));
            if strategy["type"] == "RollingUpdate" {
                let bounds = json!({"maxSurge": "25%", "maxUnavailable": "25%"});
                set_missing(&mut strategy["rollingUpdate"], bounds);
            }
            default_template(spec);
        }
        ("apps", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => {
            set_missing(&mut object["spec"], json!({"replicas": 1}));
            default_template(&mut object["spec"]);
        }
        ("", "Secret") => default_secret(object),
        ("", "Node") => remove_false(&mut object["spec"], "unschedulable"),
        ("apps", "DaemonSet") | ("batch", "Job") => default_template(&mut object["spec"]),
        _ => {}
    }
}

/// Sets missing fields of an object; null becomes an object.
fn set_missing(object: &mut Json, fields: Json) {
    if object.is_null() {
        *object = json!({});
    }
    if let (Some(object), Json::Object(fields)) = (object.as_object_mut(), fields) {
        for (field, value) in fields {
            if object.get(&field).is_none_or(Json::is_null) {
                object.insert(field, value);
            }
        }
    }
}

/// Removes a field that is false: the API server omits it.
fn remove_false(object: &mut Json, field: &str) {
    if object[field] == false {
        set(object, field, Json::Null);
    }
}

/// Moves `stringData` into `data`, encoded in base64.
fn default_secret(secret: &mut Json) {
    set_missing(secret, json!({"type": "Opaque"}));
    if let Json::Object(plain) = secret["stringData"].take() {
        for (name, value) in plain {
            secret["data"][&name] = json!(base64::prelude::BASE64_STANDARD.encode(text(&value)));
        }
    }
    set(secret, "stringData", Json::Null);
}

fn default_template(spec: &mut Json) {
    if let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) {
        set_missing(&mut template["metadata"], json!({"creationTimestamp": null}));
        if let Some(spec) = template.get_mut("spec") {
            default_pod_spec(spec, false);
        }
    }
}

/// Sets the defaults of a Pod specification. Admission defaults apply to Pods only, not to templates.
fn default_pod_spec(spec: &mut Json, itself: bool) {
    if !spec.is_object() {
        return;
    }
    for list in ["initContainers", "containers"] {
        items_mut(spec.get_mut(list)).filter(|one| one.is_object()).for_each(default_container);
    }
    set_missing(
        spec,
        json!({"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "securityContext": {}, "schedulerName": "default-scheduler"}),
    );
    if !itself {
        return;
    }
    set_missing(
        spec,
        json!({"serviceAccountName": "default", "serviceAccount": "default", "enableServiceLinks": true,
            "priority": 0, "preemptionPolicy": "PreemptLowerPriority", "tolerations": []}),
    );
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if let Some(tolerations) = spec["tolerations"].as_array_mut()
            && !tolerations.iter().any(|one| one["key"] == key)
        {
            let toleration =
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            tolerations.push(toleration);
        }
    }
}

fn default_container(container: &mut Json) {
    let last = text(&container["image"]).rsplit('/').next().unwrap_or_default();
    let newest = !last.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let policy = if newest { "Always" } else { "IfNotPresent" };
    set_missing(
        container,
        json!({"imagePullPolicy": policy, "resources": {}, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File"}),
    );
    items_mut(container.get_mut("ports")).for_each(|port| set_missing(port, json!({"protocol": "TCP"})));
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) else { continue };
        set_missing(
            probe,
            json!({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}),
        );
        if let Some(get) = probe.get_mut("httpGet") {
            set_missing(get, json!({"path": "/", "scheme": "HTTP"}));
        }
    }
}

fn default_service(spec: &mut Json) {
    set_missing(spec, json!({"type": "ClusterIP", "sessionAffinity": "None"}));
    for port in items_mut(spec.get_mut("ports")) {
        let number = port["port"].clone();
        set_missing(port, json!({"protocol": "TCP", "targetPort": number}));
    }
}

/// Validates an object. Returns field paths and reasons.
pub(super) fn validate(kind: &ApiResource, object: &Json) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let name = name(object);
    if !is_dns_subdomain(name) {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                    and must start and end with an alphanumeric character";
        faults.push(("metadata.name".to_owned(), format!("Invalid value: \"{name}\": {rule}")));
    }
    let spec = &object["spec"];
    match kind.name.as_str() {
        "Pod" => validate_containers(spec, "spec", &mut faults),
        "Deployment" | "ReplicaSet" | "StatefulSet" if kind.group == "apps" => {
            validate_workload(spec, &mut faults);
        }
        "Service" if items(&spec["ports"]).next().is_some() => {}
        "Service" if spec["clusterIP"] != "None" && spec["type"] != "ExternalName" => {
            faults.push(("spec.ports".to_owned(), "Required value".to_owned()));
        }
        _ => {}
    }
    faults
}

fn validate_workload(spec: &Json, faults: &mut Vec<(String, String)>) {
    if let Some(replicas) = spec["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        let reason = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        faults.push(("spec.replicas".to_owned(), reason));
    }
    let selector = &spec["selector"];
    if selector.is_null() {
        faults.push(("spec.selector".to_owned(), "Required value".to_owned()));
    } else if !super::selector::LabelSelector::from_object(selector)
        .matches_labels(&spec["template"]["metadata"]["labels"])
    {
        let labels = entries(&spec["template"]["metadata"]["labels"]);
        let formatted: Vec<String> = labels.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let reason = format!(
            "Invalid value: map[string]string{{{}}}: `selector` does not match template `labels`",
            formatted.join(", ")
        );
        faults.push(("spec.template.metadata.labels".to_owned(), reason));
    }
    validate_containers(&spec["template"]["spec"], "spec.template.spec", faults);
}

fn validate_containers(spec: &Json, path: &str, faults: &mut Vec<(String, String)>) {
    if items(&spec["containers"]).next().is_none() {
        faults.push((format!("{path}.containers"), "Required value".to_owned()));
    }
    for (index, one) in items(&spec["containers"]).enumerate() {
        for field in ["name", "image"] {
            if text(&one[field]).is_empty() {
                // unlike the API server, this also requires an image in templates
                faults.push((format!("{path}.containers[{index}].{field}"), "Required value".to_owned()));
            }
        }
    }
}

/// Returns whether the name is an RFC 1123 subdomain.
fn is_dns_subdomain(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// Checks that immutable fields did not change. Returns field paths and reasons.
pub(super) fn validate_immutable(kind: &ApiResource, old: &Json, new: &Json) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut check_unchanged = |path: &str| {
        let get = |object: &Json| path.split('.').fold(object, |value, part| &value[part]).clone();
        if get(old) != get(new) {
            faults.push((path.to_owned(), format!("Invalid value: {}: field is immutable", get(new))));
        }
    };
    match (kind.group.as_str(), kind.name.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => {
            check_unchanged("spec.selector");
        }
        ("", "Service") if old["spec"]["clusterIP"].is_string() => check_unchanged("spec.clusterIP"),
        ("", "Pod") => {
            let rest = |object: &Json| {
                let mut spec = object["spec"].clone();
                for list in ["containers", "initContainers"] {
                    for container in items_mut(spec.get_mut(list)) {
                        container["image"] = Json::Null;
                    }
                }
                for free in ["tolerations", "activeDeadlineSeconds", "nodeName"] {
                    spec[free] = Json::Null;
                }
                spec
            };
            if rest(old) != rest(new) {
                let reason = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, \
                           `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` \
                           (only additions to existing tolerations)";
                faults.push(("spec".to_owned(), reason.to_owned()));
            }
        }
        _ => {}
    }
    faults
}
