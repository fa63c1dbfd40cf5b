//! What stands where a trial in place puts its own: kept in the cluster, and put back afterwards. Floor 2.
//!
//! It is kept in a Secret, as there may be Secrets among it, and where `recover` finds it when this program was
//! killed. What did not stand there is removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::kept::{self, Belief, Fate, Kept, Mark};
use super::manifest::{clean, localise};
use super::stage::{Intent, Resolved};
use crate::kubernetes::deploy::{self, Workload};
use crate::kubernetes::{Answer, Cluster, Kinds, Known, Metadata, Operation, Plan};

/// What stood in a namespace, under the names that a trial uses.
pub struct Standing {
    cluster: Arc<Cluster>,
    trial: String,
    namespace: String,
    kept: Vec<Kept>,
    /// Of what is kept: what the trial puts in place bears it.
    digest: String,
    source: Source,
}

/// Where it is known from: that decides how far it is believed.
enum Source {
    /// This process looked at it: what the Secret is to have, and what was put in place since.
    Own { data: Json, applied: Mutex<BTreeSet<Workload>> },
    /// It was read from a Secret, for which the folder of the trial vouches or not.
    Secret { metadata: Metadata, is_vouched: bool },
}

/// What the folder of a trial knows of the Secret that the trial has written.
pub struct Voucher {
    /// The namespace of the trial in place.
    pub namespace: String,
    /// The digest of what it keeps.
    pub digest: String,
}

/// A Secret that passes for one of a trial, and is none.
pub struct Misfit {
    /// What it is.
    pub metadata: Metadata,
    /// By what it is seen.
    pub why: String,
}

