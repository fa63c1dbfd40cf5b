//! Metadata of Kubernetes objects, as far as the program reads them.

use serde::Deserialize;

use crate::mutation::Target;

/// What everything in a cluster has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its identity.
    #[serde(default)]
    pub uid: String,
    /// Which of its states this is: the server has another one for every change.
    #[serde(default)]
    pub resource_version: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub creation_timestamp: Option<String>,
    /// When its deletion was asked for.
    #[serde(default)]
    pub deletion_timestamp: Option<String>,
    /// What it belongs to.
    #[serde(default)]
    pub owner_references: Vec<OwnerRef>,
    /// Those of its labels that mean something here.
    #[serde(default)]
    pub labels: Option<TrialLabels>,
}

/// Labels that mean something here. Of thousands of things nobody needs the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TrialLabels {
    /// The trial that it was made for.
    #[serde(rename = "kubectl-chaos/trial", default)]
    pub trial: Option<String>,
}

impl Metadata {
    /// The trial that it was made for, if it was.
    pub fn trial(&self) -> Option<&str> {
        self.labels.as_ref()?.trial.as_deref()
    }
}

/// What something belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OwnerRef {
    /// The identity of the owner.
    #[serde(default)]
    pub uid: String,
}

/// Something of which only the metadata matter.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PartialObject {
    /// Its metadata.
    #[serde(default)]
    pub metadata: Metadata,
}

impl Metadata {
    /// It, as a target.
    pub fn target(&self, kind: &str) -> Target {
        Target {
            kind: kind.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}
