//! The lifecycle of a Pod: scheduled, started, ready or not, terminated.
//!
//! The stages are a table: the first stage whose condition holds comes next, after its delay. If no stage applies,
//! the Pod waits for a change of itself or of its Node.
//!
//! Verbatim: Kubernetes API server

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::probe::ProbedContainer;
use super::updated_condition;
use crate::embedded::EmbeddedCluster;
use crate::embedded::api::remove_object;
use crate::embedded::json_fields::{
    condition, containers, has_finalizers, is_finished, is_ready, is_terminating, items, items_mut, number,
    text, uid,
};
use crate::embedded::network::PodAddress;
use crate::embedded::store::{IndexKey, ObjectKey};
use crate::error_code::message_chain;

/// How long a readiness probe waits for a permit.
const PROBE_QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// Images with this prefix cannot be pulled.
pub const MISSING_IMAGE_PREFIX: &str = "embedded/no-such-image";
/// Containers of images with this prefix crash repeatedly.
pub const CRASHING_IMAGE_PREFIX: &str = "embedded/crashes";

/// The reason of events about failed readiness probes.
pub(in crate::embedded) const UNHEALTHY_REASON: &str = "Unhealthy";

/// The state that lifecycle stages decide by.
struct PodView<'a> {
    pod: &'a Json,
    node: NodeState,
    containers: &'a [ProbedContainer],
}

/// The readiness of a Pod's Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeState {
    /// Ready, or there is no such Node.
    Ready,
    /// Not ready: running Pods go on, new ones do not start.
    NotReady,
    /// The condition is `Unknown`: Pods count as not ready, and do not terminate.
    Unknown,
}

impl NodeState {
    fn from_node(node: Option<&Json>) -> Self {
        match node.map(|node| condition(node, "Ready").map_or("", |one| text(&one["status"]))) {
            None | Some("True") => Self::Ready,
            Some("Unknown") => Self::Unknown,
            Some(_) => Self::NotReady,
        }
    }
}

/// A stage: its condition, its delay, and its action.
struct LifecycleStage {
    condition: fn(&PodView<'_>) -> bool,
    delay: StageDelay,
    action: LifecycleAction,
}

enum StageDelay {
    /// Milliseconds.
    Delay(u64),
    /// Until the next probe of a container.
    NextProbe,
    /// Until the Pod or the Node changes.
    Never,
}

#[derive(Clone, Copy)]
enum LifecycleAction {
    Idle,
    Terminate,
    Schedule,
    SetWaiting(&'static str, &'static str),
    Start,
    UpdateReadiness,
    Probe,
}

const STAGES: &[LifecycleStage] = &[
    LifecycleStage {
        condition: |seen| is_terminating(seen.pod) && seen.node == NodeState::Unknown,
        delay: StageDelay::Never,
        action: LifecycleAction::Idle,
    },
    LifecycleStage {
        condition: |seen| is_terminating(seen.pod),
        delay: StageDelay::Delay(20),
        action: LifecycleAction::Terminate,
    },
    LifecycleStage {
        condition: |seen| is_finished(seen.pod),
        delay: StageDelay::Never,
        action: LifecycleAction::Idle,
    },
    LifecycleStage {
        condition: |seen| seen.pod["spec"]["nodeName"].is_null(),
        delay: StageDelay::Delay(0),
        action: LifecycleAction::Schedule,
    },
    LifecycleStage {
        condition: |seen| seen.is_waiting(),
        delay: StageDelay::Never,
        action: LifecycleAction::Idle,
    },
    LifecycleStage {
        condition: |seen| seen.is_pending() && seen.node != NodeState::Ready,
        delay: StageDelay::Never,
        action: LifecycleAction::Idle,
    },
    LifecycleStage {
        condition: |seen| seen.has_image(MISSING_IMAGE_PREFIX),
        delay: StageDelay::Delay(20),
        action: LifecycleAction::SetWaiting("ImagePullBackOff", "cannot pull the image"),
    },
    LifecycleStage {
        condition: |seen| seen.has_image(CRASHING_IMAGE_PREFIX),
        delay: StageDelay::Delay(20),
        action: LifecycleAction::SetWaiting("CrashLoopBackOff", "the container crashed again"),
    },
    LifecycleStage {
        condition: |seen| seen.is_pending(),
        delay: StageDelay::Delay(20),
        action: LifecycleAction::Start,
    },
    LifecycleStage {
        condition: |seen| seen.is_readiness_outdated(),
        delay: StageDelay::Delay(10),
        action: LifecycleAction::UpdateReadiness,
    },
    LifecycleStage {
        condition: |seen| seen.next_probe().is_some(),
        delay: StageDelay::NextProbe,
        action: LifecycleAction::Probe,
    },
];

impl PodView<'_> {
    fn is_pending(&self) -> bool {
        self.pod["status"]["phase"] == "Pending"
    }

