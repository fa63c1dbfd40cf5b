//! The life of a Pod: placed, started, ready or not, ended. Floor 1.
//!
//! Stages are a table: the first whose condition holds comes next, after its delay. A Pod whose stages are through
//! waits until somebody changes it, or its Node.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::probe::Container;
use super::renewed;
use crate::embedded::Cluster;
use crate::embedded::api::remove;
use crate::embedded::fields::{
    condition, containers, is_held, is_leaving, is_over, is_ready, items, items_mut, number, text, uid,
};
use crate::embedded::network::Shown;
use crate::embedded::store::{Key, Mark};

/// How long a look may wait for others to end theirs.
const QUEUE: Duration = Duration::from_secs(1);
/// Images whose names begin so cannot be pulled.
pub const NO_IMAGE: &str = "embedded/no-such-image";
/// Containers of images whose names begin so end again and again.
pub const CRASHES: &str = "embedded/crashes";

/// The reason of events that tell of probes that failed.
pub(in crate::embedded) const UNHEALTHY: &str = "Unhealthy";

/// What a stage goes by.
struct Seen<'a> {
    pod: &'a Json,
    node: Node,
    containers: &'a [Container],
}

/// What is known of a Pod's Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    /// It is ready; one that is not there does not say otherwise.
    Ready,
    /// It says that it is not: what runs goes on, and nothing begins.
    NotReady,
    /// Nothing was heard of it lately (its condition is `Unknown`): what runs there is not counted on, and
    /// nothing ends there either.
    Silent,
}

impl Node {
    fn of(node: Option<&Json>) -> Self {
        match node.map(|node| condition(node, "Ready").map_or("", |one| text(&one["status"]))) {
            None | Some("True") => Self::Ready,
            Some("Unknown") => Self::Silent,
            Some(_) => Self::NotReady,
        }
    }
}

/// A stage: when it comes, after which time, and what it does.
struct Stage {
    when: fn(&Seen<'_>) -> bool,
    after: After,
    then: Step,
}

enum After {
    /// So many milliseconds.
    Delay(u64),
    /// When a container is to be looked at.
    Look,
    /// It ends by a change alone.
    Never,
}

#[derive(Clone, Copy)]
enum Step {
    Rest,
    End,
    Place,
    Wait(&'static str, &'static str),
    Start,
    Tell,
    Look,
}

const STAGES: &[Stage] = &[
    Stage {
        when: |seen| is_leaving(seen.pod) && seen.node == Node::Silent,
        after: After::Never,
        then: Step::Rest,
    },
    Stage { when: |seen| is_leaving(seen.pod), after: After::Delay(20), then: Step::End },
    Stage { when: |seen| is_over(seen.pod), after: After::Never, then: Step::Rest },
    Stage { when: |seen| seen.pod["spec"]["nodeName"].is_null(), after: After::Delay(0), then: Step::Place },
    Stage { when: |seen| seen.waits(), after: After::Never, then: Step::Rest },
    Stage {
        when: |seen| seen.is_pending() && seen.node != Node::Ready,
        after: After::Never,
        then: Step::Rest,
    },
    Stage {
        when: |seen| seen.has_image(NO_IMAGE),
        after: After::Delay(20),
        then: Step::Wait("ImagePullBackOff", "the image cannot be pulled"),
    },
    Stage {
        when: |seen| seen.has_image(CRASHES),
        after: After::Delay(20),
        then: Step::Wait("CrashLoopBackOff", "the container ended again"),
    },
    Stage { when: |seen| seen.is_pending(), after: After::Delay(20), then: Step::Start },
    Stage { when: |seen| seen.is_news(), after: After::Delay(10), then: Step::Tell },
    Stage { when: |seen| seen.next_look().is_some(), after: After::Look, then: Step::Look },
];

impl Seen<'_> {
    fn is_pending(&self) -> bool {
        self.pod["status"]["phase"] == "Pending"
    }

    fn has_image(&self, prefix: &str) -> bool {
        containers(self.pod).any(|one| text(&one["image"]).starts_with(prefix))
    }

