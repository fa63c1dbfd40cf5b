//! Deployments: one set per template, and a rolling update from the old ones to the new one. Floor 1.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{condition, number, owned_by, uid};
use crate::embedded::Cluster;
use crate::embedded::api::{Deletion, share};
use crate::embedded::store::Key;

/// Marks the Pods of one template.
const HASH: &str = "pod-template-hash";
/// Which change of the template a set stands for.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// How many Pods the Deployment of a set wants, and how many it may have for a while.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// How many Pods there may be more, and less, than were asked for.
struct Bounds {
    surge: i64,
    unavailable: i64,
}

impl Cluster {
    /// Brings the sets of a Deployment one step further, and says how far it is.
    pub(super) fn roll(&self, key: &Key) {
        let Some(deployment) = self.current(key) else { return };
        let mut sets = self.controlled("apps/replicasets", &key.namespace, uid(&deployment));
        let template = plain_template(&deployment);
        let new =
            sets.iter().position(|set| plain_template(set) == template).map(|index| sets.swap_remove(index));
        sets.sort_by_key(|set| revision(set));
        let paused = deployment["spec"]["paused"] == true;
        let wanted = number(&deployment["spec"]["replicas"]);
        let last = sets.iter().chain(new.as_ref()).map(|set| revision(set)).max().unwrap_or(0);
        let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
        let old_replicas: i64 = sets.iter().map(|set| number(&set["spec"]["replicas"])).sum();
        let bounds = bounds(&deployment, wanted);
        let new = match new {
            Some(new) => Some(new),
            None if paused => None,
            None => {
                let old_pods: i64 = sets.iter().map(|set| number(&set["status"]["replicas"])).sum();
                let first = match recreate {
                    true if old_replicas + old_pods > 0 => 0,
                    true => wanted,
                    false => (wanted + bounds.surge - old_replicas).clamp(0, wanted),
                };
                self.new_set(&deployment, &template, first, last + 1)
            }
        };
        if let Some(new) = &new {
            // a set that is new again counts as the newest
            let newest = if revision(new) < last { last + 1 } else { revision(new).max(1) };
            self.mark(&deployment, new, newest);
            if sets.iter().all(|set| number(&set["spec"]["replicas"]) == 0) && !recreate {
                self.resize(new, wanted);
            } else if recreate {
                for set in &sets {
                    self.resize(set, 0);
                }
                if sets.iter().all(|set| number(&set["status"]["replicas"]) == 0) {
                    self.resize(new, wanted);
                }
            } else if !paused {
                self.advance(&sets, new, wanted, old_replicas, &bounds);
            }
        }
        self.tell(&deployment, key);
        self.forget(&deployment, &sets);
    }

    /// One step of a rolling update: up where there is room, down where enough are available.
    fn advance(&self, old: &[Arc<Json>], new: &Json, wanted: i64, old_replicas: i64, bounds: &Bounds) {
        let new_replicas = number(&new["spec"]["replicas"]);
        let room = wanted + bounds.surge - old_replicas - new_replicas;
        if new_replicas > wanted {
            self.resize(new, wanted);
        } else if room > 0 && new_replicas < wanted {
            self.resize(new, new_replicas + room.min(wanted - new_replicas));
        }
        let least = wanted - bounds.unavailable;
        let available = |set: &Json| number(&set["status"]["availableReplicas"]);
        let waiting = (new_replicas - available(new)).max(0);
        let mut spare = old_replicas + new_replicas - least - waiting;
        // what does not work goes first: that costs nothing
        let mut sizes: Vec<i64> = old.iter().map(|set| number(&set["spec"]["replicas"])).collect();
        for (set, size) in old.iter().zip(&mut sizes) {
            let broken = (*size - available(set)).clamp(0, spare.max(0));
            *size -= broken;
            spare -= broken;
        }
        let all: i64 = old.iter().map(|set| available(set)).sum::<i64>() + available(new);
        let mut spare = spare.min(all - least).max(0);
        for (set, size) in old.iter().zip(&mut sizes) {
            let less = (*size).min(spare);
            *size -= less;
            spare -= less;
            self.resize(set, *size);
        }
    }

