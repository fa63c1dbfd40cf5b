//! What an experiment would touch or measure outside the namespace of its run. Floor 2, pure.
//!
//! Every activity is resolved as far as that can be done before anything runs. What cannot be known beforehand
//! counts as outside.

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

/// What an activity would do outside, and what has to be allowed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationViolation {
    /// The name of the activity, or the place of a manifest.
    pub who: String,
    /// Where it would go.
    pub place: ReachedScope,
}

/// Somewhere outside the namespace of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReachedScope {
    /// Another namespace.
    Namespace(String),
    /// Things of the whole cluster, or all namespaces.
    Cluster,
    /// Another cluster, or another user, by keys of its own.
    Keys,
    /// A server that is no Service of the cluster.
    Host(String),
    /// A process, which may do anything.
    Process,
    /// That is not known before the run.
    Unknown(String),
}

impl ReachedScope {
    /// The word that allows it.
    pub fn word(&self) -> &str {
        match self {
            Self::Namespace(name) | Self::Host(name) => name,
            Self::Cluster => "cluster",
            Self::Keys => "keys",
            Self::Process => "process",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for IsolationViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = &self.who;
        match &self.place {
            ReachedScope::Namespace(name) => write!(
                f,
                "{who} goes to the namespace {name}: leave the namespace out, or take it from the environment \
                 variable KUBECTL_CHAOS_NAMESPACE"
            ),
            ReachedScope::Cluster => write!(f, "{who} goes to the whole cluster"),
            ReachedScope::Keys => write!(f, "{who} has keys of its own, for whatever cluster they mean"),
            ReachedScope::Host(host) => write!(
                f,
                "{who} asks {host}, which is no Service of the trial: ask NAME.svc, or --connect-to {host}=NAME.svc"
            ),
            ReachedScope::Process => write!(f, "{who} starts a process, which may do anything"),
            ReachedScope::Unknown(what) => write!(f, "{who}: {what}, so that it is not known where it goes"),
        }?;
        write!(f, "; --allow-outside {} allows it", self.place.word())
    }
}

/// What was allowed.
#[derive(Clone, Debug, Default)]
pub struct AllowedScopes(BTreeSet<String>);

impl AllowedScopes {
    /// These words: names of namespaces, hosts, and the words of [`Place::word`].
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self(words.into_iter().collect())
    }

    /// Whether something is allowed.
    pub fn allows(&self, place: &ReachedScope) -> bool {
        self.0.contains(place.word())
    }
}

/// Where the run is, and what else stands for one of its Services.
pub struct IsolationContext<'a> {
    /// The namespace of the run.
    pub namespace: &'a str,
    /// What `--connect-to` says.
    pub aliases: &'a [ServiceAlias],
    /// What the placeholders are filled from, as far as that is known.
    pub scope: &'a Scope,
    /// Controls that are not the experiment's own.
    pub controls: &'a [ControlDeclaration],
}

