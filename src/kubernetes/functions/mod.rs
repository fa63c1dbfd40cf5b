//! What the functions do. Floor 1.
//!
//! Each prepares its work: probes look when they are applied; actions say beforehand what they will hit, as a
//! [`Plan`] wherever that can be.

mod custom;
mod drain;
mod exec;
mod logs;
mod mesh;
mod nodes;
mod pods;
mod resources;
mod waiting;
mod workloads;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::arguments::{Arguments, to_json};
use super::catalogue::{Does, Function};
use super::cluster::{Call, Cluster, Selection};
use super::failure::Failure;
use super::plan::{Answer, Expect, OnError, Operation, Plan};
use super::resource::{DEPLOYMENTS, PODS, REPLICA_SETS, Resource};
use super::select::{Metadata, Thing};
use crate::experiment::yaml;
use crate::lot::Lot;

pub use drain::Drain;
pub use exec::Commands;

/// What a function is called with.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The function.
    pub function: Function,
    /// Its arguments.
    pub arguments: Arguments,
    /// Whether everything may be hit where nothing is selected.
    pub everything: bool,
    /// Where random choices begin.
    pub seed: u64,
}

/// What has been prepared, and will be done.
pub enum Work {
    /// Looking.
    Look(BoxFuture<'static, Result<Json, Failure>>),
    /// Changes that are known beforehand.
    Plan(Plan),
    /// Commands in containers.
    Commands(Commands),
    /// Nodes to be drained.
    Drain(Drain),
}

impl Context {
    fn namespace(&self) -> String {
        self.arguments.namespace()
    }

    fn lot(&self) -> Lot {
        Lot::new(self.seed)
    }

    /// Things of a kind, in the namespace of the call.
    async fn things(&self, resource: &Resource, selection: &Selection) -> Result<Vec<Metadata>, Failure> {
        let namespace = self.namespace();
        let things: Vec<Thing> = self.cluster.list(resource, Some(&namespace), selection, true).await?;
        Ok(things.into_iter().map(|thing| thing.metadata).collect())
    }

    /// What `name` and `label_selector` mean together: the name wins.
    fn by_name_or_labels(&self) -> Selection {
        match self.arguments.some_text("name") {
            Some(name) => Selection::name(&name),
            None => Selection::labels(self.arguments.some_text("label_selector").as_deref()),
        }
    }

    /// Insists on a selector where hitting everything was not asked for.
    fn not_everything(&self, selection: &Selection, what: &str) -> Result<(), Failure> {
        if self.everything || !selection.is_everything() {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "nothing is selected, so {what} would be meant: name them, or select them by their labels; \
             --allow-all allows it"
        )))
    }

    /// One thing by its name. A user who may not read it, but may change it, does without its UID.
    async fn thing(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Metadata, Failure> {
        match self.cluster.json(&Call::get(resource, namespace, name)).await {
            Ok(found) => {
                let thing: Thing = serde_json::from_value(found).unwrap_or_default();
                Ok(thing.metadata)
            }
            Err(failure) if failure.code() == Some(403) => Ok(Metadata {
                name: name.to_owned(),
                namespace: namespace.map(str::to_owned),
                ..Metadata::default()
            }),
            Err(failure) => Err(failure),
        }
    }
}