    fn new_set(&self, deployment: &Json, template: &Json, replicas: i64, revision: i64) -> Option<Arc<Json>> {
        let mut hasher = DefaultHasher::new();
        template.to_string().hash(&mut hasher);
        let hash = format!("{:010x}", hasher.finish() & 0xff_ffff_ffff);
        let metadata = &deployment["metadata"];
        let mut labels = template["metadata"]["labels"].clone();
        labels[HASH] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH] = json!(hash);
        let mut of_pods = template.clone();
        of_pods["metadata"]["labels"] = labels.clone();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", metadata["name"].as_str().unwrap_or_default()),
                "namespace": metadata["namespace"], "labels": labels,
                "annotations": {REVISION: revision.to_string()},
                "ownerReferences": owned_by(deployment),
            },
            "spec": {"replicas": replicas, "selector": selector, "template": of_pods},
        });
        self.api.create_object(set).ok().map(Arc::new)
    }

    /// Writes down which revision the newest set is, on the set and on the Deployment.
    fn mark(&self, deployment: &Json, set: &Json, revision: i64) {
        for object in [set, deployment] {
            let Ok(at) = self.api.at(object) else { continue };
            let Ok(mut marked) = self.api.get(&at) else { continue };
            let mut marks = vec![(REVISION, revision)];
            if marked["kind"] == "ReplicaSet" {
                let wanted = number(&deployment["spec"]["replicas"]);
                marks.extend([(DESIRED, wanted), (MOST, wanted + bounds(deployment, wanted).surge)]);
            }
            let before = marked["metadata"]["annotations"].clone();
            for (mark, number) in marks {
                marked["metadata"]["annotations"][mark] = json!(number.to_string());
            }
            if marked["metadata"]["annotations"] != before {
                self.write(marked, false);
            }
        }
    }

    fn resize(&self, set: &Json, replicas: i64) {
        let Ok(mut current) = self.api.at(set).and_then(|at| self.api.get(&at)) else { return };
        if number(&current["spec"]["replicas"]) != replicas {
            current["spec"]["replicas"] = json!(replicas);
            self.write(current, false);
        }
    }

    fn tell(&self, deployment: &Json, key: &Key) {
        let Some(current) = self.current(key) else { return };
        let sets = self.controlled("apps/replicasets", &key.namespace, uid(deployment));
        let sum = |field: &str| sets.iter().map(|set| number(&set["status"][field])).sum::<i64>();
        let template = plain_template(&current);
        let new = sets.iter().find(|set| plain_template(set) == template);
        let updated = new.map_or(0, |set| number(&set["status"]["replicas"]));
        let (replicas, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
        let wanted = number(&current["spec"]["replicas"]);
        let mut status = json!({"observedGeneration": current["metadata"]["generation"]});
        for (field, amount) in [
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            (
                "unavailableReplicas",
                (sets.iter().map(|set| number(&set["spec"]["replicas"])).sum::<i64>() - available).max(0),
            ),
        ] {
            if amount > 0 {
                status[field] = json!(amount);
            }
        }
        let now = self.api.now();
        let enough = available >= wanted - bounds(&current, wanted).unavailable;
        let is_available = if enough {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let name = new.and_then(|set| set["metadata"]["name"].as_str()).unwrap_or_default();
        let complete = updated == wanted && replicas == wanted && available == wanted;
        let before = |of: &str| {
            let mut all = current["status"]["conditions"].as_array().into_iter().flatten();
            all.find(|one| one["type"] == of).cloned().unwrap_or_default()
        };
        // what is complete stays so while it is scaled
        let was_complete = before("Progressing")["reason"] == "NewReplicaSetAvailable" && replicas == updated;
        let (reason, message) = if complete || was_complete {
            ("NewReplicaSetAvailable", format!("ReplicaSet \"{name}\" has successfully progressed."))
        } else {
            ("ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."))
        };
        let (holds, why, text) = is_available;
        let mut conditions = [
            condition(&now, &current, "Available", holds, why, text),
            condition(&now, &current, "Progressing", "True", reason, &message),
        ];
        // the one that changed last stands last
        let stays = |one: &Json| {
            let before = before(one["type"].as_str().unwrap_or_default());
            before["status"] == one["status"] && before["reason"] == one["reason"]
        };
        let old = current["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let place = |one: &Json| old.iter().position(|before| before["type"] == one["type"]);
        conditions.sort_by_key(|one| if stays(one) { place(one).unwrap_or(usize::MAX) } else { usize::MAX });
        status["conditions"] = json!(conditions);
        let mut told = Json::clone(&current);
        told["status"] = status;
        self.write(told, true);
    }

    /// Deletes old sets that are empty, but for as many as are to be remembered.
    fn forget(&self, deployment: &Json, old: &[Arc<Json>]) {
        let empty: Vec<&Arc<Json>> = old
            .iter()
            .filter(|set| number(&set["spec"]["replicas"]) == 0 && number(&set["status"]["replicas"]) == 0)
            .collect();
        let kept = usize::try_from(number(&deployment["spec"]["revisionHistoryLimit"])).unwrap_or(0);
        for set in empty.iter().take(empty.len().saturating_sub(kept)) {
            self.delete(set, &Deletion::default());
        }
    }
}

fn bounds(deployment: &Json, wanted: i64) -> Bounds {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    if !rolling.is_object() {
        return Bounds { surge: 0, unavailable: 0 };
    }
    let surge = share(&rolling["maxSurge"], wanted, true);
    let unavailable = share(&rolling["maxUnavailable"], wanted, false).min(wanted);
    // with neither nothing could ever move
    Bounds { surge, unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable } }
}

fn revision(set: &Json) -> i64 {
    set["metadata"]["annotations"][REVISION].as_str().and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// The template without the mark of its set.
fn plain_template(object: &Json) -> Json {
    let mut template = object["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove(HASH);
    }
    template
}
