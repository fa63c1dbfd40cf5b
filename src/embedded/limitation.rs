//! What the embedded cluster leaves out, so that nothing is left out silently.

use std::fmt;

use serde_json::Value as Json;

use super::json_fields::text;

/// What the embedded cluster does not do with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedLimitation {
    /// The object and its file.
    origin: String,
    kind: LimitationKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LimitationKind {
    /// The object cannot be stored: API version and kind.
    NotServed(String, String),
    /// The object is stored, and nothing follows from it.
    Inert(&'static str),
}

impl EmbeddedLimitation {
    /// Describes an object of a kind that the cluster does not serve.
    pub fn not_served(origin: &str, object: &Json) -> Self {
        let (version, kind) = (text(&object["apiVersion"]).to_owned(), text(&object["kind"]).to_owned());
        Self { origin: origin.to_owned(), kind: LimitationKind::NotServed(version, kind) }
    }

    /// Describes an object that the cluster stores without effect; `None` for other objects.
    pub fn of_stored(origin: &str, object: &Json) -> Option<Self> {
        let kind = LimitationKind::Inert(missing_effect(object)?);
        Some(Self { origin: origin.to_owned(), kind })
    }
}

impl fmt::Display for EmbeddedLimitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LimitationKind::NotServed(version, kind) => {
                write!(f, "{}: skipped; the embedded cluster does not serve {kind} ({version})", self.origin)
            }
            LimitationKind::Inert(effect) => write!(f, "{}: {effect}", self.origin),
        }
    }
}

/// Returns what does not follow from an object in the embedded cluster; `None` if its controller exists, or none is needed.
pub(super) fn missing_effect(object: &Json) -> Option<&'static str> {
    let api_version = text(&object["apiVersion"]);
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, text(&object["kind"])) {
        ("apps", "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob")
        | ("", "ReplicationController") => {
            Some("the embedded cluster has no controller for this kind: no Pods are created")
        }
        ("networking.k8s.io", "Ingress") => {
            Some("the embedded cluster has no Ingress controller: no requests are routed")
        }
        ("", "PersistentVolumeClaim") => Some("the embedded cluster has no volumes: the claim stays unbound"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limitation_names_object_and_missing_effect() {
        let shown = |version: &str, kind: &str| {
            let object = json!({"apiVersion": version, "kind": kind});
            EmbeddedLimitation::of_stored("a.yaml: X \"x\"", &object).map(|one| one.to_string())
        };
        let no_pods =
            "a.yaml: X \"x\": the embedded cluster has no controller for this kind: no Pods are created";
        for (version, kind) in [
            ("apps/v1", "StatefulSet"),
            ("apps/v1", "DaemonSet"),
            ("batch/v1", "Job"),
            ("batch/v1beta1", "CronJob"),
            ("v1", "ReplicationController"),
        ] {
            assert_eq!(shown(version, kind).as_deref(), Some(no_pods), "{kind}");
        }
        assert!(shown("networking.k8s.io/v1", "Ingress").is_some());
        assert!(shown("v1", "PersistentVolumeClaim").is_some());
        for (version, kind) in [("apps/v1", "Deployment"), ("v1", "Pod"), ("shop.example/v1", "Job")] {
            assert_eq!(shown(version, kind), None, "{kind}");
        }
        let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"});
        assert_eq!(
            EmbeddedLimitation::not_served("a.yaml", &scaler).to_string(),
            "a.yaml: skipped; the embedded cluster does not serve HorizontalPodAutoscaler (autoscaling/v2)"
        );
    }
}
