//! The life of a Pod: placed, started, ready, ended. Floor 1.
//!
//! Stages are a table: the first whose condition holds comes next, after its delay. A Pod whose stages are through
//! waits until somebody changes it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::{oneshot, watch};

use super::{condition, uid};
use crate::embedded::Cluster;
use crate::embedded::api::{Writing, is_ready, remove};
use crate::embedded::network::Shown;
use crate::embedded::store::Key;

/// Images whose names begin so cannot be pulled.
pub const NO_IMAGE: &str = "embedded/no-such-image";
/// Containers of images whose names begin so end again and again.
pub const CRASHES: &str = "embedded/crashes";

/// A stage: when it comes, after which time, and what it does.
struct Stage {
    when: fn(&Json) -> bool,
    after: Duration,
    then: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    End,
    Place,
    Wait(&'static str, &'static str),
    Start,
    Probe,
}

const STAGES: &[Stage] = &[
    Stage { when: is_leaving, after: Duration::from_millis(20), then: Step::End },
    Stage { when: is_over, after: Duration::MAX, then: Step::End },
    Stage { when: is_nowhere, after: Duration::ZERO, then: Step::Place },
    Stage {
        when: |pod| has_image(pod, NO_IMAGE) && !waits(pod),
        after: Duration::from_millis(20),
        then: Step::Wait("ImagePullBackOff", "the image cannot be pulled"),
    },
    Stage {
        when: |pod| has_image(pod, CRASHES) && !waits(pod),
        after: Duration::from_millis(20),
        then: Step::Wait("CrashLoopBackOff", "the container ended again"),
    },
    Stage { when: |pod| waits(pod), after: Duration::MAX, then: Step::End },
    Stage {
        when: |pod| pod["status"]["phase"] == "Pending",
        after: Duration::from_millis(20),
        then: Step::Start,
    },
    Stage { when: |pod| !is_ready(pod), after: Duration::from_millis(10), then: Step::Probe },
];

fn is_leaving(pod: &Json) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_over(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn is_nowhere(pod: &Json) -> bool {
    pod["spec"]["nodeName"].is_null()
}

fn has_image(pod: &Json, prefix: &str) -> bool {
    containers(pod).any(|one| one["image"].as_str().is_some_and(|image| image.starts_with(prefix)))
}

fn waits(pod: &Json) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array();
    statuses.into_iter().flatten().any(|one| one["state"]["waiting"]["reason"].is_string())
}

/// When readiness is looked at for the first time.
fn first_look(pod: &Json) -> Duration {
    let delay = |container: &Json| container["readinessProbe"]["initialDelaySeconds"].as_u64();
    Duration::from_secs(containers(pod).filter_map(delay).max().unwrap_or(0))
}

fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    pod["spec"]["containers"].as_array().into_iter().flatten()
}

/// What runs for a Pod.
#[derive(Default)]
struct Running {
    ends: Vec<oneshot::Sender<()>>,
    ports: Vec<Shown>,
}

impl Cluster {
    /// Lives the life of a Pod.
    pub(super) fn start_pod(self: &Arc<Self>, key: Key, uid: String) {
        if !self.lives.lock().insert(uid.clone()) {
            return;
        }
        let cluster = Arc::clone(self);
        self.spawn(async move {
            Arc::clone(&cluster).live(&key, &uid).await;
            cluster.lives.lock().remove(&uid);
        });
    }

    async fn live(self: Arc<Self>, key: &Key, of: &str) {
        let mut changed = self.api.changes();
        let mut running = Running::default();
        loop {
            changed.mark_unchanged();
            let pod = self.api.lock().store.get(key).cloned().filter(|pod| uid(pod) == of);
            // deleted at once, or replaced
            let Some(pod) = pod else { break };
            let stage = STAGES.iter().find(|stage| (stage.when)(&pod));
            let version = pod["metadata"]["resourceVersion"].clone();
            match stage {
                Some(stage) if stage.after < Duration::MAX => {
                    let delay = if stage.then == Step::Probe { first_look(&pod) } else { Duration::ZERO };
                    if !self.waited(stage.after + delay, key, &mut changed).await {
                        continue;
                    }
                    let done = self.step(stage.then, key, &pod, &mut running).await;
                    if stage.then == Step::End {
                        break;
                    }
                    if done {
                        continue;
                    }
                }
                _ => {}
            }
            // until this Pod changes; a Pod that has no place, or is not ready yet, looks again when anything does
            let restless = stage.is_some_and(|stage| stage.after < Duration::MAX);
            loop {
                if changed.changed().await.is_err() {
                    return;
                }
                let state = self.api.lock();
                if restless
                    || state.store.get(key).is_none_or(|pod| pod["metadata"]["resourceVersion"] != version)
                {
                    break;
                }
            }
        }
        for shown in running.ports {
            self.network.close(shown);
        }
        self.logs.say(&key.namespace, &key.name, None);
    }

    /// Waits for a stage; less when the Pod is to go before.
    async fn waited(&self, time: Duration, key: &Key, changed: &mut watch::Receiver<u64>) -> bool {
        let was_leaving = self.is_to_go(key);
        let mut waited = std::pin::pin!(tokio::time::sleep(time));
        loop {
            tokio::select! {
                () = &mut waited => return true,
                _ = changed.changed() => if !was_leaving && self.is_to_go(key) { return false },
            }
        }
    }

    fn is_to_go(&self, key: &Key) -> bool {
        self.api.lock().store.get(key).is_none_or(|pod| is_leaving(pod))
    }

