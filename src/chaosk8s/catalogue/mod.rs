//! Every function that an experiment can call: name, arguments, permissions.
//!
//! Names, arguments and defaults are those of the package `chaosk8s` of the Chaos Toolkit. Tables are written
//! by hand and held to a copy of that package's list by a test.

mod chaos_mesh;
mod custom;
mod deprecated;
mod nodes;
mod pods;
mod resources;
mod suggestions;
mod workloads;

use crate::value::Value;

/// Function that an experiment can call.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub module: &'static str,
    pub name: &'static str,
    /// Whether it changes the cluster.
    pub is_action: bool,
    /// Description in one sentence.
    pub about: &'static str,
    /// The arguments, in order, without secrets.
    pub arguments: &'static [Argument],
    /// The type of the output.
    pub returns: Option<FunctionKind>,
    /// The permissions: `verb resource[.group]`, followed by ` *` if cluster-scoped.
    pub needs: &'static [&'static str],
    /// The function that replaces it.
    pub deprecated_for: Option<&'static str>,
    /// Whether lists show it: some exist only for old experiments.
    pub listed: bool,
    pub(in crate::chaosk8s) id: FunctionId,
}

/// Argument of a function.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    pub name: &'static str,
    pub kind: FunctionKind,
    pub default: ArgumentDefault,
}

/// Default of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentDefault {
    Required,
    Null,
    Flag(bool),
    Number(i64),
    Text(&'static str),
}

impl ArgumentDefault {
    /// Returns the default value; `None` for a required argument.
    pub fn value(self) -> Option<Value> {
        match self {
            Self::Required => None,
            Self::Null => Some(Value::Null),
            Self::Flag(flag) => Some(flag.into()),
            Self::Number(number) => Some(Value::Int(number.into())),
            Self::Text(text) => Some(text.into()),
        }
    }
}

/// Type of an argument or of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    Text,
    Integer,
    /// An integer, or text that Python's `int()` accepts.
    IntegerLike,
    Boolean,
    Mapping,
    List,
    /// Text with items separated by commas or spaces, or a list.
    TextOrList,
    /// Text with `key=value` pairs separated by commas, or a mapping.
    TextOrMapping,
    Object,
}

impl FunctionKind {
    /// Whether a value has this type. Null means "not given".
    pub fn holds(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Self::Object, _)
                | (Self::Text | Self::TextOrList | Self::TextOrMapping | Self::IntegerLike, Value::Text(_))
                | (Self::Boolean, Value::Bool(_))
                | (Self::Integer | Self::IntegerLike, Value::Int(_))
                | (Self::Mapping | Self::TextOrMapping, Value::Map(_))
                | (Self::List | Self::TextOrList, Value::List(_))
        )
    }

    /// Returns the type for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer | Self::IntegerLike => "an integer",
            Self::Boolean => "a boolean",
            Self::Mapping => "a mapping",
            Self::List => "a list",
            Self::TextOrList => "a string or a list",
            Self::TextOrMapping => "a string or a mapping",
            Self::Object => "anything",
        }
    }

    /// Returns the type for `discover`, as the Chaos Toolkit names it.
    pub fn portable(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer | Self::IntegerLike => "integer",
            Self::Boolean => "boolean",
            Self::Mapping => "mapping",
            Self::List => "list",
            Self::TextOrList | Self::TextOrMapping | Self::Object => "object",
        }
    }
}

impl Function {
    const fn new(
        module: &'static str,
        name: &'static str,
        is_action: bool,
        id: FunctionId,
        about: &'static str,
    ) -> Self {
        Self {
            module,
            name,
            is_action,
            about,
            arguments: &[],
            returns: None,
            needs: &[],
            deprecated_for: None,
            listed: true,
            id,
        }
    }

    const fn takes(self, arguments: &'static [Argument]) -> Self {
        Self { arguments, ..self }
    }

    const fn returns(self, kind: FunctionKind) -> Self {
        Self { returns: Some(kind), ..self }
    }

    const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    const fn deprecated_for(self, other: &'static str) -> Self {
        Self { deprecated_for: Some(other), ..self }
    }

    const fn unlisted(self) -> Self {
        Self { listed: false, ..self }
    }
}

const fn action(module: &'static str, name: &'static str, id: FunctionId, about: &'static str) -> Function {
    Function::new(module, name, true, id, about)
}

const fn probe(module: &'static str, name: &'static str, id: FunctionId, about: &'static str) -> Function {
    Function::new(module, name, false, id, about)
}

const fn required(name: &'static str, kind: FunctionKind) -> Argument {
    Argument { name, kind, default: ArgumentDefault::Required }
}

const fn optional(name: &'static str, kind: FunctionKind) -> Argument {
    Argument { name, kind, default: ArgumentDefault::Null }
}