/// Deletes one thing, and no other that has come to bear its name.
pub(super) fn deletion(resource: &Resource, thing: &Metadata, grace_period: Option<i64>) -> Operation {
    let mut options = json!({});
    if !thing.uid.is_empty() {
        options["preconditions"] = json!({"uid": thing.uid});
    }
    if let Some(seconds) = grace_period {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    let call = Call::delete(resource, thing.namespace.as_deref(), &thing.name, options);
    Operation {
        call: Call { metadata_only: true, ..call },
        target: thing.target(&resource.kind),
        expect: Expect::Gone,
        on_error: OnError::Raise,
        version: None,
    }
}

/// Changes one thing.
fn change(
    resource: &Resource,
    thing: &Metadata,
    format: super::cluster::Format,
    body: Json,
    expect: Expect,
    on_error: OnError,
) -> Operation {
    Operation {
        call: Call::patch(resource, thing.namespace.as_deref(), &thing.name, format, body),
        target: thing.target(&resource.kind),
        expect,
        on_error,
        version: thing.resource_version.clone(),
    }
}

/// Makes one thing.
pub(super) fn creation(
    resource: &Resource,
    namespace: Option<&str>,
    body: Json,
    on_error: OnError,
) -> Operation {
    let name = body.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let target = Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() };
    // a name that the server makes up is not known beforehand
    let expect = if target.name.is_empty() { Expect::Accepted } else { Expect::Exists };
    Operation {
        target: target.target(&resource.kind),
        call: Call::create(resource, namespace, body),
        expect,
        on_error,
        version: None,
    }
}

/// A document from a file: JSON or YAML, by the end of its name.
fn read_document(path: &str) -> Result<Json, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Raised("FileNotFoundError", format!("{path}: {error}")))?;
    let broken = |error: &dyn std::fmt::Display| Failure::Raised("ValueError", format!("{path}: {error}"));
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("json") => serde_json::from_str(&text).map_err(|error| broken(&error)),
        Some("yml" | "yaml") => read_yaml(&text, path),
        _ => Err(Failure::failed(format!("cannot process {path}"))),
    }
}

/// YAML as the Chaos Toolkit reads it: one document, `yes` is true.
fn read_yaml(text: &str, source: &str) -> Result<Json, Failure> {
    let document =
        yaml::read(text, source).map_err(|fault| Failure::Raised("ValueError", fault.to_string()))?;
    Ok(to_json(&document.root.to_value()))
}

