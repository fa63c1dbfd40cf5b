//! Custom objects.

use super::FunctionId::{
    ApplyFromJson, ApplyFromYaml, CreateClusterCustomObject, CreateCustomObject, DeleteClusterCustomObject,
    DeleteCustomObject, GetClusterCustomObject, GetCustomObject, ListClusterCustomObjects, ListCustomObjects,
    PatchClusterCustomObject, PatchCustomObject, ReplaceClusterCustomObject, ReplaceCustomObject,
};
use super::FunctionKind::{List, Mapping, Object, Text};
use super::{Function, NS, action, flag, optional, probe, required};

pub(super) const FUNCTIONS: &[Function] = &[
    action("chaosk8s.crd.actions", "apply_from_json", ApplyFromJson, "Creates a custom object from JSON")
        .takes(&[optional("resource", Text)])
        .returns(Mapping)
        .needs(&["create *"]),
    action("chaosk8s.crd.actions", "apply_from_yaml", ApplyFromYaml, "Creates a custom object from YAML")
        .takes(&[optional("resource", Text)])
        .returns(Mapping)
        .needs(&["create *"]),
    action(
        "chaosk8s.crd.actions",
        "create_cluster_custom_object",
        CreateClusterCustomObject,
        "Creates a cluster-scoped custom object",
    )
    .takes(&[
        required("group", Text),
        required("version", Text),
        required("plural", Text),
        optional("resource", Object),
        optional("resource_as_yaml_file", Text),
    ])
    .returns(Mapping)
    .needs(&["create * *"]),
    action("chaosk8s.crd.actions", "create_custom_object", CreateCustomObject, "Creates a custom object")
        .takes(&[
            required("group", Text),
            required("version", Text),
            required("plural", Text),
            NS,
            optional("resource", Object),
            optional("resource_as_yaml_file", Text),
        ])
        .returns(Mapping)
        .needs(&["create *"]),
    action(
        "chaosk8s.crd.actions",
        "delete_cluster_custom_object",
        DeleteClusterCustomObject,
        "Deletes a cluster-scoped custom object",
    )
    .takes(&[
        required("group", Text),
        required("version", Text),
        required("plural", Text),
        required("name", Text),
    ])
    .returns(Mapping)
    .needs(&["delete * *"]),
    action("chaosk8s.crd.actions", "delete_custom_object", DeleteCustomObject, "Deletes a custom object")
        .takes(&[
            required("group", Text),
            required("version", Text),
            required("plural", Text),
            required("name", Text),
            NS,
        ])
        .returns(Mapping)
        .needs(&["delete *"]),
    action(
        "chaosk8s.crd.actions",
        "patch_cluster_custom_object",
        PatchClusterCustomObject,
        "Patches a cluster-scoped custom object",
    )
    .takes(&[
        required("group", Text),
        required("version", Text),
        required("plural", Text),
        required("name", Text),
        flag("force", false),
        optional("resource", Object),
        optional("resource_as_yaml_file", Text),
    ])
    .returns(Mapping)
    .needs(&["patch * *"]),
    action("chaosk8s.crd.actions", "patch_custom_object", PatchCustomObject, "Patches a custom object")
        .takes(&[
            required("group", Text),
            required("version", Text),
            required("plural", Text),
            required("name", Text),
            NS,
            flag("force", false),
            optional("resource", Object),
            optional("resource_as_yaml_file", Text),
        ])
        .returns(Mapping)
        .needs(&["patch *"]),
    action(
        "chaosk8s.crd.actions",
        "replace_cluster_custom_object",
        ReplaceClusterCustomObject,
        "Replaces a cluster-scoped custom object",
    )
    .takes(&[
        required("group", Text),
        required("version", Text),
        required("plural", Text),
        required("name", Text),
        flag("force", false),
        optional("resource", Object),
        optional("resource_as_yaml_file", Text),
    ])
    .returns(Mapping)
    .needs(&["update * *"]),
    action("chaosk8s.crd.actions", "replace_custom_object", ReplaceCustomObject, "Replaces a custom object")
        .takes(&[
            required("group", Text),
            required("version", Text),
            required("plural", Text),
            required("name", Text),
            NS,
            flag("force", false),
            optional("resource", Object),
            optional("resource_as_yaml_file", Text),
        ])
        .returns(Mapping)
        .needs(&["update *"]),
    probe(
        "chaosk8s.crd.probes",
        "get_cluster_custom_object",
        GetClusterCustomObject,
        "Reads a cluster-scoped custom object",
    )
    .takes(&[
        required("group", Text),
        required("version", Text),
        required("plural", Text),
        required("name", Text),
    ])
    .returns(Mapping)
    .needs(&["get * *"]),
    probe("chaosk8s.crd.probes", "get_custom_object", GetCustomObject, "Reads a custom object")
        .takes(&[
            required("group", Text),
            required("version", Text),
            required("plural", Text),
            required("name", Text),
            NS,
        ])
        .returns(Mapping)
        .needs(&["get *"]),
    probe(
        "chaosk8s.crd.probes",
        "list_cluster_custom_objects",
        ListClusterCustomObjects,
        "Lists cluster-scoped custom objects",
    )
    .takes(&[required("group", Text), required("version", Text), required("plural", Text)])
    .returns(List)
    .needs(&["list * *"]),
    probe("chaosk8s.crd.probes", "list_custom_objects", ListCustomObjects, "Lists custom objects")
        .takes(&[required("group", Text), required("version", Text), required("plural", Text), NS])
        .returns(List)
        .needs(&["list *"]),
];