const fn flag(name: &'static str, default: bool) -> Argument {
    Argument { name, kind: FunctionKind::Boolean, default: ArgumentDefault::Flag(default) }
}

const fn number(name: &'static str, default: i64) -> Argument {
    Argument { name, kind: FunctionKind::Integer, default: ArgumentDefault::Number(default) }
}

/// A number that Python's `int()` reads, or that is passed on as it is.
const fn number_like(name: &'static str, default: i64) -> Argument {
    Argument { name, kind: FunctionKind::IntegerLike, default: ArgumentDefault::Number(default) }
}

const fn text(name: &'static str, default: &'static str) -> Argument {
    Argument { name, kind: FunctionKind::Text, default: ArgumentDefault::Text(default) }
}

/// The namespace; by default that of the run.
const NS: Argument = text("ns", "default");
const LABELS: Argument = optional("label_selector", FunctionKind::Text);

/// Aliases: module, function, and the module that defines it.
const ALIASES: &[(&str, &str, &str)] = &[
    ("chaosk8s.probes", "secret_exists", "chaosk8s.secret.probes"),
    ("chaosk8s.actions", "create_deployment", "chaosk8s.deployment.actions"),
    ("chaosk8s.actions", "delete_deployment", "chaosk8s.deployment.actions"),
    ("chaosk8s.actions", "delete_pods", "chaosk8s.pod.actions"),
    ("chaosk8s.actions", "delete_replica_set", "chaosk8s.replicaset.actions"),
    ("chaosk8s.actions", "delete_service", "chaosk8s.service.actions"),
    ("chaosk8s.actions", "scale_deployment", "chaosk8s.deployment.actions"),
    ("chaosk8s.chaosmesh.network.actions", "create_custom_object", "chaosk8s.crd.actions"),
    ("chaosk8s.chaosmesh.network.actions", "delete_custom_object", "chaosk8s.crd.actions"),
    ("chaosk8s.chaosmesh.network.probes", "get_custom_object", "chaosk8s.crd.probes"),
    ("chaosk8s.chaosmesh.network.probes", "list_custom_objects", "chaosk8s.crd.probes"),
    ("chaosk8s.chaosmesh.stress.actions", "create_custom_object", "chaosk8s.crd.actions"),
    ("chaosk8s.chaosmesh.stress.actions", "delete_custom_object", "chaosk8s.crd.actions"),
    ("chaosk8s.chaosmesh.stress.probes", "get_custom_object", "chaosk8s.crd.probes"),
    ("chaosk8s.chaosmesh.stress.probes", "list_custom_objects", "chaosk8s.crd.probes"),
    ("chaosk8s.deployment.probes", "read_pod_logs", "chaosk8s.pod.probes"),
    ("chaosk8s.probes", "all_pods_healthy", "chaosk8s.pod.probes"),
    ("chaosk8s.probes", "deployment_available_and_healthy", "chaosk8s.deployment.probes"),
    ("chaosk8s.probes", "deployment_fully_available", "chaosk8s.deployment.probes"),
    ("chaosk8s.probes", "deployment_not_fully_available", "chaosk8s.deployment.probes"),
    ("chaosk8s.probes", "pod_is_not_available", "chaosk8s.pod.probes"),
    ("chaosk8s.probes", "read_pod_logs", "chaosk8s.pod.probes"),
    ("chaosk8s.probes", "service_is_initialized", "chaosk8s.service.probes"),
    ("chaosk8s.service.probes", "pod_is_not_available", "chaosk8s.pod.probes"),
    ("chaosk8s.service.probes", "read_pod_logs", "chaosk8s.pod.probes"),
];