/// Makes ready what a function does.
pub async fn prepare(context: Context) -> Result<Work, Failure> {
    macro_rules! look {
        ($function:expr) => {
            Ok(Work::Look(Box::pin(async move { $function(&context).await })))
        };
    }
    let plan = |plan: Plan| Ok(Work::Plan(plan));
    let c = &context;
    match context.function.does {
        Does::TerminatePods => plan(pods::terminate(c).await?),
        Does::DeletePods => plan(pods::delete(c).await?),
        Does::ExecInPods => Ok(Work::Commands(exec::prepare(c).await?)),
        Does::CountPods => look!(pods::count),
        Does::CountMinPods => look!(pods::count_min),
        Does::PodsInPhase => look!(pods::in_phase),
        Does::PodsNotInPhase => look!(pods::not_in_phase),
        Does::PodsInConditions => look!(pods::in_conditions),
        Does::PodIsNotAvailable => look!(pods::is_not_available),
        Does::AllPodsHealthy => look!(pods::all_healthy),
        Does::ReadPodLogs => look!(logs::read),
        Does::ShouldBeFoundInLogs => Ok(Work::Look(Box::pin(std::future::ready(logs::should_be_found(c))))),
        Does::KillMicroservice => plan(kill_microservice(c).await?),
        Does::CreateDeployment => plan(resources::create(c, &DEPLOYMENTS)?),
        Does::DeleteDeployment => plan(workloads::delete(c, &DEPLOYMENTS).await?),
        Does::ScaleDeployment => plan(workloads::scale(c, &DEPLOYMENTS).await?),
        Does::RolloutDeployment => plan(workloads::rollout(c).await?),
        Does::DeleteReplicaSet => plan(workloads::delete(c, &REPLICA_SETS).await?),
        Does::CreateDaemonSet => plan(resources::create(c, &super::resource::DAEMON_SETS)?),
        Does::DeleteDaemonSet => plan(workloads::delete(c, &super::resource::DAEMON_SETS).await?),
        Does::UpdateDaemonSet => plan(workloads::update(c, &super::resource::DAEMON_SETS).await?),
        Does::CreateStatefulset => plan(resources::create(c, &super::resource::STATEFUL_SETS)?),
        Does::ScaleStatefulset => plan(workloads::scale(c, &super::resource::STATEFUL_SETS).await?),
        Does::RemoveStatefulset => plan(workloads::delete(c, &super::resource::STATEFUL_SETS).await?),
        Does::DeploymentAvailableAndHealthy => look!(workloads::deployment_healthy),
        Does::DeploymentPartiallyAvailable => look!(workloads::deployment_partially),
        Does::DaemonSetAvailableAndHealthy => look!(workloads::daemon_set_healthy),
        Does::DaemonSetPartiallyAvailable => look!(workloads::daemon_set_partially),
        Does::DeploymentFullyAvailable => look!(waiting::deployment_fully),
        Does::DeploymentNotFullyAvailable => look!(waiting::deployment_not_fully),
        Does::DaemonSetFullyAvailable => look!(waiting::daemon_set_fully),
        Does::DaemonSetNotFullyAvailable => look!(waiting::daemon_set_not_fully),
        Does::StatefulsetFullyAvailable => look!(waiting::stateful_set_fully),
        Does::StatefulsetNotFullyAvailable => look!(waiting::stateful_set_not_fully),
        Does::DeleteNodes => plan(nodes::delete(c).await?),
        Does::CreateNode => plan(nodes::create(c)),
        Does::CordonNode => plan(nodes::cordon(c, true).await?),
        Does::UncordonNode => plan(nodes::cordon(c, false).await?),
        Does::DrainNodes => Ok(Work::Drain(drain::prepare(c).await?)),
        Does::GetNodes => look!(nodes::list),
        Does::GetAllNodeStatusConditions => look!(nodes::conditions),
        Does::AllNodesMustBeReadyToSchedule => look!(nodes::all_ready),
        Does::VerifyNodesCondition => look!(nodes::verify_condition),
        Does::NodesMustBeHealthy => look!(nodes::healthy),
        Does::GetEvents => look!(resources::events),
        Does::CreateNamespace => plan(resources::create_namespace(c)?),
        Does::DeleteNamespace => plan(resources::delete_namespace(c).await?),
        Does::NamespaceExists => look!(resources::namespace_exists),
        Does::CreateServiceEndpoint => plan(resources::create(c, &super::resource::SERVICES)?),
        Does::DeleteService => plan(resources::delete(c, &super::resource::SERVICES).await?),
        Does::ServiceIsInitialized => look!(resources::service_is_initialized),
        Does::CreateSecret => plan(resources::create(c, &super::resource::SECRETS)?),
        Does::DeleteSecret => plan(resources::delete(c, &super::resource::SECRETS).await?),
        Does::SecretExists => look!(resources::secret_exists),
        Does::CreateIngress => plan(resources::create(c, &super::resource::INGRESSES)?),
        Does::DeleteIngress => plan(resources::delete(c, &super::resource::INGRESSES).await?),
        Does::UpdateIngress => plan(workloads::update(c, &super::resource::INGRESSES).await?),
        Does::IngressExists => look!(resources::ingress_exists),
        Does::CreateNetworkPolicy => plan(resources::create_network_policy(c).await?),
        Does::RemoveNetworkPolicy => plan(resources::delete(c, &super::resource::NETWORK_POLICIES).await?),
        Does::DenyAllIngress => plan(resources::deny(c, resources::Fixed::DenyIngress).await?),
        Does::DenyAllEgress => plan(resources::deny(c, resources::Fixed::DenyEgress).await?),
        Does::AllowDnsAccess => plan(resources::deny(c, resources::Fixed::AllowDns).await?),
        Does::RemoveDenyAllIngress => plan(resources::allow(c, resources::Fixed::DenyIngress).await?),
        Does::RemoveDenyAllEgress => plan(resources::allow(c, resources::Fixed::DenyEgress).await?),
        Does::RemoveAllowDnsAccess => plan(resources::allow(c, resources::Fixed::AllowDns).await?),
        Does::CreateCustomObject => plan(custom::create(c, true)?),
        Does::CreateClusterCustomObject => plan(custom::create(c, false)?),
        Does::DeleteCustomObject => plan(custom::delete(c, true).await?),
        Does::DeleteClusterCustomObject => plan(custom::delete(c, false).await?),
        Does::PatchCustomObject => plan(custom::patch(c, true).await?),
        Does::PatchClusterCustomObject => plan(custom::patch(c, false).await?),
        Does::ReplaceCustomObject => plan(custom::replace(c, true).await?),
        Does::ReplaceClusterCustomObject => plan(custom::replace(c, false).await?),
        Does::ApplyFromJson => plan(custom::apply_text(c, custom::Language::Json).await?),
        Does::ApplyFromYaml => plan(custom::apply_text(c, custom::Language::Yaml).await?),
        Does::GetCustomObject => look!(custom::get_namespaced),
        Does::GetClusterCustomObject => look!(custom::get_cluster_wide),
        Does::ListCustomObjects => look!(custom::list_namespaced),
        Does::ListClusterCustomObjects => look!(custom::list_cluster_wide),
        Does::AddLatency => plan(mesh::network(c, "delay", "delay", &["latency", "correlation", "jitter"])?),
        Does::SetLoss => plan(mesh::network(c, "loss", "loss", &["loss", "correlation"])?),
        Does::DuplicatePackets => {
            plan(mesh::network(c, "duplicate", "duplicate", &["duplicate", "correlation"])?)
        }
        Does::CorruptPackets => plan(mesh::network(c, "corrupt", "corrupt", &["corrupt", "correlation"])?),
        Does::ReorderPackets => plan(mesh::reorder(c)?),
        Does::SetBandwidth => plan(mesh::network(
            c,
            "bandwidth",
            "bandwidth",
            &["rate", "limit", "buffer", "peakrate", "minburst"],
        )?),
        Does::DeleteNetworkFault => plan(custom::delete_known(c, &super::resource::NETWORK_CHAOS).await?),
        Does::GetNetworkFault => look!(mesh::network_fault),
        Does::GetNetworkFaults => look!(mesh::network_faults),
        Does::StressCpu => plan(mesh::stress_cpu(c)?),
        Does::StressMemory => plan(mesh::stress_memory(c)?),
        Does::DeleteStressor => plan(custom::delete_known(c, &super::resource::STRESS_CHAOS).await?),
        Does::GetStressor => look!(mesh::stressor),
        Does::GetStressors => look!(mesh::stressors),
    }
}

