//! Check of what an experiment reaches outside the namespace of its run. Pure.
//!
//! Activities are resolved as far as possible before the run. A target that cannot be determined is a violation.

use std::collections::BTreeSet;
use std::fmt;

use url::Url;

use crate::chaosk8s::catalogue::{Function, lookup};
use crate::chaosk8s::{Arguments, to_json};
use crate::experiment::resolve::{HttpCall, PythonCall, ResolvedActivity, resolve};
use crate::experiment::{Activity, ControlDeclaration, Experiment, Tolerance};
use crate::k8s::service::{ServiceAlias, named};
use crate::substitution::Scope;
use crate::value::{Map, Value};

/// Activity or manifest that reaches outside the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationViolation {
    /// Name of the activity in quotes, or position of the manifest.
    pub subject: String,
    pub scope: ReachedScope,
}

/// Target outside the namespace of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReachedScope {
    Namespace(String),
    /// Cluster-scoped objects, or all namespaces.
    Cluster,
    /// Another cluster or user, by credentials among the secrets of the activity.
    Credentials,
    /// Host that is not a Service of the cluster.
    Host(String),
    /// Process, whose effects are unknown.
    Process,
    /// Target that is unknown before the run, with the reason.
    Unknown(String),
}

impl ReachedScope {
    /// Returns the value of `--allow-outside` that permits it.
    pub fn flag_value(&self) -> &str {
        match self {
            Self::Namespace(name) | Self::Host(name) => name,
            Self::Cluster => "cluster",
            Self::Credentials => "credentials",
            Self::Process => "process",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for IsolationViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match &self.scope {
            ReachedScope::Namespace(name) => write!(f, "{subject} reaches namespace {name}"),
            ReachedScope::Cluster => write!(f, "{subject} reaches the whole cluster"),
            ReachedScope::Credentials => write!(f, "{subject} uses its own cluster credentials"),
            ReachedScope::Host(host) => {
                write!(f, "{subject} reaches {host}, which is not a Service of the trial")
            }
            ReachedScope::Process => write!(f, "{subject} starts a process, whose effects are unknown"),
            ReachedScope::Unknown(reason) => write!(f, "{subject}: target cannot be determined ({reason})"),
        }
    }
}

impl IsolationViolation {
    /// Returns what the user can do.
    pub fn hint(&self) -> String {
        let allow = format!("--allow-outside {}", self.scope.flag_value());
        match &self.scope {
            ReachedScope::Namespace(_) => {
                format!("omit the namespace, read it from KUBECTL_CHAOS_NAMESPACE, or pass {allow}")
            }
            ReachedScope::Host(host) => {
                format!("use NAME.svc, --connect-to {host}=NAME.svc, or pass {allow}")
            }
            _ => format!("pass {allow} to permit it"),
        }
    }
}

/// Values of `--allow-outside`.
#[derive(Clone, Debug, Default)]
pub struct AllowedScopes(BTreeSet<String>);

impl AllowedScopes {
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        Self(values.into_iter().collect())
    }

    pub fn allows(&self, scope: &ReachedScope) -> bool {
        self.0.contains(scope.flag_value())
    }
}

/// Context of the check.
pub struct IsolationContext<'a> {
    /// Namespace of the run.
    pub namespace: &'a str,
    /// Hosts that `--connect-to` routes to Services.
    pub aliases: &'a [ServiceAlias],
    /// Known values of placeholders.
    pub scope: &'a Scope,
    /// Secrets as declared and replaced by variables, by group; their values are unresolved.
    pub secrets: &'a Map,
    /// Controls that the experiment does not declare itself.
    pub controls: &'a [ControlDeclaration],
}

/// Finds everything that an experiment reaches outside the namespace; each violation once.
pub fn find_violations(experiment: &Experiment, context: &IsolationContext<'_>) -> Vec<IsolationViolation> {
    let mut violations: Vec<IsolationViolation> = Vec::new();
    for activity in list_activities(experiment, context.controls) {
        for scope in reached_scopes(&activity, context) {
            let violation = IsolationViolation { subject: format!("'{}'", activity.name), scope };
            if !violations.contains(&violation) {
                violations.push(violation);
            }
        }
    }
    violations
}

