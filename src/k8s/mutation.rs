//! Changes of a cluster as data: planned, applied in order, and confirmed.
//!
//! Only [`MutationPlan::apply`] changes a cluster.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value as Json, json};

use super::answer::{AnswerFormat, describe_answer};
use super::client::ClusterClient;
use super::error::Error;
use super::metadata::{Metadata, PartialObject};
use super::request::{ApiRequest, ObjectSelector, PatchFormat};
use super::resource::{PODS, Resource};
use super::service::serving_pods;
use crate::mutation::{ActivityProgress, EffectState, ProgressCallback, StopToken, Target};

/// Concurrent requests of a plan with more than a few operations.
const AT_ONCE: usize = 32;
const FEW: usize = 8;
/// How often the effect is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Planned change of one object.
#[derive(Clone, Debug)]
pub struct PlannedMutation {
    pub call: ApiRequest,
    pub target: Target,
    pub expect: ExpectedState,
    pub on_error: ErrorPolicy,
    /// The resource version before the change, if known: an answer with the same one changed nothing.
    pub version: Option<String>,
    /// Whether the object was terminating before: deleting it again changes nothing.
    pub was_terminating: bool,
}

/// State that shows that a change took effect.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedState {
    /// The object is deleted or terminating; a Pod is also removed from its Services.
    Gone,
    /// The object exists.
    Exists,
    /// Chaos Mesh reports that the fault is injected into every target.
    Injected,
    /// The change cannot take effect, for this reason.
    Nothing(String),
    /// Values, by JSON pointer. Null, zero and false also match an absent value.
    Holds(Vec<(&'static str, Json)>),
    /// The server accepted it; nothing else can be observed.
    Accepted,
}

/// What an error of the API server becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// The error itself.
    Raise,
    /// The error, unless the object is gone: an earlier operation may have deleted it.
    RaiseUnlessGone,
    /// An error with this message, followed by the answer.
    Fail(String),
    /// An error with this message, followed by reason and body.
    FailWithBody(String),
    /// As `FailWithBody`, but an existing object is not an error.
    FailUnlessThere(String),
}

/// Output of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutationResponse {
    Null,
    /// The names of the targets, in order.
    Names,
    /// The answer to the last operation.
    Response,
}

/// Result of an applied plan.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedMutation {
    pub answer: Json,
    /// Whether anything was changed.
    pub changed: bool,
}

impl AppliedMutation {
    /// Creates a result whose effect is unknown: assumes a change.
    pub fn answered(answer: Json) -> Self {
        Self { answer, changed: true }
    }
}

/// Planned changes of an action.
#[derive(Clone, Debug)]
pub struct MutationPlan {
    pub operations: Vec<PlannedMutation>,
    pub answer: MutationResponse,
    /// Notes for the journal, such as the seed.
    pub remarks: Vec<String>,
    /// Facts that the user needs before the changes, such as fewer targets than requested.
    pub warnings: Vec<String>,
    /// What selected the targets, for a plan without any: `label selector 'app=web' in namespace 'shop'`.
    pub selected_by: String,
}

impl MutationPlan {
    /// Creates a plan of one operation.
    pub fn single(operation: PlannedMutation, answer: MutationResponse) -> Self {
        Self::new(vec![operation], answer)
    }

    /// Creates a plan of several operations.
    pub fn new(operations: Vec<PlannedMutation>, answer: MutationResponse) -> Self {
        Self { operations, answer, remarks: Vec::new(), warnings: Vec::new(), selected_by: String::new() }
    }

    /// Sets what selected the targets.
    #[must_use]
    pub fn selected_by(self, selector: impl Into<String>) -> Self {
        Self { selected_by: selector.into(), ..self }
    }

    /// Returns why the plan has no effect, if that is known before it is applied.
    pub fn predicted_mismatch(&self) -> Option<String> {
        if self.operations.is_empty() {
            let by =
                if self.selected_by.is_empty() { String::new() } else { format!(" {}", self.selected_by) };
            return Some(format!("no target matched{by}"));
        }
        self.operations.iter().find_map(|operation| match &operation.expect {
            ExpectedState::Nothing(reason) => Some(reason.clone()),
            _ => None,
        })
    }

