//! Implementation of the functions.
//!
//! Each function prepares its work: a probe reads when it is applied; an action names its targets first, as a
//! [`MutationPlan`] where possible.

mod chaos_mesh;
mod custom;
mod drain;
mod exec;
mod logs;
mod nodes;
mod pods;
mod resources;
mod waiting;
mod workloads;

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s::{
    ApiRequest, ClusterClient, DEPLOYMENTS, ErrorPolicy, Metadata, MutationPlan, MutationResponse,
    ObjectSelector, PODS, PartialObject, PlannedMutation, REPLICA_SETS, Resource,
};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::arguments::{Arguments, to_json};
use super::catalogue::{Function, FunctionId};

use crate::experiment::yaml;
use crate::rng::SeededRng;

pub use drain::Drain;
pub use exec::PodExec;
pub(super) use logs::is_log_time;

/// Context of a function call.
#[derive(Clone)]
pub struct FunctionContext {
    pub cluster: Arc<ClusterClient>,
    pub function: Function,
    pub arguments: Arguments,
    /// Whether an action without a selector may target everything.
    pub everything: bool,
    /// The seed of random choices.
    pub seed: u64,
}

/// Prepared work of a function.
pub enum PreparedWork {
    /// Reads the cluster.
    Look(BoxFuture<'static, Result<Json>>),
    /// Planned changes.
    Plan(MutationPlan),
    /// Runs commands in containers.
    Commands(PodExec),
    /// Drains Nodes.
    Drain(Drain),
}

impl FunctionContext {
    fn namespace(&self) -> String {
        self.arguments.namespace()
    }

    fn rng(&self) -> SeededRng {
        SeededRng::new(self.seed)
    }

    /// Lists objects of a kind in the namespace of the call.
    async fn list_metadata(&self, resource: &Resource, selection: &ObjectSelector) -> Result<Vec<Metadata>> {
        let namespace = self.namespace();
        let objects: Vec<PartialObject> =
            self.cluster.list(resource, Some(&namespace), selection, true).await?;
        Ok(objects.into_iter().map(|object| object.metadata).collect())
    }

    /// Selects by `name`, else by `label_selector`.
    fn by_name_or_labels(&self) -> ObjectSelector {
        match self.arguments.some_text("name") {
            Some(name) => ObjectSelector::name(&name),
            None => ObjectSelector::labels(self.arguments.some_text("label_selector").as_deref()),
        }
    }

    /// Describes what selects objects of the namespace: `label selector 'app=web' in namespace 'shop'`.
    fn describe_selection(&self, labels: Option<&str>, name: (&str, Option<&str>)) -> String {
        let namespace = format!("in namespace '{}'", self.namespace());
        describe_selector(labels, name)
            .map_or(namespace.clone(), |selector| format!("{selector} {namespace}"))
    }

    /// Rejects a call without a selector, unless everything may be targeted.
    fn require_selector(&self, selection: &ObjectSelector, everything: &str) -> Result<()> {
        if self.everything || !selection.is_everything() {
            return Ok(());
        }
        Err(Error::failed(format!(
            "no selector: this would affect {everything}; set a name or a label selector, or pass --allow-all"
        )))
    }

