//! Generates an experiment from a specification: steady state, one fault, and its rollbacks. Pure.

use serde_json::{Map, Value as Json, json};

use super::spec::{EndpointSpec, ExperimentSpec, FaultSpec};
use crate::app::trial::NAMESPACE_VARIABLE;

/// The default duration of the fault in seconds.
const SETTLE_SECONDS: u32 = 10;

/// Builds the experiment; fields are in reading order.
pub(super) fn build_experiment(spec: &ExperimentSpec) -> Json {
    let mut configuration = Map::new();
    if let EndpointSpec::Url(url) = &spec.endpoint {
        configuration.insert("url".to_owned(), url.as_str().into());
    }
    if let Some(namespace) = &spec.namespace {
        // a trial sets the variable to the namespace of each run
        let entry = json!({"type": "env", "key": NAMESPACE_VARIABLE, "default": namespace});
        configuration.insert("namespace".to_owned(), entry);
    }
    let (action, rollbacks) = build_steps(spec, &mut configuration);
    configuration.insert("settle_seconds".to_owned(), SETTLE_SECONDS.into());
    let mut experiment = json!({
        "title": spec.title,
        "description": describe(spec),
        "configuration": configuration,
        "steady-state-hypothesis": {"title": "The endpoint responds", "probes": [build_probe(spec)]},
        "method": [action],
        "rollbacks": rollbacks,
    });
    if !rollbacks_of(&experiment).is_empty() {
        // roll back even if the run fails
        experiment["runtime"] = json!({"rollbacks": {"strategy": "always"}});
    }
    experiment
}

fn rollbacks_of(experiment: &Json) -> &[Json] {
    experiment["rollbacks"].as_array().map_or(&[], Vec::as_slice)
}

fn describe(spec: &ExperimentSpec) -> String {
    let recovery = match &spec.fault {
        FaultSpec::KillPods { .. } => "The Pod's controller replaces it.",
        FaultSpec::ScaleToZero { .. } | FaultSpec::DeleteService { .. } => "The rollbacks restore it.",
        FaultSpec::Process { undo: Some(_), .. } => "The rollbacks undo the command.",
        FaultSpec::Process { undo: None, .. } => "The fault needs no rollback.",
    };
    format!(
        "The endpoint must respond with status 200 before the fault, and settle_seconds after it. {recovery}"
    )
}

/// Builds the probe of the steady state.
fn build_probe(spec: &ExperimentSpec) -> Json {
    let url = match (&spec.endpoint, &spec.namespace) {
        (EndpointSpec::Url(_), _) => "${url}".to_owned(),
        (EndpointSpec::Service { name, port_and_path: rest }, None) => format!("http://{name}.svc{rest}"),
        (EndpointSpec::Service { name, port_and_path: rest }, Some(_)) => {
            format!("http://{name}.${{namespace}}.svc{rest}")
        }
    };
    let provider = json!({"type": "http", "url": url, "timeout": 5});
    json!({"type": "probe", "name": "endpoint-responds", "tolerance": 200, "provider": provider})
}

/// Builds the fault and its rollbacks. Values that users may change become configuration entries.
fn build_steps(spec: &ExperimentSpec, configuration: &mut Map<String, Json>) -> (Json, Vec<Json>) {
    let mut set = |name: &str, value: Json| drop(configuration.insert(name.to_owned(), value));
    let function = |name: &str, module: &str, function: &str, arguments: Json| {
        let mut arguments = arguments;
        if spec.namespace.is_some() {
            arguments["ns"] = "${namespace}".into();
        }
        let module = format!("chaosk8s.{module}");
        build_activity(
            name,
            json!({"type": "python", "module": module, "func": function, "arguments": arguments}),
        )
    };
    let (mut action, rollbacks) = match &spec.fault {
        FaultSpec::KillPods { selector } => {
            set("label_selector", selector.as_str().into());
            let arguments = json!({"label_selector": "${label_selector}", "qty": 1, "rand": true});
            (function("kill-a-pod", "pod.actions", "terminate_pods", arguments), Vec::new())
        }
        FaultSpec::ScaleToZero { name, replicas } => {
            set("deployment", name.as_str().into());
            set("replicas", (*replicas).into());
            let scale = |name: &str, replicas: Json| {
                let arguments = json!({"name": "${deployment}", "replicas": replicas});
                function(name, "deployment.actions", "scale_deployment", arguments)
            };
            (scale("scale-to-zero", 0.into()), vec![scale("scale-back", "${replicas}".into())])
        }
        FaultSpec::DeleteService { name, manifest } => {
            set("service", name.as_str().into());
            set("manifest", manifest.as_str().into());
            let delete = function(
                "delete-service",
                "service.actions",
                "delete_service",
                json!({"name": "${service}"}),
            );
            let arguments = json!({"spec_path": "${manifest}"});
            let create =
                function("recreate-service", "service.actions", "create_service_endpoint", arguments);
            (delete, vec![create])
        }
        FaultSpec::Process { command, undo } => {
            let run = |name: &str, command: &[String]| build_activity(name, build_process(command));
            (run("run-command", command), undo.iter().map(|undo| run("undo-command", undo)).collect())
        }
    };
    action["pauses"] = json!({"after": "${settle_seconds}"});
    (action, rollbacks)
}