    /// Does what a stage says. Whether it could.
    async fn step(self: &Arc<Self>, step: Step, key: &Key, pod: &Json, running: &mut Running) -> bool {
        match step {
            Step::End => {
                for end in running.ends.drain(..) {
                    // one that ended by itself hears nothing
                    let _ = end.send(());
                }
                for shown in &running.ports {
                    self.network.close(*shown);
                }
                let mut state = self.api.lock();
                if state.store.get(key).is_some_and(|now| uid(now) == uid(pod)) {
                    let held = pod["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
                    if !held {
                        remove(&mut state, key);
                        self.api.tell(&state);
                    }
                }
                true
            }
            Step::Place => self.place(key, pod),
            Step::Wait(reason, message) => {
                let waiting = json!({"waiting": {"reason": reason, "message": message}});
                let (address, now) = (self.api.lock().address("10.244"), self.api.now());
                self.put_status(key, pod, |pod| {
                    has_address(pod, &address, &now);
                    pod["status"]["containerStatuses"] = statuses(pod, &waiting, false);
                })
            }
            Step::Start => self.run_containers(key, pod, running).await,
            Step::Probe => {
                let now = self.api.now();
                self.put_status(key, pod, |pod| {
                    let started = json!({"running": {"startedAt": now}});
                    pod["status"]["containerStatuses"] = statuses(pod, &started, true);
                    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
                    let conditions = conditions.map(|of| pod_condition(&now, pod, of, "True"));
                    pod["status"]["conditions"] = json!(conditions);
                })
            }
        }
    }

    /// Finds a node that takes Pods and has the fewest.
    fn place(&self, key: &Key, pod: &Json) -> bool {
        let node = {
            let state = self.api.lock();
            let (nodes, pods) = ("/nodes".into(), "/pods".into());
            let mut load: HashMap<&str, usize> = HashMap::new();
            for (_, other) in state.store.list(&pods, "") {
                *load.entry(other["spec"]["nodeName"].as_str().unwrap_or_default()).or_default() += 1;
            }
            let takes = |node: &Json| is_ready(node) && node["spec"]["unschedulable"] != true;
            let fitting = state.store.list(&nodes, "").filter(|(_, node)| takes(node));
            let least = fitting.min_by_key(|(node, _)| load.get(node.name.as_str()).copied().unwrap_or(0));
            least.map(|(node, _)| node.name.clone())
        };
        let now = self.api.now();
        let Some(node) = node else {
            let why = "no node takes Pods";
            let known = pod["status"]["conditions"].as_array().is_some_and(|all| !all.is_empty());
            if !known {
                self.put_status(key, pod, |pod| {
                    let mut condition = condition(&now, pod, "PodScheduled", "False", "Unschedulable", why);
                    condition["lastProbeTime"] = Json::Null;
                    pod["status"]["conditions"] = json!([condition]);
                });
            }
            return false;
        };
        let mut placed = pod.clone();
        placed["spec"]["nodeName"] = json!(node);
        self.write(placed, false);
        true
    }

    async fn run_containers(self: &Arc<Self>, key: &Key, pod: &Json, running: &mut Running) -> bool {
        let address = self.api.lock().address("10.244");
        let ip: Ipv4Addr = address.parse().unwrap_or(Ipv4Addr::LOCALHOST);
        for container in containers(pod) {
            let (end, ended) = oneshot::channel();
            match self.workloads.start(self, &key.namespace, container, ended).await {
                Ok(None) => continue,
                Ok(Some(listens)) => {
                    let shown = Shown(ip, listens.port);
                    self.network.open(shown, listens.real);
                    self.logs.say(&key.namespace, &key.name, Some(&format!("listening on http://{shown}/")));
                    running.ports.push(shown);
                }
                Err(error) => {
                    self.logs.say(&key.namespace, &key.name, Some(&error));
                    let waiting = json!({"waiting": {"reason": "RunContainerError", "message": error}});
                    return self.put_status(key, pod, |pod| {
                        pod["status"]["containerStatuses"] = statuses(pod, &waiting, false);
                    });
                }
            }
            running.ends.push(end);
        }
        let now = self.api.now();
        self.put_status(key, pod, |pod| {
            let started = json!({"running": {"startedAt": now}});
            pod["status"]["phase"] = json!("Running");
            has_address(pod, &address, &now);
            pod["status"]["containerStatuses"] = statuses(pod, &started, false);
        })
    }

    fn put_status(&self, key: &Key, pod: &Json, change: impl FnOnce(&mut Json)) -> bool {
        let Some(at) = self.here(key) else { return false };
        let mut changed = pod.clone();
        change(&mut changed);
        self.api.update(&at, changed, &Writing { dry_run: false, status: true }).is_ok()
    }
}

/// What a Pod has as soon as its node has begun with it.
fn has_address(pod: &mut Json, address: &str, now: &str) {
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
    pod["status"]["hostIP"] = json!("127.0.0.1");
    pod["status"]["startTime"] = json!(now);
}

fn pod_condition(now: &str, pod: &Json, of: &str, status: &str) -> Json {
    let mut condition = condition(now, pod, of, status, "", "");
    if let Some(condition) = condition.as_object_mut() {
        for extra in ["lastUpdateTime", "reason", "message"] {
            condition.shift_remove(extra);
        }
        condition.insert("lastProbeTime".to_owned(), Json::Null);
    }
    condition
}

fn statuses(pod: &Json, state: &Json, ready: bool) -> Json {
    let status = |container: &Json| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "containerID": "",
            "ready": ready, "started": state["running"].is_object(), "restartCount": 0,
            "state": state, "lastState": {},
        })
    };
    containers(pod).map(status).collect()
}