    fn waits(&self) -> bool {
        items(&self.pod["status"]["containerStatuses"])
            .any(|one| one["state"]["waiting"]["reason"].is_string())
    }

    fn next_look(&self) -> Option<Instant> {
        self.containers.iter().filter_map(|one| one.next).min()
    }

    /// Whether the status says something else than what is. What was not started here is somebody else's to tell.
    fn is_news(&self) -> bool {
        let mut told = items(&self.pod["status"]["containerStatuses"]).map(|one| one["ready"] == true);
        let all = self.containers.iter().all(|one| one.is_ready);
        let differs = is_ready(self.pod) != (all && self.node != Node::Silent)
            || self.containers.iter().any(|one| told.next() != Some(one.is_ready));
        !self.containers.is_empty() && differs
    }
}

/// What runs for a Pod.
#[derive(Default)]
struct Running {
    ends: Vec<oneshot::Sender<()>>,
    ports: Vec<Shown>,
    containers: Vec<Container>,
    /// The stage that is waited for, and since when.
    entered: Option<(usize, Instant)>,
}

impl Cluster {
    /// Tells a Pod's task that something changed; the first time, starts it.
    pub(super) fn look_after(self: &Arc<Self>, key: Key, uid: String) {
        let mut lives = self.lives.lock();
        if let Some(changed) = lives.get(&uid) {
            return changed.notify_one();
        }
        if self.see(&key, &uid).is_none() {
            return;
        }
        let changed = Arc::new(Notify::new());
        lives.insert(uid.clone(), Arc::clone(&changed));
        let cluster = Arc::clone(self);
        self.spawn(async move {
            Arc::clone(&cluster).live(&key, &uid, &changed).await;
            cluster.lives.lock().remove(&uid);
        });
    }

    /// Tells the Pods of a Node that it changed, and those that wait for one.
    pub(super) fn tell_pods(&self, node: &str) {
        let uids: Vec<String> = {
            let state = self.api.lock();
            let marks = [node, ""].map(|name| Mark::Node(name.to_owned()));
            let pods = marks.iter().flat_map(|mark| state.store.marked(mark));
            pods.map(|(_, pod)| uid(pod).to_owned()).collect()
        };
        let lives = self.lives.lock();
        uids.iter().filter_map(|uid| lives.get(uid)).for_each(|changed| changed.notify_one());
    }

    /// A Pod and its Node.
    fn see(&self, key: &Key, of: &str) -> Option<(Arc<Json>, Node)> {
        let state = self.api.lock();
        let pod = state.store.get(key).filter(|pod| uid(pod) == of)?;
        let node = state.store.get(&Key::new("/nodes", "", text(&pod["spec"]["nodeName"])));
        Some((Arc::clone(pod), Node::of(node.map(|node| &**node))))
    }

    async fn live(self: Arc<Self>, key: &Key, of: &str, changed: &Notify) {
        let mut running = Running::default();
        // until it was deleted at once, or replaced
        while let Some(next) = self.next(key, of, &mut running) {
            match next {
                None => changed.notified().await,
                // a change may bring another stage
                Some((_, due)) if due > Instant::now() => drop(timeout_at(due, changed.notified()).await),
                Some((step, _)) => {
                    running.entered = None;
                    let looks = matches!(step, Step::Look);
                    let done = self.step(step, key, of, &mut running);
                    let done = tokio::select! {
                        done = done => done,
                        // an answer that may not come is not waited for by whoever is to go
                        () = self.leaves(key, of, changed), if looks => true,
                    };
                    if !done {
                        changed.notified().await;
                    }
                }
            }
        }
        running.ports.iter().for_each(|shown| self.network.close(*shown));
        self.log(key, None);
    }

