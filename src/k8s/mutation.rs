//! What an action will do, as data: looked at before it is done, done in order, and watched for afterwards.
//! Floor 1.
//!
//! A function only says what it wants; nothing but [`Plan::apply`] changes a cluster.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value as Json, json};

use super::client::{ApiRequest, ClusterClient, ObjectSelector, PatchFormat, parse};
use super::error::Error;
use super::metadata::{Metadata, PartialObject};
use super::resource::{ENDPOINTS, PODS, Resource};
use crate::mutation::{EffectState, ProgressCallback, StopToken, Target};

/// How many requests are under way at once, where there are more than a few to send.
const AT_ONCE: usize = 32;
const FEW: usize = 8;
/// How often it is looked whether something took effect.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One change of a cluster.
#[derive(Clone, Debug)]
pub struct PlannedMutation {
    /// What is asked of the server.
    pub call: ApiRequest,
    /// What it is about.
    pub target: Target,
    /// By what it is seen that it took effect.
    pub expect: ExpectedState,
    /// What the server's refusal comes to.
    pub on_error: ErrorPolicy,
    /// The version of what stands there, where one was seen: what leaves it so has changed nothing.
    pub version: Option<String>,
}

/// By what it is seen that a change took effect.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedState {
    /// It is gone, or on its way out: and a Pod of which no Service knows any more.
    Gone,
    /// It is there.
    Exists,
    /// It is there, and Chaos Mesh says that the fault is injected wherever it is to be.
    Injected,
    /// It cannot: why not.
    Nothing(&'static str),
    /// A value, by its JSON pointer. A null is also met by an absence, and a zero, too.
    Holds(Vec<(&'static str, Json)>),
    /// The server took it, and there is nothing else to see.
    Accepted,
}

/// What the server's refusal comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// A failure with the server's words.
    Raise,
    /// A failure, unless it is gone already: an operation before this one may have taken it along.
    RaiseUnlessGone,
    /// A failure with these words, the server's after them.
    Fail(String),
    /// The same; the reason and the body after them.
    FailWithBody(String),
    /// The same, but something that is there already is no failure: the server's answer is the output.
    FailUnlessThere(String),
}

/// What an action gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutationResponse {
    /// Null.
    Null,
    /// The names of what was hit, in order.
    Names,
    /// The server's answer to the last operation.
    Response,
}

/// What came of doing it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedMutation {
    /// What the action gives.
    pub answer: Json,
    /// Whether anything is otherwise now.
    pub changed: bool,
}

impl AppliedMutation {
    /// What gives an answer, and of which nobody knows that it left everything as it was.
    pub fn answered(answer: Json) -> Self {
        Self { answer, changed: true }
    }
}

/// What an action will do.
#[derive(Clone, Debug)]
pub struct MutationPlan {
    /// In order.
    pub operations: Vec<PlannedMutation>,
    /// What it gives.
    pub answer: MutationResponse,
    /// What to say beside: a seed, a leniency.
    pub remarks: Vec<String>,
}

impl MutationPlan {
    /// A plan of one operation.
    pub fn one(operation: PlannedMutation, answer: MutationResponse) -> Self {
        Self::of(vec![operation], answer)
    }

    /// A plan of several operations.
    pub fn of(operations: Vec<PlannedMutation>, answer: MutationResponse) -> Self {
        Self { operations, answer, remarks: Vec::new() }
    }

    /// What will be hit.
    pub fn targets(&self) -> Vec<Target> {
        self.operations.iter().map(|operation| operation.target.clone()).collect()
    }

    /// Does it: a few at once where there are many. `told` hears what became of each target as it becomes known.
    /// The first refusal ends it, and so does `halt`: what was sent by then is awaited.
    pub async fn apply(
        &self,
        cluster: &ClusterClient,
        halt: &StopToken,
        told: &ProgressCallback<'_>,
    ) -> Result<AppliedMutation, Error> {
        // few are done one after the other, so that what follows a refusal is never done
        let at_once = if self.operations.len() > FEW { AT_ONCE } else { 1 };
        let mut waiting = self.operations.iter().enumerate();
        let mut under_way = FuturesUnordered::new();
        let mut last = AppliedMutation { answer: Json::Null, changed: self.operations.is_empty() };
        let mut refused = None;
        loop {
            while under_way.len() < at_once
                && refused.is_none()
                && !halt.is_asked()
                && let Some((index, operation)) = waiting.next()
            {
                under_way.push(async move { (index, operation.apply(cluster).await) });
            }
            let Some((index, answer)) = under_way.next().await else { break };
            match answer {
                Ok(AppliedMutation { answer, changed }) => {
                    told(index, true);
                    last = AppliedMutation { answer, changed: last.changed || changed };
                }
                Err(failure) => {
                    // what had no answer may have come about
                    if !failure.is_ambiguous() {
                        told(index, false);
                    }
                    refused.get_or_insert(failure);
                }
            }
        }
        if let Some(failure) = refused {
            return Err(failure);
        }
        if waiting.next().is_some() {
            return Err(Error::Interrupted);
        }
        let answer = match self.answer {
            MutationResponse::Null => Json::Null,
            MutationResponse::Names => {
                self.operations.iter().map(|operation| operation.target.name.clone()).collect()
            }
            MutationResponse::Response => last.answer,
        };
        Ok(AppliedMutation { answer, ..last })
    }

