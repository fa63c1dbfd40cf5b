//! Deployments, `ReplicaSets`, `DaemonSets` and `StatefulSets`.

use super::FunctionId::{
    CreateDaemonSet, CreateDeployment, CreateStatefulset, DaemonSetAvailableAndHealthy,
    DaemonSetFullyAvailable, DaemonSetNotFullyAvailable, DaemonSetPartiallyAvailable, DeleteDaemonSet,
    DeleteDeployment, DeleteReplicaSet, DeploymentAvailableAndHealthy, DeploymentFullyAvailable,
    DeploymentNotFullyAvailable, DeploymentPartiallyAvailable, RemoveStatefulset, RolloutDeployment,
    ScaleDeployment, ScaleStatefulset, StatefulsetFullyAvailable, StatefulsetNotFullyAvailable,
    UpdateDaemonSet,
};
use super::FunctionKind::{Boolean, Integer, Mapping, Object, Text};
use super::{Function, LABELS, NS, action, flag, number_like, optional, probe, required};

pub(super) const FUNCTIONS: &[Function] = &[
    action(
        "chaosk8s.deployment.actions",
        "create_deployment",
        CreateDeployment,
        "Creates a Deployment from a file",
    )
    .takes(&[required("spec_path", Text), NS])
    .needs(&["create deployments.apps"]),
    action("chaosk8s.deployment.actions", "delete_deployment", DeleteDeployment, "Deletes Deployments")
        .takes(&[optional("name", Text), NS, LABELS])
        .needs(&["list deployments.apps", "delete deployments.apps"]),
    action(
        "chaosk8s.deployment.actions",
        "rollout_deployment",
        RolloutDeployment,
        "Restarts the Pods of a Deployment",
    )
    .takes(&[optional("name", Text), NS])
    .needs(&["patch deployments.apps"]),
    action("chaosk8s.deployment.actions", "scale_deployment", ScaleDeployment, "Scales a Deployment")
        .takes(&[required("name", Text), required("replicas", Integer), NS])
        .needs(&["patch deployments.apps"]),
    probe(
        "chaosk8s.deployment.probes",
        "deployment_available_and_healthy",
        DeploymentAvailableAndHealthy,
        "Checks that all replicas of a Deployment are available",
    )
    .takes(&[required("name", Text), NS, LABELS, flag("raise_on_unavailable", true)])
    .returns(Object)
    .needs(&["list deployments.apps"]),
    probe(
        "chaosk8s.deployment.probes",
        "deployment_fully_available",
        DeploymentFullyAvailable,
        "Waits until all replicas of a Deployment are ready",
    )
    .takes(&[
        required("name", Text),
        NS,
        LABELS,
        number_like("timeout", 30),
        flag("raise_on_not_fully_available", true),
    ])
    .returns(Object)
    .needs(&["watch deployments.apps"]),
    probe(
        "chaosk8s.deployment.probes",
        "deployment_not_fully_available",
        DeploymentNotFullyAvailable,
        "Waits until a replica of a Deployment is not ready",
    )
    .takes(&[
        required("name", Text),
        NS,
        LABELS,
        number_like("timeout", 30),
        flag("raise_on_fully_available", true),
    ])
    .returns(Object)
    .needs(&["watch deployments.apps"]),
    probe(
        "chaosk8s.deployment.probes",
        "deployment_partially_available",
        DeploymentPartiallyAvailable,
        "Checks that a replica of a Deployment is available",
    )
    .takes(&[required("name", Text), NS, LABELS, flag("raise_on_not_partially_available", true)])
    .returns(Object)
    .needs(&["list deployments.apps"]),
    action("chaosk8s.replicaset.actions", "delete_replica_set", DeleteReplicaSet, "Deletes ReplicaSets")
        .takes(&[optional("name", Text), NS, LABELS])
        .needs(&["list replicasets.apps", "delete replicasets.apps"]),
    action(
        "chaosk8s.daemonset.actions",
        "create_daemon_set",
        CreateDaemonSet,
        "Creates a DaemonSet from a file",
    )
    .takes(&[required("spec_path", Text), NS])
    .needs(&["create daemonsets.apps"]),
    action("chaosk8s.daemonset.actions", "delete_daemon_set", DeleteDaemonSet, "Deletes DaemonSets")
        .takes(&[optional("name", Text), NS, LABELS])
        .needs(&["list daemonsets.apps", "delete daemonsets.apps"]),
    action("chaosk8s.daemonset.actions", "update_daemon_set", UpdateDaemonSet, "Updates a DaemonSet")
        .takes(&[required("name", Text), required("spec", Mapping), NS])
        .needs(&["patch daemonsets.apps"]),
    probe(
        "chaosk8s.daemonset.probes",
        "daemon_set_available_and_healthy",
        DaemonSetAvailableAndHealthy,
        "Checks that all Pods of a DaemonSet are ready",
    )
    .takes(&[required("name", Text), NS, LABELS])
    .returns(Boolean)
    .needs(&["list daemonsets.apps"]),
    probe(
        "chaosk8s.daemonset.probes",
        "daemon_set_fully_available",
        DaemonSetFullyAvailable,
        "Waits until all Pods of a DaemonSet are ready",
    )
    .takes(&[required("name", Text), NS, LABELS, number_like("timeout", 30)])
    .returns(Boolean)
    .needs(&["watch daemonsets.apps"]),
    probe(
        "chaosk8s.daemonset.probes",
        "daemon_set_not_fully_available",
        DaemonSetNotFullyAvailable,
        "Waits until a Pod of a DaemonSet is not ready",
    )
    .takes(&[required("name", Text), NS, LABELS, number_like("timeout", 30)])
    .returns(Boolean)
    .needs(&["watch daemonsets.apps"]),
    probe(
        "chaosk8s.daemonset.probes",
        "daemon_set_partially_available",
        DaemonSetPartiallyAvailable,
        "Checks that a Pod of a DaemonSet is ready",
    )
    .takes(&[required("name", Text), NS, LABELS])
    .returns(Boolean)
    .needs(&["list daemonsets.apps"]),
    action(
        "chaosk8s.statefulset.actions",
        "create_statefulset",
        CreateStatefulset,
        "Creates a StatefulSet from a file",
    )
    .takes(&[required("spec_path", Text), NS])
    .needs(&["create statefulsets.apps"]),
    action("chaosk8s.statefulset.actions", "remove_statefulset", RemoveStatefulset, "Deletes StatefulSets")
        .takes(&[optional("name", Text), NS, LABELS])
        .needs(&["list statefulsets.apps", "delete statefulsets.apps"]),
    action("chaosk8s.statefulset.actions", "scale_statefulset", ScaleStatefulset, "Scales a StatefulSet")
        .takes(&[required("name", Text), required("replicas", Integer), NS])
        .needs(&["patch statefulsets.apps"]),
    probe(
        "chaosk8s.statefulset.probes",
        "statefulset_fully_available",
        StatefulsetFullyAvailable,
        "Waits until all replicas of a StatefulSet are ready",
    )
    .takes(&[
        required("name", Text),
        NS,
        LABELS,
        number_like("timeout", 30),
        flag("raise_on_not_fully_available", true),
    ])
    .needs(&["watch statefulsets.apps"]),
    probe(
        "chaosk8s.statefulset.probes",
        "statefulset_not_fully_available",
        StatefulsetNotFullyAvailable,
        "Waits until a replica of a StatefulSet is not ready",
    )
    .takes(&[
        required("name", Text),
        NS,
        LABELS,
        number_like("timeout", 30),
        flag("raise_on_fully_available", true),
    ])
    .needs(&["watch statefulsets.apps"]),
];