    /// What comes next for a Pod, and when; nothing for one that is no more.
    fn next(&self, key: &Key, of: &str, running: &mut Running) -> Option<Option<(Step, Instant)>> {
        let (pod, node) = self.see(key, of)?;
        let seen = Seen { pod: &pod, node, containers: &running.containers };
        let stage = STAGES.iter().position(|stage| (stage.when)(&seen));
        let since = running.entered.filter(|(known, _)| Some(*known) == stage).map(|(_, since)| since);
        let since = since.unwrap_or_else(Instant::now);
        running.entered = stage.map(|stage| (stage, since));
        let Some(stage) = stage.map(|stage| &STAGES[stage]) else { return Some(None) };
        let due = match stage.after {
            After::Delay(delay) => Some(since + Duration::from_millis(delay)),
            After::Look => seen.next_look(),
            After::Never => None,
        };
        Some(due.map(|due| (stage.then, due)))
    }

    /// Does what a stage says. Whether it could.
    async fn step(self: &Arc<Self>, step: Step, key: &Key, of: &str, running: &mut Running) -> bool {
        match step {
            Step::Rest => false,
            Step::End => {
                for end in running.ends.drain(..) {
                    // one that ended by itself hears nothing
                    let _ = end.send(());
                }
                running.ports.drain(..).for_each(|shown| self.network.close(shown));
                let mut state = self.api.lock();
                let is_free = state.store.get(key).is_some_and(|pod| uid(pod) == of && !is_held(pod));
                is_free && remove(&mut state, key).is_some()
            }
            Step::Place => self.place(key, of),
            Step::Wait(reason, message) => {
                let waiting = json!({"waiting": {"reason": reason, "message": message}});
                let address = self.api.lock().address("10.244");
                self.amend_status(key, of, |pod, now| {
                    has_address(pod, &address, now);
                    has_containers(pod, &waiting);
                })
            }
            Step::Start => self.run_containers(key, of, running).await,
            Step::Tell => {
                let node = self.see(key, of).map_or(Node::Ready, |(_, node)| node);
                self.amend_status(key, of, |pod, now| {
                    let statuses = pod["status"].get_mut("containerStatuses");
                    for (status, container) in items_mut(statuses).zip(&running.containers) {
                        status["ready"] = json!(container.is_ready);
                    }
                    tell_readiness(pod, node, now);
                })
            }
            Step::Look => {
                self.look(key, of, running).await;
                true
            }
        }
    }

    /// Looks at the containers whose time it is.
    async fn look(&self, key: &Key, of: &str, running: &mut Running) {
        let now = Instant::now();
        let is_due = |one: &&mut Container| one.next.is_some_and(|next| next <= now);
        for one in running.containers.iter_mut().filter(is_due) {
            // who waited long goes on without
            let _permit = timeout(QUEUE, self.looks.acquire()).await;
            if let Err(why) = one.look(&self.network).await {
                self.report(key, of, &format!("Readiness probe failed: {why}"));
            }
        }
    }

    /// Waits until a Pod is to go.
    async fn leaves(&self, key: &Key, of: &str, changed: &Notify) {
        while self.see(key, of).is_some_and(|(pod, _)| !is_leaving(&pod)) {
            changed.notified().await;
        }
    }

    /// Finds a node that takes Pods and has the fewest.
    fn place(&self, key: &Key, of: &str) -> bool {
        let node = {
            let state = self.api.lock();
            let takes = |node: &Json| is_ready(node) && node["spec"]["unschedulable"] != true;
            let fitting = state.store.list("/nodes", "").filter(|(_, node)| takes(node));
            let least = fitting.min_by_key(|(key, _)| state.store.count(&Mark::Node(key.name.clone())));
            least.map(|(node, _)| node.name.clone())
        };
        self.amend_status(key, of, |pod, now| {
            let (status, reason, message) = match &node {
                Some(_) => ("True", "", ""),
                None => ("False", "Unschedulable", "no node takes Pods"),
            };
            pod["status"]["conditions"] =
                json!([pod_condition(pod, now, "PodScheduled", status, reason, message)]);
            if let Some(node) = &node {
                pod["spec"]["nodeName"] = json!(node);
            }
        }) && node.is_some()
    }