    /// Watches until every operation is seen to have taken effect. It ends only then: the engine knows how
    /// long to wait.
    pub async fn confirm(self, cluster: Arc<ClusterClient>) -> (EffectState, String) {
        if self.operations.is_empty() {
            return (EffectState::Mismatch, "nothing matched: there was no target".to_owned());
        }
        let count = self.operations.len();
        for operation in &self.operations {
            if let ExpectedState::Nothing(why) = operation.expect {
                return (EffectState::Mismatch, why.to_owned());
            }
        }
        loop {
            match self.unseen(&cluster).await {
                Ok(None) => {
                    let what = if count == 1 { "1 target".to_owned() } else { format!("{count} targets") };
                    let said: Vec<&str> =
                        [what.as_str()].into_iter().chain(self.remarks.iter().map(String::as_str)).collect();
                    return (EffectState::Confirmed, format!("seen on {}", said.join("; ")));
                }
                // who may act, but not look, cannot know
                Err(failure) if failure.status() == Some(403) => {
                    return (EffectState::Unknown, format!("cannot check the effect: {}", failure.summary()));
                }
                // not yet; and a server that is away for a moment may come back
                Ok(Some(_)) | Err(_) => {}
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The first operation of which nothing is to be seen yet.
    async fn unseen(&self, cluster: &ClusterClient) -> Result<Option<&PlannedMutation>, Error> {
        let (gone, other): (Vec<_>, Vec<_>) =
            self.operations.iter().partition(|operation| operation.expect == ExpectedState::Gone);
        if let Some(operation) = still_there(cluster, &gone).await? {
            return Ok(Some(operation));
        }
        for operation in other {
            if !operation.is_seen(cluster).await? {
                return Ok(Some(operation));
            }
        }
        Ok(None)
    }
}

impl PlannedMutation {
    /// Deletes one thing, and no other that has come to bear its name.
    pub fn delete(resource: &Resource, thing: &Metadata, grace_period: Option<i64>) -> Self {
        let mut options = json!({});
        if !thing.uid.is_empty() {
            options["preconditions"] = json!({"uid": thing.uid});
        }
        if let Some(seconds) = grace_period {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        let call = ApiRequest::delete(resource, thing.namespace.as_deref(), &thing.name, options);
        Self {
            call: ApiRequest { metadata_only: true, ..call },
            target: thing.target(&resource.kind),
            expect: ExpectedState::Gone,
            on_error: ErrorPolicy::Raise,
            version: None,
        }
    }

    /// Changes one thing.
    pub fn patch(
        resource: &Resource,
        thing: &Metadata,
        format: PatchFormat,
        body: Json,
        expect: ExpectedState,
        on_error: ErrorPolicy,
    ) -> Self {
        Self {
            call: ApiRequest::patch(resource, thing.namespace.as_deref(), &thing.name, format, body),
            target: thing.target(&resource.kind),
            expect,
            on_error,
            version: thing.resource_version.clone(),
        }
    }

    /// Makes one thing.
    pub fn create(resource: &Resource, namespace: Option<&str>, body: Json, on_error: ErrorPolicy) -> Self {
        let name = body.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let target = Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() };
        // a name that the server makes up is not known beforehand
        let expect = if target.name.is_empty() { ExpectedState::Accepted } else { ExpectedState::Exists };
        Self {
            target: target.target(&resource.kind),
            call: ApiRequest::create(resource, namespace, body),
            expect,
            on_error,
            version: None,
        }
    }

    async fn apply(&self, cluster: &ClusterClient) -> Result<AppliedMutation, Error> {
        let failure = match cluster.send(&self.call).await {
            // an answer that nobody reads need not be understood
            Ok(_) if self.call.metadata_only => return Ok(AppliedMutation::answered(Json::Null)),
            Ok(answer) => {
                let answer: Json = parse(&answer)?;
                let version = answer.pointer("/metadata/resourceVersion").and_then(Json::as_str);
                let changed = version.is_none() || version != self.version.as_deref();
                return Ok(AppliedMutation { answer, changed });
            }
            Err(failure) => failure,
        };
        let unchanged = |answer: Json| Ok(AppliedMutation { answer, changed: false });
        let Error::Api(answer) = failure else { return Err(failure) };
        let (context, with_body) = match &self.on_error {
            // a new object with that name is a conflict, since deletions are by UID
            ErrorPolicy::RaiseUnlessGone if matches!(answer.code, 404 | 409) => {
                return unchanged(Json::Null);
            }
            ErrorPolicy::Raise | ErrorPolicy::RaiseUnlessGone => return Err(Error::Api(answer)),
            ErrorPolicy::Fail(context) => (context, false),
            ErrorPolicy::FailWithBody(context) => (context, true),
            ErrorPolicy::FailUnlessThere(context) => {
                if answer.code == 409 && answer.reason() == "AlreadyExists" {
                    return unchanged(serde_json::from_str(&answer.body).unwrap_or_default());
                }
                (context, true)
            }
        };
        Err(Error::Rejected { context: context.clone(), with_body, answer })
    }

    async fn is_seen(&self, cluster: &ClusterClient) -> Result<bool, Error> {
        let wanted = match &self.expect {
            ExpectedState::Accepted => return Ok(true),
            ExpectedState::Gone
            | ExpectedState::Exists
            | ExpectedState::Injected
            | ExpectedState::Nothing(_) => &Vec::new(),
            ExpectedState::Holds(wanted) => wanted,
        };
        let call = ApiRequest::get(&self.call.resource, self.target.namespace.as_deref(), &self.target.name);
        let found = match cluster.json(&call).await {
            Ok(found) => found,
            Err(failure) if failure.status() == Some(404) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        if self.expect == ExpectedState::Injected {
            return Ok(is_injected(&found));
        }
        let nothing = |value: &Json| value.is_null() || *value == 0 || *value == false;
        let met = |(pointer, value): &(&str, Json)| match found.pointer(pointer) {
            None => nothing(value),
            Some(found) => found == value || nothing(found) && nothing(value),
        };
        Ok(wanted.iter().all(met))
    }
}

/// Whether Chaos Mesh has injected a fault into everything that it selects, and into something at all.
fn is_injected(fault: &Json) -> bool {
    let conditions = fault.pointer("/status/conditions").and_then(Json::as_array);
    let holds = |kind: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    holds("Selected") && holds("AllInjected")
}

/// The first thing that is neither gone nor on its way out. A Pod on its way out that a Service still knows
/// counts as being there.
async fn still_there<'a>(
    cluster: &ClusterClient,
    operations: &[&'a PlannedMutation],
) -> Result<Option<&'a PlannedMutation>, Error> {
    let mut places: Vec<(Resource, Option<String>)> = Vec::new();
    for operation in operations {
        let place = (operation.call.resource.clone(), operation.target.namespace.clone());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    for (resource, namespace) in places {
        let here = || {
            operations.iter().copied().filter(|operation| {
                operation.call.resource == resource && operation.target.namespace == namespace
            })
        };
        let selection = match here().collect::<Vec<_>>().as_slice() {
            [one] => ObjectSelector::name(&one.target.name),
            _ => ObjectSelector::default(),
        };
        let things: Vec<PartialObject> =
            cluster.list(&resource, namespace.as_deref(), &selection, true).await?;
        let mut leaving = HashSet::new();
        for operation in here() {
            match things.iter().find(|thing| thing.metadata.uid == operation.target.uid) {
                None => {}
                Some(thing) if thing.metadata.deletion_timestamp.is_some() => {
                    leaving.insert(operation.target.uid.as_str());
                }
                Some(_) => return Ok(Some(operation)),
            }
        }
        if resource == PODS && !leaving.is_empty() {
            let known = served(cluster, namespace.as_deref()).await?;
            if let Some(operation) = here().find(|operation| {
                leaving.contains(operation.target.uid.as_str()) && known.contains(&operation.target.uid)
            }) {
                return Ok(Some(operation));
            }
        }
    }
    Ok(None)
}

/// The UIDs of Pods to which a Service of the namespace still sends.
async fn served(cluster: &ClusterClient, namespace: Option<&str>) -> Result<HashSet<String>, Error> {
    let lists: Vec<Json> = match cluster.list(&ENDPOINTS, namespace, &ObjectSelector::default(), false).await
    {
        Ok(lists) => lists,
        // who may not see them has to do with what the Pod itself says
        Err(failure) if failure.status() == Some(403) => return Ok(HashSet::new()),
        Err(failure) => return Err(failure),
    };
    let uids = lists
        .iter()
        .flat_map(|list| list["subsets"].as_array().into_iter().flatten())
        .flat_map(|subset| subset["addresses"].as_array().into_iter().flatten())
        .filter_map(|address| address.pointer("/targetRef/uid")?.as_str())
        .map(str::to_owned);
    Ok(uids.collect())
}