    fn has_image(&self, prefix: &str) -> bool {
        containers(self.pod).any(|one| text(&one["image"]).starts_with(prefix))
    }

    fn is_waiting(&self) -> bool {
        items(&self.pod["status"]["containerStatuses"])
            .any(|one| one["state"]["waiting"]["reason"].is_string())
    }

    fn next_probe(&self) -> Option<Instant> {
        self.containers.iter().filter_map(|one| one.next_probe).min()
    }

    /// Returns whether the reported readiness differs from the actual one. Containers of other origin are
    /// ignored.
    fn is_readiness_outdated(&self) -> bool {
        let mut reported = items(&self.pod["status"]["containerStatuses"]).map(|one| one["ready"] == true);
        let all = self.containers.iter().all(|one| one.is_ready);
        let differs = is_ready(self.pod) != (all && self.node != NodeState::Unknown)
            || self.containers.iter().any(|one| reported.next() != Some(one.is_ready));
        !self.containers.is_empty() && differs
    }
}

/// The running containers of a Pod.
#[derive(Default)]
struct RunningPod {
    stop_senders: Vec<oneshot::Sender<()>>,
    ports: Vec<PodAddress>,
    containers: Vec<ProbedContainer>,
    /// The current stage, and when the Pod entered it.
    entered: Option<(usize, Instant)>,
}

impl EmbeddedCluster {
    /// Wakes the task of a Pod, or starts it.
    pub(super) fn notify_pod(self: &Arc<Self>, key: ObjectKey, uid: String) {
        let mut lives = self.pod_tasks.lock();
        if let Some(changed) = lives.get(&uid) {
            return changed.notify_one();
        }
        if self.get_pod(&key, &uid).is_none() {
            return;
        }
        let changed = Arc::new(Notify::new());
        lives.insert(uid.clone(), Arc::clone(&changed));
        let cluster = Arc::clone(self);
        self.spawn(async move {
            Arc::clone(&cluster).run_pod(&key, &uid, &changed).await;
            cluster.pod_tasks.lock().remove(&uid);
        });
    }

    /// Wakes the tasks of the Pods of a Node, and of unscheduled Pods.
    pub(super) fn notify_pods_of_node(&self, node: &str) {
        let uids: Vec<String> = {
            let state = self.api.lock();
            let marks = [node, ""].map(|name| IndexKey::Node(name.to_owned()));
            let pods = marks.iter().flat_map(|mark| state.store.find_indexed(mark));
            pods.map(|(_, pod)| uid(pod).to_owned()).collect()
        };
        let lives = self.pod_tasks.lock();
        uids.iter().filter_map(|uid| lives.get(uid)).for_each(|changed| changed.notify_one());
    }

    /// Returns a Pod and the state of its Node.
    fn get_pod(&self, key: &ObjectKey, of: &str) -> Option<(Arc<Json>, NodeState)> {
        let state = self.api.lock();
        let pod = state.store.get(key).filter(|pod| uid(pod) == of)?;
        let node = state.store.get(&ObjectKey::new("/nodes", "", text(&pod["spec"]["nodeName"])));
        Some((Arc::clone(pod), NodeState::from_node(node.map(|node| &**node))))
    }

    async fn run_pod(self: Arc<Self>, key: &ObjectKey, of: &str, changed: &Notify) {
        let mut running = RunningPod::default();
        // until the Pod is deleted or replaced
        while let Some(next) = self.next_action(key, of, &mut running) {
            match next {
                None => changed.notified().await,
                // a change may lead to another stage
                Some((_, due)) if due > Instant::now() => drop(timeout_at(due, changed.notified()).await),
                Some((step, _)) => {
                    running.entered = None;
                    let looks = matches!(step, LifecycleAction::Probe);
                    let done = self.run_action(step, key, of, &mut running);
                    let done = tokio::select! {
                        done = done => done,
                        // a terminating Pod does not wait for the result of a probe
                        () = self.wait_until_terminating(key, of, changed), if looks => true,
                    };
                    if !done {
                        changed.notified().await;
                    }
                }
            }
        }
        running.ports.iter().for_each(|pod_address| self.network.unregister(*pod_address));
        self.append_log(key, None);
    }