    async fn run_containers(self: &Arc<Self>, key: &Key, of: &str, running: &mut Running) -> bool {
        let Some((pod, _)) = self.see(key, of) else { return true };
        let address = self.api.lock().address("10.244");
        let ip: Ipv4Addr = address.parse().unwrap_or(Ipv4Addr::LOCALHOST);
        for container in containers(&pod) {
            let (end, ended) = oneshot::channel();
            let started = self.workloads.start(self, &key.namespace, container, ended).await;
            if let Ok(Some(listens)) = &started {
                let shown = Shown(ip, listens.port);
                self.network.open(shown, listens.real);
                self.log(key, Some(&format!("listening on http://{shown}/")));
                running.ports.push(shown);
                running.ends.push(end);
            }
            if let Err(error) = &started {
                self.log(key, Some(error));
                let waiting = json!({"waiting": {"reason": "RunContainerError", "message": error}});
                return self.amend_status(key, of, |pod, _| has_containers(pod, &waiting));
            }
            running.containers.push(Container::started(&pod, container, ip, matches!(started, Ok(Some(_)))));
        }
        self.amend_status(key, of, |pod, now| {
            pod["status"]["phase"] = json!("Running");
            has_address(pod, &address, now);
            has_containers(pod, &json!({"running": {"startedAt": now}}));
            tell_readiness(pod, Node::Ready, now);
        })
    }

    /// Changes a Pod that was seen, unless another one has its name by now. Whether there is one.
    fn amend_status(&self, key: &Key, of: &str, change: impl FnOnce(&mut Json, &str)) -> bool {
        let now = self.api.now();
        self.api.amend(key, |pod| {
            if uid(pod) == of {
                change(pod, &now);
            }
        })
    }

    fn log(&self, key: &Key, line: Option<&str>) {
        self.logs.say(&key.namespace, &key.name, line, self.api.time());
    }

    /// Tells what went wrong with a Pod, in one event however often it does.
    fn report(&self, key: &Key, of: &str, message: &str) {
        let (now, name) = (self.api.now(), format!("{}.unhealthy", key.name));
        let seen = |event: &mut Json| {
            event["count"] = json!(number(&event["count"]) + 1);
            event["lastTimestamp"] = json!(now);
            event["message"] = json!(message);
        };
        if !self.api.amend(&Key::new("/events", &key.namespace, &name), seen) {
            let mut event = json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": key.namespace},
                "type": "Warning", "reason": UNHEALTHY, "firstTimestamp": now, "source": {"component": "kubelet"},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": key.namespace, "name": key.name,
                    "uid": of},
            });
            seen(&mut event);
            // a namespace that is about to go takes nothing more
            let _ = self.api.create_object(event);
        }
    }
}

/// What a Pod has as soon as its node has begun with it.
fn has_address(pod: &mut Json, address: &str, now: &str) {
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
    pod["status"]["hostIP"] = json!("127.0.0.1");
    pod["status"]["startTime"] = json!(now);
}

/// Its containers, all in the same state and none of them ready.
fn has_containers(pod: &mut Json, state: &Json) {
    let status = |container: &Json| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "containerID": "",
            "ready": false, "started": state["running"].is_object(), "restartCount": 0,
            "state": state, "lastState": {},
        })
    };
    pod["status"]["containerStatuses"] = containers(pod).map(status).collect();
}

/// Whether it is ready: all of its containers are, and something was heard of its Node.
fn tell_readiness(pod: &mut Json, node: Node, now: &str) {
    let statuses = items(&pod["status"]["containerStatuses"]);
    let unready: Vec<&str> =
        statuses.filter(|one| one["ready"] != true).map(|one| text(&one["name"])).collect();
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    let of_containers =
        if unready.is_empty() { ("True", "", "") } else { ("False", "ContainersNotReady", &*message) };
    // nobody says why when it is the Node
    let of_pod = if unready.is_empty() && node == Node::Silent { ("False", "", "") } else { of_containers };
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
    let mut condition = renewed(now, pod, of, status, reason, message);
    condition["lastProbeTime"] = Json::Null;
    condition
}