/// Implementation of functions; several names can share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaosk8s) enum FunctionId {
    AddLatency,
    AllNodesMustBeReadyToSchedule,
    AllPodsHealthy,
    AllowDnsAccess,
    ApplyFromJson,
    ApplyFromYaml,
    CordonNode,
    CorruptPackets,
    CountMinPods,
    CountPods,
    CreateClusterCustomObject,
    CreateCustomObject,
    CreateDaemonSet,
    CreateDeployment,
    CreateIngress,
    CreateNamespace,
    CreateNetworkPolicy,
    CreateNode,
    CreateSecret,
    CreateServiceEndpoint,
    CreateStatefulset,
    DaemonSetAvailableAndHealthy,
    DaemonSetFullyAvailable,
    DaemonSetNotFullyAvailable,
    DaemonSetPartiallyAvailable,
    DeleteClusterCustomObject,
    DeleteCustomObject,
    DeleteDaemonSet,
    DeleteDeployment,
    DeleteIngress,
    DeleteNamespace,
    DeleteNetworkFault,
    DeleteNodes,
    DeletePods,
    DeleteReplicaSet,
    DeleteSecret,
    DeleteService,
    DeleteStressor,
    DenyAllEgress,
    DenyAllIngress,
    DeploymentAvailableAndHealthy,
    DeploymentFullyAvailable,
    DeploymentNotFullyAvailable,
    DeploymentPartiallyAvailable,
    DrainNodes,
    DuplicatePackets,
    ExecInPods,
    GetAllNodeStatusConditions,
    GetClusterCustomObject,
    GetCustomObject,
    GetEvents,
    GetNetworkFault,
    GetNetworkFaults,
    GetNodes,
    GetStressor,
    GetStressors,
    IngressExists,
    KillMicroservice,
    ListClusterCustomObjects,
    ListCustomObjects,
    NamespaceExists,
    NodesMustBeHealthy,
    PatchClusterCustomObject,
    PatchCustomObject,
    PodIsNotAvailable,
    PodsInConditions,
    PodsInPhase,
    PodsNotInPhase,
    ReadPodLogs,
    RemoveAllowDnsAccess,
    RemoveDenyAllEgress,
    RemoveDenyAllIngress,
    RemoveNetworkPolicy,
    RemoveStatefulset,
    ReorderPackets,
    ReplaceClusterCustomObject,
    ReplaceCustomObject,
    RolloutDeployment,
    ScaleDeployment,
    ScaleStatefulset,
    SecretExists,
    ServiceIsInitialized,
    SetBandwidth,
    SetLoss,
    ShouldBeFoundInLogs,
    StatefulsetFullyAvailable,
    StatefulsetNotFullyAvailable,
    StressCpu,
    StressMemory,
    TerminatePods,
    UncordonNode,
    UpdateDaemonSet,
    UpdateIngress,
    VerifyNodesCondition,
}

/// Error of the lookup of a function, with a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No module of that name is built in.
    Module { suggestion: String },
    /// The module has no such function.
    Function { suggestion: Option<String> },
}

const TABLES: [&[Function]; 7] = [
    deprecated::FUNCTIONS,
    pods::FUNCTIONS,
    workloads::FUNCTIONS,
    nodes::FUNCTIONS,
    resources::FUNCTIONS,
    custom::FUNCTIONS,
    chaos_mesh::FUNCTIONS,
];

/// Iterates over every function under every name, aliases last.
pub fn functions() -> impl Iterator<Item = Function> {
    let all = || TABLES.into_iter().flatten().copied();
    let aliases = ALIASES.iter().filter_map(move |(module, name, home)| {
        let function = all().find(|function| function.module == *home && function.name == *name)?;
        Some(Function {
            module,
            listed: *module == "chaosk8s.probes" && *name == "secret_exists",
            ..function
        })
    });
    all().chain(aliases)
}

/// Looks up a function.
pub fn lookup(module: &str, name: &str) -> Result<Function, LookupError> {
    match functions().find(|function| function.module == module && function.name == name) {
        Some(found) => Ok(found),
        None => Err(suggestions::explain(module, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    /// The package's own list: names, kinds, arguments, defaults.
    fn original() -> Vec<Json> {
        let text = include_str!("../../../tests/data/chaosk8s-functions.json");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_function_of_the_package_is_there_with_its_arguments() {
        let originals = original();
        assert_eq!(originals.len(), functions().count());
        for original in &originals {
            let name = format!("{}.{}", original["module"], original["func"]);
            let text = |key: &str| original[key].as_str().unwrap();
            let function = lookup(text("module"), text("func")).unwrap_or_else(|_| panic!("{name}"));
            assert_eq!(function.is_action, original["kind"] == "action", "{name}");
            let expected_arguments = original["args"].as_array().unwrap();
            // under another name it may have been called before it took as much as it does
            let alias =
                ALIASES.iter().any(|(module, name, _)| text("module") == *module && text("func") == *name);
            assert!(alias || expected_arguments.len() == function.arguments.len(), "{name}");
            for expected_argument in expected_arguments {
                let argument =
                    function.arguments.iter().find(|known| expected_argument["name"] == known.name);
                let argument = argument.unwrap_or_else(|| panic!("{name} {expected_argument}"));
                let default = argument.default.value().map(|value| serde_json::to_value(&value).unwrap());
                let expected = if expected_argument["required"] == true {
                    None
                } else {
                    Some(expected_argument["default"].clone())
                };
                assert_eq!(default, expected, "{name} {}", argument.name);
            }
        }
    }

    #[test]
    fn argument_kinds_accept_values_of_their_type() {
        let accepts = |kind: FunctionKind, value: Json| kind.holds(&value.into());
        assert!(
            accepts(FunctionKind::Text, json!("x"))
                && accepts(FunctionKind::Text, Json::Null)
                && !accepts(FunctionKind::Text, json!(1))
        );
        assert!(
            accepts(FunctionKind::TextOrList, json!(["x"])) && !accepts(FunctionKind::TextOrList, json!({}))
        );
        assert!(accepts(FunctionKind::Integer, json!(1)) && !accepts(FunctionKind::Integer, json!("1")));
    }
}
