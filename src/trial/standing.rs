//! What stands where a trial in place puts its own: kept in the cluster, and put back afterwards. Floor 2.
//!
//! It is kept in a Secret, as there may be Secrets among it, and where `recover` finds it when this program was
//! killed. What did not stand there is removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::manifest::{clean, localise};
use super::stage::{Intent, Resolved};
use crate::kubernetes::deploy::{self, Workload};
use crate::kubernetes::{Cluster, Kinds, Known, Metadata, Plan};

/// Under which key the Secret has it.
const KEY: &str = "standing.json";

/// What stood in a namespace, under the names that a trial uses.
pub struct Standing {
    cluster: Arc<Cluster>,
    trial: String,
    namespace: String,
    kept: Vec<Kept>,
    /// The Secret that it was read from, where it was.
    secret: Option<Metadata>,
}

/// One object.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    api_version: String,
    kind: String,
    name: String,
    /// As it stood; none where nothing did.
    original: Option<Json>,
}

impl Standing {
    /// Looks at what stands there. Nothing is changed.
    pub async fn look(
        cluster: Arc<Cluster>,
        trial: String,
        namespace: String,
        resolved: &[&Resolved],
    ) -> Result<Self, String> {
        let mut kept: Vec<Kept> = Vec::new();
        for one in resolved {
            let object = localise(&one.manifest, &namespace);
            let (kind, name) = (one.known.resource.kind.to_string(), named(&object));
            let api_version = one.known.resource.api_version();
            if kept.iter().any(|known| (&known.kind, &known.name) == (&kind, &name)) {
                continue;
            }
            let found = deploy::present(&cluster, &one.known, &object).await;
            let mut original =
                found.map_err(|failure| format!("{}: {}", one.manifest.place, failure.brief()))?;
            original.iter_mut().for_each(clean);
            kept.push(Kept { api_version, kind, name, original });
        }
        Ok(Self { cluster, trial, namespace, kept, secret: None })
    }

    /// What trials in place left behind in a namespace, or in all of them: of one trial, or of all.
    pub async fn left(
        cluster: &Arc<Cluster>,
        namespace: Option<&str>,
        trial: Option<&str>,
    ) -> Result<Vec<Self>, String> {
        let secrets = deploy::kept(cluster, namespace, trial).await.map_err(|failure| failure.brief())?;
        let mut found = Vec::new();
        for (metadata, secret) in secrets {
            let text = secret["data"][KEY].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
            let kept = serde_json::from_slice(&bytes)
                .map_err(|error| format!("the Secret {} cannot be understood: {error}", metadata.name))?;
            found.push(Self {
                cluster: Arc::clone(cluster),
                trial: secret["metadata"]["labels"][deploy::TRIAL_LABEL]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                namespace: metadata.namespace.clone().unwrap_or_default(),
                kept,
                secret: Some(metadata),
            });
        }
        Ok(found)
    }

    /// The name of what it is kept in.
    pub fn name(&self) -> String {
        format!("kubectl-chaos-trial-{}", self.trial)
    }

    /// The trial that replaced it.
    pub fn trial(&self) -> &str {
        &self.trial
    }

    /// Since when it is kept, where that is known.
    pub fn since(&self) -> Option<&str> {
        self.secret.as_ref()?.creation_timestamp.as_deref()
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What will be replaced, and what will be new there: kinds and names.
    pub fn shown(&self) -> Vec<String> {
        let what = |one: &Kept| if one.original.is_some() { "replaces" } else { "adds" };
        self.kept.iter().map(|one| format!("{} {} {}", what(one), one.kind, one.name)).collect()
    }

    /// The workloads among it, to be waited for.
    pub fn workloads(&self) -> BTreeSet<Workload> {
        self.kept.iter().map(|one| (one.kind.clone(), one.name.clone())).collect()
    }

    /// Keeps it in the cluster.
    pub fn keep(&self) -> Intent {
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        let data = json!({KEY: BASE64_STANDARD.encode(text)});
        Intent::new(deploy::secret(&self.name(), &self.namespace, &self.trial, data))
    }

    /// Puts back what stood there; only what is not among the names that are to stay as they are.
    pub async fn put_back(&self, but: &BTreeSet<Workload>) -> Result<Intent, String> {
        let mut kinds = Kinds::default();
        let mut operations = Vec::new();
        for one in self.kept.iter().filter(|one| !but.contains(&(one.kind.clone(), one.name.clone()))) {
            let place = || format!("{} {}", one.kind, one.name);
            let known = kinds.of(&self.cluster, &one.api_version, &one.kind).await;
            let known = known.map_err(|failure| format!("{}: {}", place(), failure.brief()))?;
            let bare = json!({"metadata": {"name": one.name, "namespace": self.namespace}});
            let now = deploy::present(&self.cluster, &known, &bare).await;
            let now = now.map_err(|failure| format!("{}: {}", place(), failure.brief()))?;
            operations.extend(self.back(one, &known, now.as_ref()));
        }
        Ok(Intent::new(Plan::of(operations, crate::kubernetes::Answer::Null)))
    }

    fn back(&self, one: &Kept, known: &Known, now: Option<&Json>) -> Option<crate::kubernetes::Operation> {
        match (&one.original, now) {
            (None, None) => None,
            (None, Some(now)) => {
                let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                let namespace = Some(self.namespace.clone());
                let thing = Metadata { name: one.name.clone(), namespace, uid, ..Metadata::default() };
                deploy::removal(&[(known.resource.clone(), thing)]).operations.into_iter().next()
            }
            (Some(original), Some(now)) => {
                let mut object = original.clone();
                // whoever changes it at the same moment is not overruled
                object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
                Some(deploy::restoration(known, &object))
            }
            (Some(original), None) => Some(deploy::recreation(known, &self.namespace, original)),
        }
    }

    /// Forgets it, once it stands there again.
    pub async fn forget(&self) -> Result<Intent, String> {
        let secrets = match &self.secret {
            Some(secret) => vec![secret.clone()],
            None => {
                let found = deploy::kept(&self.cluster, Some(&self.namespace), Some(&self.trial)).await;
                found.map_err(|failure| failure.brief())?.into_iter().map(|(metadata, _)| metadata).collect()
            }
        };
        Ok(Intent::new(deploy::forgetting(&secrets)))
    }
}

fn named(object: &Json) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
