//! Nodes.

use super::FunctionId::{
    AllNodesMustBeReadyToSchedule, CordonNode, CreateNode, DeleteNodes, DrainNodes,
    GetAllNodeStatusConditions, GetNodes, NodesMustBeHealthy, UncordonNode, VerifyNodesCondition,
};
use super::FunctionKind::{Boolean, Integer, IntegerLike, List, Mapping, Text};
use super::{Function, LABELS, action, flag, number, optional, probe, text};

pub(super) const FUNCTIONS: &[Function] = &[
    action("chaosk8s.node.actions", "cordon_node", CordonNode, "Cordons Nodes")
        .takes(&[optional("name", Text), LABELS])
        .returns(List)
        .needs(&["list nodes *", "patch nodes *"]),
    action("chaosk8s.node.actions", "create_node", CreateNode, "Creates a Node")
        .takes(&[optional("meta", Mapping), optional("spec", Mapping)])
        .returns(Mapping)
        .needs(&["create nodes *"]),
    action("chaosk8s.node.actions", "delete_nodes", DeleteNodes, "Deletes Nodes")
        .takes(&[
            LABELS,
            flag("all", false),
            flag("rand", false),
            optional("count", Integer),
            optional("grace_period_seconds", IntegerLike),
            optional("pod_label_selector", Text),
            optional("pod_namespace", Text),
        ])
        .returns(List)
        .needs(&["list nodes *", "list pods", "delete nodes *"]),
    action(
        "chaosk8s.node.actions",
        "drain_nodes",
        DrainNodes,
        "Drains nodes: cordons them and evicts their Pods",
    )
    .takes(&[
        optional("name", Text),
        LABELS,
        flag("delete_pods_with_local_storage", false),
        number("timeout", 120),
        optional("count", Integer),
        optional("pod_label_selector", Text),
        optional("pod_namespace", Text),
    ])
    .returns(List)
    .needs(&[
        "list nodes *",
        "list pods",
        "patch nodes *",
        "list pods *",
        "create pods/eviction",
        "get pods",
    ]),
    action("chaosk8s.node.actions", "uncordon_node", UncordonNode, "Uncordons Nodes")
        .takes(&[optional("name", Text), LABELS])
        .returns(List)
        .needs(&["list nodes *", "patch nodes *"]),
    probe(
        "chaosk8s.node.probes",
        "all_nodes_must_be_ready_to_schedule",
        AllNodesMustBeReadyToSchedule,
        "Checks that all Nodes are ready",
    )
    .takes(&[LABELS])
    .returns(Boolean)
    .needs(&["list nodes *"]),
    probe(
        "chaosk8s.node.probes",
        "get_all_node_status_conditions",
        GetAllNodeStatusConditions,
        "Lists the conditions of Nodes",
    )
    .takes(&[LABELS])
    .returns(List)
    .needs(&["list nodes *"]),
    probe("chaosk8s.node.probes", "get_nodes", GetNodes, "Lists Nodes")
        .takes(&[LABELS])
        .needs(&["list nodes *"]),
    probe(
        "chaosk8s.node.probes",
        "nodes_must_be_healthy",
        NodesMustBeHealthy,
        "Checks that no Node has a failing condition",
    )
    .takes(&[LABELS])
    .returns(Boolean)
    .needs(&["list nodes *"]),
    probe(
        "chaosk8s.node.probes",
        "verify_nodes_condition",
        VerifyNodesCondition,
        "Checks that all Nodes have a condition",
    )
    .takes(&[text("condition_type", "PIDPressure"), text("condition_value", "False"), LABELS])
    .returns(Boolean)
    .needs(&["list nodes *"]),
];