    /// Returns the next action of a Pod and its time; nothing for a deleted Pod.
    fn next_action(
        &self,
        key: &ObjectKey,
        of: &str,
        running: &mut RunningPod,
    ) -> Option<Option<(LifecycleAction, Instant)>> {
        let (pod, node) = self.get_pod(key, of)?;
        let view = PodView { pod: &pod, node, containers: &running.containers };
        let stage = STAGES.iter().position(|stage| (stage.condition)(&view));
        let since = running
            .entered
            .filter(|(entered_stage, _)| Some(*entered_stage) == stage)
            .map(|(_, since)| since);
        let since = since.unwrap_or_else(Instant::now);
        running.entered = stage.map(|stage| (stage, since));
        let Some(stage) = stage.map(|stage| &STAGES[stage]) else { return Some(None) };
        let due = match stage.delay {
            StageDelay::Delay(delay) => Some(since + Duration::from_millis(delay)),
            StageDelay::NextProbe => view.next_probe(),
            StageDelay::Never => None,
        };
        Some(due.map(|due| (stage.action, due)))
    }

    /// Performs an action. Returns whether it succeeded.
    async fn run_action(
        self: &Arc<Self>,
        step: LifecycleAction,
        key: &ObjectKey,
        of: &str,
        running: &mut RunningPod,
    ) -> bool {
        match step {
            LifecycleAction::Idle => false,
            LifecycleAction::Terminate => {
                for end in running.stop_senders.drain(..) {
                    // the container may have ended already
                    let _ = end.send(());
                }
                running.ports.drain(..).for_each(|pod_address| self.network.unregister(pod_address));
                let mut state = self.api.lock();
                let is_free = state.store.get(key).is_some_and(|pod| uid(pod) == of && !has_finalizers(pod));
                is_free && remove_object(&mut state, key).is_some()
            }
            LifecycleAction::Schedule => self.schedule_pod(key, of),
            LifecycleAction::SetWaiting(reason, message) => {
                let waiting = json!({"waiting": {"reason": reason, "message": message}});
                let address = self.api.lock().allocate_address("10.244");
                self.modify_pod(key, of, |pod, now| {
                    set_address(pod, &address, now);
                    set_containers(pod, &waiting);
                })
            }
            LifecycleAction::Start => self.run_containers(key, of, running).await,
            LifecycleAction::UpdateReadiness => {
                let node = self.get_pod(key, of).map_or(NodeState::Ready, |(_, node)| node);
                self.modify_pod(key, of, |pod, now| {
                    let statuses = pod["status"].get_mut("containerStatuses");
                    for (status, container) in items_mut(statuses).zip(&running.containers) {
                        status["ready"] = json!(container.is_ready);
                    }
                    set_readiness(pod, node, now);
                })
            }
            LifecycleAction::Probe => {
                self.probe_containers(key, of, running).await;
                true
            }
        }
    }

    /// Runs the readiness probes that are due.
    async fn probe_containers(&self, key: &ObjectKey, of: &str, running: &mut RunningPod) {
        let now = Instant::now();
        let is_due = |container: &&mut ProbedContainer| container.next_probe.is_some_and(|next| next <= now);
        for container in running.containers.iter_mut().filter(is_due) {
            // after a long wait, probe without a permit
            let _permit = timeout(PROBE_QUEUE_TIMEOUT, self.probe_permits.acquire()).await;
            if let Err(error) = container.run_probe(&self.network).await {
                self.report_unhealthy(key, of, &format!("Readiness probe failed: {error}"));
            }
        }
    }

    /// Waits until a Pod is terminating.
    async fn wait_until_terminating(&self, key: &ObjectKey, of: &str, changed: &Notify) {
        while self.get_pod(key, of).is_some_and(|(pod, _)| !is_terminating(&pod)) {
            changed.notified().await;
        }
    }

    /// Assigns a Pod to the schedulable Node with the fewest Pods.
    fn schedule_pod(&self, key: &ObjectKey, of: &str) -> bool {
        let node = {
            let state = self.api.lock();
            let takes = |node: &Json| is_ready(node) && node["spec"]["unschedulable"] != true;
            let fitting = state.store.list("/nodes", "").filter(|(_, node)| takes(node));
            let least =
                fitting.min_by_key(|(key, _)| state.store.count_indexed(&IndexKey::Node(key.name.clone())));
            least.map(|(node, _)| node.name.clone())
        };
        self.modify_pod(key, of, |pod, now| {
            let (status, reason, message) = match &node {
                Some(_) => ("True", "", ""),
                None => ("False", "Unschedulable", "no Node accepts Pods"),
            };
            pod["status"]["conditions"] =
                json!([pod_condition(pod, now, "PodScheduled", status, reason, message)]);
            if let Some(node) = &node {
                pod["spec"]["nodeName"] = json!(node);
            }
        }) && node.is_some()
    }

