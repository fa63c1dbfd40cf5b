//! A mock of the API server.

use serde_json::{Value, json};

use super::{Response, Sandbox, Server};

/// Writes a kubeconfig with one context, `one`, and the namespace `shop`. Returns its path.
pub fn kubeconfig(sandbox: &Sandbox, server: &str, user: &Value) -> String {
    write_kubeconfig(sandbox, json!({"server": server}), user)
}

/// The same for a mock. The certificate of a secure one is not verified.
pub fn kubeconfig_of(sandbox: &Sandbox, server: &Server, user: &Value) -> String {
    write_kubeconfig(sandbox, json!({"server": server.url(""), "insecure-skip-tls-verify": true}), user)
}

fn write_kubeconfig(sandbox: &Sandbox, cluster: Value, user: &Value) -> String {
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]});
    sandbox.write("config", config.to_string()).to_str().expect("a readable path").to_owned()
}

/// An error response of the API server.
pub fn refused(code: u16, message: &str, details: &Value) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": message, "details": details});
    Response::new(code, "application/json", &status.to_string())
}

/// An activity that calls a Kubernetes function.
pub fn function(kind: &str, module: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": kind, "name": name, "provider":
        {"type": "python", "module": format!("chaosk8s.{module}"), "func": name, "arguments": arguments}})
}
