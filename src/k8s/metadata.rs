//! Metadata of Kubernetes objects, as far as the program reads them.
//!
//! The metadata lists of `kube` keep all labels, annotations and managed fields, and have no deadline and no retries.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::mutation::Target;

/// Prefix of the labels of this program.
const OWN_PREFIX: &str = "kubectl-chaos/";

/// Metadata of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub uid: String,
    #[serde(default)]
    pub resource_version: Option<String>,
    #[serde(default)]
    pub creation_timestamp: Option<String>,
    #[serde(default)]
    pub deletion_timestamp: Option<String>,
    #[serde(default)]
    pub owner_references: Vec<OwnerRef>,
    /// The labels of this program; others are dropped, because lists can be large.
    #[serde(default)]
    pub labels: OwnLabels,
}

/// Labels of this program, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLabels(BTreeMap<String, String>);

impl OwnLabels {
    /// Returns the value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for OwnLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(OwnLabelsVisitor)
    }
}

struct OwnLabelsVisitor;

impl<'de> Visitor<'de> for OwnLabelsVisitor {
    type Value = OwnLabels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of labels")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(OwnLabels::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(OwnLabels::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.starts_with(OWN_PREFIX) {
                if let Some(value) = entries.next_value::<Option<String>>()? {
                    labels.insert(key, value);
                }
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(OwnLabels(labels))
    }
}

/// Owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OwnerRef {
    #[serde(default)]
    pub uid: String,
}

/// Object of which only the metadata are read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PartialObject {
    #[serde(default)]
    pub metadata: Metadata,
}

impl Metadata {
    /// Returns the object as a target.
    pub fn target(&self, kind: &str) -> Target {
        Target {
            kind: kind.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_keeps_only_own_labels() {
        let read = |labels: serde_json::Value| {
            serde_json::from_value::<Metadata>(json!({"name": "a", "labels": labels})).unwrap().labels
        };
        let labels = read(json!({"app": "web", "kubectl-chaos/arm": "before"}));
        assert_eq!((labels.get("app"), labels.get("kubectl-chaos/arm")), (None, Some("before")));
        assert_eq!(read(json!(null)), OwnLabels::default());
        assert_eq!(serde_json::from_str::<Metadata>("{}").unwrap(), Metadata::default());
    }
}