    /// Reads an object by its name. Without the read permission its UID stays unknown.
    async fn get_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Metadata> {
        match self.cluster.json(&ApiRequest::get(resource, namespace, name)).await {
            Ok(response) => {
                let object: PartialObject = serde_json::from_value(response).unwrap_or_default();
                Ok(object.metadata)
            }
            Err(failure) if failure.status() == Some(403) => Ok(Metadata {
                name: name.to_owned(),
                namespace: namespace.map(str::to_owned),
                ..Metadata::default()
            }),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Describes a selector; none if it selects everything.
fn describe_selector(labels: Option<&str>, (kind, name): (&str, Option<&str>)) -> Option<String> {
    let name = name.map(|name| format!("{kind} '{name}'"));
    let labels =
        labels.filter(|labels| !labels.is_empty()).map(|labels| format!("label selector '{labels}'"));
    let parts: Vec<String> = labels.into_iter().chain(name).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// Reads a text file without its byte-order mark.
fn read_text(path: &str) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a JSON or YAML file, by its extension.
fn read_document(path: &str) -> Result<Json> {
    let extension = std::path::Path::new(path).extension().and_then(std::ffi::OsStr::to_str);
    read_format(path, extension)
}

/// Reads a JSON or YAML file, by the text after the last dot, or by the whole name.
fn read_document_by_suffix(path: &str) -> Result<Json> {
    read_format(path, path.rsplit('.').next())
}

fn read_format(path: &str, format: Option<&str>) -> Result<Json> {
    let text = read_text(path)
        .map_err(|error| Error::raise(PythonException::FileNotFoundError, format!("{path}: {error}")))?;
    let broken =
        |error: &dyn std::fmt::Display| Error::raise(PythonException::ValueError, format!("{path}: {error}"));
    match format {
        Some("json") => serde_json::from_str(&text).map_err(|error| broken(&error)),
        Some("yml" | "yaml") => read_yaml(&text, path),
        _ => Err(Error::failed(format!("cannot process {path}"))),
    }
}

/// Parses YAML as the Chaos Toolkit does: one document, `yes` is true.
fn read_yaml(text: &str, source: &str) -> Result<Json> {
    let document = yaml::read(text, source)
        .map_err(|fault| Error::raise(PythonException::ValueError, fault.to_string()))?;
    Ok(to_json(&document.root.to_value()))
}

/// Prepares the work of a function.
pub async fn prepare(context: FunctionContext) -> Result<PreparedWork> {
    macro_rules! look {
        ($function:expr) => {
            Ok(PreparedWork::Look(Box::pin(async move { $function(&context).await })))
        };
    }
    let plan = |plan: MutationPlan| Ok(PreparedWork::Plan(plan));
    let c = &context;
    match context.function.id {
        FunctionId::TerminatePods => plan(pods::terminate(c).await?),
        FunctionId::DeletePods => plan(pods::delete(c).await?),
        FunctionId::ExecInPods => Ok(PreparedWork::Commands(exec::prepare(c).await?)),
        FunctionId::CountPods => look!(pods::count),
        FunctionId::CountMinPods => look!(pods::count_min),
        FunctionId::PodsInPhase => look!(pods::in_phase),
        FunctionId::PodsNotInPhase => look!(pods::not_in_phase),
        FunctionId::PodsInConditions => look!(pods::in_conditions),
        FunctionId::PodIsNotAvailable => look!(pods::is_not_available),
        FunctionId::AllPodsHealthy => look!(pods::all_healthy),
        FunctionId::ReadPodLogs => look!(logs::read),
        FunctionId::ShouldBeFoundInLogs => {
            Ok(PreparedWork::Look(Box::pin(std::future::ready(logs::should_be_found(c)))))
        }
        FunctionId::KillMicroservice => plan(kill_microservice(c).await?),
        FunctionId::CreateDeployment => plan(resources::create(c, &DEPLOYMENTS)?),
        FunctionId::DeleteDeployment => plan(workloads::delete(c, &DEPLOYMENTS).await?),
        FunctionId::ScaleDeployment => plan(workloads::scale(c, &DEPLOYMENTS).await?),
        FunctionId::RolloutDeployment => plan(workloads::rollout(c).await?),
        FunctionId::DeleteReplicaSet => plan(workloads::delete(c, &REPLICA_SETS).await?),
        FunctionId::CreateDaemonSet => plan(resources::create(c, &crate::k8s::DAEMON_SETS)?),
        FunctionId::DeleteDaemonSet => plan(workloads::delete(c, &crate::k8s::DAEMON_SETS).await?),
        FunctionId::UpdateDaemonSet => plan(workloads::update(c, &crate::k8s::DAEMON_SETS).await?),
        FunctionId::CreateStatefulset => plan(resources::create(c, &crate::k8s::STATEFUL_SETS)?),
        FunctionId::ScaleStatefulset => plan(workloads::scale(c, &crate::k8s::STATEFUL_SETS).await?),
        FunctionId::RemoveStatefulset => plan(workloads::delete(c, &crate::k8s::STATEFUL_SETS).await?),
        FunctionId::DeploymentAvailableAndHealthy => look!(workloads::deployment_healthy),
        FunctionId::DeploymentPartiallyAvailable => look!(workloads::deployment_partially),
        FunctionId::DaemonSetAvailableAndHealthy => look!(workloads::daemon_set_healthy),
        FunctionId::DaemonSetPartiallyAvailable => look!(workloads::daemon_set_partially),
        FunctionId::DeploymentFullyAvailable => look!(waiting::deployment_fully),
        FunctionId::DeploymentNotFullyAvailable => look!(waiting::deployment_not_fully),
        FunctionId::DaemonSetFullyAvailable => look!(waiting::daemon_set_fully),
        FunctionId::DaemonSetNotFullyAvailable => look!(waiting::daemon_set_not_fully),
        FunctionId::StatefulsetFullyAvailable => look!(waiting::stateful_set_fully),
        FunctionId::StatefulsetNotFullyAvailable => look!(waiting::stateful_set_not_fully),
        FunctionId::DeleteNodes => plan(nodes::delete(c).await?),
        FunctionId::CreateNode => plan(nodes::create(c)),
        FunctionId::CordonNode => plan(nodes::cordon(c, true).await?),
        FunctionId::UncordonNode => plan(nodes::cordon(c, false).await?),
        FunctionId::DrainNodes => Ok(PreparedWork::Drain(drain::prepare(c).await?)),
        FunctionId::GetNodes => look!(nodes::list),
        FunctionId::GetAllNodeStatusConditions => look!(nodes::conditions),
        FunctionId::AllNodesMustBeReadyToSchedule => look!(nodes::all_ready),
        FunctionId::VerifyNodesCondition => look!(nodes::verify_condition),
        FunctionId::NodesMustBeHealthy => look!(nodes::healthy),
        FunctionId::GetEvents => look!(resources::events),
        FunctionId::CreateNamespace => plan(resources::create_namespace(c)?),
        FunctionId::DeleteNamespace => plan(resources::delete_namespace(c).await?),
        FunctionId::NamespaceExists => look!(resources::namespace_exists),
        FunctionId::CreateServiceEndpoint => plan(resources::create(c, &crate::k8s::SERVICES)?),
        FunctionId::DeleteService => plan(resources::delete(c, &crate::k8s::SERVICES).await?),
        FunctionId::ServiceIsInitialized => look!(resources::service_is_initialized),
        FunctionId::CreateSecret => plan(resources::create(c, &crate::k8s::SECRETS)?),
        FunctionId::DeleteSecret => plan(resources::delete(c, &crate::k8s::SECRETS).await?),
        FunctionId::SecretExists => look!(resources::secret_exists),
        FunctionId::CreateIngress => plan(resources::create_ingress(c)?),
        FunctionId::DeleteIngress => plan(resources::delete(c, &crate::k8s::INGRESSES).await?),
        FunctionId::UpdateIngress => plan(workloads::update(c, &crate::k8s::INGRESSES).await?),
        FunctionId::IngressExists => look!(resources::ingress_exists),
        FunctionId::CreateNetworkPolicy => plan(resources::create_network_policy(c).await?),
        FunctionId::RemoveNetworkPolicy => plan(resources::delete(c, &crate::k8s::NETWORK_POLICIES).await?),
        FunctionId::DenyAllIngress => plan(resources::deny(c, resources::BuiltinPolicy::DenyIngress).await?),
        FunctionId::DenyAllEgress => plan(resources::deny(c, resources::BuiltinPolicy::DenyEgress).await?),
        FunctionId::AllowDnsAccess => plan(resources::deny(c, resources::BuiltinPolicy::AllowDns).await?),
        FunctionId::RemoveDenyAllIngress => {
            plan(resources::allow(c, resources::BuiltinPolicy::DenyIngress).await?)
        }
        FunctionId::RemoveDenyAllEgress => {
            plan(resources::allow(c, resources::BuiltinPolicy::DenyEgress).await?)
        }
        FunctionId::RemoveAllowDnsAccess => {
            plan(resources::allow(c, resources::BuiltinPolicy::AllowDns).await?)
        }
        FunctionId::CreateCustomObject => plan(custom::create(c, true)?),
        FunctionId::CreateClusterCustomObject => plan(custom::create(c, false)?),
        FunctionId::DeleteCustomObject => plan(custom::delete(c, true).await?),
        FunctionId::DeleteClusterCustomObject => plan(custom::delete(c, false).await?),
        FunctionId::PatchCustomObject => plan(custom::patch(c, true).await?),
        FunctionId::PatchClusterCustomObject => plan(custom::patch(c, false).await?),
        FunctionId::ReplaceCustomObject => plan(custom::replace(c, true).await?),
        FunctionId::ReplaceClusterCustomObject => plan(custom::replace(c, false).await?),
        FunctionId::ApplyFromJson => plan(custom::apply_text(c, custom::ObjectFormat::Json).await?),
        FunctionId::ApplyFromYaml => plan(custom::apply_text(c, custom::ObjectFormat::Yaml).await?),
        FunctionId::GetCustomObject => look!(custom::get_namespaced),
        FunctionId::GetClusterCustomObject => look!(custom::get_cluster_wide),
        FunctionId::ListCustomObjects => look!(custom::list_namespaced),
        FunctionId::ListClusterCustomObjects => look!(custom::list_cluster_wide),
        FunctionId::AddLatency => {
            plan(chaos_mesh::network(c, "delay", "delay", &["latency", "correlation", "jitter"])?)
        }
        FunctionId::SetLoss => plan(chaos_mesh::network(c, "loss", "loss", &["loss", "correlation"])?),
        FunctionId::DuplicatePackets => {
            plan(chaos_mesh::network(c, "duplicate", "duplicate", &["duplicate", "correlation"])?)
        }
        FunctionId::CorruptPackets => {
            plan(chaos_mesh::network(c, "corrupt", "corrupt", &["corrupt", "correlation"])?)
        }
        FunctionId::ReorderPackets => plan(chaos_mesh::reorder(c)?),
        FunctionId::SetBandwidth => plan(chaos_mesh::network(
            c,
            "bandwidth",
            "bandwidth",
            &["rate", "limit", "buffer", "peakrate", "minburst"],
        )?),
        FunctionId::DeleteNetworkFault => plan(custom::delete_known(c, &crate::k8s::NETWORK_CHAOS).await?),
        FunctionId::GetNetworkFault => look!(chaos_mesh::network_fault),
        FunctionId::GetNetworkFaults => look!(chaos_mesh::network_faults),
        FunctionId::StressCpu => plan(chaos_mesh::stress_cpu(c)?),
        FunctionId::StressMemory => plan(chaos_mesh::stress_memory(c)?),
        FunctionId::DeleteStressor => plan(custom::delete_known(c, &crate::k8s::STRESS_CHAOS).await?),
        FunctionId::GetStressor => look!(chaos_mesh::stressor),
        FunctionId::GetStressors => look!(chaos_mesh::stressors),
    }
}

/// The Deployment of that name, its `ReplicaSet`s, a `ReplicaSet` of that name, and one Pod of theirs. The
/// `ReplicaSet`s go before the Pod, or they would put another in its place.
async fn kill_microservice(context: &FunctionContext) -> Result<MutationPlan> {
    let name = context.arguments.required("name");
    let selection = context.by_name_or_labels();
    context.require_selector(&selection, "every Deployment of the namespace")?;
    let deployments = context.list_metadata(&DEPLOYMENTS, &selection).await?;
    let is_part = |set: &Metadata| {
        let owned = |deployment: &Metadata| set.owner_references.iter().any(|o| o.uid == deployment.uid);
        set.name == name || deployments.iter().any(owned)
    };
    let sets = context.list_metadata(&REPLICA_SETS, &ObjectSelector::default()).await?;
    let mut operations: Vec<PlannedMutation> = deployments
        .iter()
        .map(|deployment| PlannedMutation::delete(&DEPLOYMENTS, deployment, None))
        .collect();
    operations.extend(
        sets.iter().filter(|set| is_part(set)).map(|set| PlannedMutation::delete(&REPLICA_SETS, set, None)),
    );
    operations.extend(
        pods::select_microservice_pod(context)
            .await?
            .iter()
            .map(|pod| PlannedMutation::delete(&PODS, pod, None)),
    );
    // what belongs to a Deployment that is gone goes by itself, maybe sooner
    for operation in operations.iter_mut().skip(deployments.len()) {
        operation.on_error = ErrorPolicy::RaiseUnlessGone;
    }
    let selected_by = context.describe_selection(None, ("name", Some(&name)));
    Ok(MutationPlan::new(operations, MutationResponse::Null).selected_by(selected_by))
}