    async fn run_containers(self: &Arc<Self>, key: &ObjectKey, of: &str, running: &mut RunningPod) -> bool {
        let Some((pod, _)) = self.get_pod(key, of) else { return true };
        let address = self.api.lock().allocate_address("10.244");
        let ip: Ipv4Addr = address.parse().unwrap_or(Ipv4Addr::LOCALHOST);
        for container in containers(&pod) {
            let (end, ended) = oneshot::channel();
            let started = self.workloads.start(self, &pod, container, ended).await;
            if let Ok(Some(listens)) = &started {
                let pod_address = PodAddress(ip, listens.port);
                self.network.register(pod_address, listens.real);
                self.append_log(key, Some(&format!("listening on http://{pod_address}/")));
                running.ports.push(pod_address);
                running.stop_senders.push(end);
            }
            if let Err(error) = &started {
                let message = message_chain(error);
                self.append_log(key, Some(&message));
                let waiting = json!({"waiting": {"reason": "RunContainerError", "message": message}});
                return self.modify_pod(key, of, |pod, _| set_containers(pod, &waiting));
            }
            running.containers.push(ProbedContainer::new(
                &pod,
                container,
                ip,
                matches!(started, Ok(Some(_))),
            ));
        }
        self.modify_pod(key, of, |pod, now| {
            pod["status"]["phase"] = json!("Running");
            set_address(pod, &address, now);
            set_containers(pod, &json!({"running": {"startedAt": now}}));
            set_readiness(pod, NodeState::Ready, now);
        })
    }

    /// Modifies a Pod unless another one has its name. Returns whether a Pod has that name.
    fn modify_pod(&self, key: &ObjectKey, of: &str, change: impl FnOnce(&mut Json, &str)) -> bool {
        let now = self.api.now_text();
        self.api.modify(key, |pod| {
            if uid(pod) == of {
                change(pod, &now);
            }
        })
    }

    fn append_log(&self, key: &ObjectKey, line: Option<&str>) {
        self.logs.append(&key.namespace, &key.name, line, self.api.now());
    }

    /// Reports a failed readiness probe as an event; repeated failures increase its count.
    fn report_unhealthy(&self, key: &ObjectKey, of: &str, message: &str) {
        let (now, name) = (self.api.now_text(), format!("{}.unhealthy", key.name));
        let count_event = |event: &mut Json| {
            event["count"] = json!(number(&event["count"]) + 1);
            event["lastTimestamp"] = json!(now);
            event["message"] = json!(message);
        };
        if !self.api.modify(&ObjectKey::new("/events", &key.namespace, &name), count_event) {
            let mut event = json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": key.namespace},
                "type": "Warning", "reason": UNHEALTHY_REASON, "firstTimestamp": now, "source": {"component": "kubelet"},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": key.namespace, "name": key.name,
                    "uid": of},
            });
            count_event(&mut event);
            // a terminating namespace rejects new objects
            let _ = self.api.create_object(event);
        }
    }
}

/// Sets the addresses and the start time.
fn set_address(pod: &mut Json, address: &str, now: &str) {
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
    pod["status"]["hostIP"] = json!("127.0.0.1");
    pod["status"]["startTime"] = json!(now);
}

/// Sets all containers to the same state, not ready.
fn set_containers(pod: &mut Json, state: &Json) {
    let status = |container: &Json| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "containerID": "",
            "ready": false, "started": state["running"].is_object(), "restartCount": 0,
            "state": state, "lastState": {},
        })
    };
    pod["status"]["containerStatuses"] = containers(pod).map(status).collect();
}

/// Sets the conditions: a Pod is ready if all containers are ready and its Node is known.
fn set_readiness(pod: &mut Json, node: NodeState, now: &str) {
    let statuses = items(&pod["status"]["containerStatuses"]);
    let unready: Vec<&str> =
        statuses.filter(|one| one["ready"] != true).map(|one| text(&one["name"])).collect();
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    let of_containers =
        if unready.is_empty() { ("True", "", "") } else { ("False", "ContainersNotReady", &*message) };
    // the API server gives no reason if the Node is the cause
    let of_pod =
        if unready.is_empty() && node == NodeState::Unknown { ("False", "", "") } else { of_containers };
    let conditions = [
        ("Initialized", ("True", "", "")),
        ("Ready", of_pod),
        ("ContainersReady", of_containers),
        ("PodScheduled", ("True", "", "")),
    ];
    let conditions = conditions
        .map(|(of, (status, reason, message))| pod_condition(pod, now, of, status, reason, message));
    pod["status"]["conditions"] = json!(conditions);
}

fn pod_condition(pod: &Json, now: &str, of: &str, status: &str, reason: &str, message: &str) -> Json {
    let mut condition = updated_condition(now, pod, of, status, reason, message);
    condition["lastProbeTime"] = Json::Null;
    condition
}