/// Lists every activity that a run can execute: steps, probes as tolerances, dynamic configuration, safeguards.
pub fn list_activities(experiment: &Experiment, controls: &[ControlDeclaration]) -> Vec<Activity> {
    let mut activities = Vec::new();
    let probes = experiment.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
    for step in probes.chain(&experiment.method).chain(&experiment.rollbacks) {
        if let Ok(activity) = &step.activity {
            activities.push((**activity).clone());
        }
        if let Tolerance::Probe(Ok(probe)) = &step.tolerance {
            activities.push((**probe).clone());
        }
    }
    let parse = |values: &mut dyn Iterator<Item = (String, &Value)>| -> Vec<Activity> {
        values.filter_map(|(path, value)| Activity::from_value(value, &path, &[]).ok()).collect()
    };
    let dynamic =
        experiment.configuration.iter().map(|(name, entry)| (format!("/configuration/{name}"), entry));
    activities.extend(parse(&mut dynamic.into_iter()));
    let hypothesis = experiment.hypothesis.iter().flat_map(|hypothesis| &hypothesis.controls);
    let nested = activities.iter().flat_map(|activity| activity.controls.clone()).collect::<Vec<_>>();
    for control in experiment.controls.iter().chain(hypothesis).chain(controls).chain(&nested) {
        let probes = control.arguments.get("probes").and_then(Value::as_list).unwrap_or_default();
        let safeguards = parse(&mut probes.iter().map(|probe| (control.at.clone(), probe)));
        activities.extend(safeguards);
    }
    activities
}

fn reached_scopes(activity: &Activity, context: &IsolationContext<'_>) -> Vec<ReachedScope> {
    match resolve(activity, context.scope) {
        Err(error) => vec![ReachedScope::Unknown(error.to_string())],
        Ok(ResolvedActivity::Process(_)) => vec![ReachedScope::Process],
        Ok(ResolvedActivity::Http(call)) => request_scope(&call, context).into_iter().collect(),
        Ok(ResolvedActivity::Python(call)) => {
            let mut scopes = Vec::new();
            if uses_own_credentials(activity, context.secrets) {
                scopes.push(ReachedScope::Credentials);
            }
            scopes.extend(function_scopes(&call, context.namespace));
            scopes
        }
    }
}

/// Whether a function gets a secret that selects a cluster or a user.
///
/// The client reads the keys `KUBERNETES_*` of the Chaos Toolkit from the secrets of the activity before it reads the
/// environment. Whether a flag takes precedence depends on the machine, so every such key counts.
fn uses_own_credentials(activity: &Activity, secrets: &Map) -> bool {
    if activity.has_secrets_argument() {
        return true;
    }
    let groups = activity.arguments.get("secrets").and_then(Value::as_list).unwrap_or_default();
    groups.iter().filter_map(|group| secrets.get(group.as_text()?)?.as_map()).any(|group| {
        let is_from_vault = group.get("type").and_then(Value::as_text) == Some("vault");
        is_from_vault || group.keys().any(|key| key.starts_with("KUBERNETES_"))
    })
}

fn request_scope(call: &HttpCall, context: &IsolationContext<'_>) -> Option<ReachedScope> {
    let incomplete = || ReachedScope::Unknown("incomplete URL".to_owned());
    let Ok(url) = Url::parse(call.url.trim()) else { return Some(incomplete()) };
    let host = url.host_str().unwrap_or_default().to_owned();
    if has_placeholder(&host) || has_placeholder(url.as_str()) && host.is_empty() {
        return Some(incomplete());
    }
    match named(&url, context.aliases) {
        Some(service) => {
            service.namespace.filter(|name| name != context.namespace).map(ReachedScope::Namespace)
        }
        None => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(ReachedScope::Host(host + &port))
        }
    }
}

/// Whether a text contains unresolved placeholders.
fn has_placeholder(text: &str) -> bool {
    text.contains("${") || text.contains("%7B") || text.contains("$%7b")
}

fn function_scopes(call: &PythonCall, namespace: &str) -> Vec<ReachedScope> {
    let Ok(function) = lookup(&call.module, &call.function) else {
        let reason = format!("function {}.{} is not built in", call.module, call.function);
        return vec![ReachedScope::Unknown(reason)];
    };
    if function.needs.is_empty() {
        // a tolerance function reads only its arguments
        return Vec::new();
    }
    let scope = |name: &str| match name {
        name if name == namespace => None,
        "" | "*" => Some(ReachedScope::Cluster),
        name if has_placeholder(name) => Some(ReachedScope::Unknown("unknown namespace".to_owned())),
        name => Some(ReachedScope::Namespace(name.to_owned())),
    };
    let names = argument_namespaces(&function, &call.arguments, namespace);
    let mut scopes: Vec<ReachedScope> = names.iter().filter_map(|name| scope(name)).collect();
    scopes.dedup();
    scopes
}