/// What becomes of one object that is kept.
pub struct Outlook {
    /// Its version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
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
            let (kind, name) = workload(one);
            let api_version = one.known.resource.api_version();
            if kept.iter().any(|known| (&known.kind, &known.name) == (&kind, &name)) {
                continue;
            }
            let found = deploy::present(&cluster, &one.known, &object).await;
            let mut original =
                found.map_err(|failure| format!("{}: {}", one.manifest.place, failure.brief()))?;
            let uid =
                original.as_ref().and_then(|found| found["metadata"]["uid"].as_str()).map(str::to_owned);
            original.iter_mut().for_each(clean);
            kept.push(Kept { api_version, kind, name, original, uid });
        }
        if kept.len() > kept::MOST_OBJECTS {
            return Err(format!("a trial in place replaces {} objects at most", kept::MOST_OBJECTS));
        }
        let (data, digest) = kept::write(&kept)?;
        let source = Source::Own { data, applied: Mutex::default() };
        Ok(Self { cluster, trial, namespace, kept, digest, source })
    }

    /// What trials in place left behind in a namespace, or in all of them: of one trial, or of all. What only looks
    /// like it stands beside.
    pub async fn left(
        cluster: &Arc<Cluster>,
        namespace: Option<&str>,
        trial: Option<&str>,
        voucher: Option<&Voucher>,
    ) -> Result<(Vec<Self>, Vec<Misfit>), String> {
        let secrets = deploy::kept(cluster, namespace, trial).await.map_err(|failure| failure.brief())?;
        let (mut found, mut misfits) = (Vec::new(), Vec::new());
        for (metadata, secret) in secrets.into_iter().filter(|(_, secret)| kept::is_keeper(secret)) {
            let namespace = metadata.namespace.clone().unwrap_or_default();
            let voucher = voucher.filter(|voucher| voucher.namespace == namespace);
            let vouched = |(kept, digest): (Vec<Kept>, String)| match voucher {
                Some(voucher) if voucher.digest != digest => {
                    Err("it keeps something else than the folder of the trial says".to_owned())
                }
                _ => Ok((kept, digest)),
            };
            match kept::read(&secret).and_then(vouched) {
                Err(why) => misfits.push(Misfit { metadata, why }),
                Ok((kept, digest)) => found.push(Self {
                    cluster: Arc::clone(cluster),
                    trial: metadata.trial().unwrap_or_default().to_owned(),
                    namespace,
                    kept,
                    digest,
                    source: Source::Secret { metadata, is_vouched: voucher.is_some() },
                }),
            }
        }
        Ok((found, misfits))
    }

    /// The name of what it is kept in.
    pub fn name(&self) -> String {
        kept::secret_name(&self.trial)
    }

    /// The trial that replaced it.
    pub fn trial(&self) -> &str {
        &self.trial
    }

    /// Since when it is kept, where that is known.
    pub fn since(&self) -> Option<&str> {
        match &self.source {
            Source::Own { .. } => None,
            Source::Secret { metadata, .. } => metadata.creation_timestamp.as_deref(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The digest of what is kept. It says nothing of it to those who do not know it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What will be replaced, and what will be new there: kinds and names.
    pub fn shown(&self) -> Vec<String> {
        let what = |one: &Kept| if one.original.is_some() { "replaces" } else { "adds" };
        self.kept.iter().map(|one| format!("{} {} {}", what(one), one.kind, one.name)).collect()
    }

    /// Everything that is kept, by kind and name.
    pub fn workloads(&self) -> BTreeSet<Workload> {
        self.kept.iter().map(named).collect()
    }

    /// Keeps it in the cluster.
    pub fn keep(&self) -> Intent {
        let data = match &self.source {
            Source::Own { data, .. } => data.clone(),
            // it is there already, and is refused
            Source::Secret { .. } => json!({}),
        };
        Intent::new(deploy::secret(&self.name(), &self.namespace, &self.trial, data))
    }

    /// Objects that are put in place. They bear the mark by which it is seen later on that they are the trial's.
    pub fn objects(&self, resolved: &[&Resolved]) -> Intent {
        if let Source::Own { applied, .. } = &self.source {
            applied.lock().extend(resolved.iter().map(|one| workload(one)));
        }
        let marked = |one: &&Resolved| {
            let mut object = localise(&one.manifest, &self.namespace);
            kept::mark(&mut object, &self.trial, &self.digest);
            (one.known.clone(), object)
        };
        Intent::new(deploy::application(&resolved.iter().map(marked).collect::<Vec<_>>()))
    }

    /// What will become of each object. Nothing is changed.
    pub async fn outlook(&self) -> Vec<Outlook> {
        let mut kinds = Kinds::default();
        let mut found = Vec::new();
        for one in &self.kept {
            let fate = match self.see(&mut kinds, one).await {
                Ok((known, now)) => self.fate(one, &known, now.as_ref()),
                Err(why) => Fate::LeftAlone(why),
            };
            let (kind, name) = named(one);
            found.push(Outlook { api_version: one.api_version.clone(), kind, name, fate });
        }
        found
    }

    /// Puts back what stood there; only what is not among the names that are to stay as they are. Where the trial is
    /// about to put its own under those names, it is an error that somebody else has made something there since.
    pub async fn put_back(&self, but: &BTreeSet<Workload>) -> Result<Intent, String> {
        let mut kinds = Kinds::default();
        let mut operations = Vec::new();
        for one in &self.kept {
            let stays = but.contains(&named(one));
            if stays && !self.is_to_come(one) {
                continue;
            }
            let seen = self.see(&mut kinds, one).await;
            let (known, now) = seen.map_err(|error| format!("{} {}: {error}", one.kind, one.name))?;
            if !stays {
                operations.extend(self.back(one, &known, now.as_ref()));
            } else if !kept::is_the_same(one, now.as_ref()) {
                return Err(format!(
                    "{} {}: somebody has made it since the trial began, so that it is left as it is",
                    one.kind, one.name
                ));
            }
        }
        Ok(Intent::new(Plan::of(operations, Answer::Null)))
    }

    /// What the server knows of a kind, and what stands there now.
    async fn see(&self, kinds: &mut Kinds, one: &Kept) -> Result<(Known, Option<Json>), String> {
        let known = kinds.of(&self.cluster, &one.api_version, &one.kind).await;
        let known = known.map_err(|failure| failure.brief())?;
        let bare = json!({"metadata": {"name": one.name, "namespace": self.namespace}});
        let now = deploy::present(&self.cluster, &known, &bare).await;
        Ok((known, now.map_err(|failure| failure.brief())?))
    }

    /// Whether the trial has yet to put something there.
    fn is_to_come(&self, one: &Kept) -> bool {
        matches!(&self.source, Source::Own { applied, .. } if !applied.lock().contains(&named(one)))
    }

    fn fate(&self, one: &Kept, known: &Known, now: Option<&Json>) -> Fate {
        let mark = now.map_or(Mark::None, |now| kept::mark_of(now, &self.trial, &self.digest));
        let (mark, belief) = match &self.source {
            // an experiment may have made it anew, without the mark
            Source::Own { applied, .. } if applied.lock().contains(&named(one)) => (Mark::Own, Belief::Seen),
            Source::Own { .. } => (mark, Belief::Seen),
            Source::Secret { is_vouched: true, .. } => (mark, Belief::Vouched),
            Source::Secret { is_vouched: false, .. } => (mark, Belief::Said),
        };
        kept::fate(one, known, now, mark, belief)
    }

    fn back(&self, one: &Kept, known: &Known, now: Option<&Json>) -> Option<Operation> {
        match (self.fate(one, known, now), &one.original, now) {
            (Fate::Removed, _, Some(now)) => {
                let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                let namespace = Some(self.namespace.clone());
                let thing = Metadata { name: one.name.clone(), namespace, uid, ..Metadata::default() };
                deploy::removal(&[(known.resource.clone(), thing)]).operations.into_iter().next()
            }
            (Fate::PutBack, Some(original), Some(now)) => {
                let mut object = original.clone();
                // whoever changes it at the same moment is not overruled
                object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
                Some(deploy::restoration(known, &object))
            }
            (Fate::MadeAgain, Some(original), _) => {
                Some(deploy::recreation(known, &self.namespace, original))
            }
            _ => None,
        }
    }

    /// Forgets it, once it stands there again.
    pub async fn forget(&self) -> Result<Intent, String> {
        let secrets = match &self.source {
            Source::Secret { metadata, .. } => vec![metadata.clone()],
            Source::Own { .. } => {
                let found = deploy::kept(&self.cluster, Some(&self.namespace), Some(&self.trial)).await;
                let found = found.map_err(|failure| failure.brief())?.into_iter();
                found.map(|(metadata, _)| metadata).filter(|one| one.name == self.name()).collect()
            }
        };
        Ok(Intent::new(deploy::forgetting(&secrets)))
    }
}

fn named(one: &Kept) -> Workload {
    (one.kind.clone(), one.name.clone())
}

fn workload(one: &Resolved) -> Workload {
    let name = one.manifest.object["metadata"]["name"].as_str().unwrap_or_default();
    (one.known.resource.kind.to_string(), name.to_owned())
}