    /// Returns the targets.
    pub fn targets(&self) -> Vec<Target> {
        self.operations.iter().map(|operation| operation.target.clone()).collect()
    }

    /// Applies the plan; concurrently if it has many operations.
    ///
    /// `on_progress` receives the result of each target. The first error and `halt` stop it; requests in flight complete.
    pub async fn apply(
        &self,
        cluster: &ClusterClient,
        halt: &StopToken,
        on_progress: &ProgressCallback<'_>,
    ) -> Result<AppliedMutation, Error> {
        for warning in &self.warnings {
            on_progress(ActivityProgress::Note(warning.clone()));
        }
        // a few operations are applied in sequence, so that none follows an error
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
                    on_progress(ActivityProgress::TargetDone { target: index, done: true });
                    last = AppliedMutation { answer, changed: last.changed || changed };
                }
                Err(failure) => {
                    // an operation without an answer may have taken effect
                    if !failure.is_ambiguous() {
                        on_progress(ActivityProgress::TargetDone { target: index, done: false });
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

    /// Waits until every operation has taken effect. The engine sets the deadline.
    pub async fn confirm(self, cluster: Arc<ClusterClient>) -> (EffectState, String) {
        if let Some(reason) = self.predicted_mismatch() {
            return (EffectState::Mismatch, reason);
        }
        let count = self.operations.len();
        loop {
            match self.find_unobserved(&cluster).await {
                Ok(None) => {
                    let targets = if count == 1 { "1 target".to_owned() } else { format!("{count} targets") };
                    let parts: Vec<&str> = [targets.as_str()]
                        .into_iter()
                        .chain(self.remarks.iter().map(String::as_str))
                        .collect();
                    return (EffectState::Confirmed, format!("seen on {}", parts.join("; ")));
                }
                // without the read permission the effect stays unknown
                Err(failure) if failure.status() == Some(403) => {
                    return (EffectState::Unknown, format!("cannot check the effect: {}", failure.summary()));
                }
                // not yet; an unavailable server may come back
                Ok(Some(_)) | Err(_) => {}
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns the first operation without an observed effect.
    async fn find_unobserved(&self, cluster: &ClusterClient) -> Result<Option<&PlannedMutation>, Error> {
        let (gone, other): (Vec<_>, Vec<_>) =
            self.operations.iter().partition(|operation| operation.expect == ExpectedState::Gone);
        if let Some(operation) = still_exists(cluster, &gone).await? {
            return Ok(Some(operation));
        }
        for operation in other {
            if !operation.is_observed(cluster).await? {
                return Ok(Some(operation));
            }
        }
        Ok(None)
    }
}

impl PlannedMutation {
    /// Plans the deletion of an object; its UID is a precondition.
    pub fn delete(resource: &Resource, object: &Metadata, grace_period: Option<i64>) -> Self {
        let mut options = json!({});
        if !object.uid.is_empty() {
            options["preconditions"] = json!({"uid": object.uid});
        }
        if let Some(seconds) = grace_period {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        let call = ApiRequest::delete(resource, object.namespace.as_deref(), &object.name, options);
        Self {
            call: ApiRequest { metadata_only: true, ..call },
            target: object.target(&resource.kind),
            expect: ExpectedState::Gone,
            on_error: ErrorPolicy::Raise,
            version: None,
            was_terminating: object.deletion_timestamp.is_some(),
        }
    }

    /// Plans a patch of an object.
    pub fn patch(
        resource: &Resource,
        object: &Metadata,
        format: PatchFormat,
        body: Json,
        expect: ExpectedState,
        on_error: ErrorPolicy,
    ) -> Self {
        Self {
            call: ApiRequest::patch(resource, object.namespace.as_deref(), &object.name, format, body),
            target: object.target(&resource.kind),
            expect,
            on_error,
            version: object.resource_version.clone(),
            was_terminating: false,
        }
    }

    /// Plans the creation of an object.
    pub fn create(resource: &Resource, namespace: Option<&str>, body: Json, on_error: ErrorPolicy) -> Self {
        let name = body.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let target = Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() };
        // a generated name is not known before the request
        let expect = if target.name.is_empty() { ExpectedState::Accepted } else { ExpectedState::Exists };
        Self {
            target: target.target(&resource.kind),
            call: ApiRequest::create(resource, namespace, body),
            expect,
            on_error,
            version: None,
            was_terminating: false,
        }
    }

    async fn apply(&self, cluster: &ClusterClient) -> Result<AppliedMutation, Error> {
        let failure = match cluster.send(&self.call).await {
            // an unused answer is not parsed
            Ok(answer) if self.call.metadata_only && describe_answer(&answer) != AnswerFormat::Html => {
                return Ok(AppliedMutation { answer: Json::Null, changed: !self.was_terminating });
            }
            Ok(answer) => {
                let answer: Json = cluster.parse(&answer)?;
                let version = answer.pointer("/metadata/resourceVersion").and_then(Json::as_str);
                let changed =
                    !self.was_terminating && (version.is_none() || version != self.version.as_deref());
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

    async fn is_observed(&self, cluster: &ClusterClient) -> Result<bool, Error> {
        let expected = match &self.expect {
            ExpectedState::Accepted => return Ok(true),
            ExpectedState::Gone
            | ExpectedState::Exists
            | ExpectedState::Injected
            | ExpectedState::Nothing(_) => &Vec::new(),
            ExpectedState::Holds(expected) => expected,
        };
        let call = ApiRequest::get(&self.call.resource, self.target.namespace.as_deref(), &self.target.name);
        let object = match cluster.json(&call).await {
            Ok(object) => object,
            Err(failure) if failure.status() == Some(404) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        if self.expect == ExpectedState::Injected {
            return Ok(is_injected(&object));
        }
        let nothing = |value: &Json| value.is_null() || *value == 0 || *value == false;
        let met = |(pointer, value): &(&str, Json)| match object.pointer(pointer) {
            None => nothing(value),
            Some(actual) => actual == value || nothing(actual) && nothing(value),
        };
        Ok(expected.iter().all(met))
    }
}

/// Whether Chaos Mesh has selected targets, and injected the fault into all of them.
fn is_injected(fault: &Json) -> bool {
    let conditions = fault.pointer("/status/conditions").and_then(Json::as_array);
    let is_true = |kind: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    is_true("Selected") && is_true("AllInjected")
}

/// Returns the first object that is neither deleted nor terminating.
///
/// A terminating Pod counts as existing while it is an endpoint of a Service.
async fn still_exists<'a>(
    cluster: &ClusterClient,
    operations: &[&'a PlannedMutation],
) -> Result<Option<&'a PlannedMutation>, Error> {
    let mut locations: Vec<(Resource, Option<String>)> = Vec::new();
    for operation in operations {
        let location = (operation.call.resource.clone(), operation.target.namespace.clone());
        if !locations.contains(&location) {
            locations.push(location);
        }
    }
    for (resource, namespace) in locations {
        let in_location = || {
            operations.iter().copied().filter(|operation| {
                operation.call.resource == resource && operation.target.namespace == namespace
            })
        };
        let selection = match in_location().collect::<Vec<_>>().as_slice() {
            [one] => ObjectSelector::name(&one.target.name),
            _ => ObjectSelector::default(),
        };
        let objects: Vec<PartialObject> =
            cluster.list(&resource, namespace.as_deref(), &selection, true).await?;
        let mut leaving = HashSet::new();
        for operation in in_location() {
            match objects.iter().find(|object| object.metadata.uid == operation.target.uid) {
                None => {}
                Some(object) if object.metadata.deletion_timestamp.is_some() => {
                    leaving.insert(operation.target.uid.as_str());
                }
                Some(_) => return Ok(Some(operation)),
            }
        }
        if resource == PODS && !leaving.is_empty() {
            let served = serving_pods(cluster, namespace.as_deref()).await?;
            if let Some(operation) = in_location().find(|operation| {
                leaving.contains(operation.target.uid.as_str()) && served.contains(&operation.target.uid)
            }) {
                return Ok(Some(operation));
            }
        }
    }
    Ok(None)
}
