//! Pods.

use super::FunctionId::{
    AllPodsHealthy, CountMinPods, CountPods, DeletePods, ExecInPods, PodIsNotAvailable, PodsInConditions,
    PodsInPhase, PodsNotInPhase, ReadPodLogs, ShouldBeFoundInLogs, TerminatePods,
};
use super::FunctionKind::{Boolean, Integer, List, Mapping, Text, TextOrList};
use super::{Function, LABELS, NS, action, flag, number, optional, probe, required, text};

pub(super) const FUNCTIONS: &[Function] = &[
    action("chaosk8s.pod.actions", "delete_pods", DeletePods, "Deletes one Pod")
        .takes(&[optional("name", Text), NS, LABELS])
        .needs(&["list pods", "delete pods"])
        .deprecated_for("chaosk8s.pod.actions.terminate_pods")
        .unlisted(),
    action("chaosk8s.pod.actions", "exec_in_pods", ExecInPods, "Runs a command in a container of Pods")
        .takes(&[
            required("cmd", TextOrList),
            LABELS,
            optional("name_pattern", Text),
            flag("all", false),
            flag("rand", false),
            text("mode", "fixed"),
            number("qty", 1),
            NS,
            text("order", "alphabetic"),
            optional("container_name", Text),
            number("request_timeout", 60),
        ])
        .returns(List)
        .needs(&["list pods", "get pods/exec", "create pods/exec"]),
    action("chaosk8s.pod.actions", "terminate_pods", TerminatePods, "Deletes Pods")
        .takes(&[
            LABELS,
            optional("name_pattern", Text),
            flag("all", false),
            flag("rand", false),
            text("mode", "fixed"),
            number("qty", 1),
            number("grace_period", -1),
            NS,
            text("order", "alphabetic"),
        ])
        .needs(&["list pods", "delete pods"]),
    probe(
        "chaosk8s.pod.probes",
        "count_min_pods",
        CountMinPods,
        "Checks that there is a minimum number of Pods",
    )
    .takes(&[required("label_selector", Text), text("phase", "Running"), number("min_count", 2), NS])
    .returns(Boolean)
    .needs(&["list pods"]),
    probe("chaosk8s.pod.probes", "count_pods", CountPods, "Counts Pods")
        .takes(&[required("label_selector", Text), optional("phase", Text), NS])
        .returns(Integer)
        .needs(&["list pods"]),
    probe(
        "chaosk8s.pod.probes",
        "pod_is_not_available",
        PodIsNotAvailable,
        "Checks that no Pod with this name runs",
    )
    .takes(&[
        required("name", Text),
        NS,
        text("label_selector", "name in ({name})"),
        flag("raise_on_is_available", true),
    ])
    .returns(Boolean)
    .needs(&["list pods"]),
    probe("chaosk8s.pod.probes", "pods_in_conditions", PodsInConditions, "Checks the conditions of Pods")
        .takes(&[
            required("label_selector", Text),
            required("conditions", List),
            NS,
            flag("raise_on_invalid_conditions", true),
        ])
        .returns(Boolean)
        .needs(&["list pods"]),
    probe("chaosk8s.pod.probes", "pods_in_phase", PodsInPhase, "Checks that all Pods are in a phase")
        .takes(&[
            required("label_selector", Text),
            text("phase", "Running"),
            NS,
            flag("raise_on_invalid_phase", true),
        ])
        .returns(Boolean)
        .needs(&["list pods"]),
    probe("chaosk8s.pod.probes", "pods_not_in_phase", PodsNotInPhase, "Checks that no Pod is in a phase")
        .takes(&[
            required("label_selector", Text),
            text("phase", "Running"),
            NS,
            flag("raise_on_in_phase", true),
        ])
        .returns(Boolean)
        .needs(&["list pods"]),
    probe("chaosk8s.pod.probes", "read_pod_logs", ReadPodLogs, "Reads the logs of Pods")
        .takes(&[
            optional("name", Text),
            optional("last", Text),
            NS,
            flag("from_previous", false),
            text("label_selector", "name in ({name})"),
            optional("container_name", Text),
        ])
        .returns(Mapping)
        .needs(&["list pods", "get pods/log"]),
    probe(
        "chaosk8s.pod.probes",
        "should_be_found_in_logs",
        ShouldBeFoundInLogs,
        "Checks that logs match a pattern (as a tolerance)",
    )
    .takes(&[required("pattern", Text), flag("all_containers", true), optional("value", Mapping)])
    .returns(Boolean),
    probe(
        "chaosk8s.pod.probes",
        "all_pods_healthy",
        AllPodsHealthy,
        "Checks that all Pods of a namespace run or succeeded",
    )
    .takes(&[NS, flag("raise_on_any_unhealthy", true)])
    .returns(Boolean)
    .needs(&["list pods"]),
];