/// The Deployment of that name, its `ReplicaSet`s, a `ReplicaSet` of that name, and one Pod of theirs. The
/// `ReplicaSet`s go before the Pod, or they would put another in its place.
async fn kill_microservice(context: &Context) -> Result<Plan, Failure> {
    let name = context.arguments.required("name");
    let selection = context.by_name_or_labels();
    context.not_everything(&selection, "every Deployment of the namespace")?;
    let deployments = context.things(&DEPLOYMENTS, &selection).await?;
    let theirs = |set: &Metadata| {
        let owned = |deployment: &Metadata| set.owner_references.iter().any(|o| o.uid == deployment.uid);
        set.name == name || deployments.iter().any(owned)
    };
    let sets = context.things(&REPLICA_SETS, &Selection::default()).await?;
    let mut operations: Vec<Operation> =
        deployments.iter().map(|deployment| deletion(&DEPLOYMENTS, deployment, None)).collect();
    operations.extend(sets.iter().filter(|set| theirs(set)).map(|set| deletion(&REPLICA_SETS, set, None)));
    operations.extend(pods::one_of_microservice(context).await?.iter().map(|pod| deletion(&PODS, pod, None)));
    // what belongs to a Deployment that is gone goes by itself, maybe sooner
    for operation in operations.iter_mut().skip(deployments.len()) {
        operation.on_error = OnError::RaiseUnlessGone;
    }
    Ok(Plan::of(operations, Answer::Null))
}