fn build_activity(name: &str, provider: Json) -> Json {
    json!({"type": "action", "name": name, "provider": provider})
}

/// Builds a process provider. Dollar signs are escaped, because they belong to the command.
fn build_process(command: &[String]) -> Json {
    let (program, rest) = command.split_first().map_or(("", command), |(first, rest)| (first.as_str(), rest));
    let arguments: Vec<String> = rest.iter().map(|word| word.replace('$', "$$")).collect();
    json!({"type": "process", "path": program, "arguments": arguments, "timeout": 60})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate_from(fault: FaultSpec, namespace: Option<&str>) -> Json {
        let asks = EndpointSpec::Service { name: "web".to_owned(), port_and_path: ":8080/x".to_owned() };
        let namespace = namespace.map(str::to_owned);
        build_experiment(&ExperimentSpec { title: "t".to_owned(), endpoint: asks, fault, namespace })
    }

    #[test]
    fn fault_targets_named_object_and_is_rolled_back() {
        let scale = generate_from(FaultSpec::ScaleToZero { name: "web".to_owned(), replicas: 3 }, None);
        let arguments = |step: &Json| step["provider"]["arguments"].clone();
        assert_eq!(arguments(&scale["method"][0]), json!({"name": "${deployment}", "replicas": 0}));
        assert_eq!(
            arguments(&scale["rollbacks"][0]),
            json!({"name": "${deployment}", "replicas": "${replicas}"})
        );
        assert_eq!(scale["configuration"]["replicas"], 3);
        assert_eq!(scale["runtime"]["rollbacks"]["strategy"], "always");
        let kill = generate_from(FaultSpec::KillPods { selector: "app=web".to_owned() }, None);
        assert_eq!(arguments(&kill["method"][0])["label_selector"], "${label_selector}");
        assert_eq!(
            (&kill["configuration"]["label_selector"], &kill["rollbacks"]),
            (&json!("app=web"), &json!([]))
        );
        assert!(kill["runtime"].is_null());
    }

    #[test]
    fn namespace_comes_from_trial_variable() {
        let kill = || FaultSpec::KillPods { selector: "app=web".to_owned() };
        let (with, without) = (generate_from(kill(), Some("shop")), generate_from(kill(), None));
        let url =
            |experiment: &Json| experiment["steady-state-hypothesis"]["probes"][0]["provider"]["url"].clone();
        assert_eq!(url(&without), "http://web.svc:8080/x");
        assert_eq!(url(&with), "http://web.${namespace}.svc:8080/x");
        assert_eq!(with["method"][0]["provider"]["arguments"]["ns"], "${namespace}");
        let entry = json!({"type": "env", "key": "KUBECTL_CHAOS_NAMESPACE", "default": "shop"});
        assert_eq!(with["configuration"]["namespace"], entry);
    }

    #[test]
    fn dollar_signs_in_commands_are_escaped() {
        let strings = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let fault = FaultSpec::Process {
            command: strings(&["sh", "-c", "kill $PID ${url}"]),
            undo: Some(strings(&["up"])),
        };
        let composed = generate_from(fault, None);
        let provider = &composed["method"][0]["provider"];
        assert_eq!(
            (&provider["path"], &provider["arguments"]),
            (&json!("sh"), &json!(["-c", "kill $$PID $${url}"]))
        );
        assert_eq!(composed["rollbacks"][0]["provider"]["path"], "up");
    }
}