/// Returns the namespaces in the arguments of a function; an empty text is the whole cluster.
fn argument_namespaces(function: &Function, given: &Map, namespace: &str) -> Vec<String> {
    const WHOLE_CLUSTER: &str = "";
    let takes = |name: &str| function.arguments.iter().any(|argument| argument.name == name);
    let mut names = Vec::new();
    let bound = Arguments::bind(function, given, namespace).ok().and_then(|bound| bound.text("ns"));
    match (takes("ns"), bound) {
        (true, Some(bound)) => names.push(bound),
        _ => names.push(WHOLE_CLUSTER.to_owned()),
    }
    for name in ["namespaces_selectors", "target_namespaces_selectors", "pod_namespace"] {
        match given.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::List(items)) => {
                names.extend(items.iter().map(|item| item.python_text().into_owned()));
            }
            Some(other) => {
                names.extend(other.python_text().split(',').map(|name| name.trim().to_owned()));
            }
        }
    }
    // objects that carry their own namespace
    for name in ["resource", "spec"] {
        let body = match given.get(name) {
            Some(Value::Text(text)) => serde_yaml::from_str(text).unwrap_or_default(),
            Some(value) => to_json(value),
            None => continue,
        };
        if let Some(namespace) = body["metadata"]["namespace"].as_str() {
            names.push(namespace.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::json;

    fn scopes_of(probe: &str, extra: &str) -> Vec<ReachedScope> {
        let text = format!(
            r#"{{"title": "t", "description": "d", {extra} "method": [{{"type": "probe", "name": "p", "provider": {probe}}}]}}"#
        );
        let experiment = Experiment::read(&json::read(&text, "f").unwrap()).unwrap();
        let configuration =
            [("ns".to_owned(), Value::from("arm")), ("other".to_owned(), Value::from("shop"))]
                .into_iter()
                .collect();
        let scope = Scope::new(configuration, Map::new());
        let aliases = ["localhost:8080=web.svc".parse().unwrap()];
        let context = IsolationContext {
            namespace: "arm",
            aliases: &aliases,
            scope: &scope,
            secrets: &experiment.secrets,
            controls: &[],
        };
        find_violations(&experiment, &context).into_iter().map(|one| one.scope).collect()
    }

    #[test]
    fn request_scope_depends_on_the_host() {
        let check = |url: &str, expected: &[ReachedScope]| {
            assert_eq!(scopes_of(&format!(r#"{{"type": "http", "url": "{url}"}}"#), ""), expected, "{url}");
        };
        check("http://web.svc/", &[]);
        check("http://web.arm.svc:8080/", &[]);
        check("http://web.${ns}.svc.cluster.local/", &[]);
        check("http://localhost:8080/", &[]);
        check("http://web.shop.svc/", &[ReachedScope::Namespace("shop".into())]);
        check("http://web.${other}.svc/", &[ReachedScope::Namespace("shop".into())]);
        check("http://localhost:8081/", &[ReachedScope::Host("localhost:8081".into())]);
        check("https://example.com/web.arm.svc", &[ReachedScope::Host("example.com".into())]);
        let unknown = ReachedScope::Unknown("incomplete URL".into());
        check("http://${host}/", std::slice::from_ref(&unknown));
        check("${url}", &[unknown]);
    }

    #[test]
    fn function_scope_depends_on_its_arguments() {
        let check = |module: &str, name: &str, arguments: &str, expected: &[ReachedScope]| {
            let provider = format!(
                r#"{{"type": "python", "module": "chaosk8s.{module}", "func": "{name}", "arguments": {arguments}}}"#
            );
            assert_eq!(scopes_of(&provider, ""), expected, "{name} {arguments}");
        };
        let shop = || ReachedScope::Namespace("shop".into());
        check("pod.actions", "terminate_pods", r#"{"label_selector": "a=b"}"#, &[]);
        check("pod.actions", "terminate_pods", r#"{"ns": "arm"}"#, &[]);
        check("pod.actions", "terminate_pods", r#"{"ns": "${ns}"}"#, &[]);
        check("pod.actions", "terminate_pods", r#"{"ns": "shop"}"#, &[shop()]);
        check("pod.actions", "terminate_pods", r#"{"ns": null}"#, &[ReachedScope::Cluster]);
        check("node.actions", "drain_nodes", r#"{"name": "n"}"#, &[ReachedScope::Cluster]);
        check("namespace.actions", "delete_namespace", r#"{"name": "arm"}"#, &[ReachedScope::Cluster]);
        check("pod.probes", "should_be_found_in_logs", r#"{"pattern": "x"}"#, &[]);
        let object = r#"{"resource": "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}}", "ns": "arm",
            "group": "g", "version": "v", "plural": "p"}"#;
        check("crd.actions", "create_custom_object", object, &[shop()]);
        check(
            "pod.actions",
            "nonsense",
            "{}",
            &[ReachedScope::Unknown("function chaosk8s.pod.actions.nonsense is not built in".into())],
        );
    }

    #[test]
    fn processes_are_found_in_every_kind_of_activity() {
        assert_eq!(scopes_of(r#"{"type": "process", "path": "true"}"#, ""), [ReachedScope::Process]);
        let inside = r#"{"type": "http", "url": "http://web.svc/"}"#;
        let dynamic = r#""configuration": {"x": {"type": "probe", "name": "x", "provider":
            {"type": "process", "path": "true"}}},"#;
        assert_eq!(scopes_of(inside, dynamic), [ReachedScope::Process]);
        let guard = r#""controls": [{"name": "c", "provider": {"type": "python", "module": "chaosaddons.controls.safeguards",
            "arguments": {"probes": [{"type": "probe", "name": "g", "provider": {"type": "http", "url": "http://x/"}}]}}}],"#;
        assert_eq!(scopes_of(inside, guard), [ReachedScope::Host("x".into())]);
        let tolerance = r#""steady-state-hypothesis": {"title": "h", "probes": [{"type": "probe", "name": "q",
            "provider": {"type": "http", "url": "http://web.svc/"}, "tolerance": {"type": "probe", "name": "j",
            "provider": {"type": "process", "path": "true"}}}]},"#;
        assert_eq!(scopes_of(inside, tolerance), [ReachedScope::Process]);
    }

    #[test]
    fn allowed_scopes_match_by_flag_value() {
        let allowed = AllowedScopes::new(["shop", "process"].map(str::to_owned));
        assert!(
            allowed.allows(&ReachedScope::Namespace("shop".into())) && allowed.allows(&ReachedScope::Process)
        );
        assert!(
            !allowed.allows(&ReachedScope::Namespace("default".into()))
                && !allowed.allows(&ReachedScope::Cluster)
        );
        let violation = IsolationViolation { subject: "'p'".into(), scope: ReachedScope::Host("x:1".into()) };
        assert!(violation.hint().ends_with("--allow-outside x:1"), "{}", violation.hint());
    }

    #[test]
    fn cluster_credentials_in_arguments_are_a_violation() {
        let probe = r#"{"type": "python", "module": "chaosk8s.pod.probes", "func": "count_pods",
            "arguments": {"label_selector": "a=b", "secrets": {"KUBERNETES_CONTEXT": "other"}}}"#;
        assert_eq!(scopes_of(probe, ""), [ReachedScope::Credentials]);
    }

    #[test]
    fn cluster_credentials_in_secrets_are_a_violation() {
        let probe = r#"{"type": "python", "module": "chaosk8s.pod.probes", "func": "count_pods",
            "arguments": {"label_selector": "a=b"}, "secrets": ["k8s"]}"#;
        let check = |secrets: &str, expected: &[ReachedScope]| {
            assert_eq!(scopes_of(probe, &format!(r#""secrets": {secrets},"#)), expected, "{secrets}");
        };
        check(r#"{"k8s": {"KUBERNETES_HOST": "https://prod"}}"#, &[ReachedScope::Credentials]);
        let context = r#"{"k8s": {"KUBERNETES_CONTEXT": {"type": "env", "key": "WHICH"}}}"#;
        check(context, &[ReachedScope::Credentials]);
        check(r#"{"k8s": {"type": "vault", "path": "k8s"}}"#, &[ReachedScope::Credentials]);
        check(r#"{"k8s": {"token": "x"}}"#, &[]);
        check(r#"{"other": {"KUBERNETES_HOST": "https://prod"}}"#, &[]);
    }
}
