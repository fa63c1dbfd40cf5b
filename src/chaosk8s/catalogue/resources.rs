//! Events, namespaces, Services, Secrets, Ingresses and `NetworkPolicies`.

use super::FunctionId::{
    AllowDnsAccess, CreateIngress, CreateNamespace, CreateNetworkPolicy, CreateSecret, CreateServiceEndpoint,
    DeleteIngress, DeleteNamespace, DeleteSecret, DeleteService, DenyAllEgress, DenyAllIngress, GetEvents,
    IngressExists, NamespaceExists, RemoveAllowDnsAccess, RemoveDenyAllEgress, RemoveDenyAllIngress,
    RemoveNetworkPolicy, SecretExists, ServiceIsInitialized, UpdateIngress,
};
use super::FunctionKind::{Boolean, Mapping, Text};
use super::{Function, LABELS, NS, action, flag, number_like, optional, probe, required};

pub(super) const FUNCTIONS: &[Function] = &[
    probe("chaosk8s.event.probes", "get_events", GetEvents, "Lists events")
        .takes(&[LABELS, optional("field_selector", Text), number_like("limit", 100)])
        .returns(Mapping)
        .needs(&["list events.events.k8s.io *"]),
    action("chaosk8s.namespace.actions", "create_namespace", CreateNamespace, "Creates a namespace")
        .takes(&[optional("name", Text), optional("spec_path", Text)])
        .needs(&["create namespaces *"]),
    action("chaosk8s.namespace.actions", "delete_namespace", DeleteNamespace, "Deletes a namespace")
        .takes(&[required("name", Text)])
        .needs(&["delete namespaces *"]),
    probe("chaosk8s.namespace.probes", "namespace_exists", NamespaceExists, "Checks that a namespace exists")
        .takes(&[required("name", Text)])
        .returns(Boolean)
        .needs(&["list namespaces *"]),
    action(
        "chaosk8s.service.actions",
        "create_service_endpoint",
        CreateServiceEndpoint,
        "Creates a Service from a file",
    )
    .takes(&[required("spec_path", Text), NS])
    .needs(&["create services"]),
    action("chaosk8s.service.actions", "delete_service", DeleteService, "Deletes a Service")
        .takes(&[required("name", Text), NS])
        .needs(&["delete services"]),
    probe(
        "chaosk8s.service.probes",
        "service_is_initialized",
        ServiceIsInitialized,
        "Checks that a Service exists",
    )
    .takes(&[optional("name", Text), NS, LABELS, flag("raise_if_service_not_initialized", true)])
    .returns(Boolean)
    .needs(&["list services"]),
    action("chaosk8s.secret.actions", "create_secret", CreateSecret, "Creates a Secret from a file")
        .takes(&[required("spec_path", Text), NS])
        .needs(&["create secrets"]),
    action("chaosk8s.secret.actions", "delete_secret", DeleteSecret, "Deletes a Secret")
        .takes(&[required("name", Text), NS])
        .needs(&["delete secrets"]),
    probe("chaosk8s.secret.probes", "secret_exists", SecretExists, "Checks that a Secret exists")
        .takes(&[optional("name", Text), NS, LABELS])
        .returns(Boolean)
        .needs(&["list secrets"]),
    action("chaosk8s.networking.actions", "allow_dns_access", AllowDnsAccess, "Allows DNS egress of Pods")
        .takes(&[optional("label_selectors", Mapping), NS])
        .needs(&["create networkpolicies.networking.k8s.io"]),
    action("chaosk8s.networking.actions", "create_ingress", CreateIngress, "Creates an Ingress from a file")
        .takes(&[required("spec_path", Text), NS])
        .needs(&["create ingresses.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "create_network_policy",
        CreateNetworkPolicy,
        "Creates a NetworkPolicy",
    )
    .takes(&[optional("spec", Mapping), optional("spec_path", Text), NS])
    .needs(&["create networkpolicies.networking.k8s.io"]),
    action("chaosk8s.networking.actions", "delete_ingress", DeleteIngress, "Deletes an Ingress")
        .takes(&[required("name", Text), NS])
        .needs(&["delete ingresses.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "deny_all_egress",
        DenyAllEgress,
        "Denies all egress traffic of Pods",
    )
    .takes(&[optional("label_selectors", Mapping), NS])
    .needs(&["create networkpolicies.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "deny_all_ingress",
        DenyAllIngress,
        "Denies all ingress traffic of Pods",
    )
    .takes(&[optional("label_selectors", Mapping), NS])
    .needs(&["create networkpolicies.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "remove_allow_dns_access",
        RemoveAllowDnsAccess,
        "Removes the DNS egress policy",
    )
    .takes(&[NS])
    .needs(&["delete networkpolicies.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "remove_deny_all_egress",
        RemoveDenyAllEgress,
        "Removes the egress deny policy",
    )
    .takes(&[NS])
    .needs(&["delete networkpolicies.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "remove_deny_all_ingress",
        RemoveDenyAllIngress,
        "Removes the ingress deny policy",
    )
    .takes(&[NS])
    .needs(&["delete networkpolicies.networking.k8s.io"]),
    action(
        "chaosk8s.networking.actions",
        "remove_network_policy",
        RemoveNetworkPolicy,
        "Deletes a NetworkPolicy",
    )
    .takes(&[required("name", Text), NS])
    .needs(&["delete networkpolicies.networking.k8s.io"]),
    action("chaosk8s.networking.actions", "update_ingress", UpdateIngress, "Updates an Ingress")
        .takes(&[required("name", Text), required("spec", Mapping), NS])
        .needs(&["patch ingresses.networking.k8s.io"]),
    probe("chaosk8s.networking.probes", "ingress_exists", IngressExists, "Checks that an Ingress exists")
        .takes(&[required("name", Text), NS])
        .returns(Boolean)
        .needs(&["list ingresses.networking.k8s.io"]),
];