/// Everything that an experiment would do outside, each once.
pub fn outside(experiment: &Experiment, bounds: &IsolationContext<'_>) -> Vec<IsolationViolation> {
    let mut found: Vec<IsolationViolation> = Vec::new();
    for activity in activities(experiment, bounds.controls) {
        for place in places(&activity, bounds) {
            let one = IsolationViolation { who: format!("'{}'", activity.name), place };
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

/// Every activity that a run may carry out: steps, judges, probes of the configuration and of safeguards.
pub fn activities(experiment: &Experiment, controls: &[ControlDeclaration]) -> Vec<Activity> {
    let mut found = Vec::new();
    let probes = experiment.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
    for step in probes.chain(&experiment.method).chain(&experiment.rollbacks) {
        if let Ok(activity) = &step.activity {
            found.push((**activity).clone());
        }
        if let Tolerance::Probe(Ok(judge)) = &step.tolerance {
            found.push((**judge).clone());
        }
    }
    let of_values = |values: &mut dyn Iterator<Item = (String, &Value)>| -> Vec<Activity> {
        values.filter_map(|(at, value)| Activity::from_value(value, &at, &[]).ok()).collect()
    };
    let dynamic =
        experiment.configuration.iter().map(|(name, entry)| (format!("/configuration/{name}"), entry));
    found.extend(of_values(&mut dynamic.into_iter()));
    let hypothesis = experiment.hypothesis.iter().flat_map(|hypothesis| &hypothesis.controls);
    let own = found.iter().flat_map(|activity| activity.controls.clone()).collect::<Vec<_>>();
    for control in experiment.controls.iter().chain(hypothesis).chain(controls).chain(&own) {
        let probes = control.arguments.get("probes").and_then(Value::as_list).unwrap_or_default();
        let guards = of_values(&mut probes.iter().map(|probe| (control.at.clone(), probe)));
        found.extend(guards);
    }
    found
}

fn places(activity: &Activity, bounds: &IsolationContext<'_>) -> Vec<ReachedScope> {
    match resolve(activity, bounds.scope) {
        Err(error) => vec![ReachedScope::Unknown(error)],
        Ok(ResolvedActivity::Process(_)) => vec![ReachedScope::Process],
        Ok(ResolvedActivity::Http(call)) => of_request(&call, bounds).into_iter().collect(),
        Ok(ResolvedActivity::Python(call)) => of_function(&call, bounds.namespace),
    }
}

fn of_request(call: &HttpCall, bounds: &IsolationContext<'_>) -> Option<ReachedScope> {
    let Ok(url) = Url::parse(call.url.trim()) else {
        return Some(ReachedScope::Unknown("its address is not complete".to_owned()));
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    if is_open(&host) || is_open(url.as_str()) && host.is_empty() {
        return Some(ReachedScope::Unknown("its address is not complete".to_owned()));
    }
    match named(&url, bounds.aliases) {
        Some(wanted) => wanted.namespace.filter(|name| name != bounds.namespace).map(ReachedScope::Namespace),
        None => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(ReachedScope::Host(host + &port))
        }
    }
}

/// Whether a text still has placeholders in it.
fn is_open(text: &str) -> bool {
    text.contains("${") || text.contains("%7B") || text.contains("$%7b")
}

fn of_function(call: &PythonCall, namespace: &str) -> Vec<ReachedScope> {
    let mut found = Vec::new();
    if !call.secrets.is_empty() {
        found.push(ReachedScope::Keys);
    }
    let Ok(function) = lookup(&call.module, &call.function) else {
        found.push(ReachedScope::Unknown(format!("{}.{} is not built in", call.module, call.function)));
        return found;
    };
    if function.needs.is_empty() {
        // it judges what it is given
        return found;
    }
    let mut go_to = |name: &str| match name {
        name if name == namespace => {}
        "" | "*" => found.push(ReachedScope::Cluster),
        name if is_open(name) => found.push(ReachedScope::Unknown("its namespace is not known".to_owned())),
        name => found.push(ReachedScope::Namespace(name.to_owned())),
    };
    for name in namespaces(&function, &call.arguments, namespace) {
        go_to(&name);
    }
    found.dedup();
    found
}

/// The namespaces that the arguments of a function name; an empty text for the whole cluster.
fn namespaces(function: &Function, given: &Map, namespace: &str) -> Vec<String> {
    const NOWHERE: &str = "";
    let takes = |name: &str| function.arguments.iter().any(|argument| argument.name == name);
    let mut found = Vec::new();
    let own = Arguments::bind(function, given, namespace).ok().and_then(|bound| bound.text("ns"));
    match (takes("ns"), own) {
        (true, Some(own)) => found.push(own),
        _ => found.push(NOWHERE.to_owned()),
    }
    for name in ["namespaces_selectors", "target_namespaces_selectors", "pod_namespace"] {
        match given.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::List(items)) => {
                found.extend(items.iter().map(|item| item.python_text().into_owned()));
            }
            Some(other) => {
                found.extend(other.python_text().split(',').map(|name| name.trim().to_owned()));
            }
        }
    }
    // an object that is made where it says itself
    for name in ["resource", "spec"] {
        let body = match given.get(name) {
            Some(Value::Text(text)) => serde_yaml::from_str(text).unwrap_or_default(),
            Some(value) => to_json(value),
            None => continue,
        };
        if let Some(own) = body["metadata"]["namespace"].as_str() {
            found.push(own.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::json;

    fn found(probe: &str, extra: &str) -> Vec<ReachedScope> {
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
        let bounds = IsolationContext { namespace: "arm", aliases: &aliases, scope: &scope, controls: &[] };
        outside(&experiment, &bounds).into_iter().map(|one| one.place).collect()
    }

    #[test]
    fn requests() {
        let check = |url: &str, expected: &[ReachedScope]| {
            assert_eq!(found(&format!(r#"{{"type": "http", "url": "{url}"}}"#), ""), expected, "{url}");
        };
        check("http://web.svc/", &[]);
        check("http://web.arm.svc:8080/", &[]);
        check("http://web.${ns}.svc.cluster.local/", &[]);
        check("http://localhost:8080/", &[]);
        check("http://web.shop.svc/", &[ReachedScope::Namespace("shop".into())]);
        check("http://web.${other}.svc/", &[ReachedScope::Namespace("shop".into())]);
        check("http://localhost:8081/", &[ReachedScope::Host("localhost:8081".into())]);
        check("https://example.com/web.arm.svc", &[ReachedScope::Host("example.com".into())]);
        let unknown = ReachedScope::Unknown("its address is not complete".into());
        check("http://${host}/", std::slice::from_ref(&unknown));
        check("${url}", &[unknown]);
    }

    #[test]
    fn functions() {
        let check = |module: &str, name: &str, arguments: &str, expected: &[ReachedScope]| {
            let provider = format!(
                r#"{{"type": "python", "module": "chaosk8s.{module}", "func": "{name}", "arguments": {arguments}}}"#
            );
            assert_eq!(found(&provider, ""), expected, "{name} {arguments}");
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
            &[ReachedScope::Unknown("chaosk8s.pod.actions.nonsense is not built in".into())],
        );
    }

    #[test]
    fn processes_and_what_stands_elsewhere() {
        assert_eq!(found(r#"{"type": "process", "path": "true"}"#, ""), [ReachedScope::Process]);
        let inside = r#"{"type": "http", "url": "http://web.svc/"}"#;
        let dynamic = r#""configuration": {"x": {"type": "probe", "name": "x", "provider":
            {"type": "process", "path": "true"}}},"#;
        assert_eq!(found(inside, dynamic), [ReachedScope::Process]);
        let guard = r#""controls": [{"name": "c", "provider": {"type": "python", "module": "chaosaddons.controls.safeguards",
            "arguments": {"probes": [{"type": "probe", "name": "g", "provider": {"type": "http", "url": "http://x/"}}]}}}],"#;
        assert_eq!(found(inside, guard), [ReachedScope::Host("x".into())]);
        let judge = r#""steady-state-hypothesis": {"title": "h", "probes": [{"type": "probe", "name": "q",
            "provider": {"type": "http", "url": "http://web.svc/"}, "tolerance": {"type": "probe", "name": "j",
            "provider": {"type": "process", "path": "true"}}}]},"#;
        assert_eq!(found(inside, judge), [ReachedScope::Process]);
    }

    #[test]
    fn what_is_allowed_is_named() {
        let allowed = AllowedScopes::new(["shop", "process"].map(str::to_owned));
        assert!(
            allowed.allows(&ReachedScope::Namespace("shop".into())) && allowed.allows(&ReachedScope::Process)
        );
        assert!(
            !allowed.allows(&ReachedScope::Namespace("default".into()))
                && !allowed.allows(&ReachedScope::Cluster)
        );
        let told =
            IsolationViolation { who: "'p'".into(), place: ReachedScope::Host("x:1".into()) }.to_string();
        assert!(told.ends_with("; --allow-outside x:1 allows it"), "{told}");
    }
}
