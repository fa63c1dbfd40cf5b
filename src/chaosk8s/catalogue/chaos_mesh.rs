//! Chaos Mesh.

use super::FunctionId::{
    AddLatency, CorruptPackets, DeleteNetworkFault, DeleteStressor, DuplicatePackets, GetNetworkFault,
    GetNetworkFaults, GetStressor, GetStressors, ReorderPackets, SetBandwidth, SetLoss, StressCpu,
    StressMemory,
};
use super::FunctionKind::{Integer, IntegerLike, List, Mapping, Object, Text, TextOrList, TextOrMapping};
use super::{Function, NS, action, optional, probe, required, text};

pub(super) const FUNCTIONS: &[Function] = &[
    action("chaosk8s.chaosmesh.network.actions", "add_latency", AddLatency, "Delays packets (Chaos Mesh)")
        .takes(&[
            required("name", Text),
            NS,
            optional("namespaces_selectors", TextOrList),
            optional("label_selectors", TextOrMapping),
            optional("annotations_selectors", TextOrMapping),
            text("mode", "one"),
            optional("mode_value", Object),
            text("direction", "to"),
            optional("latency", Text),
            optional("correlation", Text),
            optional("jitter", Text),
            optional("external_targets", TextOrList),
            text("target_mode", "one"),
            optional("target_mode_value", Object),
            optional("target_namespaces_selectors", TextOrList),
            optional("target_label_selectors", TextOrMapping),
            optional("target_annotations_selectors", TextOrMapping),
        ])
        .returns(Mapping)
        .needs(&["create networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.network.actions",
        "corrupt_packets",
        CorruptPackets,
        "Corrupts packets (Chaos Mesh)",
    )
    .takes(&[
        required("name", Text),
        NS,
        optional("namespaces_selectors", TextOrList),
        optional("label_selectors", TextOrMapping),
        optional("annotations_selectors", TextOrMapping),
        text("mode", "one"),
        optional("mode_value", Object),
        text("direction", "to"),
        optional("corrupt", Text),
        optional("correlation", Text),
        optional("external_targets", TextOrList),
        text("target_mode", "one"),
        optional("target_mode_value", Object),
        optional("target_namespaces_selectors", TextOrList),
        optional("target_label_selectors", TextOrMapping),
        optional("target_annotations_selectors", TextOrMapping),
    ])
    .returns(Mapping)
    .needs(&["create networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.network.actions",
        "delete_network_fault",
        DeleteNetworkFault,
        "Deletes a network fault (Chaos Mesh)",
    )
    .takes(&[required("name", Text), NS])
    .returns(Mapping)
    .needs(&["delete networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.network.actions",
        "duplicate_packets",
        DuplicatePackets,
        "Duplicates packets (Chaos Mesh)",
    )
    .takes(&[
        required("name", Text),
        NS,
        optional("namespaces_selectors", TextOrList),
        optional("label_selectors", TextOrMapping),
        optional("annotations_selectors", TextOrMapping),
        text("mode", "one"),
        optional("mode_value", Object),
        text("direction", "to"),
        optional("duplicate", Text),
        optional("correlation", Text),
        optional("external_targets", TextOrList),
        text("target_mode", "one"),
        optional("target_mode_value", Object),
        optional("target_namespaces_selectors", TextOrList),
        optional("target_label_selectors", TextOrMapping),
        optional("target_annotations_selectors", TextOrMapping),
    ])
    .returns(Mapping)
    .needs(&["create networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.network.actions",
        "reorder_packets",
        ReorderPackets,
        "Reorders packets (Chaos Mesh)",
    )
    .takes(&[
        required("name", Text),
        NS,
        optional("namespaces_selectors", TextOrList),
        optional("label_selectors", TextOrMapping),
        optional("annotations_selectors", TextOrMapping),
        text("mode", "one"),
        optional("mode_value", Object),
        text("direction", "to"),
        optional("reorder", Text),
        optional("correlation", Text),
        optional("gap", IntegerLike),
        optional("external_targets", TextOrList),
        text("target_mode", "one"),
        optional("target_mode_value", Object),
        optional("target_namespaces_selectors", TextOrList),
        optional("target_label_selectors", TextOrMapping),
        optional("target_annotations_selectors", TextOrMapping),
    ])
    .returns(Mapping)
    .needs(&["create networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.network.actions",
        "set_bandwidth",
        SetBandwidth,
        "Limits bandwidth (Chaos Mesh)",
    )
    .takes(&[
        required("name", Text),
        required("rate", Text),
        required("limit", Integer),
        required("buffer", Integer),
        NS,
        optional("namespaces_selectors", TextOrList),
        optional("label_selectors", TextOrMapping),
        optional("annotations_selectors", TextOrMapping),
        text("mode", "one"),
        optional("mode_value", Object),
        text("direction", "to"),
        optional("peakrate", Integer),
        optional("minburst", Integer),
        optional("external_targets", TextOrList),
        text("target_mode", "one"),
        optional("target_mode_value", Object),
        optional("target_namespaces_selectors", TextOrList),
        optional("target_label_selectors", TextOrMapping),
        optional("target_annotations_selectors", TextOrMapping),
    ])
    .returns(Mapping)
    .needs(&["create networkchaos.chaos-mesh.org"]),
    action("chaosk8s.chaosmesh.network.actions", "set_loss", SetLoss, "Drops packets (Chaos Mesh)")
        .takes(&[
            required("name", Text),
            NS,
            optional("namespaces_selectors", TextOrList),
            optional("label_selectors", TextOrMapping),
            optional("annotations_selectors", TextOrMapping),
            text("mode", "one"),
            optional("mode_value", Object),
            text("direction", "to"),
            optional("loss", Text),
            optional("correlation", Text),
            optional("external_targets", TextOrList),
            text("target_mode", "one"),
            optional("target_mode_value", Object),
            optional("target_namespaces_selectors", TextOrList),
            optional("target_label_selectors", TextOrMapping),
            optional("target_annotations_selectors", TextOrMapping),
        ])
        .returns(Mapping)
        .needs(&["create networkchaos.chaos-mesh.org"]),
    probe(
        "chaosk8s.chaosmesh.network.probes",
        "get_network_fault",
        GetNetworkFault,
        "Reads a network fault (Chaos Mesh)",
    )
    .takes(&[required("name", Text), NS])
    .returns(Mapping)
    .needs(&["get networkchaos.chaos-mesh.org"]),
    probe(
        "chaosk8s.chaosmesh.network.probes",
        "get_network_faults",
        GetNetworkFaults,
        "Lists network faults (Chaos Mesh)",
    )
    .takes(&[NS])
    .returns(List)
    .needs(&["list networkchaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.stress.actions",
        "delete_stressor",
        DeleteStressor,
        "Deletes a stressor (Chaos Mesh)",
    )
    .takes(&[required("name", Text), NS])
    .returns(Mapping)
    .needs(&["delete stresschaos.chaos-mesh.org"]),
    action("chaosk8s.chaosmesh.stress.actions", "stress_cpu", StressCpu, "Stresses CPU (Chaos Mesh)")
        .takes(&[
            required("name", Text),
            required("workers", Integer),
            required("load", Integer),
            NS,
            optional("namespaces_selectors", TextOrList),
            optional("label_selectors", TextOrMapping),
            optional("annotations_selectors", TextOrMapping),
            text("mode", "one"),
            optional("mode_value", Object),
            text("direction", "to"),
            text("duration", "30s"),
            optional("container_names", TextOrList),
            optional("stressng_stressors", Text),
        ])
        .returns(Mapping)
        .needs(&["create stresschaos.chaos-mesh.org"]),
    action(
        "chaosk8s.chaosmesh.stress.actions",
        "stress_memory",
        StressMemory,
        "Stresses memory (Chaos Mesh)",
    )
    .takes(&[
        required("name", Text),
        optional("workers", Integer),
        optional("size", Text),
        optional("oom_score", Integer),
        optional("time_to_get_to_size", Text),
        NS,
        optional("namespaces_selectors", TextOrList),
        optional("label_selectors", TextOrMapping),
        optional("annotations_selectors", TextOrMapping),
        text("mode", "one"),
        optional("mode_value", Object),
        text("direction", "to"),
        text("duration", "30s"),
        optional("container_names", TextOrList),
        optional("stressng_stressors", Text),
    ])
    .returns(Mapping)
    .needs(&["create stresschaos.chaos-mesh.org"]),
    probe("chaosk8s.chaosmesh.stress.probes", "get_stressor", GetStressor, "Reads a stressor (Chaos Mesh)")
        .takes(&[required("name", Text), NS])
        .returns(Mapping)
        .needs(&["get stresschaos.chaos-mesh.org"]),
    probe("chaosk8s.chaosmesh.stress.probes", "get_stressors", GetStressors, "Lists stressors (Chaos Mesh)")
        .takes(&[NS])
        .returns(List)
        .needs(&["list stresschaos.chaos-mesh.org"]),
];
