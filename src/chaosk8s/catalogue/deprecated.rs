//! The old modules, whose names are still the most copied ones.

use super::FunctionId::{
    AllPodsHealthy, CreateDeployment, DeleteService, DeploymentAvailableAndHealthy, DeploymentFullyAvailable,
    DeploymentNotFullyAvailable, KillMicroservice, PodIsNotAvailable, ReadPodLogs, ScaleDeployment,
    ServiceIsInitialized,
};
use super::FunctionKind::{Boolean, Integer, Mapping, Object, Text};
use super::{Function, LABELS, NS, action, flag, number_like, optional, probe, required, text};

pub(super) const FUNCTIONS: &[Function] = &[
    action("chaosk8s.actions", "kill_microservice", KillMicroservice, "Deletes a Deployment, its ReplicaSets and its Pods")
        .takes(&[required("name", Text), NS, text("label_selector", "name in ({name})")])
        .needs(&["list deployments.apps", "delete deployments.apps", "list replicasets.apps", "delete replicasets.apps", "list pods", "delete pods"])
        .deprecated_for("chaosk8s.deployment.actions.delete_deployment + chaosk8s.replicaset.actions.delete_replica_set + chaosk8s.pod.actions.delete_pods"),
    action("chaosk8s.actions", "remove_service_endpoint", DeleteService, "Deletes a Service")
        .takes(&[required("name", Text), NS])
        .needs(&["delete services"])
        .deprecated_for("chaosk8s.service.actions.delete_service"),
    action("chaosk8s.actions", "scale_microservice", ScaleDeployment, "Scales a Deployment")
        .takes(&[required("name", Text), required("replicas", Integer), NS])
        .needs(&["patch deployments.apps"])
        .deprecated_for("chaosk8s.deployment.actions.scale_deployment"),
    action("chaosk8s.actions", "start_microservice", CreateDeployment, "Creates a Deployment from a file")
        .takes(&[required("spec_path", Text), NS])
        .needs(&["create deployments.apps"])
        .deprecated_for("chaosk8s.deployment.actions.create_deployment"),
    probe("chaosk8s.probes", "all_microservices_healthy", AllPodsHealthy, "Checks that all Pods of a namespace run or succeeded")
        .takes(&[NS])
        .returns(Boolean)
        .needs(&["list pods"])
        .deprecated_for("chaosk8s.pod.probes.all_pods_healthy"),
    probe("chaosk8s.probes", "deployment_is_fully_available", DeploymentFullyAvailable, "Waits until all replicas of a Deployment are ready")
        .takes(&[required("name", Text), NS, LABELS, number_like("timeout", 30)])
        .needs(&["watch deployments.apps"])
        .deprecated_for("chaosk8s.deployment.probes.deployment_fully_available"),
    probe("chaosk8s.probes", "deployment_is_not_fully_available", DeploymentNotFullyAvailable, "Waits until a replica of a Deployment is not ready")
        .takes(&[required("name", Text), NS, LABELS, number_like("timeout", 30)])
        .needs(&["watch deployments.apps"])
        .deprecated_for("chaosk8s.deployment.probes.deployment_not_fully_available"),
    probe("chaosk8s.probes", "microservice_available_and_healthy", DeploymentAvailableAndHealthy, "Checks that all replicas of a Deployment are available")
        .takes(&[required("name", Text), NS, LABELS])
        .returns(Object)
        .needs(&["list deployments.apps"])
        .deprecated_for("chaosk8s.deployment.probes.deployment_available_and_healthy"),
    probe("chaosk8s.probes", "microservice_is_not_available", PodIsNotAvailable, "Checks that no Pod with this name runs")
        .takes(&[required("name", Text), NS, text("label_selector", "name in ({name})")])
        .returns(Boolean)
        .needs(&["list pods"])
        .deprecated_for("chaosk8s.pod.probes.pod_is_not_available"),
    probe("chaosk8s.probes", "read_microservices_logs", ReadPodLogs, "Reads the logs of Pods")
        .takes(&[optional("name", Text), optional("last", Text), NS, flag("from_previous", false), text("label_selector", "name in ({name})"), optional("container_name", Text)])
        .returns(Mapping)
        .needs(&["list pods", "get pods/log"])
        .deprecated_for("chaosk8s.pod.probes.read_pod_logs"),
    probe("chaosk8s.probes", "service_endpoint_is_initialized", ServiceIsInitialized, "Checks that a Service exists")
        .takes(&[required("name", Text), NS, text("label_selector", "name in ({name})")])
        .needs(&["list services"])
        .deprecated_for("chaosk8s.service.probes.service_is_initialized"),
];
